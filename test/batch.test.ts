import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { newClaim } from "../src/batch/claim.js";
import {
  type LipSyncBatchReport,
  type LipSyncClip,
  readLipSyncBatch,
  runLipSyncBatch,
  settleLipSyncClip,
} from "../src/batch/index.js";
import { ConfigurationError, createLipSyncClient, InvalidRequestError } from "../src/index.js";
import { createFakeGateway } from "../src/testing.js";
import { advanceUntil, clipOf, clipsOf, setUpBatch } from "./fixtures/batch.js";
import { errorOf } from "./fixtures/client.js";
import { temporaryFolders } from "./fixtures/scripts.js";

const newFolder = temporaryFolders();
afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

const NONE: LipSyncBatchReport = {
  ...{ saved: 0, running: 0, failed: 0, uncertain: 0, left: 0 },
  ...{ stop: undefined, problems: [] },
};

const refusal = (status: number, code: number, message = "refused") =>
  Response.json({ code, message }, { status });

/** Appends lines to the journal of a folder, as another process does. */
function append(folder: string, ...events: object[]): void {
  const lines = events.map((event) => `${JSON.stringify(event)}\n`);
  fs.appendFileSync(path.join(folder, "journal.jsonl"), lines.join(""));
}

/** A claim of another process. */
const claimOf = (id: string, more: object = {}) => ({
  event: "claim",
  id,
  ...newClaim(clipOf(id).request),
  claim: `claim-of-${id}`,
  ...more,
});
/** Of a process that died on this machine: in a container, the next one has its pid. */
const DEAD = {};
const ELSEWHERE = { host: "another-host" };
const taskOf = (id: string) => ({
  event: "task",
  id,
  claim: `claim-of-${id}`,
  taskId: `task-of-${id}`,
});
const submitted = (id: string) => ({
  task_id: `task-of-${id}`,
  task_status: "submitted" as const,
  created_at: 1,
  updated_at: 1,
});

