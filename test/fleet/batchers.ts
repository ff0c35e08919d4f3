// The processes of a batch under test: starts them, reads what they print, freezes and kills them.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";
import { build } from "esbuild";
import { onTestFinished } from "vitest";
import type { LipSyncBatchReport } from "../../src/batch/index.js";
import type { BatcherSettings } from "./batcher-settings.js";

export interface Batcher {
  /** The clips that are claimed, and whose outcome is not stored. */
  open: Set<string>;
  /** Everything that it printed, as `EVENT CLIP`. */
  printed: string[];
  /** Resolves when it has printed a line that begins so, with the rest of the line. */
  until: (event: string) => Promise<string>;
  /** Resolves when it has ended by itself or was killed; with its report if it has one. */
  ended: Promise<LipSyncBatchReport | undefined>;
  signal: (signal: NodeJS.Signals) => void;
}

/** Bundles batcher.ts, which starts in a third of the time that tsx takes. */
export async function bundleBatcher(folder: string): Promise<string> {
  const outfile = path.join(folder, "batcher.mjs");
  await build({
    entryPoints: [path.join(import.meta.dirname, "batcher.ts")],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    logLevel: "warning",
  });
  return outfile;
}

/** Starts the program with a command line. It ends with the test. */
export function startBatcher(
  [program = "", ...args]: string[],
  settings: BatcherSettings,
): Batcher {
  const env = { ...process.env, BATCHER: JSON.stringify(settings) };
  const child: ChildProcess = spawn(program, args, { env, stdio: ["ignore", "pipe", "inherit"] });
  const waiting: { event: string; resolve: (rest: string) => void }[] = [];
  const open = new Set<string>();
  const printed: string[] = [];
  let report: LipSyncBatchReport | undefined;
  let pid = 0;

  function read(line: string): void {
    const [event = "", rest = ""] = line.split("\t");
    printed.push(`${event} ${rest}`.trim());
    if (event === "ready") pid = Number(rest);
    if (event === "before the claim") open.add(rest);
    if (event === "closed") open.delete(rest);
    if (event === "report") report = JSON.parse(rest) as LipSyncBatchReport;
    for (const { resolve } of waiting.filter((waiter) => waiter.event === event)) resolve(rest);
  }

  if (child.stdout) createInterface(child.stdout).on("line", read);
  onTestFinished(() => {
    // Started by npx, it is not the child.
    for (const process of [pid, child.pid ?? 0]) kill(process, "SIGKILL");
  });
  return {
    open,
    printed,
    until: (event) =>
      new Promise((resolve) => {
        const before = printed.find((line) => line.startsWith(event));
        if (before !== undefined) resolve(before.slice(event.length).trim());
        else waiting.push({ event, resolve });
      }),
    ended: once(child, "close").then(() => report),
    signal: (signal) => {
      child.kill(signal);
    },
  };
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    if (pid > 0) process.kill(pid, signal);
  } catch {
    // It has ended.
  }
}
