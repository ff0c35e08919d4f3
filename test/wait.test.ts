import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  ApiError,
  type LipSyncTask,
  TaskFailedError,
  TaskTimeoutError,
  type WaitOptions,
} from "../src/index.js";
import { answer, errorOf, failing, hanging, setUp, type Step } from "./fixtures/client.js";
import { failureRows, responseRows } from "./fixtures/decisions.js";
import failed from "./fixtures/failed.json" with { type: "json" };
import succeeded from "./fixtures/succeed.json" with { type: "json" };

const holding = (task: object): Step =>
  answer(200, { code: 0, data: { task_id: "t", created_at: 1, updated_at: 1, ...task } });
const processing = () => holding({ task_status: "processing" });
const done = () => answer(200, succeeded);
const busy = (headers?: HeadersInit) => answer(429, "", headers);
const lost = failing(new TypeError("fetch failed", { cause: new Error("read ECONNRESET") }));
const times = <T>(count: number, make: () => T) => Array.from({ length: count }, make);

/** A wait whose polls get these responses, then "submitted" for ever. */
function waitFor(steps: Step[], options?: WaitOptions) {
  const { client, sent } = setUp(steps);
  const ended = client.wait("t", options);
  ended.catch(() => undefined);
  return { client, ended, polledAt: () => sent.map(({ at }) => at) };
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
  it.each([
    [0, undefined, [0, 10_000, 20_000, 30_000]],
    [0.5, undefined, [0, 10_500, 21_000, 31_500]],
    [0.999_999, undefined, [0, 10_999, 21_998, 32_997]],
    [0.5, 2000, [0, 2100, 4200, 6300]],
  ])(
    "begins at once and goes on every 10 s or intervalMs, plus a tenth of %d",
    async (random, intervalMs, at) => {
      vi.mocked(Math.random).mockReturnValue(random);
      const steps = [...times(3, processing), done()];
      const { ended, polledAt } = waitFor(steps, { intervalMs });
      await vi.advanceTimersByTimeAsync(33_000);
      await expect(ended).resolves.toEqual(succeeded.data);
      expect(polledAt()).toEqual(at);
    },
  );

  it("is one timer between two polls, and its limit still holds", async () => {
    const { ended, polledAt } = waitFor([processing()], { intervalMs: 60_000, timeoutMs: 90_000 });
    await vi.advanceTimersByTimeAsync(30_000);
    expect(vi.getTimerCount()).toBe(1);
    await vi.advanceTimersByTimeAsync(59_999);
    expect(vi.getTimerCount()).toBe(1);
    await vi.advanceTimersByTimeAsync(1);
    await expect(ended).rejects.toBeInstanceOf(TaskTimeoutError);
    expect(polledAt()).toEqual([0, 63_000, 87_500]);
  });

  const videos = [[], {}, [null], [{}], [{ url: "" }], [{ url: "a" }, { url: 5 }]];
  const odd = [undefined, [], ...videos.map((videos) => ({ videos }))].map((task_result) => {
    return { task_status: "succeed", task_result };
  });

  it.each([{ task_status: "queued" }, { ...succeeded.data, task_status: "processing" }, ...odd])(
    "goes on after %j",
    async (task) => {
      const { ended, polledAt } = waitFor([holding(task), done()]);
      await vi.advanceTimersByTimeAsync(10_500);
      await expect(ended).resolves.toEqual(succeeded.data);
      expect(polledAt()).toEqual([0, 10_500]);
    },
  );
});