describe("a batch", () => {
  it("creates a task for each clip and saves its video", async () => {
    const batch = setUpBatch(await newFolder());
    expect(await batch.run(clipsOf("a", "b"))).toEqual({ ...NONE, saved: 2 });
    expect(batch.posts()).toEqual(["a", "b"]);
    expect(fs.readdirSync(batch.folder).sort()).toEqual(["a.mp4", "b.mp4", "journal.jsonl"]);
    expect(fs.readFileSync(path.join(batch.folder, "a.mp4"), "latin1")).toContain("ftyp");
    const own = batch.events().filter((line) => line.endsWith(" a"));
    expect(own).toEqual(["claim a", "task a", "saved a"]);
  });

  it("creates its folder", async () => {
    const batch = setUpBatch(path.join(await newFolder(), "new"));
    expect(await batch.run(clipsOf("a"))).toEqual({ ...NONE, saved: 1 });
  });

  it("sends nothing when it runs again", async () => {
    const batch = setUpBatch(await newFolder());
    await batch.run(clipsOf("a", "b"));
    const { length } = batch.gateway.received;
    expect(await batch.run(clipsOf("a", "b"))).toEqual({ ...NONE, saved: 2 });
    expect(batch.gateway.received).toHaveLength(length);
  });

  it("creates only the clips that are new when it runs again", async () => {
    const batch = setUpBatch(await newFolder());
    await batch.run(clipsOf("a"));
    expect(await batch.run(clipsOf("a", "b"))).toEqual({ ...NONE, saved: 2 });
    expect(batch.posts()).toEqual(["a", "b"]);
  });

  it("tells the counts before anything is sent, then every change", async () => {
    const batch = setUpBatch(await newFolder());
    await batch.run(clipsOf("a"));
    const counts = { saved: 0, running: 0, failed: 0, uncertain: 0, left: 1 };
    const askedAt: unknown = expect.any(Number);
    const clip = { id: "a", askedAt, text: "a" };
    expect(batch.updates).toEqual([
      { type: "checked", counts },
      {
        type: "clip",
        clip: { ...clip, state: "creating" },
        counts: { ...counts, left: 0, running: 1 },
      },
      {
        type: "clip",
        clip: { ...clip, state: "created", taskId: "task-1" },
        counts: { ...counts, left: 0, running: 1 },
      },
      {
        type: "clip",
        clip: { ...clip, state: "saved", taskId: "task-1" },
        counts: { ...counts, left: 0, saved: 1 },
      },
    ]);
    await batch.run(clipsOf("a"));
    expect(batch.told("checked").at(-1)?.counts).toEqual({ ...counts, left: 0, saved: 1 });
  });

  it("runs as many tasks at the same time as it may", async () => {
    const batch = setUpBatch(await newFolder(), { polls: 3, maxParallelTasks: 2 });
    const ids = ["a", "b", "c", "d", "e"];
    expect(await batch.run(clipsOf(...ids), { parallel: 2 })).toEqual({ ...NONE, saved: 5 });
    expect([batch.posts(), batch.told("pause")]).toEqual([ids, []]);
  });

  it("reports a clip whose task failed", async () => {
    const batch = setUpBatch(await newFolder(), { failWith: "The face is too small." });
    const problem = {
      id: "a",
      state: "failed",
      taskId: "task-1",
      reason: "The face is too small.",
    };
    expect(await batch.run(clipsOf("a"))).toMatchObject({ failed: 1, problems: [problem] });
    expect(await batch.run(clipsOf("a"))).toMatchObject({ failed: 1, problems: [problem] });
    expect(batch.posts()).toEqual(["a"]);
  });

  it("creates failed clips again on demand, once in a run", async () => {
    const batch = setUpBatch(await newFolder(), { failWith: "The face is too small." });
    await batch.run(clipsOf("a"));
    const changed = { ...clipOf("a"), request: clipOf("another text").request };
    expect(await batch.run([changed], { retryFailed: true })).toMatchObject({ failed: 1 });
    expect(batch.posts()).toEqual(["a", "another text"]);
  });

  it("reads an async iterable once", async () => {
    const batch = setUpBatch(await newFolder());
    async function* clips() {
      for (const clip of clipsOf("a", "b")) yield await Promise.resolve(clip);
    }
    const { client, folder, gateway } = batch;
    const options = { folder, intervalMs: 5, fetch: gateway.fetch };
    expect(await runLipSyncBatch(client, clips(), options)).toEqual({ ...NONE, saved: 2 });
  });
});

