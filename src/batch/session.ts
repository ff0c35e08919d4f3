// One run of a batch: its options, its journal, and what it tells the caller.
import type { LipSyncClient } from "../client.js";
import { property, textOf } from "../json.js";
import { checkFunction, checkNumber, checkSignal } from "../options.js";
import { delay, onAbort } from "../time.js";
import { isStale, stateOf } from "./claim.js";
import type { LipSyncClipCounts, LipSyncClipState } from "./clip.js";
import type { BatchEvent, Clip } from "./fold.js";
import { checkFolder, JOURNAL, type Journal, openJournal } from "./journal.js";
import type { LipSyncBatchOptions, LipSyncBatchStop, LipSyncBatchUpdate } from "./options.js";

/** One run. */
export interface Session extends Settings {
  journal: Journal;
  /** Why a task that exists does not go on, by the id of its clip. */
  troubles: Map<string, string>;
  /** Aborts polls, downloads and sleeps. */
  ending: AbortSignal;
  isEnding: () => boolean;
  /** Why nothing more is created. */
  stop: () => LipSyncBatchStop | undefined;
  /** What the run has to reject with. */
  failure: () => { error: unknown } | undefined;
  /** Whether the gateway would refuse every poll, too. */
  arePollsRefused: () => boolean;
  refusePolls: () => void;
  /** Whether a line waits for space on the disk. */
  isWriting: () => boolean;
  /** From now on, every change of a clip is told. */
  start: () => void;
  tell: (update: LipSyncBatchUpdate) => void;
  /** Ends the run with an error, but only after what is being created has its line. */
  fail: (error: unknown) => void;
  /** Nothing more is created. What is said first counts. */
  halt: (stop: LipSyncBatchStop) => void;
  haltForDisk: (error: unknown) => void;
  /** The clip as its caller sees it. */
  stateOf: (clip: Clip) => LipSyncClipState;
  /** Reads what other processes appended, and tells which of their claims are stale by now. */
  refresh: () => void;
  /** A task exists, and does not go on in this run. */
  giveUp: (clip: Clip, error: unknown) => void;
  /** Appends what must not be lost: as soon as there is space, unless the run is ended before. */
  keep: (event: BatchEvent) => Promise<void>;
  /** Resolves after the time, or when there is something to do. */
  sleep: (timeMs: number) => Promise<void>;
  wake: () => void;
  close: () => void;
}

interface Settings {
  client: LipSyncClient;
  folder: string;
  parallel: number;
  intervalMs: number;
  timeoutMs: number;
  pauseMs: number;
  retryFailed: boolean;
  fetch: typeof globalThis.fetch;
}

/** The pause between two attempts to append a line that the disk did not take. */
const APPEND_AGAIN_MS = 1000;

export function openSession(client: LipSyncClient, options: LipSyncBatchOptions): Session {
  const { signal, onUpdate = emitWarning } = options;
  checkSignal(signal);
  const settings: Settings = {
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
  const ending = new AbortController();
  const troubles = new Map<string, string>();
  /** Claims that were told to be stale. */
  const stale = new Set<string>();
  let stop: LipSyncBatchStop | undefined;
  let failure: { error: unknown } | undefined;
  let unwritten = 0;
  let isRunning = false;
  let arePollsRefused = false;
  let wake: () => void = () => undefined;

  const stopListening = onAbort(signal, () => {
    halt({ cause: "signal", reason: "The batch was stopped." });
    ending.abort();
    wake();
  });

  const journal: Journal = openJournal(settings.folder, {
    onChange(clip) {
      // Such as an id that a person has corrected: it is asked for again.
      troubles.delete(clip.id);
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
    arePollsRefused: () => arePollsRefused,
    refusePolls() {
      arePollsRefused = true;
    },
    isEnding: () => ending.signal.aborted,
    failure: () => failure,
    isWriting: () => unwritten > 0,

    start() {
      isRunning = true;
      if (signal?.aborted) {
        halt({ cause: "signal", reason: "The batch was stopped." });
        ending.abort();
      }
      tell({ type: "checked", counts: countClips(journal) });
    },

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

    giveUp(clip: Clip, error: unknown) {
      // A person may have corrected the id meanwhile.
      if (journal.get(clip.id).task?.id !== clip.task?.id) return;
      troubles.set(clip.id, messageOf(error));
      tellClip(clip);
    },

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
