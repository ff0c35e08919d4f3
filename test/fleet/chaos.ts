// Kills and freezes workers while jobs are being created, and kills Redis once. All of it is counted in
// creates and not in seconds, so that a slow machine has as much of it as a fast one.
import { setTimeout as sleep } from "node:timers/promises";
import type { TestContext } from "vitest";
import { chanceOf } from "../fixtures/random.js";
import { until } from "./fleet.js";
import type { RedisServer } from "./redis.js";
import {
  startWorker,
  type Step,
  STEPS,
  type WorkerProcess,
  type WorkerSettings,
} from "./workers.js";

const WORKERS = 3;

export interface ChaosOptions {
  seed: number;
  /** The bundled worker. */
  program: string;
  settings: WorkerSettings;
  redis: RedisServer;
  /** After how many creates a worker is killed, each time. */
  createsPerKill: number;
  /** At which create Redis is killed. */
  redisAt: number;
  /** How long a create takes at least; a worker is killed that long after one began, or half of it more or less. */
  createMs: number;
  /** Whether workers also freeze. */
  canFreeze: boolean;
  /** Called for each job whose create was disturbed. */
  onDisturbed: (job: string) => void;
}

/** Starts the workers, and goes on until `stop` is called. */
export function startChaos(test: TestContext, options: ChaosOptions) {
  const { program, settings, redis, createsPerKill, redisAt, createMs, canFreeze } = options;
  const { onDisturbed } = options;
  const chance = chanceOf(options.seed);
  const workers: WorkerProcess[] = [];
  const freezes = new Map<Step, number>(STEPS.map((step) => [step, 0]));
  const freezesAt = (step: Step) => freezes.get(step) ?? 0;
  /** Those that live until they have frozen, were continued and have done the next step. */
  const spared = new Set<WorkerProcess>();
  /** What was begun and is awaited at the end. */
  const acts: Promise<void>[] = [];
  let creates = 0;
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
    acts.push(thaw(worker));
  }

  async function thaw(worker: WorkerProcess): Promise<void> {
    const pastLockMs = settings.lockMs + 3 * settings.stalledMs;
    await sleep(pastLockMs + chance.below(1000));
    worker.resume();
    await sleep(500);
    spared.delete(worker);
  }

  async function killOne(): Promise<void> {
    await sleep(createMs / 2 + chance.below(createMs));
    const killable = workers.filter((worker) => worker.isReady && !spared.has(worker));
    const victim = killable[chance.below(killable.length)];
    if (!victim) return;
    workers.splice(workers.indexOf(victim), 1);
    await victim.kill();
    if (isOver) return;
    kills += 1;
    if (canFreeze && kills % 3 === 0) spared.add(add(rarest()));
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

  /** Says that the gateway has begun a create. */
  function onCreate(): void {
    if (isOver) return;
    creates += 1;
    if (creates === redisAt) acts.push(killRedis());
    else if (creates % createsPerKill === 0) acts.push(killOne());
  }

  /** Kills nothing more, and waits until every worker is awake and idle. */
  async function stop(): Promise<{ kills: number; freezes: Map<Step, number> }> {
    isOver = true;
    await Promise.all(acts);
    await until(() => workers.every(({ openJobs }) => openJobs.size === 0));
    for (const { problem } of workers) if (problem !== undefined) throw new Error(problem);
    return { kills, freezes };
  }

  // One freezes for certain, where it would be the worst without the second proof of the lock.
  if (canFreeze) spared.add(add("claim"));
  while (workers.length < WORKERS) add(pickFreeze());
  test.onTestFinished(() => {
    isOver = true;
  });
  return { onCreate, stop };
}
