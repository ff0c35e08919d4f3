// Timeouts, delays and aborts.

/** With a longer delay (24 days), setTimeout fires immediately. */
export const LONGEST_TIMER_MS: number = 2 ** 31 - 1;

/** A timer that is later than this means that the event loop was blocked. */
const LATEST_TIMER_MS = 5;
/** How long work may go on after a timer that was late. */
const AFTER_A_BLOCK_MS = 250;

/** What can end work before it is done. */
export type Limits = { signal: AbortSignal | undefined; timeoutMs: number };

/**
 * Runs the work and settles with its result. When the caller's signal aborts, rejects immediately
 * with its reason; on timeout, settles as `onTimeout` does. Both abort the signal of the work.
 */
export function within<T>(
  { signal, timeoutMs }: Limits,
  onTimeout: () => Promise<T>,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (signal?.aborted) return Promise.reject(signal.reason);
  return new Promise((resolve, reject) => {
    const controller = new AbortController();
    const abort = (reason: unknown) => {
      reject(reason);
      controller.abort(reason);
    };
    const expire = () => {
      resolve(onTimeout());
      controller.abort();
    };
    const endsAt = performance.now() + timeoutMs;
    /** What arrived while the event loop was blocked is read only after the timers that are due. */
    const expireUnlessBlocked = () => {
      const wasBlocked = performance.now() - endsAt > LATEST_TIMER_MS;
      if (wasBlocked) stop = startTimer(AFTER_A_BLOCK_MS, signal, expire, abort);
      else expire();
    };
    let stop = startTimer(timeoutMs, signal, expireUnlessBlocked, abort);
    work(controller.signal)
      .finally(() => {
        stop();
      })
      .then(resolve, reject);
  });
}

/** Resolves after the delay, or rejects with the reason of the signal as soon as it aborts. */
export function delay(delayMs: number, signal: AbortSignal | undefined): Promise<void> {
  if (signal?.aborted) return Promise.reject(signal.reason);
  return new Promise((resolve, reject) => {
    startTimer(delayMs, signal, resolve, reject);
  });
}

/** Calls back when time is over or the signal aborts, unless the returned function is called. */
function startTimer(
  delayMs: number,
  signal: AbortSignal | undefined,
  onTimer: () => void,
  onAborted: OnAbort,
): () => void {
  const stop = () => {
    clearTimeout(timer);
    stopListening();
  };
  const timer = setTimeout(
    () => {
      stop();
      onTimer();
    },
    Math.min(delayMs, LONGEST_TIMER_MS),
  );
  const stopListening = onAbort(signal, (reason) => {
    stop();
    onAborted(reason);
  });
  return stop;
}

type OnAbort = (reason: unknown) => void;

const callbacksOf = new WeakMap<AbortSignal, Set<OnAbort>>();

/**
 * Calls back when the signal aborts, until the returned function is called. All callbacks of a
 * signal share one listener, because Node prints a warning at the eleventh.
 */
export function onAbort(signal: AbortSignal | undefined, callback: OnAbort): () => void {
  if (!signal) return () => undefined;
  const callbacks = callbacksOf.get(signal) ?? new Set();
  callbacksOf.set(signal, callbacks.add(callback));
  signal.addEventListener("abort", notify, { once: true });
  return () => {
    callbacks.delete(callback);
    if (callbacks.size === 0) signal.removeEventListener("abort", notify);
  };
}

function notify(this: AbortSignal): void {
  for (const callback of callbacksOf.get(this) as Set<OnAbort>) callback(this.reason);
}
