// A processor for BullMQ workers; published as kling-lip-sync/bullmq. It keeps a note in the job's
// data: that a worker is about to create the task, and then the task id. It does not import BullMQ;
// it uses a few methods of a job, which versions 5 and 6 have.
import type { LipSyncClient } from "./client.js";
import { ApiError, InvalidRequestError, TaskFailedError, TaskTimeoutError } from "./errors.js";
import { property, textOf } from "./json.js";
import { checkNumber } from "./options.js";
import { isUnknownTask, mayPass, retryAfterMs, verdictOf } from "./outcome.js";
import { checkTaskId, type LipSyncRequest } from "./request.js";
import { isSucceeded, type LipSyncTask, type SucceededLipSyncTask } from "./task.js";

/** The processor's note in the data of a job. */
export interface LipSyncNote {
  /** When a worker was about to create the task, in Unix milliseconds. */
  claimedAt: number;
  /** The task id; missing while it is unknown whether a task exists. */
  id?: string;
}

/** The data of a job: the request of `create`. */
export interface LipSyncJobData extends LipSyncRequest {
  /** Set by the processor. */
  task?: LipSyncNote;
}

/** The part of a BullMQ `Job` that is used. */
export interface LipSyncJob {
  id?: string | undefined;
  data: LipSyncJobData;
  progress: unknown;
  extendLock(token: string, durationMs: number): Promise<number>;
  updateData(data: LipSyncJobData): Promise<void>;
  updateProgress(progress: object): Promise<void>;
  log(row: string): Promise<number>;
  moveToDelayed(timestamp: number, token?: string): Promise<void>;
  isFailed(): Promise<boolean>;
  retry(state?: "completed" | "failed"): Promise<void>;
}

/** Options of `lipSyncProcessor`; `undefined` means the default. */
export interface LipSyncProcessorOptions {
  /** Delay between two polls of a task in milliseconds; default 10_000. */
  intervalMs?: number | undefined;
  /**
   * How long this process creates no tasks after the gateway reported too many requests or tasks, in
   * milliseconds; default 10_000. A `Retry-After` header takes precedence.
   */
  pauseMs?: number | undefined;
  /**
   * How long a job waits before it is parked, if its worker stopped during a create, in milliseconds;
   * default 120_000. Must be longer than the client's `timeoutMs`. During this time, a task
   * that the gateway does not know counts as new.
   */
  graceMs?: number | undefined;
  /** `lockDuration` of the worker in milliseconds; default 30_000, as in BullMQ. */
  lockMs?: number | undefined;
  /**
   * Timeout for the task of a job in milliseconds; default 86_400_000 (one day). The job then fails;
   * if you retry it, it waits as long again.
   */
  timeoutMs?: number | undefined;
}

/**
 * Creates the processor of a `Worker`. It creates (billed) the task of a job only once, even if
 * workers crash, and resolves with the finished task. Between polls the job is delayed and occupies
 * no slot. If a task may exist but its id is unknown, the job is parked: it fails, and you call
 * `settleLipSyncJob`.
 *
 * The worker needs `maxStalledCount: 1e9`, and Redis `appendfsync always` and `noeviction`.
 *
 * @throws ConfigurationError - an option is invalid
 */
