// What the processor takes for granted about BullMQ, with a real Redis and each version: what a failed
// job keeps, what a retry and a promotion do, what is in the log.
import { beforeAll, describe, expect, it, type TestContext } from "vitest";
import type { WorkerOptions } from "bullmq";
import {
  isParked,
  lipSyncProcessor,
  type LipSyncProcessorOptions,
  receiveLipSyncCallback,
  settleLipSyncJob,
} from "../../src/bullmq/index.js";
import { createLipSyncClient } from "../../src/index.js";
import { BULLMQ_VERSIONS, installBullMq } from "../fixtures/bullmq.js";
import { temporaryFolders } from "../fixtures/scripts.js";
import { loadBullMq, requestOf, startFleet, until } from "./fleet.js";

const newFolder = temporaryFolders();
const TIMES = { intervalMs: 100, pauseMs: 1, graceMs: 1000 };
const UNCERTAIN = new Error("reset");

describe.each(BULLMQ_VERSIONS)("BullMQ %s", (version) => {
  let bullmq: string;
  beforeAll(async () => {
    bullmq = await installBullMq(version);
  });

  /** A fleet with a worker in this process. */
  async function setUp(test: TestContext, given: LipSyncProcessorOptions = {}, own = {}) {
    const fleet = await startFleet(test, { folder: await newFolder(), bullmq, polls: 2 });
    const { queue, gateway, places } = fleet;
    const { Worker } = loadBullMq(bullmq);
    const client = createLipSyncClient({ baseUrl: places.baseUrl, apiKey: places.apiKey });
    const options: WorkerOptions = {
      connection: { host: "127.0.0.1", port: places.redisPort, maxRetriesPerRequest: null },
      maxStalledCount: 1e9,
      drainDelay: 1,
      ...own,
    };
    const processor = lipSyncProcessor(client, { ...TIMES, ...given });
    const worker = new Worker("lip-sync", processor, options);
    worker.on("error", () => undefined);
    test.onTestFinished(() => worker.close(true));
    /** The job as Redis has it, once it is in this state. */
    const when = async (state: string, id = "job-1") => {
      await until(async () => (await (await queue.getJob(id))?.getState()) === state);
      const job = await queue.getJob(id);
      if (!job) throw new Error("There is no job.");
      return job;
    };
    const callback = (taskId: string, id = "job-1") => {
      const body = JSON.stringify({ task_id: taskId, task_status: "succeed" });
      return receiveLipSyncCallback(client, queue, id, body);
    };
    return { ...fleet, queue, gateway, client, worker, when, callback };
  }

  it.for([true, 0, { age: 3600 }, { count: 5 }])(
    "keeps a new job with removeOnFail %o, and says the option's name",
    async (removeOnFail, test) => {
      const { queue, posts, when } = await setUp(test);
      await queue.add("clip", requestOf("a"), { jobId: "job-1", removeOnFail });
      expect((await when("failed")).failedReason).toContain("removeOnFail");
      await queue.add("clip", requestOf("a"), { jobId: "job-1" });
      expect(await queue.getFailedCount()).toBe(1);
      expect(posts()).toBe(0);
    },
  );

  it("keeps a new job with removeOnFail from its queue", async (test) => {
    const { places, posts, when } = await setUp(test);
    const { Queue } = loadBullMq(bullmq);
    const connection = { host: "127.0.0.1", port: places.redisPort };
    const defaultJobOptions = { removeOnFail: true };
    const queue = new Queue("lip-sync", { connection, defaultJobOptions });
    test.onTestFinished(() => queue.close());
    await queue.add("clip", requestOf("a"), { jobId: "job-1" });
    expect((await when("failed")).failedReason).toContain("removeOnFail");
    expect(posts()).toBe(0);
  });

  it("keeps the claims of other jobs, too, whatever the worker's own option is", async (test) => {
    const own = { removeOnFail: { count: 0 } };
    const { queue, gateway, posts, when, add } = await setUp(test, {}, own);
    gateway.answerNext(UNCERTAIN, UNCERTAIN);
    await add("job-1");
    await when("failed");
    await add("job-2");
    await when("failed", "job-2");
    await queue.add("clip", requestOf("b"), { jobId: "job-3", removeOnFail: { count: 0 } });
    await when("failed", "job-3");
    const parked = (await queue.getFailed()).filter((job) => isParked(job)).map(({ id }) => id);
    expect(parked.sort()).toEqual(["job-1", "job-2"]);
    // Adding a parked job again adds nothing.
    await add("job-1");
    await when("failed");
    expect(posts()).toBe(2);
  });

  it("parks a job whose create is uncertain, and retries it after a settle", async (test) => {
    const { queue, gateway, client, posts, when, add, worker } = await setUp(test);
    const { task_id: taskId } = await client.create(requestOf("job-1"));
    const seen: boolean[] = [];
    worker.on("failed", (job) => {
      if (job) seen.push(isParked(job));
    });
    gateway.answerNext(UNCERTAIN);
    await add("job-1");
    const parked = await when("failed");
    expect(parked.failedReason).toMatch(/^A task may exist.+got no complete response/);
    expect(isParked(parked)).toBe(true);
    await until(() => seen.length > 0);
    expect(seen).toEqual([true]);
    await settleLipSyncJob(queue, "job-1", { taskId });
    const done = await when("completed");
    expect(done.returnvalue.task_id).toBe(taskId);
    expect(isParked(done)).toBe(false);
    expect((await queue.getJobLogs("job-1")).logs).toEqual([`Task ${taskId} was found.`]);
    expect(posts()).toBe(2);
    await expect(settleLipSyncJob(queue, "job-1", { noTask: true })).rejects.toMatchObject({
      name: "InvalidRequestError",
      message: expect.stringContaining("is completed, not failed") as string,
    });
  });

  it("creates a task after { noTask: true }, and refuses it where one is named", async (test) => {
    const { queue, gateway, posts, when, add } = await setUp(test);
    gateway.answerNext(UNCERTAIN);
    await add("job-1");
    await when("failed");
    await settleLipSyncJob(queue, "job-1", { noTask: true });
    await when("completed");
    expect(posts()).toBe(2);
    gateway.answerNext(Response.json({ task_id: "late-1" }, { status: 500 }));
    await add("job-2");
    const parked = await when("failed", "job-2");
    expect(parked.failedReason).toContain("late-1");
    await expect(settleLipSyncJob(queue, "job-2", { noTask: true })).rejects.toThrow("late-1");
  });

  it("retries a parked job at a callback, five of them at once", async (test) => {
    const { gateway, client, posts, when, add, callback } = await setUp(test);
    const { task_id: taskId } = await client.create(requestOf("job-1"));
    gateway.answerNext(UNCERTAIN);
    await add("job-1");
    await when("failed");
    await Promise.all([1, 2, 3, 4, 5].map(() => callback(taskId)));
    expect((await when("completed")).returnvalue.task_id).toBe(taskId);
    await callback(taskId);
    await when("completed");
    expect(posts()).toBe(2);
    await expect(callback("task-9")).rejects.toMatchObject({ name: "InvalidRequestError" });
  });

  it("promotes a job at a callback while it waits for a claim to get old", async (test) => {
    const { queue, client, when, callback } = await setUp(test, { graceMs: 600_000 });
    const { task_id: taskId } = await client.create(requestOf("job-1"));
    const data = { ...requestOf("job-1"), task: { claim: "c-1", claimedAt: Date.now() } };
    await queue.add("clip", data, { jobId: "job-1" });
    await when("delayed");
    await callback(taskId);
    expect((await when("completed")).returnvalue.task_id).toBe(taskId);
  });

  it("promotes a job at a callback that says that its task is done", async (test) => {
    const { gateway, when, add, callback } = await setUp(test, { intervalMs: 600_000 });
    await add("job-1");
    await when("delayed");
    const [[taskId = "", task] = []] = gateway.tasks;
    await callback(taskId);
    await callback(taskId);
    expect(task).toBeDefined();
    expect((await when("completed")).returnvalue.task_id).toBe(taskId);
  });

  it("creates at most one task where two people settle a job at once, 20 times", async (test) => {
    const { queue, gateway, client, add } = await setUp(test, {}, { concurrency: 20 });
    const jobs = Array.from({ length: 20 }, (_, index) => `job-${index}`);
    const taskIds = new Map<string, string>();
    for (const job of jobs) taskIds.set(job, (await client.create(requestOf(job))).task_id);
    const tasks = gateway.tasks.size;
    gateway.answerNext(...jobs.map(() => UNCERTAIN));
    await add(...jobs);
    await until(async () => (await queue.getFailedCount()) === jobs.length);
    const createsOf = (job: string) =>
      gateway.received.filter(({ method, body }) => {
        return method === "POST" && JSON.stringify(body) === JSON.stringify(requestOf(job));
      }).length;
    const settling = jobs.map(async (job, turn) => {
      const found = [{ taskId: taskIds.get(job) ?? "" }, { noTask: true }] as const;
      const both = turn % 2 === 0 ? found : [...found].reverse();
      return await Promise.allSettled(both.map((word) => settleLipSyncJob(queue, job, word)));
    });
    await Promise.all(settling);
    await until(async () => (await queue.getCompletedCount()) === jobs.length);
    for (const job of jobs) {
      // One outside of the queue, the uncertain one, and at most one more.
      expect(createsOf(job), job).toBeLessThanOrEqual(3);
      const { logs } = await queue.getJobLogs(job);
      expect(logs, job).toContain(`Task ${taskIds.get(job)} was found.`);
    }
    await test.annotate(`${gateway.tasks.size - tasks} of 20 jobs created a second task`);
  });
});
