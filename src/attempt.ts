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

/** Makes a request of this and hands it to `fetch`. */
export type Send = (init: {
  baseUrl: string;
  headers: { Authorization: string };
  redirect: "manual";
  signal: AbortSignal;
  fetch: (request: Request) => Promise<Response>;
}) => Promise<unknown>;

/** Stands in for `Request`, which costs more than the rest of a call and can lose its signal. */
export class RequestRecord {
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
    // The limits may have ended this while the key was asked for; then nothing may be sent.
    signal.throwIfAborted();
    const headers = { Authorization: `Bearer ${key}` };
    const redact = redactor(key);
    let answer: Answer | undefined;
    const exchange = async (request: Request) => {
      const { url, init } = request as unknown as RequestRecord;
      const fetch = connection.fetch ?? globalThis.fetch;
      mayHaveCreatedTask = call.method === "POST";
      answer = await readAnswer(await fetch(url, init), signal);
      return new Response(null, { status: 204 });
    };
    try {
      await send({ baseUrl, headers, redirect: "manual", signal, fetch: exchange });
    } catch (error) {
      const reasons = causesOf(error).map((cause) => cause.message || cause.name);
      throw new ConnectionError(redact(`${name} got no whole answer: ${reasons.join(": ")}`), {
        mayHaveCreatedTask: mayHaveCreatedTask && !neverConnected(error),
        cause: redactCause(error, redact),
      });
    }
    return toTask(call, answer as unknown as Answer, redact);
  });
}
