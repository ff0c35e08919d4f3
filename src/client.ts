// The public interfaces, and the wiring of a client.
import { attempt, type Connection } from "./attempt.js";
import { type ApiKey, checkApiKey } from "./auth.js";
import { type WrittenRequest, createTask, getTask } from "./operations.js";
import { checkBaseUrl, checkFunction, checkNumber, checkSignal } from "./options.js";
import { createRedactorCache } from "./redact.js";
import { checkTaskId, type LipSyncRequest, toBody } from "./request.js";
import { retry } from "./retry.js";
import type { LipSyncTask, SucceededLipSyncTask } from "./task.js";
import { waitForTask, type WaitOptions } from "./wait.js";

/** How to reach a gateway. All options may be `undefined`. */
export interface LipSyncClientOptions {
  /**
   * The gateway's API key, or a (possibly async) function, called before each attempt. A leading
   * `Bearer ` is removed. Default: the environment variable `KLING_API_KEY`, read at each call.
   */
  apiKey?: ApiKey | undefined;
  /**
   * The gateway's origin, such as `https://gateway.example`; `/kling/v1/…` is added to it.
   * Default: the environment variable `KLING_BASE_URL`, read at each call.
   */
  baseUrl?: string | undefined;
  /**
   * Your own `fetch`, called with a URL and an init; default `globalThis.fetch`. It resolves with a
   * standard Response, whose body is a web stream. It must not retry by itself: a POST that is sent
   * twice may be billed twice.
   */
  fetch?: typeof globalThis.fetch | undefined;
  /**
   * Timeout for one attempt in milliseconds, including the key function and reading the response
   * body; default 60_000, at most 24 days.
   */
  timeoutMs?: number | undefined;
  /** How many times a failed attempt is retried where that is safe; default 2. */
  maxRetries?: number | undefined;
}

/** What one call does differently from the client. */
export interface RequestOptions {
  /**
   * Ends the call immediately: the promise rejects with `signal.reason`. A `create` that is aborted
   * may have started a task that is billed.
   */
  signal?: AbortSignal | undefined;
  /** Timeout for one attempt in milliseconds; default: the client's. */
  timeoutMs?: number | undefined;
  /** How many times a failed attempt is retried where that is safe; default: the client's. */
  maxRetries?: number | undefined;
}

/** Calls the lip-sync endpoint of one gateway. */
export interface LipSyncClient {
  /**
   * Starts a task, which is billed, and resolves as soon as the gateway has accepted it. Store its
   * `task_id`; the video takes minutes.
   *
   * Retried only where it is certain that no task was created.
   *
   * @throws InvalidRequestError - not exactly one video, or a required field of the mode is missing
   * @throws ConfigurationError - the key or the base URL is missing, or an option is invalid
   * @throws ApiError - the gateway responded with something other than a task
   * @throws ConnectionError - no complete response; see its `mayHaveCreatedTask`
   */
  create(request: LipSyncRequest, options?: RequestOptions): Promise<LipSyncTask>;
  /**
   * Returns a task as it is now.
   *
   * @throws InvalidRequestError - the id is invalid
   * @throws ConfigurationError - the key or the base URL is missing, or an option is invalid
   * @throws ApiError - the gateway responded with something other than a task
   * @throws ConnectionError - no complete response, also after the retries
   */
  get(taskId: string, options?: RequestOptions): Promise<LipSyncTask>;
  /**
   * Polls at once and then every 10 s until the task is done. It never creates anything, so you can
   * call it again with the same id, also from another process.
   *
   * Failures that may pass (no connection, 5xx, too many requests) do not end it; its timeout does.
   *
   * @throws TaskFailedError - the task ended as `failed`
   * @throws TaskTimeoutError - the timeout was reached; the task goes on
   * @throws InvalidRequestError - the id is invalid
   * @throws ConfigurationError - the key or the base URL is missing, or an option is invalid
   * @throws ApiError - a response that waiting cannot fix, such as 401 or 404
   */
  wait(taskId: string, options?: WaitOptions): Promise<SucceededLipSyncTask>;
}

/**
 * Creates a client for one gateway; nothing is sent yet.
 *
 * @throws ConfigurationError - a key, base URL or other option that is given and invalid
 */
export function createLipSyncClient(options: LipSyncClientOptions = {}): LipSyncClient {
  const { apiKey, baseUrl, fetch } = options;
  // What is given is checked now; what is absent is read from the environment at each call.
  if (apiKey !== undefined) checkApiKey(apiKey);
  if (baseUrl !== undefined) checkBaseUrl(baseUrl);
  if (fetch !== undefined) checkFunction("fetch", fetch);
  const timeoutMs = checkNumber("timeoutMs", 60_000, options.timeoutMs);
  const maxRetries = checkNumber("maxRetries", 2, options.maxRetries);
  const redactorOf = createRedactorCache();

  /** Throws before anything asynchronous, so that the error's stack has the caller's line. */
  function connect(): Connection {
    return {
      apiKey: checkApiKey(apiKey),
      baseUrl: checkBaseUrl(baseUrl),
      fetch: checkFunction("fetch", fetch ?? globalThis.fetch),
      redactorOf,
    };
  }

  async function call(write: () => Promise<WrittenRequest>, options: RequestOptions) {
    const connection = connect();
    checkSignal(options.signal);
    const limits = {
      signal: options.signal,
      timeoutMs: checkNumber("timeoutMs", timeoutMs, options.timeoutMs),
      maxRetries: checkNumber("maxRetries", maxRetries, options.maxRetries),
    };
    // Written once, so that every attempt sends the same bytes.
    const request = await write();
    const isBilled = request.method === "POST";
    // With `await`, here and below, an error that comes later has the caller's line, too.
    return await retry(() => attempt(request, connection, limits), { ...limits, isBilled });
  }

  async function get(taskId: string, options: RequestOptions = {}) {
    const id = checkTaskId(taskId);
    return await call(() => getTask(id), options);
  }

  return {
    get,
    async create(request, options = {}) {
      const body = toBody(request);
      return await call(() => createTask(body), options);
    },
    wait: (taskId, options = {}) => waitForTask({ connect, get }, taskId, options),
  };
}
