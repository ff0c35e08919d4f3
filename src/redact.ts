// Removes the API key from everything that an error keeps.
import { errorChain } from "./network-error.js";

/** Replaces the key with `***` in a text, even if JSON or a URL has escaped it. */
export type Redact = (text: string) => string;

/** A shorter key could match an ordinary word. */
const SHORTEST_KEY = 6;

/**
 * One character: as a code of JSON, percent-encoded, or as it is; with the backslashes before it, of
 * which JSON in JSON has any number.
 */
const CHARACTER = /\\+u00([\da-f]{2})|\\*%(?:25)*([\da-f]{2})|\\*([^])/gi;

/**
 * Creates the redactor of a key. Its time grows only with the length of the key and of the text,
 * because a key can be new in each attempt, and a hostile text full of near-copies of a long one.
 */
export function redactorOf(key: string): Redact {
  if (key.length < SHORTEST_KEY) return (text) => text;
  const pattern = readCharacters(key).characters;
  const fallbacks = fallbacksOf(pattern);
  return (text) => {
    const { characters, ends } = readCharacters(text);
    let redacted = "";
    let keptFrom = 0;
    let matched = 0;
    // Knuth, Morris and Pratt: goes back in the key, never in the text.
    characters.forEach((character, index) => {
      while (matched > 0 && pattern[matched] !== character) matched = fallbacks[matched - 1] ?? 0;
      if (pattern[matched] === character) matched += 1;
      if (matched < pattern.length) return;
      redacted += `${text.slice(keptFrom, ends[index - matched] ?? 0)}***`;
      keptFrom = ends[index] ?? 0;
      matched = 0;
    });
    return redacted + text.slice(keptFrom);
  };
}

/** The characters of a text without their escapes and in lower case, and where each of them ends. */
function readCharacters(text: string): { characters: string[]; ends: number[] } {
  const characters: string[] = [];
  const ends: number[] = [];
  let end = 0;
  for (const [token, fromJson, fromUrl, plain = ""] of text.matchAll(CHARACTER)) {
    const code = fromJson ?? fromUrl;
    const character = code === undefined ? plain : String.fromCharCode(parseInt(code, 16));
    end += token.length;
    // A backslash may be an escape of the next character, so none is compared.
    if (character === "\\") continue;
    characters.push(character.toLowerCase());
    ends.push(end);
  }
  return { characters, ends };
}

/** For each number of matched characters, how many still match if the next one does not. */
function fallbacksOf(pattern: string[]): number[] {
  const fallbacks = [0];
  let matched = 0;
  for (const character of pattern.slice(1)) {
    while (matched > 0 && pattern[matched] !== character) matched = fallbacks[matched - 1] ?? 0;
    if (pattern[matched] === character) matched += 1;
    fallbacks.push(matched);
  }
  return fallbacks;
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
