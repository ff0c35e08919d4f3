import { inspect } from "node:util";
import nock from "nock";
import { afterAll, afterEach, beforeAll, describe, expect, expectTypeOf, it, vi } from "vitest";
import {
  ApiError,
  ConfigurationError,
  ConnectionError,
  createLipSyncClient,
  type LipSyncRequest,
  type LipSyncTask,
  type LipSyncTaskStatus,
  type LipSyncVideo,
  type SucceededLipSyncTask,
} from "../src/index.js";
import { createFakeGateway } from "../src/testing.js";
import submitted from "./fixtures/submitted.json" with { type: "json" };
import succeeded from "./fixtures/succeed.json" with { type: "json" };

const origin = "https://gateway.example";
const path = "/kling/v1/videos/lip-sync";
const apiKey = "sk-for-tests-only";
const client = createLipSyncClient({ baseUrl: origin, apiKey, maxRetries: 0 });
const request: LipSyncRequest = {
  input: {
    video_id: "de1b86d9-8e40-4f1c-a6a5-6459f8eb42f2",
    mode: "text2video",
    text: "今天天气很好",
    voice_id: "girlfriend_1_speech02",
    voice_language: "zh",
  },
};

beforeAll(() => {
  nock.disableNetConnect();
});
afterEach(() => {
  expect(nock.pendingMocks()).toEqual([]);
  nock.cleanAll();
  vi.restoreAllMocks();
});
afterAll(() => {
  nock.enableNetConnect();
  nock.restore();
});

async function failure(promise: Promise<unknown>): Promise<ApiError> {
  const error: unknown = await promise.catch((error: unknown) => error);
  expect(error).toBeInstanceOf(ApiError);
  return error as ApiError;
}

describe("create", () => {
  it("posts the request as JSON with the bearer token and answers with the task", async () => {
    nock(origin, {
      reqheaders: { authorization: `Bearer ${apiKey}`, "content-type": "application/json" },
    })
      .post(path, (body) => inspect(body) === inspect(request))
      .reply(200, submitted);
    await expect(client.create(request)).resolves.toEqual(submitted.data);
  });

  it("sends what was given, even if the caller changes it meanwhile", async () => {
    const bodies: unknown[] = [];
    const gateway = createFakeGateway();
    const changing = structuredClone(request);
    const own = createLipSyncClient({
      ...gateway,
      apiKey: () => {
        Object.assign(changing.input, { mode: "audio2video" });
        return gateway.apiKey;
      },
      fetch: (url, init) => {
        bodies.push(JSON.parse(init?.body as string));
        return gateway.fetch(url, init);
      },
    });
    await own.create(changing);
    expect(bodies).toEqual([request]);
  });

  it("is a Blob in Deno, which would send a text again by itself", async () => {
    vi.stubGlobal("Deno", {});
    const gateway = createFakeGateway();
    const bodies: unknown[] = [];
    const own = createLipSyncClient({
      ...gateway,
      fetch: (url, init) => {
        bodies.push(init?.body);
        return gateway.fetch(url, init);
      },
    });
    await own.create(request);
    vi.unstubAllGlobals();
    expect(bodies[0]).toBeInstanceOf(Blob);
    expect(gateway.received[0]?.body).toEqual(request);
  });

  it.each([
    ["429 without a code", 429, {}],
    ["1302 in a 200", 200, { code: 1302 }],
    ["code 0 at 400", 400, { code: 0 }],
  ])("is not repeated where a task came with a refusal: %s", async (_, status, body) => {
    nock(origin)
      .post(path)
      .reply(status, { ...body, data: submitted.data });
    const error = await failure(client.create(request, { maxRetries: 2 }));
    expect(error.mayHaveCreatedTask).toBe(true);
    expect(error.body).toContain(submitted.data.task_id);
  });

  it("is not certain to be refused by a code that stands in a gateway's own envelope", async () => {
    nock(origin)
      .post(path)
      .reply(503, { error: { code: 1102 } });
    const error = await failure(client.create(request));
    expect(error).toMatchObject({ code: 1102, mayHaveCreatedTask: true });
  });

  it("is not repeated where the connection breaks after the headers, whatever it says", async () => {
    let posts = 0;
    const refused = Object.assign(new Error("x"), { code: "ECONNREFUSED", syscall: "connect" });
    const own = createLipSyncClient({
      baseUrl: origin,
      apiKey,
      fetch: () => {
        posts += 1;
        return Promise.resolve(
          new Response(
            new ReadableStream({
              start(controller) {
                controller.error(refused);
              },
            }),
          ),
        );
      },
    });
    await expect(own.create(request)).rejects.toMatchObject({
      name: "ConnectionError",
      mayHaveCreatedTask: true,
    });
    expect(posts).toBe(1);
  });

  it("keeps what is unknown in the answer", async () => {
    const data = { ...submitted.data, task_status: "queued", position: 3 };
    nock(origin)
      .post(path)
      .reply(200, { ...submitted, data });
    await expect(client.create(request)).resolves.toEqual(data);
  });

  it("takes a code of 0 that came as a string", async () => {
    nock(origin)
      .post(path)
      .reply(201, { ...submitted, code: "0" });
    await expect(client.create(request)).resolves.toEqual(submitted.data);
  });
});

