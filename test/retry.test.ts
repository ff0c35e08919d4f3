import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ApiError } from "../src/index.js";
import { answer, failing, hanging, setUp, type Step } from "./fixtures/client.js";
import { failureRows } from "./fixtures/decisions.js";
import { request } from "./fixtures/request.js";
import submitted from "./fixtures/submitted.json" with { type: "json" };

const times = (count: number, step: () => Step) => Array.from({ length: count }, step);
const busy = (headers?: HeadersInit) => answer(429, "", headers);

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 10, 22, 12) });
  vi.spyOn(Math, "random").mockReturnValue(0.5);
});
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
  vi.restoreAllMocks();
});

async function settle(call: Promise<unknown>): Promise<unknown> {
  const ended = call.catch((error: unknown) => error);
  await vi.runAllTimersAsync();
  return ended;
}

describe("the number of attempts", () => {
  it.each([
    [0, 1],
    [1, 2],
    [3, 4],
    [undefined, 3],
  ])("with maxRetries %j is %i", async (maxRetries, attempts) => {
    const ofCall = setUp(times(9, busy));
    expect(await settle(ofCall.client.create(request, { maxRetries }))).toBeInstanceOf(ApiError);
    const ofClient = setUp(times(9, busy), { maxRetries });
    expect(await settle(ofClient.client.get("t"))).toBeInstanceOf(ApiError);
    expect([ofCall.sent.length, ofClient.sent.length]).toEqual([attempts, attempts]);
  });

  it("is unbounded with Infinity: create waits until the gateway has room for a task", async () => {
    const full = () => answer(429, { code: 1303, message: "too many tasks", request_id: "r" });
    const { client, sent } = setUp(times(40, full));
    const task = await settle(client.create(request, { maxRetries: Infinity }));
    expect(task).toEqual(submitted.data);
    expect(sent).toHaveLength(41);
  });

  it("ends with the first task; each attempt sent the same bytes", async () => {
    const { client, sent } = setUp([busy(), failing(failureRows[0]?.error())]);
    expect(await settle(client.create(request))).toEqual(submitted.data);
    const body = JSON.stringify(request);
    expect(sent.map(({ init }) => init.body)).toEqual([body, body, body]);
  });
});

describe("the pause before the next attempt", () => {
  it.each([
    ["7", 7000],
    ["0", 0],
    ["60", 60_000],
    ["Sun, 22 Nov 2026 12:00:05 GMT", 5000],
    ["soon", 1500],
  ])("after Retry-After: %s is %i ms", async (retryAfter, pauseMs) => {
    const { client, sent } = setUp([busy({ "retry-after": retryAfter })]);
    await settle(client.create(request));
    expect(sent.map(({ at }) => at)).toEqual([0, pauseMs]);
  });

  it.each(["60.001", "61", "259200", "Sun, 22 Nov 2026 12:01:01 GMT"])(
    "is not slept after Retry-After: %s; the error is thrown",
    async (retryAfter) => {
      const { client, sent } = setUp([busy({ "retry-after": retryAfter })]);
      await expect(client.create(request)).rejects.toBeInstanceOf(ApiError);
      expect(sent).toHaveLength(1);
    },
  );

  it.each([
    [0, [1, 1, 1, 1, 1, 1, 1, 1]],
    [0.999_999, [2, 3, 5, 9, 17, 33, 61, 61]],
  ])("grows from 1 s to at most 61 s where random is %d", async (random, seconds) => {
    vi.mocked(Math.random).mockReturnValue(random);
    const { client, sent } = setUp(times(9, () => answer(503)));
    await settle(client.get("t", { maxRetries: 8 }));
    const pauses = sent.slice(1).map(({ at }, index) => at - (sent[index]?.at ?? 0));
    expect(pauses.map((pauseMs) => Math.ceil(pauseMs / 1000))).toEqual(seconds);
  });

  it("ends with an abort, and its reason", async () => {
    const controller = new AbortController();
    const { client, sent } = setUp([busy()]);
    const ended = client.create(request, { signal: controller.signal }).catch(String);
    await vi.advanceTimersByTimeAsync(100);
    controller.abort("enough");
    expect(await ended).toBe("enough");
    expect(sent).toHaveLength(1);
  });

  it("comes on top of the time of each attempt", async () => {
    const { client, sent } = setUp(times(3, () => hanging));
    const error = await settle(client.get("t", { timeoutMs: 10_000 }));
    expect(String(error)).toContain("timed out after 10000 ms.");
    expect(sent.map(({ at }) => at)).toEqual([0, 11_500, 23_500]);
  });
});
