import { describe, expect, it } from "vitest";
import {
  ApiError,
  ConnectionError,
  createLipSyncClient,
  type LipSyncRequest,
  TaskFailedError,
} from "../src/index.js";
import { createFakeGateway } from "../src/testing.js";

const request: LipSyncRequest = {
  input: {
    video_url: "https://a.example/v.mp4",
    mode: "audio2video",
    audio_type: "url",
    audio_url: "https://a.example/a.mp3",
  },
};
const path = "/kling/v1/videos/lip-sync";

describe("createFakeGateway", () => {
  it("has the client's options as it stands", async () => {
    const gateway = createFakeGateway();
    const client = createLipSyncClient(gateway);
    const { task_id, task_status } = await client.create(request);
    expect(task_status).toBe("submitted");
    const statuses: string[] = [];
    const task = await client.wait(task_id, {
      intervalMs: 0,
      onUpdate: (task) => statuses.push(task.task_status),
    });
    expect(statuses).toEqual(["processing", "succeed"]);
    expect(task.task_result.videos[0].url).toBe("https://fake-gateway.invalid/task-1.mp4");
    expect(gateway.tasks.get(task_id)).toEqual(task);
    expect(gateway.received).toEqual([
      { method: "POST", path, body: request },
      { method: "GET", path: `${path}/task-1`, body: undefined },
      { method: "GET", path: `${path}/task-1`, body: undefined },
    ]);
  });

  it.each([0, 1, 2, 5])("is done with poll %j", async (polls) => {
    const gateway = createFakeGateway({ polls });
    const client = createLipSyncClient(gateway);
    const { task_id } = await client.create(request);
    await client.wait(task_id, { intervalMs: 0 });
    expect(gateway.received).toHaveLength(1 + Math.max(1, polls));
  });

  it("lets tasks fail", async () => {
    const client = createLipSyncClient(createFakeGateway({ failWith: "no face" }));
    const { task_id } = await client.create(request);
    const ended = client.wait(task_id, { intervalMs: 0 });
    await expect(ended).rejects.toThrow(TaskFailedError);
    await expect(ended).rejects.toThrow("no face");
    await expect(client.get(task_id)).resolves.toMatchObject({ task_status: "failed" });
  });

  it("checks the key", async () => {
    const gateway = createFakeGateway({ apiKey: "the-right-key" });
    expect(gateway.apiKey).toBe("the-right-key");
    await expect(createLipSyncClient(gateway).create(request)).resolves.toBeDefined();
    const wrong = createLipSyncClient({ ...gateway, apiKey: "the-wrong-key" });
    await expect(wrong.create(request)).rejects.toMatchObject({ status: 401, code: 1002 });
    const without = await gateway.fetch(gateway.baseUrl + path, { method: "POST", body: "{}" });
    expect(without.status).toBe(401);
    await expect(without.json()).resolves.toMatchObject({ code: 1001 });
  });

  it.each([
    ["no body", undefined],
    ["no JSON", "{"],
    ["no input", {}],
    ["neither video", { input: { ...request.input, video_url: " " } }],
    ["both videos", { input: { ...request.input, video_id: "v" } }],
    ["no mode", { input: { video_url: "u" } }],
    ["no audio_type", { input: { video_url: "u", mode: "audio2video" } }],
    ["a mode that is a property of every object", { input: { video_url: "u", mode: "toString" } }],
    ["no audio_url", { input: { ...request.input, audio_url: undefined } }],
    ["no text", { input: { video_url: "u", mode: "text2video", voice_id: "v" } }],
  ])("refuses a request with %s", async (_, body) => {
    const gateway = createFakeGateway();
    const answer = await gateway.fetch(
      new Request(gateway.baseUrl + path, {
        method: "POST",
        headers: { authorization: `Bearer ${gateway.apiKey}` },
        body: typeof body === "string" ? body : body ? JSON.stringify(body) : null,
      }),
    );
    expect(answer.status).toBe(400);
    await expect(answer.json()).resolves.toMatchObject({ code: 1201 });
    expect(gateway.tasks.size).toBe(0);
    expect(gateway.received).toEqual([{ method: "POST", path, body }]);
  });

  it("does not know other tasks and other paths", async () => {
    const gateway = createFakeGateway();
    const client = createLipSyncClient(gateway);
    await expect(client.get("other")).rejects.toMatchObject({ status: 404, code: 1203 });
    const headers = { authorization: `Bearer ${gateway.apiKey}` };
    for (const other of [path, `${path}/`, "/v1/models"]) {
      const answer = await gateway.fetch(gateway.baseUrl + other, { headers });
      expect(answer.status).toBe(404);
      await expect(answer.json()).resolves.toMatchObject({ code: 1202 });
    }
  });

  it("gives the next requests the answers that it was told, in order", async () => {
    const gateway = createFakeGateway();
    const client = createLipSyncClient({ ...gateway, maxRetries: 0 });
    gateway.answerNext(new TypeError("fetch failed"), new Response("", { status: 500 }));
    await expect(client.create(request)).rejects.toBeInstanceOf(ConnectionError);
    await expect(client.create(request)).rejects.toBeInstanceOf(ApiError);
    await expect(client.create(request)).resolves.toMatchObject({ task_id: "task-1" });
    expect(gateway.received).toHaveLength(3);
  });

  it("answers from its tasks, which a test may change", async () => {
    const gateway = createFakeGateway();
    const client = createLipSyncClient(gateway);
    const task = { task_id: "mine", task_status: "queued", created_at: 1, updated_at: 2 };
    gateway.tasks.set("mine", task);
    await expect(client.get("mine")).resolves.toEqual(task);
  });

  it("heeds the signal", async () => {
    const gateway = createFakeGateway();
    const signal = AbortSignal.abort(new Error("no"));
    await expect(gateway.fetch(gateway.baseUrl + path, { signal })).rejects.toThrow("no");
    expect(gateway.received).toEqual([]);
  });

  it("gives every task its own id", async () => {
    const gateway = createFakeGateway();
    const client = createLipSyncClient(gateway);
    const first = await client.create(request);
    const second = await client.create(request);
    gateway.tasks.delete(first.task_id);
    const third = await client.create(request);
    expect(new Set([first, second, third].map((task) => task.task_id)).size).toBe(3);
  });
});
