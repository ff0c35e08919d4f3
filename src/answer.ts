// Turns a complete response into a task or an ApiError. The key is removed from everything that is
// kept: first redacted, then cut to length.
import type { Answer } from "./body.js";
import { ApiError } from "./errors.js";
import { parseJson, property, textOf } from "./json.js";
import type { WrittenRequest } from "./operations.js";
import { isRefused, isSuccess, REDIRECTS } from "./outcome.js";
import type { Redact } from "./redact.js";
import { asTask, type LipSyncTask } from "./task.js";

/** How much is kept of a body that is too large. */
const KEPT_CHARACTERS = 60 * 1024;
/** Longer than any key. */
const LONGEST_KEY = 4096;
/** The longest text of a gateway in a message. */
const LONGEST_REASON = 300;

const IS_BASE_URL_RIGHT = "is baseUrl the gateway's origin?";

/** The task in the response; throws an ApiError if there is none. */
export function toTask(request: WrittenRequest, answer: Answer, redact: Redact): LipSyncTask {
  const task = taskIn(answer);
  if (task && redact(answer.text) === answer.text) return task;
  const clean = redactAnswer(answer, redact);
  if (!task) throw apiError(request, clean, redact);
  // The id and the status must not change, or it would be another task.
  const { task_id, task_status } = task;
  return { ...task, ...taskIn(clean), task_id, task_status };
}

/** The task in Kling's envelope, or in new-api's, which contains Kling's response. */
function taskIn({ status, text, isTooLarge }: Answer): LipSyncTask | undefined {
  if (!isSuccess(status) || isTooLarge) return undefined;
  const json = parseJson(text);
  const data = property(json, "data");
  const code = codeOf(json);
  if (code === 0) return asTask(data);
  const held = code === "success" ? property(data, "data") : undefined;
  const task = asTask(held) ?? asTask(property(held, "data"));
  // Only the gateway's own id can be queried.
  return task && { ...task, task_id: textOf(property(data, "task_id")) ?? task.task_id };
}

/** The response without the key; errors are created only from this. */
function redactAnswer(answer: Answer, redact: Redact): Answer {
  const headers = [...answer.headers].map((header) => header.map(redact) as [string, string]);
  const all = redact(answer.text);
  // The read limit may have cut a key in two at the end.
  const text = answer.isTooLarge ? all.slice(0, -LONGEST_KEY).slice(0, KEPT_CHARACTERS) : all;
  return { ...answer, headers: new Headers(headers), text };
}

function apiError(request: WrittenRequest, answer: Answer, redact: Redact): ApiError {
  const { status, headers, text: body } = answer;
  const isPost = request.method === "POST";
  const json = parseJson(body);
  const code = codeOf(json) ?? codeOf(property(json, "error"));
  const requestId = textOf(property(json, "request_id")) ?? textOf(headers.get("x-request-id"));
  const taskId = taskIdIn(json, request.body);

  let message = `${request.method} ${request.path} returned ${status}`;
  if (code !== undefined) message += `, code ${oneLine(String(code))}`;
  if (requestId) message += `, request id ${oneLine(requestId)}`;
  message += `: ${oneLine(reasonOf(answer, json)) || "the response is empty."}`;
  if (isPost && taskId)
    message += `; the response mentions task ${oneLine(taskId)}: call get before you call create again.`;

  // A rejection that names a task is not certain, nor is a code in a gateway's own envelope.
  const isCertain = !taskId && isRefused(status, codeOf(json));
  const mayHaveCreatedTask = isPost && !isCertain;
  const details = { status, code, requestId, headers, body, taskId, mayHaveCreatedTask };
  return new ApiError(redact(message), details);
}

/** The id of a task in a response: at the top, in `data` or in a list; not the id that was sent. */
function taskIdIn(json: unknown, sent = ""): string | undefined {
  const parent = property(property(parseJson(sent), "input"), "task_id");
  const places = [json, property(json, "data")].flat();
  const ids = places.map((place) => property(place, "task_id"));
  // A larger number has lost digits.
  const texts = ids.map((id) => textOf(Number.isSafeInteger(id) ? String(id) : id));
  return texts.find((id) => id !== undefined && id !== parent);
}

/** Why the response is not a task: what is wrong with it, or else the gateway's own text. */
function reasonOf({ status, headers, text, isTooLarge }: Answer, json: unknown): string {
  if (REDIRECTS.includes(status)) {
    return `redirect to ${headers.get("location") ?? "?"}; ${IS_BASE_URL_RIGHT}`;
  }
  if (isTooLarge) return "the response is larger than 1 MiB.";
  const isWrongPlace = isSuccess(status) || status === 404;
  if (json === undefined && isWrongPlace) return `the response is not JSON; ${IS_BASE_URL_RIGHT}`;
  if (isSuccess(status) && codeOf(json) === 0) return "the response has no task.";
  const error = property(json, "error");
  const said = textOf(property(json, "message")) ?? textOf(property(error, "message"));
  return said ?? textOf(error) ?? text;
}

/** The `code` of Kling's envelope or of a gateway's `error`; a numeric string counts as a number. */
function codeOf(envelope: unknown): number | string | undefined {
  const code = property(envelope, "code");
  if (typeof code === "number") return code;
  const word = textOf(code);
  return /^\d+$/.test(word ?? "") ? Number(word) : word;
}

function oneLine(text: string): string {
  const line = text.replace(/[\s\p{Cc}]+/gu, " ").trim();
  return line.length > LONGEST_REASON ? `${line.slice(0, LONGEST_REASON)}…` : line;
}
