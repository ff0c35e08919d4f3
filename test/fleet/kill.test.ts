// Workers, Redis and the gateway fail while jobs are being created: no job is created twice, and none is
// lost. A seed repeats the random numbers, not the timing.
import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, describe, expect, it, type TestContext } from "vitest";
import { type Found, receiveLipSyncCallback, settleLipSyncJob } from "../../src/bullmq/index.js";
import { ApiError, createLipSyncClient, InvalidRequestError } from "../../src/index.js";
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
  canFreeze?: boolean;
  /** How long a create takes at least. */
  createMs?: number;
  /** Of 100 creates, how many have which fault; the rest has none. */
  faults?: [Fault, number][];
  /** Called when a task was created; what it returns is awaited at the end. */
  onTask?: (fleet: Fleet, job: string, taskId: string) => Promise<void>;
}

const FAULTS: [Fault, number][] = [
  ["dropped", 3],
  ["dropped after", 3],
  ["500 after", 3],
  ["busy", 12],
];

/** Adds jobs while everything fails, and waits until nothing moves any more. */
async function runJobs(test: TestContext, given: Given) {
  const { seed, jobCount, bullmq, ignoresLock, canFreeze } = given;
  const { createMs = 50, faults = FAULTS, onTask } = given;
  const chance = chanceOf(-seed);
  const disturbed = new Set<string>();
  const told: Promise<void>[] = [];
  let isCalm = false;
  let faultCount = 0;
  const fleet: Fleet = await startFleet(test, {
    folder: await newFolder(),
    bullmq,
    polls: 3,
    delayMs: () => createMs + chance.below(4 * createMs),
    tooLateMs: SETTINGS.attemptMs + 500,
    faultOf(job) {
      const fault = isCalm ? undefined : faultAt(faults, chance.next() * 100);
      if (fault !== undefined) faultCount += 1;
      if (fault !== undefined && fault !== "busy") disturbed.add(job);
      return fault;
    },
    onTask({ text, taskId }) {
      if (onTask) told.push(onTask(fleet, text, taskId));
    },
  });
  const chaos = startChaos({
    seed,
    program,
    settings: { ...SETTINGS, ...fleet.places, ignoresLock },
    redis: fleet.redis,
    redisAtMs: jobCount * ADD_MS * (0.3 + chance.next() * 0.3),
    canFreeze,
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
  await Promise.all(told);
  await untilQuiet(fleet);
  const twice = names.filter((name) => fleet.tasksOf(name).length > 1);
  return { fleet, names, twice, disturbed, kills, freezes, faults: faultCount };
}

function faultAt(faults: [Fault, number][], percent: number): Fault | undefined {
  let end = 0;
  for (const [fault, share] of faults) {
    end += share;
    if (percent < end) return fault;
  }
  return undefined;
}

async function expectNoneTwiceNoneLost(test: TestContext, given: Given) {
  const { fleet, names, twice, disturbed, ...figures } = await runJobs(test, given);
  const { queue, gateway, tasksOf } = fleet;
  expect(twice, "jobs with two tasks").toEqual([]);
  const parked = await queue.getFailed();
  expect((await queue.getCompletedCount()) + parked.length, "jobs").toBe(names.length);
  for (const { name, failedReason } of parked) {
    expect(failedReason, name).toMatch(/^(?:A task may exist|Task .+ could not be stored)/);
    expect(disturbed, `${name} was parked without a reason`).toContain(name);
  }
  const withTask = parked.map(({ name }) => name).filter((name) => tasksOf(name).length > 0);

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
  const counts = { parked: parked.length, withTask };
  await test.annotate(JSON.stringify({ seed: given.seed, ...figures, freezes, ...counts }));
  return { ...figures, ...counts };
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
    const { freezes } = await expectNoneTwiceNoneLost(test, { seed, jobCount: 200 });
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

describe("with callbacks", () => {
  /** Responses that are lost after a task was created: what a callback can mend. */
  const faults: [Fault, number][] = [
    ["dropped after", 5],
    ["500 after", 5],
    ["too late", 3],
    ["busy", 12],
  ];

  /** Posts the status of a task as Kling does, but early, late, repeated, not at all, and forged. */
  function callbacksOf(seed: number) {
    const chance = chanceOf(seed * 1000);
    const received: Record<string, number> = {};
    /** The jobs whose callbacks were all lost. */
    const unheard = new Set<string>();
    const count = (what: string) => {
      received[what] = (received[what] ?? 0) + 1;
    };

    async function post({ queue, places }: Fleet, job: string, taskId: string, status: string) {
      const client = createLipSyncClient({ baseUrl: places.baseUrl, apiKey: places.apiKey });
      const body = JSON.stringify({ task_id: taskId, task_status: status });
      await receiveLipSyncCallback(client, queue, job, body).then(
        () => {
          count("taken");
        },
        (error: unknown) => {
          const isExpected = error instanceof InvalidRequestError || error instanceof ApiError;
          count(isExpected ? "refused" : String(error));
        },
      );
    }

    /** The three callbacks of a task, each lost once in five times. */
    async function onTask(fleet: Fleet, job: string, taskId: string): Promise<void> {
      unheard.add(job);
      // Early: before the response of the create.
      for (const status of ["submitted", "processing", "succeed"]) {
        const times = chance.happens(0.2) ? 0 : chance.happens(0.3) ? 5 : 1;
        if (times === 0) count("lost");
        else unheard.delete(job);
        const posts = Array.from({ length: times }, () => post(fleet, job, taskId, status));
        if (chance.happens(0.2)) posts.push(post(fleet, job, `forged-${taskId}`, status));
        await Promise.all(posts);
        // Late: a parked job has been parked for seconds.
        await sleep(chance.below(5000));
      }
    }
    return { onTask, received, unheard };
  }

  // No callback comes for a worker that freezes between its claim and its request: no task exists.
  const given = { jobCount: 200, canFreeze: false, createMs: 150, faults };

  it.for([1, 2, 3])(
    "leaves a tenth of the jobs to a person, and creates none twice, seed %i",
    { timeout: 360_000 },
    async (seed, test) => {
      const without = await expectNoneTwiceNoneLost(test, { ...given, seed });
      const { onTask, received, unheard } = callbacksOf(seed);
      const withThem = await expectNoneTwiceNoneLost(test, { ...given, seed, onTask });
      await test.annotate(JSON.stringify(received));
      expect([...unheard], "jobs without a callback").toEqual(
        expect.arrayContaining(withThem.withTask),
      );
      expect(without.parked, "parked without callbacks").toBeGreaterThan(10);
      expect(withThem.parked, "parked with callbacks").toBeLessThanOrEqual(without.parked / 10);
    },
  );

  it("needs a person only where there is no task or no callback, if workers freeze, too", async (test) => {
    const { onTask, unheard } = callbacksOf(4);
    const figures = await expectNoneTwiceNoneLost(test, { seed: 4, jobCount: 100, faults, onTask });
    expect([...unheard]).toEqual(expect.arrayContaining(figures.withTask));
  });
});
