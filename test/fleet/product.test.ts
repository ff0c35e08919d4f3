// A small product as docs/fleet.md shows it: a page that adds jobs, its callbacks, and two workers, with the
// packed library and compiled as a user would.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cp, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { createInterface } from "node:readline";
import { Queue } from "bullmq";
import { afterEach, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { npmInstall, pack, root, run } from "../../scripts/pack.js";
import { createLipSyncClient } from "../../src/index.js";
import { createFakeGateway } from "../../src/testing.js";
import { serve } from "../fixtures/gateway.js";
import { blocksOf, pageOf } from "../fixtures/markdown.js";
import { loadProgram } from "../fixtures/programs.js";
import { temporaryFolders } from "../fixtures/scripts.js";
import { closedPort } from "../fixtures/servers.js";
import { requestOf, until } from "./fleet.js";
import { startRedis } from "./redis.js";

const newFolder = temporaryFolders();
const blocks = blocksOf(pageOf("docs/fleet.md"));
let product: string;
beforeAll(async () => {
  product = await newFolder();
  await cp(path.join(import.meta.dirname, "product"), product, { recursive: true });
  await writeFile(path.join(product, "package.json"), '{ "private": true, "type": "module" }');
  const { filename } = await pack(await newFolder());
  const packages = [
    "bullmq@5.81.5",
    "express@5.3.0",
    "@types/express@5.0.6",
    "@types/node@20.19.43",
  ];
  await npmInstall(product, "--ignore-scripts", "--prefer-offline", filename, ...packages);
  const tsc = path.join(root, "node_modules", "typescript", "bin", "tsc");
  const options = ["--strict", "--module", "nodenext", "--target", "es2022", "--skipLibCheck"];
  await run(process.execPath, [tsc, ...options, "web.ts", "worker.ts"], { cwd: product });
}, 300_000);

/** Starts a program of the product; it ends with the test. */
function start(program: string, env: NodeJS.ProcessEnv) {
  const child: ChildProcess = spawn(process.execPath, [program], {
    cwd: product,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "ignore"],
  });
  const printed: string[] = [];
  if (child.stdout) createInterface(child.stdout).on("line", (line) => printed.push(line));
  onTestFinished(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
  });
  return printed;
}

it("makes a video whose response was lost without a person, and refuses a forged callback", async (test) => {
  const redis = await startRedis(test, await newFolder());
  const gateway = createFakeGateway({ polls: 2 });
  const created: { taskId: string; callbackUrl: string }[] = [];
  const post = (url: string, taskId: string) =>
    fetch(url, {
      method: "POST",
      body: JSON.stringify({ task_id: taskId, task_status: "succeed" }),
    });
  const faults = ["dropped after", undefined, "500 after"] as const;
  const served = await serve(gateway, {
    faultOf: () => faults[created.length],
    onTask: (task) => created.push(task),
  });
  onTestFinished(served.close);
  const port = await closedPort();
  const site = `http://127.0.0.1:${port}`;
  const env = {
    KLING_BASE_URL: served.baseUrl,
    KLING_API_KEY: gateway.apiKey,
    CALLBACK_SECRET: "s3cret",
    PUBLIC_URL: site,
    PORT: String(port),
    REDIS_PORT: String(redis.port),
  };
  const web = start("web.js", env);
  await until(() => web.length > 0);
  start("worker.js", env);
  start("worker.js", env);
  expect(await (await fetch(site)).text()).toContain("<form");

  const body = new URLSearchParams({ video_url: "https://media.example/face.mp4", text: "Hello" });
  const clip = await fetch(`${site}/clips`, { method: "POST", body });
  const state = async () => (await (await fetch(clip.url)).json()) as Record<string, unknown>;
  await until(async () => (await state())["state"] === "failed");
  expect((await state())["why"]).toMatch(/^A task may exist/);

  const [{ taskId, callbackUrl } = { taskId: "", callbackUrl: "" }] = created;
  expect((await post(callbackUrl.replace("s3cret", "guess"), taskId)).status).toBe(404);
  expect((await post(callbackUrl, "forged-1")).status).not.toBe(200);
  expect(await state()).toMatchObject({ state: "failed" });

  expect((await post(callbackUrl, taskId)).status).toBe(200);
  await until(async () => (await state())["state"] === "completed");
  expect(await state()).toMatchObject({ task: { task_id: taskId, task_status: "succeed" } });
  expect((await post(callbackUrl, taskId)).status).toBe(200);
  expect((await post(callbackUrl, "task-99")).status).toBe(400);
  expect(created).toHaveLength(1);
});

it.each(["web.ts", "worker.ts"])("is what docs/fleet.md shows: %s", async (name) => {
  const text = await readFile(path.join(import.meta.dirname, "product", name), "utf8");
  expect(blocks).toContain(text);
});

describe("the route for callbacks", () => {
  afterEach(() => {
    vi.unstubAllEnvs();
    vi.unstubAllGlobals();
  });

  type Route = (secret: string, id: string, body: string) => Promise<number>;
  interface Routes {
    app: { request: (path: string, init: object) => Promise<Response> };
    POST: (request: Request, context: object) => Promise<Response>;
  }

  async function routeIn(framework: string): Promise<Route> {
    const block = blocks.find((text) => text.startsWith("// The same in Hono")) ?? "";
    const { app, POST } = await loadProgram<Routes>(block, await newFolder());
    if (framework === "Hono") {
      return async (secret, id, body) =>
        (await app.request(`/callbacks/${secret}/${id}`, { method: "POST", body })).status;
    }
    return async (secret, id, body) => {
      const request = new Request("https://your.example", { method: "POST", body });
      return (await POST(request, { params: Promise.resolve({ secret, id }) })).status;
    };
  }

  it.for(["Hono", "Next.js"])("in %s gives a parked job its task", async (framework, test) => {
    const redis = await startRedis(test, await newFolder());
    const gateway = createFakeGateway();
    vi.stubEnv("KLING_BASE_URL", gateway.baseUrl);
    vi.stubEnv("KLING_API_KEY", gateway.apiKey);
    vi.stubEnv("CALLBACK_SECRET", "s3cret");
    vi.stubEnv("REDIS_PORT", String(redis.port));
    vi.stubGlobal("fetch", gateway.fetch);
    const queue = new Queue("lip-sync", { connection: { host: "127.0.0.1", port: redis.port } });
    // Its own queue goes with Redis.
    test.onTestFinished(() => queue.close());
    const data = { ...requestOf("a"), task: { claim: "c-1", claimedAt: Date.now() } };
    await queue.add("clip", data, { jobId: "job-1", delay: 600_000 });
    const { task_id } = await createLipSyncClient(gateway).create(requestOf("a"));
    const route = await routeIn(framework);
    const body = JSON.stringify({ task_id, task_status: "succeed" });
    expect(await route("guess", "job-1", body)).toBe(404);
    expect(await route("s3cret", "job-2", body)).toBe(400);
    expect(await route("s3cret", "job-1", "nothing that Kling sends")).toBe(400);
    expect(await route("s3cret", "job-1", body)).toBe(200);
    const job = await queue.getJob("job-1");
    expect([await job?.getState(), job?.progress]).toMatchObject(["waiting", { task_id }]);
  });
});
