// Reads a response, up to a largest size.
import { property } from "./json.js";

const LARGEST_BODY_BYTES = 1024 * 1024;

/** A complete response, or the beginning of one that is larger than 1 MiB. */
export type ReadResponse = Pick<Response, "status" | "headers"> & {
  text: string;
  isTooLarge: boolean;
};

/** Reads a response; an abort, or a body that is too large, closes the connection. */
export async function readBody(response: Response, signal: AbortSignal): Promise<ReadResponse> {
  const isResponse = property(property(response, "headers"), "get") !== undefined;
  if (!isResponse) throw new TypeError("fetch did not return a Response");
  const { status, headers, body } = response;
  // A copy, because a custom fetch may have another kind of headers.
  const read = { status, headers: new Headers(headers), text: "", isTooLarge: false };
  const reader = body?.getReader();
  if (!reader) return read;
  const cancel = () => void reader.cancel().catch(() => undefined);
  // The signal belongs to this attempt only, so the listener is not removed.
  signal.addEventListener("abort", cancel);
  if (signal.aborted) cancel();
  const decoder = new TextDecoder();
  let bytes = 0;
  while (!read.isTooLarge) {
    const { done, value } = await reader.read();
    read.text += decoder.decode(value, { stream: !done });
    if (done) return read;
    bytes += value.byteLength;
    read.isTooLarge = bytes > LARGEST_BODY_BYTES;
  }
  cancel();
  return read;
}
