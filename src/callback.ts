// What Kling posts to a callback_url.
import { InvalidRequestError } from "./errors.js";
import { parseJson, property } from "./json.js";
import { asTask, type LipSyncTask } from "./task.js";

/**
 * Parses the body that Kling posts to a `callback_url`: the task, posted on each status change.
 *
 * Callbacks can be repeated, can arrive in any order and are usually not signed: before you act on
 * one, call `get` with its `task_id`.
 *
 * @param body - the request body, as text, as bytes or already parsed; the task itself or Kling's
 *   envelope around it
 * @throws InvalidRequestError - the body is missing, not JSON or not a task
 */
export function parseTaskCallback(body: unknown): LipSyncTask {
  const invalid = (why: string) => new InvalidRequestError(`The callback body ${why}.`, "body");
  const text = isBytes(body) ? new TextDecoder().decode(body) : body;
  const json = typeof text === "string" ? parseJson(text) : text;
  const task = asTask(json) ?? asTask(property(json, "data"));
  if (task) return task;

  if ((text ?? "") === "")
    throw invalid("is missing: in Express, add express.text({ type: () => true }) to the route");
  if (typeof property(body, "then") === "function") throw invalid("is a promise: await it");
  if (property(body, "headers") !== undefined)
    throw invalid("is the whole request: pass await request.text(), in Express request.body");
  throw invalid("is not JSON or not a task");
}

/** Recognizes an ArrayBuffer by its tag, because in Jest it comes from another realm. */
const isBytes = (body: unknown): body is ArrayBuffer | ArrayBufferView<ArrayBuffer> =>
  ArrayBuffer.isView(body) || Object.prototype.toString.call(body) === "[object ArrayBuffer]";
