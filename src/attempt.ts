// One HTTP attempt within one timeout: gets the key, sends through openapi-fetch, reads and interprets
// the response. What every operation needs is here, so that a new one inherits it.
import { type ApiKey, resolveApiKey } from "./auth.js";
import { type Fetch, type FetchInit, type FetchResponse, readBody } from "./body.js";
import { ConnectionError, TASK_MAY_EXIST, withAdvice } from "./errors.js";
import { errorChain, neverConnected } from "./network-error.js";
import { redactError, redactorOf } from "./redact.js";
import { type Call, toTask } from "./response.js";
import type { LipSyncTask } from "./task.js";
import { type Limits, within } from "./time.js";

/** How a call reaches its gateway, and what ends an attempt. */
export interface Settings extends Limits {
  apiKey: ApiKey;
  baseUrl: string;
  headers: Record<string, string>;
  fetch: Fetch;
}

/** What belongs to one attempt; openapi-fetch adds the path, the parameters and the body. */
export interface AttemptInit {
  baseUrl: string;
  headers: Record<string, string>;
  fetch: (request: Request) => Promise<Response>;
}

/** A call of an operation of the API. */
export interface Operation extends Call {
  /** Calls openapi-fetch, which returns the content of the response that `send` resolves with. */
  request: (init: AttemptInit) => Promise<{ data?: { data: LipSyncTask } }>;
}

/** Makes one attempt and returns the task in its response. */
export function attempt(operation: Operation, settings: Settings): Promise<LipSyncTask> {
  // A browser's fetch must not be called as a method.
  const { fetch } = settings;
  let mayHaveCreatedTask = false;

  const connectionError = (message: string, cause: Error | undefined) =>
    new ConnectionError(mayHaveCreatedTask ? withAdvice(message, TASK_MAY_EXIST) : message, {
      mayHaveCreatedTask,
      cause,
    });

  const onTimeout = () => {
    const message = `${operation.route} timed out after ${settings.timeoutMs} ms.`;
    const cause = new DOMException(message, "TimeoutError");
    return Promise.reject(connectionError(message, cause));
  };

  return within(settings, onTimeout, async (signal) => {
    const key = await resolveApiKey(settings.apiKey);
    const redact = redactorOf(key);

    /**
     * Sends what openapi-fetch wrote. What openapi-fetch reads is a response with the task alone: that
     * of the gateway was read here, within bounds. Throws one of our errors, or the reason of an abort.
     */
    async function send(request: Request): Promise<Response> {
      const text = await request.text();
      const init: FetchInit = {
        method: request.method,
        headers: Object.fromEntries(request.headers),
        body: text === "" ? null : text,
        signal,
        // Following could turn the POST into a GET, or send the key and the body elsewhere.
        redirect: "manual",
        // On a new connection, Bun does not resend a POST by itself.
        keepalive: false,
      };
      // Deno resends a string by itself when a reused connection breaks.
      if ("Deno" in globalThis && init.body) Object.assign(init, { body: new Blob([text]) });
      // If the call ended while the key was fetched, nothing may be sent.
      signal.throwIfAborted();
      let response: FetchResponse | undefined;
      let read;
      try {
        mayHaveCreatedTask = operation.isBilled;
        response = await fetch(request.url, init);
        read = await readBody(response, signal);
      } catch (error) {
        if (response === undefined && neverConnected(error)) mayHaveCreatedTask = false;
        const said = errorChain(error).map(({ message, name }) => message || name);
        const message = redact([`${operation.route} got no complete response`, ...said].join(": "));
        throw connectionError(message, redactError(error, redact));
      }
      const task = toTask(operation, read, redact);
      return new Response(JSON.stringify({ data: task }));
    }

    const result = await operation.request({
      baseUrl: settings.baseUrl,
      headers: { ...settings.headers, Authorization: `Bearer ${key}` },
      fetch: send,
    });
    if (!result.data) throw new TypeError("openapi-fetch returned no data.");
    return result.data.data;
  });
}
