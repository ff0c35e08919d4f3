// Removes the API key from everything that an error keeps.
import { errorChain } from "./network-error.js";

/** Replaces the key with `***` in a text, even if JSON or a URL has escaped it. */
export type Redact = (text: string) => string;

/** A shorter key could match an ordinary word. */
const SHORTEST_KEY = 6;

/** A character, plain or as \u00XX. JSON in JSON puts more backslashes in front of it. */
const IN_JSON = /\\+u00([\da-f]{2})|\\*([^])/gi;
/** A character, plain or as %XX. */
const IN_URL = /\\*%([\da-f]{2})|\\*([^])/gi;

/**
 * Creates the redactor of a key. Its time grows only with the length of the key and of the text,
 * because a key can be new in each attempt, and a hostile text full of near-copies of a long one.
 */
export function redactorOf(key: string): Redact {
  if (key.length < SHORTEST_KEY) return (text) => text;
  // A backslash may be an escape of the next character, so none is compared.
  const pattern = key.toLowerCase().replaceAll("\\", "");
  /** For each number of matched characters, how many still match if the next one does not. */
  const fallbacks = [0];

  /** How many characters match after one more. */
  function advance(matched: number, character: string): number {
    while (matched > 0 && pattern[matched] !== character)
      matched = fallbacks[matched - 1] as number;
    return pattern[matched] === character ? matched + 1 : matched;
  }

  for (const character of pattern.slice(1))
    fallbacks.push(advance(fallbacks.at(-1) as number, character));

  /** Replaces the key as Knuth, Morris and Pratt search: goes back in the key, never in the text. */
  function replaceKey(text: string, spelling: RegExp): string {
    let redacted = "";
    let keptFrom = 0;
    let matched = 0;
    let end = 0;
    /** Where the latest characters end, as many as a match needs. */
    const ends = new Int32Array(pattern.length + 1);
    let count = 0;
    for (const [token, code, plain = ""] of text.matchAll(spelling)) {
      const character = code === undefined ? plain : String.fromCharCode(parseInt(code, 16));
      end += token.length;
      if (character === "\\") continue;
      count += 1;
      ends[count % ends.length] = end;
      matched = advance(matched, character.toLowerCase());
      if (matched < pattern.length) continue;
      const start = ends[(count - matched) % ends.length];
      redacted += `${text.slice(keptFrom, start)}***`;
      keptFrom = end;
      matched = 0;
    }
    return redacted + text.slice(keptFrom);
  }

  return (text) => {
    const inJson = replaceKey(text, IN_JSON);
    return inJson.includes("%") ? replaceKey(inJson, IN_URL) : inJson;
  };
}

/** A copy of an error and its causes, with what a log needs and without the key. */
export function redactError(error: unknown, redact: Redact): Error | undefined {
  let copy: Error | undefined;
  for (const { name, message, stack, code } of errorChain(error).reverse()) {
    copy = new Error(redact(message), copy && { cause: copy });
    copy.name = redact(name);
    copy.stack = redact(stack);
    if (code) Object.assign(copy, { code: redact(code) });
  }
  return copy;
}
