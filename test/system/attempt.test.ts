import { getEventListeners } from "node:events";
import { setImmediate } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import {
  ConnectionError,
  createLipSyncClient,
  type LipSyncClient,
  type LipSyncClientOptions,
  type LipSyncRequest,
  type RequestOptions,
} from "../../src/index.js";
import {
  type FaultServer,
  type Place,
  type Reaction,
  startFaultServer,
  startTcpServer,
} from "./fault-server.js";

const apiKey = "sk-attempt-0123456789";
const task = { task_id: "task-1", task_status: "submitted", created_at: 1, updated_at: 2 };
const whole = JSON.stringify({ code: 0, message: "SUCCEED", data: task });
const request: LipSyncRequest = {
  input: {
    video_id: "video-1",
    mode: "text2video",
    text: "今天天气很好",
    voice_id: "voice-1",
    voice_language: "zh",
  },
};

type Call = (client: LipSyncClient, options: RequestOptions) => Promise<unknown>;
const calls: [string, Call][] = [
  ["create", (client, options) => client.create(request, options)],
  ["get", (client, options) => client.get("task-1", options)],
];

let server: FaultServer;
beforeAll(async () => {
  server = await startFaultServer();
});
beforeEach(() => {
  watchTimers();
});
afterEach(() => {
  vi.restoreAllMocks();
});
afterAll(async () => {
  await server.close();
});

const answersWhole: Reaction = (response) => response.end(whole);
const stalls: Reaction = () => undefined;
const head = `HTTP/1.1 200 OK\r\ncontent-length: ${whole.length}\r\n\r\n`;
const stallsAfterHeaders: Reaction = (_, { socket }) => socket.write(head);
const stallsInBody: Reaction = (_, { socket }) => socket.write(head + whole.slice(0, 20));

/** Lets everything run that has been waiting for its turn. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await setImmediate();
}

/** A client, and a promise for the moment in which a call of it holds the headers of an answer. */
function clientWithHeadersSeen(options: LipSyncClientOptions) {
  const headersSeen = defer<undefined>();
  const fetch: typeof globalThis.fetch = async (...args) => {
    const response = await globalThis.fetch(...args);
    headersSeen.resolve(undefined);
    return response;
  };
  const client = createLipSyncClient({ apiKey, timeoutMs, ...options, fetch });
  return { client, headersSeen: headersSeen.promise };
}

/** The limit and the pause of these tests; nothing else in the process sets timers of this length. */
const timeoutMs = 54_321;
const pauseMs = 29_000;

const { setTimeout, clearTimeout } = globalThis;
const pending = new Set<unknown>();
let onPause: () => void = () => undefined;

/** Keeps account of the timers that the library has set and neither cleared nor seen firing. */
function watchTimers(): void {
  pending.clear();
  const set = (callback: (...args: unknown[]) => void, delayMs?: number, ...args: unknown[]) => {
    const timer = setTimeout(callback, delayMs, ...args);
    if (delayMs === timeoutMs || delayMs === pauseMs) pending.add(timer);
    if (delayMs === pauseMs) onPause();
    return timer;
  };
  const clear = (timer: NodeJS.Timeout | undefined) => {
    pending.delete(timer);
    clearTimeout(timer);
  };
  vi.spyOn(globalThis, "setTimeout").mockImplementation(set as typeof setTimeout);
  vi.spyOn(globalThis, "clearTimeout").mockImplementation(clear as typeof clearTimeout);
}

/** All timers that keep the process alive; vitest has some of its own, which come and go. */
function timers(): number {
  return process.getActiveResourcesInfo().filter((resource) => resource === "Timeout").length;
}

/** Sees that no timer is left, or the test runs out of time. */
async function noTimerLeft(timersBefore: number): Promise<void> {
  expect(pending.size).toBe(0);
  while (timers() > timersBefore) await setImmediate();
}

interface Deferred<T> {
  promise: Promise<T>;
  resolve: (value: T) => void;
  reject: (reason: unknown) => void;
}