describe("before anything is sent", () => {
  /** The lines of the error, after which the folder is as it was. */
  async function problemsOf(batch: ReturnType<typeof setUpBatch>, clips: unknown[]) {
    const before = fs.readdirSync(batch.folder);
    const error = await errorOf(batch.run(clips as LipSyncClip[]), InvalidRequestError);
    expect(batch.posts()).toEqual([]);
    expect(fs.readdirSync(batch.folder)).toEqual(before);
    return error.message.split("\n");
  }

  it("lists every clip that is invalid", async () => {
    const noText = { id: "d", request: { input: { ...clipOf("d").request.input, text: "" } } };
    const clips = [clipOf("a"), clipOf("A"), clipOf("../b"), { request: {} }, noText, null];
    const invalid = "The id is missing or invalid: use letters, digits, - and _, at most 100.";
    expect(await problemsOf(setUpBatch(await newFolder()), clips)).toEqual([
      "Nothing was sent, because clips are invalid (5):",
      'clip "A" at index 1: There is another clip A: ids must be unique, without regard to case.',
      `clip "../b" at index 2: ${invalid}`,
      `clip at index 3: ${invalid}`,
      'clip "d" at index 4: input.text is missing.',
      `clip at index 5: ${invalid}`,
    ]);
  });

  it("lists at most twenty of them", async () => {
    const clips = Array.from({ length: 25 }, () => clipOf("?"));
    const lines = await problemsOf(setUpBatch(await newFolder()), clips);
    expect([lines.length, lines.at(-1)]).toEqual([22, "and 5 more"]);
  });

  it("refuses a video that the journal does not have", async () => {
    const batch = setUpBatch(await newFolder());
    fs.writeFileSync(path.join(batch.folder, "A.mp4"), "");
    const [, line] = await problemsOf(batch, clipsOf("a", "b"));
    expect(line).toBe(
      'clip "a" at index 0: The folder has a.mp4, but its journal has no clip a. Put the journal back, or move the video away if you want to pay for it again.',
    );
  });

  it("refuses the id of a clip that has another request, or another case", async () => {
    const batch = setUpBatch(await newFolder());
    append(batch.folder, claimOf("a"), taskOf("a"), claimOf("b"));
    append(batch.folder, { event: "free", id: "b", claim: "claim-of-b" });
    append(batch.folder, { event: "found", id: "c", taskId: "task-7" });
    const other = (id: string) => ({ id, request: clipOf("other").request });
    expect(await problemsOf(batch, [other("a"), other("b"), other("c"), clipOf("B")])).toEqual([
      "Nothing was sent, because clips are invalid (2):",
      'clip "a" at index 0: Clip a was created with another request. Change its request back to continue, or use a new id for a new video, which is billed.',
      'clip "B" at index 3: There is another clip B: ids must be unique, without regard to case.',
    ]);
    expect((await problemsOf(batch, [clipOf("A")]))[1]).toBe(
      'clip "A" at index 0: The folder has a clip a, which differs from A only in case.',
    );
  });

  it("rejects with what the clips, or the folder, throw", async () => {
    const batch = setUpBatch(await newFolder());
    const error = new Error("The file is gone.");
    function* broken(): Generator<LipSyncClip> {
      yield clipOf("a");
      throw error;
    }
    const { client, folder } = batch;
    await expect(runLipSyncBatch(client, broken(), { folder })).rejects.toBe(error);
    const file = path.join(folder, "file");
    fs.writeFileSync(file, "");
    await expect(runLipSyncBatch(client, [], { folder: file })).rejects.toThrow("ENOTDIR");
  });

  it.each([
    [{ folder: "" }],
    [{ parallel: -1 }],
    [{ intervalMs: NaN }],
    [{ timeoutMs: -1 }],
    [{ pauseMs: -1 }],
    [{ signal: {} as never }],
    [{ onUpdate: 1 as never }],
    [{ fetch: 1 as never }],
  ])("rejects an invalid option, by its name: %j", async (option) => {
    const [name = ""] = Object.keys(option);
    const { message } = await errorOf(
      setUpBatch(await newFolder()).run([], option),
      ConfigurationError,
    );
    expect(message).toContain(name);
  });
});

