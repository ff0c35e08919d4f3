// One HTTP attempt within one timeout: gets the key, sends through openapi-fetch, reads and interprets
// the response. What every operation needs is here, so that a new one inherits it.
import { type ApiKey, resolveApiKey } from "./auth.js";
import { readBody } from "./body.js";
import { ConnectionError } from "./errors.js";
import { errorChain, neverConnected } from "./network-error.js";
import { redactError, redactorOf } from "./redact.js";
import { type Call, toTask } from "./response.js";
import type { LipSyncTask } from "./task.js";
import { type Limits, within } from "./time.js";

type Fetch = typeof globalThis.fetch;

/** How a call reaches its gateway. */
export type Connection = { apiKey: ApiKey; baseUrl: string; fetch: Fetch };

/** What belongs to one attempt; openapi-fetch adds the path, the parameters and the body. */
export interface AttemptInit {
  baseUrl: string;
  headers: { Authorization: string };
  fetch: (request: Request) => Promise<Response>;
}

/** A call of an operation of the API. */
export interface Operation extends Call {
  /** Calls openapi-fetch, which returns the task that `send` resolves with. */
  request: (init: AttemptInit) => Promise<{ data?: { data: LipSyncTask } }>;
}

/** Makes one attempt and returns the task in its response. */
export function attempt(
  operation: Operation,
  { apiKey, baseUrl, fetch }: Connection,
  limits: Limits,
): Promise<LipSyncTask> {
  const { route } = operation;
  let mayHaveCreatedTask = false;

  const onTimeout = () => {
    const message = `${route} timed out after ${limits.timeoutMs} ms.`;
    const cause = new DOMException(message, "TimeoutError");
    return Promise.reject(new ConnectionError(message, { mayHaveCreatedTask, cause }));
  };

  return within(limits, onTimeout, async (signal) => {
    const key = await resolveApiKey(apiKey);
    const redact = redactorOf(key);
    // If the call ended while the key was fetched, nothing may be sent.
    signal.throwIfAborted();

    /** Sends what openapi-fetch wrote. Resolves with a task, or throws one of our errors. */
    async function send(request: Request): Promise<Response> {
      const { url, method, headers } = request;
      const text = await request.text();
      signal.throwIfAborted();
      let response: Response | undefined;
      let read;
      try {
        mayHaveCreatedTask = operation.isBilled;
        response = await fetch(url, {
          method,
          headers: Object.fromEntries(headers),
          body: text === "" ? null : toBody(text),
          signal,
          // Following could turn the POST into a GET, or send the key and the body elsewhere.
          redirect: "manual",
          // On a new connection, Bun does not resend a POST by itself.
          keepalive: false,
        });
        read = await readBody(response, signal);
      } catch (error) {
        if (response === undefined && neverConnected(error)) mayHaveCreatedTask = false;
        const said = errorChain(error).map(({ message, name }) => message || name);
        const message = redact([`${route} got no complete response`, ...said].join(": "));
        throw new ConnectionError(message, {
          mayHaveCreatedTask,
          cause: redactError(error, redact),
        });
      }
      const task = toTask(operation, read, redact);
      return new Response(JSON.stringify({ data: task }));
    }

    const headers = { Authorization: `Bearer ${key}` };
    const { data } = await operation.request({ baseUrl, headers, fetch: send });
    if (data === undefined) throw new TypeError("openapi-fetch returned no data.");
    return data.data;
  });
}

/** Deno resends a string by itself when a reused connection breaks. */
const toBody = (text: string): string | Blob => ("Deno" in globalThis ? new Blob([text]) : text);