/** A promise to settle from outside. */
function defer<T>(): Deferred<T> {
  let resolve!: Deferred<T>["resolve"];
  let reject!: Deferred<T>["reject"];
  const promise = new Promise<T>((...settle) => {
    [resolve, reject] = settle;
  });
  return { promise, resolve, reject };
}

function clientAt(baseUrl: string, options: LipSyncClientOptions = {}): LipSyncClient {
  return createLipSyncClient({ apiKey, baseUrl, timeoutMs, ...options });
}

/** A whole exchange, after which whatever was still under way to the server has arrived. */
async function exchange(): Promise<void> {
  const { baseUrl } = server.place(answersWhole);
  await clientAt(baseUrl).get("task-1");
}

/** A call that is under way, and what it came to. */
interface Started {
  controller: AbortController;
  settled: Promise<unknown>;
  isSettled: () => boolean;
}

function start(call: Call, client: LipSyncClient, options: RequestOptions = {}): Started {
  const controller = new AbortController();
  let isSettled = false;
  const settle = (value: unknown) => {
    isSettled = true;
    return value;
  };
  const promise = call(client, { ...options, signal: controller.signal });
  const settled = promise.then((value) => settle({ resolved: value }), settle);
  return { controller, settled, isSettled: () => isSettled };
}

const failure = new Error("the caller's own");
const reasons: unknown[] = [failure, "", null, 0, false, NaN, { not: "an error" }];

/** Aborts, and sees that the call is over in the same turn and has left nothing behind. */
async function abort(
  { controller, settled, isSettled }: Started,
  reason: unknown,
  timersBefore: number,
): Promise<void> {
  expect(isSettled()).toBe(false);
  controller.abort(reason);
  expect(getEventListeners(controller.signal, "abort")).toEqual([]);
  await setImmediate();
  expect(isSettled()).toBe(true);
  expect(await settled).toBe(reason);
  await noTimerLeft(timersBefore);
  await turns();
  expect(getEventListeners(controller.signal, "abort")).toEqual([]);
}

