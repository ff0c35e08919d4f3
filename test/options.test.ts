import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ConfigurationError, createLipSyncClient, type LipSyncClient } from "../src/index.js";
import { answer, apiKey, baseUrl, endpoint, errorOf, setUp } from "./fixtures/client.js";
import { request } from "./fixtures/request.js";
import submitted from "./fixtures/submitted.json" with { type: "json" };
import succeeded from "./fixtures/succeed.json" with { type: "json" };

beforeEach(() => {
  vi.stubEnv("KLING_API_KEY", undefined);
  vi.stubEnv("KLING_BASE_URL", undefined);
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.unstubAllGlobals();
});

describe("the base URL", () => {
  it.each([
    ["https://gateway.example", "https://gateway.example"],
    ["https://gateway.example///", "https://gateway.example"],
    [" HTTP://Gateway.Example:8080/ ", "http://gateway.example:8080"],
    ["https://gateway.example/proxy/", "https://gateway.example/proxy"],
    ["http://kling", "http://kling"],
    ["https://gateway.example/v1beta", "https://gateway.example/v1beta"],
    ["https://gateway.example/%7Btask_id%7D", "https://gateway.example/%7Btask_id%7D"],
  ])("%j leads to %s", async (given, before) => {
    const { client, sent } = setUp([], { baseUrl: given });
    await client.get("t");
    expect(sent).toMatchObject([{ url: `${before}${endpoint}/t` }]);
  });

  const gateway = "https://gateway.example";

  it.each([
    ["is missing", [""]],
    [
      "must be an http(s) URL",
      ["/kling", "//a.example", "ftp://a.example", "https://", "https://["],
    ],
    ["must be an http(s) URL", ["http:a.example", "ftp://a.example/https://", "https://a b", 5]],
    ["is missing", [null]],
    ["is in quotes", [`"${gateway}"`, `'${gateway}`, `${gateway}"`, '"https://u:sk-abc@a.b"']],
    ["must be an http(s) URL", ["sk-abcdef", "u:sk-abc@gateway.example", "127.0.0.1:8080"]],
    [
      "must be an http(s) URL",
      ["eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJzay0ifQ.sk-", "sk-abc.".repeat(9)],
    ],
    ["must not end in /v1.", [`${gateway}/v1`, `${gateway}/kling/v1`]],
    ["must not end in /V1.", [`${gateway}/V1/`]],
    ["must not end in /kling.", [`${gateway}/kling/`]],
    ["must not end in /videos.", [`${gateway}/kling/v1/videos`]],
    ["must not end in /lip-sync.", [gateway + endpoint]],
    ["must be an http(s) URL without @, ?, #", [`${gateway}/?key=sk-abc`, `${gateway}/#sk-abc`]],
    ["must be an http(s) URL without @, ?, #", ["https://u:sk-abc@a.b", "https://:sk-abc@a.b"]],
    [
      "must be an http(s) URL without @, ?, #, { or }",
      [`${gateway}/{task_id}`, "{{BASE_URL}}", "${B}"],
    ],
  ])("that %s is refused at construction, without its text: %j", (why, urls) => {
    for (const url of urls) {
      const construct = () => createLipSyncClient({ apiKey, baseUrl: url as string });
      expect(construct).toThrow(ConfigurationError);
      expect(construct).toThrow(`The base URL ${why}`);
      expect(construct).toThrow(/\bbaseUrl\b.+\bKLING_BASE_URL\b/);
      expect(construct).not.toThrow("sk-");
    }
  });

  it.each([
    ["gateway.example", "gateway.example"],
    ["gateway.example:8080/kling/", "gateway.example"],
    ["localhost:3000", "localhost"],
    ["api-1.gateway.example/v1", "api-1.gateway.example"],
    ["gateway.example/sk-abc", "gateway.example"],
  ])("without a scheme is refused, and its host is shown: %s", (url, host) => {
    const construct = () => createLipSyncClient({ apiKey, baseUrl: url });
    const how = "Set baseUrl or KLING_BASE_URL.";
    const message = `The base URL has no scheme: write https://${host}. ${how}`;
    expect(construct).toThrow(new ConfigurationError(message));
  });

  it("is taken from KLING_BASE_URL, as it is at the call", async () => {
    const { client, sent } = setUp([], { baseUrl: undefined });
    vi.stubEnv("KLING_BASE_URL", "https://from.example");
    await client.get("t");
    expect(sent).toMatchObject([{ url: `https://from.example${endpoint}/t` }]);
  });
});

