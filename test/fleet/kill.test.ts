// Workers, Redis and the gateway fail while jobs are being created: no job is created twice, and none is
// lost. A seed repeats the random numbers, not the timing.
import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, describe, expect, it, type TestContext } from "vitest";
import { type Found, settleLipSyncJob } from "../../src/bullmq/index.js";
import { BULLMQ_VERSIONS, installBullMq } from "../fixtures/bullmq.js";
import type { Fault } from "../fixtures/gateway.js";
import { chanceOf } from "../fixtures/random.js";
import { temporaryFolders } from "../fixtures/scripts.js";
import { startChaos } from "./chaos.js";
import { type Fleet, startFleet, untilQuiet } from "./fleet.js";
import { bundleWorker, type Step, STEPS } from "./workers.js";

/** Jobs are added one by one, so that there are creates as long as workers are killed. */
const ADD_MS = 125;
const SETTINGS = {
  concurrency: 5,
  intervalMs: 200,
  pauseMs: 300,
  graceMs: 6_000,
  lockMs: 1_500,
  stalledMs: 500,
  attemptMs: 4_000,
};

const newFolder = temporaryFolders();
let program: string;
beforeAll(async () => {
  program = await bundleWorker(await newFolder());
});

interface Given {
  seed: number;
  jobCount: number;
  bullmq?: string;
  ignoresLock?: boolean;
}

/** Adds jobs while everything fails, and waits until nothing moves any more. */
async function runJobs(test: TestContext, { seed, jobCount, bullmq, ignoresLock }: Given) {
  const chance = chanceOf(-seed);
  const disturbed = new Set<string>();
  let isCalm = false;
  let faults = 0;
  const fleet = await startFleet(test, {
    folder: await newFolder(),
    bullmq,
    polls: 3,
    delayMs: () => 50 + chance.below(200),
    faultOf(job) {
      const fault = isCalm ? undefined : faultAt(chance.next());
      if (fault !== undefined) faults += 1;
      if (fault !== undefined && fault !== "busy") disturbed.add(job);
      return fault;
    },
  });
  const chaos = startChaos({
    seed,
    program,
    settings: { ...SETTINGS, ...fleet.places, ignoresLock },
    redis: fleet.redis,
    redisAtMs: jobCount * ADD_MS * (0.3 + chance.next() * 0.3),
    onDisturbed: (job) => disturbed.add(job),
  });
  const names = Array.from({ length: jobCount }, (_, index) => `job-${index}`);
  for (const name of names) {
    await fleet.add(name);
    await sleep(ADD_MS);
  }
  const { kills, freezes } = await chaos.stop();
  isCalm = true;
  await untilQuiet(fleet);
  const twice = names.filter((name) => fleet.tasksOf(name).length > 1);
  return { fleet, names, twice, disturbed, kills, freezes, faults };
}

/** Of 100 creates, 3 each are lost in one of three ways, and 12 are refused. */
function faultAt(number: number): Fault | undefined {
  if (number < 0.03) return "dropped";
  if (number < 0.06) return "dropped after";
  if (number < 0.09) return "500 after";
  return number < 0.21 ? "busy" : undefined;
}

async function expectNoneTwiceNoneLost(test: TestContext, given: Given) {
  const { fleet, names, twice, disturbed, ...figures } = await runJobs(test, given);
  const { queue, gateway, tasksOf } = fleet;
  expect(twice, "jobs with two tasks").toEqual([]);
  const parked = await queue.getFailed();
  expect((await queue.getCompletedCount()) + parked.length, "jobs").toBe(names.length);
  for (const { name, failedReason } of parked) {
    expect(failedReason, name).toMatch(/^A task may exist/);
    expect(disturbed, `${name} was parked without a reason`).toContain(name);
  }

  const tasks = gateway.tasks.size;
  await queue.retryJobs({ state: "failed" });
  await untilQuiet(fleet);
  expect(gateway.tasks.size, "tasks after a retry without settling").toBe(tasks);

  await settleParked(fleet);
  const completed = await queue.getCompleted();
  expect(completed, "jobs after settling").toHaveLength(names.length);
  for (const { name, returnvalue } of completed) {
    expect(tasksOf(name), name).toEqual([returnvalue.task_id]);
  }
  const freezes = Object.fromEntries(figures.freezes);
  await test.annotate(JSON.stringify({ ...figures, freezes, parked: parked.length }));
  return figures.freezes;
}

/** Settles what is parked by what the gateway has. */
async function settleParked(fleet: Fleet): Promise<void> {
  for (const job of await fleet.queue.getFailed()) {
    const [taskId] = fleet.tasksOf(job.name);
    const found: Found = taskId === undefined ? { noTask: true } : { taskId };
    await settleLipSyncJob(fleet.queue, job.id ?? "", found);
  }
  await untilQuiet(fleet);
}

describe("with workers, Redis and a gateway that fail", () => {
  const frozen = new Set<Step>();

  it.for([1, 2, 3])("creates no job twice and loses none, seed %i", async (seed, test) => {
    const freezes = await expectNoneTwiceNoneLost(test, { seed, jobCount: 200 });
    for (const [step, count] of freezes) if (count > 0) frozen.add(step);
  });

  it("has frozen a worker past its lock before every step", () => {
    expect([...frozen].sort()).toEqual([...STEPS].sort());
  });

  it.for(BULLMQ_VERSIONS)(
    "creates no job twice and loses none, BullMQ %s",
    async (version, test) => {
      const bullmq = await installBullMq(version);
      await expectNoneTwiceNoneLost(test, { seed: 1, jobCount: 20, bullmq });
    },
  );

  it("creates a job twice if a worker ignores that its lock is lost", async (test) => {
    const { twice } = await runJobs(test, { seed: 1, jobCount: 20, ignoresLock: true });
    expect(twice).not.toEqual([]);
  });
});
