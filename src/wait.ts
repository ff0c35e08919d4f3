// Polling until a task is done.
import { TaskFailedError, TaskTimeoutError } from "./errors.js";
import { checkFunction, checkNumber, checkSignal } from "./options.js";
import { isUnknownTask, mayRepeat, retryAfterMs } from "./outcome.js";
import { checkTaskId } from "./request.js";
import { isDone, isSucceeded, type LipSyncTask, type SucceededLipSyncTask } from "./task.js";
import { delay, within } from "./time.js";

/** Options of `wait`; `undefined` means the default. */
export interface WaitOptions {
  /** Aborts the wait: the promise rejects immediately with `signal.reason`. The task continues. */
  signal?: AbortSignal | undefined;
  /** Delay between polls in milliseconds, plus up to 10 % jitter; default 10_000. */
  intervalMs?: number | undefined;
  /** Timeout for the whole wait in milliseconds; default 1_800_000 (30 minutes). */
  timeoutMs?: number | undefined;
  /** Called with the task after each successful poll, and awaited. If it throws, the wait ends. */
  onUpdate?: ((task: LipSyncTask) => unknown) | undefined;
}

type Get = (id: string, options: { signal: AbortSignal; maxRetries: 0 }) => Promise<LipSyncTask>;

/** Polls until the task is done. Between two polls, a wait costs one timer. */
export async function waitForTask(
  { connect, get }: { connect: () => unknown; get: Get },
  taskId: string,
  { signal, onUpdate, ...options }: WaitOptions,
): Promise<SucceededLipSyncTask> {
  checkTaskId(taskId);
  checkSignal(signal);
  if (onUpdate !== undefined) checkFunction("onUpdate", onUpdate);
  const intervalMs = checkNumber("intervalMs", 10_000, options.intervalMs);
  const timeoutMs = checkNumber("timeoutMs", 1_800_000, options.timeoutMs);
  connect();
  const endsAt = Date.now() + timeoutMs;
  let last: LipSyncTask | undefined;
  let problem: unknown;
  /** Consecutive polls that did not find the task. */
  let unknown = 0;

  const poll = async (signal: AbortSignal) => {
    try {
      last = await get(taskId, { signal, maxRetries: 0 });
      problem = undefined;
      unknown = 0;
    } catch (error) {
      unknown = isUnknownTask(error) ? unknown + 1 : 0;
      const mayPass = unknown > 0 ? unknown < 3 : mayRepeat(error, { isBilled: false });
      if (!mayPass) throw error;
      problem = error;
      return;
    }
    signal.throwIfAborted();
    await onUpdate?.(last);
  };
  const leftMs = () => Math.max(0, endsAt - Date.now());
  const timeoutError = () => new TaskTimeoutError(taskId, timeoutMs, last, problem);
  // A task that is done counts, even if the timeout is reached while onUpdate runs.
  const onTimeout = () =>
    last && isDone(last) ? Promise.resolve() : Promise.reject(timeoutError());

  for (;;) {
    await within({ signal, timeoutMs: leftMs() }, onTimeout, poll);
    if (last && isSucceeded(last)) return last;
    if (last && isDone(last)) throw new TaskFailedError(last);
    const pauseMs = Math.max(intervalMs * (1 + Math.random() / 10), retryAfterMs(problem) ?? 0);
    const isLast = pauseMs >= leftMs();
    await delay(isLast ? leftMs() : pauseMs, signal);
    if (isLast) throw timeoutError();
  }
}
