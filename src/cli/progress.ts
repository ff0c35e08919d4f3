// What is seen while something runs: one line that is redrawn on a terminal, plain lines elsewhere.
import type { Writable } from "node:stream";
import yoctoSpinner from "yocto-spinner";
import type { LipSyncClipCounts } from "../batch/index.js";
import type { Terminal } from "./terminal.js";

/** Elsewhere than on a terminal, a batch prints a line this often. */
const LINE_MS = 60_000;
const DRAW_MS = 200;
/** With this bar, the counts of a batch have room in 80 columns. */
const BAR_WIDTH = 10;
const MINUTE_S = 60;
const HOUR_S = 60 * MINUTE_S;

/** Shows the status of a task, or the size of a download, until `end` is called. */
export interface Progress {
  update: (status: string) => void;
  end: () => void;
}

/** Status and elapsed time of one task. */
export function showStatus({ screen, print }: Terminal, first: string): Progress {
  let shown = first;
  const seconds = stopwatch();
  const line = () => `${seconds().toFixed(1)} s  ${shown}`;
  const drawing = screen && draw(screen, line);
  return {
    update(status) {
      const isNew = status !== shown;
      shown = status;
      if (isNew && !drawing) print(line());
    },
    end() {
      drawing?.end();
    },
  };
}

/** The counts of a batch, and the time that is left. */
export interface BatchProgress {
  update: (counts: LipSyncClipCounts) => void;
  /** Prints a line without disturbing the bar. */
  note: (line: string) => void;
  end: () => void;
}

/** Shows a batch, from the counts that it starts with. */
export function showBatch({ screen, print }: Terminal, first: LipSyncClipCounts): BatchProgress {
  let counts = first;
  const seconds = stopwatch();
  const line = () => lineOf(counts, timeLeft(first, counts, seconds()));
  const update = (next: LipSyncClipCounts) => {
    counts = next;
  };
  if (screen) {
    const drawing = draw(screen, () => `${barOf(counts)} ${line()}`);
    const note = (text: string) => {
      drawing.clear();
      print(text);
    };
    return { update, note, end: drawing.end };
  }
  const note = (text: string) => {
    print(`${timeOfDay(new Date())}  ${text}`);
  };
  note(line());
  const timer = setInterval(() => {
    note(line());
  }, LINE_MS);
  const end = () => {
    clearInterval(timer);
    note(line());
  };
  return { update, note, end };
}

/** Draws a line again and again, until `end` removes it. */
function draw(stream: Writable, line: () => string) {
  // Ctrl-C is not for the line: what runs ends first.
  const spinner = yoctoSpinner({ stream, handleSignals: false, text: line() }).start();
  const timer = setInterval(() => (spinner.text = line()), DRAW_MS);
  return {
    clear: () => {
      spinner.clear();
    },
    end: () => {
      clearInterval(timer);
      spinner.stop();
    },
  };
}

function barOf(counts: LipSyncClipCounts): string {
  const full = Math.floor((counts.saved / Math.max(1, totalOf(counts))) * BAR_WIDTH);
  return "█".repeat(full) + "░".repeat(BAR_WIDTH - full);
}

function stopwatch(): () => number {
  const startedAt = performance.now();
  return () => (performance.now() - startedAt) / 1000;
}

const totalOf = ({ saved, running, failed, uncertain, left }: LipSyncClipCounts): number =>
  saved + running + failed + uncertain + left;

function lineOf(counts: LipSyncClipCounts, secondsLeft: number | undefined): string {
  const { saved, running, failed, uncertain, left } = counts;
  const parts = [
    `${saved}/${totalOf(counts)} saved`,
    `${running} running`,
    failed > 0 && `${failed} failed`,
    uncertain > 0 && `${uncertain} uncertain`,
    `${left} left`,
    secondsLeft !== undefined && `about ${duration(secondsLeft)}`,
  ];
  return parts.filter((part) => part !== false).join(", ");
}

/** The seconds until nothing is open, if as many clips end per second as until now. */
export function timeLeft(
  first: LipSyncClipCounts,
  now: LipSyncClipCounts,
  elapsedS: number,
): number | undefined {
  const openOf = ({ running, left }: LipSyncClipCounts) => running + left;
  const ended = openOf(first) - openOf(now);
  const open = openOf(now);
  return ended > 0 && open > 0 ? (open / ended) * elapsedS : undefined;
}

/** A duration as a person says it: 40 s, 12 min, 3 h 20 min. */
export function duration(seconds: number): string {
  if (seconds < MINUTE_S) return `${Math.ceil(seconds)} s`;
  if (seconds < HOUR_S) return `${Math.ceil(seconds / MINUTE_S)} min`;
  const minutes = Math.ceil(seconds / MINUTE_S);
  return `${Math.floor(minutes / MINUTE_S)} h ${minutes % MINUTE_S} min`;
}

const timeOfDay = (date: Date): string =>
  date.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
