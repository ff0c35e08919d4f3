// When the next create may be sent: pauses after the gateway took none, or after an uncertain one.
import { property } from "../json.js";
import { backoffMs, retryAfterMs } from "../outcome.js";

const LONGEST_PAUSE_MS = 600_000;
/** At most about one refused request a second. */
const SHORTEST_PAUSE_MS = 1000;
/** After so many uncertain creates in a row, nothing more is created. */
export const MOST_UNCERTAIN = 3;

/** When the next create may be sent. */
export interface Pace {
  /** The rest of the pause in milliseconds. */
  leftMs: () => number;
  /** Whether it has to be asked first, free of charge, if the gateway is back. */
  isDoubtful: () => boolean;
  isBack: () => void;
  /** The gateway is not back. Returns the pause, as the next two do. */
  askedInVain: () => number;
  /** A create may have created a task. Returns nothing if it was one too many. */
  doubted: () => number | undefined;
  /** The gateway took no request, and certainly created nothing. */
  refused: (error: unknown) => number;
  /** The gateway answered about a request. */
  answered: () => void;
  /** A task of ours has ended, so that the gateway may take the next one. */
  taskEnded: () => void;
}

/** Times are those of `performance.now()`: the clock may be set while a batch runs. */
export function createPace(pauseMs: number): Pace {
  let startsAt = 0;
  /** From when on a task that ends makes room for the next create. */
  let roomFrom = Infinity;
  let busy = 0;
  let uncertain = 0;
  let isDoubtful = false;
  /** How often the gateway was asked in vain since. */
  let asked = 0;

  /** Pauses, and returns for how long. */
  function pause(lengthMs: number): number {
    const cutMs = Math.min(lengthMs, LONGEST_PAUSE_MS);
    startsAt = performance.now() + cutMs;
    roomFrom = Infinity;
    return cutMs;
  }

  return {
    leftMs: () => startsAt - performance.now(),
    isDoubtful: () => isDoubtful,
    answered() {
      busy = 0;
      uncertain = 0;
    },
    refused(error) {
      const shortestMs = Math.min(SHORTEST_PAUSE_MS, pauseMs);
      const askedMs = retryAfterMs(error);
      const lengthMs = askedMs ?? Math.min(backoffMs(busy), pauseMs);
      busy += 1;
      const pausedMs = pause(Math.max(lengthMs, shortestMs));
      const isLimit = property(error, "name") === "ApiError" && askedMs === undefined;
      if (isLimit) roomFrom = performance.now() + shortestMs;
      return pausedMs;
    },
    taskEnded() {
      startsAt = Math.min(startsAt, Math.max(roomFrom, performance.now()));
    },
    doubted() {
      uncertain += 1;
      if (uncertain >= MOST_UNCERTAIN) return undefined;
      isDoubtful = true;
      return pause(pauseMs * 2 ** (uncertain - 1));
    },
    askedInVain() {
      asked += 1;
      return pause(pauseMs * 2 ** (uncertain - 1 + asked));
    },
    isBack() {
      isDoubtful = false;
      asked = 0;
    },
  };
}
