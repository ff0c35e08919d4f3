import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createPace } from "../src/batch/pace.js";
import { ApiError, ConnectionError } from "../src/index.js";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["performance"] });
  vi.spyOn(Math, "random").mockReturnValue(1);
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const PAUSE_MS = 60_000;
const busy = (headers: HeadersInit = {}) =>
  new ApiError("busy", {
    status: 429,
    code: 1303,
    requestId: undefined,
    headers: new Headers(headers),
    body: "",
    taskId: undefined,
  });
const unreachable = new ConnectionError("refused", { mayHaveCreatedTask: false });

describe("when the gateway takes no more", () => {
  it("pauses longer each time, and starts anew after an answer", () => {
    const pace = createPace(PAUSE_MS);
    expect([1, 2, 3].map(() => pace.refused(busy()))).toEqual([2000, 3000, 5000]);
    expect(pace.leftMs()).toBe(5000);
    pace.answered();
    expect(pace.refused(busy())).toBe(2000);
  });

  it("pauses at most as long as after an uncertain create", () => {
    const pace = createPace(PAUSE_MS);
    for (let times = 0; times < 10; times++) pace.refused(busy());
    expect(pace.refused(busy())).toBe(PAUSE_MS);
  });

  it("follows Retry-After, for at most ten minutes, and for at least a second", () => {
    const pace = createPace(PAUSE_MS);
    expect(pace.refused(busy({ "retry-after": "90" }))).toBe(90_000);
    expect(pace.refused(busy({ "retry-after": "9000" }))).toBe(600_000);
    expect(pace.refused(busy({ "retry-after": "0" }))).toBe(1000);
  });

  it("goes on a second after the refusal when a task has ended", () => {
    const pace = createPace(PAUSE_MS);
    for (let times = 0; times < 4; times++) pace.refused(busy());
    pace.taskEnded();
    expect(pace.leftMs()).toBe(1000);
    vi.advanceTimersByTime(1500);
    pace.taskEnded();
    expect(pace.leftMs()).toBe(-500);
  });

  it.each([
    ["the gateway said how long", busy({ "retry-after": "90" }), 90_000],
    ["the gateway was not reached", unreachable, 2000],
  ])("does not go on earlier if %s", (_, error, expected) => {
    const pace = createPace(PAUSE_MS);
    pace.refused(error);
    pace.taskEnded();
    expect(pace.leftMs()).toBe(expected);
  });
});

describe("when a create is uncertain", () => {
  it("pauses, twice as long each time in a row, and gives up at the third", () => {
    const pace = createPace(PAUSE_MS);
    expect(pace.doubted()).toBe(60_000);
    pace.isBack();
    expect(pace.doubted()).toBe(120_000);
    expect(pace.doubted()).toBeUndefined();
  });

  it("asks first if the gateway is back, and pauses longer if it is not", () => {
    const pace = createPace(PAUSE_MS);
    expect(pace.isDoubtful()).toBe(false);
    pace.doubted();
    expect(pace.isDoubtful()).toBe(true);
    expect([1, 2, 3, 4].map(() => pace.askedInVain())).toEqual([
      120_000, 240_000, 480_000, 600_000,
    ]);
    pace.isBack();
    expect(pace.isDoubtful()).toBe(false);
  });

  it("starts anew after an answer, but not after a refused connection", () => {
    const pace = createPace(PAUSE_MS);
    pace.doubted();
    pace.refused(unreachable);
    expect(pace.doubted()).toBe(120_000);
    pace.answered();
    expect(pace.doubted()).toBe(60_000);
  });
});
