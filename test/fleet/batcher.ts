// A program that runs a batch, as its users write one, and that breaks where a test says so. It prints
// a line `EVENT<tab>CLIP` for each step, with calls that do not wait.
import fs from "node:fs";
import { runLipSyncBatch, type LipSyncClip } from "../../src/batch/index.js";
import { createLipSyncClient } from "../../src/index.js";
import { type BatcherSettings, type BatchStep, clipOf } from "./batcher-settings.js";

const settings = JSON.parse(process.env["BATCHER"] ?? "{}") as BatcherSettings;
const { baseUrl, apiKey, folder, ids, breakAt, fullAt, pid, slowWriteMs } = settings;

// In a container, the next process has the pid of the last one.
if (pid !== undefined) Object.defineProperty(process, "pid", { value: pid });

const { writeSync, fsyncSync } = fs;
const ownPid = Number(fs.readlinkSync("/proc/self"));
const print = (event: string, clip = "") => writeSync(1, `${event}\t${clip}\n`);

let lastClip = "";
let passed = 0;

/** Prints a step, and breaks there if a test says so. */
function step(name: BatchStep): void {
  print(name, lastClip);
  if (breakAt?.step !== name) return;
  passed += 1;
  if (passed !== breakAt.time) return;
  print(breakAt.how === "SIGSTOP" ? "frozen" : "killed", lastClip);
  process.kill(ownPid, breakAt.how);
}

let isFull = false;
/** The disk takes half of a line, then nothing, until the test makes room. */
function isDiskFull(event: string): boolean {
  if (event === fullAt) isFull = true;
  return isFull && !fs.existsSync(`${folder}.room`);
}

let openFile = -1;
fs.writeSync = ((fd: number, bytes: Buffer) => {
  const [, event = "", id = ""] = /"event":"([\w ]+)","id":"([^"]+)"/.exec(bytes.toString()) ?? [];
  openFile = fd;
  lastClip = id;
  if (event === "claim") step("before the claim");
  if (slowWriteMs !== undefined)
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, slowWriteMs);
  if (isDiskFull(event)) {
    print("full", event);
    return writeSync(fd, bytes.subarray(0, bytes.length / 2));
  }
  const written = writeSync(fd, bytes);
  if (event === "claim") step("claimed");
  if (event === "task") step("stored");
  if (event === "saved") step("saved");
  if (["task", "free", "uncertain", "refused"].includes(event)) print("closed", id);
  return written;
}) as typeof fs.writeSync;
fs.fsyncSync = (fd) => {
  fsyncSync(fd);
  if (fd === openFile && !fs.fstatSync(fd).isDirectory()) step("synced");
};

/** The videos are at the gateway's address, too. */
const download: typeof fetch = (url, init) => {
  step("download");
  return fetch(
    (url instanceof Request ? url.url : url.toString()).replace(
      "https://fake-gateway.invalid",
      baseUrl,
    ),
    init,
  );
};

const client = createLipSyncClient({
  baseUrl,
  apiKey,
  timeoutMs: settings.attemptMs,
  fetch: async (url, init) => {
    if (init.method !== "POST") return await fetch(url, init);
    const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage();
    print(
      "usage",
      JSON.stringify({ memoryKb: maxRSS, cpuMs: (userCPUTime + systemCPUTime) / 1000 }),
    );
    step("send");
    const response = await fetch(url, init);
    step("sent");
    return response;
  },
});

const controller = new AbortController();
process.on("SIGTERM", () => {
  controller.abort();
});

function* clips(): Generator<LipSyncClip> {
  for (const id of ids) yield clipOf(id);
  for (let index = 0; index < (settings.count ?? 0); index++) yield clipOf(`clip-${index}`);
}

print("ready", String(ownPid));
const report = await runLipSyncBatch(client, clips(), {
  folder,
  parallel: settings.parallel ?? 4,
  intervalMs: settings.intervalMs,
  pauseMs: settings.pauseMs,
  signal: controller.signal,
  fetch: download,
  onUpdate: (update) => {
    if (update.type === "warning") print("warning", update.message);
  },
});
print("report", JSON.stringify(report));
