// Workers, Redis and the gateway fail while jobs are being created, and half of the jobs have callbacks:
// no job is created twice, and none is lost. A seed repeats the random numbers, not the timing.
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it, type TestContext } from "vitest";
import { type Found, receiveLipSyncCallback, settleLipSyncJob } from "../../src/bullmq/index.js";
import { ApiError, createLipSyncClient, InvalidRequestError } from "../../src/index.js";
import { BULLMQ_VERSIONS, installBullMq } from "../fixtures/bullmq.js";
import type { Fault } from "../fixtures/gateway.js";
import { chanceOf } from "../fixtures/random.js";
import { temporaryFolders } from "../fixtures/scripts.js";
import { startChaos } from "./chaos.js";
import { type Fleet, startFleet, untilQuiet } from "./fleet.js";
import { bundleWorker } from "./workers.js";

const JOBS = 120;
/** The longest time between two callbacks of a task: a parked job has been parked for a while. */
const LATE_MS = 1_500;
const SETTINGS = { concurrency: 5, intervalMs: 200, pauseMs: 300, stalledMs: 500 };
/** The lock is short, because a frozen worker stays frozen for longer than that. */
const SHORT = { createMs: 150, lockMs: 1_000, attemptMs: 3_000, graceMs: 4_000 };
/** A create takes long compared with what is between its claim and its request, as it does at Kling. */
const LONG = { createMs: 800, lockMs: 3_000, attemptMs: 5_000, graceMs: 6_000 };

const PARKED = /^(?:A task may exist|Task .+ could not be stored)/;
/** BullMQ 5.0 can fail a job whose lock was lost, in the processor's words or in its own. */
const LOST_LOCK = /^(?:The lock of job|Missing lock for job)/;

const newFolder = temporaryFolders();

/** Of 100 creates, how many have which fault; the rest has none. */
type Faults = [Fault, number][];

interface Given {
  seed: number;
  version: string;
  faults: Faults;
  /** Whether workers freeze, too, and Redis is killed. */
  canFreeze: boolean;
  createsPerKill: number;
  /** `createMs`: how long a create takes at least; it may take three times as long. */
  times: typeof SHORT;
}

const names = Array.from({ length: JOBS }, (_, index) => `job-${index}`);
/** The jobs for which the gateway posts callbacks: every second one. */
const isCalledBack = (job: string): boolean => names.indexOf(job) % 2 === 0;

/** Adds jobs while everything fails, and waits until nothing moves any more. */
async function runJobs(test: TestContext, given: Given) {
  const { seed, version, faults, canFreeze, createsPerKill, times } = given;
  const bullmq = await installBullMq(version);
  const folder = await newFolder();
  const program = await bundleWorker(folder, bullmq);
  const chance = chanceOf(-seed);
  const callbacks = callbacksOf(seed);
  const disturbed = new Set<string>();
  const told: Promise<void>[] = [];
  let isCalm = false;
  let faultCount = 0;
  const fleet: Fleet = await startFleet(test, {
    folder,
    bullmq,
    polls: 2,
    delayMs: () => times.createMs + chance.below(2 * times.createMs),
    tooLateMs: times.attemptMs + 500,
    faultOf(job) {
      chaos.onCreate();
      const fault = isCalm ? undefined : faultAt(faults, chance.next() * 100);
      if (fault !== undefined) faultCount += 1;
      if (fault !== undefined && fault !== "busy") disturbed.add(job);
      return fault;
    },
    onTask({ text, taskId }) {
      if (isCalledBack(text)) told.push(callbacks.onTask(fleet, text, taskId));
    },
  });
  const chaos = startChaos(test, {
    seed,
    program,
    settings: { ...SETTINGS, ...times, ...fleet.places },
    redis: fleet.redis,
    createsPerKill,
    redisAt: canFreeze ? Math.ceil(JOBS * (0.3 + chance.next() * 0.3)) : Infinity,
    createMs: times.createMs,
    canFreeze,
    onDisturbed: (job) => disturbed.add(job),
  });
  await fleet.add(...names);
  await untilQuiet(fleet);
  const { kills, freezes } = await chaos.stop();
  isCalm = true;
  await Promise.all(told);
  await untilQuiet(fleet);
  const figures = { kills, freezes: Object.fromEntries(freezes), faults: faultCount };
  return { fleet, disturbed, callbacks, figures };
}

