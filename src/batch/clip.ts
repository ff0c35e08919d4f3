// A clip of a batch, as the caller gives it and as the caller sees it.
import type { LipSyncRequest } from "../request.js";

/** One video to create. */
export interface LipSyncClip {
  /**
   * The name of the video's file without `.mp4`: letters, digits, `-` and `_`, at most 100, unique
   * without regard to case.
   */
  id: string;
  /** The request of `create`. */
  request: LipSyncRequest;
}

/** What became of a clip so far. */
export interface LipSyncClipState {
  /** The id of the clip. */
  id: string;
  /**
   * - `left`: it has no task
   * - `creating`: a process is creating its task right now
   * - `created`: its task exists (billed), and its video is not saved yet
   * - `saved`: its video is in the folder
   * - `failed`: its task failed, or the gateway refused its request; `reason` says why
   * - `uncertain`: a task may exist, but its id is unknown: look for it at the gateway, then call
   *   `settleLipSyncClip`
   */
  state: "left" | "creating" | "created" | "saved" | "failed" | "uncertain";
  /** The id of its task. */
  taskId?: string;
  /** Why it failed, is uncertain or does not go on. */
  reason?: string;
  /** When its task was requested, in Unix milliseconds. */
  askedAt?: number;
  /** More tasks of this clip, each of them billed. */
  extraTaskIds?: string[];
  /** The beginning of the text of its request. */
  text?: string;
}

/** How many clips of a folder are in which state. */
export interface LipSyncClipCounts {
  /** Clips whose video is in the folder. */
  saved: number;
  /** Clips that are `creating` or `created`. */
  running: number;
  /** Clips whose request was refused or whose task failed. */
  failed: number;
  /** Clips for which nobody knows whether a task exists. */
  uncertain: number;
  /** Clips for which nothing was created yet. */
  left: number;
}

/** Whether a value can be the id of a clip, and so the name of a file everywhere. */
export const isClipId = (id: unknown): id is string =>
  typeof id === "string" && /^[\w-]{1,100}$/.test(id);