describe("get", () => {
  it("asks for the task by its id and sends no body", async () => {
    nock(origin, {
      reqheaders: { authorization: `Bearer ${apiKey}` },
      badheaders: ["content-type"],
    })
      .get(`${path}/a%2Fb`)
      .reply(200, succeeded);
    const task = await client.get("a/b");
    expect(task).toEqual(succeeded.data);
    expectTypeOf(task).toEqualTypeOf<LipSyncTask>();
    expectTypeOf(task).not.toBeAny();
    expectTypeOf(task.task_result?.videos?.[0]?.url).toEqualTypeOf<string | undefined>();
    expectTypeOf<"submitted">().toExtend<LipSyncTaskStatus>();
    expectTypeOf<string>().toExtend<LipSyncTaskStatus>();
  });

  it("does not need its method to be called on the client", async () => {
    nock(origin).get(`${path}/t`).reply(200, succeeded);
    await expect(client.get.bind(undefined)("t")).resolves.toEqual(succeeded.data);
  });
});

describe("wait", () => {
  it("gives a task whose first video needs no check", async () => {
    nock(origin).get(`${path}/t`).reply(200, succeeded);
    const task = await client.wait("t");
    expect(task.task_result.videos[0].url).toBe("https://cdn.example/result.mp4");
    expectTypeOf(task).toEqualTypeOf<SucceededLipSyncTask>();
    expectTypeOf(task.task_result.videos[0]).toEqualTypeOf<LipSyncVideo>();
    expectTypeOf(task.task_result.videos[0].url).toEqualTypeOf<string>();
    expectTypeOf(task.task_status).toEqualTypeOf<"succeed">();
  });
});

