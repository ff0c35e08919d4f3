// The worker processes of a test: starts them, reads what they print, freezes and kills them.
import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";
import { build } from "esbuild";
import type { TestContext } from "vitest";
import { root } from "../../scripts/pack.js";

/** The steps of a job until its task is stored, each named after the command that comes next. */
export const STEPS = [
  "prove",
  "claim",
  "prove again",
  "create",
  "log",
  "progress",
  "store",
  "keep the reason",
  "release",
] as const;
export type Step = (typeof STEPS)[number];

/** What a worker prints: a line `EVENT<tab>JOB`; for an error, its message in place of the job. */
export type WorkerEvent = Step | "ready" | "frozen" | "lock lost" | "left" | "error";

/** What a worker reads from the environment, as JSON in `FLEET_WORKER`. */
export interface WorkerSettings {
  redisPort: number;
  baseUrl: string;
  apiKey: string;
  concurrency: number;
  intervalMs: number;
  pauseMs: number;
  graceMs: number;
  lockMs: number;
  stalledMs: number;
  /** The client's timeout for one attempt. */
  attemptMs: number;
  /** The step before which the worker freezes, once; somebody else has to continue it. */
  freezeAt?: Step | undefined;
  /** A fault: the processor is told that it holds the lock, whether it does or not. */
  ignoresLock?: boolean | undefined;
}

export interface WorkerProcess {
  isReady: boolean;
  /** The jobs that are being created, and the step of each. */
  openJobs: Map<string, Step>;
  /** Why it ended although nobody asked it to. */
  problem: string | undefined;
  kill(): Promise<void>;
  /** Continues it after it froze. */
  resume(): void;
  /** Asks it to close; resolves with the milliseconds that this took. */
  close(): Promise<number>;
}

export const INSTALLED_BULLMQ = path.join(root, "node_modules", "bullmq");

/** Bundles worker.ts with BullMQ: a worker that is killed every second has to start fast. */
export async function bundleWorker(folder: string, bullmq = INSTALLED_BULLMQ): Promise<string> {
  const outfile = path.join(folder, "worker.cjs");
  await build({
    entryPoints: [path.join(import.meta.dirname, "worker.ts")],
    outfile,
    bundle: true,
    platform: "node",
    format: "cjs",
    alias: { bullmq },
    target: "node20",
    logLevel: "warning",
  });
  return outfile;
}

export interface Watch {
  /** Called when the worker has frozen itself. */
  onFrozen?: (worker: WorkerProcess, step: Step) => void;
  /** Called for each job whose create was disturbed, so that the job may be parked. */
  onDisturbed?: (job: string) => void;
}

/** Starts a worker. It ends with the test. */
export function startWorker(
  test: TestContext,
  program: string,
  settings: WorkerSettings,
  { onFrozen, onDisturbed }: Watch = {},
): WorkerProcess {
  const env = { ...process.env, FLEET_WORKER: JSON.stringify(settings) };
  const child = spawn(process.execPath, [program], { env, stdio: ["ignore", "pipe", "pipe"] });
  const closed = once(child, "close");
  const errors: string[] = [];
  let isEnding = false;

  const worker: WorkerProcess = {
    isReady: false,
    openJobs: new Map(),
    problem: undefined,
    resume() {
      child.kill("SIGCONT");
    },
    async kill() {
      await end("SIGKILL");
      // Before the claim, nothing was done.
      for (const [job, step] of worker.openJobs) if (step !== "prove") onDisturbed?.(job);
    },
    async close() {
      const startedAt = performance.now();
      await end("SIGTERM");
      return performance.now() - startedAt;
    },
  };

  async function end(signal: NodeJS.Signals): Promise<void> {
    isEnding = true;
    child.kill(signal);
    await closed;
  }

  function read(line: string): void {
    const [event = "", job = ""] = line.split("\t");
    const step = STEPS.find((step) => step === event);
    if (step) worker.openJobs.set(job, step);
    if (event === "left") worker.openJobs.delete(job);
    if (event === "ready") worker.isReady = true;
    if (event === "lock lost") onDisturbed?.(job);
    if (event === "error") errors.push(job);
    if (event !== "frozen") return;
    for (const open of worker.openJobs.keys()) onDisturbed?.(open);
    onFrozen?.(worker, worker.openJobs.get(job) ?? "prove");
  }

  createInterface(child.stdout).on("line", read);
  child.stderr.on("data", (data: Buffer) => errors.push(data.toString()));
  void closed.then(() => {
    if (!isEnding) worker.problem = `A worker ended by itself: ${errors.join("\n")}`;
  });
  test.onTestFinished(() => worker.kill());
  return worker;
}
