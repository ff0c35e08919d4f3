// worker.ts, with KLING_BASE_URL and KLING_API_KEY in the environment
import { Worker } from "bullmq";
import {
  createLipSyncClient,
  type LipSyncRequest,
  type SucceededLipSyncTask,
} from "kling-lip-sync";
import { isParked, lipSyncProcessor } from "kling-lip-sync/bullmq";

const connection = { host: "127.0.0.1", port: Number(process.env["REDIS_PORT"] ?? 6379) };
const worker = new Worker<LipSyncRequest, SucceededLipSyncTask>(
  "lip-sync",
  lipSyncProcessor(createLipSyncClient()),
  { connection, concurrency: 20, maxStalledCount: 1e9 },
);
worker.on("completed", (job, task) => console.log(job.id, task.task_result.videos[0].url));
worker.on("failed", (job, error) => {
  console.error(job?.id, job && isParked(job) ? "needs a person:" : "failed:", error.message);
});
process.on("SIGTERM", () => void worker.close());
