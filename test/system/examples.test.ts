// The examples of README.md and of the pages on requests, waiting and types run against a fake gateway.
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeEach, afterEach, describe, expect, it, vi } from "vitest";
import type { LipSyncRequest } from "../../src/index.js";
import { createFakeGateway, type FakeGateway } from "../../src/testing.js";
import { serve } from "../fixtures/gateway.js";
import { below, blocksOf, bundle, load, pageOf } from "../fixtures/markdown.js";
import { request } from "../fixtures/request.js";
import { node, temporaryFolders } from "../fixtures/scripts.js";

// Processes and the bundler are slow on a machine that is busy.
vi.setConfig({ testTimeout: 30_000 });

const temporaryFolder = temporaryFolders();
const servers: { close: () => void }[] = [];
let gateway: FakeGateway;

beforeEach(async () => {
  gateway = createFakeGateway({ polls: 1 });
  const server = await serve(gateway);
  servers.push(server);
  vi.stubEnv("KLING_API_KEY", gateway.apiKey);
  vi.stubEnv("KLING_BASE_URL", server.baseUrl);
});
afterEach(() => {
  vi.unstubAllEnvs();
});
afterAll(() => {
  for (const { close } of servers) close();
});

/** Runs the first block of a text as a process, in a folder of its own with an audio file. */
async function run(text: string, ...args: string[]) {
  const folder = await temporaryFolder();
  await writeFile(path.join(folder, "speech.mp3"), "not really an MP3");
  const code = await bundle(blocksOf(text)[0] ?? "");
  return node(["--input-type=module", "-", ...args], folder, Buffer.from(code));
}

const quiet = { exitCode: 0, stdout: "", stderr: "" };
const inputs = () => gateway.received.map(({ body }) => (body as LipSyncRequest).input);

describe("the page on requests", () => {
  const page = "docs/request.md";

  it("creates a task with each of its three requests", async () => {
    expect(await run(below("## Three requests", page))).toEqual(quiet);
    expect(inputs()).toMatchObject([
      { mode: "text2video", video_id: expect.any(String) as unknown, voice_speed: 1.2 },
      { mode: "audio2video", audio_url: "https://media.example/speech.mp3" },
      { mode: "audio2video", audio_file: Buffer.from("not really an MP3").toString("base64") },
    ]);
    expect(gateway.tasks.size).toBe(3);
  });

  it("sends nothing for what does not compile", async () => {
    const { exitCode, stderr } = await run(below("## What does not compile", page));
    expect(stderr).toContain("Give input.video_id or input.video_url, not both.");
    expect({ exitCode, received: gateway.received }).toEqual({ exitCode: 1, received: [] });
  });

  it("creates a task with a request that is annotated", async () => {
    expect(await run(below("### A mode that became a string", page))).toEqual(quiet);
    expect(inputs()).toMatchObject([{ mode: "text2video" }]);
  });
});

describe("the page on waiting", () => {
  const wait = () => run(pageOf("docs/waiting.md"), "task-7");
  const task = { task_id: "task-7", created_at: 0, updated_at: 0 };

  it("prints the status and the video of a task that was created before", async () => {
    const task_result = { videos: [{ url: "https://media.example/done.mp4" }] };
    gateway.tasks.set("task-7", { ...task, task_status: "succeed", task_result });
    const stdout = "succeed\nhttps://media.example/done.mp4\n";
    expect(await wait()).toEqual({ ...quiet, stdout });
  });

  it("says why a task failed", async () => {
    const failed = { ...task, task_status: "failed", task_status_msg: "no face" } as const;
    gateway.tasks.set("task-7", failed);
    expect(await wait()).toEqual({ ...quiet, stdout: "failed\n", stderr: "It failed: no face\n" });
  });
});

it("the page on types builds a request that the gateway accepts", async () => {
  type Types = { request: LipSyncRequest };
  const { request } = await load<Types>("## The types you will use", "docs/types.md");
  const init = { method: "POST", headers: { authorization: `Bearer ${gateway.apiKey}` } };
  const url = `${gateway.baseUrl}/kling/v1/videos/lip-sync`;
  const { status } = await gateway.fetch(url, { ...init, body: JSON.stringify(request) });
  expect(status).toBe(200);
});

describe("the README's way to handle an error of create", () => {
  type Start = { start: (request: LipSyncRequest) => Promise<string> };
  const start = async () => {
    const money = await load<Start>("## Money", "README.md");
    return money.start(request);
  };

  it("returns the id, also that in an error, and says where a task may exist", async () => {
    const said = vi.spyOn(console, "error").mockReturnValue();
    await expect(start()).resolves.toBe("task-1");
    const named = { code: 5000, data: { task_id: "task-9" } };
    gateway.answerNext(Response.json(named, { status: 500 }));
    await expect(start()).resolves.toBe("task-9");
    gateway.answerNext(Response.json({ code: 1201 }, { status: 400 }));
    await expect(start()).rejects.toHaveProperty("mayHaveCreatedTask", false);
    expect(said).not.toHaveBeenCalled();
    gateway.answerNext(new Response("busy", { status: 503 }));
    await expect(start()).rejects.toHaveProperty("mayHaveCreatedTask", true);
    expect(said).toHaveBeenCalledOnce();
  });
});
