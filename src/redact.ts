// Removes the API key from everything that an error keeps.
import { errorChain } from "./network-error.js";

/** Replaces the key with `***` in a text, even if JSON or a URL has escaped it. */
export type Redact = (text: string) => string;

export type RedactorOf = (key: string) => Redact;

/** A shorter key could match an ordinary word. */
const SHORTEST_KEY = 6;

/** Creates redactors and caches the latest: creating one is a good part of the cost of an attempt. */
export function createRedactorCache(): RedactorOf {
  let latest: { key: string; redact: Redact } | undefined;
  return (key) => {
    if (latest?.key !== key) latest = { key, redact: redactorOf(key) };
    return latest.redact;
  };
}

function redactorOf(key: string): Redact {
  if (key.length < SHORTEST_KEY) return (text) => text;
  const pattern = new RegExp(key.replace(/./g, spellings), "gi");
  return (text) => text.replace(pattern, "***");
}

/**
 * One character as it is, as JSON may escape it, or percent-encoded. The limit on backslashes bounds
 * the time that a hostile response takes.
 */
function spellings(character: string): string {
  const hex = character.charCodeAt(0).toString(16);
  return `(?:\\\\{0,8}\\x${hex}|%${hex}|\\\\{1,8}u00${hex})`;
}

/** A copy of an error and its causes, with what a log needs and without the key. */
export function redactError(error: unknown, redact: Redact): Error | undefined {
  let copy: Error | undefined;
  for (const { name, message, stack, code } of errorChain(error).reverse()) {
    const cause = copy;
    copy = new Error(redact(message), cause && { cause });
    const text = { name: redact(name), stack: redact(stack) };
    Object.assign(copy, text, code && { code: redact(code) });
  }
  return copy;
}
