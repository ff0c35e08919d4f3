// What a person or a callback does to a job. The rules that it keeps are in index.ts.
import { parseTaskCallback } from "../callback.js";
import type { LipSyncClient } from "../client.js";
import { InvalidRequestError } from "../errors.js";
import { checkFound, type Found } from "../found.js";
import { isDone, type LipSyncTask } from "../task.js";
import {
  calledBackRow,
  claimOf,
  foundRow,
  idInData,
  idInLog,
  idInProgress,
  isClaimed,
  type LipSyncJob,
  type LipSyncQueue,
  requestOf,
} from "./job.js";

/**
 * Whether a job is parked: it has failed, and a task may exist whose id is unknown. Settle it with
 * `settleLipSyncJob`.
 */
export function isParked(job: Pick<LipSyncJob, "data" | "finishedOn" | "returnvalue">): boolean {
  const isFinished = typeof job.finishedOn === "number";
  const hasResult = job.returnvalue !== undefined && job.returnvalue !== null;
  return isFinished && !hasResult && isClaimed(job) && idInData(job) === undefined;
}

/**
 * Tells a parked job what you found at the gateway, and retries it. If it fails halfway, call it
 * again.
 *
 * @param found - `{ taskId }` with the id of the task; `{ noTask: true }` if it is certain that there
 *   is none: the job then creates one, which is billed. An id is also accepted for a job that failed
 *   with another one.
 * @throws InvalidRequestError - what was found is unclear, there is no such job, it has not failed,
 *   or `{ noTask: true }` is given although a task is known or nothing is uncertain
 */
export async function settleLipSyncJob(
  queue: LipSyncQueue,
  jobId: string,
  found: Found,
): Promise<void> {
  const known = checkFound(found);
  const job = await findJob(queue, jobId);
  await checkFailed(job, jobId);
  if ("taskId" in known) await giveTask(job, jobId, known.taskId);
  else await denyTask(queue, job, jobId);
  try {
    await job.retry("failed");
  } catch (error) {
    await checkFailed(job, jobId);
    throw error;
  }
}

async function giveTask(job: LipSyncJob, jobId: string, id: string): Promise<void> {
  await job.log(foundRow(id));
  await job.updateProgress({ task_id: id });
  // If somebody else has retried the job meanwhile, its data belongs to a worker.
  await checkFailed(job, jobId);
  await job.updateData({ ...requestOf(job), task: { claimedAt: Date.now(), id } });
}

async function denyTask(queue: LipSyncQueue, job: LipSyncJob, jobId: string): Promise<void> {
  const known = idInData(job) ?? idInProgress(job) ?? (await idInLogOf(queue, jobId));
  if (known !== undefined) throw hasTask(jobId, known);
  if (!isClaimed(job)) {
    throw new InvalidRequestError(
      `Job ${jobId} has no claim, so it certainly has no task. Retry it with job.retry().`,
      "found",
    );
  }
  const claim = claimOf(job);
  await job.log(`No task exists for claim ${claim}.`);
  await job.updateProgress({ noTask: claim });
  // An id is in the log before it is in the progress, where it may just have been overwritten.
  const newer = await idInLogOf(queue, jobId);
  if (newer === undefined) return;
  await job.updateProgress({ task_id: newer });
  throw hasTask(jobId, newer);
}

const hasTask = (jobId: string, id: string) =>
  new InvalidRequestError(
    `Job ${jobId} has task ${id}, so { noTask: true } is refused. Pass { taskId }; for a second task, add another job.`,
    "found",
  );

async function idInLogOf(queue: LipSyncQueue, jobId: string): Promise<string | undefined> {
  return idInLog((await queue.getJobLogs(jobId)).logs);
}

async function findJob(queue: LipSyncQueue, jobId: string): Promise<LipSyncJob> {
  const job = await queue.getJob(jobId);
  if (job) return job;
  throw new InvalidRequestError(`There is no job ${jobId} in the queue.`, "jobId");
}

async function checkFailed(job: LipSyncJob, jobId: string): Promise<void> {
  const state = await job.getState();
  if (state === "failed") return;
  throw new InvalidRequestError(
    `Job ${jobId} is ${state}, not failed, so it cannot be settled. Someone else may have settled or retried it.`,
    "jobId",
  );
}

/** For how long a callback follows a job that is changing. */
const FOLLOW_MS = 2000;
const LOOK_AGAIN_MS = 50;

/**
 * Handles the body that Kling posts to the `callback_url` of a job. It asks the gateway for the task,
 * because a callback may be forged, and then keeps its id if the job has none, so that nobody needs
 * to settle the job. A repeated or late callback changes nothing. Takes up to 2 s while a worker is
 * busy with the job.
 *
 * Anyone who knows a real task id of your account can forge a callback for a job without an id: put a
 * secret into the `callback_url` and check it first.
 *
 * @param jobId - the job that the `callback_url` names
 * @param body - the request body, as bytes, text or parsed JSON
 * @returns the task, as the gateway has it
 * @throws InvalidRequestError - the body is not a task, or there is no such job, or it has created
 *   nothing, or it has another task
 * @throws ConfigurationError - a missing key or base URL
 * @throws ApiError - the gateway does not have the task
 * @throws ConnectionError - the gateway cannot be asked
 */
export async function receiveLipSyncCallback(
  client: LipSyncClient,
  queue: LipSyncQueue,
  jobId: string,
  body: unknown,
): Promise<LipSyncTask> {
  const { task_id: id } = parseTaskCallback(body);
  checkTaskOf(await findJob(queue, jobId), jobId, id);
  const task = await client.get(id);
  const endsAt = performance.now() + FOLLOW_MS;
  for (;;) {
    const isLast = performance.now() > endsAt;
    const job = await findJob(queue, jobId);
    checkTaskOf(job, jobId, id);
    if (idInData(job) === undefined && idInProgress(job) === undefined) {
      await job.log(calledBackRow(id));
      await job.updateProgress({ ...task, task_id: id });
    }
    try {
      if ((await wake(job, task)) || isLast) return task;
    } catch (error) {
      // A worker or another callback was faster.
      if (isLast) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
  }
}

/** Lets a worker look at the job now. Resolves with `false` while a run may overlook its id. */
async function wake(job: LipSyncJob, task: LipSyncTask): Promise<boolean> {
  const state = await job.getState();
  if (idInData(job) !== undefined) {
    if (state === "delayed" && isDone(task)) await job.promote();
    return true;
  }
  if (state === "failed") await job.retry("failed");
  if (state === "delayed") await job.promote();
  return state !== "active";
}

function checkTaskOf(job: LipSyncJob, jobId: string, id: string): void {
  const known = idInData(job) ?? idInProgress(job);
  if (known === id) return;
  if (known !== undefined) {
    throw new InvalidRequestError(
      `Job ${jobId} has task ${known}, and the callback is about task ${id}.`,
      "task_id",
    );
  }
  if (isClaimed(job)) return;
  throw new InvalidRequestError(
    `Job ${jobId} has created no task, and the callback is about task ${id}.`,
    "task_id",
  );
}
