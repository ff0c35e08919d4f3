// What ends an attempt before its response does: an abort, a time limit, also after a garbage
// collection, and also with a fetch that ignores its signal. Nothing is left behind.
import { getEventListeners } from "node:events";
import { setImmediate } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ConnectionError, createLipSyncClient } from "../../src/index.js";
import type { LipSyncClient, LipSyncClientOptions, RequestOptions } from "../../src/index.js";
import { errorOf } from "../fixtures/client.js";
import { request } from "../fixtures/request.js";
import { type Reaction, startFaultServer, startTcpServer } from "../fixtures/servers.js";

vi.setConfig({ testTimeout: 30_000 });

const task = { task_id: "task-1", task_status: "submitted", created_at: 1, updated_at: 2 };
const whole = JSON.stringify({ code: 0, message: "SUCCEED", data: task });
const apiKey = "sk-attempt-0123456789";
/** The limit and the pause of these tests; nothing else in the process sets timers of this length. */
const timeoutMs = 54_321;
const pauseMs = 29_000;

type Call = (client: LipSyncClient, options: RequestOptions) => Promise<unknown>;
const calls: [name: string, Call][] = [
  ["create", (client, options) => client.create(request, options)],
  ["get", (client, options) => client.get("task-1", options)],
];

const failure = new Error("the caller's own");

const answers: Reaction = (response) => response.end(whole);
const isBusy: Reaction = (response) => {
  response.writeHead(429, { "retry-after": String(pauseMs / 1000) }).end();
};
const stalls: Reaction = () => undefined;
const head = `HTTP/1.1 200 OK\r\ncontent-length: ${whole.length}\r\n\r\n`;

/** How far a response has come when it stalls. */
const phases: [name: string, Reaction][] = [
  ["before the headers", stalls],
  ["between the headers and the body", (_, { socket }) => socket.write(head)],
  ["inside the body", (_, { socket }) => socket.write(head + whole.slice(0, 20))],
];

const warnings: unknown[] = [];
process.on("warning", (warning) => warnings.push(warning));
const server = await startFaultServer();
afterAll(() => server.close());
afterEach(() => {
  vi.restoreAllMocks();
  // Node warns of a timer that is too long, and of too many listeners on a signal.
  expect(warnings).toEqual([]);
});

const { setTimeout, clearTimeout } = globalThis;
/** The timers that the library has set and that were not cleared. */
const pending = new Set<unknown>();
let onPause: (value: undefined) => void = () => undefined;

beforeEach(() => {
  pending.clear();
  const set = (callback: (...args: unknown[]) => void, delayMs?: number, ...args: unknown[]) => {
    const timer = setTimeout(callback, delayMs, ...args);
    if (delayMs === timeoutMs || delayMs === pauseMs) pending.add(timer);
    if (delayMs === pauseMs) onPause(undefined);
    return timer;
  };
  const clear = (timer: NodeJS.Timeout | undefined) => {
    pending.delete(timer);
    clearTimeout(timer);
  };
  vi.spyOn(globalThis, "setTimeout").mockImplementation(set as typeof setTimeout);
  vi.spyOn(globalThis, "clearTimeout").mockImplementation(clear as typeof clearTimeout);
});

/** Lets everything run that has been waiting for its turn. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await setImmediate();
}

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

async function collectAll(): Promise<void> {
  for (let round = 0; round < 3; round += 1) {
    await turns();
    collect();
  }
  await turns();
}

/** A promise to settle from outside. */
function defer<T = undefined>() {
  let resolve!: (value: T) => void;
  let reject!: (reason: unknown) => void;
  const promise = new Promise<T>((...settle) => {
    [resolve, reject] = settle;
  });
  return { promise, resolve, reject };
}

const clientAt = (baseUrl: string, options: LipSyncClientOptions = {}) =>
  createLipSyncClient({ apiKey, baseUrl, timeoutMs, ...options });

/** A complete exchange, after which whatever was still under way to the server has arrived. */
async function exchange(): Promise<void> {
  await clientAt(server.place(answers).baseUrl).get("task-1");
}

/** A call that is under way, and what it comes to. */
function start(call: Call, client: LipSyncClient) {
  const controller = new AbortController();
  const started = { controller, isSettled: false, settled: Promise.resolve<unknown>(undefined) };
  const settle = (value: unknown) => {
    started.isSettled = true;
    return value;
  };
  started.settled = call(client, { signal: controller.signal }).then(settle, settle);
  return started;
}

/** A call whose response stalls in a phase. */
async function startIn(react: Reaction, call: Call, options: LipSyncClientOptions = {}) {
  const place = server.place(react);
  const fetch = vi.fn(globalThis.fetch);
  const started = start(call, clientAt(place.baseUrl, { fetch, ...options }));
  const { closed } = await place.request(1);
  if (react !== stalls) await fetch.mock.results[0]?.value;
  await turns();
  return { ...started, started, closed, place };
}

/** Aborts, and sees that the call is over in the same turn and has left nothing behind. */
async function abort(started: ReturnType<typeof start>): Promise<void> {
  const { controller, settled } = started;
  expect(started.isSettled).toBe(false);
  controller.abort(failure);
  expect(getEventListeners(controller.signal, "abort")).toEqual([]);
  await setImmediate();
  expect(started.isSettled).toBe(true);
  expect(await settled).toBe(failure);
  await turns();
  expect(pending.size).toBe(0);
  expect(getEventListeners(controller.signal, "abort")).toEqual([]);
}

