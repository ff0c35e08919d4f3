import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  ApiError,
  createLipSyncClient,
  type LipSyncTask,
  TaskFailedError,
  TaskTimeoutError,
  type WaitOptions,
} from "../src/index.js";
import { createFakeGateway, type FakeGatewayOptions } from "../src/testing.js";
import failed from "./fixtures/failed.json" with { type: "json" };

const answer = (data: object, status = 200) => Response.json({ code: 0, data }, { status });
const processing = { task_id: "t", task_status: "processing", created_at: 1, updated_at: 1 };
const refused = (headers?: HeadersInit) =>
  new Response("", { status: 429, ...(headers && { headers }) });

/** A task at a fake gateway, and a log of the times at which it was polled. */
function setUp(options: FakeGatewayOptions = {}) {
  const gateway = createFakeGateway(options);
  gateway.tasks.set("t", { ...processing, task_status: "submitted" });
  const start = Date.now();
  const polledAt: number[] = [];
  const client = createLipSyncClient({
    ...gateway,
    fetch: (url, init) => {
      polledAt.push(Date.now() - start);
      return gateway.fetch(url, init);
    },
  });
  const wait = (waitOptions?: WaitOptions) => {
    const ended = client.wait("t", waitOptions);
    ended.catch(() => undefined);
    return ended;
  };
  return { gateway, client, wait, polledAt };
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, "random").mockReturnValue(0.5);
});
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
  vi.restoreAllMocks();
});

describe("polling", () => {
  it("asks at once, then every 10 s with a little jitter", async () => {
    const { wait, polledAt, gateway } = setUp({ polls: 4 });
    const ended = wait();
    await vi.advanceTimersByTimeAsync(31_500);
    await expect(ended).resolves.toMatchObject({ task_status: "succeed" });
    expect(polledAt).toEqual([0, 10_500, 21_000, 31_500]);
    expect(gateway.received.map(({ method }) => method)).toEqual(["GET", "GET", "GET", "GET"]);
  });

  it("adds a tenth of the interval at most, and nothing at least", async () => {
    for (const [random, interval] of [
      [0, 2000],
      [0.999, 2199.8],
    ] as const) {
      vi.mocked(Math.random).mockReturnValue(random);
      const { wait, polledAt } = setUp({ polls: 2 });
      const ended = wait({ intervalMs: 2000 });
      await vi.advanceTimersByTimeAsync(2200);
      await ended;
      expect(polledAt).toEqual([0, Math.floor(interval)]);
    }
  });

  it("tells onUpdate once for each answered poll", async () => {
    const { wait, gateway } = setUp({ polls: 3 });
    gateway.answerNext(refused(), new TypeError("fetch failed"));
    const updates: LipSyncTask[] = [];
    const ended = wait({ onUpdate: (task) => updates.push(task) });
    await vi.advanceTimersByTimeAsync(60_000);
    await ended;
    expect(updates.map((task) => task.task_status)).toEqual([
      "processing",
      "processing",
      "succeed",
    ]);
  });

  it("tells onUpdate nothing about a poll that fails after one that was answered", async () => {
    const { wait, gateway } = setUp({ polls: 2 });
    gateway.answerNext(answer(processing), refused(), new TypeError("fetch failed"));
    const updates: string[] = [];
    const ended = wait({ onUpdate: (task) => updates.push(task.task_status) });
    await vi.advanceTimersByTimeAsync(60_000);
    await ended;
    expect(updates).toEqual(["processing", "processing", "succeed"]);
  });

  it("is not ended by videos before the status is succeed", async () => {
    const { wait, gateway, polledAt } = setUp({ polls: 1 });
    const task_result = { videos: [{ url: "https://a.example/early.mp4" }] };
    gateway.answerNext(answer({ ...processing, task_result }));
    const ended = wait();
    await vi.advanceTimersByTimeAsync(10_500);
    await ended;
    expect(polledAt).toEqual([0, 10_500]);
  });

  it("ends with what onUpdate throws", async () => {
    const boom = new Error("boom");
    const ended = setUp().wait({
      onUpdate: () => {
        throw boom;
      },
    });
    await expect(ended).rejects.toBe(boom);
  });

  it("waits for an onUpdate that is async, and ends with its rejection", async () => {
    const boom = new Error("database is down");
    const ended = setUp().wait({ onUpdate: () => Promise.reject(boom) as unknown as undefined });
    await expect(ended).rejects.toBe(boom);
  });

  it("goes on while the status is unknown, or succeed without a usable video", async () => {
    const { wait, gateway, polledAt } = setUp({ polls: 0 });
    const videos = [[], {}, [null], [{}], [{ url: "" }], [{ url: "a" }, { url: 5 }]];
    gateway.answerNext(
      answer({ ...processing, task_status: "queued" }),
      answer({ ...processing, task_status: "succeed" }),
      answer({ ...processing, task_status: "succeed", task_result: [] }),
      ...videos.map((videos) =>
        answer({ ...processing, task_status: "succeed", task_result: { videos } }),
      ),
    );
    const ended = wait({ intervalMs: 1000 });
    await vi.advanceTimersByTimeAsync(20_000);
    await expect(ended).resolves.toMatchObject({ task_status: "succeed" });
    expect(polledAt).toHaveLength(4 + videos.length);
  });
});

