// The recipes of docs/recipes.md do what they say, against a fake gateway.
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import type { Express } from "express";
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { createLipSyncClient, type LipSyncClient, type LipSyncRequest } from "../../src/index.js";
import { createFakeGateway, type FakeGateway } from "../../src/testing.js";
import { serve } from "../fixtures/gateway.js";
import { endpoint } from "../fixtures/client.js";
import { load } from "../fixtures/markdown.js";
import { blockOf, loadProgram, writeProgram } from "../fixtures/programs.js";
import { request } from "../fixtures/request.js";
import { node, temporaryFolders } from "../fixtures/scripts.js";
import { listen } from "../fixtures/servers.js";
import submitted from "../fixtures/submitted.json" with { type: "json" };

// The bundler is slow on a machine that is busy.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });

const RECIPES = "docs/recipes.md";
const video = "https://fake-gateway.invalid/task-1.mp4";
const temporaryFolder = temporaryFolders();
const realFetch = globalThis.fetch;

/** Opens a server on a free port, until the test ends. */
function listenUntilEnd(server: Server): Promise<number> {
  onTestFinished(() => void server.close());
  return listen(server);
}

/** Loads the first block below a heading, with the packages that it imports. */
async function recipeBelow<Module>(heading: string): Promise<Module> {
  return loadProgram<Module>(blockOf(heading, RECIPES), await temporaryFolder());
}