describe("onUpdate", () => {
  it("is called once for each poll that succeeds, and for no other", async () => {
    const onUpdate = vi.fn<(task: LipSyncTask) => void>();
    const steps = [busy(), lost, processing(), busy(), lost, processing(), done()];
    const { ended, polledAt } = waitFor(steps, { onUpdate });
    await vi.advanceTimersByTimeAsync(70_000);
    await ended;
    const statuses = onUpdate.mock.calls.map(([task]) => task.task_status);
    expect(statuses).toEqual(["processing", "processing", "succeed"]);
    expect(polledAt()).toHaveLength(steps.length);
  });

  it("ends the wait with what it throws, or rejects with", async () => {
    const boom = new Error("database is down");
    const throwing = vi.fn().mockThrow(boom);
    await expect(waitFor([], { onUpdate: throwing }).ended).rejects.toBe(boom);
    const rejecting = vi.fn().mockRejectedValue(boom);
    await expect(waitFor([done()], { onUpdate: rejecting }).ended).rejects.toBe(boom);
  });

  /** An onUpdate that takes a minute. */
  const slow = () => new Promise((resolve) => setTimeout(resolve, 60_000)) as unknown as undefined;

  it("is awaited before the next poll, and before the end", async () => {
    const { ended, polledAt } = waitFor([processing(), done()], { onUpdate: slow });
    const end = vi.fn();
    ended.then(end, end);
    await vi.advanceTimersByTimeAsync(130_499);
    expect(polledAt()).toEqual([0, 70_500]);
    expect(end).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    expect(end).toHaveBeenCalledOnce();
  });

  it("that takes longer than the rest of the limit does not lose a finished task", async () => {
    const options = { onUpdate: slow, timeoutMs: 75_000 };
    const finished = waitFor([processing(), done()], options).ended;
    const unlucky = waitFor([processing(), answer(200, failed)], options).ended;
    await vi.advanceTimersByTimeAsync(75_000);
    await expect(finished).resolves.toEqual(succeeded.data);
    expect((await errorOf(unlucky, TaskFailedError)).task).toEqual(failed.data);
    await vi.runAllTimersAsync();
  });

  it("that is async is ended by an abort, with its reason", async () => {
    const controller = new AbortController();
    const { ended } = waitFor([done()], { onUpdate: slow, signal: controller.signal });
    await vi.advanceTimersByTimeAsync(3000);
    controller.abort("enough");
    await expect(ended).rejects.toBe("enough");
    await vi.runAllTimersAsync();
  });

  it("that takes longer than the limit is no excuse for a task that is not done", async () => {
    const { ended } = waitFor([processing()], { onUpdate: slow, timeoutMs: 5000 });
    await vi.advanceTimersByTimeAsync(5000);
    const error = await errorOf(ended, TaskTimeoutError);
    expect(error.task).toMatchObject({ task_status: "processing" });
    await vi.runAllTimersAsync();
  });
});

describe("onError", () => {
  it("is called with each failure that is forgiven, and awaited", async () => {
    const onError = vi.fn<(error: unknown) => void>();
    const onUpdate = vi.fn();
    const { ended } = waitFor([busy(), lost, processing(), done()], { onError, onUpdate });
    await vi.advanceTimersByTimeAsync(32_000);
    await ended;
    expect(onError.mock.calls.map(([error]) => (error as Error).name)).toEqual([
      "ApiError",
      "ConnectionError",
    ]);
    expect(onUpdate).toHaveBeenCalledTimes(2);
  });

  it("ends the wait with what it throws, and is not called for what ends the wait anyhow", async () => {
    const boom = new Error("database is down");
    const onError = vi.fn().mockThrow(boom);
    await expect(waitFor([busy()], { onError }).ended).rejects.toBe(boom);
    await errorOf(waitFor([answer(401)], { onError }).ended, ApiError);
    expect(onError).toHaveBeenCalledOnce();
  });

  it("is not needed where onUpdate is given, nor the other way round", async () => {
    const updated = waitFor([busy(), done()], { onUpdate: vi.fn() }).ended;
    const failing = waitFor([processing(), done()], { onError: vi.fn() }).ended;
    await vi.advanceTimersByTimeAsync(10_500);
    await expect(Promise.all([updated, failing])).resolves.toHaveLength(2);
  });
});

