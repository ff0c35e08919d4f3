// What a person reads in the folder of a batch, and says about a clip whose outcome is uncertain.
import path from "node:path";
import { InvalidRequestError } from "../errors.js";
import { checkFound, type Found } from "../found.js";
import { isOnThisHost, stateOf } from "./claim.js";
import type { LipSyncClipState } from "./clip.js";
import type { Clip, Task } from "./fold.js";
import { checkFolder, JOURNAL, type Journal, openJournal } from "./journal.js";

/**
 * Returns the state of each clip of a batch, in the order of their first events. Clips that were never
 * claimed are not in it. Nothing is sent or written.
 *
 * @throws InvalidRequestError - the folder has no journal
 * @throws ConfigurationError - the folder is not a path
 */
export async function readLipSyncBatch(folder: string): Promise<LipSyncClipState[]> {
  return (await readBatch(folder)).clips;
}

/** The clips of a batch, and the numbers of the lines that cannot be read. */
export async function readBatch(
  folder: string,
): Promise<{ clips: LipSyncClipState[]; unreadable: number[] }> {
  const { journal, unreadable } = await openExisting(folder);
  journal.close();
  return { clips: [...journal.clips()].map(stateOf), unreadable };
}

async function openExisting(folder: string) {
  const unreadable: number[] = [];
  const journal = openJournal(checkFolder(folder), {
    onChange: () => undefined,
    onUnreadable: (line) => unreadable.push(line),
  });
  // Rejects, as everything asynchronous does.
  await Promise.resolve();
  if (!journal.exists()) {
    throw new InvalidRequestError(
      `There is no ${path.join(folder, JOURNAL)}. Check the folder, or run a batch first.`,
      "folder",
    );
  }
  journal.read();
  return { journal, unreadable };
}

/** Options of `settleLipSyncClip`; `undefined` means the default. */
export interface LipSyncSettleOptions {
  /**
   * Accepts `{ noTask: true }` although a process with the id of the creating one runs on this
   * machine. Use it only if you know that this is another program. Default `false`.
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
 * @throws ConfigurationError - the folder is not a path
 */
export async function settleLipSyncClip(
  folder: string,
  id: string,
  found: Found,
  options: LipSyncSettleOptions = {},
): Promise<void> {
  const known = checkFound(found);
  const { journal } = await openExisting(folder);
  try {
    if ("taskId" in known) giveTask(journal, clipOf(journal, id), known.taskId);
    else denyTask(journal, clipOf(journal, id), options.force ?? false);
  } finally {
    journal.close();
  }
}

function clipOf(journal: Journal, id: string): Clip {
  if (journal.has(id)) return journal.get(id);
  throw new InvalidRequestError(`The folder has no clip ${id}. Check its spelling.`, "id");
}

function giveTask(journal: Journal, { id, task }: Clip, taskId: string): void {
  if (task?.id === taskId) return;
  if (task && !task.isFromPerson) throw hasTask(id, task);
  for (const other of journal.clips()) {
    const isTaken = other.id !== id && other.task?.id === taskId;
    if (!isTaken) continue;
    throw new InvalidRequestError(
      `Task ${taskId} is the task of clip ${other.id}, so it cannot be that of clip ${id}.`,
      "found",
    );
  }
  journal.append({ event: "found", id, taskId }, { isSynced: true });
  const now = journal.get(id).task;
  if (now && now.id !== taskId) throw hasTask(id, now);
}

function denyTask(journal: Journal, clip: Clip, isForced: boolean): void {
  const { id, claim, task, problem } = clip;
  if (task) throw hasTask(id, task);
  const { state } = stateOf(clip);
  if (state === "creating") {
    throw new InvalidRequestError(
      `Clip ${id} is being created right now. Wait two minutes, then look again.`,
      "found",
    );
  }
  if (!claim || state !== "uncertain") {
    throw new InvalidRequestError(
      `Nothing is uncertain about clip ${id}: it is ${state}.`,
      "found",
    );
  }
  if (!problem && !isForced && isOnThisHost(claim)) {
    throw new InvalidRequestError(
      `Process ${claim.pid} was creating clip ${id}, and a process with this id is running, which may still send the request. End it first, or pass force if it is another program.`,
      "found",
    );
  }
  journal.append({ event: "no task", id, claim: claim.claim }, { isSynced: true });
  const now = journal.get(id);
  if (now.task) throw hasTask(id, now.task);
}

function hasTask(id: string, { id: taskId, isFromPerson }: Task): InvalidRequestError {
  const advice = isFromPerson
    ? "which a person gave. If that is wrong, settle the clip with the right id."
    : "which the gateway created for it. Run the batch to save its video.";
  return new InvalidRequestError(`Clip ${id} has task ${taskId}, ${advice}`, "found");
}
