// Workers that nobody kills: more jobs than the gateway runs at once, and a worker that closes.
import { beforeAll, expect, it } from "vitest";
import { temporaryFolders } from "../fixtures/scripts.js";
import { startFleet, until, untilQuiet } from "./fleet.js";
import { bundleWorker, startWorker } from "./workers.js";

const TIMES = { graceMs: 60_000, lockMs: 10_000, stalledMs: 5_000, attemptMs: 30_000 };

const newFolder = temporaryFolders();
let program: string;
beforeAll(async () => {
  program = await bundleWorker(await newFolder());
});

const namesOf = (count: number) => Array.from({ length: count }, (_, index) => `job-${index}`);

it("completes more jobs than the gateway runs at once, and polls meanwhile", async (test) => {
  const [jobs, workers, concurrency, pauseMs] = [20, 2, 5, 1_500];
  const limits = { polls: 3, maxParallelTasks: 4 };
  const fleet = await startFleet(test, { folder: await newFolder(), ...limits });
  const { gateway, queue, places } = fleet;
  await fleet.add(...namesOf(jobs));
  const settings = { ...TIMES, ...places, concurrency, intervalMs: 200, pauseMs };
  for (let worker = 0; worker < workers; worker++) startWorker(test, program, settings);
  await untilQuiet(fleet);
  expect(await queue.getCompletedCount()).toBe(jobs);
  expect(gateway.tasks.size).toBe(jobs);
  expect(fleet.posts(), "creates, some of them refused").toBeGreaterThan(jobs);
  // Both workers create until they are refused, and then pause.
  const methods = gateway.received.map(({ method }) => method);
  const postsAt = methods.flatMap((method, index) => (method === "POST" ? index : []));
  const duringPause = methods.slice(0, postsAt[workers * concurrency]);
  const polls = duringPause.filter((method) => method === "GET");
  expect(polls.length, "polls in the first pause").toBeGreaterThanOrEqual(limits.maxParallelTasks);
});

it("closes without waiting for its 300 tasks", async (test) => {
  const jobs = 300;
  const fleet = await startFleet(test, { folder: await newFolder(), polls: Infinity });
  await fleet.add(...namesOf(jobs));
  const times = { ...TIMES, intervalMs: 5_000, pauseMs: 5_000 };
  const worker = startWorker(test, program, { ...times, ...fleet.places, concurrency: 50 });
  await until(() => fleet.gateway.tasks.size === jobs);
  await until(async () => (await fleet.queue.getDelayedCount()) > jobs - 50);
  expect(await worker.close(), "milliseconds").toBeLessThan(times.intervalMs / 2);
  // A poll may have been due just then.
  expect(await fleet.queue.getJobCountByTypes("waiting", "active", "delayed")).toBe(jobs);
});

it("parks only the jobs that were being created when a burst of 502 began", async (test) => {
  const [jobs, workers, concurrency, burstMs] = [200, 2, 10, 5_000];
  let burstUntil = 0;
  let creating = 0;
  const fleet = await startFleet(test, {
    folder: await newFolder(),
    polls: 2,
    delayMs: () => 300,
    faultOf() {
      creating += 1;
      return performance.now() < burstUntil ? "502" : undefined;
    },
  });
  const { gateway, queue, places } = fleet;
  await fleet.add(...namesOf(jobs));
  const times = { ...TIMES, intervalMs: 200, pauseMs: 10_000 };
  for (let worker = 0; worker < workers; worker++) {
    startWorker(test, program, { ...times, ...places, concurrency });
  }
  await until(() => gateway.tasks.size >= 40);
  burstUntil = performance.now() + burstMs;
  const before = creating;
  await until(() => performance.now() > burstUntil);
  const duringBurst = creating - before;
  await untilQuiet(fleet);
  const parked = await queue.getFailedCount();
  await test.annotate(`${parked} of ${jobs} parked, ${duringBurst} creates in the burst`);
  expect(parked).toBeGreaterThan(0);
  expect(parked, "at most as many as were being created").toBeLessThanOrEqual(
    workers * concurrency,
  );
  expect(await queue.getCompletedCount()).toBe(jobs - parked);
  expect(gateway.tasks.size).toBe(jobs - parked);
});