describe("a caller that changes the task in onUpdate", () => {
  it.each<[string, (task: LipSyncTask) => unknown]>([
    ["its status", (task) => (task.task_status = "processing")],
    ["its videos", (task) => task.task_result?.videos?.pop()],
    [
      "the URL of a video",
      (task) => Object.assign(task.task_result?.videos?.[0] ?? {}, { url: "" }),
    ],
  ])("does not change what the wait has found: %s", async (_, onUpdate) => {
    await expect(waitFor([done()], { onUpdate }).ended).resolves.toEqual(succeeded.data);
  });
});

describe("the last poll", () => {
  it.each([
    [400, 790, [0, 420, 590]],
    [10_000, 60_000, [0, 10_500, 21_000, 31_500, 42_000, 52_500, 57_500]],
    // The pause would end exactly at the timeout, and in the next row exactly at the last poll.
    [10_000, 10_500, [0, 8000]],
    [10_000, 13_000, [0, 10_500]],
    [60_000, 30_000, [0, 27_500]],
  ])("with an interval of %i and a timeout of %i comes before it", async (every, limit, at) => {
    const { ended, polledAt } = waitFor([], { intervalMs: every, timeoutMs: limit });
    const end = vi.fn();
    ended.catch(end);
    await vi.advanceTimersByTimeAsync(limit - 1);
    expect(end).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    await errorOf(ended, TaskTimeoutError);
    expect(polledAt()).toEqual(at);
  });
});

describe("a clock that is set", () => {
  it.each([-3_600_000, 3_600_000])("by %i ms does not move the timeout", async (ms) => {
    const { ended } = waitFor([processing()], { intervalMs: 10_000, timeoutMs: 60_000 });
    await vi.advanceTimersByTimeAsync(15_000);
    vi.setSystemTime(Date.now() + ms);
    const end = vi.fn();
    ended.catch(end);
    await vi.advanceTimersByTimeAsync(44_999);
    expect(end).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    await errorOf(ended, TaskTimeoutError);
  });
});

describe("a process that slept past the timeout", () => {
  /** Lets time pass in which no timer fires. */
  function sleep(ms: number): void {
    const now = performance.now.bind(performance);
    vi.spyOn(performance, "now").mockImplementation(() => now() + ms);
  }

  it.each([
    ["between two polls", 10_500, 1000],
    ["after its last poll", 59_500, 60_000],
  ])("%s polls once more", async (_, beforeMs, wakesMs) => {
    const polls = Array.from({ length: Math.ceil(beforeMs / 10_000) + 1 }, processing);
    const { ended } = waitFor([...polls.slice(0, beforeMs > 50_000 ? 7 : 2), done()], {
      timeoutMs: 60_000,
    });
    await vi.advanceTimersByTimeAsync(beforeMs);
    sleep(3_600_000);
    await vi.advanceTimersByTimeAsync(wakesMs + 10_000);
    await expect(ended).resolves.toEqual(succeeded.data);
  });

  it("gives that poll five seconds, and no other follows", async () => {
    const { ended, polledAt } = waitFor([processing(), hanging], { timeoutMs: 60_000 });
    await vi.advanceTimersByTimeAsync(1000);
    sleep(3_600_000);
    const end = vi.fn();
    ended.catch(end);
    await vi.advanceTimersByTimeAsync(9500 + 4999);
    expect(end).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    await errorOf(ended, TaskTimeoutError);
    expect(polledAt()).toHaveLength(2);
  });
});

describe("an end", () => {
  it("as failed is a TaskFailedError with the gateway's reason, or without", async () => {
    const error = await errorOf(waitFor([answer(200, failed)]).ended, TaskFailedError);
    expect(error).toMatchObject({ task: failed.data, mayHaveCreatedTask: false });
    expect(error.message).toBe("no face was found in the video");
    const silent = waitFor([holding({ task_status: "failed", task_status_msg: " " })]);
    await expect(silent.ended).rejects.toThrow("Task t failed.");
  });

  it.each(responseRows.filter(({ repeatsGet, isUnknownTask }) => !repeatsGet && !isUnknownTask))(
    "comes at once with what waiting cannot fix: $name",
    async ({ status, body }) => {
      const { ended, polledAt } = waitFor([answer(status, body)]);
      await expect(ended).rejects.toBeInstanceOf(ApiError);
      expect(polledAt()).toEqual([0]);
    },
  );
});

