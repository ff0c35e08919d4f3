// What many calls in one process cost, and that nothing of it is left behind.
import { getEventListeners } from "node:events";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test, vi } from "vitest";
import { createLipSyncClient, type LipSyncClient } from "../../src/index.js";

const MANY = 10_000;
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
function resources(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const name of process.getActiveResourcesInfo()) {
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return counts;
}

/** Asserts that no more handles are open than before; the test runner's own come and go. */
async function expectNoMoreThan(before: Map<string, number>): Promise<void> {
  await vi.waitFor(() => {
    const more = [...resources()].filter(([name, count]) => count > (before.get(name) ?? 0));
    expect(more).toEqual([]);
  }, 5000);
}

const encoder = new TextEncoder();
const headers = new Headers();

/** What the client needs of a Response. */
function answer(envelope: object): Response {
  const chunks = [encoder.encode(JSON.stringify(envelope))];
  const getReader = () => ({
    read: () => {
      const value = chunks.pop();
      return Promise.resolve({ value, done: value === undefined });
    },
    cancel: () => Promise.resolve(),
  });
  return { status: 200, headers, body: { getReader } } as unknown as Response;
}

interface Stub extends LipSyncClient {
  /** Ends every task. */
  finish: () => void;
  requests: () => number;
}

/** A client whose gateway answers at once: `processing`, until it is told otherwise. */
function stub(): Stub {
  let requests = 0;
  let end: object = { task_status: "processing" };
  const client = createLipSyncClient({
    apiKey: "key-of-the-leak-test",
    baseUrl: "https://gateway.invalid",
    fetch: (url) => {
      requests++;
      const task_id = typeof url === "string" ? url.slice(url.lastIndexOf("/") + 1) : "";
      const envelope = { code: 0, data: { task_id, ...end } };
      // A real Response costs more than all the rest of a call.
      return Promise.resolve(requests % 5 === 0 ? Response.json(envelope) : answer(envelope));
    },
  });
  const finish = () => {
    const url = "https://gateway.invalid/video.mp4";
    end = { task_status: "succeed", task_result: { videos: [{ id: "v", url, duration: "5" }] } };
  };
  return { ...client, finish, requests: () => requests };
}

/** Waits until every call has had its first answer, and sleeps. */
async function untilAsleep(client: Stub, requests: number): Promise<void> {
  while (client.requests() < requests) await new Promise((resolve) => setTimeout(resolve, 5));
  await new Promise((resolve) => setTimeout(resolve, 50));
}

const ids = Array.from({ length: MANY }, (_, n) => `task-${n}`);

function report(figure: string): void {
  process.stdout.write(`${figure}\n`);
}

test("holds at most 4 kB for each wait that sleeps, and nothing once all have ended", async () => {
  const client = stub();
  const { signal } = new AbortController();
  // The first calls load and compile what the rest then uses.
  client.finish();
  await Promise.all(ids.slice(0, 200).map((id) => client.wait(id)));

  const busy = stub();
  const handles = resources();
  const heap = await heapBytes();
  const waits = ids.map((id) => busy.wait(id, { signal, intervalMs: 4000, timeoutMs: HOUR }));
  await untilAsleep(busy, MANY);
  const bytes = ((await heapBytes()) - heap) / MANY;
  report(`heap of one sleeping wait: ${Math.round(bytes)} bytes`);
  expect(getEventListeners(signal, "abort")).toHaveLength(1);

  busy.finish();
  const tasks = await Promise.all(waits);
  expect(tasks.map(({ task_id }) => task_id)).toEqual(ids);
  // A slow machine polls once more before it comes to this.
  expect(busy.requests()).toBeGreaterThanOrEqual(2 * MANY);
  expect(busy.requests()).toBeLessThanOrEqual(3 * MANY);
  expect(getEventListeners(signal, "abort")).toEqual([]);
  await expectNoMoreThan(handles);
  expect(bytes).toBeLessThan(4096);
}, 60_000);

test("ends 10,000 waits at once when their one signal aborts", async () => {
  const client = stub();
  const controller = new AbortController();
  const { signal } = controller;
  const handles = resources();
  const waits = ids.map((id) => client.wait(id, { signal, intervalMs: HOUR, timeoutMs: HOUR }));
  const ends = Promise.allSettled(waits);
  await untilAsleep(client, MANY);
  expect(getEventListeners(signal, "abort")).toHaveLength(1);
  expect(resources().get("Timeout")).toBeGreaterThanOrEqual(MANY);

  const reason = new Error("enough");
  const startedAt = performance.now();
  controller.abort(reason);
  const outcomes = await ends;
  report(`abort of ${MANY} waits: ${Math.round(performance.now() - startedAt)} ms`);
  expect(outcomes.every((end) => end.status === "rejected" && end.reason === reason)).toBe(true);
  expect(getEventListeners(signal, "abort")).toEqual([]);
  await expectNoMoreThan(handles);
  expect(client.requests()).toBe(MANY);
}, 60_000);

test("leaves no listener on a signal that aborts a repeat's pause", async () => {
  const controller = new AbortController();
  const { signal } = controller;
  const client = createLipSyncClient({
    apiKey: "key-of-the-leak-test",
    baseUrl: "https://gateway.invalid",
    fetch: () => Promise.resolve(new Response(null, { status: 429 })),
  });
  const handles = resources();
  const gets = Array.from({ length: 100 }, () => client.get("task", { signal }));
  const ends = Promise.allSettled(gets);
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(getEventListeners(signal, "abort")).toHaveLength(1);
  controller.abort();
  await ends;
  expect(getEventListeners(signal, "abort")).toEqual([]);
  await expectNoMoreThan(handles);
});

test("leaves the heap where it was after 100,000 calls", async () => {
  const client = stub();
  const { signal } = new AbortController();
  const calls = async (times: number) => {
    for (let n = 0; n < times; n += 100) {
      await Promise.all(ids.slice(0, 100).map((id) => client.get(id, { signal })));
    }
  };
  await calls(5000);
  const handles = resources();
  const heap = await heapBytes();
  await calls(100_000);
  const growth = (await heapBytes()) - heap;
  report(`growth of the heap after 100,000 calls: ${Math.round(growth / 1024)} kB`);
  expect(client.requests()).toBe(105_000);
  expect(growth).toBeLessThan(2 * 2 ** 20);
  expect(getEventListeners(signal, "abort")).toEqual([]);
  await expectNoMoreThan(handles);
}, 60_000);
