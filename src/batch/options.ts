// What a caller of a batch passes, and is told while it runs.
import type { LipSyncClipCounts, LipSyncClipState } from "./clip.js";

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
   * Nothing is created for a while: the gateway takes no more for now (`busy`), no connection can be
   * made (`unreachable`), or it is unknown whether the last create created a task (`uncertain`).
   */
  | { type: "pause"; cause: "busy" | "unreachable" | "uncertain"; reason: string; pauseMs: number }
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
