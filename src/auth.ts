// The API key: a string, a function, or an environment variable.
import { ConfigurationError } from "./errors.js";
import { environmentVariable } from "./options.js";

/** An API key, or a (possibly async) function that returns it, called before each attempt. */
export type ApiKey = string | (() => string | Promise<string>);

/** Checks a key that is a string; a function is called later. */
export const checkApiKey = (apiKey: unknown = environmentVariable("KLING_API_KEY")): ApiKey =>
  typeof apiKey === "function" ? (apiKey as () => string) : cleanKey(apiKey);

/** The key for one attempt. An error of a key function is passed on. */
export const resolveApiKey = async (apiKey: ApiKey): Promise<string> =>
  typeof apiKey === "function" ? cleanKey(await apiKey()) : apiKey;

function cleanKey(apiKey: unknown): string {
  const invalid = (why: string) =>
    new ConfigurationError(`The API key ${why}. Pass it as apiKey or set KLING_API_KEY.`);
  const given = apiKey ?? "";
  if (typeof given !== "string") throw invalid("is not a string");
  const key = given.trim().replace(/^bearer(?:\s+|$)/i, "");
  if (key === "") throw invalid("is missing");
  if (/^["'`]|["'`]$/.test(key)) throw invalid("is in quotes: remove them");
  // {{KEY}}, ${KEY}, <key>, sk-... and what an absent variable becomes in a text.
  const isPlaceholder = /^(?:\{\{.*\}\}|\$\{.*\}|<.*>|.*\.\.\.|undefined|null)$/.test(key);
  if (isPlaceholder) throw invalid("is a placeholder");
  // fetch rejects it, too, but with the key in its message.
  if (/[^!-~]/.test(key)) throw invalid("has a space or is not ASCII");
  return key;
}
