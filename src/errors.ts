// The errors of this library.
import { property, textOf } from "./json.js";
import type { LipSyncTask } from "./task.js";

/** Base class of all errors of this library. An aborted call rejects with `signal.reason` instead. */
export class LipSyncError extends Error {
  override readonly name: string = "LipSyncError";
  /**
   * Whether this call may have started a task that is billed. Only `create` can set it to `true`.
   *
   * `false`: no task was created, so it is safe to call `create` again. `true`: look for the task at
   * the gateway first (console or list of tasks), because calling `create` again may pay twice.
   */
  readonly mayHaveCreatedTask: boolean;

  constructor(message: string, options: { mayHaveCreatedTask?: boolean; cause?: unknown } = {}) {
    super(message, options);
    this.mayHaveCreatedTask = options.mayHaveCreatedTask ?? false;
  }
}

/**
 * Whether a failed `create` may have started a task that is billed. Use it in place of the property,
 * because not every error has one: it is `true` for an abort, an error of your own key function, and
 * anything else that is not certain.
 *
 * `false`: this call created no task, so it is safe to call `create` again. Pass only what `create` was
 * rejected with: an error of `wait` created no task either, but the task that it waited for exists.
 */
export const mayHaveCreatedTask = (error: unknown): boolean =>
  property(error, "mayHaveCreatedTask") !== false;

export const TASK_MAY_EXIST =
  "A task may exist: look for it at the gateway before you call create again.";

/** A message with what to do, as a sentence of its own. */
export const withAdvice = (message: string, advice: string): string =>
  /[.?!]$/.test(message) ? `${message} ${advice}` : `${message}. ${advice}`;

/** The API key, the base URL or another option is missing or invalid. Nothing was sent. */
export class ConfigurationError extends LipSyncError {
  override readonly name = "ConfigurationError";
}

/** The request, a task id or a callback body is invalid. Nothing was sent. */
export class InvalidRequestError extends LipSyncError {
  override readonly name = "InvalidRequestError";
  /** The invalid field, such as `"input.video_url"` or `"taskId"`. */
  readonly field: string;

  constructor(message: string, field: string) {
    super(message);
    this.field = field;
  }
}

type Kept = "status" | "code" | "requestId" | "headers" | "body" | "taskId";

/**
 * A complete response that is not a task: status not 2xx, `code` not 0, not JSON, no task, or more
 * than 1 MiB. The API key is replaced with `***` in the message and in every property.
 */
export class ApiError extends LipSyncError {
  override readonly name = "ApiError";
  /** The HTTP status; 0 for a redirect that the runtime hides, as browsers do. */
  declare readonly status: number;
  /** Kling's code as a number (even if sent as a numeric string), or the gateway's own string. */
  declare readonly code: number | string | undefined;
  /** `request_id` in the body, otherwise the `x-request-id` header; gateway support asks for it. */
  declare readonly requestId: string | undefined;
  /** The response headers. */
  declare readonly headers: Headers;
  /** The response body as text; if it is too large, only the first 60 KiB. */
  declare readonly body: string;
  /**
   * The id of a task that the error response mentions. Call `get` with it before you call `create`
   * again. If `create` throws this error, `mayHaveCreatedTask` is then `true`.
   */
  declare readonly taskId: string | undefined;

  constructor(message: string, details: Pick<ApiError, Kept> & { mayHaveCreatedTask?: boolean }) {
    super(message, details);
    Object.assign(this, details);
  }
}

/** No complete response: refused, reset, cut off or timed out. `cause` has the details. */
export class ConnectionError extends LipSyncError {
  override readonly name = "ConnectionError";
}

/** The task ended with status `failed`. The message is its `task_status_msg`. */
export class TaskFailedError extends LipSyncError {
  override readonly name = "TaskFailedError";
  /** The task as the gateway last returned it. */
  readonly task: LipSyncTask;

  constructor(task: LipSyncTask) {
    super(textOf(task.task_status_msg) ?? `Task ${task.task_id} failed.`);
    this.task = task;
  }
}

/**
 * `wait` reached its timeout. The task continues and is still billed: call `wait` again with
 * `taskId`; do not create the task again. `cause` is the error of the last poll, if it failed.
 */
export class TaskTimeoutError extends LipSyncError {
  override readonly name = "TaskTimeoutError";
  /** The id that you passed to `wait`. */
  readonly taskId: string;
  /** The task as the gateway last returned it; `undefined` if no poll succeeded. */
  readonly task: LipSyncTask | undefined;

  constructor(taskId: string, timeoutMs: number, task: LipSyncTask | undefined, cause: unknown) {
    const status = task?.task_status ?? "unknown";
    let message = `Task ${taskId} was not done after ${timeoutMs} ms (${status}).`;
    const why = textOf(property(cause, "message"));
    if (why) message += ` The last poll failed: ${why}`;
    super(message, cause === undefined ? {} : { cause });
    this.taskId = taskId;
    this.task = task;
  }
}
