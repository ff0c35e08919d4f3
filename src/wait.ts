// Polling until a task is done.
import { TaskFailedError, TaskTimeoutError } from "./errors.js";
import { jsonCopy } from "./json.js";
import { checkFunction, checkNumber, checkSignal } from "./options.js";
import { isUnknownTask, LONGEST_PAUSE_MS, mayPass, retryAfterMs } from "./outcome.js";
import { isDone, isSucceeded, type LipSyncTask, type SucceededLipSyncTask } from "./task.js";
import { delay, type Limits, within } from "./time.js";

/** Options of `wait`; `undefined` means the default. */
export interface WaitOptions {
  /** Aborts the wait: the promise rejects immediately with `signal.reason`. The task continues. */
  signal?: AbortSignal | undefined;
  /** Delay between polls in milliseconds, plus up to 10 % jitter; default 10_000. */
  intervalMs?: number | undefined;
  /** Timeout for the whole wait in milliseconds; default 1_800_000 (30 minutes). */
  timeoutMs?: number | undefined;
  /**
   * Called with a copy of the task after each successful poll, and awaited. If it throws, the wait
   * ends.
   */
  onUpdate?: ((task: LipSyncTask) => unknown) | undefined;
  /**
   * Called with the error of each failed poll that does not end the wait, and awaited. If it throws,
   * the wait ends.
   */
  onError?: ((error: unknown) => unknown) | undefined;
}

type Poll = (taskId: string, limits: Limits) => Promise<LipSyncTask>;

/** A last poll comes half an interval before the timeout, and at most half of this. */
const LONGEST_LAST_INTERVAL_MS = 5000;
/** A timer that is later than this means that the process slept. */
const LATEST_TIMER_MS = 1000;
/** Timeout of the poll of a process that slept past the timeout of the wait. */
const LATE_POLL_MS = 5000;

/** Polls until the task is done. Between two polls, a wait costs one timer. */
export async function waitForTask(
  poll: Poll,
  taskId: string,
  options: WaitOptions = {},
): Promise<SucceededLipSyncTask> {
  const { onUpdate, onError } = options;
  const signal = checkSignal(options.signal);
  if (onUpdate !== undefined) checkFunction("onUpdate", onUpdate);
  if (onError !== undefined) checkFunction("onError", onError);
  const intervalMs = checkNumber("intervalMs", 10_000, options.intervalMs);
  const timeoutMs = checkNumber("timeoutMs", 1_800_000, options.timeoutMs);
  // Not Date.now(): the clock may be set while the wait runs.
  const endsAt = performance.now() + timeoutMs;
  const leftMs = () => Math.max(0, endsAt - performance.now());
  let last: LipSyncTask | undefined;
  let problem: unknown;
  /** Consecutive polls that did not find the task. */
  let unknown = 0;

  async function pollOnce(pollMs: number): Promise<void> {
    try {
      last = await poll(taskId, { signal, timeoutMs: pollMs });
      problem = undefined;
      unknown = 0;
    } catch (error) {
      unknown = isUnknownTask(error) ? unknown + 1 : 0;
      const isForgiven = unknown > 0 ? unknown < 3 : mayPass(error);
      if (!isForgiven) throw error;
      problem = error;
    }
  }

  async function callBack(): Promise<void> {
    if (problem !== undefined) await onError?.(problem);
    // A copy, so that the caller cannot change what was found.
    else await onUpdate?.(jsonCopy(last as LipSyncTask));
  }

  /** Whether the pause before a poll was cut, so that it comes before the timeout. */
  let isLast = false;
  /** Whether the process slept past the timeout. */
  let isLate = false;
  for (;;) {
    await pollOnce(isLate ? LATE_POLL_MS : leftMs());
    // If the callback takes longer than the wait may, what was found counts.
    await within({ signal, timeoutMs: leftMs() }, () => Promise.resolve(), callBack);
    if (last && isSucceeded(last)) return last;
    if (last && isDone(last)) throw new TaskFailedError(last);
    if (isLate) break;

    const askedMs = Math.min(retryAfterMs(problem) ?? 0, LONGEST_PAUSE_MS);
    const pauseMs = Math.max(intervalMs * (1 + Math.random() / 10), askedMs);
    const lastPollInMs = leftMs() - Math.min(intervalMs, LONGEST_LAST_INTERVAL_MS) / 2;
    const isOver = isLast || lastPollInMs <= 0;
    isLast = pauseMs >= lastPollInMs;
    if (leftMs() > 0) await delay(isOver ? leftMs() : Math.min(pauseMs, lastPollInMs), signal);
    isLate = performance.now() - endsAt > (isOver ? LATEST_TIMER_MS : 0);
    if (isOver && !isLate) break;
  }
  throw new TaskTimeoutError(taskId, timeoutMs, last, problem);
}
