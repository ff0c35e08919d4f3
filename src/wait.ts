import { TaskFailedError, TaskTimeoutError } from "./errors.js";
import { mayRepeat, retryAfterMs } from "./retry.js";
import { isSucceeded, type LipSyncTask, type SucceededLipSyncTask } from "./task.js";
import { delay, limitOf, within } from "./time.js";

/** How long and how often a task is asked for. All options may be absent or `undefined`. */
export interface WaitOptions {
  /** Ends the wait at once; the promise rejects with `signal.reason`, and the task goes on. */
  signal?: AbortSignal | undefined;
  /** From the answer of a poll to the next one, plus up to a tenth; default 10_000. */
  intervalMs?: number | undefined;
  /** The whole wait, a hanging poll included; default 1_800_000, half an hour. */
  timeoutMs?: number | undefined;
  /** Called once for every answered poll, and awaited; what it throws ends the wait. */
  onUpdate?: ((task: LipSyncTask) => void) | undefined;
}

/** Polls until the task is done. `poll` is one attempt; what may pass, passes by waiting. */
export function waitForTask(
  taskId: string,
  poll: (signal: AbortSignal) => Promise<LipSyncTask>,
  { signal, onUpdate, ...options }: WaitOptions,
): Promise<SucceededLipSyncTask> {
  const intervalMs = limitOf("intervalMs", options.intervalMs, 10_000);
  const timeoutMs = limitOf("timeoutMs", options.timeoutMs, 1_800_000);
  let last: LipSyncTask | undefined;
  let problem: unknown;
  const onTimeout = () => new TaskTimeoutError(taskId, timeoutMs, last, problem);
  return within({ signal, timeoutMs, onTimeout }, async (signal) => {
    for (;;) {
      try {
        last = await poll(signal);
        problem = undefined;
      } catch (error) {
        if (!mayRepeat(error, { isBilled: false })) throw error;
        problem = error;
      }
      signal.throwIfAborted();
      if (last && !problem) {
        await (onUpdate?.(last) as unknown);
        if (isSucceeded(last)) return last;
        if (last.task_status === "failed") throw new TaskFailedError(last);
      }
      const pauseMs = intervalMs * (1 + Math.random() / 10);
      await delay(Math.max(pauseMs, retryAfterMs(problem) ?? 0), signal);
    }
  });
}
