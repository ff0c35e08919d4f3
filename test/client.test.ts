import { inspect } from "node:util";
import nock from "nock";
import { afterAll, afterEach, describe, expect, expectTypeOf, it, vi } from "vitest";
import {
  ApiError,
  createLipSyncClient,
  type LipSyncTask,
  type LipSyncTaskStatus,
  type LipSyncVideo,
  type SucceededLipSyncTask,
} from "../src/index.js";
import * as exported from "../src/index.js";
import { answer, apiKey, baseUrl, endpoint, errorOf, setUp } from "./fixtures/client.js";
import { request } from "./fixtures/request.js";
import submitted from "./fixtures/submitted.json" with { type: "json" };
import succeeded from "./fixtures/succeed.json" with { type: "json" };

afterEach(() => {
  vi.restoreAllMocks();
});

describe("a client", () => {
  it("creates a task and gets it", async () => {
    const { client, sent } = setUp([answer(200, submitted), answer(200, succeeded)]);
    const created = await client.create(request);
    const task = await client.get(created.task_id);
    expect([created, task]).toEqual([submitted.data, succeeded.data]);
    expect(sent.map(({ init }) => init.method)).toEqual(["POST", "GET"]);
    expectTypeOf(created).toEqualTypeOf<LipSyncTask>();
    expectTypeOf(created).not.toBeAny();
    expectTypeOf(task).toEqualTypeOf<LipSyncTask>();
    expectTypeOf(task.task_result?.videos?.[0]?.url).toEqualTypeOf<string | undefined>();
    type Kling = "submitted" | "processing" | "succeed" | "failed";
    expectTypeOf<LipSyncTaskStatus>().toEqualTypeOf<Kling>();
    // @ts-expect-error -- another gateway's word, which never comes here
    expect(task.task_status === "succeeded").toBe(false);
  });

  it("waits for a task whose first video needs no check", async () => {
    const task = await setUp([answer(200, succeeded)]).client.wait("t");
    expect(task.task_result.videos[0].url).toBe("https://cdn.example/result.mp4");
    expectTypeOf(task).toEqualTypeOf<SucceededLipSyncTask>();
    expectTypeOf(task.task_result.videos[0]).toEqualTypeOf<LipSyncVideo>();
    expectTypeOf(task.task_result.videos[0].url).toEqualTypeOf<string>();
    expectTypeOf(task.task_status).toEqualTypeOf<"succeed">();
  });

  it("has methods that do not need to be called on it", async () => {
    const { client } = setUp([answer(200, succeeded)]);
    await expect(client.wait.bind(undefined)("t")).resolves.toEqual(succeeded.data);
    await expect(client.get.bind(undefined)("t")).resolves.toEqual(submitted.data);
    await expect(client.create.bind(undefined)(request)).resolves.toEqual(submitted.data);
  });

  it("does not show the key", () => {
    const { client } = setUp();
    expect(inspect(client, { depth: null, showHidden: true })).not.toContain(apiKey);
    expect(JSON.stringify(client)).not.toContain(apiKey);
  });

  it("takes an option of a call over its own", async () => {
    const busy = () => answer(429, "", { "retry-after": "0" });
    const { client, sent } = setUp([busy(), busy()], { maxRetries: 0 });
    await client.get("t", { maxRetries: 2 });
    expect(sent).toHaveLength(3);
  });
});

describe("on the wire, a client", () => {
  const client = createLipSyncClient({ apiKey, baseUrl, maxRetries: 0 });
  const authorization = `Bearer ${apiKey}`;
  nock.disableNetConnect();
  afterAll(() => {
    nock.restore();
    nock.enableNetConnect();
  });

  it("posts the request as JSON with the bearer token", async () => {
    const reqheaders = { authorization, "content-type": "application/json" };
    const gateway = nock(baseUrl, { reqheaders }).post(endpoint, request).reply(200, submitted);
    await expect(client.create(request)).resolves.toEqual(submitted.data);
    gateway.done();
  });

  it("asks for a task by its id, with the bearer token and without a body", async () => {
    const headers = { reqheaders: { authorization }, badheaders: ["content-type"] };
    const gateway = nock(baseUrl, headers).get(`${endpoint}/a%2Fb`).reply(200, succeeded);
    await expect(client.get("a/b")).resolves.toEqual(succeeded.data);
    gateway.done();
  });
});

it("removes the key that was sent from each error, also if it changes", async () => {
  const keys = ["first-key", "second-key"];
  const echo = () => answer(400, "first-key second-key");
  const { client } = setUp([echo(), echo()], { apiKey: () => keys.shift() ?? "" });
  expect((await errorOf(client.get("t"), ApiError)).body).toBe("*** second-key");
  expect((await errorOf(client.get("t"), ApiError)).body).toBe("first-key ***");
});

it("throws errors that are LipSyncErrors, each with the name of its class", () => {
  const at = { status: 500, code: 1, requestId: "r", taskId: undefined };
  const kept = { ...at, headers: new Headers(), body: "b" };
  const errors = [
    new exported.LipSyncError("x"),
    new exported.ConfigurationError("x"),
    new exported.InvalidRequestError("x", "input"),
    new ApiError("x", kept),
    new exported.ConnectionError("x"),
    new exported.TaskFailedError(succeeded.data as LipSyncTask),
    new exported.TaskTimeoutError("t", 1, undefined, undefined),
  ];
  for (const error of errors) {
    expect(error).toBeInstanceOf(exported.LipSyncError);
    expect(error.mayHaveCreatedTask).toBe(false);
    expect(error.name).toBe(error.constructor.name);
  }
  const names = Object.keys(exported).filter((name) => name.endsWith("Error"));
  expect(errors.map(({ name }) => name).sort()).toEqual(names.sort());
});
