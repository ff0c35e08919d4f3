// What a person reads in a batch's folder, and says about a clip whose outcome is uncertain.
import type { Found } from "../found.js";
import type { LipSyncClipState } from "./clip.js";

/**
 * Returns the state of each clip of a batch, in the order of their first events. Clips that were never
 * created are not in the folder. Nothing is sent or written.
 *
 * @throws InvalidRequestError - the folder has no journal
 */
export async function readLipSyncBatch(folder: string): Promise<LipSyncClipState[]> {
  await Promise.resolve(folder);
  throw new Error("Not written yet.");
}

/** Options of `settleLipSyncClip`; `undefined` means the default. */
export interface LipSyncSettleOptions {
  /**
   * Accepts `{ noTask: true }` although a process with the id of the creating one still runs on this
   * machine. Only if you know that it is another program. Default `false`.
   */
  force?: boolean | undefined;
}

/**
 * Says what you found at the gateway about a clip. A running batch, or the next one, acts on it.
 *
 * @param found - `{ taskId }` with the id of the task, for a clip that has none, or to correct an id
 *   that a person gave; `{ noTask: true }` if it is certain that an uncertain clip has none: the
 *   batch then creates one, which is billed
 * @throws InvalidRequestError - what was found is unclear, the folder has no such clip, or it does not
 *   fit to the state of the clip
 */
export async function settleLipSyncClip(
  folder: string,
  id: string,
  found: Found,
  options: LipSyncSettleOptions = {},
): Promise<void> {
  await Promise.resolve([folder, id, found, options]);
  throw new Error("Not written yet.");
}
