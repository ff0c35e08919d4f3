// Checks of the fields of a request. Each names the field and says how to fix it.
import { InvalidRequestError } from "./errors.js";
import { property } from "./json.js";

/** Throws unless the value is a string. */
export function checkText(value: unknown, field: string): asserts value is string {
  if (typeof value !== "string") throw new InvalidRequestError(`${field} is not a string.`, field);
}

/** Throws unless the value is an http(s) URL. */
export function checkUrl(value: unknown, field: string): void {
  const invalid = (why: string) => new InvalidRequestError(`${field} ${why}.`, field);
  const isHttp = typeof value === "string" && /^\s*https?:\/\//i.test(value);
  if (!isHttp)
    throw invalid(
      "must be an http(s) URL that Kling can reach; there is no upload: put a local file on a server first",
    );
  if (/\s/.test(value)) throw invalid("has white space: remove it, or write a space as %20");
  // The URL parser would take the path of https:///path for a host.
  const isUrl = URL.canParse(value) && !/^https?:\/\/[/\\]/i.test(value);
  if (!isUrl) throw invalid("is not a valid URL");
}

/** Throws unless the value is plain Base64. */
export function checkBase64(value: unknown, field: string): void {
  const invalid = (why: string) => new InvalidRequestError(`${field} ${why}.`, field);
  // JSON turns a Buffer and other bytes into objects.
  if (typeof value === "object")
    throw invalid('must be Base64 text, not bytes: pass Buffer.from(bytes).toString("base64")');
  checkText(value, field);
  if (/^\s*data:/i.test(value))
    throw invalid('must not start with "data:": pass only what follows "base64,"');
  if (/\s/.test(value)) throw invalid("has line breaks or spaces: remove them");
  if (/^[\w+/-]*[-_][\w+/-]*={0,2}$/.test(value))
    throw invalid('is URL-safe Base64: replace "-" with "+" and "_" with "/"');
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(value))
    throw invalid('is not Base64: try readFile(path, "base64")');
}

/** A copy without those of the named fields that are null or blank, which count as absent. */
export function withoutBlanks(
  fields: Record<string, unknown>,
  names: string[],
): Record<string, unknown> {
  const given = Object.entries(fields).filter(([name, value]) => {
    const isAbsent = names.includes(name) && isBlank(value);
    return !isAbsent;
  });
  return Object.fromEntries(given);
}

/** Full-width spaces are blank, too. */
const isBlank = (value: unknown): boolean =>
  value === null || (typeof value === "string" && value.trim() === "");

/** A JSON copy: exactly what is sent. Throws where that would not mean the same. */
export function toJson(request: object): unknown {
  const paths = new Map<unknown, string>();

  function check(this: unknown, key: string, value: unknown): unknown {
    const parent = paths.get(this);
    const path = parent ? `${parent}.${key}` : key;
    const invalid = (why: string) => new InvalidRequestError(`${path} ${why}.`, path);
    if (typeof value === "object") paths.set(value, path);
    if (typeof value === "number" && !Number.isFinite(value))
      throw invalid(`is ${value}, which JSON cannot express`);
    if (typeof value === "string" && /\p{Surrogate}/u.test(value))
      throw invalid("has half an emoji (a lone surrogate): cut a text between whole characters");
    return value;
  }

  try {
    return JSON.parse(JSON.stringify(request, check));
  } catch (error) {
    if (error instanceof InvalidRequestError) throw error;
    const why = String(property(error, "message"));
    throw new InvalidRequestError(`The request is not JSON: ${why}`, "input");
  }
}