function faultAt(faults: Faults, percent: number): Fault | undefined {
  let end = 0;
  for (const [fault, share] of faults) {
    end += share;
    if (percent < end) return fault;
  }
  return undefined;
}

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
    try {
      await receiveLipSyncCallback(client, queue, job, body);
      count("taken");
    } catch (error) {
      const isExpected = error instanceof InvalidRequestError || error instanceof ApiError;
      count(isExpected ? "refused" : String(error));
    }
  }

  /** The three callbacks of a task, each lost once in five times; the first is before its response. */
  async function onTask(fleet: Fleet, job: string, taskId: string): Promise<void> {
    unheard.add(job);
    for (const status of ["submitted", "processing", "succeed"]) {
      const times = chance.happens(0.2) ? 0 : chance.happens(0.3) ? 3 : 1;
      if (times === 0) count("lost");
      else unheard.delete(job);
      const posts = Array.from({ length: times }, () => post(fleet, job, taskId, status));
      if (chance.happens(0.2)) posts.push(post(fleet, job, `forged-${taskId}`, status));
      await Promise.all(posts);
      await sleep(chance.below(LATE_MS));
    }
  }
  return { onTask, received, unheard };
}

/** Runs the jobs; returns how many needed a person, of those with callbacks and of the others. */
async function expectNoneTwiceNoneLost(test: TestContext, given: Given) {
  const { fleet, disturbed, callbacks, figures } = await runJobs(test, given);
  const { queue, gateway, tasksOf } = fleet;
  const twice = names.filter((name) => tasksOf(name).length > 1);
  expect(twice, "jobs with two tasks").toEqual([]);
  const parked = await queue.getFailed();
  expect((await queue.getCompletedCount()) + parked.length, "jobs").toBe(JOBS);
  for (const { name, failedReason } of parked) {
    const lostItsLock = LOST_LOCK.test(failedReason);
    if (!lostItsLock) expect(failedReason, name).toMatch(PARKED);
    // A busy machine is late without being disturbed.
    const isLate = lostItsLock || failedReason.includes("timed out after");
    if (!isLate) expect(disturbed, `${name}: ${failedReason}`).toContain(name);
  }
  const calledBack = parked.map(({ name }) => name).filter(isCalledBack);
  const withTask = calledBack.filter((name) => tasksOf(name).length > 0);
  expect([...callbacks.unheard], "jobs without a callback").toEqual(
    expect.arrayContaining(withTask),
  );

  const tasks = gateway.tasks.size;
  await queue.retryJobs({ state: "failed" });
  await untilQuiet(fleet);
  expect(gateway.tasks.size, "tasks after a retry without settling").toBe(tasks);

  await settleParked(fleet);
  const completed = await queue.getCompleted();
  expect(completed, "jobs after settling").toHaveLength(JOBS);
  for (const { name, returnvalue } of completed) {
    expect(tasksOf(name), name).toEqual([returnvalue.task_id]);
  }
  const withCallbacks = calledBack.length;
  const needPerson = { withCallbacks, withoutCallbacks: parked.length - withCallbacks };
  const noTask = calledBack.length - withTask.length;
  const { seed, version } = given;
  const { received } = callbacks;
  await test.annotate(JSON.stringify({ seed, version, needPerson, noTask, ...figures, received }));
  return needPerson;
}

/** Settles what is parked by what the gateway has. */
async function settleParked(fleet: Fleet, rounds = 3): Promise<void> {
  const parked = await fleet.queue.getFailed();
  if (parked.length === 0 || rounds === 0) return;
  const settling = parked.map(async ({ id = "", name }) => {
    const [taskId] = fleet.tasksOf(name);
    const found: Found = taskId === undefined ? { noTask: true } : { taskId };
    await settleLipSyncJob(fleet.queue, id, found);
  });
  await Promise.all(settling);
  await untilQuiet(fleet);
  // On a busy machine, a create can be cut off once more.
  await settleParked(fleet, rounds - 1);
}

const runs = BULLMQ_VERSIONS.map((version, index) => ({ seed: index + 1, version }));

it.concurrent.for(runs)(
  "creates no job twice and loses none while workers are killed and freeze, seed $seed, BullMQ $version",
  async (run, test) => {
    const faults: Faults = [
      ["dropped", 3],
      ["dropped after", 3],
      ["500 after", 3],
      ["busy", 12],
    ];
    const given = { ...run, faults, canFreeze: true, createsPerKill: 12, times: SHORT };
    await expectNoneTwiceNoneLost(test, given);
  },
);

it.concurrent.for(runs)(
  "leaves a tenth as many jobs to a person with callbacks as without, seed $seed, BullMQ $version",
  async (run, test) => {
    // Responses that are lost after a task was created are what a callback can mend. None comes if a
    // worker loses its lock between its claim and its request, as it does here while Redis is away.
    const faults: Faults = [
      ["dropped after", 15],
      ["500 after", 15],
      ["too late", 5],
      ["busy", 10],
    ];
    const given = { ...run, faults, canFreeze: false, createsPerKill: 30, times: LONG };
    const { withCallbacks, withoutCallbacks } = await expectNoneTwiceNoneLost(test, given);
    expect(withoutCallbacks, "jobs without callbacks").toBeGreaterThan(10);
    expect(withCallbacks, "jobs with callbacks").toBeLessThanOrEqual(withoutCallbacks / 10);
  },
);
