// The batch of docs/recipes.md as a process: killed, stopped and resumed, against a fake gateway.
import { type ChildProcess, spawn } from "node:child_process";
import { appendFile, readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, describe, expect, test, vi } from "vitest";
import { createFakeGateway, type FakeGatewayOptions } from "../../src/testing.js";
import { serve } from "../fixtures/gateway.js";
import { endpoint } from "../fixtures/client.js";
import { blockOf, writeProgram } from "../fixtures/programs.js";
import { temporaryFolders } from "../fixtures/scripts.js";

// Processes are slow on a machine that is busy.
vi.setConfig({ testTimeout: 30_000 });

const block = blockOf("## A batch from a file", "docs/recipes.md");
const INTERVAL = "const intervalMs = 10_000;";
const IDS = ["clip-1", "clip-2", "clip-3", "clip-4", "clip-5", "clip-6", "clip-7"];
const temporaryFolder = temporaryFolders();
const closing: (() => void)[] = [];

afterAll(() => {
  for (const close of closing) close();
});

type Clip = { id: string; request: { input: { video_url: string } } };
type Entry = { id: string; state: string; task_id?: string };
type Init = { method: string; body: string | null };
type Answer = (url: string, init: Init) => Promise<Response>;

const matching = (pattern: RegExp): unknown => expect.stringMatching(pattern);
const never = () => new Promise<never>(() => undefined);

/** A file of clips, a gateway that has the videos, too, and the program. */
async function batchOf(ids: string[], options: FakeGatewayOptions = {}) {
  const gateway = createFakeGateway(options);
  /** The clip of each task. */
  const created: string[] = [];
  const codes = new Set<string | undefined>();
  const answer: Answer = async (url, init) => {
    const response = await gateway.fetch(url, init);
    const body = (await response.text()).replaceAll(gateway.baseUrl, baseUrl);
    const code = /"code":(\d+)/.exec(body)?.[1];
    if (init.method === "POST") codes.add(code);
    if (init.method === "POST" && code === "0") created.push(clipOf(JSON.parse(init.body ?? "")));
    return new Response(body, response);
  };
  /** What a test has the server do; by default, it answers. */
  const server = { answer, onRequest: answer };
  const fetch = (url: string, init: Init) => server.onRequest(url, init);
  const { baseUrl, close } = await serve({ ...gateway, fetch: fetch as typeof gateway.fetch });
  closing.push(close);

  const folder = await temporaryFolder();
  const clips = ids.map((id): Clip => {
    const audio = {
      mode: "audio2video",
      audio_type: "url",
      audio_url: "https://media.example/a.mp3",
    };
    return { id, request: { input: { video_url: `https://media.example/${id}.mp4`, ...audio } } };
  });
  const lines = clips.map((clip) => JSON.stringify(clip));
  await writeFile(path.join(folder, "clips.jsonl"), `${lines.join("\n")}\n`);
  const quick = block.replace(INTERVAL, "const intervalMs = 20;");
  const program = await writeProgram(quick, folder, "batch.mjs");
  const journal = path.join(folder, "clips.journal.jsonl");

  function start() {
    const env = { ...process.env, KLING_BASE_URL: baseUrl, KLING_API_KEY: gateway.apiKey };
    const child = spawn(process.execPath, [program], { cwd: folder, env });
    closing.push(() => child.kill("SIGKILL"));
    return { child, ended: endOf(child) };
  }

  return {
    gateway,
    created,
    codes,
    server,
    start,
    run: () => start().ended,
    append: (text: string) => appendFile(journal, text),
    journalOf: async (id: string) => (await entriesOf(journal)).filter((entry) => entry.id === id),
    /** The last state of each clip. */
    states: async () => {
      const entries = await entriesOf(journal);
      return new Map(entries.map(({ id, state }) => [id, state]));
    },
    saved: async () => (await readdir(path.join(folder, "clips"))).sort(),
  };
}

function clipOf(body: unknown): string {
  const { input } = body as Clip["request"];
  return path.basename(input.video_url, ".mp4");
}

async function entriesOf(journal: string): Promise<Entry[]> {
  const lines = (await readFile(journal, "utf8")).split("\n");
  return lines.filter((line) => line.endsWith("}")).map((line) => JSON.parse(line) as Entry);
}

async function endOf(child: ChildProcess & { stdout: object; stderr: object }) {
  const ended = new Promise((resolve) => {
    child.on("close", (code, signal) => {
      resolve(code ?? signal);
    });
  });
  const streams = [child.stdout, child.stderr] as NodeJS.ReadableStream[];
  const output = (await Promise.all(streams.map((stream) => text(stream)))).join("");
  return { ended: await ended, output };
}

