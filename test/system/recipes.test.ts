// The recipes of docs/recipes.md and docs/fleet.md do what they say, against a fake gateway.
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createLipSyncClient, type LipSyncClient, type LipSyncRequest } from "../../src/index.js";
import { createFakeGateway, type FakeGateway } from "../../src/testing.js";
import { load } from "../fixtures/markdown.js";
import { request } from "../fixtures/request.js";
import { temporaryFolders } from "../fixtures/scripts.js";

// The bundler is slow on a machine that is busy.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });

const RECIPES = "docs/recipes.md";
const video = "https://fake-gateway.invalid/task-1.mp4";
const temporaryFolder = temporaryFolders();

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

  describe("for a queue worker", () => {
    type Work = (jobs: object, job: string, request: LipSyncRequest) => Promise<string>;
    let work: Work;
    let jobs: Record<string, (job: string, taskId: string) => Promise<unknown>>;
    beforeEach(async () => {
      ({ work } = await load<{ work: Work }>("## With another queue", "docs/fleet.md"));
      const taskIds = new Map<string, string>();
      const claimed = new Set<string>();
      jobs = {
        taskIdOf: (job) => Promise.resolve(taskIds.get(job)),
        claim: (job) => Promise.resolve(!claimed.has(job) && claimed.add(job)),
        release: (job) => Promise.resolve(claimed.delete(job)),
        storeTaskId: (job, taskId) => Promise.resolve(taskIds.set(job, taskId)),
      };
    });

    it("creates one task for a job that is handed out twice at once, and resumes it later", async () => {
      const twice = [work(jobs, "job", request), work(jobs, "job", request)];
      const statuses = (await Promise.allSettled(twice)).map(({ status }) => status);
      expect(statuses.sort()).toEqual(["fulfilled", "rejected"]);
      await expect(work(jobs, "job", request)).resolves.toBe(video);
      expect([posts(), gateway.tasks.size]).toEqual([1, 1]);
    });

    it("never creates again after a crash between the creation and the storing", async () => {
      jobs["storeTaskId"] = () => Promise.reject(new Error("the database is gone"));
      await expect(work(jobs, "job", request)).rejects.toThrow("the database is gone");
      await expect(work(jobs, "job", request)).rejects.toThrow("a task may exist");
      expect([posts(), gateway.tasks.size]).toEqual([1, 1]);
    });

    it("lets the job be created again only where it is certain that no task was", async () => {
      gateway.answerNext(Response.json({ code: 1201 }, { status: 400 }));
      await expect(work(jobs, "job", request)).rejects.toHaveProperty("status", 400);
      await expect(work(jobs, "job", request)).resolves.toBe(video);
      expect(posts()).toBe(2);

      gateway.answerNext(new Response(null, { status: 502 }));
      await expect(work(jobs, "other", request)).rejects.toHaveProperty("status", 502);
      await expect(work(jobs, "other", request)).rejects.toThrow("a task may exist");
      expect(posts()).toBe(3);
    });

    it("fails in the same way at each run of a task that failed, and creates nothing", async () => {
      const failing = createFakeGateway({ polls: 1, failWith: "no face found" });
      vi.stubGlobal("fetch", failing.fetch);
      await expect(work(jobs, "job", request)).rejects.toThrow("no face found");
      await expect(work(jobs, "job", request)).rejects.toThrow("no face found");
      expect(failing.tasks.size).toBe(1);
    });
  });

  type OnCallback = (...given: unknown[]) => Promise<Response>;

  const statusesOf = {
    Hono: async (onCallback: OnCallback, body: string) => {
      const raw = new Request("https://site.example/kling", { method: "POST", body });
      return [(await onCallback({ req: { raw } })).status];
    },
    Express: async (onCallback: OnCallback, body: string) => {
      const statuses: number[] = [];
      await onCallback({ body }, { sendStatus: (status: number) => statuses.push(status) });
      return statuses;
    },
  };

  const frameworks = ["Hono", "Express"] as const;

  it.each(frameworks)("for a callback in %s asks for a task that it knows", async (framework) => {
    const log = vi.spyOn(console, "log").mockReturnValue();
    type Handler = { onCallback: OnCallback; known: Set<string> };
    const { onCallback, known } = await load<Handler>(`## A callback in ${framework}`, RECIPES);
    const answersTo = (body: string) => statusesOf[framework](onCallback, body);

    const task = await createLipSyncClient(gateway).create(request);
    const callback = JSON.stringify(task);
    expect(await answersTo(callback)).toEqual([404]);
    expect(await answersTo("nothing that Kling sends")).toEqual([400]);
    expect(gateway.received).toHaveLength(1);

    known.add(task.task_id);
    expect(await answersTo(callback)).toEqual([204]);
    expect(log.mock.calls).toEqual([["task-1", "succeed"]]);

    gateway.answerNext(new Response(null, { status: 401 }));
    expect(await answersTo(callback)).toEqual([500]);
  });

  it("for a proxy hands undici's agent to undici's fetch", async () => {
    const dispatchers: unknown[] = [];
    class EnvHttpProxyAgent extends Object {}
    type Recipe = { createProxiedClient: (undici: object) => LipSyncClient };
    const { createProxiedClient } = await load<Recipe>("## Through a proxy", RECIPES);
    const client = createProxiedClient({
      EnvHttpProxyAgent,
      fetch: (url: string, { dispatcher, ...init }: RequestInit & { dispatcher: unknown }) => {
        dispatchers.push(dispatcher);
        return gateway.fetch(url, init);
      },
    });
    await client.wait((await client.create(request)).task_id);
    expect(dispatchers).toEqual([expect.any(EnvHttpProxyAgent), dispatchers[0]]);
    expect(sent).toEqual([]);
  });

  it("for a fetch of one's own logs every attempt, and never the key or the body", async () => {
    const log = vi.spyOn(console, "log").mockReturnValue();
    const { client } = await load<{ client: LipSyncClient }>("## A `fetch` of your own", RECIPES);
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

  it("for a key that changes uses the new key from the next attempt on", async () => {
    const file = path.join(await temporaryFolder(), "key");
    vi.stubEnv("KLING_API_KEY_FILE", file);
    await writeFile(file, "an-old-key\n");
    const { client } = await load<{ client: LipSyncClient }>("## A key that changes", RECIPES);
    const refusal = { status: 401, mayHaveCreatedTask: false };
    await expect(client.create(request)).rejects.toMatchObject(refusal);
    expect(posts()).toBe(1);
    await writeFile(file, `${gateway.apiKey}\n`);
    await expect(client.create(request)).resolves.toHaveProperty("task_id", "task-1");
  });
});
