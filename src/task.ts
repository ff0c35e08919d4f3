// The types of a task, and the only place where a value from a gateway becomes one.
import { property, textOf } from "./json.js";
import type { WireTask, WireVideo } from "./wire.js";

/** A finished video. The file is deleted after 30 days. */
export interface LipSyncVideo extends WireVideo {}

/**
 * The status of a task. Other gateways' words, such as `succeeded` or `FAILURE`, are mapped to
 * Kling's. Any other value, such as `unknown`, is possible at run time; it means that the task is not
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

/** An id as a string: a gateway may send it as a number. */
export const idOf = (value: unknown): string | undefined =>
  textOf(Number.isSafeInteger(value) && value !== 0 ? String(value) : value);

/** The value as a task, with its status in Kling's words; `undefined` if it is not a task. */
export function asTask(value: unknown): LipSyncTask | undefined {
  const id = property(value, "task_id");
  const task_id = idOf(id);
  const word = property(value, "task_status");
  if (task_id === undefined || typeof word !== "string") return undefined;
  const task = value as LipSyncTask;
  const task_status = klingWord(word) as LipSyncTaskStatus;
  const isInOurWords = task_id === id && task_status === word;
  return isInOurWords ? task : { ...task, task_id, task_status };
}

/** The task in new-api's wrapper around Kling's response, which is empty until the task was sent. */
export function asWrappedTask(outer: unknown): LipSyncTask | undefined {
  const held = property(outer, "data");
  const inner = asTask(held) ?? asTask(property(held, "data"));
  // Only the gateway's own id can be queried.
  const id = idOf(property(outer, "task_id"));
  const own = id && { task_id: id };
  const task_status = property(outer, "status");
  const task_status_msg = textOf(property(outer, "fail_reason")) ?? inner?.task_status_msg;
  const wrapped = asTask({ ...inner, ...own, task_status, task_status_msg });
  // Without Kling's response there is no video.
  if (!inner) return wrapped?.task_status === "succeed" ? undefined : wrapped;
  // A gateway that gives a task up leaves Kling's status as it was.
  if (wrapped?.task_status === "failed" && !isDone(inner)) return wrapped;
  return { ...inner, ...own };
}

/** Kling's word for a status; an unknown word is returned unchanged. */
function klingWord(word: string): string {
  if (/^(?:succeed(?:ed)?|success|completed?|done|finished)$/i.test(word)) return "succeed";
  if (/^(?:fail(?:ed|ure)?|error|cancell?ed|expired|rejected|timeout)$/i.test(word))
    return "failed";
  if (/^(?:submitted|queued|pending|waiting|not_start)$/i.test(word)) return "submitted";
  return /^(?:processing|running|in_progress|generating)$/i.test(word) ? "processing" : word;
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