describe("an end", () => {
  it("as failed is a TaskFailedError with the gateway's reason", async () => {
    const { wait } = setUp({ polls: 1, failWith: "no face was found" });
    const error: unknown = await wait().catch((error: unknown) => error);
    expect(error).toBeInstanceOf(TaskFailedError);
    expect(error).toMatchObject({
      message: "no face was found",
      mayHaveCreatedTask: false,
      task: { task_id: "t", task_status: "failed" },
    });
  });

  it("as failed without a reason says so", async () => {
    const { wait, gateway } = setUp();
    gateway.answerNext(answer({ ...failed.data, task_status_msg: " " }));
    await expect(wait()).rejects.toThrow(
      "Task CmJ8DGePZioAAAAAAFIvOQ failed; the gateway gave no reason.",
    );
  });

  it.each([
    ["401", Response.json({ code: 1002, message: "invalid" }, { status: 401 })],
    ["403", Response.json({ code: 1103 }, { status: 403 })],
    ["404", Response.json({ code: 1203 }, { status: 404 })],
    ["a 429 for an account in arrears", Response.json({ code: 1101 }, { status: 429 })],
    ["a 200 with HTML", new Response("<html>")],
  ])("comes at once with %s, which waiting does not mend", async (_, response) => {
    const { wait, gateway, polledAt } = setUp();
    gateway.answerNext(response);
    await expect(wait()).rejects.toBeInstanceOf(ApiError);
    expect(polledAt).toEqual([0]);
  });

  it("comes with what the key function throws", async () => {
    const boom = new Error("no key");
    const client = createLipSyncClient({
      ...createFakeGateway(),
      apiKey: () => {
        throw boom;
      },
    });
    await expect(client.wait("t")).rejects.toBe(boom);
  });
});

describe("failures that may pass", () => {
  it("are waited out, each for an interval", async () => {
    const { wait, gateway, polledAt } = setUp({ polls: 1 });
    gateway.answerNext(
      new TypeError("fetch failed", { cause: new Error("read ECONNRESET") }),
      refused(),
      Response.json({ code: 1303 }, { status: 429 }),
      Response.json({ code: 1302 }),
      new Response("<html>", { status: 502 }),
      Response.json({ code: 5001 }, { status: 503 }),
      new Response("", { status: 408 }),
    );
    const ended = wait();
    await vi.advanceTimersByTimeAsync(75_000);
    await expect(ended).resolves.toMatchObject({ task_id: "t" });
    expect(polledAt).toEqual([0, 10_500, 21_000, 31_500, 42_000, 52_500, 63_000, 73_500]);
  });

  it("may ask for a longer pause, not for a shorter one", async () => {
    const { wait, gateway, polledAt } = setUp({ polls: 1 });
    gateway.answerNext(refused({ "retry-after": "120" }), refused({ "retry-after": "1" }));
    const ended = wait();
    await vi.advanceTimersByTimeAsync(130_500);
    await ended;
    expect(polledAt).toEqual([0, 120_000, 130_500]);
  });

  it("do not end in an error of theirs, however long they go on", async () => {
    const { wait, gateway } = setUp({ polls: 1 });
    gateway.answerNext(...Array.from({ length: 200 }, () => new TypeError("fetch failed")));
    const ended = wait({ intervalMs: 1000 });
    await vi.advanceTimersByTimeAsync(215_000);
    await expect(ended).resolves.toMatchObject({ task_status: "succeed" });
  });
});

