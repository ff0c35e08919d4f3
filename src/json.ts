// Reads values from outside, whose types are not known.

/** An object with keys; an array is not one. */
export const isRecord = (value: unknown): value is Record<PropertyKey, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** A property of an object, or `undefined` for any other value. */
export const property = (value: unknown, name: PropertyKey): unknown =>
  isRecord(value) ? value[name] : undefined;

/** A string that is not blank, or `undefined`. */
export const textOf = (value: unknown): string | undefined =>
  typeof value === "string" && value.trim() !== "" ? value : undefined;

/** An id that is a number with more digits than a number of JavaScript keeps. */
const LONG_NUMBER = /("(?:task_id|id|data)"\s*:\s*)(\d{16,})(?=\s*[,}])/g;

/** The value of a JSON text, with long numeric ids as strings; `undefined` if it is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, "").replace(LONG_NUMBER, '$1"$2"')) as unknown;
  } catch {
    return undefined;
  }
}

/** A copy of a JSON value, of which nothing is shared. */
export const jsonCopy = <Value>(value: Value): Value => JSON.parse(JSON.stringify(value)) as Value;
