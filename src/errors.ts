import { type LipSyncTask, textOf } from "./task.js";

/** What every error of this library has. An abort is not one: it rejects with the signal's reason. */
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

/** The key, the base URL or a limit is missing or cannot work; the attempt was not sent. */
export class ConfigurationError extends LipSyncError {
  override readonly name = "ConfigurationError";
}

/** What was passed cannot be right; nothing was sent. */
export class InvalidRequestError extends LipSyncError {
  override readonly name = "InvalidRequestError";
  /** What is wrong, such as `"input.video_url"` or `"taskId"`. */
  readonly field: string;

  constructor(message: string, field: string) {
    super(message);
    this.field = field;
  }
}

/**
 * The server answered, and the answer is not success: not 2xx, a `code` other than 0, not JSON, no
 * task in it, or more than 1 MiB. The key is taken out of what is kept of it.
 */
export class ApiError extends LipSyncError {
  override readonly name = "ApiError";
  /** The HTTP status; 0 for a redirect that the runtime hides, as browsers do. */
  readonly status: number;
  /** Kling's code as a number (also where it came as a numeric string), or the gateway's word. */
  readonly code: number | string | undefined;
  /** The answer's `request_id`, else its `x-request-id` header: what a gateway asks for. */
  readonly requestId: string | undefined;
  /** The headers of the answer. */
  readonly headers: Headers;
  /** The text of the answer; of one that is too large, the first 60 KiB or so. */
  readonly body: string;

  constructor(
    message: string,
    details: Pick<ApiError, "status" | "code" | "requestId" | "headers" | "body"> &
      Partial<Pick<ApiError, "mayHaveCreatedTask">>,
  ) {
    super(message, details);
    this.status = details.status;
    this.code = details.code;
    this.requestId = details.requestId;
    this.headers = details.headers;
    this.body = details.body;
  }
}

/** No whole answer came: refused, reset, broken off or timed out. `cause` says what happened. */
export class ConnectionError extends LipSyncError {
  override readonly name = "ConnectionError";
}

/** The task ended as `failed`; the message is its `task_status_msg`. */
export class TaskFailedError extends LipSyncError {
  override readonly name = "TaskFailedError";
  /** The task as it was last answered. */
  readonly task: LipSyncTask;

  constructor(task: LipSyncTask) {
    const reason = textOf(task.task_status_msg);
    super(reason ?? `Task ${task.task_id} failed; the gateway gave no reason.`);
    this.task = task;
  }
}

/**
 * `wait` reached its time limit. The task goes on and is billed all the same: call `wait` again
 * with {@link TaskTimeoutError.taskId}, and do not create it anew. `cause` is the error of the last
 * poll that ended, if that failed.
 */
export class TaskTimeoutError extends LipSyncError {
  override readonly name = "TaskTimeoutError";
  /** The id that `wait` was called with. */
  readonly taskId: string;
  /** The task as it was last answered; absent if no poll was. */
  readonly task: LipSyncTask | undefined;

  constructor(taskId: string, timeoutMs: number, task: LipSyncTask | undefined, cause: unknown) {
    const status = task?.task_status ?? "unknown";
    const message = `Task ${taskId} was not done after ${timeoutMs} ms (status: ${status}); it goes on.`;
    super(message, cause === undefined ? {} : { cause });
    this.taskId = taskId;
    this.task = task;
  }
}

const WORDS = ["name", "message", "stack", "code", "syscall", "errors"] as const;

/** What an error and its causes say, as texts; one that cannot be read ends the list. */
export function causesOf(error: unknown): Record<(typeof WORDS)[number], string>[] {
  const causes: ReturnType<typeof causesOf> = [];
  try {
    for (let next = error; next instanceof Error && causes.length < 5; next = next.cause) {
      const said = next as unknown as Record<string, unknown>;
      // In an array, undefined and null are the empty text.
      const texts = WORDS.map((word) => [word, [said[word]].join()]);
      causes.push(Object.fromEntries(texts) as (typeof causes)[number]);
    }
  } catch {
    // A getter threw, or what it gave is no text.
  }
  return causes;
}