describe("what is missing at a call", () => {
  const calls: [string, (client: LipSyncClient) => Promise<unknown>][] = [
    ["create", (client) => client.create(request)],
    ["get", (client) => client.get("t")],
    ["wait", (client) => client.wait("t")],
  ];

  it.each(calls)("is told %s with the caller's line, and nothing is sent", async (_, call) => {
    expect(Error.stackTraceLimit).toBe(10);
    for (const [name, missing] of Object.entries({ apiKey: "API key", baseUrl: "base URL" })) {
      const { client, sent } = setUp([], { [name]: undefined });
      const error = await errorOf(call(client), ConfigurationError);
      expect(error.message).toContain(`The ${missing} is missing`);
      expect(error.message).toContain(name);
      expect(error.stack).toContain("options.test.ts");
      expect(error.mayHaveCreatedTask).toBe(false);
      expect(sent).toEqual([]);
    }
  });

  it.each(calls.slice(0, 2))("is told %s also where a key function has none", async (_, call) => {
    const { client } = setUp([], { apiKey: () => Promise.resolve("") });
    const awaited = async () => await call(client);
    const error = await errorOf(awaited(), ConfigurationError);
    expect(error.stack).toContain("options.test.ts");
  });

  it.each([[undefined], [{}]])("is told where process is %j", async (process) => {
    const { client } = setUp([], { apiKey: undefined, baseUrl: undefined });
    vi.stubGlobal("process", process);
    const error = await client.get("t").catch((error: unknown) => error);
    vi.unstubAllGlobals();
    expect(error).toBeInstanceOf(ConfigurationError);
  });
});

describe("fetch", () => {
  it("is looked up at each call where none is given", async () => {
    const client = createLipSyncClient({ apiKey, baseUrl });
    const fetch = vi.fn(() => Promise.resolve(Response.json(submitted)));
    vi.stubGlobal("fetch", fetch);
    await expect(client.get("t")).resolves.toEqual(submitted.data);
    expect(fetch).toHaveBeenCalledOnce();
  });

  it("that does not exist is a ConfigurationError of a create that created nothing", async () => {
    vi.stubGlobal("fetch", undefined);
    const client = createLipSyncClient({ apiKey, baseUrl });
    const error = await errorOf(client.create(request), ConfigurationError);
    expect(error.message).toMatch(/option fetch/);
    expect(error.mayHaveCreatedTask).toBe(false);
  });
});

describe("an invalid option", () => {
  const { client, sent } = setUp();
  const number = "a number >= 0";
  const ofCall = { signal: "an AbortSignal", timeoutMs: number, maxRetries: number };
  const onUpdate = "a function";
  const valid: Record<string, Record<string, string>> = {
    createLipSyncClient: { fetch: "a function", timeoutMs: number, maxRetries: number },
    create: ofCall,
    get: ofCall,
    wait: { signal: "an AbortSignal", timeoutMs: number, intervalMs: number, onUpdate },
  };
  const calls: Record<string, (options: object) => unknown> = {
    createLipSyncClient: (options) => createLipSyncClient({ apiKey, baseUrl, ...options }),
    create: (options) => client.create(request, options),
    get: (options) => client.get("t", options),
    wait: (options) => client.wait("t", options),
  };
  const invalid = [
    [-1, "-1"],
    [Number.NaN, "NaN"],
    ["60", '"60"'],
    [null, "null"],
    [{ aborted: false }, "an object"],
    [Symbol("n"), "Symbol(n)"],
    [() => 60, "a function"],
  ] as const;

  it.each(Object.keys(calls))("of %s is refused, and shown; nothing is sent", async (method) => {
    for (const [name, type] of Object.entries(valid[method] ?? {})) {
      for (const [value, shown] of invalid.filter(([, shown]) => shown !== type)) {
        const call = async () => await calls[method]?.({ [name]: value });
        const message = `The option ${name} must be ${type}, not ${shown}.`;
        await expect(call()).rejects.toThrow(new ConfigurationError(message));
      }
    }
    expect(sent).toEqual([]);
  });
});

