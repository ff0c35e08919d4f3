// What an option may be. Each check returns the value to use, or throws what is wrong with it.
import { ConfigurationError } from "./errors.js";

type Fetch = typeof globalThis.fetch;

/** An environment variable, or `undefined`, also where there is no environment. */
export function environmentVariable(name: string): unknown {
  const { process } = globalThis as { process?: { env?: Record<string, unknown> } };
  return process?.env?.[name];
}

/** The gateway's origin, and a path in front of Kling's if there is one, without the last slash. */
export function checkBaseUrl(baseUrl: unknown): string {
  const invalid = (why: string) =>
    new ConfigurationError(
      `The base URL ${why}. Give the gateway's origin, such as https://gateway.example, as the ` +
        "option baseUrl or as KLING_BASE_URL.",
    );
  if (baseUrl === undefined || baseUrl === null) throw invalid("is missing");
  const text = typeof baseUrl === "string" ? baseUrl.trim() : "";
  const isHttp = /^https?:\/\//i.test(text) && URL.canParse(text);
  if (!isHttp) throw invalid("is not an absolute http(s) URL");
  const { origin, pathname, username, password, search, hash } = new URL(text);
  if (username || password) throw invalid("holds credentials, which belong in the API key");
  if (search) throw invalid("has a query");
  if (hash) throw invalid("has a fragment");
  const path = pathname.replace(/\/+$/, "");
  // The habit from OpenAI clients, or the whole URL of the endpoint.
  const extra = /\/(?:v1|kling|videos|lip-sync)$/i.exec(path)?.[0];
  if (extra) throw invalid(`ends in ${extra}, and the path /kling/v1/… is added to it`);
  return origin + path;
}

/** A time or a number of times; `undefined` stands for the default. */
export function checkNumber(name: string, value: number | undefined, byDefault: number): number {
  checkOption(name, value, typeof value === "number" && value >= 0, "a number of at least 0");
  return value ?? byDefault;
}

/** Every option may be `undefined`. */
export function checkOption(name: string, value: unknown, isValid: boolean, valid: string): void {
  if (value === undefined || isValid) return;
  throw new ConfigurationError(`The option ${name} must be ${valid}, not ${show(value)}.`);
}

function show(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "object" && value !== null) return "an object";
  return String(value);
}

/** The caller's own `fetch`, or else the one that the runtime has at this moment. */
export function fetchOf(own: Fetch | undefined): Fetch {
  const fetch: unknown = own ?? globalThis.fetch;
  if (typeof fetch === "function") return fetch as Fetch;
  throw new ConfigurationError("This runtime has no fetch. Give one as the option fetch.");
}
