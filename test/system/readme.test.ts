// README.md and README.zh-CN.md: their programs run and do what they say, and they are short.
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import { createFakeGateway } from "../../src/testing.js";
import { serve } from "../fixtures/gateway.js";
import { blocksOf, bundle, pageOf } from "../fixtures/markdown.js";
import { node, temporaryFolders } from "../fixtures/scripts.js";

// Processes and the bundler are slow on a machine that is busy.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });

const readme = pageOf("README.md");
const [first = "", real = ""] = blocksOf(readme);
const temporaryFolder = temporaryFolders();
const servers: { close: () => void }[] = [];

afterEach(() => {
  vi.unstubAllEnvs();
});
afterAll(() => {
  for (const { close } of servers) close();
});

/** Runs a program in a folder, as it stands in the README. */
async function run(block: string, folder: string, ...args: string[]) {
  const code = Buffer.from(await bundle(block));
  return node(["--input-type=module", "-", ...args], folder, code);
}

/** A gateway whose videos are where it is. */
async function serveGateway() {
  const gateway = createFakeGateway();
  const fetch: typeof gateway.fetch = async (url, init) => {
    const response = await gateway.fetch(url, init);
    const text = (await response.text()).replace(gateway.baseUrl, server.baseUrl);
    return new Response(text, response);
  };
  const server = await serve({ ...gateway, fetch });
  servers.push(server);
  vi.stubEnv("KLING_API_KEY", gateway.apiKey);
  vi.stubEnv("KLING_BASE_URL", server.baseUrl);
  return gateway;
}

describe("README.md", () => {
  it("has its first code before line 12, and the two command lines of a checkout", () => {
    const lines = readme.split("\n");
    expect(lines.slice(0, 11)).toContain("```ts");
    expect(lines).toEqual(expect.arrayContaining(["npm ci && npm run demo", "npm ci && npm test"]));
  });

  it.each(["README.md", "README.zh-CN.md"])("is short: %s", (page) => {
    expect(pageOf(page).split("\n").length).toBeLessThanOrEqual(300);
  });
});

describe("the program that needs no key", () => {
  it("saves a video and says that it is fake, without asking a gateway", async () => {
    const gateway = await serveGateway();
    const folder = await temporaryFolder();
    const stdout = "Saved first.mp4 (succeed). It is a fake video of 20 bytes.\n";
    expect(await run(first, folder)).toEqual({ exitCode: 0, stdout, stderr: "" });
    expect(await readFile(path.join(folder, "first.mp4"))).toHaveLength(20);
    expect(gateway.received).toEqual([]);
  });
});

describe("the real program", () => {
  it("creates one task, stores its id, waits and saves the video", async () => {
    const gateway = await serveGateway();
    vi.stubEnv("VIDEO_URL", "https://your.example/speaker.mp4");
    const folder = await temporaryFolder();
    const ended = await run(real.replace("onUpdate", "intervalMs: 0, onUpdate"), folder);
    const stdout =
      "Created task task-1. To continue: node lip-sync.mjs task-1\nprocessing\nsucceed\nSaved task-1.mp4\n";
    expect(ended).toEqual({ exitCode: 0, stdout, stderr: "" });
    expect(gateway.received.map(({ method }) => method)).toEqual(["POST", "GET", "GET", "GET"]);
    const input = { video_url: "https://your.example/speaker.mp4" };
    expect(gateway.received[0]?.body).toMatchObject({ input });
    expect(await readFile(path.join(folder, "tasks.txt"), "utf8")).toBe("task-1\n");
    expect(await readFile(path.join(folder, "task-1.mp4"))).toHaveLength(20);
  });

  it("waits for a task whose id it is given, and creates none", async () => {
    const gateway = await serveGateway();
    const now = Date.now();
    gateway.tasks.set("task-7", {
      task_id: "task-7",
      task_status: "succeed",
      created_at: now,
      updated_at: now,
      task_result: { videos: [{ url: `${gateway.baseUrl}/task-7.mp4`, duration: "5.041" }] },
    });
    const folder = await temporaryFolder();
    const ended = await run(real, folder, "task-7");
    expect(ended).toEqual({ exitCode: 0, stdout: "succeed\nSaved task-7.mp4\n", stderr: "" });
    expect(gateway.received.map(({ method }) => method)).toEqual(["GET", "GET"]);
    expect(await readdir(folder)).toEqual(["task-7.mp4"]);
  });
});