describe("a gateway in trouble", () => {
  it("takes no more for now: the batch goes on later", async () => {
    const batch = setUpBatch(await newFolder());
    batch.gateway.answerNext(refusal(429, 1303, "too many"), "refused");
    expect(await batch.run(clipsOf("a", "b"))).toEqual({ ...NONE, saved: 2 });
    expect(batch.told("pause").map(({ cause }) => cause)).toEqual(["busy", "unreachable"]);
    expect(batch.posts()).toEqual(["a", "a", "a", "b"]);
  });

  it.each([
    ["a wrong key", refusal(401, 1002, "The key is wrong.")],
    ["an empty account", refusal(429, 1102, "The account is empty.")],
    ["a wrong path", new Response("<h1>Not found</h1>", { status: 404 })],
  ])("%s: one request is sent, and the reason is said once", async (_, answer) => {
    const batch = setUpBatch(await newFolder());
    batch.gateway.answerNext(answer);
    const report = await batch.run(clipsOf("a", "b", "c"));
    expect(report).toMatchObject({ left: 3, stop: { cause: "account" } });
    expect(batch.posts()).toEqual(["a"]);
    expect(batch.told("stop")).toHaveLength(1);
  });

  it("an account that is empty by now: tasks that exist are saved", async () => {
    const batch = setUpBatch(await newFolder(), { polls: 3 });
    const create = batch.client.create.bind(batch.client);
    vi.spyOn(batch.client, "create").mockImplementation(async (...args) => {
      if (batch.posts().length < 2) return await create(...args);
      throw new ConfigurationError("The account is empty.");
    });
    expect(await batch.run(clipsOf("a", "b", "c", "d"))).toEqual({
      ...NONE,
      saved: 2,
      left: 2,
      stop: { cause: "account", reason: "The account is empty." },
    });
  });

  it("a key that is wrong by now: at most as many requests as tasks at the same time", async () => {
    const batch = setUpBatch(await newFolder());
    const ids = ["a", "b", "c", "d", "e", "f"];
    for (const id of ids) append(batch.folder, claimOf(id, DEAD), taskOf(id));
    const wrong = createLipSyncClient({ ...batch.gateway, apiKey: "wrong-key" });
    const options = {
      folder: batch.folder,
      intervalMs: 5,
      parallel: 2,
      fetch: batch.gateway.fetch,
    };
    const report = await runLipSyncBatch(wrong, clipsOf(...ids, "g"), options);
    expect(report).toMatchObject({ running: 6, left: 1, stop: { cause: "account" } });
    expect(report.problems.map(({ id }) => id)).toEqual(["a", "b"]);
    expect(batch.gateway.received.length).toBeLessThanOrEqual(2);
  });

  it("creates that are uncertain: a pause, a free question, and the batch goes on", async () => {
    const batch = setUpBatch(await newFolder());
    batch.gateway.answerNext("reset", new Response("", { status: 502 }), "reset");
    const report = await batch.run(clipsOf("a", "b", "c"));
    expect(report).toMatchObject({ saved: 2, uncertain: 1, stop: undefined });
    expect(report.problems).toMatchObject([{ id: "a", state: "uncertain" }]);
    expect(batch.gateway.received.map(({ method }) => method).slice(0, 5)).toEqual([
      ...["POST", "GET", "GET", "GET", "POST"],
    ]);
    expect(batch.told("pause").map(({ cause, pauseMs }) => [cause, pauseMs])).toEqual([
      ["uncertain", 10],
      ["uncertain", 20],
      ["uncertain", 40],
    ]);
  });

  it("an answer that nobody would expect to the free question: the gateway is back", async () => {
    const batch = setUpBatch(await newFolder());
    const id = "kling-lip-sync-check";
    batch.gateway.tasks.set(id, { ...submitted("a"), task_id: id });
    vi.spyOn(batch.client, "create").mockRejectedValueOnce("an error without a message");
    const report = await batch.run(clipsOf("a", "b"));
    expect(report).toMatchObject({ saved: 1, uncertain: 1 });
    expect(report.problems).toMatchObject([{ reason: "There is no message." }]);
  });

  it(
    "five seconds of 502 and 50 clips: at most three are uncertain, and the batch goes on",
    { timeout: 60_000 },
    async () => {
      vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
      const batch = setUpBatch(await newFolder());
      const startedAt = performance.now();
      const isDown = () => performance.now() - startedAt < 5000;
      const down = () => Promise.resolve(new Response("<h1>Bad gateway</h1>", { status: 502 }));
      const client = createLipSyncClient({
        ...batch.gateway,
        fetch: (url, init) => (isDown() ? down() : batch.gateway.fetch(url, init)),
      });
      const ids = Array.from({ length: 50 }, (_, index) => `clip-${index}`);
      const { folder, gateway } = batch;
      const report = await advanceUntil(
        runLipSyncBatch(client, clipsOf(...ids), { folder, fetch: gateway.fetch }),
      );
      expect(report.uncertain).toBeLessThanOrEqual(3);
      expect(report).toMatchObject({ saved: 50 - report.uncertain, stop: undefined });
    },
  );

  it("three uncertain creates in a row: nothing more is created", async () => {
    const batch = setUpBatch(await newFolder());
    const { client, gateway } = batch;
    const create = client.create.bind(client);
    vi.spyOn(client, "create").mockImplementation(async (...args) => {
      gateway.answerNext("reset");
      return await create(...args);
    });
    const report = await batch.run(clipsOf("a", "b", "c", "d"));
    expect(report).toMatchObject({ uncertain: 3, left: 1, stop: { cause: "uncertain" } });
    expect(report.stop?.reason).toContain("the last 3 creates");
    expect(batch.posts()).toEqual(["a", "b", "c"]);
  });

  it("a task that it does not know: the clip stays created, and the next run asks again", async () => {
    const batch = setUpBatch(await newFolder());
    append(batch.folder, claimOf("a", DEAD), taskOf("a"));
    const report = await batch.run(clipsOf("a", "b"));
    expect(report).toMatchObject({ saved: 1, running: 1, stop: undefined });
    expect(report.problems).toMatchObject([{ id: "a", state: "created", taskId: "task-of-a" }]);
    expect(report.problems[0]?.reason).toContain("task not found");
    batch.gateway.tasks.set("task-of-a", submitted("a"));
    expect(await batch.run(clipsOf("a", "b"))).toEqual({ ...NONE, saved: 2 });
  });

  it("a task that is not done in time: the clip stays created", async () => {
    const batch = setUpBatch(await newFolder(), { polls: Infinity });
    const report = await batch.run(clipsOf("a"), { timeoutMs: 30 });
    expect(report.problems).toMatchObject([{ state: "created", taskId: "task-1" }]);
    expect(report.problems[0]?.reason).toContain("was not done after 30 ms");
  });
});

