// What Kling posts to a callback_url.
import { InvalidRequestError } from "./errors.js";
import { parseJson } from "./json.js";
import { asTask, type LipSyncTask } from "./task.js";

/**
 * Reads the body that Kling posts to a `callback_url`: the bare task, once for every change of
 * status.
 *
 * A callback may be repeated, may come in any order and is usually not signed, so treat it as a
 * hint: call `get` with its `task_id` before you act on it.
 *
 * @param body - the request body, as JSON text or already parsed
 * @throws InvalidRequestError - the body is not JSON or does not hold a task
 */
export function parseTaskCallback(body: unknown): LipSyncTask {
  const task = asTask(typeof body === "string" ? parseJson(body) : body);
  if (task) return task;
  throw new InvalidRequestError("The callback body is not a task in JSON.", "body");
}
