// Reads the error of a failed fetch. No runtime documents its shape, and in Jest, in vm or in another
// window its class comes from another realm. So errors are recognized by shape, with one line for
// each runtime.

/** The texts of an error, empty if not a string, and its causes. */
interface ErrorText extends Record<"name" | "message" | "stack" | "code" | "syscall", string> {
  causes: unknown[];
}

const LONGEST_CHAIN = 5;

const CODES = [
  // Node's undici: no connection within its own limit.
  "UND_ERR_CONNECT_TIMEOUT",
  // Bun; the other two in old versions.
  "ECONNREFUSED",
  "ConnectionRefused",
  "FailedToOpenSocket",
  // A custom fetch that keeps only the code.
  "ENOTFOUND",
  "EAI_AGAIN",
  // undici: no TLS with a proxy.
  "UND_ERR_PRX_TLS",
];

const MESSAGES = [
  // Node's undici: a port that fetch blocks (https://fetch.spec.whatwg.org/#port-blocking).
  /^bad port$/,
  // Deno says it only in the message.
  /client error \(Connect\)/,
  // Node's TLS: the connection ended in the handshake.
  /before secure TLS connection was established$/,
  // undici: the proxy refused the tunnel.
  /^Proxy response \(\d+\) !== 200 when HTTP Tunneling$/,
];

/** What an error and its causes say, the outermost first; empty if the value is not an error. */
export function errorChain(error: unknown, longest: number = LONGEST_CHAIN): ErrorText[] {
  const chain: ErrorText[] = [];
  try {
    let next = error as Record<string, unknown>;
    while (chain.length < longest) {
      // An error of any realm is recognized by its message, because `instanceof` would miss some.
      const { name, message, stack, code, syscall, cause, errors } = next;
      if (typeof message !== "string") break;
      const causes = Array.isArray(errors) && errors.length > 0 ? errors : [cause];
      chain.push({
        name: text(name),
        message,
        stack: text(stack),
        code: text(code),
        syscall: text(syscall),
        causes,
      });
      next = causes[0] as typeof next;
    }
  } catch {
    // It is null, or a getter threw.
  }
  return chain;
}

/** Whether a failed fetch certainly never reached the server; `false` if a runtime does not say. */
export function neverConnected(error: unknown, longest: number = LONGEST_CHAIN): boolean {
  for (const { code, syscall, message, causes } of errorChain(error, longest)) {
    // Node's error for all addresses of a host has the code of one, so each is read.
    if (causes.length > 1) return causes.every((cause) => neverConnected(cause, longest - 1));
    // Node: the failed system call comes before anything is sent.
    if (syscall === "connect" || syscall === "getaddrinfo") return true;
    if (CODES.includes(code)) return true;
    if (MESSAGES.some((pattern) => pattern.test(message))) return true;
    // Node and Bun: the client rejects the server's certificate. An alert of the server's, ERR_SSL_…,
    // can come after the request.
    if (/CERT|SIGNATURE/.test(code) && !code.startsWith("ERR_SSL_")) return true;
    // Any other code is another failure.
    if (code !== "") return false;
  }
  return false;
}

const text = (value: unknown): string => (typeof value === "string" ? value : "");