const videosOf = (ids: string[]) => ids.map((id) => `${id}.mp4`);
const isCreate = (_: string, { method }: Init) => method === "POST";
const isPoll = (url: string) => url.includes(`${endpoint}/`);
const isVideo = (url: string) => url.endsWith(".mp4");

describe.concurrent("the batch", () => {
  test("saves every clip, with no more tasks at once than the gateway takes", async () => {
    expect(block).toContain(INTERVAL);
    const batch = await batchOf(IDS, { maxParallelTasks: 3 });
    expect(await batch.run()).toEqual({ ended: 0, output: "" });
    expect(await batch.saved()).toEqual(videosOf(IDS));
    expect(batch.created.sort()).toEqual(IDS);
    expect([...batch.codes].sort()).toEqual(["0", "1303"]);
    const requests = batch.gateway.received.length;
    expect(await batch.run()).toEqual({ ended: 0, output: "" });
    expect(batch.gateway.received).toHaveLength(requests);
  });

  type Matches = (url: string, init: Init) => boolean;

  test.for<[when: string, matches: Matches, count: number, isAnswered: boolean]>([
    ["its first create arrives", isCreate, 1, false],
    ["its first task exists, and it has no response", isCreate, 1, true],
    ["its sixth create arrives", isCreate, 6, false],
    ["it polls for the first time", isPoll, 1, true],
    ["it asks for its first video", isVideo, 1, false],
    ["it asks for its last video", isVideo, IDS.length, false],
  ])("creates no task twice if it is killed when %s", async ([, matches, count, isAnswered]) => {
    const batch = await batchOf(IDS, { maxParallelTasks: 3 });
    const { server, gateway, created } = batch;
    const { child, ended } = batch.start();
    let left = count;
    server.onRequest = async (url, init) => {
      if (child.killed) return never();
      if (!matches(url, init) || --left > 0) return server.answer(url, init);
      child.kill("SIGKILL");
      if (isAnswered) await server.answer(url, init);
      return never();
    };
    expect(await ended).toEqual({ ended: "SIGKILL", output: "" });
    const uncertain = [...(await batch.states())].filter(([, state]) => state === "creating");
    // Killed while it wrote.
    await batch.append('{"id":"clip-7","state":"cre');

    server.onRequest = server.answer;
    const resumed = await batch.run();
    expect(resumed.ended).toBe(uncertain.length > 0 ? 1 : 0);
    const ignored = 'Ignored in the journal: {"id":"clip-7","state":"cre\n';
    expect(resumed.output.startsWith(ignored)).toBe(true);
    const named = [...resumed.output.matchAll(/^(clip-\d): a task may exist/gm)];
    expect(named.map(([, id]) => id)).toEqual(uncertain.map(([id]) => id));
    const others = IDS.filter((id) => !uncertain.some(([other]) => other === id));
    expect(await batch.saved()).toEqual(videosOf(others));

    expect(uncertain.length).toBeGreaterThanOrEqual(matches === isCreate ? 1 : 0);

    // A person looks at the gateway.
    for (const [id] of uncertain) {
      const task = [...gateway.tasks.keys()][created.indexOf(id)];
      const entry = task ? { id, state: "created", task_id: task } : { id, state: "free" };
      await batch.append(`${JSON.stringify(entry)}\n`);
    }
    if (uncertain.length > 0) expect(await batch.run()).toEqual({ ended: 0, output: ignored });
    expect(await batch.saved()).toEqual(videosOf(IDS));
    expect(created.sort()).toEqual(IDS);
  });

  test.for<[what: string, line: string, says: RegExp]>([
    [
      "ends without a line break",
      '{"id":"clip-1","state":"creating"}',
      /^clip-1: a task may exist/,
    ],
    ["has a state that it does not know", '{"id":"clip-1","status":"creating"}\n', /is invalid\n$/],
  ])("creates nothing for a clip whose line in the journal %s", async ([, line, says]) => {
    const batch = await batchOf(["clip-1"]);
    await batch.append(line);
    const { ended, output } = await batch.run();
    expect(output).toMatch(says);
    expect({ ended, received: batch.gateway.received }).toEqual({ ended: 1, received: [] });
  });

  test("does not take a web page for a video, and downloads it in the next run", async () => {
    const batch = await batchOf(["clip-1"]);
    batch.server.onRequest = (url, init) => {
      const headers = { "content-type": "text/html" };
      if (isVideo(url)) return Promise.resolve(new Response("<html>", { headers }));
      return batch.server.answer(url, init);
    };
    const output = "clip-1: text/html in place of the video\n";
    expect(await batch.run()).toEqual({ ended: 1, output });
    batch.server.onRequest = batch.server.answer;
    expect(await batch.run()).toEqual({ ended: 0, output: "" });
    expect(batch.created).toEqual(["clip-1"]);
  });

  test("stops on Ctrl-C, and keeps the id of a task that is being created", async () => {
    const batch = await batchOf(IDS, { maxParallelTasks: 3 });
    const { server } = batch;
    const { child, ended } = batch.start();
    const stopping = new Promise((resolve) => child.stderr.once("data", resolve));
    server.onRequest = async (url, init) => {
      if (!child.killed) child.kill("SIGINT");
      await stopping;
      return server.answer(url, init);
    };
    const stopped = await ended;
    expect(stopped).toEqual({
      ended: 130,
      output: "Stopping. Run this again to resume.\n",
    });
    expect(batch.created.length).toBeGreaterThan(0);
    const states = await batch.states();
    expect(new Set(states.values())).toEqual(new Set(["created", "free"]));
    for (const id of batch.created) expect(states.get(id)).toBe("created");

    server.onRequest = server.answer;
    expect(await batch.run()).toEqual({ ended: 0, output: "" });
    expect(await batch.saved()).toEqual(videosOf(IDS));
    expect(batch.created.sort()).toEqual(IDS);
  });

  test("stops on Ctrl-C while it waits, and waits again for the same tasks", async () => {
    const batch = await batchOf(["clip-1", "clip-2"]);
    const { server } = batch;
    const { child, ended } = batch.start();
    server.onRequest = (url, init) => {
      if (!isPoll(url)) return server.answer(url, init);
      if (!child.killed) child.kill("SIGINT");
      return never();
    };
    expect(await ended).toHaveProperty("ended", 130);
    server.onRequest = server.answer;
    expect(await batch.run()).toEqual({ ended: 0, output: "" });
    expect(batch.created.sort()).toEqual(["clip-1", "clip-2"]);
  });

  test("goes on after a clip that fails, and does not create it again", async () => {
    const batch = await batchOf(["clip-1", "clip-2"], {
      failWith: (request) => (clipOf(request) === "clip-1" ? "no face found" : undefined),
    });
    const failure = { ended: 1, output: "clip-1: no face found\n" };
    expect(await batch.run()).toEqual(failure);
    expect(await batch.saved()).toEqual(["clip-2.mp4"]);
    expect(await batch.run()).toEqual(failure);
    expect(batch.created.sort()).toEqual(["clip-1", "clip-2"]);
    expect(await batch.states()).toEqual(
      new Map(Object.entries({ "clip-1": "failed", "clip-2": "saved" })),
    );
  });

  test("creates again what was refused, and not what may exist", async () => {
    const batch = await batchOf(["clip-1"]);
    batch.gateway.answerNext(Response.json({ code: 1201, message: "no" }, { status: 400 }));
    expect(await batch.run()).toMatchObject({
      ended: 1,
      output: matching(/^clip-1: .*1201/),
    });
    expect((await batch.states()).get("clip-1")).toBe("free");

    batch.gateway.answerNext(Response.json({ code: 5000 }, { status: 500 }));
    const uncertain = /^clip-1: .*500[^]*\nclip-1: a task may exist/;
    expect(await batch.run()).toMatchObject({
      ended: 1,
      output: matching(uncertain),
    });
    const requests = batch.gateway.received.length;
    expect(await batch.run()).toMatchObject({
      ended: 1,
      output: matching(/^clip-1: a task may exist/),
    });
    expect(batch.gateway.received).toHaveLength(requests);
  });

  test("waits out a 429 of the gateway itself, but not an account in arrears", async () => {
    const batch = await batchOf(["clip-1"]);
    const busy = { code: "rate_limit_exceeded", message: "busy", data: null };
    batch.gateway.answerNext(
      new Response(null, { status: 429 }),
      Response.json(busy, { status: 429 }),
    );
    batch.gateway.answerNext(Response.json({ code: 1102, message: "used up" }, { status: 429 }));
    expect(await batch.run()).toMatchObject({
      ended: 1,
      output: matching(/^clip-1: .*1102/),
    });
    expect(batch.gateway.received).toHaveLength(3);
  });

  test.for([
    { why: "occur twice", ids: ["clip-1", "Clip-1"] },
    { why: "lead elsewhere", ids: ["../clip"] },
  ])("sends nothing for ids that $why", async ({ ids }) => {
    const batch = await batchOf(ids);
    const { ended, output } = await batch.run();
    expect({ ended, received: batch.gateway.received }).toEqual({ ended: 1, received: [] });
    expect(output).toContain("Each line needs its own id");
  });
});
