// What comes of a job, as a user of the processor sees it. The eight rules are in
// bullmq-rules.test.ts, settling and callbacks in bullmq-settle.test.ts.
import type { Job, Processor, Queue } from "bullmq";
import { afterEach, beforeEach, describe, expect, expectTypeOf, it, vi } from "vitest";
import {
  isParked,
  type LipSyncProcessorOptions,
  lipSyncProcessor,
  receiveLipSyncCallback,
  settleLipSyncJob,
} from "../src/bullmq/index.js";
import {
  ConfigurationError,
  createLipSyncClient,
  type LipSyncClientOptions,
  type LipSyncRequest,
  type SucceededLipSyncTask,
  TaskTimeoutError,
} from "../src/index.js";
import { createFakeGateway, type FakeGatewayOptions } from "../src/testing.js";
import { createFakeQueue } from "./fixtures/fake-queue.js";
import { request } from "./fixtures/request.js";

const NOW = Date.UTC(2026, 0, 1);
beforeEach(() => {
  vi.useFakeTimers({ now: NOW, toFake: ["Date", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

interface Given extends FakeGatewayOptions {
  client?: LipSyncClientOptions;
  processor?: LipSyncProcessorOptions;
}

function setUp({ client, processor, ...options }: Given = {}) {
  const gateway = createFakeGateway(options);
  const run = lipSyncProcessor(createLipSyncClient({ ...gateway, ...client }), processor);
  const posts = () => gateway.received.filter(({ method }) => method === "POST").length;
  return { gateway, run, posts };
}

const delayed = { name: "DelayedError", message: "DelayedError" };
const claimed = ["lock 30000", "data claim", "lock 30000"];
const noted = { ...request, task: { claimedAt: NOW, id: "task-1" } };

describe("a job", () => {
  it("is claimed between two proofs of its lock, created, stored and delayed", async () => {
    const { gateway, run } = setUp();
    const { work, did, stored } = createFakeQueue();
    expect(await work(run)).toMatchObject(delayed);
    const storing = ["log Task task-1 was created.", "progress task-1", "lock 30000"];
    expect(did).toEqual([...claimed, ...storing, "data task-1", "delay 10000"]);
    expect(stored.data.task).toMatchObject({ claimedAt: NOW, id: "task-1" });
    expect(gateway.received).toMatchObject([{ method: "POST", body: request }]);
  });

  it("may have its audio in Base64, which is sent as it is and stays in the data", async () => {
    const audio_file = "A".repeat(4096);
    const sound = { mode: "audio2video", audio_type: "file", audio_file } as const;
    const data = { input: { video_id: "v", ...sound } };
    const { gateway, run } = setUp();
    const { work, stored } = createFakeQueue({ data });
    await work(run);
    expect(gateway.received).toMatchObject([{ body: data }]);
    expect(stored.data.input).toEqual(data.input);
  });

  it("is polled until its task has a video, which is its result", async () => {
    const { run, posts } = setUp();
    const { work, did } = createFakeQueue();
    await work(run);
    did.length = 0;
    expect(await work(run)).toMatchObject(delayed);
    expect(did).toEqual(["progress task-1", "delay 10000"]);
    expect(await work(run)).toMatchObject({ task_id: "task-1", task_status: "succeed" });
    expect(posts()).toBe(1);
  });

  it("updates its progress when the status changes, and uses the times of the options", async () => {
    const processor = { intervalMs: 0.4, lockMs: 4999.5 };
    const { run } = setUp({ polls: 4, processor });
    const { work, did } = createFakeQueue();
    for (let runs = 0; runs < 3; runs++) await work(run);
    expect(did.filter((what) => what.startsWith("progress"))).toHaveLength(2);
    expect(did).toContain("lock 5000");
    expect(did.filter((what) => what === "delay 1")).toHaveLength(3);
  });
});

describe("a create that certainly made no task", () => {
  const refusal = (status: number, code?: number, headers?: HeadersInit) =>
    new Response(JSON.stringify({ code, message: "no" }), { status, ...(headers && { headers }) });

  it.each([
    ["400", refusal(400, 1201), { name: "ApiError", code: 1201 }],
    ["an account in arrears", refusal(429, 1101), { name: "ApiError", code: 1101 }],
  ])("because of %s is released, and BullMQ's attempts count", async (_, answer, error) => {
    const { gateway, run, posts } = setUp();
    const { work, did, stored } = createFakeQueue();
    gateway.answerNext(answer);
    expect(await work(run)).toMatchObject({ ...error, mayHaveCreatedTask: false });
    expect(did).toEqual([...claimed, "lock 30000", "data none"]);
    expect(stored.data).toEqual(request);
    expect(posts()).toBe(1);
  });

  it("because of an option is released, too", async () => {
    const boom = new ConfigurationError("no key today");
    const { run } = setUp({ client: { apiKey: () => Promise.reject(boom) } });
    const { work, stored } = createFakeQueue();
    expect(await work(run)).toBe(boom);
    expect(stored.data).toEqual(request);
  });

  it("because the request is invalid fails at once", async () => {
    const { run } = setUp();
    const { work, stored } = createFakeQueue({
      data: { input: { ...request.input, text: "" } },
    });
    const error = { name: "UnrecoverableError", cause: { field: "input.text" } };
    expect(await work(run)).toMatchObject(error);
    expect(stored.data).not.toHaveProperty("task");
  });

  it.each([
    ["1303", refusal(429, 1303), 10_000],
    ["1302 in a 200", refusal(200, 1302), 10_000],
    ["a bare 429", refusal(429), 10_000],
    ["1303 with a Retry-After", refusal(429, 1303, { "retry-after": "120" }), 120_000],
    ["a connection that was never made", unreachable(), 10_000],
  ])("because of %s delays creates, not polls, without an attempt", async (_, answer, pauseMs) => {
    const { gateway, run, posts } = setUp();
    const polled = createFakeQueue();
    await polled.work(run);
    const { work, did, stored } = createFakeQueue();
    gateway.answerNext(answer);
    expect(await work(run)).toMatchObject(delayed);
    expect(did.slice(-2)).toEqual(["data none", `delay ${pauseMs}`]);
    did.length = 0;
    vi.advanceTimersByTime(4000);
    expect(await work(run)).toMatchObject(delayed);
    expect(did).toEqual([`delay ${pauseMs - 4000}`]);
    expect(posts()).toBe(2);
    expect(await polled.work(run)).toMatchObject(delayed);
    expect(polled.did.at(-1)).toBe("delay 10000");
    vi.advanceTimersByTime(pauseMs);
    await work(run);
    expect(stored.data).toMatchObject({ task: { id: "task-2" } });
  });
});

function unreachable(): Error {
  return Object.assign(new Error("no"), { syscall: "connect" });
}

describe("a create that may have made a task", () => {
  const named = Response.json({ task_id: "late-1" }, { status: 500 });

  it.each([
    ["a reset", new Error("reset"), "reset"],
    ["a 500", new Response("", { status: 500 }), "returned 500"],
    ["a 500 that names it", named, "The response names task late-1. "],
  ])("parks the job in its next run: %s", async (_, answer, why) => {
    const { gateway, run, posts } = setUp();
    const { work, stored } = createFakeQueue();
    gateway.answerNext(answer);
    expect(await work(run)).toMatchObject(delayed);
    expect(await work(run)).toMatchObject({ name: "UnrecoverableError" });
    expect(stored.failedReason).toMatch(
      /^A task may exist, so it is not created again\. Look for it at the gateway, then call settleLipSyncJob\(queue, "7", \{ taskId \}\), or with \{ noTask: true \} if there is none\. /,
    );
    expect(stored.failedReason).toContain(why);
    // Retrying it without settling creates nothing.
    vi.advanceTimersByTime(120_000);
    expect(await work(run)).toMatchObject({ name: "UnrecoverableError" });
    expect(posts()).toBe(1);
  });

  it.each([
    ["an error that is not the library's", new Error("vault down"), "vault down"],
    ["no error at all", undefined, "The create failed without a message."],
    ["an error of another copy", { message: "reset", mayHaveCreatedTask: true }, "reset"],
  ])("is assumed where it throws %s", async (_, thrown, why) => {
    const client = createLipSyncClient(createFakeGateway());
    const run = lipSyncProcessor({ ...client, create: () => Promise.reject(thrown) });
    const { work, stored } = createFakeQueue();
    await work(run);
    await work(run);
    expect(stored.failedReason).toContain(why);
    expect(stored.data.task).toMatchObject({ claimedAt: NOW, reason: why });
  });

  it("is looked at again after the grace time if a worker stopped, and then parked", async () => {
    const { run, posts } = setUp({ processor: { graceMs: 5000 } });
    const data = { ...request, task: { claimedAt: NOW - 1000 } };
    const { work, did, stored } = createFakeQueue({ data });
    expect(await work(run)).toMatchObject(delayed);
    expect(did).toEqual(["delay 4000"]);
    vi.setSystemTime(NOW + 4000);
    expect(await work(run)).toMatchObject({ name: "UnrecoverableError", cause: undefined });
    expect(stored.failedReason).toContain("A worker stopped while creating the task.");
    expect(posts()).toBe(0);
  });
});

describe("a poll", () => {
  it("of a task that failed fails the job at once, with the gateway's reason", async () => {
    const { run } = setUp({ failWith: "no face", polls: 1 });
    const { work } = createFakeQueue();
    await work(run);
    const error = { name: "UnrecoverableError", message: "no face" };
    expect(await work(run)).toMatchObject({ ...error, cause: { name: "TaskFailedError" } });
  });

  it.each([
    ["a 500", new Response("", { status: 500 }), 10_000],
    ["a reset", new Error("reset"), 10_000],
    ["a 429", new Response("", { status: 429, headers: { "retry-after": "40" } }), 40_000],
    ["a task that may be new", Response.json({ code: 1203 }, { status: 404 }), 10_000],
  ])("goes on after %s, without an attempt", async (_, answer, pauseMs) => {
    const { gateway, run } = setUp();
    const { work, did } = createFakeQueue({ data: noted });
    gateway.answerNext(answer);
    expect(await work(run)).toMatchObject(delayed);
    expect(did).toEqual([`delay ${pauseMs}`]);
  });

  it("that cannot help is BullMQ's to repeat: a task that is not new, a bad key", async () => {
    const { gateway, run } = setUp();
    const { work } = createFakeQueue({ data: noted });
    vi.setSystemTime(NOW + 120_000);
    expect(await work(run)).toMatchObject({ name: "ApiError", status: 404 });
    gateway.answerNext(new Response("", { status: 401 }));
    expect(await work(run)).toMatchObject({ name: "ApiError", status: 401 });
  });

  it("of a task that is not done in time fails the job, which waits as long again", async () => {
    const { gateway, run } = setUp({ polls: 9 });
    const { work, stored } = createFakeQueue();
    await work(run);
    vi.setSystemTime(NOW + 86_400_000);
    expect(await work(run)).toMatchObject(delayed);
    vi.setSystemTime(NOW + 86_400_001);
    const ended = await work(run);
    expect(ended).toMatchObject({ name: "UnrecoverableError", cause: { taskId: "task-1" } });
    expect((ended as Error).cause).toBeInstanceOf(TaskTimeoutError);
    expect(stored.data.task).toEqual({ claimedAt: NOW + 86_400_001, id: "task-1" });
    expect(await work(run)).toMatchObject(delayed);
    expect(gateway.tasks.size).toBe(1);
  });

  it("fails after the timeout also if the gateway never says how the task is", async () => {
    const { gateway, run } = setUp();
    const { work } = createFakeQueue({ data: noted });
    gateway.answerNext(...[1, 2].map(() => new Response("busy", { status: 503 })));
    expect(await work(run)).toMatchObject(delayed);
    vi.setSystemTime(NOW + 86_400_001);
    const cause = { taskId: "task-1", task: undefined, cause: { status: 503 } };
    expect(await work(run)).toMatchObject({ name: "UnrecoverableError", cause });
  });
});

it("says that the token is missing, and creates nothing", async () => {
  const { run, posts } = setUp();
  const { snapshot } = createFakeQueue();
  const message =
    "The token of the job is missing. Pass it on: (job, token) => processor(job, token).";
  await expect(run(snapshot())).rejects.toThrow(new ConfigurationError(message));
  await expect(run(snapshot(), "")).rejects.toThrow(message);
  expect(posts()).toBe(0);
});

describe.each(["intervalMs", "pauseMs", "graceMs", "lockMs", "timeoutMs"])(
  "the option %s",
  (name) => {
    const make = (value: number) => lipSyncProcessor(createLipSyncClient(), { [name]: value });

    it.each([-1, NaN])("rejects %s", (value) => {
      expect(() => make(value)).toThrow(
        new ConfigurationError(`The option ${name} must be a number >= 0, not ${value}.`),
      );
    });

    it.each([Infinity, 1e300])("rejects %s, which BullMQ cannot delay for", (value) => {
      expect(() => make(value)).toThrow(
        new ConfigurationError(
          `The option ${name} must be at most 31536000000 ms (a year), not ${value}.`,
        ),
      );
    });
  },
);

it("fits a Worker and a Queue of BullMQ without a cast", () => {
  const fits = async (queue: Queue<LipSyncRequest, SucceededLipSyncTask>, untypedQueue: Queue) => {
    const client = createLipSyncClient();
    const processor = lipSyncProcessor(client);
    const typed: Processor<LipSyncRequest, SucceededLipSyncTask> = processor;
    const untyped: Processor = processor;
    const job: Job<LipSyncRequest, SucceededLipSyncTask> | undefined = await queue.getJob("7");
    await settleLipSyncJob(untypedQueue, "7", { taskId: "task-1" });
    await settleLipSyncJob(queue, "7", { noTask: true });
    const task = await receiveLipSyncCallback(client, queue, "7", "{}");
    return [typed, untyped, job && isParked(job), task];
  };
  expectTypeOf(fits).returns.not.toBeAny();
});

it("does not compile without a word about what was found", () => {
  const compile = async (queue: Queue<LipSyncRequest>) => {
    // @ts-expect-error -- nothing was said
    await settleLipSyncJob(queue, "7");
    // @ts-expect-error -- a miss is not a word
    await settleLipSyncJob(queue, "7", undefined);
    // @ts-expect-error -- nothing was said
    await settleLipSyncJob(queue, "7", {});
    // @ts-expect-error -- a miss is not an id
    await settleLipSyncJob(queue, "7", { taskId: new Map<string, string>().get("7") });
  };
  expectTypeOf(compile).returns.resolves.toBeVoid();
});
