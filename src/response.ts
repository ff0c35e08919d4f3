// Turns a complete response into a task or an ApiError. The key is removed from everything that is
// kept: first redacted, then cut to length.
import type { ReadResponse } from "./body.js";
import { ApiError, TASK_MAY_EXIST, withAdvice } from "./errors.js";
import { jsonCopy, parseJson, property, textOf } from "./json.js";
import { isRefused, isSuccess, REDIRECTS } from "./outcome.js";
import type { Redact } from "./redact.js";
import { asTask, asWrappedTask, type LipSyncTask } from "./task.js";
import { taskIdIn } from "./task-id.js";

/** How much is kept of a body that is too large. */
const KEPT_CHARACTERS = 60 * 1024;
/** Longer than any key, escaped. */
const LONGEST_KEY = 64 * 1024;
/** The longest text of a gateway in a message. */
const LONGEST_REASON = 300;

const IS_BASE_URL_RIGHT = "is baseUrl the gateway's origin?";

/** What an error has to know of a call. */
export interface Call {
  /** Method and path, for messages. */
  route: string;
  /** Whether the call creates a task. */
  isBilled: boolean;
  /** The text of the request, which may name other tasks; a gateway may repeat it. */
  sent?: string;
}

/** The task in the response; throws an ApiError if there is none. */
export function toTask(call: Call, response: ReadResponse, redact: Redact): LipSyncTask {
  const task = taskIn(response);
  if (!task) throw apiError(call, response, redact);
  const text = redact(response.text);
  const echoesKey = text !== response.text;
  if (!echoesKey) return task;
  // The id and the status must not change, or it would be another task.
  const { task_id, task_status } = task;
  return { ...task, ...taskIn({ ...response, text }), task_id, task_status };
}

/** The task in Kling's envelope, or in new-api's, which contains Kling's response. */
function taskIn({ status, text, isTooLarge }: ReadResponse): LipSyncTask | undefined {
  if (!isSuccess(status) || isTooLarge) return undefined;
  const json = parseJson(text);
  const data = property(json, "data");
  const code = codeOf(json);
  try {
    if (code === 0) return jsonCopy(asTask(data));
    return code === "success" ? jsonCopy(asWrappedTask(data)) : undefined;
  } catch {
    // It is no task, or is nested so deeply that nobody could copy it.
    return undefined;
  }
}

function apiError(call: Call, response: ReadResponse, redact: Redact): ApiError {
  const { status, isTooLarge } = response;
  const headers = headersOf(response, redact);
  let text = redact(response.text);
  // The read limit may have cut a key in two at the end.
  if (isTooLarge) text = text.slice(0, -LONGEST_KEY);
  const body = isTooLarge ? text.slice(0, KEPT_CHARACTERS) : text;
  const json = parseJson(body);
  const code = codeOf(json) ?? codeOf(property(json, "error"));
  const requestId = textOf(property(json, "request_id")) ?? textOf(headers.get("x-request-id"));
  const taskId = taskIdIn(text, isSuccess(status), call.sent);
  // A rejection that names a task is not certain, nor is a code in a gateway's own envelope.
  const isCertain = !taskId && isRefused(status, codeOf(json));
  const mayHaveCreatedTask = call.isBilled && !isCertain;

  let message = `${call.route} returned ${status}`;
  if (code !== undefined) message += `, code ${oneLine(String(code))}`;
  if (requestId) message += `, request id ${oneLine(requestId)}`;
  const details = { status, code, requestId, headers, body, taskId, mayHaveCreatedTask };
  message += `: ${oneLine(reasonOf(details, isTooLarge, json)) || "the response is empty."}`;
  const advice = taskId
    ? `The response mentions task ${oneLine(taskId)}: call get before you call create again.`
    : TASK_MAY_EXIST;
  if (mayHaveCreatedTask) message = withAdvice(message, advice);
  return new ApiError(redact(message), details);
}

/** Headers of any kind of fetch; empty if they are of no kind. */
function headersOf(response: ReadResponse, redact: Redact): Headers {
  const headers = new Headers();
  try {
    for (const [name, value] of new Headers(response.headers as HeadersInit))
      headers.append(redact(name), redact(value));
  } catch {
    // There is nothing to keep.
  }
  return headers;
}

type Kept = Pick<ApiError, "status" | "headers" | "body">;

/** Why the response is not a task: what is wrong with it, or else the gateway's own text. */
function reasonOf({ status, headers, body }: Kept, isTooLarge: boolean, json: unknown): string {
  if (REDIRECTS.includes(status)) {
    return `redirect to ${headers.get("location") ?? "?"}; ${IS_BASE_URL_RIGHT}`;
  }
  if (isTooLarge) return "the response is larger than 1 MiB.";
  const isWrongPlace = isSuccess(status) || status === 404;
  if (json === undefined && isWrongPlace) return `the response is not JSON; ${IS_BASE_URL_RIGHT}`;
  if (isSuccess(status) && codeOf(json) === 0) return "the response has no task.";
  const error = property(json, "error");
  const said = textOf(property(json, "message")) ?? textOf(property(error, "message"));
  return said ?? textOf(error) ?? body;
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
