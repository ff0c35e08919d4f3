// Compiled, not run, with each version of BullMQ: a queue, a worker and a settled job without a cast.
import { Queue, Worker } from "bullmq";
import { createLipSyncClient } from "kling-lip-sync";
import type { LipSyncRequest, SucceededLipSyncTask } from "kling-lip-sync";
import { lipSyncProcessor, settleLipSyncJob } from "kling-lip-sync/bullmq";

const connection = { host: "127.0.0.1", port: 6379 };
const client = createLipSyncClient();
const options = { connection, concurrency: 20, maxStalledCount: 1e9 };

export const queue = new Queue<LipSyncRequest, SucceededLipSyncTask>("lip-sync", { connection });
export const worker = new Worker<LipSyncRequest, SucceededLipSyncTask>(
  "lip-sync",
  lipSyncProcessor(client, { intervalMs: undefined }),
  options,
);
export const untyped = new Worker("lip-sync", lipSyncProcessor(client), options);

worker.on("completed", (job, task) => {
  const url: string = task.task_result.videos[0].url;
  // @ts-expect-error -- a result is no number; `any` would pass this
  const count: number = task;
  console.log(job.id, url, count);
});

export async function settle(id: string): Promise<void> {
  const job = await queue.getJob(id);
  if (job) await settleLipSyncJob(job, "task-1");
}
