// A text field of a request: what it must be, and what to do about one that is not.
import { InvalidRequestError } from "./errors.js";

const ABSOLUTE_URL = /^[a-z][a-z\d+.-]*:\/\/\S/i;
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;
const NOT_BASE64 = 'is not Base64 without "data:"; try readFile(path, "base64")';

/** Throws unless the value is a text with something in it, a URL absolute, and a file Base64. */
export function checkText(value: unknown, field: string): void {
  const invalid = (why: string) => new InvalidRequestError(`${field} ${why}.`, field);
  const given = value ?? "";
  const isFile = field === "input.audio_file";
  if (typeof given !== "string") throw invalid(isFile ? NOT_BASE64 : "is not a string");
  if (given.trim() === "") throw invalid("is missing");
  if (isFile && !BASE64.test(given)) throw invalid(NOT_BASE64);
  const isUrl = ABSOLUTE_URL.test(given);
  if (field.endsWith("_url") && !isUrl) throw invalid("is not an absolute URL such as https://…");
}
