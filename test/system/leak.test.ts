// What many calls in one process cost, and that nothing of it is left behind.
import { getEventListeners } from "node:events";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, expect, test, vi } from "vitest";
import { createLipSyncClient } from "../../src/index.js";

vi.setConfig({ testTimeout: 120_000 });

const MANY = 5000;
const HOUR = 3_600_000;

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** The heap that is in use once everything is collected that can be. */
async function heapBytes(): Promise<number> {
  for (let round = 0; round < 3; round++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    collect();
  }
  return process.memoryUsage().heapUsed;
}

/** How many timers, sockets and other handles are open. */
function handles(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const name of process.getActiveResourcesInfo())
    counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}

/** Asserts that no more handles are open than before; the test runner's own come and go. */
async function expectNoMoreThan(before: Map<string, number>): Promise<void> {
  await vi.waitFor(() => {
    const more = [...handles()].filter(([name, count]) => count > (before.get(name) ?? 0));
    expect(more).toEqual([]);
  }, 5000);
}

const headers = new Headers();

/** What the client needs of a Response; a real one costs more than all the rest of a call. */
function answer(envelope: object): Response {
  const values = [new TextEncoder().encode(JSON.stringify(envelope))].values();
  const read = () => Promise.resolve(values.next());
  const body = { getReader: () => ({ read, cancel: () => Promise.resolve() }) };
  return { status: 200, headers, body } as unknown as Response;
}

/** A client whose gateway answers at once: `processing`, until it is told otherwise. */
function setUp() {
  let requests = 0;
  let end: object = { task_status: "processing" };
  const client = createLipSyncClient({
    apiKey: "key-of-the-leak-test",
    baseUrl: "https://gateway.invalid",
    fetch: (url) => {
      requests++;
      const task_id = typeof url === "string" ? url.slice(url.lastIndexOf("/") + 1) : "";
      const envelope = { code: 0, data: { task_id, ...end } };
      return Promise.resolve(requests % 5 === 0 ? Response.json(envelope) : answer(envelope));
    },
  });
  const videos = [{ id: "v", url: "https://gateway.invalid/video.mp4", duration: "5" }];
  /** Ends every task. */
  const finish = () => (end = { task_status: "succeed", task_result: { videos } });
  return { ...client, finish, requests: () => requests };
}

/** Resolves when every wait has had its first response, and sleeps. */
async function asleep(gateway: ReturnType<typeof setUp>): Promise<void> {
  await vi.waitFor(() => {
    expect(gateway.requests()).toBeGreaterThanOrEqual(MANY);
    expect(handles().get("Timeout")).toBeGreaterThanOrEqual(MANY);
  }, 10_000);
}

const ids = Array.from({ length: MANY }, (_, n) => `task-${n}`);

const report = (figure: string) => process.stdout.write(`${figure}\n`);

const warnings: unknown[] = [];
process.on("warning", (warning) => warnings.push(warning));
afterEach(() => {
  // Node warns of many listeners on one signal.
  expect(warnings).toEqual([]);
});
test("holds at most 2,100 bytes for each wait that sleeps, and nothing once all have ended", async () => {
  const { signal } = new AbortController();
  // The first calls load and compile what the rest then uses.
  const warm = setUp();
  warm.finish();
  await Promise.all(ids.slice(0, 200).map((id) => warm.wait(id)));

  const gateway = setUp();
  const before = handles();
  const heap = await heapBytes();
  const waits = ids.map((id) => gateway.wait(id, { signal, intervalMs: 4000, timeoutMs: HOUR }));
  await asleep(gateway);
  const bytes = ((await heapBytes()) - heap) / MANY;
  report(`heap of one sleeping wait: ${Math.round(bytes)} bytes`);
  expect(getEventListeners(signal, "abort")).toHaveLength(1);

  gateway.finish();
  const tasks = await Promise.all(waits);
  expect(tasks.map(({ task_id }) => task_id)).toEqual(ids);
  // A slow machine polls once more before it comes to this.
  expect(gateway.requests()).toBeGreaterThanOrEqual(2 * MANY);
  expect(gateway.requests()).toBeLessThanOrEqual(3 * MANY);
  expect(getEventListeners(signal, "abort")).toEqual([]);
  await expectNoMoreThan(before);
  expect(bytes).toBeLessThan(2100);
});

test("ends 5,000 waits at once when their one signal aborts", async () => {
  const gateway = setUp();
  const controller = new AbortController();
  const { signal } = controller;
  const before = handles();
  const options = { signal, intervalMs: HOUR, timeoutMs: HOUR };
  const ends = Promise.allSettled(ids.map((id) => gateway.wait(id, options)));
  await asleep(gateway);
  expect(getEventListeners(signal, "abort")).toHaveLength(1);

  const startedAt = performance.now();
  controller.abort("enough");
  const outcomes = await ends;
  report(`abort of ${MANY} waits: ${Math.round(performance.now() - startedAt)} ms`);
  expect(outcomes.every((end) => end.status === "rejected" && end.reason === "enough")).toBe(true);
  expect(getEventListeners(signal, "abort")).toEqual([]);
  await expectNoMoreThan(before);
  expect(gateway.requests()).toBe(MANY);
});

test("leaves the heap where it was after 30,000 calls", async () => {
  const gateway = setUp();
  const { signal } = new AbortController();
  const get = (id: string) => gateway.get(id, { signal });
  const calls = async (times: number) => {
    for (let n = 0; n < times; n += 100) await Promise.all(ids.slice(0, 100).map(get));
  };
  await calls(3000);
  const before = handles();
  const heap = await heapBytes();
  await calls(30_000);
  const growth = (await heapBytes()) - heap;
  report(`growth of the heap after 30,000 calls: ${Math.round(growth / 1024)} kB`);
  expect(gateway.requests()).toBe(33_000);
  expect(growth).toBeLessThan(2 ** 20);
  expect(getEventListeners(signal, "abort")).toEqual([]);
  await expectNoMoreThan(before);
});
