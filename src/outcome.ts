// What a failure means: whether a task may exist, whether to retry, and after which pause. Statuses
// and codes are only here; the table is in docs/errors.md ("What is retried").
import { ApiError, ConnectionError } from "./errors.js";
import { parseJson } from "./json.js";

export const isSuccess = (status: number): boolean => status >= 200 && status <= 299;

/** The statuses that fetch follows; 0 is a redirect that a browser hides. */
export const REDIRECTS: number[] = [0, 301, 302, 303, 307, 308];

/** Whether the server certainly rejected the call and created no task. `code` is Kling's own. */
export function isRefused(status: number, code: number | string | undefined): boolean {
  // Kling rejects with codes from 1000 to 1999, whatever status a gateway gives them.
  if (typeof code === "number" && code >= 1000 && code <= 1999) return true;
  // "See Other" points to the result of a call that was processed; "Request Timeout" does not say
  // what arrived.
  if (status === 303 || status === 408) return false;
  return status >= 300 && status <= 499;
}

/** Whether to retry the failed call: a `create` only if no task was created. */
export function mayRepeat(error: unknown, { isBilled }: { isBilled: boolean }): boolean {
  if (!(error instanceof ApiError)) {
    return error instanceof ConnectionError && !error.mayHaveCreatedTask;
  }
  const { status, code } = error;
  // A retry might create a second task.
  if (error.mayHaveCreatedTask) return false;
  // Kling's codes for too many requests, and for more tasks at once than the account may run.
  const isTooMany = code === 1302 || code === 1303;
  if (isTooMany && (status === 429 || isSuccess(status))) return true;
  // A gateway's own limit. With another code of Kling's, the account must be fixed first.
  if (status === 429) return typeof code !== "number";
  // A server error. A create is not retried here, even if a code says that it was rejected.
  // After any other 3xx and 4xx, and a success without a task, the next response would be the same.
  return !isBilled && (status === 408 || status >= 500);
}

/** Whether a gateway does not know a task, which may be new. A 404 without JSON means a wrong path. */
export function isUnknownTask(error: unknown): boolean {
  if (!(error instanceof ApiError)) return false;
  // new-api uses status 400.
  if (error.code === "task_not_exist") return true;
  return error.status === 404 && parseJson(error.body) !== undefined;
}

/** The pause in `Retry-After` of a failed response, given in seconds or as a date. */
export function retryAfterMs(error: unknown): number | undefined {
  if (!(error instanceof ApiError)) return undefined;
  const value = error.headers.get("retry-after") ?? "";
  if (/^\d+(?:\.\d+)?$/.test(value)) return Number(value) * 1000;
  // Date.parse accepts almost anything, so require the format of HTTP.
  const date = /^\S+, .+ GMT$/.test(value) ? Date.parse(value) : NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
}

/** The pause without a `Retry-After`; retries are counted from 0. */
export const backoffMs = (retries: number): number =>
  1000 + Math.random() * Math.min(LONGEST_PAUSE_MS, 1000 * 2 ** retries);

/** The longest pause, and the longest random part of one. */
export const LONGEST_PAUSE_MS = 60_000;
