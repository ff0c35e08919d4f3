import { getEventListeners } from "node:events";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { delay, onAbort, within } from "../src/time.js";

beforeEach(() => vi.useFakeTimers());
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

const listeners = (signal: AbortSignal) => getEventListeners(signal, "abort").length;
const hang = () => new Promise<string>(() => undefined);

describe("within", () => {
  const late = () => Promise.reject<string>("too late");

  it("leaves neither timer nor listener, however it ends", async () => {
    const controller = new AbortController();
    const limits = { signal: controller.signal, timeoutMs: 1000 };
    const work = within(limits, late, () => Promise.resolve("done"));
    expect([listeners(controller.signal), vi.getTimerCount()]).toEqual([1, 1]);
    await expect(work).resolves.toBe("done");
    await expect(within(limits, late, () => Promise.reject("no"))).rejects.toBe("no");
    const timedOut = within(limits, late, hang).catch(String);
    await vi.advanceTimersByTimeAsync(1000);
    expect(await timedOut).toBe("too late");
    expect([listeners(controller.signal), vi.getTimerCount()]).toEqual([0, 0]);
    const aborted = within(limits, late, hang);
    controller.abort(0);
    await expect(aborted).rejects.toBe(0);
    expect([listeners(controller.signal), vi.getTimerCount()]).toEqual([0, 0]);
  });

  const inTime = () => Promise.resolve("in time");

  it.each([late, inTime])("settles as %o when time is over, and tells the work", async (end) => {
    const work = vi.fn<(signal: AbortSignal) => Promise<string>>(hang);
    const ended = within({ signal: undefined, timeoutMs: 1000 }, end, work).catch(String);
    await vi.advanceTimersByTimeAsync(999);
    expect(work.mock.lastCall?.[0].aborted).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(work.mock.lastCall?.[0].aborted).toBe(true);
    expect(await ended).toBe(await end().catch(String));
  });

  it("goes on for a moment where the event loop was blocked, so that what arrived counts", async () => {
    const limits = { signal: undefined, timeoutMs: 1000 };
    let arrive: (text: string) => void = () => undefined;
    const arrived = within(
      limits,
      late,
      () => new Promise<string>((resolve) => (arrive = resolve)),
    );
    const never = within(limits, late, hang).catch(String);
    const now = performance.now.bind(performance);
    vi.spyOn(performance, "now").mockImplementation(() => now() + 300);
    await vi.advanceTimersByTimeAsync(1000);
    arrive("in time");
    await expect(arrived).resolves.toBe("in time");
    await vi.advanceTimersByTimeAsync(250);
    expect(await never).toBe("too late");
    vi.restoreAllMocks();
  });

  it("takes 2^31 ms and more for the longest time that a timer can hold", async () => {
    for (const timeoutMs of [2 ** 31 - 1, 2 ** 31, Infinity]) {
      const ended = within({ signal: undefined, timeoutMs }, late, hang).catch(String);
      await vi.advanceTimersByTimeAsync(2 ** 31 - 2);
      expect(vi.getTimerCount()).toBe(1);
      await vi.advanceTimersByTimeAsync(1);
      expect(await ended).toBe("too late");
    }
  });
});

describe("delay", () => {
  it("resolves after its time and leaves no listener", async () => {
    const { signal } = new AbortController();
    const woke = vi.fn();
    void delay(5000, signal).then(woke);
    await vi.advanceTimersByTimeAsync(4999);
    expect(woke).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    expect(woke).toHaveBeenCalledOnce();
    expect(listeners(signal)).toBe(0);
  });

  it("rejects at once when the signal aborts, or has", async () => {
    const controller = new AbortController();
    const ended = delay(5000, controller.signal);
    controller.abort("enough");
    expect(listeners(controller.signal)).toBe(0);
    await expect(ended).rejects.toBe("enough");
    await expect(delay(5000, controller.signal)).rejects.toBe("enough");
  });

  it("does not wake at once from a time that a timer cannot hold", async () => {
    const woke = vi.fn();
    void delay(2 ** 40, undefined).then(woke);
    await vi.advanceTimersByTimeAsync(1000);
    expect(woke).not.toHaveBeenCalled();
    vi.clearAllTimers();
  });
});

describe("onAbort", () => {
  it("shares one listener among all callbacks, and drops it with the last", () => {
    const { signal } = new AbortController();
    const stops = Array.from({ length: 1000 }, () => onAbort(signal, () => undefined));
    expect(listeners(signal)).toBe(1);
    for (const stop of stops.slice(1)) stop();
    expect(listeners(signal)).toBe(1);
    stops[0]?.();
    expect(listeners(signal)).toBe(0);
  });

  it("calls every callback that was not stopped, once, whatever was stopped twice", () => {
    const controller = new AbortController();
    const { signal } = controller;
    const calls: string[] = [];
    const add = (name: string) =>
      onAbort(signal, (reason) => calls.push(`${name} ${String(reason)}`));
    const stopOnly = add("only");
    stopOnly();
    add("first");
    stopOnly();
    const stopSecond = add("second");
    const stopThird = add("third");
    stopSecond();
    stopSecond();
    controller.abort("now");
    controller.abort("again");
    stopThird();
    expect(calls).toEqual(["first now", "third now"]);
    expect(listeners(signal)).toBe(0);
  });
});
