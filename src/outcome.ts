// What a failure means: whether a task may exist, whether to retry, and after which pause. Statuses
// and codes are only here; the table is in docs/errors.md ("What is retried").
import { type ApiError, mayHaveCreatedTask } from "./errors.js";
import { parseJson, property } from "./json.js";

type Code = ApiError["code"];

export const isSuccess = (status: number): boolean => status >= 200 && status <= 299;

/** The statuses that fetch follows; 0 is a redirect that a browser hides. */
export const REDIRECTS: number[] = [0, 301, 302, 303, 307, 308];

/** Whether the server certainly rejected the call and created no task. `code` is Kling's own. */
export function isRefused(status: number, code: Code): boolean {
  // Whatever status a gateway gives it.
  if (isKlingRefusal(code)) return true;
  // "See Other" points to the result of a call that was processed.
  if (status === 303 || isUndecided(status)) return false;
  return status >= 300 && status < 500;
}

/** Kling refuses with these codes; from 5000 on, it has failed. */
const isKlingRefusal = (code: Code): boolean =>
  typeof code === "number" && code >= 1000 && code <= 1999;

/** "Request Timeout" and nginx's "Client Closed Request" do not say what arrived. */
const isUndecided = (status: number): boolean => status === 408 || status === 499;

/** By shape, because an error of another copy of the library counts, and others use its name. */
const isApiError = (error: unknown): error is ApiError =>
  property(error, "name") === "ApiError" &&
  typeof property(error, "mayHaveCreatedTask") === "boolean";

/** Whether the moment is bad: there is no connection, or the gateway takes no more for now. */
function isBadMoment(error: unknown): boolean {
  if (property(error, "name") === "ConnectionError") return true;
  if (!isApiError(error)) return false;
  if (TOO_MANY.includes(error.code)) return true;
  // A gateway's own limit, whatever number it has.
  return error.status === 429 && !isKlingRefusal(error.code);
}

/** Whether a failed create created no task and can succeed later. */
export const mayRepeatCreate = (error: unknown): boolean =>
  !mayHaveCreatedTask(error) && isBadMoment(error);

/** Whether a failed get can succeed later. */
export function mayPass(error: unknown): boolean {
  if (isBadMoment(error)) return true;
  return isApiError(error) && (isUndecided(error.status) || error.status >= 500);
}

/** What a failed create means for it, and for the creates after it. */
export type Verdict = "again" | "refused" | "account" | "uncertain";

/** Kling's codes for too many requests, and for more tasks at once than the account may run. */
const TOO_MANY: Code[] = [1302, 1303];
/** Kling's codes for a key, an account or an address that it refuses, whatever is requested. */
const ACCOUNT: Code[] = [1000, 1001, 1002, 1003, 1004, 1100, 1101, 1102, 1103, 1304];

/**
 * The verdict on a failed create.
 *
 * - `again`: no task, and the moment is bad: the same request can succeed later
 * - `refused`: no task, because of this request
 * - `account`: no task, and every other request would be refused, too
 * - `uncertain`: a task may exist
 */
export function verdictOf(error: unknown): Verdict {
  if (mayHaveCreatedTask(error)) return "uncertain";
  if (isBadMoment(error)) return "again";
  if (property(error, "name") === "ConfigurationError") return "account";
  if (!isApiError(error)) return "refused";
  const { status, code } = error;
  if (ACCOUNT.includes(code)) return "account";
  if (isKlingRefusal(code)) return "refused";
  // A key without rights, an address that is not the gateway's, or a proxy in between.
  const isEveryRequestRefused = [401, 402, 403, 404, 405, 407, ...REDIRECTS].includes(status);
  return isEveryRequestRefused ? "account" : "refused";
}

/** Whether a gateway does not know a task, which may be new. A 404 without JSON means a wrong path. */
export function isUnknownTask(error: unknown): boolean {
  if (!isApiError(error)) return false;
  // new-api uses status 400.
  if (error.code === "task_not_exist") return true;
  return error.status === 404 && parseJson(error.body) !== undefined;
}

/** The pause in `Retry-After` of a failed response, given in seconds or as a date. */
export function retryAfterMs(error: unknown): number | undefined {
  if (!isApiError(error)) return undefined;
  const value = error.headers.get("retry-after") ?? "";
  if (/^\d+(?:\.\d+)?$/.test(value)) return Number(value) * 1000;
  // Date.parse accepts almost anything, so require the format of HTTP.
  const pauseMs = /^\S+, .+ GMT$/.test(value) ? Date.parse(value) - Date.now() : NaN;
  return Number.isNaN(pauseMs) ? undefined : Math.max(0, pauseMs);
}

/** The pause without a `Retry-After`; retries are counted from 0. */
export const backoffMs = (retries: number): number =>
  1000 + Math.random() * Math.min(LONGEST_PAUSE_MS, 1000 * 2 ** retries);

/** The longest pause, and the longest random part of one. */
export const LONGEST_PAUSE_MS = 60_000;