describe("a task that the gateway does not know", () => {
  const unknown = () => answer(404, { code: 1203, message: "task not found" });

  it("may be new: two such polls in a row are forgiven, the third ends the wait", async () => {
    const two = () => [unknown(), unknown()];
    const known = [...two(), processing(), ...two(), busy(), ...two()];
    const { ended, polledAt } = waitFor([...known, done()]);
    await vi.advanceTimersByTimeAsync(known.length * 10_500);
    await expect(ended).resolves.toEqual(succeeded.data);
    expect(polledAt()).toHaveLength(known.length + 1);
    const never = waitFor(times(3, unknown));
    await vi.advanceTimersByTimeAsync(21_000);
    expect(await errorOf(never.ended, ApiError)).toMatchObject({ status: 404, code: 1203 });
    expect(never.polledAt()).toEqual([0, 10_500, 21_000]);
  });

  it("may be new where new-api says so with status 400", async () => {
    const unknown = answer(400, { code: "task_not_exist", message: "task_not_exist", data: null });
    const { ended } = waitFor([unknown, done()]);
    await vi.advanceTimersByTimeAsync(10_500);
    await expect(ended).resolves.toEqual(succeeded.data);
  });

  it("is the cause where the limit comes first, and ends a get at once", async () => {
    const { ended, client } = waitFor(times(3, unknown), { timeoutMs: 5000 });
    await vi.advanceTimersByTimeAsync(5000);
    expect(await errorOf(ended, TaskTimeoutError)).toMatchObject({ cause: { status: 404 } });
    expect(await errorOf(client.get("t"), ApiError)).toMatchObject({ status: 404 });
  });

  it("is not meant by a 404 that is no JSON: it ends the wait at once", async () => {
    for (const body of ["<html>", "404 page not found", ""]) {
      const { ended, polledAt } = waitFor([answer(404, body)]);
      await errorOf(ended, ApiError);
      expect(polledAt()).toEqual([0]);
    }
  });
});

describe("failures that may pass", () => {
  const passing = (): Step[] => [
    ...responseRows
      .filter(({ repeatsGet }) => repeatsGet)
      .map((row) => answer(row.status, row.body)),
    ...failureRows.filter((row) => row.in === "fetch").map((row) => failing(row.error())),
  ];

  it("are waited out, each for an interval, however long they go on", async () => {
    const steps = [...times(4, passing).flat(), done()];
    const { ended, polledAt } = waitFor(steps, { timeoutMs: Infinity });
    await vi.advanceTimersByTimeAsync(10_500 * (steps.length - 1));
    await expect(ended).resolves.toEqual(succeeded.data);
    expect(polledAt()).toEqual(steps.map((_, index) => index * 10_500));
  });

  it("may ask for a longer pause, up to a minute, and not for a shorter one", async () => {
    const asked = ["30", "1", "3600", "Sun, 22 Nov 2099 12:00:05 GMT"];
    const steps = asked.map((seconds) => busy({ "retry-after": seconds }));
    const { ended, polledAt } = waitFor([...steps, done()]);
    await vi.advanceTimersByTimeAsync(160_500);
    await ended;
    expect(polledAt()).toEqual([0, 30_000, 40_500, 100_500, 160_500]);
  });
});

