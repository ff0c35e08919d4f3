// Kills and freezes workers while jobs are being created, and kills Redis once.
import { setTimeout as sleep } from "node:timers/promises";
import type { TestContext } from "vitest";
import { chanceOf } from "../fixtures/random.js";
import type { RedisServer } from "./redis.js";
import {
  startWorker,
  type Step,
  STEPS,
  type WorkerProcess,
  type WorkerSettings,
} from "./workers.js";

const WORKERS = 3;
const CLOSE_MS = 3_000;

export interface ChaosOptions {
  seed: number;
  /** The bundled worker. */
  program: string;
  settings: WorkerSettings;
  redis: RedisServer;
  /** When Redis is killed, counted from the start. */
  redisAtMs: number;
  /** Whether workers also freeze; default true. */
  canFreeze?: boolean | undefined;
  /** Called for each job whose create was disturbed. */
  onDisturbed: (job: string) => void;
}

/** Starts the workers, and goes on until `stop` is called. */
export function startChaos(test: TestContext, options: ChaosOptions) {
  const { program, settings, redis, redisAtMs, canFreeze = true, onDisturbed } = options;
  const chance = chanceOf(options.seed);
  const workers: WorkerProcess[] = [];
  const freezes = new Map<Step, number>(STEPS.map((step) => [step, 0]));
  const freezesAt = (step: Step) => freezes.get(step) ?? 0;
  const timers = new Set<NodeJS.Timeout>();
  /** Those that live until they have frozen, were continued and have done the next step. */
  const spared = new Set<WorkerProcess>();
  let kills = 0;
  let isOver = false;

  function add(freezeAt: Step | undefined): WorkerProcess {
    const watch = { onFrozen, onDisturbed };
    const own = canFreeze ? { freezeAt } : {};
    const worker = startWorker(test, program, { ...settings, ...own }, watch);
    workers.push(worker);
    return worker;
  }

  /** Half of the workers freeze, if they live to it. */
  const pickFreeze = () => (chance.happens(0.5) ? chance.pick(STEPS) : undefined);

  /** The step before which the fewest have frozen. */
  const rarest = () => [...STEPS].sort((a, b) => freezesAt(a) - freezesAt(b))[0];

  function onFrozen(worker: WorkerProcess, step: Step): void {
    freezes.set(step, freezesAt(step) + 1);
    spared.add(worker);
    const pastLockMs = settings.lockMs + 3 * settings.stalledMs + chance.below(1000);
    after(pastLockMs, () => {
      worker.resume();
      after(1000, () => spared.delete(worker));
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
    const killable = workers.filter((worker) => worker.isReady && !spared.has(worker));
    const victim = killable[chance.below(killable.length)];
    if (!victim) return;
    workers.splice(workers.indexOf(victim), 1);
    await victim.kill();
    kills += 1;
    if (canFreeze && kills % 5 === 0) spared.add(add(rarest()));
    else add(pickFreeze());
  }

  async function killRedis(): Promise<void> {
    const disturb = () => {
      for (const { openJobs } of workers) for (const job of openJobs.keys()) onDisturbed(job);
    };
    await redis.kill();
    disturb();
    await sleep(200);
    await redis.restart();
    disturb();
  }

  async function run(): Promise<void> {
    const redisAt = performance.now() + redisAtMs;
    let isRedisDue = true;
    while (!isOver) {
      await sleep(600 + chance.below(600));
      for (const { problem } of workers) if (problem !== undefined) throw new Error(problem);
      if (isRedisDue && performance.now() > redisAt) {
        isRedisDue = false;
        await killRedis();
      } else await killOne();
    }
  }

  /** BullMQ may not close by itself after Redis was killed. */
  async function closeOrKill(worker: WorkerProcess): Promise<void> {
    const timer = setTimeout(() => void worker.kill(), CLOSE_MS);
    await worker.close();
    clearTimeout(timer);
  }

  // One freezes for certain, where it would be the worst without the second proof of the lock.
  if (canFreeze) spared.add(add("claim"));
  while (workers.length < WORKERS) add(pickFreeze());
  const running = run();
  // `stop` throws its error.
  running.catch(() => undefined);
  test.onTestFinished(async () => {
    isOver = true;
    for (const timer of timers) clearTimeout(timer);
    await running.catch(() => undefined);
  });

  /** Stops killing, and replaces all workers by some that do not freeze. */
  async function stop(): Promise<{ kills: number; freezes: Map<Step, number> }> {
    isOver = true;
    await running;
    await Promise.all(workers.map(closeOrKill));
    workers.length = 0;
    while (workers.length < WORKERS) add(undefined);
    return { kills, freezes };
  }
  return { stop };
}