export function lipSyncProcessor(
  client: LipSyncClient,
  options: LipSyncProcessorOptions = {},
): (job: LipSyncJob, token?: string) => Promise<SucceededLipSyncTask> {
  const intervalMs = checkNumber("intervalMs", 10_000, options.intervalMs);
  const pauseMs = checkNumber("pauseMs", 10_000, options.pauseMs);
  const graceMs = checkNumber("graceMs", 120_000, options.graceMs);
  const lockMs = checkNumber("lockMs", 30_000, options.lockMs);
  const timeoutMs = checkNumber("timeoutMs", 86_400_000, options.timeoutMs);
  /** Until when this process creates no tasks. */
  let pausedUntil = 0;

  async function create(job: LipSyncJob, request: LipSyncRequest, token = ""): Promise<never> {
    if (Date.now() < pausedUntil) return await postpone(job, token, pausedUntil);
    const claimedAt = Date.now();
    // updateData does not check the lock. Between two checks, no other worker has read older data.
    await proveLock(job, token);
    await job.updateData({ ...request, task: { claimedAt } });
    await proveLock(job, token);
    const task = await client.create(request, { maxRetries: 0 }).catch(async (error: unknown) => {
      // The error may come from another copy of the library, a wrapped client or a key function.
      const isCertain = property(error, "mayHaveCreatedTask") === false;
      if (!isCertain) throw parked(job, error);
      return await release(job, request, token, error);
    });
    await job
      .updateData({ ...request, task: { claimedAt, id: task.task_id } })
      .catch((cause: unknown) => {
        throw new Error(`Job ${job.id} has task ${task.task_id}, which is not stored.`, { cause });
      });
    await job.log(`Task ${task.task_id} was created.`);
    await job.updateProgress(task);
    return await postpone(job, token, Date.now() + intervalMs);
  }

  /** Removes the claim, because it is certain that no task was created. */
  async function release(job: LipSyncJob, request: LipSyncRequest, token: string, error: unknown) {
    await proveLock(job, token);
    await job.updateData(request);
    if (error instanceof InvalidRequestError) throw unrecoverable(error.message, error);
    const isTooMuch = error instanceof ApiError && verdictOf(error) === "again";
    if (!isTooMuch) throw error;
    pausedUntil = Date.now() + (retryAfterMs(error) ?? pauseMs);
    return await postpone(job, token, pausedUntil);
  }

  async function poll(job: LipSyncJob, { claimedAt, id = "" }: LipSyncNote, token = "") {
    let task: LipSyncTask | undefined;
    let problem: unknown;
    try {
      task = await client.get(id, { maxRetries: 0 });
    } catch (error) {
      const isNew = isUnknownTask(error) && Date.now() < claimedAt + graceMs;
      if (!isNew && !mayPass(error)) throw error;
      problem = error;
    }
    if (task) {
      const hasChanged = task.task_status !== property(job.progress, "task_status");
      if (hasChanged) await job.updateProgress(task);
      if (isSucceeded(task)) return task;
      if (task.task_status === "failed") throw failed(task);
    }
    if (Date.now() > claimedAt + timeoutMs) {
      await proveLock(job, token);
      // If the job is retried, it waits as long again.
      await job.updateData({ ...job.data, task: { claimedAt: Date.now(), id } });
      const error = new TaskTimeoutError(id, timeoutMs, task, problem);
      throw unrecoverable(error.message, error);
    }
    const waitMs = Math.max(intervalMs, retryAfterMs(problem) ?? 0);
    const endsAt = claimedAt + timeoutMs + 1;
    return await postpone(job, token, Math.min(Date.now() + waitMs, endsAt));
  }

  return async (job, token) => {
    const { task: note, ...request } = job.data;
    if (!note) return await create(job, request, token);
    if (note.id !== undefined) return await poll(job, note, token);
    // Another worker may still be creating the task, or has crashed while it did.
    const isFresh = Date.now() < note.claimedAt + graceMs;
    if (isFresh) return await postpone(job, token, note.claimedAt + graceMs);
    throw parked(job, undefined);
  };

  async function proveLock(job: LipSyncJob, token: string): Promise<void> {
    if ((await job.extendLock(token, lockMs)) === 1) return;
    throw new Error(`The lock of job ${job.id} was lost to another worker.`);
  }
}

/**
 * Tells a parked job the id of its task, or that no task exists, and retries the job.
 *
 * @param job - a failed job from `queue.getJob`
 * @param taskId - the id that you found at the gateway; `undefined` if no task exists: the job then
 *   creates one, which is billed
 * @throws InvalidRequestError - the id is invalid, the job is not failed, or `undefined` is given
 *   although the task is known
 */
export async function settleLipSyncJob(job: LipSyncJob, taskId: string | undefined): Promise<void> {
  const { task, ...request } = job.data;
  if (taskId !== undefined) checkTaskId(taskId);
  if (!(await job.isFailed())) {
    throw new InvalidRequestError(`Job ${job.id} has not failed; it cannot be settled.`, "job");
  }
  if (taskId === undefined && task?.id !== undefined) {
    const message = `Job ${job.id} already has task ${task.id}; for another task, add another job.`;
    throw new InvalidRequestError(message, "taskId");
  }
  const note = taskId === undefined ? {} : { task: { claimedAt: Date.now(), id: taskId } };
  await job.updateData({ ...request, ...note });
  await job.log(taskId === undefined ? "No task exists." : `Task ${taskId} was found.`);
  await job.retry("failed");
}

/** Delays the job, which occupies no slot and uses up no attempt. */
async function postpone(job: LipSyncJob, token: string | undefined, at: number): Promise<never> {
  await job.moveToDelayed(Math.ceil(at), token);
  // BullMQ 5.0 recognizes it by its message, BullMQ 6 by its name.
  throw Object.assign(new Error("DelayedError"), { name: "DelayedError" });
}

/** An error after which BullMQ does not retry the job. */
const unrecoverable = (message: string, cause: unknown) =>
  Object.assign(new Error(message, { cause }), { name: "UnrecoverableError" });

function failed(task: LipSyncTask): Error {
  const error = new TaskFailedError(task);
  return unrecoverable(error.message, error);
}

function parked(job: LipSyncJob, cause: unknown): Error {
  const named = cause instanceof ApiError ? cause.taskId : undefined;
  const id = named === undefined ? "taskId" : JSON.stringify(named);
  const said = textOf(property(cause, "message"));
  const why = said ?? "A worker stopped while creating the task.";
  const message = [
    "A task may exist, so it is not created again.",
    `Look for it at the gateway, then run: const job = await queue.getJob("${job.id}");`,
    `if (job) await settleLipSyncJob(job, ${id}); if there is no task, pass undefined as its id.`,
    why,
  ];
  return unrecoverable(message.join(" "), cause);
}
