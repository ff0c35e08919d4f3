import { getEventListeners } from "node:events";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ConfigurationError } from "../src/index.js";
import { delay, onAbort, within } from "../src/time.js";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

const listeners = (signal: AbortSignal) => getEventListeners(signal, "abort").length;

describe("within", () => {
  const onTimeout = () => "too late";

  it("settles with its work and leaves neither timer nor listener", async () => {
    const { signal } = new AbortController();
    const limits = { signal, timeoutMs: 1000, onTimeout };
    await expect(within(limits, () => Promise.resolve(1))).resolves.toBe(1);
    await expect(within(limits, () => Promise.reject(new Error("no")))).rejects.toThrow("no");
    expect(listeners(signal)).toBe(0);
  });

  it("rejects when the time is over and tells the work", async () => {
    const told = vi.fn();
    const ended = within({ signal: undefined, timeoutMs: 1000, onTimeout }, (signal) => {
      signal.addEventListener("abort", () => {
        told(signal.reason);
      });
      return new Promise(() => undefined);
    });
    ended.catch(() => undefined);
    await vi.advanceTimersByTimeAsync(999);
    expect(told).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    await expect(ended).rejects.toBe("too late");
    expect(told).toHaveBeenCalledExactlyOnceWith("too late");
  });

  it("rejects at once with the reason of the caller's signal and tells the work", async () => {
    const controller = new AbortController();
    let own: AbortSignal | undefined;
    const ended = within({ signal: controller.signal, timeoutMs: 1000, onTimeout }, (signal) => {
      own = signal;
      return new Promise(() => undefined);
    });
    controller.abort(0);
    await expect(ended).rejects.toBe(0);
    expect(own?.reason).toBe(0);
    expect(listeners(controller.signal)).toBe(0);
  });

  it("does not begin where the signal has aborted", async () => {
    const work = vi.fn();
    const limits = { signal: AbortSignal.abort(null), timeoutMs: 1000, onTimeout };
    await expect(within(limits, work)).rejects.toBe(null);
    expect(work).not.toHaveBeenCalled();
  });

  it.each([2 ** 31, Infinity])("has no limit with %d ms", async (timeoutMs) => {
    let finish: (value: string) => void = () => undefined;
    const work = () => new Promise<string>((resolve) => (finish = resolve));
    const ended = within({ signal: undefined, timeoutMs, onTimeout }, work);
    expect(vi.getTimerCount()).toBe(0);
    finish("done");
    await expect(ended).resolves.toBe("done");
  });
});

describe("a signal that is none", () => {
  it.each([[new AbortController()], [{}], ["signal"]])(
    "is refused, and no timer runs: %j",
    async (wrong) => {
      const signal = wrong as unknown as AbortSignal;
      const limits = { signal, timeoutMs: 1000, onTimeout: () => "too late" };
      await expect(within(limits, () => Promise.resolve(1))).rejects.toThrow(ConfigurationError);
      expect(vi.getTimerCount()).toBe(0);
    },
  );
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
    const last = stops.pop();
    for (const stop of stops) stop();
    expect(listeners(signal)).toBe(1);
    last?.();
    expect(listeners(signal)).toBe(0);
  });

  it("calls every callback that has not been stopped, once", () => {
    const controller = new AbortController();
    const calls: string[] = [];
    const stopSecond = onAbort(controller.signal, () => calls.push("first"));
    onAbort(controller.signal, (reason) => {
      calls.push(`second ${String(reason)}`);
    });
    stopSecond();
    stopSecond();
    controller.abort("now");
    controller.abort("again");
    expect(calls).toEqual(["second now"]);
  });

  it("keeps new callbacks when an old one is stopped twice", () => {
    const controller = new AbortController();
    const called = vi.fn();
    const stop = onAbort(controller.signal, () => undefined);
    stop();
    onAbort(controller.signal, called);
    stop();
    controller.abort("now");
    expect(called).toHaveBeenCalledExactlyOnceWith("now");
  });
});
