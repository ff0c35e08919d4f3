import { ConfigurationError } from "./errors.js";

/** The gateway's key, or a function that gives it and is asked before every attempt. */
export type ApiKey = string | (() => string | Promise<string>);

export function apiKeySource(apiKey: ApiKey | undefined): () => string | Promise<string> {
  if (typeof apiKey === "function") return async () => cleanKey(await apiKey());
  return source(apiKey, "KLING_API_KEY", cleanKey);
}

export function baseUrlSource(baseUrl: string | undefined): () => string {
  return source(baseUrl, "KLING_BASE_URL", cleanBaseUrl);
}

/** What is given is checked now; what is absent is looked for, and missed, at each call. */
function source(given: unknown, variable: string, clean: (given: unknown) => string): () => string {
  if (given === undefined) {
    const { process } = globalThis as { process?: { env?: Record<string, unknown> } };
    return () => clean(process?.env?.[variable]);
  }
  const value = clean(given);
  return () => value;
}

function cleanKey(given: unknown): string {
  const refuse = (why: string) =>
    new ConfigurationError(
      `The API key ${why}. Give the gateway's key as the option apiKey or as KLING_API_KEY.`,
    );
  if (typeof given !== "string") throw refuse("is missing, or is no string");
  const key = given.trim().replace(/^bearer(?:\s+|$)/i, "");
  if (key === "") throw refuse("is empty");
  if (/^\{\{.*\}\}$/.test(key)) throw refuse("is the placeholder of the documentation");
  // What fetch would refuse, too, but with the key in its message.
  if (/[^!-~]/.test(key)) throw refuse("has a character that an HTTP header cannot hold");
  return key;
}

function cleanBaseUrl(given: unknown): string {
  const refuse = (why: string) =>
    new ConfigurationError(
      `The base URL ${why}. Give the gateway's origin, such as https://gateway.example, as the ` +
        "option baseUrl or as KLING_BASE_URL.",
    );
  if (given === undefined || given === null) throw refuse("is missing");
  const text = typeof given === "string" ? given.trim() : "";
  const url = /^https?:\/\//i.test(text) && URL.canParse(text) && new URL(text);
  if (!url) throw refuse("is not an absolute http(s) URL");
  if (url.username || url.password) throw refuse("holds credentials, which belong in the API key");
  if (url.search) throw refuse("has a query");
  if (url.hash) throw refuse("has a fragment");
  const path = url.pathname.replace(/\/+$/, "");
  const extra = /\/(?:v1|kling|videos|lip-sync)$/i.exec(path)?.[0];
  if (extra) throw refuse(`ends in ${extra}, and the path /kling/v1/… is added to it`);
  return url.origin + path;
}
