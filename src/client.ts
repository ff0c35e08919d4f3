import createClient from "openapi-fetch";
import type { paths } from "../generated/schema.js";
import { attempt, RequestRecord, type Send } from "./attempt.js";
import { type ApiKey, apiKeySource, baseUrlSource } from "./auth.js";
import { type LipSyncRequest, toBody, toPathSegment } from "./request.js";
import type { Call } from "./response.js";
import { retry } from "./retry.js";
import type { LipSyncTask, SucceededLipSyncTask } from "./task.js";
import { limitOf } from "./time.js";
import { waitForTask, type WaitOptions } from "./wait.js";

/** How to reach a gateway. All options may be absent or `undefined`. */
export interface LipSyncClientOptions {
  /**
   * The gateway's key, or a function that gives it and is asked before every attempt. A `Bearer `
   * in front is dropped. Default: the environment variable `KLING_API_KEY`, read at each attempt.
   */
  apiKey?: ApiKey | undefined;
  /**
   * The gateway's origin, such as `https://gateway.example`; `/kling/v1/…` is added to it.
   * Default: the environment variable `KLING_BASE_URL`, read at each attempt.
   */
  baseUrl?: string | undefined;
  /**
   * A `fetch` of your own, called with a URL and an init; default `globalThis.fetch`. It must not
   * repeat a request by itself: a POST that is sent twice may be billed twice.
   */
  fetch?: typeof globalThis.fetch | undefined;
  /**
   * The longest that one attempt may take, from asking for the key to the end of the answer's body,
   * in milliseconds; default 60_000. `Infinity` is no limit.
   */
  timeoutMs?: number | undefined;
  /** How often a failed attempt is repeated where that is safe; default 2. */
  maxRetries?: number | undefined;
}

/** What one call does differently from the client. */
export interface RequestOptions {
  /**
   * Ends the call at once, and the promise rejects with `signal.reason`. A `create` that is aborted
   * may have started a task that is billed.
   */
  signal?: AbortSignal | undefined;
  /** The longest that one attempt may take; default: the client's. */
  timeoutMs?: number | undefined;
  /** How often a failed attempt is repeated where that is safe; default: the client's. */
  maxRetries?: number | undefined;
}

/** Calls the lip-sync endpoint of one gateway. */
export interface LipSyncClient {
  /**
   * Starts a task, which is billed, and resolves as soon as the gateway has taken it. Keep its
   * `task_id`; the video takes minutes.
   *
   * Repeated only where it is certain that no task was created.
   *
   * @throws InvalidRequestError - not exactly one video, or a field of the mode is missing
   * @throws ConfigurationError - no key or base URL, or one that cannot work
   * @throws ApiError - the gateway answered something else than a task
   * @throws ConnectionError - no whole answer; see its `mayHaveCreatedTask`
   */
  create(request: LipSyncRequest, options?: RequestOptions): Promise<LipSyncTask>;
  /**
   * Asks how far a task is.
   *
   * @throws InvalidRequestError - the id cannot be one
   * @throws ConfigurationError - no key or base URL, or one that cannot work
   * @throws ApiError - the gateway answered something else than a task
   * @throws ConnectionError - no whole answer, also after the repeats
   */
  get(taskId: string, options?: RequestOptions): Promise<LipSyncTask>;
  /**
   * Asks at once and then every 10 s until the task is done. It never creates anything, so it can
   * be called again with the same id, also from another process.
   *
   * Failures that may pass (no connection, 5xx, too many requests) are waited out until the limit.
   *
   * @throws TaskFailedError - the task ended as `failed`
   * @throws TaskTimeoutError - the limit was reached; the task goes on
   * @throws InvalidRequestError - the id cannot be one
   * @throws ConfigurationError - no key or base URL, or one that cannot work
   * @throws ApiError - an answer that waiting does not mend, such as 401 or 404
   */
  wait(taskId: string, options?: WaitOptions): Promise<SucceededLipSyncTask>;
}

const PATH = "/kling/v1/videos/lip-sync";

/**
 * Makes a client for one gateway; no connection is opened yet.
 *
 * @throws ConfigurationError - a key, base URL or limit that is given and cannot work
 */
export function createLipSyncClient(options: LipSyncClientOptions = {}): LipSyncClient {
  const connection = {
    apiKey: apiKeySource(options.apiKey),
    baseUrl: baseUrlSource(options.baseUrl),
    fetch: options.fetch,
  };
  const timeoutMs = limitOf("timeoutMs", options.timeoutMs, 60_000);
  const maxRetries = limitOf("maxRetries", options.maxRetries, 2);
  const http = createClient<paths>({
    Request: RequestRecord as unknown as typeof Request,
    fetch: (record: unknown) => Promise.resolve(record as Response),
  });

  async function request(call: Call, send: Send, options: RequestOptions): Promise<LipSyncTask> {
    const { signal } = options;
    const limits = { signal, timeoutMs: limitOf("timeoutMs", options.timeoutMs, timeoutMs) };
    const retries = limitOf("maxRetries", options.maxRetries, maxRetries);
    const repeats = { isBilled: call.method === "POST", maxRetries: retries, signal };
    return retry(() => attempt(connection, call, send, limits), repeats);
  }

  async function get(taskId: string, options: RequestOptions = {}): Promise<LipSyncTask> {
    const call: Call = { method: "GET", path: `${PATH}/${toPathSegment(taskId)}` };
    const params = { path: { task_id: taskId } };
    return request(call, (init) => http.GET(`${PATH}/{task_id}`, { ...init, params }), options);
  }

  return {
    async create(lipSync, options = {}) {
      const body = toBody(lipSync);
      // Written once, so that every attempt sends the same.
      const json = JSON.stringify(body);
      // A text is sent again by Deno itself where a connection breaks; a Blob is not.
      const bodySerializer = () => ("Deno" in globalThis ? new Blob([json]) : json);
      const send: Send = (init) => http.POST(PATH, { ...init, body, bodySerializer });
      return request({ method: "POST", path: PATH }, send, options);
    },
    get,
    async wait(taskId, options = {}) {
      const poll = (signal: AbortSignal) => get(taskId, { signal, maxRetries: 0 });
      return waitForTask(taskId, poll, options);
    },
  };
}
