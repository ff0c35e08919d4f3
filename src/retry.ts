// The loop that retries a failed attempt.
import { backoffMs, LONGEST_PAUSE_MS, mayRepeat, retryAfterMs } from "./outcome.js";
import { delay } from "./time.js";

type RetryOptions = { isBilled: boolean; maxRetries: number; signal: AbortSignal | undefined };

/** Retries an attempt if that is safe and can help. */
export async function retry<T>(attempt: () => Promise<T>, options: RetryOptions): Promise<T> {
  for (let retries = 0; ; retries++) {
    try {
      return await attempt();
    } catch (error) {
      if (retries >= options.maxRetries || !mayRepeat(error, options)) throw error;
      const askedMs = retryAfterMs(error);
      // A longer pause would look like a hang; the caller can decide what to do.
      if ((askedMs ?? 0) > LONGEST_PAUSE_MS) throw error;
      await delay(askedMs ?? backoffMs(retries), options.signal);
    }
  }
}