describe("a video", () => {
  /** A batch whose videos come from a server that gives these responses first. */
  async function runWith(answers: (() => Response)[]) {
    const batch = setUpBatch(await newFolder());
    const left = [...answers];
    const fetch: typeof globalThis.fetch = (url, init) => {
      const answer = left.shift();
      return answer ? Promise.resolve(answer()) : batch.gateway.fetch(url, init);
    };
    const report = await batch.run(clipsOf("a"), { fetch });
    const gets = batch.gateway.received.filter(({ path }) => path.includes("/lip-sync/"));
    return { report, polls: gets.length };
  }
  const gone = () => new Response("gone", { status: 403 });

  it("whose URL has expired is downloaded from a new one", async () => {
    const { report, polls } = await runWith([gone, gone]);
    expect([report.saved, polls]).toEqual([1, 3]);
  });

  it("that cannot be downloaded is left to the next run", async () => {
    const { report } = await runWith([gone, gone, gone]);
    expect(report).toMatchObject({ saved: 0, running: 1, stop: undefined });
    expect(report.problems[0]?.reason).toBe("The video was not saved: its server returned 403.");
  });

  it("that the disk does not take stops the batch", async () => {
    const batch = setUpBatch(await newFolder());
    const fetch = () => {
      fs.mkdirSync(path.join(batch.folder, "a.mp4"));
      return Promise.resolve(new Response("video", { headers: { "content-type": "video/mp4" } }));
    };
    const report = await batch.run(clipsOf("a", "b"), { fetch, parallel: 1 });
    expect(report).toMatchObject({ saved: 0, running: 1, left: 1, stop: { cause: "disk" } });
  });
});

