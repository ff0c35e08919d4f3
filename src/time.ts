import { ConfigurationError } from "./errors.js";

/** setTimeout fires at once for more than this, so a longer limit is none. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** What ends a piece of work before it is done. */
export interface Limits {
  signal: AbortSignal | undefined;
  timeoutMs: number;
  /** The error to reject with when the time is over. */
  onTimeout: () => unknown;
}

/**
 * Runs the work and settles with it, or rejects at once when the caller's signal aborts (with its
 * reason) or the time is over. The work is told through a signal of its own.
 */
export function within<T>(limits: Limits, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const { signal, timeoutMs, onTimeout } = limits;
  if (signal?.aborted) return Promise.reject(signal.reason);
  return new Promise((resolve, reject) => {
    const controller = new AbortController();
    const stop = () => {
      clearTimeout(timer);
      unlisten();
    };
    const cancel = (reason: unknown) => {
      stop();
      reject(reason);
      controller.abort(reason);
    };
    const expire = () => {
      cancel(onTimeout());
    };
    const unlisten = onAbort(signal, cancel);
    const timer = timeoutMs > LONGEST_TIMER_MS ? undefined : setTimeout(expire, timeoutMs);
    work(controller.signal).finally(stop).then(resolve, reject);
  });
}

/** Resolves after a while, or rejects with the signal's reason as soon as it aborts. */
export function delay(delayMs: number, signal: AbortSignal | undefined): Promise<void> {
  if (signal?.aborted) return Promise.reject(signal.reason);
  return new Promise((resolve, reject) => {
    const wake = () => {
      unlisten();
      resolve();
    };
    const timer = setTimeout(wake, Math.min(delayMs, LONGEST_TIMER_MS));
    const unlisten = onAbort(signal, (reason) => {
      clearTimeout(timer);
      reject(reason);
    });
  });
}

/** A limit as an option gives it: a time, or a number of times. */
export function limitOf(name: string, value: number | undefined, fallback: number): number {
  if (value === undefined) return fallback;
  if (typeof value === "number" && value >= 0) return value;
  throw new ConfigurationError(`The option ${name} is not a number of at least 0.`);
}

type OnAbort = (reason: unknown) => void;

const callbacksOf = new WeakMap<AbortSignal, Set<OnAbort>>();

/**
 * Calls back when the signal aborts, until the returned function is called. All callbacks of a
 * signal share one listener on it, since Node warns at the eleventh.
 */
export function onAbort(signal: AbortSignal | undefined, callback: OnAbort): () => void {
  if (!signal) return () => undefined;
  if (typeof signal.addEventListener !== "function") {
    throw new ConfigurationError("The option signal is not an AbortSignal.");
  }
  const callbacks = callbacksOf.get(signal) ?? new Set();
  callbacksOf.set(signal, callbacks.add(callback));
  signal.addEventListener("abort", notify, { once: true });
  return () => {
    if (!callbacks.delete(callback) || callbacks.size > 0) return;
    callbacksOf.delete(signal);
    signal.removeEventListener("abort", notify);
  };
}

function notify(this: AbortSignal): void {
  const callbacks = callbacksOf.get(this) as Set<OnAbort>;
  callbacksOf.delete(this);
  for (const callback of [...callbacks]) callback(this.reason);
}
