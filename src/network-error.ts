// What a runtime says of a fetch that failed. None documents the shape of it, and in Jest, in vm or
// in another window the classes are of another realm: errors are known by their shape, and each
// runtime has a line of its own.

/** What an error says, and its causes; what is not a string is empty. */
interface ErrorText extends Record<"name" | "message" | "stack" | "code" | "syscall", string> {
  causes: unknown[];
}

const LONGEST_CHAIN = 5;

const CODES = [
  // Node's undici: no connection within its own limit.
  "UND_ERR_CONNECT_TIMEOUT",
  // Bun; the second one before 1.2.
  "ECONNREFUSED",
  "ConnectionRefused",
  // A fetch of somebody's own that keeps only the code.
  "ENOTFOUND",
  "EAI_AGAIN",
];

/** What an error and its causes say, the outermost first; empty for a value that is no error. */
export function errorChain(error: unknown, longest: number = LONGEST_CHAIN): ErrorText[] {
  const said = read(error);
  if (said === undefined || longest === 0) return [];
  return [said, ...errorChain(said.causes[0], longest - 1)];
}

/** Whether a failed fetch certainly never reached the server; if a runtime does not say, no. */
export function neverConnected(error: unknown, longest: number = LONGEST_CHAIN): boolean {
  const said = read(error);
  if (said === undefined || longest === 0) return false;
  const { code, syscall, message, causes } = said;
  // Node: the failed system call comes before anything is sent.
  if (syscall === "connect" || syscall === "getaddrinfo") return true;
  // Node's undici: a port that fetch refuses (https://fetch.spec.whatwg.org/#port-blocking).
  if (message === "bad port") return true;
  if (CODES.includes(code)) return true;
  // Deno says it in words only.
  if (message.includes("client error (Connect)")) return true;
  // Another code says what else happened. Node's error for all addresses of a host has one of theirs.
  if (code !== "" && causes.length === 1) return false;
  return causes.every((cause) => neverConnected(cause, longest - 1));
}

/** Reads an error of any realm, known by its message: an `instanceof` would miss those of another. */
function read(error: unknown): ErrorText | undefined {
  try {
    const { name, message, stack, code, syscall, cause, errors } = error as Record<string, unknown>;
    if (typeof message !== "string") return undefined;
    const causes = Array.isArray(errors) && errors.length > 0 ? errors : [cause];
    const texts = { name: text(name), stack: text(stack), code: text(code) };
    return { ...texts, message, syscall: text(syscall), causes };
  } catch {
    // It is null, or a getter threw.
    return undefined;
  }
}

const text = (value: unknown): string => (typeof value === "string" ? value : "");