describe("an answer that is not success is an ApiError that says so", () => {
  const kling = { code: 1201, message: "bad value", request_id: "r-1" };
  it.each([
    ["Kling's envelope", 400, kling, "answered 400, code 1201, request id r-1: bad value"],
    ["a non-zero code in a 200", 200, kling, "answered 200, code 1201, request id r-1: bad value"],
    [
      "a numeric string",
      400,
      { ...kling, code: "1201" },
      "answered 400, code 1201, request id r-1: bad value",
    ],
    [
      "an OpenAI style error",
      401,
      { error: { message: "no such key", type: "auth", code: "invalid_key" } },
      "answered 401, code invalid_key: no such key",
    ],
    [
      "a word that begins with a number",
      400,
      { code: "12ab" },
      'answered 400, code 12ab: {"code":',
    ],
    ["a word that ends with a number", 400, { code: "ab12" }, 'answered 400, code ab12: {"code":'],
    ["an error that is a text", 500, { error: "overloaded" }, "answered 500: overloaded"],
    [
      "a gateway's string code",
      500,
      { code: "insert_task_failed", message: "db", data: null },
      "answered 500, code insert_task_failed: db",
    ],
    [
      "a task without an id",
      200,
      { code: 0, data: { task_status: "submitted" } },
      "answered 200, code 0: the answer holds no task.",
    ],
    [
      "a task without a status",
      200,
      { code: 0, data: { task_id: "t" } },
      "answered 200, code 0: the answer holds no task.",
    ],
    [
      "a task in a failure",
      500,
      submitted,
      "answered 500, code 0, request id CmJ8DGePZioAAAAAAFIvOQ: SUCCEED",
    ],
    ["no code", 200, { data: submitted.data }, 'answered 200: {"data":{'],
    ["an empty 429", 429, "", "answered 429: the answer is empty."],
    ["an empty 404", 404, "", "answered 404: the answer is empty."],
    ["a 404 in words", 404, "task t has expired", "answered 404: task t has expired"],
    ["a text", 502, "Bad\n\tGateway\u0000", "answered 502: Bad Gateway"],
    ["null", 200, "null", "answered 200: null"],
    [
      "truncated JSON",
      200,
      '{"code":0,"data":{"task',
      "answered 200: the answer is not JSON (application/json); does baseUrl name the gateway's origin?",
    ],
  ])("%s", async (_, status, body, message) => {
    nock(origin).post(path).reply(status, body, { "content-type": "application/json" });
    const error = await failure(client.create(request));
    expect(error.message).toContain(`POST ${path} ${message}`);
    expect(error.status).toBe(status);
    expect(error.body).toBe(typeof body === "string" ? body : JSON.stringify(body));
    expect(error.headers.get("content-type")).toBe("application/json");
  });

  it.each([200, 404])("names an HTML page with %i for what it is", async (status) => {
    nock(origin).get(`${path}/t`).reply(status, "<!doctype html>", { "content-type": "text/html" });
    const error = await failure(client.get("t"));
    expect(error.message).toBe(
      `GET ${path}/t answered ${status}: the answer is not JSON (text/html); does baseUrl name the gateway's origin?`,
    );
    nock(origin).get(`${path}/t`).reply(200, "hello");
    expect((await failure(client.get("t"))).message).toContain("(no content type)");
  });

  it("names the place of a redirect, which is not followed", async () => {
    nock(origin).post(path).reply(308, "", { location: "https://elsewhere.example/x" });
    const error = await failure(client.create(request));
    expect(error.message).toContain("it redirects to https://elsewhere.example/x");
    expect(error.message).toContain("baseUrl");
    expect(error).toMatchObject({ status: 308, mayHaveCreatedTask: false });
  });

  it("says that a runtime hides where a redirect leads to", async () => {
    const hidden = Response.error();
    Object.defineProperty(hidden, "type", { value: "opaqueredirect" });
    const own = createLipSyncClient({
      baseUrl: origin,
      apiKey,
      fetch: () => Promise.resolve(hidden),
    });
    const error = await failure(own.create(request));
    expect(error.message).toContain("it redirects to a place that is not named");
    expect(error).toMatchObject({ status: 0, mayHaveCreatedTask: true });
  });

  it("carries the request id of the body, else of the header", async () => {
    const headers = { "x-request-id": "r-2" };
    nock(origin)
      .get(`${path}/t`)
      .reply(404, kling, headers)
      .get(`${path}/t`)
      .reply(404, "", headers);
    expect((await failure(client.get("t"))).requestId).toBe("r-1");
    expect((await failure(client.get("t"))).requestId).toBe("r-2");
  });

  it("bounds its message and keeps the whole body", async () => {
    const message = "long ".repeat(1000);
    nock(origin).get(`${path}/t`).reply(500, { code: 5000, message });
    const error = await failure(client.get("t"));
    expect(error.message).toMatch(/: (?:long ){60}…$/);
    expect(error.body).toContain(message);
  });
});

