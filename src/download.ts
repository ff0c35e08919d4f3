// Saves a video to a file, whole or not at all (Node).
import { LipSyncError } from "./errors.js";

/** One download. */
export interface Download {
  url: string;
  /** The file to create, in a folder that exists. */
  file: string;
  /** Whether a file of that name may be replaced. */
  overwrite: boolean;
  fetch: typeof globalThis.fetch;
  signal: AbortSignal | undefined;
  /** Called for every piece; the total is known if the server says it. */
  onProgress?: ((bytes: number, total: number | undefined) => void) | undefined;
}

/** The server of the video did not send it. */
export class DownloadError extends LipSyncError {
  override readonly name = "DownloadError";
  /** The URL is not valid any more: get the task again, for a new one. */
  readonly isExpired: boolean;

  constructor(message: string, isExpired: boolean) {
    super(message);
    this.isExpired = isExpired;
  }
}

/** Downloads a video, with up to three attempts. An abort rejects with the signal's reason. */
export async function downloadVideo(download: Download): Promise<void> {
  await Promise.resolve(download);
  throw new Error("Not written yet.");
}