describe("another process", () => {
  it("that died: its task is polled and saved", async () => {
    const batch = setUpBatch(await newFolder());
    batch.gateway.tasks.set("task-of-a", submitted("a"));
    append(batch.folder, claimOf("a", DEAD), taskOf("a"));
    expect(await batch.run([])).toEqual({ ...NONE, saved: 1 });
    expect(batch.posts()).toEqual([]);
  });

  it("that died during a create: its clip is uncertain, and not created again", async () => {
    const batch = setUpBatch(await newFolder());
    append(batch.folder, claimOf("a", DEAD));
    const report = await batch.run(clipsOf("a"));
    expect(report).toMatchObject({ uncertain: 1, stop: undefined });
    expect(report.problems).toMatchObject([{ id: "a", state: "uncertain" }]);
    expect(batch.posts()).toEqual([]);
  });

  it("whose failed response names a task: the task is asked for", async () => {
    const batch = setUpBatch(await newFolder());
    const named = (id: string) => ({
      event: "uncertain",
      id,
      claim: `claim-of-${id}`,
      reason: "It broke.",
      taskId: `task-of-${id}`,
    });
    batch.gateway.tasks.set("task-of-a", submitted("a"));
    append(batch.folder, claimOf("a", DEAD), named("a"), claimOf("b", DEAD), named("b"));
    const report = await batch.run(clipsOf("a", "b"));
    expect(report).toMatchObject({ saved: 1, uncertain: 1 });
    expect(batch.posts()).toEqual([]);
  });

  it("whose clip a person gives another id meanwhile: that task is saved", async () => {
    const batch = setUpBatch(await newFolder());
    const found = (taskId: string) => ({ event: "found", id: "a", taskId });
    batch.gateway.tasks.set("right", submitted("a"));
    append(batch.folder, claimOf("a", DEAD), found("wrong"));
    // One more clip keeps the batch running until the id is corrected.
    const running = batch.run(clipsOf("a", "b"), {
      onUpdate: (update) => {
        const isCreated = update.type === "clip" && update.clip.state === "created";
        if (isCreated && update.clip.id === "b") append(batch.folder, found("right"));
      },
    });
    expect(await running).toMatchObject({ saved: 2, problems: [] });
  });

  it("that lives: its task is left to it, and saved if it is silent", async () => {
    const batch = setUpBatch(await newFolder());
    batch.gateway.tasks.set("task-of-a", submitted("a"));
    append(batch.folder, claimOf("a", { host: os.hostname(), pid: process.ppid }), taskOf("a"));
    const startedAt = performance.now();
    expect(await batch.run(clipsOf("a"))).toEqual({ ...NONE, saved: 1 });
    expect(performance.now() - startedAt).toBeGreaterThan(6 * 5);
  });

  it("that saves a video meanwhile: its change is told, and nothing is downloaded", async () => {
    const batch = setUpBatch(await newFolder(), { polls: 1 });
    append(batch.folder, claimOf("a", DEAD), taskOf("a"));
    batch.gateway.tasks.set("task-of-a", submitted("a"));
    const wait = batch.client.wait.bind(batch.client);
    vi.spyOn(batch.client, "wait").mockImplementation(async (...args) => {
      const task = await wait(...args);
      append(batch.folder, { event: "saved", id: "a", taskId: "task-of-a" });
      return task;
    });
    expect(await batch.run(clipsOf("a"))).toEqual({ ...NONE, saved: 1 });
    expect(batch.told("clip").map(({ clip }) => clip.state)).toEqual(["saved"]);
    expect(fs.readdirSync(batch.folder)).toEqual(["journal.jsonl"]);
  });

  it("that creates a clip: it is waited for, and its clip is created if it is freed", async () => {
    const batch = setUpBatch(await newFolder());
    append(batch.folder, claimOf("a", ELSEWHERE), claimOf("b", ELSEWHERE));
    const running = batch.run(clipsOf("a", "b"));
    await vi.waitFor(() => {
      expect(batch.told("checked")).toHaveLength(1);
    });
    append(batch.folder, { event: "free", id: "a", claim: "claim-of-a" });
    append(batch.folder, taskOf("b"), { event: "saved", id: "b", taskId: "task-of-b" });
    expect(await running).toEqual({ ...NONE, saved: 2 });
    expect(batch.posts()).toEqual(["a"]);
  });

  it("that is silent for two minutes after its claim: its clip is told to be uncertain", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const batch = setUpBatch(await newFolder());
    append(batch.folder, claimOf("a", ELSEWHERE));
    const running = batch.run(clipsOf("a"));
    await vi.waitFor(() => {
      expect(batch.told("checked")).toHaveLength(1);
    });
    vi.setSystemTime(Date.now() + 120_000);
    expect(await running).toMatchObject({ uncertain: 1 });
    expect(batch.told("clip").map(({ clip }) => clip.state)).toEqual(["uncertain"]);
  });

  it("and a person may settle a clip while the batch runs", async () => {
    const batch = setUpBatch(await newFolder(), { polls: 3 });
    append(batch.folder, claimOf("a", DEAD), claimOf("b", DEAD));
    batch.gateway.tasks.set("task-7", { ...submitted("a"), task_id: "task-7" });
    const running = batch.run(clipsOf("a", "b", "c"), { intervalMs: 20 });
    await settleLipSyncClip(batch.folder, "a", { taskId: "task-7" });
    await settleLipSyncClip(batch.folder, "b", { noTask: true });
    expect(await running).toEqual({ ...NONE, saved: 3 });
    expect(batch.posts().sort()).toEqual(["b", "c"]);
  });

  it("whose lines cannot be read: they are named, and change nothing", async () => {
    const batch = setUpBatch(await newFolder());
    fs.appendFileSync(path.join(batch.folder, "journal.jsonl"), "?\n");
    expect(await batch.run(clipsOf("a"))).toEqual({ ...NONE, saved: 1 });
    expect(batch.told("warning")).toEqual([
      { type: "warning", message: "journal.jsonl:1 cannot be read, and is ignored." },
    ]);
  });

  it("with a second task of a clip: the clip is saved, and both are reported", async () => {
    const batch = setUpBatch(await newFolder());
    await batch.run(clipsOf("a"));
    append(batch.folder, { ...taskOf("a"), claim: "late" });
    const report = await batch.run(clipsOf("a"));
    expect(report).toMatchObject({ saved: 1, stop: undefined });
    expect(report.problems).toMatchObject([{ state: "saved", extraTaskIds: ["task-of-a"] }]);
  });
});

