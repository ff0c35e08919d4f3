import { ApiError } from "./errors.js";
import type { Redact } from "./redact.js";
import { isRecord, isTask, type LipSyncTask, parseJson, textOf } from "./task.js";
import { onAbort } from "./time.js";

const LARGEST_BODY_BYTES = 2 ** 20;

/** A whole answer, or its first 1 MiB. */
export interface Answer {
  status: number;
  headers: [string, string][];
  text: string;
  isTooLarge: boolean;
}

/** Reads an answer within bounds; an abort, or too large a body, closes the connection. */
export async function readAnswer(response: Response, signal: AbortSignal): Promise<Answer> {
  const { status, headers, body } = response;
  const answer = { status, headers: [...headers], text: "", isTooLarge: false };
  const reader = body?.getReader();
  if (!reader) return answer;
  const cancel = () => void reader.cancel().catch(() => undefined);
  const unlisten = onAbort(signal, cancel);
  if (signal.aborted) cancel();
  const decoder = new TextDecoder();
  try {
    for (let bytes = 0; !answer.isTooLarge;) {
      const { done, value } = await reader.read();
      answer.text += decoder.decode(value, { stream: !done });
      if (done) break;
      bytes += value.byteLength;
      answer.isTooLarge = bytes > LARGEST_BODY_BYTES;
    }
    if (answer.isTooLarge) cancel();
    return answer;
  } finally {
    unlisten();
  }
}

/** What was asked, for the messages of errors. */
export interface Call {
  method: "GET" | "POST";
  path: string;
}

/** The task in the answer; the key is out of all that is kept. */
export function toTask(call: Call, answer: Answer, redact: Redact): LipSyncTask {
  const { status, text, isTooLarge } = answer;
  // The end of a text that was cut may hold a part of the key.
  const body = isTooLarge ? redact(text.slice(0, 2 ** 16)).slice(0, -(2 ** 12)) : redact(text);
  const json = isTooLarge ? undefined : parseJson(text);
  const envelope = isRecord(json) ? json : {};
  const { data } = envelope;
  const code = codeOf(envelope);
  if (isSuccess(status) && code === 0 && isTask(data)) return redactTask(data, text, body);

  const headers = new Headers();
  for (const [name, value] of answer.headers) headers.append(redact(name), redact(value));
  const requestId = redact(textOf(envelope["request_id"]) ?? headers.get("x-request-id") ?? "");
  const says = [`${call.method} ${call.path} answered ${status}`];
  if (code !== undefined) says.push(`code ${code}`);
  if (requestId !== "") says.push(`request id ${requestId}`);
  const reason = inOneLine(reasonOf(answer, headers, json) ?? body);
  // A word inside a gateway's own envelope does not make it certain.
  const isRefused = wasRefused(status, codeOf({ code: envelope["code"] })) && !isTask(data);
  throw new ApiError(redact(`${says.join(", ")}: ${reason || "the answer is empty."}`), {
    status,
    code: typeof code === "string" ? redact(code) : code,
    requestId: textOf(requestId),
    headers,
    body,
    mayHaveCreatedTask: call.method === "POST" && !isRefused,
  });
}

/** The task as the redacted body has it, unless the key looks like a part of what we go on with. */
function redactTask(task: LipSyncTask, text: string, body: string): LipSyncTask {
  if (body === text) return task;
  const json = parseJson(body);
  const clean = isRecord(json) ? json["data"] : undefined;
  if (!isTask(clean) || clean.task_status !== task.task_status) return task;
  return clean.task_id === task.task_id ? clean : task;
}

export function isSuccess(status: number): boolean {
  return status >= 200 && status <= 299;
}

/** Whether the server said no before it did anything. */
function wasRefused(status: number, code: number | string | undefined): boolean {
  if (typeof code === "number" && code >= 1000 && code <= 1999) return true;
  return status >= 300 && status <= 499 && status !== 303 && status !== 408;
}

/** Kling's `code`, or the one inside a gateway's `error`; a numeric string counts as a number. */
function codeOf({ code, error }: Record<string, unknown>): number | string | undefined {
  const found = code ?? (isRecord(error) ? error["code"] : undefined);
  if (typeof found === "number") return found;
  const word = textOf(found);
  return word !== undefined && /^\d+$/.test(word) ? Number(word) : word;
}

function reasonOf(answer: Answer, headers: Headers, json: unknown): string | undefined {
  const { status, isTooLarge } = answer;
  const { message, error, code } = isRecord(json) ? json : {};
  if (status < 200 || (status >= 300 && status <= 399)) {
    const place = headers.get("location") ?? "a place that is not named";
    return `it redirects to ${place}, which is not followed; if the gateway is there, change baseUrl.`;
  }
  if (isTooLarge) return "the answer is larger than 1 MiB.";
  if (json === undefined && (isSuccess(status) || (status === 404 && answer.text[0] === "<"))) {
    const type = headers.get("content-type") ?? "no content type";
    return `the answer is not JSON (${type}); does baseUrl name the gateway's origin?`;
  }
  if (isSuccess(status) && codeOf({ code }) === 0) return "the answer holds no task.";
  return textOf(message) ?? (isRecord(error) ? textOf(error["message"]) : textOf(error));
}

/** Whatever a gateway wrote, in one line of bounded length. */
function inOneLine(text: string): string {
  const line = text.replace(/[\s\p{Cc}]+/gu, " ").trim();
  return line.length > 300 ? `${line.slice(0, 300)}…` : line;
}
