// A complete response becomes a task or an ApiError. The key is taken out of everything that is
// kept: redacted first, cut afterwards.
import type { Answer } from "./body.js";
import { ApiError } from "./errors.js";
import { parseJson, property, textOf } from "./json.js";
import type { WrittenRequest } from "./operations.js";
import { isRefused, isSuccess, REDIRECTS } from "./outcome.js";
import type { Redact } from "./redact.js";
import { isTask, type LipSyncTask } from "./task.js";

/** How much is kept of a body that is too large. */
const KEPT_CHARACTERS = 60 * 1024;
/** More than any key has. */
const LONGEST_KEY = 4096;
/** How much of a gateway's text goes into a message. */
const LONGEST_REASON = 300;

/** The task in the response; throws an ApiError if there is none. */
export function toTask(request: WrittenRequest, answer: Answer, redact: Redact): LipSyncTask {
  const json = answer.isTooLarge ? undefined : parseJson(answer.text);
  const data = property(json, "data");
  const isGood = isSuccess(answer.status) && codeOf(json) === 0;
  if (isGood && isTask(data)) return redactTask(data, answer.text, redact);
  throw apiError(request, answer, json, redact);
}

/** The task without the key; its id and its status stay as they are. */
function redactTask(task: LipSyncTask, text: string, redact: Redact): LipSyncTask {
  if (redact(text) === text) return task;
  const clean = (_: string, value: unknown) => (typeof value === "string" ? redact(value) : value);
  const copy = JSON.parse(JSON.stringify(task), clean) as LipSyncTask;
  return { ...copy, task_id: task.task_id, task_status: task.task_status };
}

function apiError(request: WrittenRequest, answer: Answer, json: unknown, redact: Redact) {
  const { method } = request.init;
  const { status, text, isTooLarge } = answer;
  const headers = new Headers();
  for (const [name, value] of answer.headers.entries()) headers.append(redact(name), redact(value));
  const redacted = redact(text);
  // The read limit may have cut a key in two at the end.
  const body = isTooLarge ? redacted.slice(0, -LONGEST_KEY).slice(0, KEPT_CHARACTERS) : redacted;
  const found = codeOf(json) ?? codeOf(property(json, "error"));
  const code = typeof found === "string" ? redact(found) : found;
  const id = textOf(property(json, "request_id")) ?? headers.get("x-request-id") ?? "";
  const requestId = textOf(redact(id));

  let message = redact(`${method} ${request.path} answered ${status}`);
  if (code !== undefined) message += `, code ${oneLine(String(code))}`;
  if (requestId !== undefined) message += `, request id ${oneLine(requestId)}`;
  message += `: ${oneLine(redact(reasonOf(answer, json))) || "the response is empty."}`;

  // A refusal with a task in it is not certain, and neither is a code in a gateway's own envelope.
  const isCertain = isRefused(status, codeOf(json)) && !isTask(property(json, "data"));
  const mayHaveCreatedTask = method === "POST" && !isCertain;
  return new ApiError(message, { status, code, requestId, headers, body, mayHaveCreatedTask });
}

/** Why the response is not a task: what is odd about it, or else what the gateway wrote. */
function reasonOf({ status, headers, text, isTooLarge }: Answer, json: unknown): string {
  if (REDIRECTS.includes(status)) {
    const place = headers.get("location") ?? "a place that is not named";
    return `it redirects to ${place}, which is not followed; if the gateway is there, change baseUrl.`;
  }
  if (isTooLarge) return "the response is larger than 1 MiB.";
  const isWebPage = status === 404 && text.startsWith("<");
  if (json === undefined && (isSuccess(status) || isWebPage)) {
    const type = headers.get("content-type") ?? "no content type";
    return `the response is not JSON (${type}); does baseUrl name the gateway's origin?`;
  }
  if (isSuccess(status) && codeOf(json) === 0) return "the response holds no task.";
  const error = property(json, "error");
  const said = textOf(property(json, "message")) ?? textOf(property(error, "message"));
  return said ?? textOf(error) ?? text;
}

/** The `code` of Kling's envelope or of a gateway's `error`; a numeric string counts as a number. */
function codeOf(envelope: unknown): number | string | undefined {
  const code = property(envelope, "code");
  if (typeof code === "number") return code;
  const word = textOf(code);
  return word !== undefined && /^\d+$/.test(word) ? Number(word) : word;
}

function oneLine(text: string): string {
  const line = text.replace(/[\s\p{Cc}]+/gu, " ").trim();
  return line.length > LONGEST_REASON ? `${line.slice(0, LONGEST_REASON)}…` : line;
}