describe.each(calls)("an abort of %s", (_, call) => {
  it("before the call sends nothing and does not ask for the key", async () => {
    const place = server.place(answersWhole);
    const key = vi.fn(() => apiKey);
    const client = clientAt(place.baseUrl, { apiKey: key });
    for (const reason of reasons) {
      const signal = AbortSignal.abort(reason);
      const settled = call(client, { signal }).catch((error: unknown) => error);
      expect(await settled).toBe(reason);
      expect(getEventListeners(signal, "abort")).toEqual([]);
    }
    await exchange();
    expect(place.received).toEqual([]);
    expect(key).not.toHaveBeenCalled();
  });

  it("while the key is asked for sends nothing, also later", async () => {
    const place = server.place(answersWhole);
    const fetch = vi.fn(globalThis.fetch);
    for (const reason of reasons) {
      const key = defer<string>();
      const client = clientAt(place.baseUrl, { apiKey: () => key.promise, fetch });
      const before = timers();
      await abort(start(call, client), reason, before);
      key.resolve(apiKey);
      await exchange();
    }
    expect(place.received).toEqual([]);
    // A fetch may not look at its signal, so it must not be called either.
    expect(fetch).not.toHaveBeenCalled();
  });

  it("while the key is asked for is quiet about a key that fails later", async () => {
    const place = server.place(answersWhole);
    const key = defer<string>();
    const client = clientAt(place.baseUrl, { apiKey: () => key.promise });
    const before = timers();
    await abort(start(call, client), failure, before);
    key.reject(new Error("no key"));
    await exchange();
    expect(place.received).toEqual([]);
  });

  it("by the key function itself sends nothing", async () => {
    const place = server.place(answersWhole);
    const controller = new AbortController();
    const key = () => {
      controller.abort(failure);
      return apiKey;
    };
    const client = clientAt(place.baseUrl, { apiKey: key });
    await expect(call(client, { signal: controller.signal })).rejects.toBe(failure);
    expect(getEventListeners(controller.signal, "abort")).toEqual([]);
    await exchange();
    expect(place.received).toEqual([]);
  });

  it("while connecting ends it, and the request is not sent", async () => {
    // A TLS handshake that never goes on: there is a connection, and nothing to send through yet.
    for (const reason of reasons) {
      const received: Buffer[] = [];
      const greeted = defer<undefined>();
      const tcp = await startTcpServer((socket) => {
        socket.on("data", (bytes) => {
          received.push(bytes);
          greeted.resolve(undefined);
        });
      });
      const client = clientAt(`https://127.0.0.1:${tcp.port}`);
      const before = timers();
      const started = start(call, client);
      await greeted.promise;
      await abort(started, reason, before);
      expect(received).toHaveLength(1);
      expect(tcp.sockets).toHaveLength(1);
      await tcp.close();
    }
  });

  it("before the headers closes the connection", async () => {
    for (const reason of reasons) {
      const place = server.place(stalls);
      const before = timers();
      const started = start(call, clientAt(place.baseUrl));
      const { closed } = await place.request(1);
      await abort(started, reason, before);
      await closed;
      expect(place.received).toHaveLength(1);
    }
  });

  it.each([
    ["between the headers and the body", stallsAfterHeaders],
    ["inside the body", stallsInBody],
  ])("%s closes the connection", async (_, react) => {
    for (const reason of reasons) {
      const place = server.place(react);
      const { client, headersSeen } = clientWithHeadersSeen({ baseUrl: place.baseUrl });
      const before = timers();
      const started = start(call, client);
      await headersSeen;
      await turns();
      await abort(started, reason, before);
      await place.received[0]?.closed;
      expect(place.received).toHaveLength(1);
    }
  });

  it("while it sleeps between attempts ends it without a further one", async () => {
    const place = server.place((response) => {
      response.writeHead(429, { "retry-after": String(pauseMs / 1000) }).end();
    });
    for (const [index, reason] of reasons.entries()) {
      const before = timers();
      const asleep = defer<undefined>();
      onPause = () => {
        asleep.resolve(undefined);
      };
      const started = start(call, clientAt(place.baseUrl));
      await asleep.promise;
      await abort(started, reason, before);
      await exchange();
      expect(place.received).toHaveLength(index + 1);
    }
  });

  it("without a reason rejects with the signal's AbortError", async () => {
    const place = server.place(stalls);
    const started = start(call, clientAt(place.baseUrl));
    await place.request(1);
    started.controller.abort();
    expect(await started.settled).toBe(started.controller.signal.reason);
    expect(await started.settled).toMatchObject({ name: "AbortError" });
  });

  it("after the end changes nothing", async () => {
    const place = server.place(answersWhole);
    const before = timers();
    const started = start(call, clientAt(place.baseUrl));
    expect(await started.settled).toEqual({ resolved: task });
    expect(getEventListeners(started.controller.signal, "abort")).toEqual([]);
    await noTimerLeft(before);
    started.controller.abort(failure);
    await turns();
  });

  it("that comes with the answer's end leaves one outcome and no listener", async () => {
    const place = server.place(answersWhole);
    const { client, headersSeen } = clientWithHeadersSeen({ baseUrl: place.baseUrl });
    const started = start(call, client);
    await headersSeen;
    started.controller.abort(failure);
    expect(await started.settled).toBe(failure);
    expect(getEventListeners(started.controller.signal, "abort")).toEqual([]);
  });
});