describe.each(calls)("an abort of %s", (_, call) => {
  it("by the key function or by fetch has one outcome and leaves no listener", async () => {
    for (const by of ["apiKey", "fetch"]) {
      const place = server.place(answers);
      const controller = new AbortController();
      const { signal } = controller;
      const abortWith = <T>(value: T) => {
        controller.abort(failure);
        return value;
      };
      const fetch: typeof globalThis.fetch = (...args) => globalThis.fetch(...args).then(abortWith);
      const options = by === "fetch" ? { fetch } : { apiKey: () => abortWith(apiKey) };
      await expect(call(clientAt(place.baseUrl, options), { signal })).rejects.toBe(failure);
      expect(getEventListeners(signal, "abort")).toEqual([]);
      await exchange();
      expect(place.received).toHaveLength(by === "fetch" ? 1 : 0);
    }
  });

  it("while connecting ends it, and the request is not sent", async () => {
    // A TLS handshake that never goes on: there is a connection, and nothing to send through yet.
    const hello = vi.fn();
    const tcp = await startTcpServer((socket) => socket.on("data", hello));
    const started = start(call, clientAt(`https://127.0.0.1:${tcp.port}`));
    await vi.waitUntil(() => hello.mock.calls.length > 0);
    await abort(started);
    expect([hello.mock.calls.length, tcp.sockets.length]).toEqual([1, 1]);
    await tcp.close();
  });

  it.each(phases)("%s closes the connection", async (_, react) => {
    const { started, closed, place } = await startIn(react, call);
    await collectAll();
    await abort(started);
    await closed;
    expect(place.received).toHaveLength(1);
  });

  it("while it sleeps between attempts ends it without another one", async () => {
    const place = server.place(isBusy);
    const asleep = defer();
    onPause = asleep.resolve;
    const started = start(call, clientAt(place.baseUrl));
    await asleep.promise;
    await collectAll();
    await abort(started);
    await exchange();
    expect(place.received).toHaveLength(1);
  });

  it("after the end changes nothing", async () => {
    const { controller, settled } = start(call, clientAt(server.place(answers).baseUrl));
    expect(await settled).toEqual(task);
    expect(getEventListeners(controller.signal, "abort")).toEqual([]);
    expect(pending.size).toBe(0);
    controller.abort(failure);
    await turns();
  });
});

it.each(phases)("timeoutMs ends a call %s, and its connection", async (_, react) => {
  const limits = { timeoutMs: 1000, maxRetries: 0 };
  const ends = calls.map(async ([, call]) => {
    const { settled, closed } = await startIn(react, call, limits);
    await collectAll();
    expect(await settled).toBeInstanceOf(ConnectionError);
    await closed;
  });
  await Promise.all(ends);
});

describe("a fetch that ignores its signal", () => {
  const baseUrl = "https://gateway.example";
  const never = <T>() => new Promise<T>(() => undefined);
  const stalling = (cancel: () => Promise<void>) =>
    new Response(new ReadableStream({ pull: never, cancel }));

  it.each<[string, (() => Promise<void>)?]>([
    ["never settles"],
    ["never ends the body", () => Promise.resolve()],
    ["never cancels the body", never],
    ["fails to cancel the body", () => Promise.reject(new Error("no"))],
  ])("and %s cannot hold a call, and has such a body cancelled", async (_, end) => {
    for (const [method, call] of calls) {
      const cancel = vi.fn(end);
      const fetch = async () => (end ? stalling(cancel) : never<Response>());
      const client = clientAt(baseUrl, { fetch, maxRetries: 0 });
      const late = await errorOf(call(client, { timeoutMs: 20 }), ConnectionError);
      expect(late.mayHaveCreatedTask).toBe(method === "create");
      await turns();
      expect(cancel).toHaveBeenCalledTimes(end ? 1 : 0);
      const started = start(call, client);
      await turns();
      await abort(started);
      expect(cancel).toHaveBeenCalledTimes(end ? 2 : 0);
    }
  });

  it.each(calls)("and responds to %s after its end has the response cancelled", async (_, call) => {
    const cancel = vi.fn(() => Promise.resolve());
    for (const isFailing of [false, true]) {
      const late = defer<Response>();
      const started = start(call, clientAt(baseUrl, { fetch: () => late.promise }));
      await turns();
      await abort(started);
      if (isFailing) late.reject(new Error("too late"));
      else late.resolve(stalling(cancel));
      // An unhandled rejection would fail the test run.
      await turns();
    }
    expect(cancel).toHaveBeenCalledOnce();
  });
});

it("a thousand calls end with the abort of their one signal, and so do their connections", async () => {
  const place = server.place(stalls);
  const client = clientAt(place.baseUrl);
  const controller = new AbortController();
  const { signal } = controller;
  const ends = Array.from({ length: 1000 }, () =>
    client.get("task-1", { signal }).catch((error: unknown) => error),
  );
  await place.request(1000);
  expect(getEventListeners(signal, "abort")).toHaveLength(1);
  expect(pending.size).toBe(1000);
  controller.abort(failure);
  expect(new Set(await Promise.all(ends))).toEqual(new Set([failure]));
  await Promise.all(place.received.map(({ closed }) => closed));
  expect(getEventListeners(signal, "abort")).toEqual([]);
  expect(pending.size).toBe(0);
});
