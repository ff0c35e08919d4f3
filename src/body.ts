// Reads a response within bounds.
import { property } from "./json.js";
import { onAbort } from "./time.js";

const LARGEST_BODY_BYTES = 1024 * 1024;

/** A complete response, or the beginning of one that is larger than 1 MiB. */
export type Answer = Pick<Response, "status" | "headers"> & { text: string; isTooLarge: boolean };

/** Reads a response; an abort, or a body that is too large, closes the connection. */
export async function readAnswer(response: Response, signal: AbortSignal): Promise<Answer> {
  const headersOf = property(response, "headers");
  const isResponse = ["get", "entries"].every((name) => property(headersOf, name) !== undefined);
  if (!isResponse) throw new TypeError("fetch returned a value that is not a Response");
  const { status, headers, body } = response;
  const answer = { status, headers, text: "", isTooLarge: false };
  const reader = body?.getReader();
  if (!reader) return answer;
  const cancel = () => void reader.cancel().catch(() => undefined);
  const stopListening = onAbort(signal, cancel);
  if (signal.aborted) cancel();
  const decoder = new TextDecoder();
  let bytes = 0;
  try {
    while (!answer.isTooLarge) {
      const { done, value } = await reader.read();
      answer.text += decoder.decode(value, { stream: !done });
      if (done) return answer;
      bytes += value.byteLength;
      answer.isTooLarge = bytes > LARGEST_BODY_BYTES;
    }
    cancel();
    return answer;
  } finally {
    stopListening();
  }
}
