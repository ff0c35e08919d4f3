import type { components } from "../generated/schema.js";

type Task = components["schemas"]["LipSyncTask"];

/** A finished video. The file behind its URL is deleted after 30 days. */
export type LipSyncVideo = components["schemas"]["LipSyncVideo"];

/** How far a task is. Gateways may answer with further words. */
export type LipSyncTaskStatus = Task["task_status"] | (string & {});

/** A task as the gateway describes it, spelled as on the wire. Times are Unix milliseconds. */
export interface LipSyncTask extends Omit<Task, "task_status"> {
  /** `submitted`, `processing`, `succeed` or `failed`. */
  task_status: LipSyncTaskStatus;
}

/** A task that succeeded and has at least one video. */
export interface SucceededLipSyncTask extends LipSyncTask {
  task_status: Extract<Task["task_status"], "succeed">;
  task_result: Omit<NonNullable<Task["task_result"]>, "videos"> & {
    videos: [LipSyncVideo, ...LipSyncVideo[]];
  };
}

/** What a task must have for us to go on with it: an id to ask for, and a status. */
export function isTask(value: unknown): value is LipSyncTask {
  const { task_id: id, task_status: status } = isRecord(value) ? value : {};
  return textOf(id) !== undefined && typeof status === "string";
}

export function isSucceeded(task: LipSyncTask): task is SucceededLipSyncTask {
  const result: unknown = task.task_result;
  const videos = isRecord(result) ? result["videos"] : undefined;
  if (task.task_status !== "succeed" || !Array.isArray(videos) || videos.length === 0) return false;
  return videos.every((video) => isRecord(video) && textOf(video["url"]) !== undefined);
}

/** An object with keys; an array is not one. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A string that says something. */
export function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value.trim() !== "" ? value : undefined;
}

/** What a text says as JSON; `undefined` where it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