describe("a batch stops", () => {
  it("at a signal: the create that was sent gets its line, and the next run goes on", async () => {
    const batch = setUpBatch(await newFolder(), { polls: 3 });
    const controller = new AbortController();
    const create = batch.client.create.bind(batch.client);
    vi.spyOn(batch.client, "create").mockImplementationOnce(async (...args) => {
      controller.abort();
      return await create(...args);
    });
    const { signal } = controller;
    const report = await batch.run(clipsOf("a", "b"), { signal, intervalMs: 60_000 });
    expect(report).toMatchObject({ running: 1, left: 1, stop: { cause: "signal" } });
    expect(batch.events()).toEqual(["claim a", "task a"]);
    expect(await batch.run(clipsOf("a", "b"))).toEqual({ ...NONE, saved: 2 });
    expect(batch.posts()).toEqual(["a", "b"]);
  });

  it("at a signal during a poll, a download, or the question if the gateway is back", async () => {
    const batch = setUpBatch(await newFolder());
    const stopAt = async (answers: Parameters<typeof batch.gateway.answerNext>, ids: string[]) => {
      const controller = new AbortController();
      batch.gateway.answerNext(...answers);
      const { length } = batch.gateway.received;
      const running = batch.run(clipsOf(...ids), { signal: controller.signal });
      await vi.waitFor(() => {
        expect(batch.gateway.received).toHaveLength(length + answers.length);
      });
      controller.abort();
      expect(await running).toMatchObject({ stop: { cause: "signal" } });
    };
    await stopAt(["reset", "hang"], ["a", "b"]);
    const created = () => Response.json({ code: 0, data: submitted("b") });
    batch.gateway.tasks.set("task-of-b", submitted("b"));
    await stopAt([created(), "hang"], ["a", "b"]);
    const done = {
      ...submitted("b"),
      task_status: "succeed",
      task_result: { videos: [{ url: "https://media.example/b.mp4" }] },
    };
    await stopAt([Response.json({ code: 0, data: done }), "hang"], ["a", "b"]);
    expect(await batch.run(clipsOf("a", "b"))).toMatchObject({ saved: 1, uncertain: 1 });
    expect(batch.posts()).toEqual(["a", "b"]);
  });

  it("before anything is sent, if the signal was aborted before", async () => {
    const batch = setUpBatch(await newFolder());
    const report = await batch.run(clipsOf("a"), { signal: AbortSignal.abort() });
    expect(report).toMatchObject({ left: 1, stop: { cause: "signal" } });
    expect(batch.gateway.received).toEqual([]);
  });

  it.each([
    ["throws", () => Promise.reject(new Error("EPIPE"))],
    [
      "rejects",
      () => {
        throw new Error("EPIPE");
      },
    ],
  ])("with the error of onUpdate, after the id has its line, if it %s", async (_, failing) => {
    const batch = setUpBatch(await newFolder());
    const running = batch.run(clipsOf("a", "b"), {
      onUpdate: (update) => (update.type === "clip" ? failing() : undefined),
    });
    await expect(running).rejects.toThrow("EPIPE");
    expect(batch.events().slice(0, 2)).toEqual(["claim a", "task a"]);
    expect(batch.posts()).toEqual(["a"]);
  });

  it("if the journal is taken away, and pays for nothing again", async () => {
    const batch = setUpBatch(await newFolder(), { polls: 5 });
    const file = path.join(batch.folder, "journal.jsonl");
    const running = batch.run(clipsOf("a", "b"), { parallel: 1, intervalMs: 20 });
    await vi.waitFor(() => {
      expect(batch.told("clip").at(-1)?.clip.state).toBe("created");
    });
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    fs.renameSync(file, `${file}.old`);
    await vi.waitFor(() => {
      expect(batch.told("stop")).toHaveLength(1);
    });
    fs.renameSync(`${file}.old`, file);
    const report = await advanceUntil(running);
    expect(report).toMatchObject({ saved: 1, left: 1, stop: { cause: "disk" } });
    expect(report.stop?.reason).toContain("journal.jsonl was moved");
    expect(batch.posts()).toEqual(["a"]);
  });

  it("if the disk is full, and sends nothing", async () => {
    const batch = setUpBatch(await newFolder());
    vi.spyOn(fs, "writeSync").mockImplementationOnce(() => {
      throw new Error("ENOSPC: no space left on device, write");
    });
    expect(await batch.run(clipsOf("a"))).toEqual({
      ...{ ...NONE, left: 1 },
      stop: {
        cause: "disk",
        reason: "The folder cannot be written to: ENOSPC: no space left on device, write",
      },
    });
    expect(batch.gateway.received).toEqual([]);
  });

  it("and closes every file that it has opened", async () => {
    const opened = vi.spyOn(fs, "openSync");
    const closed = vi.spyOn(fs, "closeSync");
    const batch = setUpBatch(await newFolder());
    await batch.run(clipsOf("a"));
    await expect(batch.run(clipsOf("a"), { parallel: NaN })).rejects.toThrow(ConfigurationError);
    await readLipSyncBatch(batch.folder);
    const descriptors = opened.mock.results
      .filter(({ type }) => type === "return")
      .map(({ value }) => value as number);
    expect(descriptors.length).toBeGreaterThan(0);
    expect(closed.mock.calls.map(([descriptor]) => descriptor).sort()).toEqual(descriptors.sort());
  });

  it("if the folder cannot be written to", async () => {
    const batch = setUpBatch(await newFolder());
    const file = path.join(batch.folder, "file");
    fs.writeFileSync(file, "");
    const folder = path.join(file, "folder");
    await expect(batch.run(clipsOf("a"), { folder })).rejects.toThrow("ENOTDIR");
    expect(batch.posts()).toEqual([]);
  });
});

it("warns with process.emitWarning if nobody listens", async () => {
  const emitWarning = vi.spyOn(process, "emitWarning").mockReturnValue();
  const batch = setUpBatch(await newFolder());
  fs.appendFileSync(path.join(batch.folder, "journal.jsonl"), "?\n");
  await batch.run(clipsOf("a"), { onUpdate: undefined });
  const message = "journal.jsonl:1 cannot be read, and is ignored.";
  expect(emitWarning.mock.calls).toEqual([[message, "LipSyncBatchWarning"]]);
  expect(await readLipSyncBatch(batch.folder)).toMatchObject([{ state: "saved" }]);
});

it("takes the fetch of the runtime by default", async () => {
  const gateway = createFakeGateway({ polls: 1 });
  vi.stubGlobal("fetch", gateway.fetch);
  const folder = await newFolder();
  const report = await runLipSyncBatch(createLipSyncClient(gateway), clipsOf("a"), {
    folder,
    intervalMs: 1,
  });
  vi.unstubAllGlobals();
  expect(report.saved).toBe(1);
});
