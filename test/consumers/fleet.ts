// Compiled, not run, with each version of BullMQ: a queue, a worker and a settled job without a cast.
import { Queue, Worker } from "bullmq";
import { createLipSyncClient } from "kling-lip-sync";
import type { LipSyncRequest, SucceededLipSyncTask } from "kling-lip-sync";
import {
  isParked,
  lipSyncProcessor,
  receiveLipSyncCallback,
  settleLipSyncJob,
} from "kling-lip-sync/bullmq";

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

export async function settle(id: string, taskId?: string): Promise<void> {
  await settleLipSyncJob(queue, id, taskId === undefined ? { noTask: true } : { taskId });
  // @ts-expect-error -- a miss is not a word about what was found
  await settleLipSyncJob(queue, id, taskId);
  for (const job of await queue.getFailed()) console.log(job.id, isParked(job));
}

export async function callback(id: string, body: Uint8Array): Promise<void> {
  const { task_status } = await receiveLipSyncCallback(client, queue, id, body);
  console.log(task_status);
}
