// The worker processes of a test: starts them, reads what they write, freezes and kills them.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";
import { build, type Plugin } from "esbuild";
import { endWithUs } from "./leavings.js";
import { CLAIMED, type OpenJobs, type Step, STEPS, type Trace } from "./trace.js";
import type { WorkerSettings } from "./worker.js";

/** A worker process. */
export interface Member {
  isReady: boolean;
  isFrozen: boolean;
  openJobs: OpenJobs;
  /** Why it ended although nobody asked it to. */
  problem: string | undefined;
  kill(): Promise<void>;
  /** Continues it after it froze. */
  resume(): void;
  /** Asks it to close; resolves with the milliseconds that this took. */
  close(): Promise<number>;
}

/** Bundles worker.ts, which starts in a third of the time that tsx takes. */
export async function bundleWorker(folder: string, ...plugins: Plugin[]): Promise<string> {
  const outfile = path.join(folder, "worker.mjs");
  await build({
    entryPoints: [path.join(import.meta.dirname, "worker.ts")],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    logLevel: "warning",
    plugins,
  });
  return outfile;
}

/** Starts a worker. `onFrozen` is called when it has frozen itself. */
export function startMember(
  program: string,
  settings: WorkerSettings,
  trace: Trace,
  onFrozen: (member: Member, step: Step) => void = () => undefined,
): Member {
  const env = { ...process.env, FLEET_WORKER: JSON.stringify(settings) };
  const child = spawn(process.execPath, [program], { env, stdio: ["ignore", "pipe", "pipe"] });
  endWithUs(child);
  const closed = once(child, "close");
  const errors: string[] = [];
  let isEnding = false;

  const member: Member = {
    isReady: false,
    isFrozen: false,
    openJobs: new Map(),
    problem: undefined,
    resume() {
      member.isFrozen = false;
      child.kill("SIGCONT");
    },
    async kill() {
      await end(child, "SIGKILL");
      trace.explainAll(member.openJobs, "a kill", CLAIMED);
    },
    async close() {
      const startedAt = performance.now();
      await end(child, "SIGTERM");
      return performance.now() - startedAt;
    },
  };

  async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
    isEnding = true;
    child.kill(signal);
    await closed;
  }

  function hear(line: string): void {
    const [event = "", job = ""] = line.split("\t");
    const step = STEPS.find((step) => step === event);
    if (step) member.openJobs.set(job, step);
    if (event === "left") member.openJobs.delete(job);
    if (event === "ready") member.isReady = true;
    if (event === "lock lost") trace.explain(job, "a late worker");
    if (event === "error") errors.push(job);
    if (event === "frozen") {
      member.isFrozen = true;
      trace.explainAll(member.openJobs, "a freeze");
      onFrozen(member, member.openJobs.get(job) ?? "prove");
    }
  }

  createInterface(child.stdout).on("line", hear);
  child.stderr.on("data", (data: Buffer) => errors.push(data.toString()));
  void closed.then(() => {
    if (!isEnding) member.problem = `A worker ended by itself: ${errors.join("\n")}`;
  });
  return member;
}
