// What a runtime says of a fetch that failed. None documents the shape of it, and in Jest, in vm or
// in another window the classes are of another realm: errors are known by their shape, and each
// runtime has a line of its own.

import { isRecord } from "./json.js";

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
      // Node fails with one error for each address of a host; they say the same.
      next = error["cause"] ?? (error["errors"] as unknown[] | undefined)?.[0];
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

/** Any object with a message: an `instanceof` would miss the errors of another realm. */
function isError(value: unknown): value is Record<string, unknown> {
  return isRecord(value) && typeof value["message"] === "string";
}

function asString(value: unknown): string {
  return typeof value === "string" ? value : "";
}
