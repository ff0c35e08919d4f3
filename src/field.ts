// One field of a request's input.
import { InvalidRequestError } from "./errors.js";
import { textOf } from "./json.js";

export function requireText(input: Record<string, unknown>, field: string): void {
  if (textOf(input[field]) !== undefined) return;
  throw new InvalidRequestError(`input.${field} must be a string with text.`, `input.${field}`);
}
