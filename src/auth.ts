// The API key: a string, a function, or an environment variable.
import { ConfigurationError } from "./errors.js";
import { environmentVariable } from "./options.js";

/** The gateway's API key, or a (possibly async) function that returns it, called before each attempt. */
export type ApiKey = string | (() => string | Promise<string>);

/** Checks a key that is given as a string; a function is asked later. */
export function checkApiKey(apiKey: unknown = environmentVariable("KLING_API_KEY")): ApiKey {
  return typeof apiKey === "function" ? (apiKey as () => string) : cleanKey(apiKey);
}

/** The key for one attempt. What a key function throws passes through. */
export async function resolveApiKey(apiKey: ApiKey): Promise<string> {
  return typeof apiKey === "function" ? cleanKey(await apiKey()) : apiKey;
}

function cleanKey(apiKey: unknown): string {
  const invalid = (why: string) =>
    new ConfigurationError(
      `The API key ${why}. Give the gateway's key as the option apiKey or as KLING_API_KEY.`,
    );
  if (apiKey === undefined || apiKey === null) throw invalid("is missing");
  if (typeof apiKey !== "string") throw invalid("is not a string");
  const key = apiKey.trim().replace(/^bearer(?:\s+|$)/i, "");
  if (key === "") throw invalid("is empty");
  if (/^\{\{.*\}\}$/.test(key)) throw invalid("is the placeholder of the documentation");
  // fetch would refuse it, too, but with the key in its message.
  if (/[^!-~]/.test(key)) throw invalid("has a character that an HTTP header cannot hold");
  return key;
}