it("every option may be inherited, or be a getter", async () => {
  class Settings {
    get apiKey() {
      return "sk-from-a-getter";
    }
    get baseUrl() {
      return "https://getter.example";
    }
  }
  const fetch = vi.fn(() => Promise.resolve(new Response("", { status: 503 })));
  const inherited = Object.create({ fetch, maxRetries: 0 }) as object;
  const options = Object.setPrototypeOf(new Settings(), inherited) as object;
  expect(options).toHaveProperty("fetch");
  const client = createLipSyncClient(Object.create(new Settings()) as object);
  vi.stubGlobal("fetch", fetch);
  await errorOf(client.get("t", Object.create({ maxRetries: 0 }) as object));
  expect(fetch).toHaveBeenCalledOnce();
});

it("every option may be undefined", async () => {
  const numbers = { timeoutMs: undefined, maxRetries: undefined };
  const none = { apiKey: undefined, baseUrl: undefined, fetch: undefined, ...numbers };
  expect(createLipSyncClient(none)).toBeTypeOf("object");
  expect(createLipSyncClient()).toBeTypeOf("object");
  const { client } = setUp([answer(200, succeeded)]);
  const waitNone = { intervalMs: undefined, timeoutMs: undefined, onUpdate: undefined };
  await client.wait("t", { signal: undefined, ...waitNone });
  await client.get("t", { signal: undefined, ...numbers });
  await client.create(request, { signal: undefined, ...numbers });
});

describe("headers", () => {
  it("are sent with every attempt, those of a call in place of the client's", async () => {
    const busy = () => answer(429, "", { "retry-after": "0" });
    const headers = { "X-Group": "a", "x-trace": "1", "x-none": undefined };
    const { client, sent } = setUp([busy(), busy()], { headers });
    await client.create(request, {
      headers: { "Idempotency-Key": "key-1", "x-group": "b", "X-Trace": undefined },
    });
    await client.get("t");
    const seen = sent.map(({ init }) => init.headers);
    const own = { authorization: `Bearer ${apiKey}`, "x-trace": "1" };
    const create = { ...own, "content-type": "application/json", "x-group": "b" };
    const first = { ...create, "idempotency-key": "key-1" };
    expect(seen).toEqual([first, first, first, { ...own, "x-group": "a" }]);
    expect(headers).toEqual({ "X-Group": "a", "x-trace": "1", "x-none": undefined });
  });

  it("are sent with the polls of a wait", async () => {
    const { client, sent } = setUp([answer(200, succeeded)], { headers: { "x-group": "a" } });
    await client.wait("t");
    expect(sent[0]?.init.headers).toMatchObject({ "x-group": "a" });
  });

  it.each([
    ["Headers", new Headers({ "x-group": "a" })],
    ["a Map", new Map([["X-Group", "a"]])],
    ["a number", { "x-group": 5 }],
  ] as [string, object][])("may be given as %s", async (_, given) => {
    const headers = given as Record<string, string>;
    const { client, sent } = setUp([], { headers });
    await client.get("t");
    expect(sent[0]?.init.headers["x-group"]).toMatch(/^[a5]$/);
  });

  const invalid = "The option headers must be an object with names and values that HTTP allows.";
  const own = (name: string) => `The option headers must not have ${name}: the client sets it.`;

  it.each([
    [{ Authorization: "Bearer secret-1" }, own("authorization")],
    [new Headers({ authorization: "secret-1" }), own("authorization")],
    [{ "CONTENT-TYPE": "secret-1" }, own("content-type")],
    [{ "x group": "secret-1" }, invalid],
    [{ "": "secret-1" }, invalid],
    [{ "x-group": "secret-1\n2" }, invalid],
    [{ "x-group": "secret-1 对" }, invalid],
    ...[null, ["x-group", "a"], "a: b", 5].map((headers) => [headers, invalid]),
  ] as [object, string][])("%j are refused, and nothing is sent", async (given, message) => {
    const headers = given as Record<string, string>;
    const construct = () => createLipSyncClient({ apiKey, baseUrl, headers });
    expect(construct).toThrow(new ConfigurationError(message));
    const { client, sent } = setUp();
    const error = await errorOf(client.create(request, { headers }), ConfigurationError);
    expect(error.message).toBe(message);
    expect(sent).toEqual([]);
  });
});
