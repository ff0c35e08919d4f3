// The types of a task, and the only place where a value from a gateway becomes one.
import { property, textOf } from "./json.js";
import type { WireTask, WireVideo } from "./wire.js";

/** A finished video. The file is deleted after 30 days. */
export interface LipSyncVideo extends WireVideo {}

/**
 * The status of a task. Other gateways' words, such as `succeeded` or `FAILURE`, are mapped to
 * Kling's. Any other value, such as `queued`, is possible at run time; it means that the task is not
 * done.
 */
export type LipSyncTaskStatus = WireTask["task_status"];

/** A task as the gateway returned it. Times are Unix milliseconds. */
export interface LipSyncTask extends WireTask {}

interface LipSyncResult extends NonNullable<WireTask["task_result"]> {
  videos: [LipSyncVideo, ...LipSyncVideo[]];
}

/** A task that succeeded, with at least one video. */
export interface SucceededLipSyncTask extends LipSyncTask {
  task_status: Extract<LipSyncTaskStatus, "succeed">;
  task_result: LipSyncResult;
}

/** The value as a task, with its status in Kling's words; `undefined` if it is not a task. */
export function asTask(value: unknown): LipSyncTask | undefined {
  const word = property(value, "task_status");
  if (textOf(property(value, "task_id")) === undefined || typeof word !== "string")
    return undefined;
  const task = value as LipSyncTask;
  const task_status = klingWord(word) as LipSyncTaskStatus;
  return task_status === word ? task : { ...task, task_status };
}

/** Kling's word for a status; an unknown word is returned unchanged. */
function klingWord(word: string): string {
  if (/^(?:succeed|succeeded|success|completed)$/i.test(word)) return "succeed";
  if (/^(?:failed|failure|error|cancell?ed|expired)$/i.test(word)) return "failed";
  return /^(?:submitted|processing)$/i.test(word) ? word.toLowerCase() : word;
}

/** Whether a task succeeded and every video has a URL. */
export function isSucceeded(task: LipSyncTask): task is SucceededLipSyncTask {
  const videos = property(task.task_result, "videos");
  const hasUrl = (video: unknown) => textOf(property(video, "url")) !== undefined;
  const hasVideos = Array.isArray(videos) && videos.length > 0 && videos.every(hasUrl);
  return hasVideos && task.task_status === "succeed";
}

/** Whether a task has its video, or failed. */
export const isDone = (task: LipSyncTask): boolean =>
  isSucceeded(task) || task.task_status === "failed";
