// Checks a text field of a request, and says how to fix an invalid one.
import { InvalidRequestError } from "./errors.js";

const ABSOLUTE_URL = /^[a-z][a-z\d+.-]*:\/\/\S/i;
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;
const NOT_BASE64 = 'must be Base64 without "data:"; try readFile(path, "base64")';

/** Throws unless the value is a string that is not blank; a URL must be absolute, a file Base64. */
export function checkText(value: unknown, field: string): void {
  const invalid = (why: string) => new InvalidRequestError(`${field} ${why}.`, field);
  const given = value ?? "";
  const isFile = field === "input.audio_file";
  if (typeof given !== "string") throw invalid(isFile ? NOT_BASE64 : "is not a string");
  if (given.trim() === "") throw invalid("is missing");
  if (isFile && !BASE64.test(given)) throw invalid(NOT_BASE64);
  const isUrl = ABSOLUTE_URL.test(given);
  if (field.endsWith("_url") && !isUrl) throw invalid("must be an absolute URL such as https://…");
}
