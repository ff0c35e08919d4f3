import { ApiError, causesOf, ConnectionError } from "./errors.js";
import { isSuccess } from "./response.js";
import { delay } from "./time.js";

const LONGEST_PAUSE_MS = 60_000;

/** Repeats an attempt where that is safe and can help; what is billed only where no task was made. */
export async function retry<T>(
  attempt: () => Promise<T>,
  options: { isBilled: boolean; maxRetries: number; signal: AbortSignal | undefined },
): Promise<T> {
  for (let retries = 0; ; retries++) {
    try {
      return await attempt();
    } catch (error) {
      const backoffMs = 1000 + Math.random() * Math.min(LONGEST_PAUSE_MS, 1000 * 2 ** retries);
      const pauseMs = retryAfterMs(error);
      const isTooLong = pauseMs !== undefined && pauseMs > LONGEST_PAUSE_MS;
      if (retries >= options.maxRetries || isTooLong || !mayRepeat(error, options)) throw error;
      await delay(pauseMs ?? backoffMs, options.signal);
    }
  }
}

export function mayRepeat(error: unknown, { isBilled }: { isBilled: boolean }): boolean {
  if (error instanceof ConnectionError) return !isBilled || !error.mayHaveCreatedTask;
  if (!(error instanceof ApiError)) return false;
  const { status, code } = error;
  if (isBilled && error.mayHaveCreatedTask) return false;
  // Too many requests, or more at once than the resource pack allows: refused, but not for long.
  if ((code === 1302 || code === 1303) && (status === 429 || isSuccess(status))) return true;
  // Any other code says why it was refused, and that does not pass (in arrears, used up, …).
  if (status === 429) return typeof code !== "number";
  return !isBilled && (status === 408 || (status >= 500 && status <= 599));
}

/** The pause that a failed answer asks for, given in seconds or as a date. */
export function retryAfterMs(error: unknown): number | undefined {
  const value = (error instanceof ApiError && error.headers.get("retry-after")) || "";
  if (/^\d+(?:\.\d+)?$/.test(value)) return Number(value) * 1000;
  // Date.parse takes almost anything for a date, so ask for the form that HTTP has.
  const date = /^[a-z]{3,9}, .+ GMT$/i.test(value) ? Date.parse(value) : NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
}

// Node's words, and those of an older Bun for the first.
const NEVER_CONNECTED =
  /^(?:ECONNREFUSED|ConnectionRefused|ENOTFOUND|EAI_AGAIN|UND_ERR_CONNECT_TIMEOUT)$/;

/** Whether a failed fetch certainly never reached the server; where a runtime does not say, no. */
export function neverConnected(error: unknown): boolean {
  return causesOf(error).some(
    ({ code, syscall, errors, message }) =>
      /^(?:connect|getaddrinfo)$/.test(syscall) ||
      NEVER_CONNECTED.test(code) ||
      // Node, where a name has several addresses: all failed, and the whole has a code of its own.
      (errors !== "" && code !== "") ||
      // Deno says it in words only.
      message.includes("client error (Connect)"),
  );
}
