// The processor of a BullMQ worker. The rules that it keeps are in index.ts.
import type { LipSyncClient } from "../client.js";
import {
  ConfigurationError,
  InvalidRequestError,
  TaskFailedError,
  TaskTimeoutError,
} from "../errors.js";
import { isRecord, property, textOf } from "../json.js";
import { checkNumber } from "../options.js";
import { isUnknownTask, mayPass, retryAfterMs, verdictOf } from "../outcome.js";
import { isSucceeded, type LipSyncTask, type SucceededLipSyncTask } from "../task.js";
import {
  createdRow,
  idInData,
  idInProgress,
  isClaimed,
  isDenied,
  type LipSyncJob,
  type LipSyncNote,
  namedRow,
  requestOf,
  unrecoverable,
} from "./job.js";

/** Options of `lipSyncProcessor`; `undefined` means the default, and a year is the longest time. */
export interface LipSyncProcessorOptions {
  /** Delay between two polls of a task in milliseconds; default 10_000. */
  intervalMs?: number | undefined;
  /**
   * How long this process creates no tasks, in milliseconds, after the gateway reported too many
   * requests or tasks, after a create whose outcome is uncertain, and after an error of the account;
   * default 10_000, at most 10 minutes. A longer `Retry-After` is respected. After an uncertain
   * create, this process then creates one task at a time until the gateway accepts or refuses one.
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

/** The longest time that an option may have: a year. */
const LONGEST_MS = 365 * 86_400_000;
const LONGEST_PAUSE_MS = 600_000;
/** The longest `Retry-After` that a poll respects. */
const LONGEST_POLL_PAUSE_MS = 60_000;

/**
 * Creates the processor of a `Worker`. It creates (billed) the task of a job only once, even if
 * workers crash, and resolves with the finished task. Between polls the job is delayed and occupies
 * no slot. If a task may exist but its id is unknown, the job is parked: it fails, and you call
 * `settleLipSyncJob`, unless `receiveLipSyncCallback` brings the id.
 *
 * The worker needs `maxStalledCount: 1e9`, Redis needs `appendfsync always` and `noeviction`, and a
 * job must not have `removeOnFail`.
 *
 * @throws ConfigurationError - an option is invalid
 */
export function lipSyncProcessor(
  client: LipSyncClient,
  options: LipSyncProcessorOptions = {},
): (job: LipSyncJob, token?: string) => Promise<SucceededLipSyncTask> {
  const intervalMs = checkTime("intervalMs", 10_000, options.intervalMs);
  const pauseMs = checkTime("pauseMs", 10_000, options.pauseMs);
  const graceMs = checkTime("graceMs", 120_000, options.graceMs);
  const lockMs = checkTime("lockMs", 30_000, options.lockMs);
  const timeoutMs = checkTime("timeoutMs", 86_400_000, options.timeoutMs);
  /** Until when this process creates no tasks, by `performance.now()`. */
  let pausedUntil = 0;
  /** Whether a create was uncertain, and none has been accepted or refused since. */
  let isDoubtful = false;
  /** How many creates are under way. */
  let creating = 0;

  async function run(job: LipSyncJob, token?: string): Promise<SucceededLipSyncTask> {
    keepIfFailed(job);
    if (token === undefined || token === "") {
      throw new ConfigurationError(
        "The token of the job is missing. Pass it on: (job, token) => processor(job, token).",
      );
    }
    const { task: note } = job.data;
    const id = idInData(job) ?? idInProgress(job);
    if (id !== undefined) {
      const isNoted = note !== undefined && idInData(job) !== undefined && isTime(note.claimedAt);
      return await poll(job, token, isNoted ? { ...note, id } : await takeOver(job, token, id));
    }
    if (note === undefined || isDenied(job)) return await createIfAllowed(job, token);
    if (textOf(property(note, "reason")) !== undefined) throw parked(job, note.reason, undefined);
    // Another worker may still be creating the task, or has stopped while it did.
    if (isFresh(property(note, "claimedAt"))) {
      const leftMs = note.claimedAt + graceMs - Date.now();
      return await postpone(job, token, Math.min(leftMs, graceMs));
    }
    throw parked(job, "A worker stopped while creating the task.", undefined);
  }

  async function createIfAllowed(job: LipSyncJob, token: string): Promise<never> {
    const pausedMs = pausedUntil - performance.now();
    if (pausedMs > 0) return await postpone(job, token, pausedMs);
    if (isDoubtful && creating > 0) return await postpone(job, token, intervalMs);
    creating += 1;
    try {
      return await create(job, token);
    } finally {
      creating -= 1;
    }
  }

  async function create(job: LipSyncJob, token: string): Promise<never> {
    const request = requestOf(job);
    const note = { claim: crypto.randomUUID(), claimedAt: Date.now() };
    // Between two proofs of the lock, no other worker has read older data.
    await proveLock(job, token);
    await job.updateData({ ...request, task: note });
    await proveLock(job, token);
    let task: LipSyncTask;
    try {
      task = await client.create(request, { maxRetries: 0 });
    } catch (error) {
      return await endCreate(job, token, note, error);
    }
    isDoubtful = false;
    await store(job, token, { ...note, id: task.task_id }, task);
    return await postpone(job, token, intervalMs);
  }

  /** What comes of a failed create. */
  async function endCreate(job: LipSyncJob, token: string, note: LipSyncNote, error: unknown) {
    const verdict = verdictOf(error);
    if (verdict === "uncertain") isDoubtful = true;
    if (verdict === "refused") isDoubtful = false;
    if (verdict !== "refused") pause(Math.max(pauseMs, retryAfterMs(error) ?? 0));
    if (verdict === "uncertain") return await lookAgain(job, token, note, error);
    await proveLock(job, token);
    await job.updateData(requestOf(job));
    if (verdict === "again") return await postpone(job, token, pausedUntil - performance.now());
    if (error instanceof InvalidRequestError) throw unrecoverable(error.message, error);
    throw error;
  }

  /** Keeps why it is uncertain whether a task exists, and lets the next run look for a callback. */
  async function lookAgain(job: LipSyncJob, token: string, note: LipSyncNote, error: unknown) {
    const id = textOf(property(error, "taskId"));
    const said = textOf(property(error, "message")) ?? "The create failed without a message.";
    const reason = id === undefined ? said : `The response names task ${id}. ${said}`;
    try {
      if (id !== undefined) await job.log(namedRow(id));
      await proveLock(job, token);
      await job.updateData({ ...requestOf(job), task: { ...note, reason } });
    } catch {
      throw parked(job, reason, error);
    }
    return await postpone(job, token, 0);
  }

  async function store(job: LipSyncJob, token: string, note: LipSyncNote, task: LipSyncTask) {
    const id = task.task_id;
    try {
      await job.log(createdRow(id));
      await job.updateProgress(task);
      await proveLock(job, token);
      await job.updateData({ ...requestOf(job), task: note });
    } catch (cause) {
      const call = `settleLipSyncJob(queue, ${JSON.stringify(job.id)}, { taskId: ${JSON.stringify(id)} })`;
      const why = String(property(cause, "message"));
      throw unrecoverable(
        `Task ${id} was created, but its id could not be stored in job ${job.id}. If the job fails, call ${call}. ${why}`,
        cause,
      );
    }
  }

  /** Writes an id that progress names, or a time that can be right, into the data. */
  async function takeOver(job: LipSyncJob, token: string, id: string) {
    const note = { claimedAt: Date.now(), id };
    await proveLock(job, token);
    await job.updateData({ ...requestOf(job), task: note });
    return note;
  }

  async function poll(
    job: LipSyncJob,
    token: string,
    { claimedAt, id }: { claimedAt: number; id: string },
  ): Promise<SucceededLipSyncTask> {
    let task: LipSyncTask | undefined;
    let problem: unknown;
    try {
      task = await client.get(id, { maxRetries: 0 });
    } catch (error) {
      const isNew = isUnknownTask(error) && isFresh(claimedAt);
      if (!isNew && !mayPass(error)) throw error;
      problem = error;
    }
    if (task) {
      const isSameTask = task.task_id === idInProgress(job);
      const isSameStatus = task.task_status === property(job.progress, "task_status");
      if (!isSameTask || !isSameStatus) await job.updateProgress(task);
      if (isSucceeded(task)) return task;
      if (task.task_status === "failed") {
        const error = new TaskFailedError(task);
        throw unrecoverable(error.message, error);
      }
    }
    if (Date.now() > claimedAt + timeoutMs) {
      // If the job is retried, it waits as long again.
      await takeOver(job, token, id);
      const error = new TaskTimeoutError(id, timeoutMs, task, problem);
      throw unrecoverable(error.message, error);
    }
    const askedMs = Math.min(retryAfterMs(problem) ?? 0, LONGEST_POLL_PAUSE_MS);
    const leftMs = claimedAt + timeoutMs + 1 - Date.now();
    return await postpone(job, token, Math.min(Math.max(intervalMs, askedMs), leftMs));
  }

  function pause(durationMs: number): void {
    const until = performance.now() + Math.min(durationMs, LONGEST_PAUSE_MS);
    pausedUntil = Math.max(pausedUntil, until);
  }

  /** Whether a time in a note is near now. Clocks differ, and can be set. */
  const isFresh = (time: unknown) =>
    typeof time === "number" && Math.abs(Date.now() - time) < graceMs;

  /** Whether a time in a note can be right, for a task that exists. */
  const isTime = (time: unknown) =>
    typeof time === "number" && (time < Date.now() || isFresh(time));

  async function proveLock(job: LipSyncJob, token: string): Promise<void> {
    if ((await job.extendLock(token, Math.max(1, Math.ceil(lockMs)))) === 1) return;
    throw new Error(`The lock of job ${job.id} was lost to another worker.`);
  }

  return run;
}

function checkTime(name: string, byDefault: number, value: number | undefined): number {
  const timeMs = checkNumber(name, byDefault, value);
  if (timeMs <= LONGEST_MS) return timeMs;
  throw new ConfigurationError(
    `The option ${name} must be at most ${LONGEST_MS} ms (a year), not ${timeMs}.`,
  );
}

/** Lets BullMQ keep the job if it fails, and refuses a new job that BullMQ was told to delete. */
function keepIfFailed(job: LipSyncJob): void {
  const { removeOnFail } = job.opts;
  job.opts.removeOnFail = false;
  if (isClaimed(job) || !couldDelete(removeOnFail)) return;
  throw unrecoverable(
    `Job ${job.id} has the option removeOnFail, which could delete a job whose task is paid, and a new job with its id would pay again. It has no task: remove the job, and add it again without the option, also in the defaultJobOptions of its queue.`,
    undefined,
  );
}

function couldDelete(removeOnFail: unknown): boolean {
  if (!isRecord(removeOnFail)) return isLimit(removeOnFail);
  const { age, count } = removeOnFail;
  return age !== undefined || isLimit(count);
}

/** Anything but "off" and a negative number, which keeps all jobs. */
function isLimit(value: unknown): boolean {
  const isOff = value === undefined || value === null || value === false;
  return !isOff && !(typeof value === "number" && value < 0);
}

/** Delays the job, which occupies no slot and uses up no attempt. */
async function postpone(job: LipSyncJob, token: string, delayMs: number): Promise<never> {
  await job.moveToDelayed(Math.ceil(Date.now() + delayMs), token);
  // BullMQ 5.0 recognizes it by its message, BullMQ 6 by its name.
  throw Object.assign(new Error("DelayedError"), { name: "DelayedError" });
}

function parked(job: LipSyncJob, reason: string | undefined, cause: unknown): Error {
  const id = JSON.stringify(job.id);
  return unrecoverable(
    `A task may exist, so it is not created again. Look for it at the gateway, then call settleLipSyncJob(queue, ${id}, { taskId }), or with { noTask: true } if there is none. ${reason}`,
    cause,
  );
}
