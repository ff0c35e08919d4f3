// What is seen while something runs: one line that is redrawn on a terminal, plain lines elsewhere.
import { type Options, Presets, SingleBar } from "cli-progress";
import type { LipSyncClipCounts } from "../batch/index.js";
import type { Terminal } from "./terminal.js";

/** Elsewhere than on a terminal, a batch prints a line this often. */
const LINE_MS = 60_000;
const MINUTE_S = 60;
const HOUR_S = 60 * MINUTE_S;

/** Shows the status of a task, or the size of a download, until `end` is called. */
export interface Progress {
  update(status: string): void;
  end(): void;
}

/** Status and elapsed time of one task. */
export function showStatus({ screen, print }: Terminal, first: string): Progress {
  if (!screen) {
    const startedAt = performance.now();
    let shown = first;
    return {
      update(status) {
        const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
        if (status !== shown) print(`${seconds} s  ${status}`);
        shown = status;
      },
      end: () => undefined,
    };
  }
  const bar = barOn(screen, "{duration_formatted}  {status}");
  bar.start(1, 0, { status: first });
  return {
    update(status) {
      bar.update({ status });
    },
    end() {
      bar.stop();
    },
  };
}

/** The counts of a batch, and the time that is left. */
export interface BatchProgress {
  update(counts: LipSyncClipCounts): void;
  /** Prints a line without disturbing the bar. */
  note(line: string): void;
  end(): void;
}

/** Shows a batch, from the counts that it starts with. */
export function showBatch({ screen, print }: Terminal, first: LipSyncClipCounts): BatchProgress {
  const startedAt = performance.now();
  let counts = first;
  const line = () => {
    const elapsedS = (performance.now() - startedAt) / 1000;
    return lineOf(counts, timeLeft(first, counts, elapsedS));
  };
  if (!screen) {
    const show = (text: string) => {
      print(`${timeOfDay(new Date())}  ${text}`);
    };
    show(line());
    const timer = setInterval(() => {
      show(line());
    }, LINE_MS);
    return {
      update: (next) => (counts = next),
      note: show,
      end() {
        clearInterval(timer);
        show(line());
      },
    };
  }
  const bar = barOn(screen, "{bar} {line}");
  bar.start(totalOf(first), first.saved, { line: line() });
  return {
    update(next) {
      counts = next;
      bar.update(next.saved, { line: line() });
    },
    note(text) {
      bar.stop();
      print(text);
      bar.start(totalOf(counts), counts.saved, { line: line() });
    },
    end() {
      bar.update(counts.saved, { line: line() });
      bar.stop();
    },
  };
}

function barOn(stream: NodeJS.WritableStream, format: string): SingleBar {
  // The bar leaves 80 columns enough for the counts of a batch.
  const options: Options = {
    stream,
    format,
    barsize: 10,
    fps: 5,
    hideCursor: true,
    clearOnComplete: true,
  };
  // Ctrl-C is for the batch: it stops the bar when the last create has ended.
  return new SingleBar({ ...options, gracefulExit: false }, Presets.shades_classic);
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
