// The kill test: workers, Redis and the gateway fail while jobs are being created, and yet no job
// gets two tasks, and none is lost.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { settleLipSyncJob } from "../../src/bullmq/index.js";
import { type Member, startMember } from "./crew.js";
import { type Fault, type Gateway, serveGateway } from "./gateway.js";
import { type LipSyncQueue, openQueue, requestOf, untilQuiet } from "./queue.js";
import { type RedisServer, startRedis } from "./redis.js";
import { type Cause, createTrace, type Step, STEPS, type Trace } from "./trace.js";
import type { WorkerSettings } from "./worker.js";

export interface KillOptions {
  seed: number;
  /** The bundled worker. */
  program: string;
  /** In whose node_modules BullMQ is. */
  folder: string;
  jobCount: number;
}

/** What a run did, in figures. */
export interface KillResult {
  jobs: number;
  kills: number;
  freezes: Record<Step, number>;
  faults: number;
  /** How many jobs were parked, by the plainest reason. */
  parked: Map<Cause, number>;
  /** How many parked jobs have a task at the gateway. */
  parkedWithTask: number;
  seconds: number;
}

const WORKERS = 4;
/** Jobs are added one by one, so that there are creations as long as workers are killed. */
const ADD_MS = 125;
const QUIET_MS = 40_000;
const CLOSE_MS = 15_000;
const TIMES = {
  concurrency: 5,
  intervalMs: 200,
  pauseMs: 300,
  graceMs: 6_000,
  lockMs: 1_500,
  stalledMs: 500,
  attemptMs: 4_000,
};
/** Of 100 creations, how many have which fault. */
const FAULTS: [Fault, number][] = [
  ["dropped", 3],
  ["dropped after", 3],
  ["500 after", 3],
  ["busy", 12],
];

/** Runs the test once. A seed repeats the random numbers, not the timing. */
export async function killTest(options: KillOptions): Promise<KillResult> {
  const startedAt = Date.now();
  const random = randomOf(-options.seed);
  const trace = createTrace();
  let faults = 0;
  let isCalm = false;
  const gateway = await serveGateway({
    polls: 3,
    delayMs: () => 50 + random() * 200,
    faultOf(job) {
      const fault = isCalm ? undefined : pickFault(random());
      if (fault) faults += 1;
      if (fault && fault !== "busy") trace.explain(job, "a fault of the gateway");
      return fault;
    },
  });
  const redis = await startRedis();
  const queue = openQueue(options.folder, redis.port);
  const chaos = createChaos(options, { redis, gateway, trace });
  try {
    chaos.start();
    for (let index = 0; index < options.jobCount; index += 1) {
      const name = `job-${index}`;
      await queue.add(name, requestOf(name));
      await sleep(ADD_MS);
    }
    await chaos.stop();
    isCalm = true;
    await untilQuiet(queue, QUIET_MS);
    assertOneTask(gateway, options.jobCount);
    const parked = await countParked(queue, options.jobCount, trace);
    await retryAll(queue, gateway);
    const parkedWithTask = await settleAll(queue, gateway);
    await assertDone(queue, gateway, options.jobCount);
    return {
      jobs: options.jobCount,
      ...chaos.figures(),
      faults,
      parked,
      parkedWithTask,
      seconds: (Date.now() - startedAt) / 1000,
    };
  } finally {
    await chaos.end();
    await queue.close();
    gateway.close();
    await redis.stop();
  }
}

// What goes wrong

interface Place {
  redis: RedisServer;
  gateway: Gateway;
  trace: Trace;
}

