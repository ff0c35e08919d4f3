// Tests in which nothing is killed: the gateway's limit of tasks, and a worker that closes.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { startMember } from "./crew.js";
import { type Gateway, type GatewayOptions, serveGateway } from "./gateway.js";
import { type LipSyncQueue, openQueue, requestOf, untilQuiet } from "./queue.js";
import { type RedisServer, startRedis } from "./redis.js";
import { createTrace } from "./trace.js";
import type { WorkerSettings } from "./worker.js";

interface Place {
  redis: RedisServer;
  gateway: Gateway;
  queue: LipSyncQueue;
  settings: WorkerSettings;
}

const TIMES = { graceMs: 60_000, lockMs: 10_000, stalledMs: 5_000, attemptMs: 30_000 };

/** With more jobs than the account may run at once, each completes, and polls go on meanwhile. */
export async function limitTest(program: string, folder: string): Promise<string> {
  const [jobs, atOnce, pauseMs] = [20, 4, 2_000];
  return await inPlace(folder, { polls: 3, maxParallelTasks: atOnce }, async (place) => {
    const { gateway, queue } = place;
    const settings = { ...place.settings, concurrency: 5, intervalMs: 200, pauseMs };
    const names = Array.from({ length: jobs }, (_, index) => `job-${index}`);
    const opts = { attempts: 1 };
    await queue.addBulk(names.map((name) => ({ name, data: requestOf(name), opts })));
    const members = [1, 2].map(() => startMember(program, settings, createTrace()));
    try {
      await until(() => gateway.taskCount() > 0);
      const startedAt = Date.now();
      await until(async () => (await queue.getCompletedCount()) > 0);
      const firstMs = Date.now() - startedAt;
      await untilQuiet(queue, 60_000);
      const refused = gateway.creationCount() - gateway.taskCount();
      assert.equal(await queue.getCompletedCount(), jobs, "a job failed");
      assert.equal(gateway.taskCount(), jobs, "a job has no task, or two");
      assert(refused > 0, "the gateway refused nothing");
      assert(firstMs < pauseMs, `the first result came after ${firstMs} ms, so polls were starved`);
      const seconds = ((Date.now() - startedAt) / 1000).toFixed(1);
      return (
        `${jobs} jobs, ${atOnce} at once, attempts: 1: all completed in ${seconds} s, ` +
        `${refused} creations refused with 1303, first result after ${firstMs} ms (pause ${pauseMs} ms)`
      );
    } finally {
      await Promise.all(members.map((member) => member.kill()));
    }
  });
}

/** A worker closes at once, however many tasks are in flight. */
export async function closeTest(program: string, folder: string): Promise<string> {
  const jobs = 2_000;
  return await inPlace(folder, { polls: Infinity }, async ({ gateway, queue, settings }) => {
    const names = Array.from({ length: jobs }, (_, index) => `job-${index}`);
    await queue.addBulk(names.map((name) => ({ name, data: requestOf(name) })));
    const member = startMember(program, { ...settings, concurrency: 50 }, createTrace());
    try {
      await until(() => gateway.taskCount() === jobs);
      await until(async () => (await queue.getDelayedCount()) > jobs - 50);
      const ms = Math.round(await member.close());
      // A poll may have been due just then.
      const counts = await queue.getJobCountByTypes("waiting", "active", "delayed");
      assert.equal(counts, jobs, "a job is lost");
      assert(ms < 1000, `the worker took ${ms} ms to close`);
      return `a worker with ${jobs} tasks in flight closed in ${ms} ms`;
    } finally {
      await member.kill();
    }
  });
}

/** Runs a test with a Redis, a gateway and a queue of its own. */
async function inPlace(
  folder: string,
  options: GatewayOptions,
  test: (place: Place) => Promise<string>,
): Promise<string> {
  const redis = await startRedis();
  const gateway = await serveGateway(options);
  const queue = openQueue(folder, redis.port);
  const { baseUrl, apiKey } = gateway;
  const own = { folder, redisPort: redis.port, queue: queue.name, baseUrl, apiKey };
  const settings = { ...TIMES, ...own, concurrency: 1, intervalMs: 5_000, pauseMs: 5_000 };
  try {
    return await test({ redis, gateway, queue, settings });
  } finally {
    await queue.close();
    gateway.close();
    await redis.stop();
  }
}

async function until(isTrue: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + 60_000;
  while (!(await isTrue())) {
    if (Date.now() > end) throw new Error(`This did not happen: ${isTrue.toString()}`);
    await sleep(20);
  }
}
