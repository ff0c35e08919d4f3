// A complete response becomes a task or an ApiError. The key is taken out of everything that is
// kept: redacted first, cut afterwards.
import type { Answer } from "./body.js";
import { ApiError } from "./errors.js";
import { parseJson, property, textOf } from "./json.js";
import type { WrittenRequest } from "./operations.js";
import { isRefused, isSuccess, REDIRECTS } from "./outcome.js";
import type { Redact } from "./redact.js";
import { asTask, type LipSyncTask } from "./task.js";

/** How much is kept of a body that is too large. */
const KEPT_CHARACTERS = 60 * 1024;
/** More than any key has. */
const LONGEST_KEY = 4096;
/** How much of a gateway's text goes into a message. */
const LONGEST_REASON = 300;

const IS_BASE_URL_RIGHT = "is baseUrl the gateway's origin?";

/** The task in the response; throws an ApiError if there is none. */
export function toTask(request: WrittenRequest, answer: Answer, redact: Redact): LipSyncTask {
  const task = taskIn(answer);
  if (task && redact(answer.text) === answer.text) return task;
  const clean = redactAnswer(answer, redact);
  if (!task) throw apiError(request, clean, redact);
  // The id and the status stay as they are, or it would be another task.
  const { task_id, task_status } = task;
  return { ...task, ...taskIn(clean), task_id, task_status };
}

/** The task in Kling's envelope, or in new-api's, which holds what Kling answered. */
function taskIn({ status, text, isTooLarge }: Answer): LipSyncTask | undefined {
  if (!isSuccess(status) || isTooLarge) return undefined;
  const json = parseJson(text);
  const data = property(json, "data");
  const code = codeOf(json);
  if (code === 0) return asTask(data);
  const held = code === "success" ? property(data, "data") : undefined;
  const task = asTask(held) ?? asTask(property(held, "data"));
  // Only the gateway's own id can be asked for.
  return task && { ...task, task_id: textOf(property(data, "task_id")) ?? task.task_id };
}

/** The response without the key: an error is made of this one alone. */
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

  let message = `${request.method} ${request.path} answered ${status}`;
  if (code !== undefined) message += `, code ${oneLine(String(code))}`;
  if (requestId) message += `, request id ${oneLine(requestId)}`;
  message += `: ${oneLine(reasonOf(answer, json)) || "it is empty."}`;
  if (isPost && taskId)
    message += `; it names task ${oneLine(taskId)}: get it before you create again.`;

  // A refusal that names a task is not certain, and neither is a code in a gateway's own envelope.
  const isCertain = !taskId && isRefused(status, codeOf(json));
  const mayHaveCreatedTask = isPost && !isCertain;
  const details = { status, code, requestId, headers, body, taskId, mayHaveCreatedTask };
  return new ApiError(redact(message), details);
}

/** The id of a task in a response: at the top, in `data`, or in a list there; not the one sent. */
function taskIdIn(json: unknown, sent = ""): string | undefined {
  const parent = property(property(parseJson(sent), "input"), "task_id");
  const places = [json, property(json, "data")].flat();
  const ids = places.map((place) => property(place, "task_id"));
  // A larger number would not be the id that was sent.
  const texts = ids.map((id) => textOf(Number.isSafeInteger(id) ? String(id) : id));
  return texts.find((id) => id !== undefined && id !== parent);
}

/** Why the response is not a task: what is odd about it, or else what the gateway wrote. */
function reasonOf({ status, headers, text, isTooLarge }: Answer, json: unknown): string {
  if (REDIRECTS.includes(status)) {
    return `it redirects to ${headers.get("location") ?? "?"}; ${IS_BASE_URL_RIGHT}`;
  }
  if (isTooLarge) return "it is larger than 1 MiB.";
  const isWrongPlace = isSuccess(status) || status === 404;
  if (json === undefined && isWrongPlace) return `it is not JSON; ${IS_BASE_URL_RIGHT}`;
  if (isSuccess(status) && codeOf(json) === 0) return "it holds no task.";
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
