// A processor for the workers of BullMQ; published as kling-lip-sync/bullmq. It keeps a note in the
// job's data: that somebody is about to create the task, and then the task's id. It imports nothing
// of BullMQ: of a job it uses the few methods below, which versions 5 and 6 have.
import type { LipSyncClient } from "./client.js";
import { ApiError, InvalidRequestError, TaskFailedError, TaskTimeoutError } from "./errors.js";
import { property, textOf } from "./json.js";
import { checkNumber } from "./options.js";
import { isUnknownTask, mayRepeat, retryAfterMs } from "./outcome.js";
import { checkTaskId, type LipSyncRequest } from "./request.js";
import { isSucceeded, type LipSyncTask, type SucceededLipSyncTask } from "./task.js";

/** What the processor keeps in a job's data, beside the request. */
export interface LipSyncNote {
  /** When a worker was about to create the task, in Unix milliseconds. */
  claimedAt: number;
  /** The id of the task; absent while nobody knows whether there is one. */
  id?: string;
}

/** The data of a job: the request of `create`, and later the processor's note. */
export type LipSyncJobData = LipSyncRequest & { task?: LipSyncNote };

/** What is used of a BullMQ job. */
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

/** How a processor works. All options may be `undefined`. */
export interface LipSyncProcessorOptions {
  /** Delay between two polls of a task in milliseconds; default 10_000. */
  intervalMs?: number | undefined;
  /**
   * How long this process creates nothing after the gateway refused because of too many requests or
   * tasks, in milliseconds; default 10_000. A `Retry-After` of the gateway counts instead.
   */
  pauseMs?: number | undefined;
  /**
   * How long after a claim without an id a job is parked, in milliseconds; default 120_000. It has to
   * be longer than the client's `timeoutMs`. For as long, a task that the gateway does not know may
   * be new.
   */
  graceMs?: number | undefined;
  /** The worker's `lockDuration` in milliseconds; default 30_000, as in BullMQ. */
  lockMs?: number | undefined;
  /**
   * How long a job waits for its task before it fails, in milliseconds; default 86_400_000, a day. If
   * it is retried, it waits for as long again.
   */
  timeoutMs?: number | undefined;
}

