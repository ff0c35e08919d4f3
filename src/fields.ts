// Checks of the fields of a request. Each names the field and says how to fix it.
import { InvalidRequestError } from "./errors.js";
import { property } from "./json.js";

/** The error for a field: its message starts with the name of the field. */
export const invalidField = (field: string, why: string): InvalidRequestError =>
  new InvalidRequestError(`${field} ${why}.`, field);

/** Throws unless the value is a string. */
export function checkText(value: unknown, field: string): asserts value is string {
  if (typeof value !== "string") throw invalidField(field, "is not a string");
}

/** Throws unless the value is an http(s) URL. */
export function checkUrl(value: unknown, field: string): void {
  const isHttp = typeof value === "string" && /^\s*https?:\/\//i.test(value);
  if (!isHttp) throw invalidField(field, "must be an http(s) URL: there is no upload");
  if (/\s/.test(value)) throw invalidField(field, "has line breaks or spaces: remove them");
  // The URL parser would take the path of https:///path for a host.
  const isUrl = URL.canParse(value) && !/^https?:\/\/[/\\]/i.test(value);
  if (!isUrl) throw invalidField(field, "is not a valid URL");
}

const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

/** Throws unless the value is plain Base64. */
export function checkBase64(value: unknown, field: string): void {
  // JSON turns a Buffer and other bytes into objects.
  if (typeof value === "object")
    throw invalidField(field, 'must be Base64 text, not bytes: pass buffer.toString("base64")');
  checkText(value, field);
  if (/^\s*data:/i.test(value))
    throw invalidField(field, 'starts with "data:": pass only what follows "base64,"');
  if (/\s/.test(value)) throw invalidField(field, "has line breaks or spaces: remove them");
  if (BASE64.test(value)) return;
  const isUrlSafe = BASE64.test(value.replace(/[-_]/g, "+"));
  throw isUrlSafe
    ? invalidField(field, 'is URL-safe Base64: replace "-" with "+" and "_" with "/"')
    : invalidField(field, 'is not Base64: try readFile(path, "base64")');
}

/** Full-width spaces are blank, too. */
const isBlank = (value: unknown): boolean =>
  value === null || (typeof value === "string" && value.trim() === "");

/**
 * A JSON copy: exactly what is sent. Throws where that would not mean the same. Those of the named
 * fields that are null or blank count as absent.
 */
export function toJson(request: unknown, fields: string[]): unknown {
  const paths = new Map<unknown, string>();

  function check(this: unknown, key: string, value: unknown): unknown {
    const parent = paths.get(this);
    const path = parent ? `${parent}.${key}` : key;
    if (typeof value === "object") paths.set(value, path);
    if (typeof value === "number" && !Number.isFinite(value))
      throw invalidField(path, `is ${value}, which JSON cannot express`);
    if (typeof value === "string" && /\p{Surrogate}/u.test(value))
      throw invalidField(path, "has half an emoji: a lone surrogate");
    return fields.includes(path) && isBlank(value) ? undefined : value;
  }

  try {
    return JSON.parse(JSON.stringify(request, check));
  } catch (error) {
    if (error instanceof InvalidRequestError) throw error;
    const why = String(property(error, "message"));
    throw new InvalidRequestError(`The request is not JSON: ${why}`, "input");
  }
}
