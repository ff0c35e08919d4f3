// The errors of this library.
import { textOf } from "./json.js";
import type { LipSyncTask } from "./task.js";

/** The base class of all errors of this library. An abort rejects with the signal's reason instead. */
export class LipSyncError extends Error {
  override readonly name: string = "LipSyncError";
  /**
   * Whether this call may have started a task that is billed. Only `create` can set it.
   *
   * `false`: no task was created, so calling `create` again is safe. `true`: look for the task at
   * the gateway first (its console or its list of tasks); calling `create` again may pay twice.
   */
  readonly mayHaveCreatedTask: boolean;

  constructor(message: string, options: { mayHaveCreatedTask?: boolean; cause?: unknown } = {}) {
    super(message, options);
    this.mayHaveCreatedTask = options.mayHaveCreatedTask ?? false;
  }
}

/** The key, the base URL or another option is missing or invalid; nothing was sent. */
export class ConfigurationError extends LipSyncError {
  override readonly name = "ConfigurationError";
}

/** The request, an id or a callback body is invalid; nothing was sent. */
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
 * A complete response that is not a task: not 2xx, a `code` other than 0, not JSON, no task in it,
 * or more than 1 MiB. The API key is replaced by `***` in everything that is kept.
 */
export class ApiError extends LipSyncError {
  override readonly name = "ApiError";
  /** The HTTP status; 0 for a redirect that the runtime hides, as browsers do. */
  declare readonly status: number;
  /** Kling's code as a number (also if it came as a numeric string), or the gateway's own word. */
  declare readonly code: number | string | undefined;
  /** The `request_id` in the body, or else the `x-request-id` header: gateways ask for it. */
  declare readonly requestId: string | undefined;
  /** The response headers. */
  declare readonly headers: Headers;
  /** The response body as text; of a body that is too large, the first 60 KiB. */
  declare readonly body: string;
  /**
   * The id of a task that the response names although it is not that task. `get` it before you call
   * `create` again; `mayHaveCreatedTask` of a `create` is true then.
   */
  declare readonly taskId: string | undefined;

  constructor(message: string, details: Pick<ApiError, Kept> & { mayHaveCreatedTask?: boolean }) {
    super(message, details);
    Object.assign(this, details);
  }
}

/** No complete response: refused, reset, cut off or timed out. `cause` says what happened. */
export class ConnectionError extends LipSyncError {
  override readonly name = "ConnectionError";
}

/** The task ended as `failed`; the message is its `task_status_msg`. */
export class TaskFailedError extends LipSyncError {
  override readonly name = "TaskFailedError";
  /** The task as the gateway last described it. */
  readonly task: LipSyncTask;

  constructor(task: LipSyncTask) {
    super(textOf(task.task_status_msg) ?? `Task ${task.task_id} failed.`);
    this.task = task;
  }
}

/**
 * `wait` reached its time limit. The task goes on and is billed all the same: call `wait` again
 * with {@link TaskTimeoutError.taskId}; do not create the task again. `cause` is the error of the
 * last poll, if that failed.
 */
export class TaskTimeoutError extends LipSyncError {
  override readonly name = "TaskTimeoutError";
  /** The id that `wait` was called with. */
  readonly taskId: string;
  /** The task as the gateway last described it; `undefined` if no poll succeeded. */
  readonly task: LipSyncTask | undefined;

  constructor(taskId: string, timeoutMs: number, task: LipSyncTask | undefined, cause: unknown) {
    const status = task?.task_status ?? "unknown";
    const message = `Task ${taskId} was not done after ${timeoutMs} ms (${status}).`;
    super(message, cause === undefined ? {} : { cause });
    this.taskId = taskId;
    this.task = task;
  }
}
