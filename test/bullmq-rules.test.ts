// The eight rules of src/bullmq/index.ts, each with what goes wrong without it.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  lipSyncProcessor,
  type LipSyncProcessorOptions,
  receiveLipSyncCallback,
  settleLipSyncJob,
} from "../src/bullmq/index.js";
import { createLipSyncClient } from "../src/index.js";
import { createFakeGateway } from "../src/testing.js";
import { createFakeQueue, type Step, type StoredJob } from "./fixtures/fake-queue.js";
import { request } from "./fixtures/request.js";

const NOW = Date.UTC(2026, 0, 1);
beforeEach(() => {
  vi.useFakeTimers({ now: NOW, toFake: ["Date", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

function setUp(options?: LipSyncProcessorOptions, job?: Partial<StoredJob>) {
  const gateway = createFakeGateway({ polls: 2 });
  const client = createLipSyncClient(gateway);
  const posts = () => gateway.received.filter(({ method }) => method === "POST").length;
  const fake = createFakeQueue(job);
  const run = lipSyncProcessor(client, options);
  const callback = (body: unknown) => receiveLipSyncCallback(client, fake.queue, "7", body);
  const settle = (found: { taskId: string } | { noTask: true }) =>
    settleLipSyncJob(fake.queue, "7", found);
  /** Another process with the same options. */
  const otherRun = lipSyncProcessor(client, options);
  return { ...fake, gateway, client, posts, run, otherRun, callback, settle };
}

/** Lets a create of the gateway make its task, and then fail. */
function loseResponse(gateway: ReturnType<typeof createFakeGateway>): void {
  const lost = new Response("<h1>Bad gateway</h1>", { status: 502 });
  gateway.answerNext(lost);
}

/** Creates a task outside of the job, as a create does whose response is lost. */
async function taskAtGateway(client: ReturnType<typeof createLipSyncClient>) {
  return (await client.create(request)).task_id;
}

function deferred() {
  let resolve = () => {};
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

const refusedConnection = () => Object.assign(new Error("no"), { syscall: "connect" });

const unrecoverable = { name: "UnrecoverableError" };
const delayed = { name: "DelayedError" };
const claim = { claim: "c-1", claimedAt: NOW };
const claimedJob = { data: { ...request, task: claim } };
const parkedJob = { ...claimedJob, state: "failed", finishedOn: NOW };

describe("rule 1: data is written only under a proven lock, or by a settle that has an id", () => {
  it.each([
    ["the claim", 1, []],
    ["the request", 2, ["data claim"]],
  ])("a lock lost before %s: nothing is created", async (_, proof, written) => {
    const { hooks, stored, work, run, did, posts } = setUp();
    let proofs = 0;
    hooks.before = (step) => {
      if (step === "lock" && ++proofs === proof) stored.lock = "another";
    };
    const message = "The lock of job 7 was lost to another worker.";
    expect(await work(run)).toMatchObject({ name: "Error", message });
    expect(did.filter((what) => what.startsWith("data"))).toEqual(written);
    expect(posts()).toBe(0);
  });

  it.each([
    ["taken back", Response.json({ code: 1303 }, { status: 429 })],
    ["given a reason", new Response("", { status: 500 })],
    ["given its id", undefined],
  ])("a lock lost before the claim is %s: the data stays", async (_, answer) => {
    const { gateway, hooks, stored, work, run, did } = setUp();
    if (answer) gateway.answerNext(answer);
    let proofs = 0;
    hooks.before = (step) => {
      if (step === "lock" && ++proofs === 3) stored.lock = "another";
    };
    expect(await work(run)).toBeInstanceOf(Error);
    expect(did.filter((what) => what.startsWith("data"))).toEqual(["data claim"]);
  });

  it.each([
    ["the id in the progress is taken over", { progress: { task_id: "task-1" } }],
    ["the time starts again", { data: { ...request, task: { claimedAt: 0, id: "task-1" } } }],
  ])("a lock lost before %s: the data stays", async (_, job) => {
    const { client, hooks, stored, work, run, did } = setUp({}, { ...claimedJob, ...job });
    await taskAtGateway(client);
    hooks.before = (step) => {
      if (step === "lock") stored.lock = "another";
    };
    expect(String(await work(run))).toContain("was lost to another worker");
    expect(did.filter((what) => what.startsWith("data"))).toEqual([]);
  });

  it("the second proof is over before the request is sent", async () => {
    const { hooks, work, run, posts } = setUp();
    const { promise: isProving, resolve: prove } = deferred();
    const { promise: isProved, resolve: proved } = deferred();
    let proofs = 0;
    hooks.before = async (step) => {
      if (step !== "lock" || ++proofs !== 2) return;
      prove();
      await isProved;
    };
    const working = work(run);
    await isProving;
    expect(posts()).toBe(0);
    proved();
    await working;
    expect(posts()).toBe(1);
  });

  it("a settle with an id leaves the data to a worker that has begun meanwhile", async () => {
    const { hooks, stored, did, settle } = setUp({}, parkedJob);
    hooks.before = (step) => {
      if (step === "progress") stored.state = "active";
    };
    await expect(settle({ taskId: "task-1" })).rejects.toThrow("Job 7 is active, not failed");
    expect(did).toEqual(["log Task task-1 was found.", "progress task-1"]);
  });
});

describe("rule 2: an id goes to the log, then the progress, then the data", () => {
  const afterCreate = (step: Step, value: unknown) =>
    step === "log" || (step === "data" && JSON.stringify(value).includes("task-1"));

  it("in this order", async () => {
    const { did, work, run } = setUp();
    await work(run);
    const at = (what: string) => did.indexOf(what);
    expect(at("log Task task-1 was created.")).toBeGreaterThan(0);
    expect(at("progress task-1")).toBeGreaterThan(at("log Task task-1 was created."));
    expect(at("data task-1")).toBeGreaterThan(at("progress task-1"));
  });

  it("so that a worker that wakes up late does not replace a newer id", async () => {
    const { hooks, stored, work, run, otherRun, settle } = setUp({ graceMs: 1000 });
    const { promise: isFrozen, resolve: freeze } = deferred();
    const { promise: isThawed, resolve: thaw } = deferred();
    hooks.before = async (step) => {
      if (step !== "log") return;
      hooks.before = () => undefined;
      freeze();
      await isThawed;
    };
    const late = work(run);
    await isFrozen;
    stored.lock = undefined;
    vi.advanceTimersByTime(1000);
    expect(await work(otherRun)).toMatchObject(unrecoverable);
    // A person says so although the create of a frozen worker is under way: a second task.
    await settle({ noTask: true });
    await work(otherRun);
    expect(stored.data.task).toMatchObject({ id: "task-2" });
    thaw();
    expect(await late).toMatchObject(unrecoverable);
    expect(stored.data.task).toMatchObject({ id: "task-2" });
    expect(stored.logs).toContain("Task task-1 was created.");
  });

  it.each([
    ["log", "log"],
    ["progress", "progress"],
    ["data", "data"],
    ["proof of the lock", "lock"],
  ])(
    "if the %s fails, the job cannot be retried, and its reason has the id",
    async (_, failing) => {
      const { hooks, stored, work, run, otherRun, posts } = setUp();
      let isCreated = false;
      hooks.before = (step, value) => {
        isCreated ||= afterCreate(step, value);
        if (isCreated && step === failing) throw new Error("Redis is gone");
      };
      expect(await work(run)).toMatchObject(unrecoverable);
      expect(stored.failedReason).toBe(
        'Task task-1 was created, but its id could not be stored in job 7. If the job fails, call settleLipSyncJob(queue, "7", { taskId: "task-1" }). Redis is gone',
      );
      hooks.before = () => undefined;
      vi.setSystemTime(NOW + 200_000);
      await work(otherRun);
      expect(posts()).toBe(1);
    },
  );

  const named = () =>
    Response.json({ message: "upstream is gone", task_id: "late-1" }, { status: 500 });

  it("an id in the response of a failed create is in the log, and in the reason with the gateway's words", async () => {
    const { gateway, stored, work, run, did } = setUp();
    gateway.answerNext(named());
    await work(run);
    expect(did).toContain("log Task late-1 was in the response of a failed create.");
    await work(run);
    expect(stored.failedReason).toContain("The response names task late-1.");
    expect(stored.failedReason).toContain("upstream is gone");
  });

  it("an id in the response of a failed create is in the reason if it cannot be in the log", async () => {
    const { gateway, hooks, stored, work, run } = setUp();
    gateway.answerNext(named());
    hooks.before = (step) => {
      if (step === "log") throw new Error("Redis is gone");
    };
    expect(await work(run)).toMatchObject(unrecoverable);
    expect(stored.failedReason).toContain("The response names task late-1.");
    expect(stored.failedReason).toContain("upstream is gone");
  });
});

describe("rule 3: a run creates only if nothing names a task and no claim stands", () => {
  it.each([
    ["the data names a task", { data: { ...request, task: { ...claim, id: "task-1" } } }],
    ["the progress names a task", { ...claimedJob, progress: { task_id: "task-1" } }],
    ["the progress names a task without a claim", { progress: { task_id: "task-1" } }],
    ["there is a claim", claimedJob],
    ["another claim is denied", { ...claimedJob, progress: { noTask: "c-0" } }],
    ["a claim without a name is not denied", { data: { ...request, task: { claimedAt: NOW } } }],
  ])("%s: no", async (_, job) => {
    const { client, posts, work, run } = setUp({}, job);
    await taskAtGateway(client);
    await work(run);
    expect(posts()).toBe(1);
  });

  it.each([
    ["there is no claim", {}],
    ["the claim is denied by its name", { ...claimedJob, progress: { noTask: "c-1" } }],
  ])("%s: yes", async (_, job) => {
    const { posts, work, run } = setUp({}, job);
    await work(run);
    expect(posts()).toBe(1);
  });

  it("takes over the task that progress names, under a proof", async () => {
    const job = { ...claimedJob, progress: { task_id: "task-1" } };
    const { client, work, run, did, stored } = setUp({}, job);
    await taskAtGateway(client);
    expect(await work(run)).toMatchObject(delayed);
    expect(did.slice(0, 2)).toEqual(["lock 30000", "data task-1"]);
    expect(stored.data.task).toEqual({ claimedAt: NOW, id: "task-1" });
  });

  it("a slow second { noTask: true } does not take away the claim of a working worker", async () => {
    const { hooks, work, run, otherRun, settle, posts, gateway, stored } = setUp({}, parkedJob);
    const { promise: isHeld, resolve: hold } = deferred();
    const { promise: isLetGo, resolve: letGo } = deferred();
    hooks.before = async (step) => {
      if (step !== "progress") return;
      hooks.before = () => undefined;
      hold();
      await isLetGo;
    };
    const slow = settle({ noTask: true });
    await isHeld;
    await settle({ noTask: true });
    // The worker creates, and dies before it can store anything.
    loseResponse(gateway);
    hooks.before = (step) => {
      if (step === "data" && posts() === 1) throw new Error("killed");
    };
    await work(run);
    hooks.before = () => undefined;
    letGo();
    await slow;
    await work(otherRun);
    expect(posts()).toBe(1);
    expect(stored.progress).toEqual({ noTask: "c-1" });
  });

  it("denies a claim by its own random name", async () => {
    const { gateway, stored, work, run, settle } = setUp();
    loseResponse(gateway);
    await work(run);
    await work(run);
    const first = stored.data.task?.claim;
    await settle({ noTask: true });
    expect(stored.data.task?.claim).toBe(first);
    expect(stored.progress).toEqual({ noTask: first });
    vi.advanceTimersByTime(10_000);
    // A clock that was set back: the same time is not the same claim.
    vi.setSystemTime(NOW);
    loseResponse(gateway);
    await work(run);
    expect(stored.data.task?.claim).not.toBe(first);
    expect(await work(run)).toMatchObject(unrecoverable);
  });
});

describe("rule 4: after an uncertain create, the next run looks for a callback and then parks", () => {
  it("keeps the reason under a proof, and delays by 0", async () => {
    const { gateway, stored, did, work, run } = setUp();
    loseResponse(gateway);
    expect(await work(run)).toMatchObject(delayed);
    expect(did.slice(-3)).toEqual(["lock 30000", "data reason", "delay 0"]);
    expect(stored.data.task).toMatchObject({ claimedAt: NOW });
    expect(stored.data.task?.reason).toContain("502");
    expect(await work(run)).toMatchObject(unrecoverable);
  });

  it("needs no person for a callback that came while the response was awaited", async () => {
    const { client, gateway, callback, work, stored, posts } = setUp();
    const id = await taskAtGateway(client);
    const run = lipSyncProcessor({
      ...client,
      async create() {
        // The callback cannot wait for the run: its job is active.
        vi.useRealTimers();
        const received = callback({ task_id: id, task_status: "submitted" });
        await vi.waitFor(() => {
          expect(stored.progress).toMatchObject({ task_id: id });
        });
        void received;
        throw new Error("reset");
      },
    });
    expect(await work(run)).toMatchObject(delayed);
    expect(await work(run)).toMatchObject({ task_id: id, task_status: "succeed" });
    expect(posts()).toBe(1);
    expect(gateway.tasks.size).toBe(1);
  });

  it("parks at once if the reason cannot be kept", async () => {
    const { gateway, hooks, stored, work, run } = setUp();
    loseResponse(gateway);
    let writes = 0;
    hooks.before = (step) => {
      if (step === "data" && ++writes === 2) throw new Error("Redis is gone");
    };
    expect(await work(run)).toMatchObject(unrecoverable);
    expect(stored.failedReason).toContain("502");
  });
});

describe("rule 5: { noTask: true } is refused if anything names a task", () => {
  const named = /^Job 7 has task task-1, so \{ noTask: true \} is refused\. Pass \{ taskId \}/;

  it.each([
    ["data", { data: { ...request, task: { ...claim, id: "task-1" } } }],
    ["progress", { progress: { task_id: "task-1" } }],
    ["log, by a create", { logs: ["Task task-1 was created."] }],
    ["log, by a person", { logs: ["Task task-1 was found.", "a row of somebody else"] }],
    ["log, by a callback", { logs: ["Task task-1 was in a callback."] }],
    ["log, by a response", { logs: ["Task task-1 was in the response of a failed create."] }],
  ])("in its %s", async (_, job) => {
    const { settle, did } = setUp({}, { ...parkedJob, ...job });
    await expect(settle({ noTask: true })).rejects.toThrow(named);
    expect(did).toEqual([]);
  });

  it("also if it is named just then, and the progress names it again", async () => {
    const { settle, stored, hooks, work, run, posts, client } = setUp({}, parkedJob);
    await taskAtGateway(client);
    hooks.before = (step) => {
      if (step === "progress") hooks.before = () => undefined;
      if (step === "progress") stored.logs.push("Task task-1 was in a callback.");
    };
    await expect(settle({ noTask: true })).rejects.toThrow(named);
    expect(stored).toMatchObject({ state: "failed", progress: { task_id: "task-1" } });
    await work(run);
    expect(posts()).toBe(1);
  });

  it.each([
    [{ noTask: true } as const, ["log No task exists for claim", "progress no task"]],
    [{ taskId: "t" }, ["log Task t was found.", "progress t", "data t"]],
  ])("%o is in the log before the job is retried, and can be repeated", async (found, written) => {
    const { settle, hooks, did } = setUp({}, parkedJob);
    hooks.before = (step) => {
      if (step === "retry") throw new Error("Redis is gone");
    };
    await expect(settle(found)).rejects.toThrow("Redis is gone");
    hooks.before = () => undefined;
    await settle(found);
    expect(did).toEqual([...written, ...written, "retry failed"]);
  });
});

describe("rule 6: a callback asks the gateway, writes log and progress, and wakes the job", () => {
  const hint = { task_id: "task-1", task_status: "succeed" };

  it.each([
    ["a parked job is retried", parkedJob, "retry failed"],
    ["a delayed job is promoted", { ...claimedJob, state: "delayed" }, "promote"],
  ])("%s", async (_, job, woken) => {
    const { client, callback, did, stored, gateway, work, run, posts } = setUp({}, job);
    await taskAtGateway(client);
    const task = await callback(hint);
    expect(gateway.received.at(-1)).toMatchObject({ method: "GET" });
    expect(task).toMatchObject({ task_id: "task-1", task_status: "processing" });
    expect(did).toEqual(["log Task task-1 was in a callback.", "progress task-1", woken]);
    expect(stored.data.task).toEqual(claim);
    expect(await work(run)).toMatchObject({ task_id: "task-1", task_status: "succeed" });
    expect(posts()).toBe(1);
  });

  it("never writes data, so that it does not take a claim from a working worker", async () => {
    const { client, callback, did } = setUp({}, { ...claimedJob, state: "waiting" });
    await taskAtGateway(client);
    await callback(hint);
    expect(did).toEqual(["log Task task-1 was in a callback.", "progress task-1"]);
  });

  it("looks again while a run that has read the older progress is about to park", async () => {
    vi.useRealTimers();
    const { client, callback, stored, did } = setUp({}, { ...claimedJob, state: "active" });
    await taskAtGateway(client);
    const received = callback(hint);
    await vi.waitFor(() => {
      expect(did).toContain("progress task-1");
    });
    Object.assign(stored, { state: "failed", finishedOn: NOW });
    await received;
    expect(did).toEqual(["log Task task-1 was in a callback.", "progress task-1", "retry failed"]);
  });

  it("looks again where another callback has woken the job just then", async () => {
    vi.useRealTimers();
    const { client, callback, stored, did, hooks } = setUp({}, parkedJob);
    await taskAtGateway(client);
    hooks.before = (step) => {
      if (step === "retry") stored.state = "waiting";
    };
    await callback(hint);
    expect(did.slice(0, 2)).toEqual(["log Task task-1 was in a callback.", "progress task-1"]);
    expect(stored.state).toBe("waiting");
  });

  it("gives up on a busy worker after 2 s, and says what fails for as long", async () => {
    vi.useFakeTimers({ now: NOW });
    const { client, callback, hooks, stored } = setUp({}, { ...claimedJob, state: "active" });
    await taskAtGateway(client);
    const busy = callback(hint);
    await vi.advanceTimersByTimeAsync(2100);
    expect(await busy).toMatchObject({ task_id: "task-1" });
    stored.state = "failed";
    hooks.before = (step) => {
      if (step === "retry") throw new Error("Redis is gone");
    };
    const failing = expect(callback(hint)).rejects.toThrow("Redis is gone");
    await vi.advanceTimersByTimeAsync(2100);
    await failing;
  });

  it("writes the id again if a person has just denied the claim", async () => {
    vi.useRealTimers();
    const { client, callback, stored, hooks, work, run, posts } = setUp({}, parkedJob);
    await taskAtGateway(client);
    hooks.before = (step) => {
      if (step !== "retry") return;
      hooks.before = () => undefined;
      stored.progress = { noTask: "c-1" };
      throw new Error("Job 7 is not in the failed state.");
    };
    await callback(hint);
    expect(stored.progress).toMatchObject({ task_id: "task-1" });
    await work(run);
    expect(posts()).toBe(1);
  });

  it.each([
    ["no claim", {}, "Job 7 has created no task, and the callback is about task task-1."],
    [
      "another id in its data",
      { data: { ...request, task: { ...claim, id: "task-9" } } },
      "Job 7 has task task-9, and the callback is about task task-1.",
    ],
    [
      "another id in its progress",
      { ...claimedJob, progress: { task_id: "task-9" } },
      "Job 7 has task task-9, and the callback is about task task-1.",
    ],
  ])("refuses one for a job with %s", async (_, job, message) => {
    const { client, callback, did } = setUp({}, job);
    await taskAtGateway(client);
    const error = { name: "InvalidRequestError", field: "task_id", message };
    await expect(callback(hint)).rejects.toMatchObject(error);
    expect(did).toEqual([]);
  });

  it("refuses one for a task that the gateway does not have", async () => {
    const { callback, did } = setUp({}, parkedJob);
    await expect(callback(hint)).rejects.toMatchObject({ name: "ApiError", status: 404 });
    expect(did).toEqual([]);
  });

  it("repeated, late or five at once, it changes nothing more", async () => {
    vi.useRealTimers();
    const { client, callback, did, stored, work, run, posts } = setUp({}, parkedJob);
    await taskAtGateway(client);
    await Promise.all([1, 2, 3, 4, 5].map(() => callback(hint)));
    expect(did.filter((what) => what === "retry failed")).toHaveLength(1);
    expect(await work(run)).toMatchObject({ task_status: "succeed" });
    const before = structuredClone(stored);
    await callback(hint);
    expect(stored).toEqual(before);
    expect(posts()).toBe(1);
  });

  it("promotes a job whose task is done, and leaves alone one whose task is not", async () => {
    const data = { ...request, task: { ...claim, id: "task-1" } };
    const { client, callback, did } = setUp({}, { data, state: "delayed" });
    await taskAtGateway(client);
    await callback({ ...hint, task_status: "processing" });
    expect(did).toEqual([]);
    await callback(hint);
    expect(did).toEqual(["promote"]);
  });
});

describe("rule 7: a failed job is never deleted", () => {
  const deleting = [true, 0, 5, { count: 0 }, { count: 5 }, { age: 3600 }, { count: -1, age: 9 }];

  it.each(deleting)("a new job with removeOnFail %o is refused and kept", async (removeOnFail) => {
    const { work, run, stored, posts } = setUp({}, { opts: { removeOnFail } });
    expect(await work(run)).toMatchObject(unrecoverable);
    expect(stored).toMatchObject({ isDeleted: false, state: "failed" });
    expect(stored.failedReason).toBe(
      "Job 7 has the option removeOnFail, which could delete a job whose task is paid, and a new job with its id would pay again. It has no task: remove the job, and add it again without the option, also in the defaultJobOptions of its queue.",
    );
    expect(posts()).toBe(0);
  });

  it.each([undefined, null, false, -1, { count: -1 }, {}])("%o is fine", async (removeOnFail) => {
    const { work, run, posts } = setUp({}, { opts: { removeOnFail } });
    await work(run);
    expect(posts()).toBe(1);
  });

  it.each(deleting)("a claimed job with removeOnFail %o goes on and is kept", async (option) => {
    const job = { ...claimedJob, opts: { removeOnFail: option } };
    const { work, run, stored } = setUp({}, job);
    vi.setSystemTime(NOW + 120_000);
    expect(await work(run)).toMatchObject(unrecoverable);
    expect(stored).toMatchObject({ isDeleted: false, state: "failed" });
    expect(stored.failedReason).toContain("A task may exist");
  });

  it("a job without the option is kept from the worker's own", async () => {
    const { run, snapshot } = setUp();
    const job = snapshot();
    await run(job).catch(() => undefined);
    expect(job.opts).toEqual({ removeOnFail: false });
  });
});

describe("rule 8: a bad minute stays small, and no time is absurd", () => {
  const account = () => Response.json({ code: 1102, message: "used up" }, { status: 429 });

  it.each([
    ["an uncertain create", () => new Response("", { status: 502 })],
    ["an error of the account", account],
  ])("after %s, this process creates nothing for pauseMs, and polls go on", async (_, answer) => {
    const { gateway, work, run, posts } = setUp({ pauseMs: 30_000 });
    const polled = createFakeQueue();
    await polled.work(run);
    gateway.answerNext(answer());
    await work(run);
    const next = createFakeQueue();
    vi.advanceTimersByTime(29_000);
    expect(await next.work(run)).toMatchObject(delayed);
    expect(next.did).toEqual(["delay 1000"]);
    expect(posts()).toBe(2);
    await polled.work(run);
    expect(gateway.received.at(-1)).toMatchObject({ method: "GET" });
    vi.advanceTimersByTime(1000);
    await next.work(run);
    expect(posts()).toBe(3);
  });

  it("the pause is not measured by a clock that can be set", async () => {
    const { gateway, work, run, posts } = setUp();
    gateway.answerNext(account());
    await work(run);
    const next = createFakeQueue();
    vi.setSystemTime(NOW + 3_600_000);
    await next.work(run);
    expect(posts()).toBe(1);
    vi.setSystemTime(NOW - 3_600_000);
    vi.advanceTimersByTime(10_000);
    await next.work(run);
    expect(posts()).toBe(2);
  });

  it.each([
    ["a Retry-After until 2082", {}, "1764000000"],
    ["a pauseMs of a day", { pauseMs: 86_400_000 }, undefined],
  ])("%s pauses creates for 10 minutes", async (_, options, retryAfter) => {
    const { gateway, work, run, did } = setUp(options);
    const headers = retryAfter === undefined ? {} : { "retry-after": retryAfter };
    gateway.answerNext(Response.json({ code: 1303 }, { status: 429, headers }));
    await work(run);
    expect(did.at(-1)).toBe("delay 600000");
  });

  it("a shorter pause does not end a longer one", async () => {
    const { gateway, work, run, did } = setUp();
    const headers = { "retry-after": "300" };
    let answer: (response: Response) => void = () => undefined;
    gateway.answerNext(
      new Promise<Response>((resolve) => {
        answer = resolve;
      }),
      Response.json({ code: 1303 }, { status: 429, headers }),
    );
    const other = createFakeQueue();
    const first = work(run);
    await vi.waitFor(() => {
      expect(gateway.received).toHaveLength(1);
    });
    await other.work(run);
    answer(Response.json({ code: 1303 }, { status: 429 }));
    await first;
    expect(did.at(-1)).toMatch(/^delay (?:299|300)\d{3}$/);
  });

  it("a longer Retry-After of an uncertain create is respected, and a shorter one is not", async () => {
    for (const [retryAfter, pauseMs] of [
      ["60", 60_000],
      ["0", 10_000],
    ] as const) {
      const { gateway, work, run } = setUp();
      gateway.answerNext(new Response("", { status: 503, headers: { "retry-after": retryAfter } }));
      await work(run);
      const next = createFakeQueue();
      await next.work(run);
      expect(next.did).toEqual([`delay ${pauseMs}`]);
    }
  });

  it("a Retry-After of 0 does not turn a refusal into a loop", async () => {
    const { gateway, work, run, did } = setUp();
    const headers = { "retry-after": "0" };
    gateway.answerNext(Response.json({ code: 1303 }, { status: 429, headers }));
    await work(run);
    expect(did.at(-1)).toBe("delay 10000");
  });

  it("after an uncertain create and its pause, one create at a time asks how the gateway is", async () => {
    const { gateway, work, run, posts } = setUp();
    loseResponse(gateway);
    await work(run);
    vi.advanceTimersByTime(10_000);
    let answer: (error: Error) => void = () => undefined;
    gateway.answerNext(
      new Promise<Error>((resolve) => {
        answer = resolve;
      }),
    );
    const [probe, other] = [createFakeQueue(), createFakeQueue()];
    const probing = probe.work(run);
    await other.work(run);
    expect(other.did).toEqual(["delay 10000"]);
    await vi.waitFor(() => {
      expect(posts()).toBe(2);
    });
    // A connection that was never made says nothing about the gateway.
    answer(refusedConnection());
    await probing;
    vi.advanceTimersByTime(10_000);
    await Promise.all([probe.work(run), other.work(run)]);
    expect(posts()).toBe(3);
    // That one was accepted.
    await Promise.all([other.work(run), createFakeQueue().work(run)]);
    expect(posts()).toBe(5);
  });

  it("also after a refusal, creates go side by side again", async () => {
    const { gateway, work, run, posts } = setUp();
    loseResponse(gateway);
    await work(run);
    vi.advanceTimersByTime(10_000);
    gateway.answerNext(Response.json({ code: 1201 }, { status: 400 }));
    await createFakeQueue().work(run);
    await Promise.all([createFakeQueue().work(run), createFakeQueue().work(run)]);
    expect(posts()).toBe(4);
  });

  it("a minute of 502 parks the jobs that were being created, and one for each pause", async () => {
    const { gateway } = setUp();
    const fetch = () => Promise.resolve(new Response("", { status: 502 }));
    const run = lipSyncProcessor(createLipSyncClient({ ...gateway, fetch }));
    const slots = 20;
    const jobs = Array.from({ length: 200 }, () => createFakeQueue());
    for (let second = 0; second < 60; second++) {
      const open = jobs.filter(({ stored }) => stored.state !== "failed");
      await Promise.all(open.slice(0, slots).map(({ work }) => work(run)));
      vi.advanceTimersByTime(1000);
    }
    const uncertain = jobs.filter(({ stored }) => stored.data.task?.reason !== undefined);
    expect(uncertain.length).toBeGreaterThan(slots);
    expect(uncertain.length).toBeLessThanOrEqual(slots + 6);
  });

  it("a Retry-After of a poll delays it by at most a minute", async () => {
    const data = { ...request, task: { ...claim, id: "task-1" } };
    const { gateway, work, run, did } = setUp({}, { data });
    const headers = { "retry-after": "3600" };
    gateway.answerNext(new Response("busy", { status: 503, headers }));
    await work(run);
    expect(did).toEqual(["delay 60000"]);
  });

  it.each([
    ["is in the future by an hour", { claimedAt: NOW + 3_600_000 }],
    ["has no time", {}],
    ["has a text as its time", { claimedAt: "soon" }],
    ["has its time as a text", { claimedAt: String(NOW) }],
    ["is not an object", "soon"],
    ["is null", null],
    ["has a number as its id", { claimedAt: 0, id: 7 }],
  ])("a claim that %s parks the job, and { noTask: true } settles it", async (_, task) => {
    const data = { ...request, task } as StoredJob["data"];
    const { work, run, stored, settle, posts } = setUp({}, { data });
    expect(await work(run)).toMatchObject(unrecoverable);
    expect(stored.failedReason).toContain("A worker stopped while creating the task.");
    await settle({ noTask: true });
    await work(run);
    expect(posts()).toBe(1);
    expect(stored.data.task).toMatchObject({ id: "task-1" });
  });

  it.each([
    ["within the grace time in the future", NOW + 60_000, 120_000],
    ["just made", NOW, 120_000],
    ["a minute old", NOW - 60_000, 60_000],
  ])("a claim that is %s is waited for, at most for graceMs", async (_, claimedAt, delayMs) => {
    const { work, run, did } = setUp({}, { data: { ...request, task: { claimedAt } } });
    expect(await work(run)).toMatchObject(delayed);
    expect(did).toEqual([`delay ${delayMs}`]);
  });

  it.each([
    ["in the future", NOW + 3_600_000],
    ["missing", undefined],
    ["a text", "soon"],
    ["a number as a text", String(NOW)],
  ])("a task whose time is %s is polled, and its time starts now", async (_, claimedAt) => {
    const data = { ...request, task: { claimedAt, id: "task-1" } } as StoredJob["data"];
    const { client, work, run, stored, did } = setUp({}, { data });
    await taskAtGateway(client);
    expect(await work(run)).toMatchObject(delayed);
    expect(did.at(-1)).toBe("delay 10000");
    expect(stored.data.task).toEqual({ claimedAt: NOW, id: "task-1" });
  });

  it("a clock that steps by an hour creates nothing twice", async () => {
    const { gateway, work, run, posts } = setUp();
    loseResponse(gateway);
    await work(run);
    for (const step of [3_600_000, -3_600_000, 7_200_000]) {
      vi.setSystemTime(NOW + step);
      await work(run);
    }
    expect(posts()).toBe(1);
  });
});
