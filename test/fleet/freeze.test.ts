// A worker is frozen before each of its writes, another one goes on, a person settles the job by what
// the gateway has, and then the first one wakes up.
import { beforeAll, expect, it, type TestContext } from "vitest";
import { isParked, settleLipSyncJob } from "../../src/bullmq/index.js";
import type { Fault } from "../fixtures/gateway.js";
import { temporaryFolders } from "../fixtures/scripts.js";
import { startFleet, until, untilQuiet } from "./fleet.js";
import { bundleWorker, startWorker, type Step } from "./workers.js";

const newFolder = temporaryFolders();
let program: string;
beforeAll(async () => {
  program = await bundleWorker(await newFolder());
});

const TIMES = { intervalMs: 200, pauseMs: 1, graceMs: 1500, lockMs: 800, stalledMs: 300 };

interface Given {
  /** What goes wrong with the first create. */
  fault?: Fault | undefined;
  /** Whether the worker that freezes believes that it holds its lock, although it does not. */
  ignoresLock?: boolean;
}

/** Freezes a worker at a step of job-1; resolves when the job is done or parked, and it is awake. */
async function freeze(test: TestContext, step: Step, { fault, ignoresLock }: Given = {}) {
  let isFirst = true;
  const fleet = await startFleet(test, {
    folder: await newFolder(),
    polls: 2,
    faultOf() {
      const given = isFirst ? fault : undefined;
      isFirst = false;
      return given;
    },
  });
  const { queue, places, tasksOf } = fleet;
  const settings = { ...TIMES, ...places, concurrency: 1, attemptMs: 20_000 };
  await fleet.add("job-1");
  let isFrozen = false;
  const onFrozen = () => {
    isFrozen = true;
  };
  const frozen = startWorker(
    test,
    program,
    { ...settings, freezeAt: step, ignoresLock },
    { onFrozen },
  );
  await until(() => isFrozen);
  startWorker(test, program, settings);
  await until(async () => (await queue.getJob("job-1"))?.finishedOn !== undefined);
  const parked = await queue.getJob("job-1");
  const needsPerson = parked !== undefined && isParked(parked);
  if (needsPerson) {
    const [taskId] = tasksOf("job-1");
    await settleLipSyncJob(queue, "job-1", taskId === undefined ? { noTask: true } : { taskId });
    // The other worker begins before this one wakes up.
    await until(async () => (await queue.getJob("job-1"))?.processedOn !== undefined);
  }
  frozen.resume();
  await until(() => frozen.openJobs.size === 0);
  await untilQuiet(fleet);
  return { ...fleet, needsPerson };
}

it.concurrent.for<[Step, Fault | undefined, boolean]>([
  ["prove", undefined, false],
  ["claim", undefined, false],
  ["prove again", undefined, true],
  ["log", undefined, true],
  ["progress", undefined, true],
  ["store", undefined, false],
  ["keep the reason", "500 after", true],
  ["keep the reason", "dropped", true],
  ["release", "busy", true],
])("before %j (fault: %s): one task, and its video", async ([step, fault, person], test) => {
  const { queue, tasksOf, needsPerson } = await freeze(test, step, { fault });
  expect(needsPerson, "needs a person").toBe(person);
  const job = await queue.getJob("job-1");
  expect(tasksOf("job-1")).toHaveLength(1);
  expect([await job?.getState(), job?.failedReason]).toEqual(["completed", undefined]);
  expect(job?.returnvalue.task_id).toBe(tasksOf("job-1")[0]);
});

it.concurrent(
  "before the create: a second task if a person says that there is none, both in the log",
  async (test) => {
    const { queue, tasksOf } = await freeze(test, "create");
    const ids = tasksOf("job-1");
    const { logs } = await queue.getJobLogs("job-1");
    expect(ids).toHaveLength(2);
    for (const id of ids) expect(logs).toContain(`Task ${id} was created.`);
    const job = await queue.getJob("job-1");
    expect(await job?.getState()).toBe("completed");
    expect(ids).toContain(job?.returnvalue.task_id);
  },
);

it.concurrent(
  "before the claim: a second task if it ignores that its lock is lost",
  async (test) => {
    const { tasksOf } = await freeze(test, "claim", { ignoresLock: true });
    expect(tasksOf("job-1")).toHaveLength(2);
  },
);
