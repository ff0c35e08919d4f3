// Runs a batch: creates one task at a time, and polls and saves those that exist side by side.
import type { LipSyncClient } from "../client.js";
import type { LipSyncClip, LipSyncClipCounts, LipSyncClipState } from "./clip.js";

/** Options of `runLipSyncBatch`; `undefined` means the default. */
export interface LipSyncBatchOptions {
  /** The folder of the videos and the journal, on a local disk; it is created if it is missing. */
  folder: string;
  /** How many tasks this process runs at the same time; default 5. */
  parallel?: number | undefined;
  /** Delay between two polls of a task in milliseconds; default 10_000. */
  intervalMs?: number | undefined;
  /**
   * Timeout for one task in milliseconds; default 7_200_000 (two hours). The clip stays `created`,
   * and the next run continues to poll it.
   */
  timeoutMs?: number | undefined;
  /**
   * How long nothing is created after a create whose outcome is uncertain, in milliseconds; default
   * 60_000, and twice as long each time in a row, at most 10 minutes.
   */
  pauseMs?: number | undefined;
  /** Creates clips again (billed) that had failed when the batch started; default `false`. */
  retryFailed?: boolean | undefined;
  /**
   * Stops the batch: a create that was sent is finished, and its id is stored. The promise resolves
   * with the report. Run it again with the same folder to continue.
   */
  signal?: AbortSignal | undefined;
  /**
   * Called for each change of a clip, also by another process, and for whatever a person should
   * know. If it throws, the batch stops as it does for `signal`, and rejects with that error.
   * Default: warnings are emitted with `process.emitWarning`.
   */
  onUpdate?: ((update: LipSyncBatchUpdate) => unknown) | undefined;
  /** Custom `fetch` for the downloads; default `globalThis.fetch`. The client has its own. */
  fetch?: typeof globalThis.fetch | undefined;
}

/** What happens while a batch runs. */
export type LipSyncBatchUpdate =
  /** All clips were checked, and nothing was sent yet. */
  | { type: "checked"; counts: LipSyncClipCounts }
  /** A clip changed. */
  | { type: "clip"; clip: LipSyncClipState; counts: LipSyncClipCounts }
  /**
   * Nothing is created for a while: the gateway takes no more for now (`busy`), or it is unknown
   * whether the last create created a task (`uncertain`).
   */
  | { type: "pause"; cause: "busy" | "uncertain"; reason: string; pauseMs: number }
  /** Nothing more is created; tasks that exist are finished and saved. */
  | { type: "stop"; stop: LipSyncBatchStop }
  /** Show it: a line of the journal is unreadable, or the disk did not take a task id. */
  | { type: "warning"; message: string };

/** Why a batch created nothing more. */
export interface LipSyncBatchStop {
  /**
   * - `signal`: the caller's signal
   * - `account`: the gateway would refuse every request
   * - `uncertain`: three creates in a row have an uncertain outcome
   * - `disk`: the folder cannot be written to
   */
  cause: "signal" | "account" | "uncertain" | "disk";
  /** The reason in one sentence. */
  reason: string;
}

/** What a batch ended with: its counts, and what a person has to look at. */
export interface LipSyncBatchReport extends LipSyncClipCounts {
  /** Why nothing more was created; `undefined` if the batch came to its end. */
  stop: LipSyncBatchStop | undefined;
  /**
   * The clips that need a person: failed, uncertain, with more than one task, or with a task whose
   * video could not be saved.
   */
  problems: LipSyncClipState[];
}

/**
 * Creates a task (billed) for each clip that has none, and saves the videos as `<id>.mp4`. Call it
 * again with the same folder to continue after any stop or crash: no clip is created twice, and no
 * task is lost. Any number of processes may run on one folder of a local disk.
 *
 * All clips are checked before anything is sent. The requests of clips that are not created yet are
 * held in memory.
 *
 * @param clips - an iterable or async iterable, read once
 * @throws InvalidRequestError - clips are invalid, or do not fit to what the folder has; the message
 *   lists all of them
 * @throws ConfigurationError - an option is invalid
 */
export async function runLipSyncBatch(
  client: LipSyncClient,
  clips: Iterable<LipSyncClip> | AsyncIterable<LipSyncClip>,
  options: LipSyncBatchOptions,
): Promise<LipSyncBatchReport> {
  await Promise.resolve([client, clips, options]);
  throw new Error("Not written yet.");
}
