import type { Job, Processor } from "bullmq";
import { afterEach, beforeEach, describe, expect, expectTypeOf, it, vi } from "vitest";
import {
  lipSyncProcessor,
  type LipSyncJob,
  type LipSyncJobData,
  type LipSyncProcessorOptions,
  settleLipSyncJob,
} from "../src/bullmq.js";
import {
  ConfigurationError,
  createLipSyncClient,
  type LipSyncClient,
  type LipSyncClientOptions,
  type LipSyncRequest,
  type SucceededLipSyncTask,
  TaskTimeoutError,
} from "../src/index.js";
import { createFakeGateway, type FakeGatewayOptions } from "../src/testing.js";
import { request } from "./fixtures/request.js";

const NOW = Date.UTC(2026, 0, 1);
beforeEach(() => {
  vi.useFakeTimers({ now: NOW, toFake: ["Date"] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** A job as BullMQ has it, and what was done with it. */
function fakeJob(data: LipSyncJobData = request) {
  const did: string[] = [];
  const locks: number[] = [];
  const state = { isFailed: true };
  const job = {
    id: "7",
    data,
    progress: 0 as unknown,
    extendLock: vi.fn((token: string, durationMs: number) => {
      did.push(`lock ${token} ${durationMs}`);
      return Promise.resolve(locks.shift() ?? 1);
    }),
    updateData(data: LipSyncJobData) {
      did.push(`note ${JSON.stringify(data.task)}`);
      this.data = data;
      return Promise.resolve();
    },
    updateProgress(progress: object) {
      did.push(`progress ${(progress as { task_status: string }).task_status}`);
      this.progress = progress;
      return Promise.resolve();
    },
    log(row: string) {
      did.push(row);
      return Promise.resolve(1);
    },
    moveToDelayed(timestamp: number, token?: string) {
      did.push(`delay ${token} ${timestamp - Date.now()}`);
      return Promise.resolve();
    },
    isFailed: () => Promise.resolve(state.isFailed),
    retry(state?: string) {
      did.push(`retry ${state}`);
      return Promise.resolve();
    },
  } satisfies LipSyncJob;
  return { job, did, locks, state };
}

interface Given extends FakeGatewayOptions {
  client?: LipSyncClientOptions;
  processor?: LipSyncProcessorOptions;
}

function setUp({ client, processor, ...options }: Given = {}) {
  const gateway = createFakeGateway(options);
  const run = lipSyncProcessor(createLipSyncClient({ ...gateway, ...client }), processor);
  /** How one run of a job ends: what it resolves with, or the error. */
  const process = (job: LipSyncJob) =>
    run(job, "token").then(
      (task) => task as unknown,
      (error: unknown) => error,
    );
  const posts = () => gateway.received.filter(({ method }) => method === "POST").length;
  return { gateway, process, posts };
}

const delayed = { name: "DelayedError", message: "DelayedError" };
const claim = `note {"claimedAt":${NOW}}`;
const claimed = ["lock token 30000", claim, "lock token 30000"];
const noted = { ...request, task: { claimedAt: NOW, id: "task-1" } };

describe("a job", () => {
  it("is claimed between two proofs of its lock, created, noted and delayed", async () => {
    const { gateway, process } = setUp();
    const { job, did } = fakeJob();
    expect(await process(job)).toMatchObject(delayed);
    const note = `note {"claimedAt":${NOW},"id":"task-1"}`;
    const after = ["Task task-1 was created.", "progress submitted", "delay token 10000"];
    expect(did).toEqual([...claimed, note, ...after]);
    expect(gateway.received).toMatchObject([{ method: "POST", body: request }]);
  });

  it("may have its audio in Base64, which is sent as it is and stays in the data", async () => {
    const sound = {
      mode: "audio2video",
      audio_type: "file",
      audio_file: "A".repeat(4096),
    } as const;
    const given = { input: { video_id: "v", ...sound } };
    const { gateway, process } = setUp();
    const { job } = fakeJob(given);
    await process(job);
    expect(gateway.received).toMatchObject([{ body: given }]);
    expect(job.data.input).toEqual(given.input);
  });

  it("is polled until its task has a video, which is its result", async () => {
    const { process, posts } = setUp();
    const { job, did } = fakeJob();
    await process(job);
    did.length = 0;
    expect(await process(job)).toMatchObject(delayed);
    expect(did).toEqual(["progress processing", "delay token 10000"]);
    expect(await process(job)).toMatchObject({ task_id: "task-1", task_status: "succeed" });
    expect(posts()).toBe(1);
  });

  it("tells its progress only where the status has changed, and heeds its own times", async () => {
    const processor = { intervalMs: 0.4, lockMs: 5000 };
    const { process } = setUp({ polls: 4, processor });
    const { job, did } = fakeJob();
    for (let run = 0; run < 3; run++) await process(job);
    expect(did.filter((what) => what.startsWith("progress"))).toHaveLength(2);
    expect(did).toContain("lock token 5000");
    expect(did.filter((what) => what === "delay token 1")).toHaveLength(3);
  });

  it.each([
    ["before the claim", [0], claimed.slice(0, 1)],
    ["between the claim and the create", [1, 0], claimed],
  ])("whose lock is lost %s creates nothing", async (_, answers, done) => {
    const { process, posts } = setUp();
    const { job, did, locks } = fakeJob();
    locks.push(...answers);
    expect(String(await process(job))).toBe("Error: The lock of job 7 was lost to another worker.");
    expect(posts()).toBe(0);
    expect(did).toEqual(done);
  });

  it("is not created before its lock is proved the second time", async () => {
    const client = createLipSyncClient(createFakeGateway());
    const create = vi.fn<LipSyncClient["create"]>((given) => client.create(given));
    const run = lipSyncProcessor({ ...client, create });
    const { job } = fakeJob();
    let prove: (answer: number) => void = () => undefined;
    const secondProof = new Promise<number>((resolve) => {
      prove = resolve;
    });
    job.extendLock.mockResolvedValueOnce(1).mockReturnValueOnce(secondProof);
    const processed = run(job, "token");
    await vi.waitFor(() => {
      expect(job.extendLock).toHaveBeenCalledTimes(2);
    });
    expect(create).not.toHaveBeenCalled();
    prove(1);
    await expect(processed).rejects.toMatchObject(delayed);
    expect(create).toHaveBeenCalledOnce();
  });

  it("without a token asks with none", async () => {
    const { job } = fakeJob();
    const run = lipSyncProcessor(createLipSyncClient(createFakeGateway()));
    await run(job).catch(() => undefined);
    expect(job.extendLock).toHaveBeenCalledWith("", 30_000);
  });
});

describe("a create that certainly made no task", () => {
  const refusal = (status: number, code?: number, headers?: HeadersInit) =>
    new Response(JSON.stringify({ code, message: "no" }), { status, ...(headers && { headers }) });

  it.each([
    ["400", refusal(400, 1201), { name: "ApiError", code: 1201 }],
    ["an account in arrears", refusal(429, 1101), { name: "ApiError", code: 1101 }],
    [
      "a refused connection",
      Object.assign(new Error("no"), { syscall: "connect" }),
      { name: "ConnectionError" },
    ],
  ])("because of %s is released, and BullMQ's attempts count", async (_, answer, error) => {
    const { gateway, process, posts } = setUp();
    const { job, did } = fakeJob();
    gateway.answerNext(answer);
    expect(await process(job)).toMatchObject({ ...error, mayHaveCreatedTask: false });
    expect(did).toEqual([...claimed, "lock token 30000", "note undefined"]);
    expect(job.data).toEqual(request);
    expect(posts()).toBe(1);
  });

  it("because of an option, or of a key function that says so, is released, too", async () => {
    const boom = new ConfigurationError("no key today");
    const { process } = setUp({ client: { apiKey: () => Promise.reject(boom) } });
    const { job } = fakeJob();
    expect(await process(job)).toBe(boom);
    expect(job.data).toEqual(request);
    vi.stubEnv("KLING_API_KEY", undefined);
    const none = setUp({ client: { apiKey: undefined } });
    expect(await none.process(job)).toBeInstanceOf(ConfigurationError);
    expect(job.data).toEqual(request);
    vi.unstubAllEnvs();
  });

  it("because the request is invalid fails at once", async () => {
    const { process } = setUp();
    const { job } = fakeJob({ input: { ...request.input, text: "" } });
    const error = { name: "UnrecoverableError", message: "input.text is missing." };
    expect(await process(job)).toMatchObject({ ...error, cause: { field: "input.text" } });
    expect(job.data).not.toHaveProperty("task");
  });

  it.each([
    ["1303", refusal(429, 1303), 10_000],
    ["1302 in a 200", refusal(200, 1302), 10_000],
    ["a bare 429", refusal(429), 10_000],
    ["1303 with a Retry-After", refusal(429, 1303, { "retry-after": "120" }), 120_000],
  ])("because of %s delays creates, not polls", async (_, answer, pauseMs) => {
    const { gateway, process, posts } = setUp();
    const polled = fakeJob();
    await process(polled.job);
    const { job, did } = fakeJob();
    gateway.answerNext(answer);
    expect(await process(job)).toMatchObject(delayed);
    expect(did.slice(-2)).toEqual(["note undefined", `delay token ${pauseMs}`]);
    did.length = 0;
    vi.setSystemTime(NOW + 4000);
    expect(await process(job)).toMatchObject(delayed);
    expect(did).toEqual([`delay token ${pauseMs - 4000}`]);
    expect(posts()).toBe(2);
    expect(await process(polled.job)).toMatchObject(delayed);
    expect(polled.did.at(-1)).toBe("delay token 10000");
    vi.setSystemTime(NOW + pauseMs);
    await process(job);
    expect(job.data).toMatchObject({ task: { id: "task-2" } });
  });

  it("keeps its claim where the lock is lost meanwhile", async () => {
    const { gateway, process } = setUp();
    const { job, locks } = fakeJob();
    gateway.answerNext(refusal(429, 1303));
    locks.push(1, 1, 0);
    expect(String(await process(job))).toContain("The lock of job 7 was lost");
    expect(job.data).toEqual({ ...request, task: { claimedAt: NOW } });
  });
});

describe("a create that may have made a task", () => {
  const named = Response.json({ task_id: "late-1" }, { status: 500 });

  it.each([
    ["a reset", new Error("reset"), "taskId", "got no complete response: reset"],
    ["a 500", new Response("", { status: 500 }), "taskId", "returned 500"],
    ["a 500 that names it", named, '"late-1"', "returned 500"],
  ])("parks the job: %s", async (_, answer, id, why) => {
    const { gateway, process, posts } = setUp();
    const { job, did } = fakeJob();
    gateway.answerNext(answer);
    const error = (await process(job)) as Error;
    expect(error).toMatchObject({
      name: "UnrecoverableError",
      cause: { mayHaveCreatedTask: true },
    });
    expect(error.message).toMatch(/^A task may exist, so it is not created again\. /);
    const code = `const job = await queue.getJob("7"); if (job) await settleLipSyncJob(job, ${id});`;
    expect(error.message).toContain(code);
    expect(error.message).toContain("if there is no task, pass undefined as its id");
    expect(error.message).toContain(why);
    expect(did).toEqual(claimed);
    // Retrying it without settling creates nothing.
    vi.setSystemTime(NOW + 120_000);
    expect(String(await process(job))).toContain("UnrecoverableError: A task may exist");
    expect(posts()).toBe(1);
  });

  it.each([
    ["an error that is not the library's", new Error("vault down"), "vault down"],
    ["no error at all", undefined, "A worker stopped"],
    ["an error of another copy", { message: "reset", mayHaveCreatedTask: true }, "reset"],
  ])("may have, for all that is known, where it throws %s", async (_, thrown, why) => {
    const client = createLipSyncClient(createFakeGateway());
    const run = lipSyncProcessor({ ...client, create: () => Promise.reject(thrown) });
    const { job } = fakeJob();
    const error: unknown = await run(job, "token").catch((error: unknown) => error);
    expect(error).toMatchObject({ name: "UnrecoverableError", cause: thrown });
    expect(String(error)).toContain(why);
    expect(job.data).toEqual({ ...request, task: { claimedAt: NOW } });
  });

  it("is looked at again after the grace time where a worker stopped, and then parked", async () => {
    const { process, posts } = setUp({ processor: { graceMs: 5000 } });
    const { job, did } = fakeJob({ ...request, task: { claimedAt: NOW - 1000 } });
    expect(await process(job)).toMatchObject(delayed);
    expect(did).toEqual(["delay token 4000"]);
    vi.setSystemTime(NOW + 4000);
    const parked = { name: "UnrecoverableError", cause: undefined };
    expect(await process(job)).toMatchObject(parked);
    expect(posts()).toBe(0);
  });
});

describe("a poll", () => {
  it("of a task that failed fails the job at once, with the gateway's reason", async () => {
    const { process } = setUp({ failWith: "no face", polls: 1 });
    const { job } = fakeJob();
    await process(job);
    const error = { name: "UnrecoverableError", message: "no face" };
    expect(await process(job)).toMatchObject({ ...error, cause: { name: "TaskFailedError" } });
  });

  it.each([
    ["a 500", new Response("", { status: 500 }), 10_000],
    ["a reset", new Error("reset"), 10_000],
    ["a 429", new Response("", { status: 429, headers: { "retry-after": "70" } }), 70_000],
    ["a task that may be new", Response.json({ code: 1203 }, { status: 404 }), 10_000],
  ])("goes on after %s, without an attempt", async (_, answer, pauseMs) => {
    const { gateway, process } = setUp();
    const { job, did } = fakeJob(noted);
    gateway.answerNext(answer);
    expect(await process(job)).toMatchObject(delayed);
    expect(did).toEqual([`delay token ${pauseMs}`]);
  });

  it("that cannot help is BullMQ's to repeat: a task that is not new, a bad key", async () => {
    const { gateway, process } = setUp();
    const { job } = fakeJob(noted);
    vi.setSystemTime(NOW + 120_000);
    expect(await process(job)).toMatchObject({ name: "ApiError", status: 404 });
    gateway.answerNext(new Response("", { status: 401 }));
    expect(await process(job)).toMatchObject({ name: "ApiError", status: 401 });
  });

  it("of a task that is not done in time fails the job, and the note stays", async () => {
    const { gateway, process } = setUp({ polls: 9 });
    const { job } = fakeJob();
    await process(job);
    vi.setSystemTime(NOW + 86_400_000);
    expect(await process(job)).toMatchObject(delayed);
    vi.setSystemTime(NOW + 86_400_001);
    const error = { name: "UnrecoverableError", cause: { taskId: "task-1" } };
    const ended = await process(job);
    expect(ended).toMatchObject(error);
    expect((ended as Error).cause).toBeInstanceOf(TaskTimeoutError);
    // Retried, it waits for as long again.
    const task = { claimedAt: NOW + 86_400_001, id: "task-1" };
    expect(job.data).toEqual({ ...request, task });
    expect(await process(job)).toMatchObject(delayed);
    expect(gateway.tasks.size).toBe(1);
  });

  it("fails after the timeout also if the gateway never says how the task is", async () => {
    const { gateway, process } = setUp();
    const { job } = fakeJob({ ...request, task: { claimedAt: NOW, id: "task-1" } });
    gateway.answerNext(...[1, 2].map(() => new Response("busy", { status: 503 })));
    expect(await process(job)).toMatchObject(delayed);
    vi.setSystemTime(NOW + 86_400_001);
    const cause = { taskId: "task-1", task: undefined, cause: { status: 503 } };
    expect(await process(job)).toMatchObject({ name: "UnrecoverableError", cause });
  });
});

describe("a job that goes wrong", () => {
  it("is polled when its timeout is over, however long a Retry-After is", async () => {
    const { gateway, process } = setUp();
    const { job, did } = fakeJob({ ...request, task: { claimedAt: NOW, id: "task-1" } });
    const headers = { "retry-after": "9999999" };
    gateway.answerNext(new Response("busy", { status: 503, headers }));
    expect(await process(job)).toMatchObject(delayed);
    expect(did).toEqual(["delay token 86400001"]);
  });

  it("names its task if the id cannot be stored", async () => {
    const { process } = setUp();
    const { job } = fakeJob();
    const lost = new Error("Redis is gone");
    const store = job.updateData.bind(job);
    job.updateData = (data) => (data.task?.id ? Promise.reject(lost) : store(data));
    const message = "Job 7 has task task-1, which is not stored.";
    expect(await process(job)).toMatchObject({ message, cause: lost });
  });
});

describe("settleLipSyncJob", () => {
  it("gives a job its task, which is then polled and not created", async () => {
    const { gateway, process, posts } = setUp();
    await process(fakeJob().job);
    const { job, did } = fakeJob({ ...request, task: { claimedAt: NOW - 5 } });
    await settleLipSyncJob(job, "task-1");
    const note = `note {"claimedAt":${NOW},"id":"task-1"}`;
    expect(did).toEqual([note, "Task task-1 was found.", "retry failed"]);
    await process(job);
    expect(posts()).toBe(1);
    expect(gateway.received.at(-1)?.path).toContain("/task-1");
  });

  it("takes the claim away where there is no task, so that the job creates one", async () => {
    const { process, posts } = setUp();
    const { job, did } = fakeJob({ ...request, task: { claimedAt: NOW } });
    await settleLipSyncJob(job, undefined);
    expect(did).toEqual(["note undefined", "No task exists.", "retry failed"]);
    await process(job);
    expect(posts()).toBe(1);
  });

  it("refuses to say that there is no task where the job has one; another id is fine", async () => {
    const { job, did } = fakeJob(noted);
    const message = "Job 7 already has task task-1; for another task, add another job.";
    await expect(settleLipSyncJob(job, undefined)).rejects.toThrow(message);
    expect(did).toEqual([]);
    await settleLipSyncJob(job, "task-9");
    expect(job.data.task).toEqual({ claimedAt: NOW, id: "task-9" });
  });

  it("refuses an id that cannot be one, and a job that is not failed; nothing changes", async () => {
    const { job, did, state } = fakeJob();
    const bad = { name: "InvalidRequestError", field: "taskId" };
    await expect(settleLipSyncJob(job, " ")).rejects.toMatchObject(bad);
    state.isFailed = false;
    const message = "Job 7 has not failed; it cannot be settled.";
    await expect(settleLipSyncJob(job, "t")).rejects.toThrow(message);
    expect(did).toEqual([]);
  });
});

it("refuses an option that cannot work", () => {
  const client = createLipSyncClient();
  const names = ["intervalMs", "pauseMs", "graceMs", "lockMs", "timeoutMs"];
  for (const name of names) {
    const make = () => lipSyncProcessor(client, { [name]: -1 });
    expect(make).toThrow(
      new ConfigurationError(`The option ${name} must be a number >= 0, not -1.`),
    );
  }
});

it("fits a Worker and a Queue of BullMQ without a cast", () => {
  const fits = (job: Job<LipSyncRequest, SucceededLipSyncTask>) => {
    const processor = lipSyncProcessor(createLipSyncClient());
    const typed: Processor<LipSyncRequest, SucceededLipSyncTask> = processor;
    const untyped: Processor = processor;
    return [typed, untyped, settleLipSyncJob(job, "task-1")];
  };
  expectTypeOf(fits).returns.not.toBeAny();
});
