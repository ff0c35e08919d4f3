// What a task is: its types, and the checks of what a gateway sent as one.
import { property, textOf } from "./json.js";
import type { WireTask, WireVideo } from "./wire.js";

/** A finished video. The file behind its URL is deleted after 30 days. */
export type LipSyncVideo = WireVideo;

/** The status of a task. Gateways may answer with further words. */
export type LipSyncTaskStatus = WireTask["task_status"] | (string & {});

/** A task as the gateway describes it, spelled as on the wire. Times are Unix milliseconds. */
export interface LipSyncTask extends Omit<WireTask, "task_status"> {
  /** `submitted`, `processing`, `succeed` or `failed`. */
  task_status: LipSyncTaskStatus;
}

/** A task that succeeded and has at least one video. */
export interface SucceededLipSyncTask extends LipSyncTask {
  task_status: Extract<WireTask["task_status"], "succeed">;
  task_result: Omit<NonNullable<WireTask["task_result"]>, "videos"> & {
    videos: [LipSyncVideo, ...LipSyncVideo[]];
  };
}

/** Whether a value has what the client needs of a task: an id to ask for, and a status. */
export function isTask(value: unknown): value is LipSyncTask {
  const hasId = textOf(property(value, "task_id")) !== undefined;
  return hasId && typeof property(value, "task_status") === "string";
}

/** Whether a task is done and every video has a URL. */
export function isSucceeded(task: LipSyncTask): task is SucceededLipSyncTask {
  if (task.task_status !== "succeed") return false;
  const videos = property(task.task_result, "videos");
  if (!Array.isArray(videos) || videos.length === 0) return false;
  return videos.every((video) => textOf(property(video, "url")) !== undefined);
}

/** Whether a task has its video, or failed. */
export const isDone = (task: LipSyncTask): boolean =>
  isSucceeded(task) || task.task_status === "failed";
