// Saves a video to a file, whole or not at all (Node).
import { randomUUID } from "node:crypto";
import fs from "node:fs/promises";
import path from "node:path";
import { LipSyncError } from "./errors.js";
import { errorChain } from "./network-error.js";
import { delay } from "./time.js";

/** One download. */
export interface Download {
  url: string;
  /** The file to create, in a folder that exists. */
  file: string;
  /** Whether a file of that name may be replaced. */
  overwrite: boolean;
  fetch: typeof globalThis.fetch;
  signal?: AbortSignal | undefined;
  /** Called for every piece; the total is known if the server says it. */
  onProgress?: ((bytes: number, total: number | undefined) => void) | undefined;
  /** The pause before the second attempt in milliseconds, twice as long before the third. */
  pauseMs?: number | undefined;
}

/** The server of the video did not send it. */
export class DownloadError extends LipSyncError {
  override readonly name = "DownloadError";
  /** The URL is not valid any more: get the task again, for a new one. */
  readonly isExpired: boolean;

  constructor(message: string, isExpired = false) {
    super(`The video was not saved: ${message}.`);
    this.isExpired = isExpired;
  }
}

const MOST_ATTEMPTS = 3;
/** Signed URLs that have expired, and files that are deleted. */
const EXPIRED = [400, 401, 403, 404, 410];

/**
 * Downloads a video, with up to three attempts. An abort rejects with the signal's reason. Throws a
 * `DownloadError` if the server is to blame, and Node's own error if the disk is.
 */
export async function downloadVideo(download: Download): Promise<void> {
  const { signal, pauseMs = 1000 } = download;
  for (let attempt = 1; ; attempt++) {
    try {
      await downloadOnce(download);
      return;
    } catch (error) {
      signal?.throwIfAborted();
      const isServer = error instanceof DownloadError && !error.isExpired;
      if (!isServer || attempt === MOST_ATTEMPTS) throw error;
    }
    await delay(pauseMs * attempt, signal);
  }
}

async function downloadOnce(download: Download): Promise<void> {
  const { file, overwrite } = download;
  // In the same folder, so that it can be given the file's name without copying it.
  const temporary = path.join(path.dirname(file), `.kling-lip-sync-${randomUUID()}.part`);
  try {
    const response = await request(download);
    await write(response, temporary, download);
    if (overwrite) await fs.rename(temporary, file);
    else await publish(temporary, file);
  } finally {
    await fs.rm(temporary, { force: true });
  }
}

/** Asks for the video, without the API key: the video's server is not the gateway. */
async function request({ url, fetch, signal }: Download): Promise<Response> {
  let response: Response;
  try {
    // Compressed, the bytes could not be compared with Content-Length.
    const headers = { "accept-encoding": "identity" };
    response = await fetch(url, { headers, signal: signal ?? null });
  } catch (error) {
    throw new DownloadError(reasonOf(error));
  }
  const { status, headers } = response;
  const type = headers.get("content-type") ?? "";
  const isPage = /^\s*(?:text\/|application\/(?:[\w.-]+\+)?(?:json|xml))/i.test(type);
  if (status === 200 && !isPage) return response;
  await response.body?.cancel().catch(() => undefined);
  if (EXPIRED.includes(status)) throw new DownloadError(`its server returned ${status}`, true);
  if (status !== 200) throw new DownloadError(`its server returned ${status}`);
  // Also what some servers show in place of a file that has expired.
  throw new DownloadError(`its server returned ${type}, not a video`, true);
}

async function write(response: Response, temporary: string, download: Download): Promise<void> {
  const total = totalOf(response.headers);
  let bytes = 0;
  const reader = response.body?.getReader();
  const file = await fs.open(temporary, "wx");
  try {
    while (reader) {
      download.onProgress?.(bytes, total);
      const { done, value } = await read(reader, bytes);
      if (done) break;
      bytes += value.byteLength;
      await file.writeFile(value);
    }
    await file.sync();
  } finally {
    await reader?.cancel().catch(() => undefined);
    await file.close();
  }
  if (bytes === 0) throw new DownloadError("its server sent an empty file");
  if (total !== undefined && bytes !== total)
    throw new DownloadError(`${bytes} of ${total} bytes came`);
}

async function read(reader: ReadableStreamDefaultReader<Uint8Array>, bytes: number) {
  try {
    return await reader.read();
  } catch (error) {
    throw new DownloadError(`it was cut off after ${bytes} bytes: ${reasonOf(error)}`);
  }
}

/** Gives the file its name. No step of it can overwrite a file that came meanwhile. */
async function publish(temporary: string, file: string): Promise<void> {
  try {
    await fs.link(temporary, file);
  } catch {
    // Some file systems, such as exFAT, have no hard links: there, a kill can leave half a copy.
    await fs.copyFile(temporary, file, fs.constants.COPYFILE_EXCL);
  }
}

function totalOf(headers: Headers): number | undefined {
  const length = headers.get("content-length") ?? "";
  return /^\d+$/.test(length) && !headers.has("content-encoding") ? Number(length) : undefined;
}

/** What an error and its causes say: that of fetch alone says only that it failed. */
const reasonOf = (error: unknown): string =>
  errorChain(error)
    .map(({ message, name }) => message || name)
    .join(": ");