describe("after a garbage collection", () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;

  async function collectAll(): Promise<void> {
    for (let round = 0; round < 3; round += 1) {
      await turns();
      collect();
    }
    await turns();
  }

  const phases: [string, Reaction][] = [
    ["before the headers", stalls],
    ["between the headers and the body", stallsAfterHeaders],
    ["inside the body", stallsInBody],
  ];

  async function reached(place: Place, react: Reaction, headersSeen: Promise<unknown>) {
    const received = await place.request(1);
    if (react !== stalls) await headersSeen;
    return received;
  }

  it.each(phases)("timeoutMs still ends a call %s, and its connection", async (_, react) => {
    await Promise.all(
      calls.map(async ([, call]) => {
        const place = server.place(react);
        const limits = { timeoutMs: 300, maxRetries: 0 };
        const { client, headersSeen } = clientWithHeadersSeen({
          baseUrl: place.baseUrl,
          ...limits,
        });
        const settled = call(client, {}).catch((error: unknown) => error);
        const { closed } = await reached(place, react, headersSeen);
        await collectAll();
        expect(await settled).toBeInstanceOf(ConnectionError);
        await closed;
      }),
    );
  });

  it.each(phases)("an abort still ends a call %s, and its connection", async (_, react) => {
    for (const [, call] of calls) {
      const place = server.place(react);
      const { client, headersSeen } = clientWithHeadersSeen({ baseUrl: place.baseUrl });
      const before = timers();
      const started = start(call, client);
      const { closed } = await reached(place, react, headersSeen);
      await collectAll();
      await abort(started, failure, before);
      await closed;
    }
  });

  it("an abort still wakes a call that sleeps between attempts", async () => {
    for (const [, call] of calls) {
      const place = server.place((response) => {
        response.writeHead(429, { "retry-after": String(pauseMs / 1000) }).end();
      });
      const { client, headersSeen } = clientWithHeadersSeen({ baseUrl: place.baseUrl });
      const before = timers();
      const started = start(call, client);
      await headersSeen;
      await collectAll();
      await abort(started, failure, before);
    }
  });
});

describe("a fetch that ignores its signal", () => {
  const baseUrl = "https://gateway.example";
  const never = <T>() => new Promise<T>(() => undefined);
  const fetches: Record<string, () => Promise<Response>> = {
    "never settles": never,
    "never ends the body": () => Promise.resolve(new Response(new ReadableStream({ pull: never }))),
    "never cancels the body": () =>
      Promise.resolve(new Response(new ReadableStream({ pull: never, cancel: never }))),
    "fails to cancel the body": () =>
      Promise.resolve(
        new Response(
          new ReadableStream({ pull: never, cancel: () => Promise.reject(new Error("no")) }),
        ),
      ),
  };

  it.each(Object.keys(fetches))("and %s cannot hold a call", async (name) => {
    const fetch = fetches[name];
    for (const [method, call] of calls) {
      const client = clientAt(baseUrl, { fetch, maxRetries: 0 });
      const before = timers();
      const late = call(client, { timeoutMs: 20 }).catch((error: unknown) => error);
      expect(await late).toBeInstanceOf(ConnectionError);
      expect(await late).toMatchObject({ mayHaveCreatedTask: method === "create" });

      const started = start(call, client);
      await turns();
      await abort(started, failure, before);
    }
  });

  it("has the body cancelled that it stalls in", async () => {
    for (const [, call] of calls) {
      const cancel = vi.fn();
      const fetch = () =>
        Promise.resolve(new Response(new ReadableStream({ pull: never, cancel })));
      const client = clientAt(baseUrl, { fetch, maxRetries: 0 });
      const before = timers();
      const started = start(call, client);
      await turns();
      await abort(started, failure, before);
      expect(cancel).toHaveBeenCalledTimes(1);

      const late = call(client, { timeoutMs: 20 }).catch((error: unknown) => error);
      expect(await late).toBeInstanceOf(ConnectionError);
      await turns();
      expect(cancel).toHaveBeenCalledTimes(2);
    }
  });

  it("and answers after the end has its answer cancelled", async () => {
    for (const [, call] of calls) {
      const answer = defer<Response>();
      const cancel = vi.fn();
      const before = timers();
      const started = start(call, clientAt(baseUrl, { fetch: () => answer.promise }));
      await turns();
      await abort(started, failure, before);
      answer.resolve(new Response(new ReadableStream({ cancel })));
      await turns();
      expect(cancel).toHaveBeenCalledOnce();
    }
  });

  it("and fails after the end is not heard of", async () => {
    for (const [, call] of calls) {
      const answer = defer<Response>();
      const before = timers();
      const started = start(call, clientAt(baseUrl, { fetch: () => answer.promise }));
      await turns();
      await abort(started, failure, before);
      answer.reject(new Error("too late"));
      // An unhandled rejection would fail the test run.
      await turns();
    }
  });
});

