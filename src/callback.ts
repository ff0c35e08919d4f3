// What Kling posts to a callback_url.
import { InvalidRequestError } from "./errors.js";
import { parseJson } from "./json.js";
import { asTask, type LipSyncTask } from "./task.js";

/**
 * Parses the body that Kling posts to a `callback_url`: the task, posted on each status change.
 *
 * Callbacks can be repeated, can arrive in any order and are usually not signed: before you act on
 * one, call `get` with its `task_id`.
 *
 * @param body - the request body, as JSON text or already parsed
 * @throws InvalidRequestError - the body is not JSON or not a task
 */
export function parseTaskCallback(body: unknown): LipSyncTask {
  const task = asTask(typeof body === "string" ? parseJson(body) : body);
  if (task) return task;
  throw new InvalidRequestError("The callback body is not JSON or not a task.", "body");
}
