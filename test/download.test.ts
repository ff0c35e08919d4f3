import fs from "node:fs/promises";
import path from "node:path";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { type Download, DownloadError, downloadVideo } from "../src/download.js";
import { errorOf } from "./fixtures/client.js";
import { temporaryFolders } from "./fixtures/scripts.js";

const newFolder = temporaryFolders();
let folder: string;
let file: string;
beforeEach(async () => {
  folder = await newFolder();
  file = path.join(folder, "clip.mp4");
});

const VIDEO = "the bytes of a video";
const MP4 = { "content-type": "video/mp4" };
const video = (headers: Record<string, string> = {}) =>
  new Response(VIDEO, { headers: { ...MP4, ...headers } });

/** Downloads from a server that gives these responses in turn. */
function download(answers: (Response | Error)[], more: Partial<Download> = {}): Promise<void> {
  const left = [...answers];
  const fetch = () => {
    const answer = left.shift() ?? new Error("There was one request too many.");
    return answer instanceof Response ? Promise.resolve(answer) : Promise.reject(answer);
  };
  const url = "https://media.example/clip.mp4";
  return downloadVideo({ url, file, overwrite: true, fetch, pauseMs: 1, ...more });
}

const saved = () => fs.readFile(file, "utf8");

describe("a download", () => {
  it("saves the video, and leaves nothing else", async () => {
    await download([video({ "content-length": `${VIDEO.length}` })]);
    expect(await saved()).toBe(VIDEO);
    expect(await fs.readdir(folder)).toEqual(["clip.mp4"]);
  });

  it("asks for the bytes as they are, without the key", async () => {
    const fetch = vi.fn(() => Promise.resolve(video()));
    await download([], { fetch });
    const init = { headers: { "accept-encoding": "identity" }, signal: null };
    expect(fetch).toHaveBeenCalledWith("https://media.example/clip.mp4", init);
  });

  it("gives the file its name when it is on the disk", async () => {
    const calls: string[] = [];
    const handle = await fs.open(path.join(folder, "any"), "w");
    const prototype = Object.getPrototypeOf(handle) as typeof handle;
    await handle.close();
    const sync = vi.spyOn(prototype, "sync").mockImplementation(() => {
      calls.push("sync");
      return Promise.resolve();
    });
    const { rename } = fs;
    const renaming = vi.spyOn(fs, "rename").mockImplementation(async (from, to) => {
      calls.push("rename");
      await rename(from, to);
    });
    await download([video()]);
    sync.mockRestore();
    renaming.mockRestore();
    expect(calls).toEqual(["sync", "rename"]);
  });

  it("tells its progress, with the total if the server says it", async () => {
    const onProgress = vi.fn();
    await download([video({ "content-length": "20" })], { onProgress });
    expect(onProgress.mock.calls).toEqual([
      [0, 20],
      [20, 20],
    ]);
    onProgress.mockClear();
    await download([video({ "content-encoding": "gzip", "content-length": "3" })], { onProgress });
    expect(onProgress).toHaveBeenLastCalledWith(20, undefined);
  });

  it("replaces a file only if it may", async () => {
    await fs.writeFile(file, "old");
    const error = await errorOf<NodeJS.ErrnoException>(
      download([video()], { overwrite: false }),
      Error,
    );
    expect([error.code, await saved()]).toEqual(["EEXIST", "old"]);
    expect(await fs.readdir(folder)).toEqual(["clip.mp4"]);
    await download([video()]);
    expect(await saved()).toBe(VIDEO);
  });

  it("copies where a file system has no links", async () => {
    const linking = vi.spyOn(fs, "link").mockRejectedValue(new Error("EPERM"));
    await download([video()], { overwrite: false });
    linking.mockRestore();
    expect(await saved()).toBe(VIDEO);
    expect(await fs.readdir(folder)).toEqual(["clip.mp4"]);
  });
});

