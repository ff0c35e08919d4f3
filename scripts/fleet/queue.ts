// The queue of a test, with the BullMQ of any folder, and its jobs.
import { createRequire } from "node:module";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Queue } from "bullmq";
import type { LipSyncRequest, SucceededLipSyncTask } from "../../src/index.js";

export type LipSyncQueue = Queue<LipSyncRequest, SucceededLipSyncTask>;

/** Opens a queue of a Redis on this machine. */
export function openQueue(folder: string, port: number, name = "lip-sync"): LipSyncQueue {
  const require = createRequire(path.join(folder, "package.json"));
  // The types are of the version that is installed here; all versions have what is used of them.
  const bullmq = require("bullmq") as typeof import("bullmq");
  const connection = { host: "127.0.0.1", port, maxRetriesPerRequest: null };
  const queue: LipSyncQueue = new bullmq.Queue(name, { connection });
  // It connects again by itself.
  queue.on("error", () => undefined);
  return queue;
}

/** A request that has the name of its job in it. */
export function requestOf(name: string): LipSyncRequest {
  const voice = { voice_id: "oversea_male1", voice_language: "en" } as const;
  return { input: { video_id: "video-1", mode: "text2video", text: name, ...voice } };
}

/** Waits until every job is completed or failed. */
export async function untilQuiet(queue: LipSyncQueue, timeoutMs: number): Promise<void> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const counts = await queue.getJobCounts("waiting", "active", "delayed");
    if (Object.values(counts).every((count) => count === 0)) return;
    if (Date.now() > end) {
      throw new Error(`Jobs are left after ${timeoutMs} ms: ${JSON.stringify(counts)}`);
    }
    await sleep(100);
  }
}
