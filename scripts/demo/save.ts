// --save: downloads the video to a new file, whole or not at all.
import { randomUUID } from "node:crypto";
import fs from "node:fs/promises";
import { constants, createWriteStream } from "node:fs";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { errorChain } from "../../src/network-error.js";
import { UsageError } from "./explain.js";
import { messageOf, oneLine } from "./text.js";

/** One download. */
export interface Download {
  url: string;
  /** The file to create. */
  file: string;
  fetch: typeof globalThis.fetch;
  signal: AbortSignal;
  /** Called for every piece; the total is known if the server says it. */
  onProgress: (bytes: number, total: number | undefined) => void;
}

/** Throws a usage error unless the file can be created, as far as one can know before it is. */
export async function checkNewFile(file: string): Promise<void> {
  const name = oneLine(file);
  if (name === "") throw new UsageError("--save needs the name of a file.");
  if (/[\\/]$/.test(file))
    throw new UsageError("--save needs the name of a file, not of a folder.");
  const folder = path.dirname(file);
  const isFolder = await fs.stat(folder).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
  if (!isFolder) throw new UsageError(`--save needs a folder that exists, not ${oneLine(folder)}.`);
  try {
    await fs.access(folder, constants.W_OK);
  } catch (error) {
    throw new UsageError(`--save cannot write to the folder: ${messageOf(error)}.`);
  }
  let isTaken = true;
  try {
    // A link that leads nowhere is there, too.
    await fs.lstat(file);
  } catch (error) {
    if (!hasCode(error, "ENOENT")) {
      throw new UsageError(`--save cannot create the file: ${messageOf(error)}.`);
    }
    isTaken = false;
  }
  if (isTaken) throw new UsageError(`--save does not overwrite a file, and ${name} exists.`);
}

/** Downloads a video. An abort rejects with the signal's reason. */
export async function saveVideo(download: Download): Promise<void> {
  const { file, signal } = download;
  // In the same folder, so that it can be given the file's name without copying it.
  const temporary = path.join(path.dirname(file), `.kling-lip-sync-${randomUUID()}.part`);
  try {
    const response = await open(download);
    await write(response, temporary, download);
    await publish(temporary, file);
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    await fs.rm(temporary, { force: true }).catch(() => undefined);
  }
}

/** Asks for the video, without the API key: the video's server is not the gateway. */
async function open({ url, fetch, signal }: Download): Promise<Response> {
  let response: Response;
  try {
    // Compressed, the bytes could not be compared with Content-Length.
    response = await fetch(url, { signal, headers: { "accept-encoding": "identity" } });
  } catch (error) {
    throw new Error(`The video was not saved: ${reasonOf(error)}.`);
  }
  const { status, headers } = response;
  const type = headers.get("content-type") ?? "";
  const isVideo =
    status === 200 && !/^\s*(?:text\/|application\/(?:[\w.-]+\+)?(?:json|xml))/i.test(type);
  if (isVideo) return response;
  await response.body?.cancel().catch(() => undefined);
  if (status !== 200) throw new Error(`The video was not saved: its server returned ${status}.`);
  throw new Error(`The video was not saved: its server returned ${type}, not a video.`);
}

async function write(response: Response, temporary: string, { onProgress, signal }: Download) {
  const total = totalOf(response.headers);
  let bytes = 0;

  async function* pieces() {
    const reader = response.body?.getReader();
    if (!reader) return;
    onProgress(bytes, total);
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        bytes += value.byteLength;
        onProgress(bytes, total);
        yield value;
      }
    } finally {
      await reader.cancel().catch(() => undefined);
    }
  }

  try {
    await pipeline(pieces, createWriteStream(temporary, { flags: "wx" }), { signal });
  } catch (error) {
    const reason = reasonOf(error);
    if (total === undefined) {
      throw new Error(`The video was not saved: it was cut off after ${bytes} bytes: ${reason}.`);
    }
    throw new Error(
      `The video was not saved: it was cut off after ${bytes} of ${total} bytes: ${reason}.`,
    );
  }
  if (bytes === 0) throw new Error("The video was not saved: its server sent an empty file.");
  if (total !== undefined && bytes !== total) {
    throw new Error(`The video was not saved: ${bytes} of ${total} bytes came.`);
  }
}

/** Gives the file its name. No step of it can overwrite a file that came meanwhile. */
async function publish(temporary: string, file: string): Promise<void> {
  try {
    await fs.link(temporary, file);
  } catch (error) {
    if (hasCode(error, "EEXIST")) throw taken(file);
    // Some file systems, such as exFAT, have no hard links: there, a kill can leave half a copy.
    await copy(temporary, file);
  }
}

async function copy(temporary: string, file: string): Promise<void> {
  try {
    await fs.copyFile(temporary, file, constants.COPYFILE_EXCL);
  } catch (error) {
    if (hasCode(error, "EEXIST")) throw taken(file);
    throw new Error(`The video was not saved: ${messageOf(error)}.`);
  }
}

function taken(file: string): Error {
  const name = oneLine(file);
  return new Error(`The video was not saved: ${name} exists by now; save it under another name.`);
}

function totalOf(headers: Headers): number | undefined {
  const length = headers.get("content-length") ?? "";
  return /^\d+$/.test(length) && !headers.has("content-encoding") ? Number(length) : undefined;
}

/** What an error and its causes say: that of fetch alone says only that it failed. */
function reasonOf(error: unknown): string {
  const said = errorChain(error).map(({ message, name }) => message || name);
  return oneLine(said.join(": "));
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
