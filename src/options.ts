// Checks options. Each check returns the value to use, or throws a ConfigurationError.
import { ConfigurationError } from "./errors.js";
import { property } from "./json.js";

/** An environment variable, or `undefined`, even where there is no environment. */
export const environmentVariable = (name: string): unknown =>
  property(property(property(globalThis, "process"), "env"), name);

/** The origin of the gateway and its path prefix, if it has one, without a trailing slash. */
export function checkBaseUrl(given: unknown = environmentVariable("KLING_BASE_URL")): string {
  const invalid = (why: string) =>
    new ConfigurationError(`The base URL ${why}. Set baseUrl or KLING_BASE_URL.`);
  if (!given) throw invalid("is missing");
  const url = typeof given === "string" ? given.trim().replace(/\/+$/, "") : "";
  if (/^["'`]|["'`]$/.test(url)) throw invalid("is in quotes: remove them");
  // Only the host is shown: what follows, or a word that is not a host, may be a key.
  const host = /^(?:[a-z\d-]+\.)*[a-z]{2,9}(?=:\d|\/|$)/.exec(url)?.[0];
  if (host) throw invalid(`has no scheme: write https://${host}`);
  const isPlain = /^https?:\/\/[^?#@{}]+$/i.test(url) && URL.canParse(url);
  if (!isPlain) throw invalid("must be an http(s) URL without @, ?, #, { or }");
  // As OpenAI clients need it, or the whole URL of the endpoint.
  const extra = /\/\/.+(\/(?:v1|kling|videos|lip-sync))$/i.exec(url)?.[1];
  if (extra) throw invalid(`must not end in ${extra}`);
  return url;
}

/** Returns the function, or throws if it is not one. */
export const checkFunction = <Value>(name: string, value: Value): Value =>
  check(name, value, typeof value === "function", "a function");

/** A duration or a count; `undefined` means the default. */
export const checkNumber = (name: string, byDefault: number, value: number = byDefault): number =>
  check(name, value, typeof value === "number" && value >= 0, "a number >= 0");

/** Checks by shape, because the signal may come from another realm. */
export function checkSignal<Value>(signal: Value): Value {
  const isSignal = property(signal, "addEventListener") !== undefined;
  return check("signal", signal, signal === undefined || isSignal, "an AbortSignal");
}

/** Headers of the caller, with lower-case names: those of a call replace the client's. */
export function checkHeaders(
  given: Headers | Record<string, string | undefined> = {},
): Record<string, string> {
  // Their values may be secret, so no error has them.
  const invalid = (why: string) => new ConfigurationError(`The option headers ${why}.`);
  let headers: Headers;
  try {
    const isSent = (entry: unknown[]): entry is [string, string] => entry[1] !== undefined;
    headers = new Headers(Symbol.iterator in given ? given : Object.entries(given).filter(isSent));
  } catch {
    throw invalid("must be an object with names and values that HTTP allows");
  }
  for (const name of ["authorization", "content-type"]) {
    if (headers.has(name)) throw invalid(`must not have ${name}: the client sets it`);
  }
  return Object.fromEntries(headers);
}

function check<Value>(name: string, value: Value, isValid: boolean, valid: string): Value {
  if (isValid) return value;
  throw new ConfigurationError(`The option ${name} must be ${valid}, not ${show(value)}.`);
}

function show(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "function") return "a function";
  return typeof value === "object" && value !== null ? "an object" : String(value);
}
