// What a person found out at the gateway about a create whose outcome was uncertain.
import { InvalidRequestError } from "./errors.js";
import { isRecord } from "./json.js";
import { checkTaskId } from "./request.js";

/**
 * What you found at the gateway: the id of the task, or that it is certain that there is none, in
 * which case a new task is created (billed).
 */
export type Found = { taskId: string } | { noTask: true };

/** Returns what was found, or throws if it does not say exactly one thing. */
export function checkFound(found: unknown): Found {
  if (!isRecord(found)) throw unclear();
  const { noTask } = found;
  // An id that is looked up and missing is a mistake, not the absence of a task.
  const hasTaskId = "taskId" in found;
  if (noTask === true && !hasTaskId) return { noTask };
  if (noTask === undefined && hasTaskId) return { taskId: checkTaskId(found["taskId"]) };
  throw unclear();
}

const unclear = () =>
  new InvalidRequestError(
    "Say what you found: pass { taskId } with the id of the task, or { noTask: true } if it is certain that there is none.",
    "found",
  );
