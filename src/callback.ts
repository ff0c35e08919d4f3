import { InvalidRequestError } from "./errors.js";
import { isTask, type LipSyncTask, parseJson } from "./task.js";

/**
 * Reads what Kling posts to a `callback_url`: the bare task, once for every change of status.
 *
 * A callback has no signature, may be repeated and may come in any order, so take it as a hint:
 * call `get` with its `task_id` before you act on it.
 *
 * @param body - the request's body, as JSON text or already parsed
 * @throws InvalidRequestError - it is not JSON, or holds no task
 */
export function parseTaskCallback(body: unknown): LipSyncTask {
  const parsed = typeof body === "string" ? parseJson(body) : body;
  if (isTask(parsed)) return parsed;
  throw new InvalidRequestError(
    "The callback's body is not a task: it is not JSON with a task_id and a task_status.",
    "body",
  );
}
