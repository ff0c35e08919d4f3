// Reads the response of any fetch, up to a largest size.
import { property } from "./json.js";

/** The URL is passed beside it. */
export interface FetchInit {
  method: string;
  headers: Record<string, string>;
  /** The JSON of a POST; on Deno, a `Blob` of it. */
  body: string | null;
  signal: AbortSignal;
  redirect: "manual";
  keepalive: boolean;
}

/** What is read of a response. `text` is called only if the body is not a stream. */
export interface FetchResponse {
  status: number;
  headers: object;
  body?: unknown;
  text: () => Promise<string>;
}

/** As much of `fetch` as the client uses. */
export type Fetch = (url: string, init: FetchInit) => Promise<FetchResponse>;

/** A complete response, or the beginning of one that is larger than 1 MiB. */
export interface ReadResponse {
  status: number;
  headers: object;
  text: string;
  isTooLarge: boolean;
}

const LARGEST_TEXT = 1024 * 1024;

/** Reads a response; an abort, or a body that is too large, closes the connection. */
export async function readBody(
  response: FetchResponse,
  signal: AbortSignal,
): Promise<ReadResponse> {
  const status = property(response, "status");
  const parts = partsOf(property(response, "body"));
  const hasText = parts || typeof property(response, "text") === "function";
  if (typeof status !== "number" || !hasText)
    throw new TypeError("fetch did not return a Response with a status and a body");
  const text = parts ? await textOf(parts, signal) : await response.text();
  return { status, headers: response.headers, text, isTooLarge: text.length > LARGEST_TEXT };
}

async function textOf(parts: Parts, signal: AbortSignal): Promise<string> {
  const cancel = () =>
    void Promise.resolve()
      .then(() => parts.cancel())
      .catch(() => undefined);
  // The signal belongs to this attempt only, so the listener is not removed.
  signal.addEventListener("abort", cancel);
  if (signal.aborted) cancel();
  const decoder = new TextDecoder();
  let text = "";
  while (text.length <= LARGEST_TEXT) {
    const { done, value } = await parts.read();
    if (done) return text + decoder.decode();
    text += typeof value === "string" ? value : decoder.decode(value, { stream: true });
  }
  cancel();
  return text;
}

/** A stream that is read part by part. */
interface Parts {
  read: () => Promise<{ done?: boolean; value?: string | Uint8Array<ArrayBuffer> }>;
  cancel: () => unknown;
}

/** The parts of a web stream, or of the stream of node-fetch; `undefined` for any other body. */
function partsOf(body: unknown): Parts | undefined {
  if (isWebStream(body)) return body.getReader();
  if (!isIterable(body)) return undefined;
  const parts = body[Symbol.asyncIterator]();
  return { read: () => parts.next(), cancel: () => parts.return?.() };
}

const isWebStream = (body: unknown): body is { getReader: () => Parts } =>
  typeof property(body, "getReader") === "function";

const isIterable = (body: unknown): body is AsyncIterable<string | Uint8Array<ArrayBuffer>> =>
  typeof property(body, Symbol.asyncIterator) === "function";
