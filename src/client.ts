// The public interface of the client, and its wiring.
import createClient from "openapi-fetch";
import type { paths } from "../generated/schema.js";
import { attempt, type Operation } from "./attempt.js";
import { type ApiKey, checkApiKey } from "./auth.js";
import type { Fetch } from "./body.js";
import { checkBaseUrl, checkFunction, checkHeaders, checkNumber, checkSignal } from "./options.js";
import { checkTaskId, type LipSyncRequest, toBody } from "./request.js";
import { mayPass, mayRepeatCreate } from "./outcome.js";
import { retry } from "./retry.js";
import type { LipSyncTask, SucceededLipSyncTask } from "./task.js";
import type { Limits } from "./time.js";
import { waitForTask, type WaitOptions } from "./wait.js";
import { LIP_SYNC_PATH } from "./wire.js";

/** Options of `createLipSyncClient`; `undefined` means the default. */
export interface LipSyncClientOptions {
  /**
   * API key of the gateway, or a (possibly async) function that returns it, called before each
   * attempt. A leading `Bearer ` is removed. Default: the environment variable `KLING_API_KEY`, read
   * on each call.
   */
  apiKey?: ApiKey | undefined;
  /**
   * Origin of the gateway, such as `https://gateway.example`, with a path prefix if it has one; the
   * client adds `/kling/v1/…`. Default: the environment variable `KLING_BASE_URL`, read on each call.
   */
  baseUrl?: string | undefined;
  /** Headers of every request, such as `{ "X-Group": "video" }`; not `Authorization`. */
  headers?: Record<string, string | undefined> | undefined;
  /**
   * Custom `fetch`, called with a URL and an init; default `globalThis.fetch`. That of undici,
   * node-fetch, cross-fetch, Bun and React Native works, too. It must not retry by itself: a POST
   * that is sent twice may be billed twice.
   */
  fetch?: Fetch | undefined;
  /**
   * Timeout for one attempt in milliseconds, including your key function and reading the response
   * body; default 60_000, at most 24 days.
   */
  timeoutMs?: number | undefined;
  /** Maximum number of retries, made only if a retry is safe; default 2. */
  maxRetries?: number | undefined;
}

/** Options of one call; they override the client's. */
export interface RequestOptions {
  /**
   * Aborts the call: the promise rejects immediately with `signal.reason`. An aborted `create` may
   * have started a task that is billed.
   */
  signal?: AbortSignal | undefined;
  /** Timeout for one attempt in milliseconds; default: the client's. */
  timeoutMs?: number | undefined;
  /** Maximum number of retries; default: the client's. */
  maxRetries?: number | undefined;
  /**
   * Headers of this call, beside the client's. All attempts of a call send the same, such as an
   * `Idempotency-Key`, if your gateway supports one.
   */
  headers?: Record<string, string | undefined> | undefined;
}

/** A client for the lip-sync endpoint of one gateway. */
export interface LipSyncClient {
  /**
   * Starts a task, which is billed. Resolves as soon as the gateway has accepted it; the video takes
   * minutes. Store the `task_id`.
   *
   * A failed attempt is retried only if it is certain that no task was created.
   *
   * @throws InvalidRequestError - not exactly one video, or a field is missing or invalid
   * @throws ConfigurationError - a missing key or base URL, or an invalid option
   * @throws ApiError - the response is not a task; check `mayHaveCreatedTask`
   * @throws ConnectionError - no complete response; check `mayHaveCreatedTask`
   */
  create(request: LipSyncRequest, options?: RequestOptions): Promise<LipSyncTask>;
  /**
   * Returns the current state of a task.
   *
   * @throws InvalidRequestError - the id is invalid
   * @throws ConfigurationError - a missing key or base URL, or an invalid option
   * @throws ApiError - the response is not a task
   * @throws ConnectionError - no complete response, even after the retries
   */
  get(taskId: string, options?: RequestOptions): Promise<LipSyncTask>;
  /**
   * Polls immediately and then every 10 s until the task is done. It never creates a task, so you
   * can call it again with the same id, also from another process.
   *
   * Temporary failures (no connection, 5xx, rate limits) do not end the wait.
   *
   * @throws TaskFailedError - the task ended with status `failed`
   * @throws TaskTimeoutError - the timeout was reached; the task continues
   * @throws InvalidRequestError - the id is invalid
   * @throws ConfigurationError - a missing key or base URL, or an invalid option
   * @throws ApiError - an error that waiting cannot fix, such as 401 or 404
   */
  wait(taskId: string, options?: WaitOptions): Promise<SucceededLipSyncTask>;
}

/**
 * Creates a client for one gateway. No request is sent.
 *
 * @throws ConfigurationError - an option is invalid
 */
export function createLipSyncClient(options: LipSyncClientOptions = {}): LipSyncClient {
  const { apiKey, baseUrl, fetch } = options;
  // Options are checked now; what is missing is read from the environment on each call.
  if (apiKey !== undefined) checkApiKey(apiKey);
  if (baseUrl !== undefined) checkBaseUrl(baseUrl);
  if (fetch !== undefined) checkFunction("fetch", fetch);
  const timeoutMs = checkNumber("timeoutMs", 60_000, options.timeoutMs);
  const maxRetries = checkNumber("maxRetries", 2, options.maxRetries);
  const headers = checkHeaders(options.headers);
  const api = createClient<paths>();

  /** Throws before anything asynchronous, so that the stack of the error has the caller's line. */
  const settingsOf = (options: RequestOptions = {}) => ({
    apiKey: checkApiKey(apiKey),
    baseUrl: checkBaseUrl(baseUrl),
    headers: { ...headers, ...checkHeaders(options.headers) },
    fetch: checkFunction("fetch", fetch ?? globalThis.fetch),
    signal: checkSignal(options.signal),
    timeoutMs: checkNumber("timeoutMs", timeoutMs, options.timeoutMs),
    maxRetries: checkNumber("maxRetries", maxRetries, options.maxRetries),
  });

  function creating(request: LipSyncRequest): Operation {
    const body = toBody(request);
    return {
      route: `POST ${LIP_SYNC_PATH}`,
      isBilled: true,
      // To tell a new id in an error from those of the request.
      sent: JSON.stringify(body),
      request: (init) => api.POST(LIP_SYNC_PATH, { body, ...init }),
    };
  }

  function getting(taskId: string): Operation {
    const task_id = checkTaskId(taskId);
    return {
      route: `GET ${LIP_SYNC_PATH}/${encodeURIComponent(task_id)}`,
      isBilled: false,
      request: (init) =>
        api.GET(`${LIP_SYNC_PATH}/{task_id}`, { params: { path: { task_id } }, ...init }),
    };
  }

  /** A poll is one attempt. It reads the environment again. */
  const poll = (taskId: string, { signal, timeoutMs: leftMs }: Limits) =>
    attempt(getting(taskId), settingsOf({ signal, timeoutMs: Math.min(timeoutMs, leftMs) }));

  // With `return await`, the stack of a later error has the caller's line, too.
  async function run(operation: Operation, options?: RequestOptions): Promise<LipSyncTask> {
    const settings = settingsOf(options);
    const isWorthRetrying = operation.isBilled ? mayRepeatCreate : mayPass;
    return await retry(() => attempt(operation, settings), isWorthRetrying, settings);
  }

  return {
    create: async (request, options) => await run(creating(request), options),
    get: async (taskId, options) => await run(getting(taskId), options),
    wait: (taskId, options) => waitForTask(poll, taskId, options),
  };
}
