import { causesOf } from "./errors.js";

/** Takes the key out of a text. */
export type Redact = (text: string) => string;

let latest: { key: string; redact: Redact } | undefined;

/** The last one is kept, since making it is a good part of what an attempt costs. */
export function redactor(key: string): Redact {
  if (latest?.key !== key) latest = { key, redact: makeRedactor(key) };
  return latest.redact;
}

/** Finds the key as it is and as JSON or a URL may spell its characters. */
function makeRedactor(key: string): Redact {
  // Shorter is no key, and would be found in innocent words.
  if (key.length < 6) return (text) => text;
  // How many backslashes are skipped is bounded, and with it the time that a hostile answer takes.
  const spellings = Array.from(key, (character) => {
    const hex = character.charCodeAt(0).toString(16);
    const plain = /\w/.test(character) ? character : `\\\\{0,8}\\${character}`;
    return `(?:${plain}|%${hex}|\\\\{1,8}u00${hex})`;
  });
  const pattern = new RegExp(spellings.join(""), "gi");
  return (text) => text.replace(pattern, "***");
}

/** A copy of an error and of what caused it, with what a log needs and without the key. */
export function redactCause(error: unknown, redact: Redact): Error | undefined {
  return causesOf(error).reduceRight<Error | undefined>((cause, { message, code, ...texts }) => {
    const own = { name: redact(texts.name), stack: redact(texts.stack) };
    const copy = Object.assign(new Error(redact(message), cause && { cause }), own);
    return code === "" ? copy : Object.assign(copy, { code: redact(code) });
  }, undefined);
}
