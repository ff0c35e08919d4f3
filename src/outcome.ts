// What a failure means: may a task exist, may the call be repeated, and after which pause. The one
// owner of statuses and codes; the table is in the README ("What happens when it fails").
import { ApiError, ConnectionError } from "./errors.js";
import { parseJson } from "./json.js";

export const isSuccess = (status: number): boolean => status >= 200 && status <= 299;

/** What fetch would follow; 0 is the status of a redirect that a browser hides. */
export const REDIRECTS: number[] = [0, 301, 302, 303, 307, 308];

/** Whether the server certainly refused, and no task was created. `code` is Kling's own. */
export function isRefused(status: number, code: number | string | undefined): boolean {
  // Kling refuses with codes from 1000 to 1999, at whatever status a gateway passes them on.
  if (typeof code === "number" && code >= 1000 && code <= 1999) return true;
  // "See Other" leads to the result of something that was done; "Request Timeout" does not say what
  // arrived.
  if (status === 303 || status === 408) return false;
  return status >= 300 && status <= 499;
}

/** Whether the failed call may be repeated: a `create` only if no task was created. */
export function mayRepeat(error: unknown, { isBilled }: { isBilled: boolean }): boolean {
  if (!(error instanceof ApiError)) {
    return error instanceof ConnectionError && !error.mayHaveCreatedTask;
  }
  const { status, code } = error;
  // Repeating might create a second task.
  if (error.mayHaveCreatedTask) return false;
  // Kling's codes for too many requests, and for more tasks at once than the account may run.
  const isTooMany = code === 1302 || code === 1303;
  if (isTooMany && (status === 429 || isSuccess(status))) return true;
  // A gateway's own limit; with another code of Kling's, the account has to be fixed first.
  if (status === 429) return typeof code !== "number";
  // A failure of the server. A create is not repeated here even if a code says that it was refused.
  // After any other 3xx and 4xx, and a success without a task, the next response would be the same.
  return !isBilled && (status === 408 || status >= 500);
}

/** That a gateway does not know a task, which may be new. A 404 without JSON says that the path is wrong. */
export function isUnknownTask(error: unknown): boolean {
  if (!(error instanceof ApiError)) return false;
  // new-api says it with status 400.
  if (error.code === "task_not_exist") return true;
  return error.status === 404 && parseJson(error.body) !== undefined;
}

/** The pause that a failed response asks for with `Retry-After`, in seconds or as a date. */
export function retryAfterMs(error: unknown): number | undefined {
  if (!(error instanceof ApiError)) return undefined;
  const value = error.headers.get("retry-after") ?? "";
  if (/^\d+(?:\.\d+)?$/.test(value)) return Number(value) * 1000;
  // Date.parse takes almost anything for a date, so ask for the form that HTTP has.
  const date = /^\S+, .+ GMT$/.test(value) ? Date.parse(value) : NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
}

/** The pause without a `Retry-After`; retries are counted from 0. */
export const backoffMs = (retries: number): number =>
  1000 + Math.random() * Math.min(LONGEST_PAUSE_MS, 1000 * 2 ** retries);

/** The longest pause, and the longest random part of one. */
export const LONGEST_PAUSE_MS = 60_000;
