import { causesOf, ConnectionError } from "./errors.js";
import { redactCause, redactor } from "./redact.js";
import { type Answer, type Call, readAnswer, toTask } from "./response.js";
import { neverConnected } from "./retry.js";
import type { LipSyncTask } from "./task.js";
import { within } from "./time.js";

/** How a client reaches its gateway. */
export interface Connection {
  apiKey: () => string | Promise<string>;
  baseUrl: () => string;
  fetch: typeof globalThis.fetch | undefined;
}

/** Makes a request, and gives it back as the response to itself. */
export type Send = (init: {
  baseUrl: string;
  headers: { Authorization: string };
}) => Promise<{ response: unknown }>;

/**
 * Stands in for `Request`, which costs more than the rest of a call and can lose its signal, and
 * then for an empty `Response`, since what makes the requests does not send them.
 */
export class RequestRecord {
  readonly status = 204;
  readonly headers: Map<string, string> = new Map();
  readonly url: string;
  readonly init: RequestInit;
  constructor(url: string, init: RequestInit) {
    this.url = url;
    this.init = init;
  }
}

/** One attempt: the key, the request and the whole answer, within one time limit. */
export function attempt(
  connection: Connection,
  call: Call,
  send: Send,
  limits: { timeoutMs: number; signal: AbortSignal | undefined },
): Promise<LipSyncTask> {
  const name = `${call.method} ${call.path}`;
  let mayHaveCreatedTask = false;
  const onTimeout = () => {
    const why = `${name} took longer than ${limits.timeoutMs} ms.`;
    const cause = new DOMException(why, "TimeoutError");
    return new ConnectionError(why, { mayHaveCreatedTask, cause });
  };
  return within({ ...limits, onTimeout }, async (signal) => {
    const baseUrl = connection.baseUrl();
    const key = await connection.apiKey();
    const headers = { Authorization: `Bearer ${key}` };
    const redact = redactor(key);
    let isConnected = false;
    const exchange = async (): Promise<Answer> => {
      const { url, init } = (await send({ baseUrl, headers })).response as RequestRecord;
      // The limits may have ended this while the key was asked for; then nothing may be sent.
      signal.throwIfAborted();
      mayHaveCreatedTask = call.method === "POST";
      // Without keepalive, Bun takes a new connection and does not send a POST again by itself.
      const own: RequestInit = { redirect: "manual", keepalive: false, signal };
      const response = await (connection.fetch ?? fetch)(url, { ...init, ...own });
      isConnected = true;
      return readAnswer(response, signal);
    };
    const answer = await exchange().catch((error: unknown) => {
      const isUnsent = !isConnected && neverConnected(error);
      const reasons = causesOf(error).map(({ message, errors, name }) => message || errors || name);
      const reason = reasons.join(": ") || "it failed with something that is no error";
      throw new ConnectionError(redact(`${name} got no whole answer: ${reason}`), {
        mayHaveCreatedTask: mayHaveCreatedTask && !isUnsent,
        cause: redactCause(error, redact),
      });
    });
    return toTask(call, answer, redact);
  });
}
