// What an option may be. Each check returns the value to use, or throws what is wrong with it.
import { ConfigurationError } from "./errors.js";
import { property } from "./json.js";

/** An environment variable, or `undefined`, also where there is no environment. */
export const environmentVariable = (name: string): unknown =>
  property(property(property(globalThis, "process"), "env"), name);

/** The gateway's origin, and a path in front of Kling's if there is one, without the last slash. */
export function checkBaseUrl(given: unknown = environmentVariable("KLING_BASE_URL")): string {
  const invalid = (why: string) =>
    new ConfigurationError(
      `The base URL ${why}. Give the gateway's origin, such as https://gateway.example, as the ` +
        "option baseUrl or as KLING_BASE_URL.",
    );
  if (given === undefined || given === null) throw invalid("is missing");
  const text = typeof given === "string" ? given.trim() : "";
  const isHttp = /^https?:\/\//i.test(text) && URL.canParse(text);
  if (!isHttp) throw invalid("is not an absolute http(s) URL");
  const { origin, pathname, username, password, search, hash } = new URL(text);
  if (username || password) throw invalid("holds credentials");
  if (search) throw invalid("has a query");
  if (hash) throw invalid("has a fragment");
  const path = pathname.replace(/\/+$/, "");
  // The habit from OpenAI clients, or the whole URL of the endpoint.
  const extra = /\/(?:v1|kling|videos|lip-sync)$/i.exec(path)?.[0];
  if (extra) throw invalid(`ends in ${extra}, and the path /kling/v1/… is added to it`);
  return origin + path;
}

/** Returns the function, or throws if it is none. */
export function checkFunction<Value>(name: string, value: Value): Value {
  if (typeof value === "function") return value;
  throw invalidOption(name, "a function", value);
}

/** A time or a number of times; `undefined` stands for the default. */
export function checkNumber(name: string, value: number | undefined, byDefault: number): number {
  if (value === undefined) return byDefault;
  if (typeof value === "number" && value >= 0) return value;
  throw invalidOption(name, "a number of at least 0", value);
}

/** Any realm's signal, known by its shape. */
export function checkSignal(signal: unknown): void {
  const isSignal = typeof property(signal, "addEventListener") === "function";
  if (signal !== undefined && !isSignal) throw invalidOption("signal", "an AbortSignal", signal);
}

const invalidOption = (name: string, valid: string, value: unknown) =>
  new ConfigurationError(`The option ${name} must be ${valid}, not ${show(value)}.`);

function show(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "function") return "a function";
  return typeof value === "object" && value !== null ? "an object" : String(value);
}
