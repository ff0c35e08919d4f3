// A job: the part of BullMQ's `Job` that is used, and what data, progress and log say about its task.
import { property, textOf } from "../json.js";
import type { LipSyncRequest } from "../request.js";

/** The processor's note in the data of a job. */
export interface LipSyncNote {
  /** When a worker was about to create the task, or was given its id, in Unix milliseconds. */
  claimedAt: number;
  /** The random name of the claim. */
  claim?: string;
  /** The task id; missing while it is unknown whether a task exists. */
  id?: string;
  /** Why it is unknown whether a task exists, if the create failed. */
  reason?: string;
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
  /** The task after each change of its status; it belongs to the processor. */
  progress: unknown;
  opts: { removeOnFail?: unknown };
  finishedOn?: number | null | undefined;
  returnvalue: unknown;
  extendLock(token: string, durationMs: number): Promise<number>;
  updateData(data: LipSyncJobData): Promise<void>;
  updateProgress(progress: object): Promise<void>;
  log(row: string): Promise<number>;
  moveToDelayed(timestamp: number, token?: string): Promise<void>;
  getState(): Promise<string>;
  retry(state?: "completed" | "failed"): Promise<void>;
  promote(): Promise<void>;
}

/** The part of a BullMQ `Queue` that is used. */
export interface LipSyncQueue {
  getJob(jobId: string): Promise<LipSyncJob | undefined>;
  getJobLogs(jobId: string): Promise<{ logs: string[] }>;
}

/** The request of a job, without the note. */
export function requestOf(job: Pick<LipSyncJob, "data">): LipSyncRequest {
  const request = { ...job.data };
  delete request.task;
  return request;
}

/** Whether a worker has claimed the job; a note that cannot be read counts. */
export const isClaimed = (job: Pick<LipSyncJob, "data">): boolean => job.data.task !== undefined;

/** The name by which a claim is denied; one without a name is its own. */
export function claimOf({ data }: Pick<LipSyncJob, "data">): string {
  return textOf(property(data.task, "claim")) ?? JSON.stringify(data.task);
}

/** Whether a person said that no task exists for the claim of this job. */
export const isDenied = (job: Pick<LipSyncJob, "data" | "progress">): boolean =>
  property(job.progress, "noTask") === claimOf(job);

/** The task id in the data. */
export const idInData = (job: Pick<LipSyncJob, "data">): string | undefined =>
  textOf(property(job.data.task, "id"));

/** The task id in the progress. */
export const idInProgress = (job: Pick<LipSyncJob, "progress">): string | undefined =>
  textOf(property(job.progress, "task_id"));

/** Rows of the log that name a task. */
export const createdRow = (id: string): string => `Task ${id} was created.`;
export const foundRow = (id: string): string => `Task ${id} was found.`;
export const calledBackRow = (id: string): string => `Task ${id} was in a callback.`;
export const namedRow = (id: string): string =>
  `Task ${id} was in the response of a failed create.`;

const TASK_ROW =
  /^Task (.+) was (?:created|found|in a callback|in the response of a failed create)\.$/s;

/** The task id that the log names last. */
export function idInLog(rows: string[]): string | undefined {
  return rows.flatMap((row) => TASK_ROW.exec(row)?.[1] ?? []).at(-1);
}

/** An error after which BullMQ does not retry the job. */
export const unrecoverable = (message: string, cause: unknown): Error =>
  Object.assign(new Error(message, { cause }), { name: "UnrecoverableError" });