describe("the limit", () => {
  it("is half an hour, and its error carries the id and the last task", async () => {
    const { ended } = waitFor(times(200, processing));
    const end = vi.fn();
    ended.catch(end);
    await vi.advanceTimersByTimeAsync(1_799_999);
    expect(end).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    const error = await errorOf(ended, TaskTimeoutError);
    expect(error).toMatchObject({
      taskId: "t",
      task: { task_status: "processing" },
      mayHaveCreatedTask: false,
      message: "Task t was not done after 1800000 ms (processing).",
    });
    expect(error).not.toHaveProperty("cause");
  });

  it("carries the error of the last poll, and no task where no poll succeeded", async () => {
    const steps = times(2, () => busy({ "retry-after": "259200" }));
    const { ended, polledAt } = waitFor(steps, { timeoutMs: 5000 });
    await vi.advanceTimersByTimeAsync(5000);
    const error = await errorOf(ended, TaskTimeoutError);
    expect(error).toMatchObject({ taskId: "t", task: undefined, cause: { status: 429 } });
    expect(error.message).toBe(
      "Task t was not done after 5000 ms (unknown). The last poll failed: " +
        "GET /kling/v1/videos/lip-sync/t returned 429: the response is empty.",
    );
    expect(polledAt()).toEqual([0, 2500]);
  });

  it("bounds a poll that hangs", async () => {
    const { ended } = waitFor([processing(), hanging], { timeoutMs: 12_000 });
    await vi.advanceTimersByTimeAsync(12_000);
    const { task } = await errorOf(ended, TaskTimeoutError);
    expect(task?.task_status).toBe("processing");
  });

  it.each([Infinity, 2 ** 31])("is none where it is %d", async (timeoutMs) => {
    const { ended } = waitFor([...times(400, processing), done()], { timeoutMs });
    await vi.advanceTimersByTimeAsync(400 * 10_500);
    await expect(ended).resolves.toEqual(succeeded.data);
  });

  it("can be followed by another wait with the same id", async () => {
    const steps = [...times(3, processing), done()];
    const { client, ended } = waitFor(steps, { timeoutMs: 15_000 });
    await vi.advanceTimersByTimeAsync(15_000);
    const { taskId } = await errorOf(ended, TaskTimeoutError);
    const second = client.wait(taskId);
    await vi.advanceTimersByTimeAsync(10_500);
    await expect(second).resolves.toEqual(succeeded.data);
  });

  it("of a poll is the client's own, 60 s, after which the next poll comes", async () => {
    const { ended, polledAt } = waitFor([hanging, done()]);
    await vi.advanceTimersByTimeAsync(70_500);
    await expect(ended).resolves.toEqual(succeeded.data);
    expect(polledAt()).toEqual([0, 70_500]);
  });
});

describe("an abort", () => {
  it.each([[new Error("enough")], [undefined], [null], [0], [""], [false]])(
    "ends a wait at once with its reason: %j",
    async (reason) => {
      const controller = new AbortController();
      const { ended, polledAt } = waitFor([], { signal: controller.signal });
      await vi.advanceTimersByTimeAsync(3000);
      controller.abort(reason);
      await expect(ended).rejects.toBe(controller.signal.reason);
      expect(vi.getTimerCount()).toBe(0);
      expect(polledAt()).toEqual([0]);
    },
  );

  it("before the wait sends nothing, and during a poll it ends it", async () => {
    const controller = new AbortController();
    const { ended } = waitFor([hanging], { signal: controller.signal });
    await vi.advanceTimersByTimeAsync(3000);
    controller.abort("enough");
    await expect(ended).rejects.toBe("enough");
    const late = waitFor([], { signal: controller.signal });
    await expect(late.ended).rejects.toBe("enough");
    expect(late.polledAt()).toEqual([]);
  });

  it.each<[string, () => Step]>([
    ["is not done", processing],
    ["is done", done],
    ["failed", () => answer(200, failed)],
  ])("from onUpdate ends the wait, also where the task %s", async (_, step) => {
    const controller = new AbortController();
    const onUpdate = controller.abort.bind(controller, "seen enough");
    const { ended, polledAt } = waitFor([step()], { signal: controller.signal, onUpdate });
    await expect(ended).rejects.toBe("seen enough");
    await vi.runAllTimersAsync();
    expect(polledAt()).toEqual([0]);
  });
});
