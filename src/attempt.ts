// One HTTP attempt within one timeout: gets the key, sends, reads and interprets the response. What
// every POST needs is here, so that a new operation inherits it.
import { toTask } from "./answer.js";
import { type ApiKey, resolveApiKey } from "./auth.js";
import { type Answer, readAnswer } from "./body.js";
import { ConnectionError } from "./errors.js";
import { errorChain, neverConnected } from "./network-error.js";
import type { WrittenRequest } from "./operations.js";
import { redactError, type RedactorOf } from "./redact.js";
import type { LipSyncTask } from "./task.js";
import { type Limits, within } from "./time.js";

type Fetch = typeof globalThis.fetch;

/** How a call reaches its gateway. */
export type Connection = { apiKey: ApiKey; baseUrl: string; fetch: Fetch; redactorOf: RedactorOf };

/** Sends a request once and returns the task in its response. */
export function attempt(
  request: WrittenRequest,
  { apiKey, baseUrl, fetch, redactorOf }: Connection,
  limits: Limits,
): Promise<LipSyncTask> {
  const { method, path, headers, body } = request;
  let mayHaveCreatedTask = false;

  const onTimeout = () => {
    const message = `${method} ${path} timed out after ${limits.timeoutMs} ms.`;
    const cause = new DOMException(message, "TimeoutError");
    return Promise.reject(new ConnectionError(message, { mayHaveCreatedTask, cause }));
  };

  return within(limits, onTimeout, async (signal) => {
    const key = await resolveApiKey(apiKey);
    const redact = redactorOf(key);
    // If the call ended while the key was fetched, nothing may be sent.
    signal.throwIfAborted();
    let response: Response | undefined;
    let answer: Answer;
    try {
      mayHaveCreatedTask = method === "POST";
      response = await fetch(baseUrl + path, {
        method,
        headers: { ...Object.fromEntries(headers), Authorization: `Bearer ${key}` },
        // Deno resends a string by itself when a reused connection breaks.
        body: body !== undefined && "Deno" in globalThis ? new Blob([body]) : (body ?? null),
        signal,
        // Following could turn the POST into a GET, or send the key and the body elsewhere.
        redirect: "manual",
        // On a new connection, Bun does not resend a POST by itself.
        keepalive: false,
      });
      answer = await readAnswer(response, signal);
    } catch (error) {
      if (response === undefined && neverConnected(error)) mayHaveCreatedTask = false;
      const said = errorChain(error).map(({ message, name }) => message || name);
      const parts = [`${method} ${path} got no complete response`, ...said];
      const message = redact(parts.join(": "));
      throw new ConnectionError(message, { mayHaveCreatedTask, cause: redactError(error, redact) });
    }
    return toTask(request, answer, redact);
  });
}