/** A response that breaks off after some bytes. */
function cut(): Response {
  const body = new ReadableStream({
    start(controller) {
      controller.enqueue(new TextEncoder().encode("half"));
    },
    pull(controller) {
      controller.error(new Error("terminated"));
    },
  });
  return new Response(body, { headers: MP4 });
}

describe("a download is repeated", () => {
  it.each<[string, () => Response | Error]>([
    ["without a connection", () => new TypeError("fetch failed")],
    ["that is cut off", cut],
    ["that is too short", () => video({ "content-length": "99" })],
    ["that is empty", () => new Response(null)],
    ["that fails", () => new Response("busy", { status: 503 })],
  ])("%s", async (_, answer) => {
    await download([answer(), answer(), video()]);
    expect(await saved()).toBe(VIDEO);
  });

  it.each<[string, () => Response | Error, string]>([
    [
      "without a connection",
      () => new TypeError("fetch failed", { cause: new Error("ECONNRESET") }),
      "The video was not saved: fetch failed: ECONNRESET.",
    ],
    ["of an error without a message", () => new TypeError(), "The video was not saved: TypeError."],
    ["cut off", cut, "The video was not saved: it was cut off after 4 bytes: terminated."],
    [
      "too short",
      () => video({ "content-length": "99" }),
      "The video was not saved: 20 of 99 bytes came.",
    ],
    ["empty", () => new Response(null), "The video was not saved: its server sent an empty file."],
    [
      "a failure",
      () => new Response("busy", { status: 503 }),
      "The video was not saved: its server returned 503.",
    ],
  ])("until the third attempt: %s", async (_, answer, message) => {
    const error = await errorOf(download([answer(), answer(), answer(), video()]), DownloadError);
    expect([error.message, error.isExpired]).toEqual([message, false]);
    expect(await fs.readdir(folder)).toEqual([]);
  });
});

describe("an expired URL is reported, and not asked again", () => {
  it.each([400, 401, 403, 404, 410])("for status %i", async (status) => {
    const error = await errorOf(
      download([new Response("gone", { status }), video()]),
      DownloadError,
    );
    expect(error.message).toBe(`The video was not saved: its server returned ${status}.`);
    expect([error.isExpired, error.name]).toEqual([true, "DownloadError"]);
  });

  it("even if the rest of the response cannot be dropped", async () => {
    const body = new ReadableStream({ cancel: () => Promise.reject(new Error("broken")) });
    const error = await errorOf(download([new Response(body, { status: 403 })]), DownloadError);
    expect(error.isExpired).toBe(true);
  });

  it.each(["text/html; charset=utf-8", "application/json", "application/problem+json"])(
    "for a page: %s",
    async (type) => {
      const page = new Response("<p>Expired</p>", { headers: { "content-type": type } });
      const error = await errorOf(download([page, video()]), DownloadError);
      expect(error.message).toBe(
        `The video was not saved: its server returned ${type}, not a video.`,
      );
      expect(error.isExpired).toBe(true);
    },
  );
});

describe("a download rejects", () => {
  it("with the reason of the signal, between two attempts, too", async () => {
    const controller = new AbortController();
    const reason = new Error("stopped");
    const { signal } = controller;
    const fetch = () => {
      setImmediate(() => {
        controller.abort(reason);
      });
      return Promise.reject(new Error("broken"));
    };
    const between = download([], { fetch, signal, pauseMs: 60_000 });
    expect(await errorOf(between, Error)).toBe(reason);
    const aborted = download([new DOMException("aborted", "AbortError")], { signal });
    expect(await errorOf(aborted, Error)).toBe(reason);
    expect(await fs.readdir(folder)).toEqual([]);
  });

  it("with the error of the disk", async () => {
    const error = await errorOf<NodeJS.ErrnoException>(
      download([video()], { file: path.join(folder, "missing", "clip.mp4") }),
      Error,
    );
    expect(error.code).toBe("ENOENT");
  });
});
