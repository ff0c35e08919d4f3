import { Writable } from "node:stream";
import { stripVTControlCharacters } from "node:util";
import { afterEach, beforeEach, describe, expect, it, test, vi } from "vitest";
import { duration, showBatch, showStatus, timeLeft } from "../src/cli/progress.js";
import { testTerminal } from "./fixtures/terminal.js";

const START = new Date(2026, 10, 29, 14, 3);

beforeEach(() => {
  vi.useFakeTimers({ now: START });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllEnvs();
});

const counts = (saved: number, running = 0, left = 0, failed = 0, uncertain = 0) => ({
  ...{ saved, running, failed, uncertain, left },
});

describe("elsewhere than on a terminal", () => {
  it("a batch prints its counts at the start, each minute with the time of day, and at the end", () => {
    const terminal = testTerminal();
    const progress = showBatch(terminal, counts(2, 0, 8));
    progress.update(counts(3, 2, 5));
    vi.advanceTimersByTime(60_000);
    progress.note("The gateway takes no more for now.");
    progress.update(counts(8, 0, 0, 1, 1));
    progress.end();
    vi.advanceTimersByTime(120_000);
    expect(terminal.printed).toEqual([
      "14:03  2/10 saved, 0 running, 8 left",
      "14:04  3/10 saved, 2 running, 5 left, about 7 min",
      "14:04  The gateway takes no more for now.",
      "14:04  8/10 saved, 0 running, 1 failed, 1 uncertain, 0 left",
    ]);
  });

  it("a task prints a line for each new status", () => {
    const terminal = testTerminal();
    const progress = showStatus(terminal, "submitted");
    for (const status of ["submitted", "processing", "processing"]) {
      vi.advanceTimersByTime(1000);
      progress.update(status);
    }
    progress.end();
    expect(terminal.printed).toEqual(["2.0 s  processing"]);
  });
});

describe("on a terminal", () => {
  it("a batch redraws one line, and prints notes above it", () => {
    const { screen, drawn } = screenOf();
    const terminal = testTerminal({ screen });
    const progress = showBatch(terminal, counts(10_000, 0, 10_000));
    vi.advanceTimersByTime(60_000);
    progress.update(counts(12_345, 50, 6000, 345, 1260));
    vi.advanceTimersByTime(1000);
    const [last = ""] = drawn().split("⠋").slice(-1);
    const line = " ██████░░░░ 12345/20000 saved, 50 running, 345 failed, 1260 uncertain, 6000 left";
    expect(last.slice(0, line.length)).toBe(line);
    progress.note("The gateway takes no more for now.");
    expect(terminal.printed).toEqual(["The gateway takes no more for now."]);
    progress.end();
    const all = drawn();
    vi.advanceTimersByTime(1000);
    expect(drawn()).toBe(all);
  });

  it("a task redraws its status and the time", () => {
    const { screen, drawn } = screenOf();
    const terminal = testTerminal({ screen });
    const progress = showStatus(terminal, "submitted");
    progress.update("processing");
    vi.advanceTimersByTime(12_000);
    progress.end();
    const all = drawn();
    expect(all).toContain("12.0 s  processing");
    vi.advanceTimersByTime(1000);
    expect(drawn()).toBe(all);
    expect(terminal.printed).toEqual([]);
  });
});

describe("the time that is left", () => {
  test.for([
    ["is not known before a clip has ended", counts(5, 0, 5), counts(5, 2, 3), undefined],
    ["counts only what ended in this run", counts(5, 0, 5), counts(6, 1, 3), 40],
    ["counts failed and uncertain clips as ended", counts(0, 0, 4), counts(0, 0, 2, 1, 1), 10],
    ["is not said at the end", counts(0, 0, 1), counts(1), undefined],
  ] as const)("%s", ([, first, now, seconds]) => {
    expect(timeLeft(first, now, 10)).toBe(seconds);
  });

  test.for([
    [0.2, "1 s"],
    [59.9, "60 s"],
    [61, "2 min"],
    [3600, "1 h 0 min"],
    [12_000, "3 h 20 min"],
  ] as const)("of %s seconds is said as %s", ([seconds, text]) => {
    expect(duration(seconds)).toBe(text);
  });
});

/** A terminal, and what was drawn on it, without what moves the cursor. */
function screenOf() {
  // Without them, a line is drawn only once.
  vi.stubEnv("CI", undefined);
  vi.stubEnv("TERM", "xterm");
  let text = "";
  const write = (piece: Buffer, _: BufferEncoding, done: () => void) => {
    text += piece.toString();
    done();
  };
  const screen = Object.assign(new Writable({ write }), { isTTY: true, columns: 80 });
  const moves = { cursorTo: vi.fn(), moveCursor: vi.fn(), clearLine: vi.fn() };
  return {
    screen: Object.assign(screen, moves),
    drawn: () => stripVTControlCharacters(text),
  };
}
