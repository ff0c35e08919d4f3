import vm from "node:vm";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ConnectionError, createLipSyncClient } from "../src/index.js";
import { errorChain, neverConnected } from "../src/network-error.js";
import { apiKey, endpoint, errorOf, failing, setUp } from "./fixtures/client.js";
import { request } from "./fixtures/request.js";
import submitted from "./fixtures/submitted.json" with { type: "json" };

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

const odd = (fields: object) => Object.assign(new Error("said"), fields);

describe("neverConnected", () => {
  const failed = (cause: object) => new TypeError("fetch failed", { cause: odd(cause) });
  const refused = odd({ code: "ECONNREFUSED", syscall: "connect" });
  const reset = odd({ code: "ECONNRESET", syscall: "read" });
  const deep = (causes: number): Error =>
    causes === 0 ? odd({ code: "ECONNREFUSED" }) : new Error("outer", { cause: deep(causes - 1) });

  it.each<[string, unknown, boolean]>([
    ["a failed connect, whatever its code", failed({ code: "EOTHER", syscall: "connect" }), true],
    ["a failed lookup, whatever its code", failed({ syscall: "getaddrinfo" }), true],
    ["a code without a system call", failed({ code: "EAI_AGAIN" }), true],
    ["a code in the fifth error", deep(4), true],
    ["a code beyond the fifth error", deep(5), false],
    ["several errors without a code", failed({ errors: [new Error("x")] }), false],
    ["several errors that all say it", failed({ errors: [refused, refused] }), true],
    ["several errors of which one says other", failed({ errors: [refused, reset] }), false],
    [
      "several errors with the code of the one that says it",
      failed({ code: "ECONNREFUSED", errors: [refused, reset] }),
      false,
    ],
    ["a refusal that caused a reset", odd({ code: "ECONNRESET", cause: refused }), false],
    ["no several errors", failed({ code: "ETIMEDOUT", errors: [] }), false],
    ["a word that begins alike", failed({ code: "ENOTFOUND_LATER" }), false],
    ["a word that ends alike", failed({ code: "NOT_ECONNREFUSED" }), false],
    ["a longer system call", failed({ syscall: "connected" }), false],
    ["a longer message", new Error("a bad port of call"), false],
  ])("of %s is %j", (_, error, expected) => {
    expect(neverConnected(error)).toBe(expected);
  });
});

describe("an error of another realm", () => {
  const foreign = (code: string) => vm.runInNewContext(code) as unknown;
  const refused =
    "Object.assign(new Error('connect refused'), { code: 'ECONNREFUSED', syscall: 'connect' })";
  const reset =
    "Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET', syscall: 'read' })";

  it.each([
    [refused, "connect refused"],
    [`new TypeError('fetch failed', { cause: ${refused} })`, "fetch failed"],
    [`new TypeError('fetch failed', { cause: new AggregateError([${refused}]) })`, "fetch failed"],
    ["new (class Odd extends Error {})('bad port')", "bad port"],
  ])("says that nothing was sent, so create is repeated: %s", async (code, message) => {
    const { client } = setUp([failing(foreign(code))], { maxRetries: 0 });
    const error = await errorOf(client.create(request), ConnectionError);
    expect(error.mayHaveCreatedTask).toBe(false);
    expect(error.message).toContain(message);
    expect(error.cause).toBeInstanceOf(Error);
    expect(error.cause).toMatchObject({ message });

    const repeated = setUp([failing(foreign(code))]);
    const created = repeated.client.create(request);
    await vi.runAllTimersAsync();
    await expect(created).resolves.toEqual(submitted.data);
    expect(repeated.sent).toHaveLength(2);
  });

  it("that is a reset stays uncertain, and create is not repeated", async () => {
    const { client, sent } = setUp([failing(foreign(reset))]);
    const error = await errorOf(client.create(request), ConnectionError);
    expect(error.mayHaveCreatedTask).toBe(true);
    expect(error.cause).toMatchObject({ message: "read ECONNRESET", code: "ECONNRESET" });
    expect(sent).toHaveLength(1);
  });
});

describe("an error that is hard to read", () => {
  const get = () => {
    throw new Error("no");
  };
  const unreadable = Object.defineProperty(odd({}), "cause", { get });

  it.each<[string, unknown, string]>([
    ["has a symbol as its code", odd({ code: Symbol("c") }), ": said"],
    ["has an object as its cause", odd({ cause: { a: 1 } }), ": said"],
    ["throws when it is read", unreadable, ""],
    ["is only shaped like one", { name: "Odd", message: "said" }, ": said"],
    ["has no message", Object.assign(new Error(""), { name: "OddError" }), ": OddError"],
    ["has causes", new Error("a", { cause: new Error("b") }), ": a: b"],
  ])("is told by what it says if it %s", async (_, error, said) => {
    const { client } = setUp([failing(error)], { maxRetries: 0 });
    const { message } = await errorOf(client.get("t"), ConnectionError);
    expect(message).toBe(`GET ${endpoint}/t got no complete response${said}`);
  });

  it("is no error at all without a message that is a string", () => {
    const values = [undefined, null, "failed", {}, { name: "E", message: Symbol("m") }];
    expect(values.flatMap(errorChain)).toEqual([]);
    expect(errorChain(Object.create(null))).toEqual([]);
  });
});

it("knows a port that the runtime's own fetch refuses", async () => {
  const client = createLipSyncClient({ apiKey, baseUrl: "http://127.0.0.1:1", maxRetries: 0 });
  const error = await errorOf(client.create(request), ConnectionError);
  expect(error.mayHaveCreatedTask).toBe(false);
  expect(error.message).toContain("bad port");
});

it("a failed fetch whose errors hold each other does not say that it never connected", () => {
  const circle = Object.assign(new Error("failed"), { errors: [] as unknown[] });
  circle.errors.push(circle, circle);
  expect(neverConnected(circle)).toBe(false);
});