/**
 * Makes the processor of a `Worker`: it creates the task of a job once, whatever happens to workers,
 * and resolves with the finished task. Between two polls the job is delayed and holds no slot.
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
  /** Until when this process creates nothing. */
  let pausedUntil = 0;

  async function create(job: LipSyncJob, request: LipSyncRequest, token = ""): Promise<never> {
    if (Date.now() < pausedUntil) return await postpone(job, token, pausedUntil);
    const claimedAt = Date.now();
    // Updating asks for no lock. Between two proofs of it, no other worker has read older data.
    await proveLock(job, token);
    await job.updateData({ ...request, task: { claimedAt } });
    await proveLock(job, token);
    const task = await client.create(request, { maxRetries: 0 }).catch(async (error: unknown) => {
      // What another copy of the library, a wrapped client or a key function throws says it, too, or
      // it is not certain.
      const isCertain = property(error, "mayHaveCreatedTask") === false;
      if (!isCertain) throw parked(job, error);
      return await release(job, request, token, error);
    });
    await job.updateData({ ...request, task: { claimedAt, id: task.task_id } });
    await job.log(`Task ${task.task_id} was created.`);
    await job.updateProgress(task);
    return await postpone(job, token, Date.now() + intervalMs);
  }

  /** Takes the claim back: certainly nothing was created. */
  async function release(job: LipSyncJob, request: LipSyncRequest, token: string, error: unknown) {
    await proveLock(job, token);
    await job.updateData(request);
    if (error instanceof InvalidRequestError) throw unrecoverable(error.message, error);
    const isTooMuch = error instanceof ApiError && mayRepeat(error, { isBilled: true });
    if (!isTooMuch) throw error;
    pausedUntil = Date.now() + (retryAfterMs(error) ?? pauseMs);
    return await postpone(job, token, pausedUntil);
  }

  async function poll(job: LipSyncJob, { claimedAt, id = "" }: LipSyncNote, token = "") {
    const task = await client.get(id, { maxRetries: 0 }).catch(async (error: unknown) => {
      const isNew = isUnknownTask(error) && Date.now() < claimedAt + graceMs;
      if (!isNew && !mayRepeat(error, { isBilled: false })) throw error;
      const waitMs = Math.max(intervalMs, retryAfterMs(error) ?? 0);
      return await postpone(job, token, Date.now() + waitMs);
    });
    if (task.task_status !== property(job.progress, "task_status")) await job.updateProgress(task);
    if (isSucceeded(task)) return task;
    if (task.task_status === "failed") throw failed(task);
    if (Date.now() > claimedAt + timeoutMs) {
      await proveLock(job, token);
      // If the job is retried, it waits for as long again.
      await job.updateData({ ...job.data, task: { claimedAt: Date.now(), id } });
      const error = new TaskTimeoutError(id, timeoutMs, task, undefined);
      throw unrecoverable(error.message, error);
    }
    return await postpone(job, token, Date.now() + intervalMs);
  }

  return async (job, token) => {
    const { task: note, ...request } = job.data;
    if (!note) return await create(job, request, token);
    if (note.id !== undefined) return await poll(job, note, token);
    // Another worker may still create it, or died while it did.
    const isFresh = Date.now() < note.claimedAt + graceMs;
    if (isFresh) return await postpone(job, token, note.claimedAt + graceMs);
    throw parked(job, undefined);
  };

  async function proveLock(job: LipSyncJob, token: string): Promise<void> {
    if ((await job.extendLock(token, lockMs)) === 1) return;
    throw new Error(`The lock of job ${job.id} is lost; another worker has it.`);
  }
}

/**
 * Tells a parked job which task is its own, or that there is none, and lets it run again.
 *
 * @param job - as `queue.getJob` gives it; it has to be failed
 * @param taskId - the id that you found at the gateway; `undefined` if no task was created: then the
 *   job creates one
 * @throws InvalidRequestError - the id is invalid, the job is not failed, or its task is known and you
 *   say that there is none
 */
export async function settleLipSyncJob(job: LipSyncJob, taskId: string | undefined): Promise<void> {
  const { task, ...request } = job.data;
  if (taskId !== undefined) checkTaskId(taskId);
  if (!(await job.isFailed())) {
    throw new InvalidRequestError(
      `Job ${job.id} is not failed, so nothing is to be settled.`,
      "job",
    );
  }
  if (taskId === undefined && task?.id !== undefined) {
    const message = `Job ${job.id} has task ${task.id}; for another task, add another job.`;
    throw new InvalidRequestError(message, "taskId");
  }
  const note = taskId === undefined ? {} : { task: { claimedAt: Date.now(), id: taskId } };
  await job.updateData({ ...request, ...note });
  await job.log(taskId === undefined ? "There was no task." : `Task ${taskId} was found.`);
  await job.retry("failed");
}

/** Delays the job; it holds no slot, and uses up no attempt. */
async function postpone(job: LipSyncJob, token: string | undefined, at: number): Promise<never> {
  await job.moveToDelayed(Math.ceil(at), token);
  // BullMQ knows it by its message in 5.0 and by its name in 6.
  throw Object.assign(new Error("DelayedError"), { name: "DelayedError" });
}

/** An error after which BullMQ does not try again. */
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
  const why = said ?? "A worker stopped while it created the task.";
  const message = [
    "A task may exist, so nothing is created again.",
    `Look for it at the gateway, then: const job = await queue.getJob("${job.id}");`,
    `if (job) await settleLipSyncJob(job, ${id}); with undefined as the id if there is no task.`,
    why,
  ];
  return unrecoverable(message.join(" "), cause);
}
