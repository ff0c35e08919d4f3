// What a runtime says of a fetch that failed. None documents the shape of it, and in Jest, in vm or
// in another window the classes are of another realm: errors are known by their shape, and each
// runtime has a line of its own.

const PROPERTIES = ["name", "message", "stack", "code", "syscall"] as const;

/** What an error says; what is not a string is empty. */
export type ErrorText = Record<(typeof PROPERTIES)[number], string>;

const LONGEST_CHAIN = 5;

/** What an error and its causes say, the outermost first; empty for a value that is no error. */
export function errorChain(error: unknown): ErrorText[] {
  const chain: ErrorText[] = [];
  try {
    let next = error;
    while (isError(next) && chain.length < LONGEST_CHAIN) {
      const error = next;
      const texts = PROPERTIES.map((property) => [property, asString(error[property])]);
      chain.push(Object.fromEntries(texts) as ErrorText);
      next = error["cause"] ?? firstOf(error["errors"]);
    }
  } catch {
    // A getter threw: what was read before is all that can be known.
  }
  return chain;
}

/** Whether a failed fetch certainly never reached the server; if a runtime does not say, no. */
export function neverConnected(error: unknown): boolean {
  return errorChain(error).some(({ code, syscall, message }) => {
    // Node: the failed system call comes before anything is sent.
    if (syscall === "connect" || syscall === "getaddrinfo") return true;
    // Node's undici: no connection within its own limit.
    if (code === "UND_ERR_CONNECT_TIMEOUT") return true;
    // Node's undici: a port that fetch refuses (https://fetch.spec.whatwg.org/#port-blocking).
    if (message === "bad port") return true;
    // Bun, with the second code before 1.2, and a fetch of somebody's own that keeps only the code.
    if (["ECONNREFUSED", "ConnectionRefused", "ENOTFOUND", "EAI_AGAIN"].includes(code)) return true;
    // Deno says it in words only.
    return message.includes("client error (Connect)");
  });
}

/** An `Error` of any realm, or an object with the two strings that every error has. */
function isError(value: unknown): value is Record<string, unknown> {
  if (Object.prototype.toString.call(value) === "[object Error]") return true;
  if (typeof value !== "object" || value === null) return false;
  return "name" in value && "message" in value && typeof value.message === "string";
}

/** Node fails with one error for each address of a host; they say the same. */
function firstOf(errors: unknown): unknown {
  return Array.isArray(errors) ? errors[0] : undefined;
}

function asString(value: unknown): string {
  return typeof value === "string" ? value : "";
}