describe("a thousand calls on one signal", () => {
  /** The warnings of the process while something runs. */
  async function warningsOf(work: () => Promise<void>): Promise<string[]> {
    const warnings: string[] = [];
    const note = ({ name }: Error) => warnings.push(name);
    process.on("warning", note);
    await work();
    await turns();
    process.off("warning", note);
    return warnings;
  }

  it("raise no warning in a row", { timeout: 30_000 }, async () => {
    const { baseUrl } = server.place(answersWhole);
    const client = clientAt(baseUrl);
    const { signal } = new AbortController();
    let listeners = 0;
    const warnings = await warningsOf(async () => {
      for (let call = 0; call < 1000; call += 1) {
        await client.get("task-1", { signal });
        listeners += getEventListeners(signal, "abort").length;
      }
    });
    expect(warnings).toEqual([]);
    expect(listeners).toBe(0);
    expect(pending.size).toBe(0);
  });

  it("raise no warning all at once, and share one listener", async () => {
    const answer = defer<undefined>();
    const fetch = async () => {
      await answer.promise;
      return new Response(whole);
    };
    const client = clientAt("https://gateway.example", { fetch });
    const { signal } = new AbortController();
    const warnings = await warningsOf(async () => {
      const all = Array.from({ length: 1000 }, () => client.get("task-1", { signal }));
      await turns();
      expect(getEventListeners(signal, "abort")).toHaveLength(1);
      expect(pending.size).toBe(1000);
      answer.resolve(undefined);
      expect(await Promise.all(all)).toHaveLength(1000);
    });
    expect(warnings).toEqual([]);
    expect(getEventListeners(signal, "abort")).toEqual([]);
    expect(pending.size).toBe(0);
  });

  it("all end with one abort, and so do their connections", { timeout: 30_000 }, async () => {
    const place = server.place(stalls);
    const client = clientAt(place.baseUrl);
    const controller = new AbortController();
    const { signal } = controller;
    const warnings = await warningsOf(async () => {
      const all = Array.from({ length: 1000 }, () =>
        client.get("task-1", { signal }).catch((error: unknown) => error),
      );
      await place.request(1000);
      controller.abort(failure);
      expect(new Set(await Promise.all(all))).toEqual(new Set([failure]));
      await Promise.all(place.received.map(({ closed }) => closed));
    });
    expect(warnings).toEqual([]);
    expect(getEventListeners(signal, "abort")).toEqual([]);
    expect(pending.size).toBe(0);
  });
});

describe("timeoutMs", () => {
  it.each([2 ** 31 - 1, 2 ** 31, Number.MAX_SAFE_INTEGER, Infinity])(
    "of %d does not end a call early",
    async (timeoutMs) => {
      const warnings: string[] = [];
      const note = ({ name }: Error) => warnings.push(name);
      process.on("warning", note);
      const place = server.place(stalls);
      const client = clientAt(place.baseUrl, { timeoutMs });
      for (const [, call] of calls) {
        const before = timers();
        const started = start(call, client);
        // A timer that is set for too long fires after a millisecond.
        await new Promise((resolve) => setTimeout(resolve, 20));
        await abort(started, failure, before);
      }
      process.off("warning", note);
      expect(warnings).toEqual([]);
    },
  );

  it("starts anew with each attempt and is cleared after it", async () => {
    const place = server.place((response) => {
      if (place.received.length < 4) response.writeHead(429, { "retry-after": "0" }).end();
      else response.end(whole);
    });
    const before = timers();
    const client = clientAt(place.baseUrl, { maxRetries: 3 });
    await expect(client.create(request)).resolves.toEqual(task);
    const delays = vi.mocked(globalThis.setTimeout).mock.calls.map(([, delayMs]) => delayMs);
    expect(delays.filter((delayMs) => delayMs === timeoutMs)).toHaveLength(4);
    await noTimerLeft(before);
  });
});
