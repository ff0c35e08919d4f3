import { afterEach, describe, expect, it, vi } from "vitest";
import { attempt } from "../src/attempt.js";
import { TASK_MAY_EXIST } from "../src/errors.js";
import { ConnectionError } from "../src/index.js";
import { apiKey, baseUrl, endpoint, errorOf, failing, hanging, setUp } from "./fixtures/client.js";
import { request } from "./fixtures/request.js";

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe("what is sent", () => {
  it("is a POST with the request as JSON, or a GET without a body and its type", async () => {
    const { client, sent } = setUp();
    await client.create(request);
    await client.get("t");
    expect(sent.map(({ url }) => url)).toEqual([baseUrl + endpoint, `${baseUrl}${endpoint}/t`]);
    expect(sent[0]?.init).toMatchObject({ method: "POST", body: JSON.stringify(request) });
    expect(sent[1]?.init).toMatchObject({ method: "GET", body: null });
    const headers = sent.map(({ init }) => Object.fromEntries(new Headers(init.headers)));
    const authorization = `Bearer ${apiKey}`;
    const type = { "content-type": "application/json" };
    expect(headers).toEqual([{ authorization, ...type }, { authorization }]);
  });

  it("forbids redirects and repeats by the runtime, and has a signal of its own", async () => {
    const { signal } = new AbortController();
    const { client, sent } = setUp();
    await client.create(request, { signal });
    await client.get("t", { signal });
    for (const { init } of sent) {
      expect(init).toMatchObject({ redirect: "manual", keepalive: false });
      expect(init.signal).toBeInstanceOf(AbortSignal);
      expect(init.signal).not.toBe(signal);
    }
  });

  it("is what create was given, even if the caller changes it meanwhile", async () => {
    const changing = structuredClone(request);
    const changingKey = () => {
      Object.assign(changing.input, { mode: "audio2video" });
      return apiKey;
    };
    const { client, sent } = setUp([], { apiKey: changingKey });
    await client.create(changing);
    expect(sent[0]?.init.body).toBe(JSON.stringify(request));
  });

  it("is a Blob on Deno, which would send a string again by itself", async () => {
    vi.stubGlobal("Deno", {});
    const { client, sent } = setUp();
    await client.create(request);
    await client.get("t");
    const [post, get] = sent.map(({ init }): unknown => init.body);
    expect(post).toBeInstanceOf(Blob);
    await expect((post as Blob).text()).resolves.toBe(JSON.stringify(request));
    expect(get).toBeNull();
  });
});

it("an operation whose response is lost on the way is an error", async () => {
  const operation = { route: "GET /x", isBilled: false };
  const lost = { ...operation, request: () => Promise.resolve({}) };
  const { fetch } = globalThis;
  const gateway = { apiKey, baseUrl, headers: {}, fetch };
  const attempted = attempt(lost, { ...gateway, signal: undefined, timeoutMs: 1000 });
  await expect(attempted).rejects.toThrow("no data");
});

describe("a fetch that fails", () => {
  const prefix = `POST ${endpoint} got no complete response`;

  it("gives its reasons in the message, and a copy of its error as the cause", async () => {
    const boom = new TypeError("fetch failed", { cause: new Error("read ECONNRESET") });
    const error = await errorOf(setUp([failing(boom)]).client.create(request), ConnectionError);
    expect(error.message).toBe(`${prefix}: fetch failed: read ECONNRESET. ${TASK_MAY_EXIST}`);
    const cause = { message: "read ECONNRESET" };
    expect(error.cause).toMatchObject({ name: "TypeError", message: "fetch failed", cause });
  });

  it("says so where it throws at once, or a value that is not an error", async () => {
    const fetch = () => {
      throw Object.create(null) as Error;
    };
    const error = await errorOf(setUp([], { fetch }).client.create(request), ConnectionError);
    expect(error.message).toBe(`${prefix}. ${TASK_MAY_EXIST}`);
    expect(error.cause).toBeUndefined();
  });
});

describe("the time limit of one attempt", () => {
  const limits = { timeoutMs: 1000, maxRetries: 0 };

  it("is 60 s by default", async () => {
    vi.useFakeTimers();
    const { client, sent } = setUp([hanging], { maxRetries: 0 });
    const ended = errorOf(client.create(request), ConnectionError);
    await vi.advanceTimersByTimeAsync(59_999);
    expect(sent[0]?.init.signal.aborted).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(sent[0]?.init.signal.aborted).toBe(true);
    const error = await ended;
    expect(error.message).toBe(`POST ${endpoint} timed out after 60000 ms. ${TASK_MAY_EXIST}`);
    expect(error).toMatchObject({ cause: { name: "TimeoutError" }, mayHaveCreatedTask: true });
  });

  it("bounds the body, whose stream is cancelled", async () => {
    vi.useFakeTimers();
    const cancel = vi.fn();
    const { client } = setUp([new Response(new ReadableStream({ cancel }))], limits);
    const ended = errorOf(client.create(request), ConnectionError);
    await vi.advanceTimersByTimeAsync(1000);
    expect((await ended).mayHaveCreatedTask).toBe(true);
    expect(cancel).toHaveBeenCalledOnce();
  });

  it("bounds the key function; then nothing is sent, not even late, and create tries again", async () => {
    vi.useFakeTimers();
    let giveLate: (key: string) => void = () => undefined;
    const keys = [new Promise<string>((resolve) => (giveLate = resolve)), apiKey];
    const { client, sent } = setUp([], { timeoutMs: 1000, apiKey: () => keys.shift() ?? "" });
    const created = client.create(request, { maxRetries: 1 });
    await vi.advanceTimersByTimeAsync(1000);
    giveLate(apiKey);
    await vi.advanceTimersByTimeAsync(500);
    expect(sent).toEqual([]);
    await vi.runAllTimersAsync();
    await expect(created).resolves.toBeDefined();
    expect(sent).toHaveLength(1);
  });
});

describe("an abort", () => {
  it("rejects with its reason, whatever that is, and reaches fetch", async () => {
    for (const reason of [new Error("mine"), "text", 0, null, false]) {
      const { client, sent } = setUp([hanging]);
      const controller = new AbortController();
      const ended = client.create(request, { signal: controller.signal });
      await vi.waitUntil(() => sent.length === 1);
      controller.abort(reason);
      await expect(ended).rejects.toBe(reason);
      expect(sent[0]?.init.signal.reason).toBe(reason);
    }
  });

  it("before the call sends nothing, and does not ask for the key", async () => {
    const key = vi.fn(() => apiKey);
    const { client, sent } = setUp([], { apiKey: key });
    const signal = AbortSignal.abort("no");
    await expect(client.create(request, { signal })).rejects.toBe("no");
    await expect(client.get("t", { signal })).rejects.toBe("no");
    expect(sent).toEqual([]);
    expect(key).not.toHaveBeenCalled();
  });

  it.each(["comes", "fails"])("before the key %s sends nothing", async (end) => {
    let settle: (key: string | Promise<string>) => void = () => undefined;
    const key = new Promise<string>((resolve) => (settle = resolve));
    const { client, sent } = setUp([], { apiKey: () => key });
    const controller = new AbortController();
    const ended = client.create(request, { signal: controller.signal });
    controller.abort("no");
    await expect(ended).rejects.toBe("no");
    // An unhandled rejection would fail the test run.
    settle(end === "comes" ? apiKey : Promise.reject(new Error("no key")));
    await new Promise(setImmediate);
    expect(sent).toEqual([]);
  });
});
