// What a person does to a parked job.
import { describe, expect, it } from "vitest";
import {
  type Found,
  isParked,
  lipSyncProcessor,
  receiveLipSyncCallback,
  settleLipSyncJob,
} from "../src/bullmq/index.js";
import { createLipSyncClient } from "../src/index.js";
import { createFakeGateway } from "../src/testing.js";
import { createFakeQueue, type StoredJob } from "./fixtures/fake-queue.js";
import { request } from "./fixtures/request.js";

const claim = { claim: "c-1", claimedAt: 5 };
const parkedJob = { data: { ...request, task: claim }, state: "failed", finishedOn: 5 };

function setUp(job: Partial<StoredJob> = parkedJob) {
  const gateway = createFakeGateway();
  const client = createLipSyncClient(gateway);
  const fake = createFakeQueue(job);
  const posts = () => gateway.received.filter(({ method }) => method === "POST").length;
  const settle = (found: Found) => settleLipSyncJob(fake.queue, "7", found);
  return { ...fake, gateway, client, posts, settle, run: lipSyncProcessor(client) };
}

describe("settleLipSyncJob", () => {
  it("gives a job its task, which is then polled and not created", async () => {
    const { client, settle, did, stored, work, run, posts } = setUp();
    await client.create(request);
    await settle({ taskId: "task-1" });
    expect(did).toEqual([
      "log Task task-1 was found.",
      "progress task-1",
      "data task-1",
      "retry failed",
    ]);
    expect(stored.data.task).toMatchObject({ id: "task-1" });
    await work(run);
    expect(await work(run)).toMatchObject({ task_id: "task-1" });
    expect(posts()).toBe(1);
  });

  it("denies the claim if there is no task, so that the job creates one", async () => {
    const { settle, did, stored, work, run, posts } = setUp();
    await settle({ noTask: true });
    expect(did).toEqual(["log No task exists for claim", "progress no task", "retry failed"]);
    expect(stored.data.task).toEqual(claim);
    expect(stored.progress).toEqual({ noTask: "c-1" });
    await work(run);
    expect(posts()).toBe(1);
  });

  it("corrects a wrong id of a job that failed with it", async () => {
    const data = { ...request, task: { claimedAt: 5, id: "task-0" } };
    const { settle, stored } = setUp({ ...parkedJob, data });
    await settle({ taskId: "task-1" });
    expect(stored.data.task).toMatchObject({ id: "task-1" });
  });

  it.each([
    ["nothing", undefined],
    ["null", null],
    ["an empty object", {}],
    ["an empty id", { taskId: " " }],
    ["both at once", { taskId: "task-1", noTask: true }],
  ])("refuses %s; nothing changes", async (_, found) => {
    const { settle, did } = setUp();
    const error = { name: "InvalidRequestError" };
    await expect(settle(found as Found)).rejects.toMatchObject(error);
    expect(did).toEqual([]);
  });

  it("refuses a job that does not exist, by its id", async () => {
    const { queue, client } = setUp();
    const error = { name: "InvalidRequestError", message: "There is no job 8 in the queue." };
    await expect(settleLipSyncJob(queue, "8", { noTask: true })).rejects.toMatchObject(error);
    const body = { task_id: "task-1", task_status: "succeed" };
    await expect(receiveLipSyncCallback(client, queue, "8", body)).rejects.toMatchObject(error);
  });

  it.each(["waiting", "active", "delayed", "completed"])(
    "refuses one that is %s",
    async (state) => {
      const { settle, did } = setUp({ ...parkedJob, state });
      const message = `Job 7 is ${state}, not failed, so it cannot be settled. Someone else may have settled or retried it.`;
      for (const found of [{ taskId: "task-1" }, { noTask: true }] as const) {
        await expect(settle(found)).rejects.toMatchObject({ name: "InvalidRequestError", message });
      }
      expect(did).toEqual([]);
    },
  );

  it("refuses { noTask: true } for a job without a claim", async () => {
    const { settle, did } = setUp({ state: "failed", finishedOn: 5 });
    const message = "Job 7 has no claim, so it certainly has no task. Retry it with job.retry().";
    await expect(settle({ noTask: true })).rejects.toMatchObject({ message, field: "found" });
    expect(did).toEqual([]);
  });

  it.each([
    ["with the id", [{ taskId: "task-1" }, { noTask: true }]],
    ["without the id", [{ noTask: true }, { taskId: "task-1" }]],
  ] as const)("by two people at once, first %s: at most one creates", async (_, both) => {
    const { client, settle, stored, work, run, posts } = setUp();
    await client.create(request);
    await Promise.allSettled(both.map((found) => settle(found)));
    expect(stored.logs).toContain("Task task-1 was found.");
    await work(run);
    expect(await work(run)).toMatchObject({ task_id: "task-1" });
    expect(posts()).toBe(1);
  });
});

describe("isParked", () => {
  it.each([
    ["parked", parkedJob, true],
    ["parked without its time", { ...parkedJob, data: { ...request, task: {} } }, true],
    ["waiting for a first run", {}, false],
    ["being created", { data: parkedJob.data }, false],
    ["failed without a claim", { finishedOn: 5 }, false],
    [
      "failed with a task",
      { finishedOn: 5, data: { ...request, task: { ...claim, id: "t" } } },
      false,
    ],
    ["completed", { ...parkedJob, returnvalue: { task_id: "t" } }, false],
  ])("of a job that is %s", (_, job, expected) => {
    const { snapshot } = createFakeQueue(job as Partial<StoredJob>);
    expect(isParked(snapshot())).toBe(expected);
  });
});