afterEach(() => {
  vi.unstubAllEnvs();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

describe("the recipe", () => {
  let gateway: FakeGateway;
  let sent: RequestInit[];
  beforeEach(() => {
    gateway = createFakeGateway({ polls: 1 });
    sent = [];
    vi.stubEnv("KLING_API_KEY", gateway.apiKey);
    vi.stubEnv("KLING_BASE_URL", gateway.baseUrl);
    vi.stubGlobal("fetch", (url: string, init: RequestInit) => {
      sent.push(init);
      return gateway.fetch(url, init);
    });
  });

  const posts = () => gateway.received.filter(({ method }) => method === "POST").length;

  describe("for Next.js", () => {
    const heading = "## In a Next.js route handler";
    type Route = Record<"POST" | "GET", (request: Request) => Promise<Response>>;
    const url = "https://site.example/api/lip-sync";
    const asking = new Request(`${url}?task_id=task-1`);
    const post = (body: object) => new Request(url, { method: "POST", body: JSON.stringify(body) });

    it("loads without a key, and reads it at each call", async () => {
      vi.stubEnv("KLING_API_KEY", undefined);
      vi.stubEnv("KLING_BASE_URL", undefined);
      const { GET } = await load<Route>(heading, RECIPES);
      await expect(GET(asking)).rejects.toHaveProperty("name", "ConfigurationError");
    });

    it("creates a task and says how far it is, past every cache", async () => {
      const { POST, GET } = await load<Route>(heading, RECIPES);
      const urls = { video_url: "https://media.example/a.mp4", audio_url: "https://a.example" };
      const created = await POST(post(urls));
      expect(created.status).toBe(202);
      expect(await created.json()).toEqual({ task_id: "task-1" });
      const input = { mode: "audio2video", audio_type: "url", ...urls };
      expect(gateway.received[0]?.body).toEqual({ input });

      const asked = await GET(asking);
      expect(await asked.json()).toEqual({ task_status: "succeed", url: video });
      expect(sent.map(({ cache }) => cache)).toEqual(["no-store", "no-store"]);
    });

    const incomplete = [{}, { video_url: "https://a.example" }, { audio_url: "https://a.example" }];

    it.each(incomplete)("sends nothing for a request without both URLs: %j", async (body) => {
      const { POST } = await load<Route>(heading, RECIPES);
      expect([(await POST(post(body))).status, sent]).toEqual([400, []]);
    });
  });

  describe("for a callback in Express", () => {
    type Job = { taskId?: string; status?: string };
    /** Posts to the recipe's own server. */
    let post: (job: string, body: string) => Promise<number>;
    let jobs: Map<string, Job>;

    beforeEach(async () => {
      const recipe = await recipeBelow<{ app: Express; jobs: typeof jobs }>(
        "## A callback in Express",
      );
      ({ jobs } = recipe);
      const server = recipe.app.listen(0, "127.0.0.1");
      onTestFinished(() => void server.close());
      await once(server, "listening");
      const { port } = server.address() as AddressInfo;
      post = async (job, text) => {
        // Bytes have no content type.
        const body = new TextEncoder().encode(text);
        const url = `http://127.0.0.1:${port}/kling?job=${job}`;
        const sent = new Request(url, { method: "POST", body });
        expect(sent.headers.get("content-type")).toBeNull();
        return (await realFetch(sent)).status;
      };
    });

    it("brings the id of a task whose create had no response", async () => {
      const task = await createLipSyncClient(gateway).create(request);
      jobs.set("job", {});
      expect(await post("job", JSON.stringify(task))).toBe(200);
      expect(jobs.get("job")).toEqual({ taskId: "task-1", status: "succeed" });
    });

    it("asks the gateway for the task of the job, whatever the body says", async () => {
      const task = await createLipSyncClient(gateway).create(request);
      await createLipSyncClient(gateway).create(request);
      jobs.set("job", { taskId: "task-2" });
      expect(await post("job", JSON.stringify({ ...task, task_status: "failed" }))).toBe(200);
      expect(jobs.get("job")).toEqual({ taskId: "task-2", status: "succeed" });
      expect(gateway.received.at(-1)).toMatchObject({ method: "GET", path: `${endpoint}/task-2` });
    });

    it("asks nothing for a job that it does not know, or for a body without a task", async () => {
      jobs.set("job", {});
      const task = await createLipSyncClient(gateway).create(request);
      expect(await post("other", JSON.stringify(task))).toBe(404);
      expect(await post("job", "nothing that Kling sends")).toBe(400);
      expect(await post("job", "")).toBe(400);
      expect([posts(), gateway.received.length]).toEqual([1, 1]);
      expect(jobs.get("job")).toEqual({});
    });

    it("keeps the id, and responds with 500, if the gateway does not say how the task is", async () => {
      jobs.set("job", {});
      const task = await createLipSyncClient(gateway).create(request);
      gateway.answerNext(new Response(null, { status: 401 }));
      expect(await post("job", JSON.stringify(task))).toBe(500);
      expect(jobs.get("job")).toEqual({ taskId: "task-1" });
    });
  });

  it("for a callback in Express stores the job before its create has a response", async () => {
    type Start = (input: LipSyncRequest["input"]) => Promise<string>;
    type Recipe = { jobs: Map<string, object>; start: Start };
    const { jobs, start } = await recipeBelow<Recipe>("## A callback in Express");
    let respond: (response: Response) => void = () => undefined;
    gateway.answerNext(new Promise((resolve) => (respond = resolve)));
    const starting = start(request.input);
    await vi.waitUntil(() => gateway.received.length === 1);
    expect([...jobs.values()]).toEqual([{}]);
    const [id = ""] = jobs.keys();
    expect(gateway.received[0]?.body).toEqual({
      callback_url: `https://your.example/kling?job=${id}`,
      input: request.input,
    });
    respond(Response.json(submitted));
    expect(await starting).toBe(id);
    expect(jobs.get(id)).toEqual({ taskId: submitted.data.task_id });
  });

  it("for a proxy creates a task at a gateway that only the proxy reaches", async () => {
    const { baseUrl, close } = await serve(gateway);
    onTestFinished(close);
    const asked: (string | undefined)[] = [];
    const proxy = createServer().on("connect", (asking, socket) => {
      asked.push(asking.url);
      const tunnel = connect(Number(new URL(baseUrl).port), "127.0.0.1", () => {
        socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
        tunnel.pipe(socket).pipe(tunnel);
      });
    });
    vi.stubEnv("HTTP_PROXY", `http://127.0.0.1:${await listenUntilEnd(proxy)}`);
    for (const name of ["http_proxy", "NO_PROXY", "no_proxy"]) vi.stubEnv(name, undefined);
    vi.stubEnv("KLING_BASE_URL", "http://gateway.invalid");
    const create = `
      console.log((await client.create(${JSON.stringify(request)})).task_id);
      process.exit();`;
    const block = blockOf("## Through a proxy", RECIPES) + create;
    const program = await writeProgram(block, await temporaryFolder(), "proxied.mjs");
    expect(await node([program])).toEqual({ exitCode: 0, stdout: "task-1\n", stderr: "" });
    expect(asked).toEqual(["gateway.invalid:80"]);
    expect(gateway.received).toEqual([{ method: "POST", path: endpoint, body: request }]);
  });

  it("for a log names every attempt, and never the key or the body", async () => {
    const log = vi.spyOn(console, "log").mockReturnValue();
    const { client } = await load<{ client: LipSyncClient }>("## Log every request", RECIPES);
    await client.create(request);
    gateway.answerNext(new TypeError("fetch failed"), new Response(null, { status: 503 }));
    await client.get("task-1", { maxRetries: 0 }).catch(() => undefined);
    await client.wait("task-1", { intervalMs: 0 });

    const url = "https://fake-gateway.invalid/kling/v1/videos/lip-sync";
    const time = expect.stringMatching(/^\d+ ms$/) as unknown;
    expect(log.mock.calls).toEqual([
      ["POST", url, 200, time],
      ["GET", `${url}/task-1`, "TypeError", time],
      ["GET", `${url}/task-1`, 503, time],
      ["GET", `${url}/task-1`, 200, time],
    ]);
  });
});
