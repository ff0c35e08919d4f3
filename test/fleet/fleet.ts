// What workers need: a Redis, a fake gateway over HTTP and a queue. All of it ends with the test.
import { createRequire } from "node:module";
import { setTimeout as sleep } from "node:timers/promises";
import type { Queue } from "bullmq";
import type { TestContext } from "vitest";
import type { LipSyncRequest, SucceededLipSyncTask } from "../../src/index.js";
import { createFakeGateway, type FakeGatewayOptions } from "../../src/testing.js";
import { serve, type ServeOptions } from "../fixtures/gateway.js";
import { startRedis } from "./redis.js";
import { INSTALLED_BULLMQ } from "./workers.js";

export interface FleetOptions extends FakeGatewayOptions, ServeOptions {
  /** An empty folder, in which Redis stores its data. */
  folder: string;
  /** The folder of the package BullMQ; default the one that is installed here. */
  bullmq?: string | undefined;
}

/** Starts everything but the workers. */
export async function startFleet(
  test: TestContext,
  { folder, bullmq = INSTALLED_BULLMQ, ...options }: FleetOptions,
) {
  const redis = await startRedis(test, folder);
  const gateway = createFakeGateway(options);
  const served = await serve(gateway, options);
  test.onTestFinished(served.close);
  const queue = openQueue(bullmq, redis.port);
  test.onTestFinished(() => queue.close());
  const places = { redisPort: redis.port, baseUrl: served.baseUrl, apiKey: gateway.apiKey };

  /** Adds a job for each name, which is its id and the text of its request. */
  const add = async (...names: string[]): Promise<void> => {
    await queue.addBulk(
      names.map((name) => ({ name, data: requestOf(name), opts: { jobId: name } })),
    );
  };
  const posts = () => gateway.received.filter(({ method }) => method === "POST").length;
  return { redis, gateway, tasksOf: served.tasksOf, posts, queue, add, places };
}

export type Fleet = Awaited<ReturnType<typeof startFleet>>;

/** The types are those of the version that is installed here; all versions have what is used of them. */
export const loadBullMq = (folder: string) =>
  createRequire(import.meta.url)(folder) as typeof import("bullmq");

function openQueue(bullmq: string, port: number) {
  const { Queue } = loadBullMq(bullmq);
  const connection = { host: "127.0.0.1", port, maxRetriesPerRequest: null };
  const queue: Queue<LipSyncRequest, SucceededLipSyncTask> = new Queue("lip-sync", { connection });
  // It connects again by itself.
  queue.on("error", () => undefined);
  return queue;
}

export function requestOf(text: string): LipSyncRequest {
  const voice = { voice_id: "oversea_male1", voice_language: "en" } as const;
  return { input: { video_id: "video-1", mode: "text2video", text, ...voice } };
}

/** Waits until every job is completed or failed. */
export async function untilQuiet({ queue }: Fleet): Promise<void> {
  await until(async () => (await queue.getJobCountByTypes("waiting", "active", "delayed")) === 0);
}

/** A machine that is busy needs many times what an idle one does. */
const UNTIL_MS = 150_000;

export async function until(isTrue: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + UNTIL_MS;
  while (!(await isTrue())) {
    if (performance.now() > end) throw new Error(`Not within ${UNTIL_MS} ms: ${isTrue.toString()}`);
    await sleep(50);
  }
}