describe("a connection that fails is a ConnectionError", () => {
  it("with the reason in its message and what the fetch said in its cause", async () => {
    const boom = new TypeError("fetch failed", { cause: new Error("read ECONNRESET") });
    const own = createLipSyncClient({ baseUrl: origin, apiKey, fetch: () => Promise.reject(boom) });
    const error: unknown = await own.create(request).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(ConnectionError);
    expect(error).toMatchObject({
      message: `POST ${path} got no whole answer: fetch failed: read ECONNRESET`,
      mayHaveCreatedTask: true,
    });
    expect((error as ConnectionError).cause).toMatchObject({
      name: "TypeError",
      message: "fetch failed",
      cause: { message: "read ECONNRESET" },
    });
  });

  it("also where the fetch throws at once, or something that is no error", async () => {
    const own = createLipSyncClient({
      baseUrl: origin,
      apiKey,
      maxRetries: 0,
      fetch: () => {
        // eslint would have an Error here; a fetch of somebody else may not.
        throw Object.create(null) as Error;
      },
    });
    await expect(own.get("t")).rejects.toThrow(
      "got no whole answer: it failed with something that is no error",
    );
    for (const value of [undefined, null, 0, ""]) {
      // eslint would have an Error here, too.
      const fetch = () => Promise.reject<Response>(value);
      const falsy = createLipSyncClient({ baseUrl: origin, apiKey, maxRetries: 0, fetch });
      await expect(falsy.get("t")).rejects.toBeInstanceOf(ConnectionError);
    }
  });
});

describe("the fetch", () => {
  it("is looked up at each call where none is given", async () => {
    const own = createLipSyncClient({ baseUrl: origin, apiKey });
    const spy = vi.spyOn(globalThis, "fetch").mockResolvedValue(Response.json(succeeded));
    await own.get("t");
    expect(spy).toHaveBeenCalledTimes(1);
  });

  it("gets a URL and an init, in which redirects are not followed", async () => {
    const fetch = vi.fn<typeof globalThis.fetch>().mockResolvedValue(Response.json(submitted));
    await createLipSyncClient({ baseUrl: origin, apiKey, fetch }).create(request);
    const [url, init] = fetch.mock.calls[0] ?? [];
    expect(url).toBe(origin + path);
    expect(init).toMatchObject({ method: "POST", redirect: "manual" });
    expect(init?.signal).toBeInstanceOf(AbortSignal);
    expect(JSON.parse(init?.body as string)).toEqual(request);
  });
});

describe("the options", () => {
  it("may all be undefined", () => {
    const none = {
      apiKey: undefined,
      baseUrl: undefined,
      fetch: undefined,
      timeoutMs: undefined,
      maxRetries: undefined,
    };
    expect(createLipSyncClient(none)).toBeTypeOf("object");
    expect(createLipSyncClient()).toBeTypeOf("object");
    const calls = [
      () => client.get("t", { signal: undefined, timeoutMs: undefined, maxRetries: undefined }),
      () => client.wait("t", { signal: undefined, intervalMs: undefined, onUpdate: undefined }),
    ];
    expect(calls).toHaveLength(2);
  });

  it.each([[Number.NaN], [-1], ["60"], [null]])("refuse %j for a number", async (value) => {
    const wrong = value as number;
    expect(() => createLipSyncClient({ timeoutMs: wrong })).toThrow(ConfigurationError);
    expect(() => createLipSyncClient({ maxRetries: wrong })).toThrow(
      "The option maxRetries is not a number of at least 0.",
    );
    await expect(client.get("t", { timeoutMs: wrong })).rejects.toThrow(ConfigurationError);
    await expect(client.create(request, { maxRetries: wrong })).rejects.toThrow("maxRetries");
    await expect(client.wait("t", { intervalMs: wrong })).rejects.toThrow("intervalMs");
    await expect(client.wait("t", { timeoutMs: wrong })).rejects.toThrow("timeoutMs");
  });

  it("do not show in the client, nor does the key", () => {
    expect(inspect(client, { depth: null, showHidden: true })).not.toContain(apiKey);
    expect(JSON.stringify(client)).not.toContain(apiKey);
  });
});
