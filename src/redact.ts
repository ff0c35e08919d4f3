import { causesOf } from "./errors.js";

/** Takes the key out of a text. */
export type Redact = (text: string) => string;

/** Finds the key as it is and as JSON or a URL may spell its characters. */
export function redactor(key: string): Redact {
  // Shorter is no key, and would be found in innocent words.
  if (key.length < 6) return (text) => text;
  const spellings = Array.from(key, (character) => {
    const hex = character.charCodeAt(0).toString(16);
    const plain = /\w/.test(character) ? character : `\\\\*\\${character}`;
    return `(?:${plain}|%${hex}|\\\\+u00${hex})`;
  });
  const pattern = new RegExp(spellings.join(""), "gi");
  return (text) => text.replace(pattern, "***");
}

/** The error as it is where the key cannot be in it, else a copy of what a log needs. */
export function redactCause(cause: unknown, redact: Redact): unknown {
  if (isClean(cause, redact, new Set())) return cause;
  return causesOf(cause).reduceRight<Error | undefined>((cause, { name, message, stack = "" }) => {
    const copy = new Error(redact(message), cause && { cause });
    return Object.assign(copy, { name: redact(name), stack: redact(stack) });
  }, undefined);
}

function isClean(value: unknown, redact: Redact, seen: Set<object>): boolean {
  if (typeof value === "string") return redact(value) === value;
  if (typeof value !== "object" || value === null) return typeof value !== "function";
  if (seen.has(value)) return true;
  seen.add(value);
  const isError = value instanceof Error;
  // Anything else (a Request, a Headers, a socket) may print what its properties do not show.
  if (!isError && !PLAIN.has(Object.getPrototypeOf(value))) return false;
  const parts = Reflect.ownKeys(value).map((key) => Reflect.get(value, key) as unknown);
  if (isError) parts.push(value.name, value.message, value.stack);
  return parts.every((part) => isClean(part, redact, seen));
}

const PLAIN = new Set<unknown>([Object.prototype, Array.prototype, null]);
