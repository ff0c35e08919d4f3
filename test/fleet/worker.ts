// A worker process. It prints a line for each step of a job, before it does the step, so that whoever
// kills it knows where it was; and it can freeze before a step.
import { writeSync } from "node:fs";
import { Worker } from "bullmq";
import { type LipSyncJob, type LipSyncNote, lipSyncProcessor } from "../../src/bullmq/index.js";
import { createLipSyncClient } from "../../src/index.js";
import type { Step, WorkerEvent, WorkerSettings } from "./workers.js";

const settings = JSON.parse(process.env["FLEET_WORKER"] ?? "") as WorkerSettings;
let { freezeAt } = settings;

/** Written at once: a line in a buffer would be lost with the process. */
function say(event: WorkerEvent, what = ""): void {
  writeSync(1, `${event}\t${what.replaceAll("\n", " ")}\n`);
}

function step(name: Step, job: string): void {
  say(name, job);
  if (freezeAt !== name) return;
  freezeAt = undefined;
  say("frozen", job);
  process.kill(process.pid, "SIGSTOP");
}

const client = createLipSyncClient({
  baseUrl: settings.baseUrl,
  apiKey: settings.apiKey,
  timeoutMs: settings.attemptMs,
});
const run = lipSyncProcessor(
  {
    ...client,
    create(request, options) {
      step("create", nameOf(request));
      return client.create(request, options);
    },
  },
  settings,
);

/** The name of a job is the text of its request. */
function nameOf({ input }: LipSyncJob["data"]): string {
  return input.mode === "text2video" ? input.text : "";
}

/** Which step writes this note. */
function stepOf(note: LipSyncNote | undefined): Step {
  if (note === undefined) return "release";
  if (note.id !== undefined) return "store";
  return note.reason === undefined ? "claim" : "keep the reason";
}

/** Lets the methods of a job print their step. */
function traced(job: LipSyncJob): LipSyncJob {
  const name = nameOf(job.data);
  const extendLock = job.extendLock.bind(job);
  const updateData = job.updateData.bind(job);
  const log = job.log.bind(job);
  const updateProgress = job.updateProgress.bind(job);
  let proofs = 0;
  job.extendLock = async (...args) => {
    proofs += 1;
    if (proofs < 3) step(proofs === 1 ? "prove" : "prove again", name);
    const answer = await extendLock(...args);
    if (answer !== 1) say("lock lost", name);
    return settings.ignoresLock ? 1 : answer;
  };
  job.updateData = async (data) => {
    step(stepOf(data.task), name);
    await updateData(data);
  };
  job.log = async (row) => {
    step("log", name);
    return await log(row);
  };
  job.updateProgress = async (progress) => {
    if (job.data.task?.id === undefined) step("progress", name);
    await updateProgress(progress);
  };
  return job;
}

const worker = new Worker<LipSyncJob["data"]>(
  "lip-sync",
  async (job, token) => {
    try {
      return await run(traced(job), token);
    } finally {
      say("left", nameOf(job.data));
    }
  },
  {
    connection: { host: "127.0.0.1", port: settings.redisPort, maxRetriesPerRequest: null },
    concurrency: settings.concurrency,
    lockDuration: settings.lockMs,
    stalledInterval: settings.stalledMs,
    maxStalledCount: 1e9,
  },
);
worker.on("error", (error) => {
  say("error", error.message);
});
process.on("SIGTERM", () => {
  void worker.close().then(() => process.exit());
});
void worker.waitUntilReady().then(() => {
  say("ready");
});