/** Starts the workers, kills and freezes them, and Redis once. */
function createChaos(options: KillOptions, { redis, gateway, trace }: Place) {
  const random = randomOf(options.seed);
  const settings: WorkerSettings = {
    ...TIMES,
    folder: options.folder,
    redisPort: redis.port,
    queue: "lip-sync",
    baseUrl: gateway.baseUrl,
    apiKey: gateway.apiKey,
  };
  const members: Member[] = [];
  const freezes = { prove: 0, claim: 0, "prove again": 0, create: 0, store: 0, release: 0 };
  const timers = new Set<NodeJS.Timeout>();
  /** Those that live until they have frozen, were continued and have done the next step. */
  const spared = new Set<Member>();
  let kills = 0;
  let isOver = false;
  let running: Promise<void> = Promise.resolve();

  function add(freezeAt: Step | undefined): Member {
    const member = startMember(options.program, { ...settings, freezeAt }, trace, onFrozen);
    members.push(member);
    return member;
  }

  /** Half of the workers freeze, if they live to it. */
  function pickFreeze(): Step | undefined {
    return random() < 0.5 ? STEPS[Math.floor(random() * STEPS.length)] : undefined;
  }

  /** The step before which the fewest have frozen. */
  function rarest(): Step | undefined {
    return [...STEPS].sort((a, b) => freezes[a] - freezes[b])[0];
  }

  function onFrozen(member: Member, step: Step): void {
    freezes[step] += 1;
    spared.add(member);
    const pastLockMs = TIMES.lockMs + 3 * TIMES.stalledMs + random() * 1000;
    after(pastLockMs, () => {
      member.resume();
      after(1000, () => spared.delete(member));
    });
  }

  function after(ms: number, act: () => void): void {
    const timer = setTimeout(() => {
      timers.delete(timer);
      act();
    }, ms);
    timers.add(timer);
  }

  async function killOne(): Promise<void> {
    const killable = members.filter((member) => member.isReady && !spared.has(member));
    const victim = killable[Math.floor(random() * killable.length)];
    if (!victim) return;
    members.splice(members.indexOf(victim), 1);
    await victim.kill();
    kills += 1;
    if (kills % 5 === 0) spared.add(add(rarest()));
    else add(pickFreeze());
  }

  async function killRedis(): Promise<void> {
    await redis.kill();
    explainByRedis();
    await sleep(200);
    await redis.restart();
    explainByRedis();
  }

  function explainByRedis(): void {
    for (const { openJobs } of members) trace.explainAll(openJobs, "the end of Redis");
  }

  async function run(): Promise<void> {
    const redisAt = Date.now() + options.jobCount * ADD_MS * (0.3 + random() * 0.3);
    let isRedisDue = true;
    while (!isOver) {
      await sleep(300 + random() * 400);
      for (const { problem } of members) if (problem !== undefined) throw new Error(problem);
      if (isRedisDue && Date.now() > redisAt) {
        isRedisDue = false;
        await killRedis();
      } else await killOne();
    }
  }

  /** BullMQ may not close by itself after Redis was killed. */
  async function closeOrKill(member: Member): Promise<void> {
    const timer = setTimeout(() => void member.kill(), CLOSE_MS);
    await member.close();
    clearTimeout(timer);
  }

  return {
    start() {
      // One freezes for certain, where it would be the worst without the second proof of the lock.
      spared.add(add("claim"));
      for (let index = 1; index < WORKERS; index += 1) add(pickFreeze());
      running = run();
      // `stop` gives the error.
      running.catch(() => undefined);
    },
    /** Stops killing, and closes all workers; others go on that do not freeze. */
    async stop() {
      isOver = true;
      await running;
      await Promise.all(members.map(closeOrKill));
      members.length = 0;
      for (let index = 0; index < WORKERS; index += 1) add(undefined);
    },
    async end() {
      isOver = true;
      for (const timer of timers) clearTimeout(timer);
      await running.catch(() => undefined);
      await Promise.all(members.map((member) => member.kill()));
    },
    figures: () => ({ kills, freezes }),
  };
}

function pickFault(chance: number): Fault | undefined {
  let end = 0;
  for (const [fault, percent] of FAULTS) {
    end += percent / 100;
    if (chance < end) return fault;
  }
  return undefined;
}

/** Numbers from 0 to 1 that are the same for the same seed (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

// What has to hold

function assertOneTask(gateway: Gateway, jobCount: number): void {
  for (let index = 0; index < jobCount; index += 1) {
    const tasks = gateway.tasksOf(`job-${index}`);
    assert(tasks.length <= 1, `job-${index} has ${tasks.length} tasks: ${tasks.join(", ")}`);
  }
}

/** Counts the failed jobs by reason; each of them was parked, and has one. */
async function countParked(
  queue: LipSyncQueue,
  jobCount: number,
  trace: Trace,
): Promise<Map<Cause, number>> {
  const counts = new Map<Cause, number>();
  const failed = await queue.getFailed();
  const completed = await queue.getCompletedCount();
  assert.equal(completed + failed.length, jobCount, "jobs are lost");
  for (const job of failed) {
    assert.match(job.failedReason, /^A task may exist/, `${job.name} failed`);
    const cause = trace.causeOf(job.name);
    assert(cause, `${job.name} was parked without a reason`);
    counts.set(cause, (counts.get(cause) ?? 0) + 1);
  }
  return counts;
}

/** Without settling, a retry creates nothing. */
async function retryAll(queue: LipSyncQueue, gateway: Gateway): Promise<void> {
  const before = gateway.taskCount();
  await queue.retryJobs({ state: "failed" });
  await untilQuiet(queue, QUIET_MS);
  assert.equal(gateway.taskCount(), before, "a retry without settling created a task");
}

/** Settles what is parked by what the gateway has; resolves with how many had a task. */
async function settleAll(queue: LipSyncQueue, gateway: Gateway): Promise<number> {
  let withTask = 0;
  for (const job of await queue.getFailed()) {
    const [id] = gateway.tasksOf(job.name);
    if (id !== undefined) withTask += 1;
    await settleLipSyncJob(job, id);
  }
  await untilQuiet(queue, QUIET_MS);
  return withTask;
}

/** Every job is completed, with the one task that it has. */
async function assertDone(queue: LipSyncQueue, gateway: Gateway, jobCount: number): Promise<void> {
  const jobs = await queue.getCompleted();
  assert.equal(jobs.length, jobCount, "not every job is completed after settling");
  for (const job of jobs) {
    assert.deepEqual(gateway.tasksOf(job.name), [job.returnvalue.task_id], job.name);
  }
}