describe("the limit", () => {
  it("is half an hour, and its error carries the id and the last task", async () => {
    const { wait } = setUp({ polls: Infinity });
    const ended = wait();
    await vi.advanceTimersByTimeAsync(1_799_999);
    expect(vi.getTimerCount()).toBe(2);
    await vi.advanceTimersByTimeAsync(1);
    const error: unknown = await ended.catch((error: unknown) => error);
    expect(error).toBeInstanceOf(TaskTimeoutError);
    expect(error).toMatchObject({
      taskId: "t",
      task: { task_status: "processing" },
      mayHaveCreatedTask: false,
      message: "Task t was not done after 1800000 ms (status: processing); it goes on.",
    });
    expect(error).not.toHaveProperty("cause");
  });

  it("carries no task where no poll was answered, and the last poll's error", async () => {
    const { wait, gateway } = setUp();
    gateway.answerNext(refused({ "retry-after": "259200" }));
    const ended = wait({ timeoutMs: 5000 });
    await vi.advanceTimersByTimeAsync(5000);
    const error: unknown = await ended.catch((error: unknown) => error);
    expect(error).toMatchObject({
      taskId: "t",
      task: undefined,
      message: "Task t was not done after 5000 ms (status: unknown); it goes on.",
    });
    expect((error as TaskTimeoutError).cause).toMatchObject({ status: 429 });
  });

  it("bounds a poll that hangs", async () => {
    const { gateway } = setUp();
    const client = createLipSyncClient({ ...gateway, fetch: () => new Promise(() => undefined) });
    const ended = client.wait("t", { timeoutMs: 7000 });
    ended.catch(() => undefined);
    await vi.advanceTimersByTimeAsync(7000);
    await expect(ended).rejects.toBeInstanceOf(TaskTimeoutError);
  });

  it("is none where it is Infinity", async () => {
    const { wait } = setUp({ polls: 400 });
    const ended = wait({ timeoutMs: Infinity });
    await vi.advanceTimersByTimeAsync(400 * 10_500);
    await expect(ended).resolves.toMatchObject({ task_status: "succeed" });
  });

  it("can be followed by another wait with the same id", async () => {
    const { wait, client } = setUp({ polls: 4 });
    const first = wait({ timeoutMs: 15_000 });
    await vi.advanceTimersByTimeAsync(15_000);
    const error = (await first.catch((error: unknown) => error)) as TaskTimeoutError;
    const second = client.wait(error.taskId);
    await vi.advanceTimersByTimeAsync(15_000);
    await expect(second).resolves.toMatchObject({ task_status: "succeed" });
  });

  it("of an attempt is the client's own, 60 s, after which the poll is repeated", async () => {
    const { gateway } = setUp({ polls: 1 });
    let calls = 0;
    const client = createLipSyncClient({
      ...gateway,
      fetch: (url, init) =>
        ++calls === 1 ? new Promise(() => undefined) : gateway.fetch(url, init),
    });
    const ended = client.wait("t");
    await vi.advanceTimersByTimeAsync(70_500);
    await expect(ended).resolves.toMatchObject({ task_status: "succeed" });
    expect(calls).toBe(2);
  });
});

describe("an abort", () => {
  it.each([[new Error("enough")], [undefined], [null], [0], [""], [false]])(
    "ends a wait at once with its reason: %j",
    async (reason) => {
      const { wait, polledAt } = setUp();
      const controller = new AbortController();
      const ended = wait({ signal: controller.signal });
      await vi.advanceTimersByTimeAsync(3000);
      controller.abort(reason);
      await expect(ended).rejects.toBe(controller.signal.reason);
      await vi.advanceTimersByTimeAsync(60_000);
      expect(polledAt).toEqual([0]);
    },
  );

  it("before the wait sends nothing", async () => {
    const { wait, polledAt } = setUp();
    await expect(wait({ signal: AbortSignal.abort("no") })).rejects.toBe("no");
    expect(polledAt).toEqual([]);
  });

  it("from onUpdate ends the wait", async () => {
    const { wait, polledAt } = setUp();
    const controller = new AbortController();
    const ended = wait({
      signal: controller.signal,
      onUpdate: () => {
        controller.abort("seen enough");
      },
    });
    await expect(ended).rejects.toBe("seen enough");
    await vi.advanceTimersByTimeAsync(60_000);
    expect(polledAt).toEqual([0]);
  });
});
