// The loop that retries a failed attempt.
import { backoffMs, LONGEST_PAUSE_MS, retryAfterMs } from "./outcome.js";
import { delay } from "./time.js";

interface RetryOptions {
  maxRetries: number;
  signal: AbortSignal | undefined;
}

/** From the third retry on, pauses are at least this long, whatever the gateway asks for. */
const SHORTEST_PAUSE_MS = 1000;

/** Retries an attempt if that is safe and can help. */
export async function retry<T>(
  attempt: () => Promise<T>,
  isWorthRetrying: (error: unknown) => boolean,
  { maxRetries, signal }: RetryOptions,
): Promise<T> {
  for (let retries = 0; ; retries++) {
    try {
      return await attempt();
    } catch (error) {
      if (retries >= maxRetries || !isWorthRetrying(error)) throw error;
      const askedMs = retryAfterMs(error);
      // A longer pause would look like a hang; the caller can decide what to do.
      if (askedMs !== undefined && askedMs > LONGEST_PAUSE_MS) throw error;
      const pauseMs = askedMs ?? backoffMs(retries);
      await delay(retries < 2 ? pauseMs : Math.max(pauseMs, SHORTEST_PAUSE_MS), signal);
    }
  }
}
