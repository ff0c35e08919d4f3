import { inspect } from "node:util";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  ApiError,
  ConfigurationError,
  ConnectionError,
  InvalidRequestError,
  LipSyncError,
} from "../src/index.js";
import { mayPass, retryAfterMs, verdictOf } from "../src/outcome.js";
import { answer, apiKey, calls, errorOf, failing, setUp } from "./fixtures/client.js";
import type { Method, Step } from "./fixtures/client.js";
import * as table from "./fixtures/decisions.js";

const methods: Method[] = ["create", "get"];

/** How calls end whose fetch keeps doing this, with one repeat at most. */
async function outcomesOf(method: Method, steps: (() => Step)[]) {
  const outcomes = steps.map(async (step) => {
    const { client, sent } = setUp([step(), step()]);
    const error = await errorOf(calls[method](client), LipSyncError);
    const { code, taskId } = error instanceof ApiError ? error : {};
    const { name, mayHaveCreatedTask } = error;
    expect(inspect(error, { depth: null, showHidden: true })).not.toContain(apiKey);
    return { requests: sent.length, error: name, code, taskId, mayHaveCreatedTask };
  });
  await vi.runAllTimersAsync();
  return Promise.all(outcomes);
}

type Kept = { code?: number | string; taskId?: string };

function expected(method: Method, error: string, decision: table.Decision, kept: Kept = {}) {
  const repeats = method === "create" ? decision.repeatsCreate : decision.repeatsGet;
  const mayHaveCreatedTask = method === "create" && decision.mayHaveCreatedTask;
  const { code, taskId } = kept;
  return { requests: repeats ? 2 : 1, error, code, taskId, mayHaveCreatedTask };
}

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 10, 22, 12) });
});
afterEach(() => {
  vi.useRealTimers();
});

describe("a response that is not a task", () => {
  it.each(table.responseRows)("has its row in the table: $name", async (row) => {
    for (const method of methods) {
      const step = () => answer(row.status, row.body, row.headers);
      const right = expected(method, "ApiError", row, row);
      expect(await outcomesOf(method, [step])).toEqual([right]);
    }
  });

  it.each(table.statuses)("with %i follows the rules, whatever the body", async (status) => {
    // These two never have a body.
    const isBare = status === 204 || status === 304;
    const isFailure = status > 299;
    const withTask = table.envelopesWithTask.filter(({ isTask }) => isFailure || !isTask);
    const envelopes = [...table.envelopes, ...withTask].slice(0, isBare ? 1 : undefined);
    for (const method of methods) {
      const steps = envelopes.map(({ body }) => answer.bind(undefined, status, body));
      const outcomes = await outcomesOf(method, steps);
      const seen = envelopes.map(({ name }, index) => [name, outcomes[index]]);
      const right = envelopes.map((envelope) => {
        const decision = table.decide({ status, ...envelope });
        return [envelope.name, expected(method, "ApiError", decision, envelope)];
      });
      expect(seen).toEqual(right);
    }
  });

  it("with the status of a redirect that a browser hides is uncertain for good", async () => {
    const right = expected("create", "ApiError", table.UNCERTAIN_FOR_GOOD);
    expect(await outcomesOf("create", [() => Response.error()])).toEqual([right]);
  });
});

describe("no complete response", () => {
  it.each(table.failureRows)("has its row in the table, without the key: $name", async (row) => {
    const cut = () => new ReadableStream({ pull: () => Promise.reject(row.error(apiKey)) });
    const step = () => (row.in === "fetch" ? failing(row.error(apiKey)) : new Response(cut()));
    for (const method of methods) {
      const right = expected(method, "ConnectionError", row);
      expect(await outcomesOf(method, [step])).toEqual([right]);
    }
  });
});

function apiError(status: number, headers: HeadersInit = {}): ApiError {
  const details = { code: undefined, requestId: undefined, taskId: undefined, body: "" };
  return new ApiError("", { ...details, status, headers: new Headers(headers) });
}

describe("verdictOf", () => {
  const coded = (status: number, code?: number | string) =>
    Object.assign(apiError(status), { code, mayHaveCreatedTask: false });

  it.each([
    ["again", new ConnectionError("")],
    ...[1302, 1303].flatMap((code) => [400, 429, 503].map((at) => ["again", coded(at, code)])),
    ...[undefined, "busy", 429, 0, 5000].map((code) => ["again", coded(429, code)]),
    ...[1000, 1001, 1002, 1003, 1004].map((code) => ["account", coded(401, code)]),
    ...[1100, 1101, 1102, 1103, 1304].map((code) => ["account", coded(429, code)]),
    ...[401, 402, 403, 404, 405, 407, 301, 302, 307, 308].map((status) => [
      "account",
      coded(status),
    ]),
    ["account", new ConfigurationError("")],
    ...[1200, 1201, 1202, 1203, 1300, 1301].map((code) => ["refused", coded(404, code)]),
    ...[400, 409, 413, 422].map((status) => ["refused", coded(status)]),
    ["refused", new InvalidRequestError("", "input")],
    ["refused", { name: "OtherError", mayHaveCreatedTask: false }],
    ["uncertain", Object.assign(coded(500), { mayHaveCreatedTask: true })],
    ["uncertain", new ConnectionError("", { mayHaveCreatedTask: true })],
    ...[undefined, null, "no", new Error(""), {}].map((error) => ["uncertain", error]),
  ] as [string, unknown][])("is %s for %o", (verdict, error) => {
    expect(verdictOf(error)).toBe(verdict);
  });

  it("reads an error of another copy of the library", () => {
    class ApiError extends Error {
      override name = "ApiError";
      mayHaveCreatedTask = false;
      status = 429;
      code = 1102;
    }
    expect(verdictOf(new ApiError("no resource pack"))).toBe("account");
  });
});

it("mayPass says no to a status of no class, to an error of another kind and to no error", () => {
  for (const error of [apiError(199), new LipSyncError(""), new Error(""), undefined]) {
    expect(mayPass(error)).toBe(false);
  }
});

describe("retryAfterMs", () => {
  const none = (value: string): [string, undefined] => [value, undefined];

  it.each<[string, number | undefined]>([
    ["0", 0],
    [" 5 ", 5000],
    ["1.25", 1250],
    ["259200", 259_200_000],
    ["Sun, 22 Nov 2026 12:00:10 GMT", 10_000],
    ["Sunday, 22-Nov-26 12:00:10 GMT", 10_000],
    ["Sun, 22 Nov 2026 11:00:00 GMT", 0],
    ...["", "-5", "soon", "5 apples", "1e9", "2026-11-22", "Sun, nonsense GMT"].map(none),
    ...["x Sun, 22 Nov 2026 12:00:10 GMT", "Sun, 22 Nov 2026 12:00:10 GMT+0800"].map(none),
  ])("of %j is %j", (value, expected) => {
    expect(retryAfterMs(apiError(429, { "retry-after": value }))).toBe(expected);
  });

  it("is undefined for an error of another library with the same name", () => {
    const error = Object.assign(new Error("busy"), { name: "ApiError", status: 503 });
    expect(retryAfterMs(error)).toBeUndefined();
    expect(mayPass(error)).toBe(false);
  });

  it("is undefined without the header and without a response", () => {
    expect(retryAfterMs(apiError(429))).toBeUndefined();
    expect(retryAfterMs(new ConnectionError(""))).toBeUndefined();
  });
});
