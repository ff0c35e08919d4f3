// One run of a batch: its options, its journal, and what it tells the caller.
import type { LipSyncClient } from "../client.js";
import { property, textOf } from "../json.js";
import { checkFunction, checkNumber, checkSignal } from "../options.js";
import { delay, onAbort } from "../time.js";
import { isStale, stateOf } from "./claim.js";
import type { LipSyncClipCounts, LipSyncClipState } from "./clip.js";
import type { BatchEvent, Clip } from "./fold.js";
import { checkFolder, JOURNAL, type Journal, openJournal } from "./journal.js";

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

/** The pause between two attempts to append a line that the disk did not take. */
const APPEND_AGAIN_MS = 1000;

export type Session = ReturnType<typeof openSession>;

export function openSession(client: LipSyncClient, options: LipSyncBatchOptions) {
  const { signal, onUpdate = emitWarning } = options;
  checkSignal(signal);
  const settings = {
    client,
    folder: checkFolder(options.folder),
    parallel: Math.max(1, checkNumber("parallel", 5, options.parallel)),
    intervalMs: checkNumber("intervalMs", 10_000, options.intervalMs),
    timeoutMs: checkNumber("timeoutMs", 7_200_000, options.timeoutMs),
    pauseMs: checkNumber("pauseMs", 60_000, options.pauseMs),
    retryFailed: options.retryFailed ?? false,
    fetch: checkFunction("fetch", options.fetch ?? globalThis.fetch),
  };
  checkFunction("onUpdate", onUpdate);
  /** Aborts polls, downloads and sleeps. */
  const ending = new AbortController();
  /** Why a task that exists does not go on, by the id of its clip. */
  const troubles = new Map<string, string>();
  /** Claims that were told to be stale. */
  const stale = new Set<string>();
  let stop: LipSyncBatchStop | undefined;
  let failure: { error: unknown } | undefined;
  let unwritten = 0;
  let isRunning = false;
  let arePollsRefused = false;
  let wake = () => undefined as void;

  const stopListening = onAbort(signal, () => {
    halt({ cause: "signal", reason: "The batch was stopped." });
    ending.abort();
    wake();
  });

  const journal: Journal = openJournal(settings.folder, {
    onChange(clip) {
      if (isRunning) tellClip(clip);
    },
    onUnreadable(line) {
      tell({ type: "warning", message: `${JOURNAL}:${line} cannot be read, and is ignored.` });
    },
  });

  function tell(update: LipSyncBatchUpdate): void {
    const call = async () => {
      await onUpdate(update);
    };
    call().catch(fail);
  }

  /** Ends the run with an error, but only after what is being created has its line. */
  function fail(error: unknown): void {
    failure ??= { error };
    ending.abort();
    wake();
  }

  function stateWithTrouble(clip: Clip): LipSyncClipState {
    const state = stateOf(clip);
    const reason = troubles.get(clip.id);
    const isOpen = !["left", "saved", "failed"].includes(state.state);
    return isOpen && reason !== undefined ? { ...state, reason } : state;
  }

  function tellClip(clip: Clip): void {
    tell({ type: "clip", clip: stateWithTrouble(clip), counts: countClips(journal) });
  }

  /** Nothing more is created. What is said first counts. */
  function halt(reason: LipSyncBatchStop): void {
    if (stop) return;
    stop = reason;
    tell({ type: "stop", stop });
  }

  function haltForDisk(error: unknown): void {
    halt({ cause: "disk", reason: `The folder cannot be written to: ${messageOf(error)}` });
  }

  return {
    ...settings,
    journal,
    troubles,
    ending: ending.signal,
    tell,
    fail,
    halt,
    haltForDisk,
    stateOf: stateWithTrouble,
    stop: () => stop,
    /** Whether the gateway would refuse every poll, too. */
    arePollsRefused: () => arePollsRefused,
    refusePolls() {
      arePollsRefused = true;
    },
    isEnding: () => ending.signal.aborted,
    failure: () => failure,
    /** Whether a line waits for space on the disk. */
    isWriting: () => unwritten > 0,

    /** From now on, every change of a clip is told. */
    start() {
      isRunning = true;
      if (signal?.aborted) {
        halt({ cause: "signal", reason: "The batch was stopped." });
        ending.abort();
      }
      tell({ type: "checked", counts: countClips(journal) });
    },

    /** Reads what other processes appended, and tells which of their claims are stale by now. */
    refresh() {
      try {
        journal.read();
      } catch (error) {
        haltForDisk(error);
      }
      for (const clip of journal.open()) {
        const { claim } = clip;
        const isNewlyStale =
          claim !== undefined && !stale.has(claim.claim) && isUnanswered(clip) && isStale(claim);
        if (!isNewlyStale) continue;
        stale.add(claim.claim);
        tellClip(clip);
      }
    },

    /** A task exists, and does not go on in this run. */
    giveUp(clip: Clip, error: unknown) {
      troubles.set(clip.id, messageOf(error));
      tellClip(journal.get(clip.id) ?? clip);
    },

    /** Appends what must not be lost: as soon as there is space, unless the run is ended before. */
    async keep(event: BatchEvent): Promise<void> {
      const isSynced = event.event === "task";
      let isTold = false;
      unwritten += 1;
      try {
        for (;;) {
          try {
            journal.append(event, { isSynced });
            if (isTold) troubles.delete(event.id);
            return;
          } catch (error) {
            if (!isTold) tellUnwritten(event, error);
            isTold = true;
            if (ending.signal.aborted) return;
          }
          await delay(APPEND_AGAIN_MS, ending.signal).catch(() => undefined);
        }
      } finally {
        unwritten -= 1;
      }
    },

    /** Resolves after the time, or when there is something to do. */
    sleep(timeMs: number): Promise<void> {
      return new Promise((resolve) => {
        const timer = setTimeout(() => {
          wake();
        }, timeMs);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    },
    wake: () => {
      wake();
    },
    close() {
      stopListening();
      journal.close();
    },
  };

  function tellUnwritten(event: BatchEvent, error: unknown): void {
    haltForDisk(error);
    if (event.event !== "task") return;
    const message = `Task ${event.taskId} of clip ${event.id} exists, but its id could not be stored. Keep it: it is stored as soon as the disk takes it; if this process ends before, settle the clip with it.`;
    troubles.set(event.id, message);
    tell({ type: "warning", message });
  }
}

/** How many clips are in which state, for the caller. */
export function countClips({ counts, open }: Journal): LipSyncClipCounts {
  let stale = 0;
  for (const clip of open()) {
    if (clip.claim && isUnanswered(clip) && isStale(clip.claim)) stale += 1;
  }
  return {
    saved: counts.saved,
    running: counts.claimed + counts.created - stale,
    failed: counts.failed,
    uncertain: counts.uncertain + stale,
    left: counts.left,
  };
}

/** Whether a claim has no outcome. */
const isUnanswered = ({ isClaimed, problem, task }: Clip): boolean =>
  isClaimed && !problem && !task;

export const messageOf = (error: unknown): string =>
  textOf(property(error, "message")) ?? "There is no message.";

function emitWarning(update: LipSyncBatchUpdate): void {
  if (update.type === "warning") process.emitWarning(update.message, "LipSyncBatchWarning");
}
