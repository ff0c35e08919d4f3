import { describe, expect, it } from "vitest";
import {
  ApiError,
  ConnectionError,
  createLipSyncClient,
  type LipSyncRequest,
  TaskFailedError,
} from "../src/index.js";
import { createFakeGateway } from "../src/testing.js";
import { endpoint, errorOf } from "./fixtures/client.js";
import { request } from "./fixtures/request.js";

/** A fake gateway and a client of it; each option is the gateway's. */
function setUp(options?: Parameters<typeof createFakeGateway>[0]) {
  const gateway = createFakeGateway(options);
  return { gateway, client: createLipSyncClient(gateway) };
}

describe("createFakeGateway", () => {
  it("has the client's options as it stands", async () => {
    const { gateway, client } = setUp();
    const { task_id, task_status } = await client.create(request);
    expect(task_status).toBe("submitted");
    const statuses: string[] = [];
    const onUpdate = ({ task_status }: { task_status: string }) => statuses.push(task_status);
    const task = await client.wait(task_id, { intervalMs: 0, onUpdate });
    expect(statuses).toEqual(["processing", "succeed"]);
    expect(task.task_result.videos[0].url).toBe("https://fake-gateway.invalid/task-1.mp4");
    expect(gateway.tasks.get(task_id)).toEqual(task);
    expect(gateway.received).toEqual([
      { method: "POST", path: endpoint, body: request },
      { method: "GET", path: `${endpoint}/task-1`, body: undefined },
      { method: "GET", path: `${endpoint}/task-1`, body: undefined },
    ]);
  });

  it.each([0, 1, 2, 5])("is done with poll %j", async (polls) => {
    const { gateway, client } = setUp({ polls });
    const { task_id } = await client.create(request);
    await client.wait(task_id, { intervalMs: 0 });
    expect(gateway.received).toHaveLength(1 + Math.max(1, polls));
  });

  it("lets tasks fail, all or those that a function names", async () => {
    const { client } = setUp({ failWith: "no face" });
    const { task_id } = await client.create(request);
    const ended = client.wait(task_id, { intervalMs: 0 });
    await expect(ended).rejects.toThrow(TaskFailedError);
    await expect(ended).rejects.toThrow("no face");
    await expect(client.get(task_id)).resolves.toMatchObject({ task_status: "failed" });

    const failWith = ({ input }: LipSyncRequest) =>
      input.video_id === "v-2" ? "no face" : undefined;
    const chosen = setUp({ failWith, polls: 1 });
    const ids = [1, 2].map(async (n) => {
      const input = { ...request.input, video_id: `v-${n}` };
      return (await chosen.client.create({ input })).task_id;
    });
    const [first, second] = await Promise.all(ids);
    expect(await chosen.client.get(first ?? "")).toMatchObject({ task_status: "succeed" });
    const failed = { task_status: "failed", task_status_msg: "no face" };
    expect(await chosen.client.get(second ?? "")).toMatchObject(failed);
  });

  it("refuses a create while too many tasks are not done", async () => {
    const { gateway, client } = setUp({ maxParallelTasks: 2, polls: 1 });
    const once = { maxRetries: 0 };
    const { task_id } = await client.create({ input: { ...request.input, voice_speed: 0.8 } });
    await client.create({ input: { ...request.input, voice_speed: 2 } });
    const error = await errorOf(client.create(request, once), ApiError);
    expect(error).toMatchObject({ status: 429, code: 1303, mayHaveCreatedTask: false });
    expect(gateway.tasks.size).toBe(2);
    await client.wait(task_id);
    await expect(client.create(request, once)).resolves.toMatchObject({ task_id: "task-3" });
  });

  it("gives the bytes of a video that is done, to whoever has its URL", async () => {
    const { gateway, client } = setUp({ polls: 1 });
    const { task_id } = await client.create(request);
    const path = `${gateway.baseUrl}/${task_id}.mp4`;
    expect((await gateway.fetch(path)).status).toBe(401);
    const { task_result } = await client.wait(task_id);
    const video = await gateway.fetch(task_result.videos[0].url);
    expect(video.headers.get("content-type")).toBe("video/mp4");
    expect(new TextDecoder().decode(await video.arrayBuffer())).toContain("ftypisom");
    expect((await gateway.fetch(path, { method: "DELETE" })).status).toBe(401);
    expect((await gateway.fetch(`${path}.mp4`)).status).toBe(401);
  });

  it("checks the key", async () => {
    const { gateway, client } = setUp({ apiKey: "the-right-key" });
    expect(gateway.apiKey).toBe("the-right-key");
    await expect(client.create(request)).resolves.toBeDefined();
    const wrong = createLipSyncClient({ ...gateway, apiKey: "the-wrong-key" });
    await expect(wrong.create(request)).rejects.toThrow("code 1002, request id request-2: auth");
    const others = ["", "the-right-key", "Basic the-right-key", "xBearer a"];
    for (const headers of [{}, ...others.map((authorization) => ({ authorization }))]) {
      const init = { method: "POST", headers };
      const without = await gateway.fetch(gateway.baseUrl + endpoint, init);
      expect(without.status).toBe(401);
      expect(await without.json()).toMatchObject({ code: 1001, message: "authorization is empty" });
    }
  });

  const audio = { video_url: "u", mode: "audio2video", audio_type: "url", audio_url: "u" };
  const noSpeed = "voice_speed must be from 0.8 to 2";
  const noLanguage = "voice_language is neither zh nor en";

  const noMode = "mode is neither text2video nor audio2video";
  const noType = "audio_type is neither file nor url";

  it.each([
    ["input is missing", undefined],
    ["input is missing", "{"],
    ["input is missing", {}],
    ["give either video_id or video_url", { input: { ...audio, video_url: " " } }],
    ["give either video_id or video_url", { input: { ...audio, video_id: "v" } }],
    [noMode, { input: { video_url: "u" } }],
    [noMode, { input: { ...audio, mode: "toString" } }],
    [noType, { input: { ...audio, audio_type: undefined } }],
    ["audio_url is missing", { input: { ...audio, audio_url: undefined } }],
    ["audio_file is missing", { input: { ...audio, audio_type: "file" } }],
    ["text is missing", { input: { ...request.input, text: "" } }],
    ["voice_id is missing", { input: { ...request.input, voice_id: 5 } }],
    ["voice_language is missing", { input: { ...request.input, voice_language: null } }],
    [noLanguage, { input: { ...request.input, voice_language: "fr" } }],
    [noSpeed, { input: { ...request.input, voice_speed: 0.7 } }],
    [noSpeed, { input: { ...request.input, voice_speed: 2.1 } }],
    [noSpeed, { input: { ...request.input, voice_speed: "1" } }],
    ["audio_url is a field of the other mode", { input: { ...request.input, audio_url: "u" } }],
    ["voice_speed is a field of the other mode", { input: { ...audio, voice_speed: 1 } }],
  ])("refuses a request: %s", async (message, body) => {
    const { gateway } = setUp();
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const headers = { authorization: `Bearer ${gateway.apiKey}` };
    const init = { method: "POST", headers, ...(body === undefined ? {} : { body: text }) };
    const answer = await gateway.fetch(new Request(gateway.baseUrl + endpoint, init));
    expect(answer.status).toBe(400);
    expect(await answer.json()).toEqual({ code: 1201, message, request_id: "request-1" });
    expect(gateway.tasks.size).toBe(0);
    expect(gateway.received).toEqual([{ method: "POST", path: endpoint, body }]);
  });

  it.each([
    ["GET", endpoint, 404, 1202, "no such operation"],
    ["GET", `${endpoint}/`, 404, 1202, "no such operation"],
    ["GET", "/v1/models", 404, 1202, "no such operation"],
    ["POST", `${endpoint}/task-1`, 404, 1202, "no such operation"],
    ["GET", `${endpoint}/other`, 404, 1203, "task not found"],
    ["DELETE", `${endpoint}/other`, 404, 1202, "no such operation"],
  ])("does not know %s %s", async (method, path, status, code, message) => {
    const { gateway } = setUp();
    const headers = { authorization: `Bearer ${gateway.apiKey}` };
    const answer = await gateway.fetch(gateway.baseUrl + path, { method, headers });
    expect(answer.status).toBe(status);
    expect(await answer.json()).toEqual({ code, message, request_id: "request-1" });
  });

  it("gives the next requests the answers that it was told, in order", async () => {
    const { gateway, client } = setUp();
    gateway.answerNext(new TypeError("fetch failed"), new Response("", { status: 500 }));
    await expect(client.create(request)).rejects.toBeInstanceOf(ConnectionError);
    await expect(client.create(request)).rejects.toBeInstanceOf(ApiError);
    await expect(client.create(request)).resolves.toMatchObject({ task_id: "task-1" });
    expect(gateway.received).toHaveLength(3);
  });

  it("gives what a promise resolves with, and hangs until an abort where it never settles", async () => {
    const { gateway, client } = setUp();
    gateway.answerNext(
      Promise.resolve(new Response("", { status: 503 })),
      new Promise(() => undefined),
    );
    const once = { maxRetries: 0 };
    await expect(client.create(request, once)).rejects.toMatchObject({ status: 503 });
    const error = await errorOf(client.create(request, { ...once, timeoutMs: 5 }), ConnectionError);
    expect(error.message).toContain("timed out after 5 ms");
    await expect(client.create(request, once)).resolves.toMatchObject({ task_id: "task-1" });
  });

  it("answers with what a test set in its tasks, exactly as it is, and then goes on", async () => {
    const { gateway, client } = setUp({ polls: 1 });
    const task = { task_id: "mine", created_at: 1, updated_at: 2 };
    for (const task_status of ["submitted", "processing", "processing"] as const) {
      gateway.tasks.set("mine", { ...task, task_status });
      expect(await client.get("mine")).toEqual({ ...task, task_status });
    }
    expect(await client.get("mine")).toMatchObject({ task_status: "succeed" });
    gateway.tasks.set("mine", { ...task, task_status: "submitted" });
    expect(await client.get("mine")).toEqual({ ...task, task_status: "submitted" });
  });

  it("goes on from another gateway's words, fails as it was told, and frees a slot", async () => {
    const options = { polls: 1, failWith: "no face", maxParallelTasks: 1 };
    const { gateway, client } = setUp(options);
    const set = (task_status: string, more: object = {}) =>
      gateway.tasks.set(
        "mine",
        Object.assign(
          { task_id: "mine", created_at: 1, updated_at: 2 },
          { task_status, ...more },
        ) as never,
      );
    set("queued");
    expect(await client.get("mine")).toMatchObject({ task_status: "queued" });
    expect(await client.get("mine")).toMatchObject({ task_status_msg: "no face" });
    set("succeeded", { task_result: { videos: [{ url: "u", duration: "1" }] } });
    await expect(client.create(request, { maxRetries: 0 })).resolves.toBeDefined();
    expect((await gateway.fetch(`${gateway.baseUrl}/mine.mp4`)).status).toBe(200);
    gateway.tasks.set("odd", { task_id: "" } as never);
    await expect(client.get("odd")).rejects.toThrow("the response has no task");
  });

  it("may be given a promise that rejects before its request comes", async () => {
    const { gateway, client } = setUp();
    gateway.answerNext(Promise.reject(new Error("boom")));
    await new Promise((resolve) => setImmediate(resolve));
    await expect(client.get("t", { maxRetries: 0 })).rejects.toThrow("boom");
  });

  it("answers with a task that a test changed in place, exactly as it is", async () => {
    const { gateway, client } = setUp({ polls: 1 });
    const { task_id } = await client.create(request);
    const task = Object.assign(gateway.tasks.get(task_id) ?? {}, { task_status: "processing" });
    expect(await client.get(task_id)).toEqual(task);
    expect(await client.get(task_id)).toMatchObject({ task_status: "succeed" });
  });

  it("heeds the signal", async () => {
    const { gateway } = setUp();
    const signal = AbortSignal.abort(new Error("no"));
    await expect(gateway.fetch(gateway.baseUrl, { signal })).rejects.toThrow("no");
    expect(gateway.received).toEqual([]);
  });

  it("gives every task its own id", async () => {
    const { gateway, client } = setUp();
    const ids = [await client.create(request), await client.create(request)];
    gateway.tasks.delete("task-1");
    ids.push(await client.create(request));
    expect(ids.map(({ task_id }) => task_id)).toEqual(["task-1", "task-2", "task-3"]);
  });
});
