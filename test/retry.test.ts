import { afterEach, describe, expect, it, vi } from "vitest";
import { ApiError, ConnectionError, LipSyncError } from "../src/index.js";
import { mayRepeat, neverConnected, retryAfterMs } from "../src/retry.js";

function apiError(status: number, code?: number | string, headers: HeadersInit = {}): ApiError {
  return new ApiError("", {
    status,
    code,
    requestId: undefined,
    headers: new Headers(headers),
    body: "",
  });
}

afterEach(() => {
  vi.useRealTimers();
});

describe("mayRepeat", () => {
  it.each<[string, unknown, { free: boolean; billed: boolean }]>([
    ["1302 at 429", apiError(429, 1302), { free: true, billed: true }],
    ["1303 in a 200", apiError(200, 1303), { free: true, billed: true }],
    ["1303 in a 201", apiError(201, 1303), { free: true, billed: true }],
    ["1303 at 400", apiError(400, 1303), { free: false, billed: false }],
    ["1303 at 500", apiError(500, 1303), { free: true, billed: false }],
    ["an empty 429", apiError(429), { free: true, billed: true }],
    ["a 429 with a word", apiError(429, "busy"), { free: true, billed: true }],
    ["1101 at 429", apiError(429, 1101), { free: false, billed: false }],
    ["1304 at 429", apiError(429, 1304), { free: false, billed: false }],
    ["0 at 429", apiError(429, 0), { free: false, billed: false }],
    ["200", apiError(200), { free: false, billed: false }],
    ["302", apiError(302), { free: false, billed: false }],
    ["404", apiError(404, 1203), { free: false, billed: false }],
    ["408", apiError(408), { free: true, billed: false }],
    ["499", apiError(499), { free: false, billed: false }],
    ["500", apiError(500, 5000), { free: true, billed: false }],
    ["599", apiError(599), { free: true, billed: false }],
    ["600", apiError(600), { free: false, billed: false }],
    [
      "a lost answer",
      new ConnectionError("", { mayHaveCreatedTask: true }),
      { free: true, billed: false },
    ],
    ["a connection never made", new ConnectionError(""), { free: true, billed: true }],
    [
      "1302 beside a task",
      new ApiError("", {
        status: 200,
        code: 1302,
        requestId: undefined,
        headers: new Headers(),
        body: "",
        mayHaveCreatedTask: true,
      }),
      { free: true, billed: false },
    ],
    ["another error", new LipSyncError(""), { free: false, billed: false }],
    ["no error", undefined, { free: false, billed: false }],
  ])("%s", (_, error, { free, billed }) => {
    expect(mayRepeat(error, { isBilled: false })).toBe(free);
    expect(mayRepeat(error, { isBilled: true })).toBe(billed);
  });
});

describe("retryAfterMs", () => {
  it.each([
    ["0", 0],
    ["5", 5000],
    [" 5 ", 5000],
    ["1.5", 1500],
    ["1.25", 1250],
    ["x Sun, 22 Nov 2026 12:00:10 GMT", undefined],
    ["Sun, 22 Nov 2026 12:00:10 GMT+0800", undefined],
    ["259200", 259_200_000],
    ["Sun, 22 Nov 2026 12:00:10 GMT", 10_000],
    ["Sunday, 22-Nov-26 12:00:10 GMT", 10_000],
    ["Sun, 22 Nov 2026 11:00:00 GMT", 0],
    ["", undefined],
    ["-5", undefined],
    ["soon", undefined],
    ["5 apples", undefined],
    ["1e9", undefined],
    ["2026-11-22", undefined],
    ["Sun, nonsense GMT", undefined],
  ])("%j is %j", (value, expected) => {
    vi.useFakeTimers({ now: Date.UTC(2026, 10, 22, 12) });
    expect(retryAfterMs(apiError(429, undefined, { "retry-after": value }))).toBe(expected);
  });

  it("is nothing for an answer without it, and for what is no answer", () => {
    expect(retryAfterMs(apiError(429))).toBeUndefined();
    expect(retryAfterMs(new ConnectionError(""))).toBeUndefined();
  });
});

describe("neverConnected", () => {
  const failed = (cause: object) =>
    new TypeError("fetch failed", { cause: Object.assign(new Error("x"), cause) });
  it.each<[string, unknown, boolean]>([
    ["refused", failed({ code: "ECONNREFUSED", syscall: "connect" }), true],
    ["unreachable", failed({ code: "ENETUNREACH", syscall: "connect" }), true],
    ["an unknown name", failed({ code: "ENOTFOUND", syscall: "getaddrinfo" }), true],
    ["all addresses unreachable", failed({ code: "ENETUNREACH", errors: [new Error("x")] }), true],
    ["several errors without a code", failed({ errors: [new Error("x")] }), false],
    ["no several errors", failed({ code: "ETIMEDOUT", errors: [] }), false],
    ["a connect timeout", failed({ code: "UND_ERR_CONNECT_TIMEOUT" }), true],
    ["Bun's refused", Object.assign(new Error("x"), { code: "ConnectionRefused" }), true],
    ["Deno's", new TypeError("error sending request: client error (Connect): refused"), true],
    ["a name that cannot be asked for", failed({ code: "EOTHER", syscall: "getaddrinfo" }), true],
    ["a word that begins alike", failed({ code: "ENOTFOUND_LATER" }), false],
    ["a word that ends alike", failed({ code: "NOT_ECONNREFUSED" }), false],
    ["a reset", failed({ code: "ECONNRESET", syscall: "read" }), false],
    ["a closed socket", failed({ code: "UND_ERR_SOCKET" }), false],
    ["a failed handshake", failed({ code: "DEPTH_ZERO_SELF_SIGNED_CERT" }), false],
    ["a browser's", new TypeError("Failed to fetch"), false],
    ["no error", { code: "ECONNREFUSED" }, false],
    [
      "an error that cannot be read",
      Object.defineProperty(new Error("x"), "code", {
        get: () => {
          throw new Error("no");
        },
      }),
      false,
    ],
  ])("%s", (_, error, expected) => {
    expect(neverConnected(error)).toBe(expected);
  });
});
