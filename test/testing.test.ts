import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  ApiError,
  ConnectionError,
  createLipSyncClient,
  type LipSyncRequest,
  type LipSyncTask,
  TaskFailedError,
} from "../src/index.js";
import { createFakeGateway } from "../src/testing.js";
import { endpoint, errorOf } from "./fixtures/client.js";
import { request } from "./fixtures/request.js";

type FakeGateway = ReturnType<typeof createFakeGateway>;

/** Sends a request of any kind, with the key of the gateway. */
function send(gateway: FakeGateway, method: string, path: string, body?: unknown) {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const headers = { authorization: `Bearer ${gateway.apiKey}` };
  const init = { method, headers, ...(body === undefined ? {} : { body: text }) };
  return gateway.fetch(new Request(gateway.baseUrl + path, init));
}

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

  it("keeps the text of a body that is not JSON", async () => {
    const { gateway } = setUp();
    await gateway.fetch(gateway.baseUrl + endpoint, { method: "POST", body: "{" });
    expect(gateway.received[0]?.body).toBe("{");
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

  const audio_url = "https://a.example/a.mp3";
  const audio = { video_id: "v", mode: "audio2video", audio_type: "url", audio_url };
  const text = request.input;
  const noSpeed = "voice_speed must be from 0.8 to 2";
  const noInput = "input is missing: pass { input: { video_url, mode, … } }.";

  // What the client would not send is in request.test.ts.
  it.each<[string, unknown]>([
    [noInput, undefined],
    [noInput, "{"],
    ["input.text is missing.", { input: { ...text, text: "" } }],
    ["mode is neither text2video nor audio2video", { input: { ...audio, mode: "toString" } }],
    ["audio_type is neither file nor url", { input: { ...audio, audio_type: "stream" } }],
    ["voice_language is neither zh nor en", { input: { ...text, voice_language: "fr" } }],
    [noSpeed, { input: { ...text, voice_speed: 0.7 } }],
    [noSpeed, { input: { ...text, voice_speed: 2.1 } }],
    [noSpeed, { input: { ...text, voice_speed: "1" } }],
    [noSpeed, { input: { ...text, voice_speed: NaN } }],
    ["audio_url is a field of the other mode", { input: { ...text, audio_url } }],
    ["voice_speed is a field of the other mode", { input: { ...audio, voice_speed: 1 } }],
  ])("refuses a request: %s", async (message, body) => {
    const { gateway } = setUp();
    const answer = await send(gateway, "POST", endpoint, body);
    expect(answer.status).toBe(400);
    expect(await answer.json()).toEqual({ code: 1201, message, request_id: "request-1" });
    expect(gateway.tasks.size).toBe(0);
    expect(gateway.received).toHaveLength(1);
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
    const answer = await send(gateway, method, path);
    expect(answer.status).toBe(status);
    expect(await answer.json()).toEqual({ code, message, request_id: "request-1" });
  });

  it("answerNext sets the responses and errors of the next requests, in order", async () => {
    const { gateway, client } = setUp();
    gateway.answerNext(new TypeError("fetch failed"), new Response("", { status: 500 }));
    await expect(client.create(request)).rejects.toBeInstanceOf(ConnectionError);
    await expect(client.create(request)).rejects.toBeInstanceOf(ApiError);
    await expect(client.create(request)).resolves.toMatchObject({ task_id: "task-1" });
    expect(gateway.received).toHaveLength(3);
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

  it("continues a task that a test set in another gateway's words, and ends it with failWith", async () => {
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
    set("frozen");
    expect(await client.get("mine")).toMatchObject({ task_status: "frozen" });
    expect(await client.get("mine")).toMatchObject({ task_status_msg: "no face" });
    set("succeeded", { task_result: { videos: [{ url: "u", duration: "1" }] } });
    await expect(client.create(request, { maxRetries: 0 })).resolves.toBeDefined();
    expect((await gateway.fetch(`${gateway.baseUrl}/mine.mp4`)).status).toBe(200);
    gateway.tasks.set("odd", { task_id: "" } as never);
    for (let poll = 0; poll < 2; poll++) {
      await expect(client.get("odd")).rejects.toThrow("the response has no task");
    }
  });

  it("may be given a promise, also one that rejects before its request comes", async () => {
    const { gateway, client } = setUp();
    const busy = new Response("", { status: 503 });
    gateway.answerNext(Promise.reject(new Error("boom")), Promise.resolve(busy));
    await new Promise((resolve) => setImmediate(resolve));
    await expect(client.get("t", { maxRetries: 0 })).rejects.toThrow("boom");
    await expect(client.get("t", { maxRetries: 0 })).rejects.toMatchObject({ status: 503 });
  });

  it("answers with a task that a test changed in place, exactly as it is", async () => {
    const { gateway, client } = setUp({ polls: 1 });
    const { task_id } = await client.create(request);
    const task = Object.assign(gateway.tasks.get(task_id) ?? {}, { task_status: "processing" });
    expect(await client.get(task_id)).toEqual(task);
    expect(await client.get(task_id)).toMatchObject({ task_status: "succeed" });
  });

  it("rejects with the reason of a signal that is aborted", async () => {
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

  it("fails as Node's fetch does where the connection is refused or reset", async () => {
    const { gateway, client } = setUp();
    const once = { maxRetries: 0 };
    gateway.answerNext("refused", "reset");
    const refused = await errorOf(client.create(request, once), ConnectionError);
    expect(refused.mayHaveCreatedTask).toBe(false);
    expect(refused.message).toMatch(/: fetch failed: connect ECONNREFUSED 127\.0\.0\.1:443$/);
    const reset = await errorOf(client.create(request, once), ConnectionError);
    expect(reset.mayHaveCreatedTask).toBe(true);
    expect(reset.message).toContain(": fetch failed: read ECONNRESET");
    expect(gateway.received).toHaveLength(2);
    expect(gateway.tasks.size).toBe(0);
  });

  it("hangs until the request is aborted", async () => {
    const { gateway, client } = setUp();
    gateway.answerNext("hang", "hang");
    const hanging = client.create(request, { maxRetries: 0, timeoutMs: 5 });
    const error = await errorOf(hanging, ConnectionError);
    expect(error.message).toContain("timed out after 5 ms");
    expect(error.mayHaveCreatedTask).toBe(true);
    const controller = new AbortController();
    const aborted = client.get("t", { signal: controller.signal });
    await vi.waitFor(() => {
      expect(gateway.received).toHaveLength(2);
    });
    controller.abort("enough");
    await expect(aborted).rejects.toBe("enough");
    await expect(client.create(request)).resolves.toMatchObject({ task_id: "task-1" });
  });

  it.each(["%E0%A4%A", "%", "%zz", "a%2"])("does not know the malformed id %s", async (id) => {
    const { gateway } = setUp();
    const answer = await send(gateway, "GET", `${endpoint}/${id}`);
    expect(answer.status).toBe(404);
    expect(await answer.json()).toMatchObject({ code: 1203 });
    expect((await send(gateway, "GET", `/${id}.mp4`)).status).toBe(404);
    expect(gateway.received[0]?.path).toBe(`${endpoint}/${id}`);
  });

  it.each(["a/b", "a b", "100%", "任务"])(
    "gives the video of a task called %s",
    async (task_id) => {
      const { gateway, client } = setUp({ polls: 0 });
      gateway.tasks.set(task_id, {
        task_id,
        task_status: "submitted",
        created_at: 1,
        updated_at: 2,
      });
      const { task_result } = await client.wait(task_id, { intervalMs: 0 });
      expect((await gateway.fetch(task_result.videos[0].url)).status).toBe(200);
    },
  );
});

describe("with durationMs", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  const statusOf = async (client: { get: (id: string) => Promise<LipSyncTask> }, id: string) =>
    (await client.get(id)).task_status;

  it("a task progresses by time, polled or not", async () => {
    const { gateway, client } = setUp({ durationMs: 1000, polls: 1 });
    const { task_id } = await client.create(request);
    for (let poll = 0; poll < 5; poll++) {
      expect(await statusOf(client, task_id)).toBe("submitted");
    }
    vi.advanceTimersByTime(250);
    expect(gateway.tasks.get(task_id)).toMatchObject({ task_status: "processing" });
    vi.advanceTimersByTime(749);
    expect(await statusOf(client, task_id)).toBe("processing");
    vi.advanceTimersByTime(1);
    const task = gateway.tasks.get(task_id);
    expect(task).toMatchObject({ task_status: "succeed" });
    expect((task?.updated_at ?? 0) - (task?.created_at ?? 0)).toBe(1000);
    expect(await client.get(task_id)).toEqual(task);
  });

  it.each([0, 1])("of %j, a task is done at once", async (durationMs) => {
    const { client } = setUp({ durationMs });
    const { task_id, task_status } = await client.create(request);
    expect(task_status).toBe("submitted");
    vi.advanceTimersByTime(1);
    expect(await statusOf(client, task_id)).toBe("succeed");
  });

  it("of Infinity, a task is never done", async () => {
    const { client } = setUp({ durationMs: Infinity });
    const { task_id } = await client.create(request);
    vi.advanceTimersByTime(3_600_000);
    expect(await statusOf(client, task_id)).toBe("submitted");
  });

  it("tasks fail with failWith, and free a slot", async () => {
    const { client } = setUp({ durationMs: 100, failWith: "no face", maxParallelTasks: 1 });
    const { task_id } = await client.create(request);
    const once = { maxRetries: 0 };
    await expect(client.create(request, once)).rejects.toMatchObject({ code: 1303 });
    vi.advanceTimersByTime(100);
    await expect(client.wait(task_id)).rejects.toThrow("no face");
    await expect(client.create(request, once)).resolves.toMatchObject({ task_id: "task-2" });
  });

  it("a task that a test set is returned as it is, and then takes its time from there", async () => {
    const { gateway, client } = setUp({ durationMs: 1000 });
    const { task_id } = await client.create(request);
    vi.advanceTimersByTime(600);
    const mine = { task_id, task_status: "submitted", created_at: 1, updated_at: 2 } as const;
    gateway.tasks.set(task_id, mine);
    vi.advanceTimersByTime(1000);
    expect(await client.get(task_id)).toEqual(mine);
    vi.advanceTimersByTime(999);
    expect(await statusOf(client, task_id)).toBe("processing");
    vi.advanceTimersByTime(1);
    expect(await statusOf(client, task_id)).toBe("succeed");
  });

  it("a task that a test finished or removed stays so", async () => {
    const { gateway, client } = setUp({ durationMs: 1000 });
    const [first, second] = [await client.create(request), await client.create(request)];
    gateway.tasks.delete(second.task_id);
    const failed = { ...first, task_status: "failed" } as const;
    gateway.tasks.set(first.task_id, failed);
    expect(await client.get(first.task_id)).toEqual(failed);
    vi.advanceTimersByTime(5000);
    expect([...gateway.tasks.values()]).toEqual([failed]);
  });

  it("its timers keep no process alive", async () => {
    vi.useRealTimers();
    const timers: { hasRef(): boolean }[] = [];
    const { setTimeout } = globalThis;
    const spy = vi.spyOn(globalThis, "setTimeout").mockImplementation((work, delayMs) => {
      const timer = setTimeout(work, delayMs);
      timers.push(timer);
      return timer;
    });
    const { gateway } = setUp({ durationMs: 60_000 });
    await send(gateway, "POST", endpoint, request);
    spy.mockRestore();
    expect(timers.map((timer) => timer.hasRef())).toEqual([false, false]);
  });

  it("works where a timer is a number, as in browsers", async () => {
    const works: (() => void)[] = [];
    const setTimeout = (work: () => void) => works.push(work);
    vi.stubGlobal("setTimeout", setTimeout);
    const { gateway } = setUp({ durationMs: 60_000 });
    await send(gateway, "POST", endpoint, request);
    vi.unstubAllGlobals();
    for (const work of works) work();
    expect(gateway.tasks.get("task-1")).toMatchObject({ task_status: "succeed" });
  });
});

describe("onCallback", () => {
  const callback_url = "https://caller.example/?job=7";

  /** A gateway, and the callbacks that it made. */
  function setUpCallbacks(options?: Parameters<typeof createFakeGateway>[0]) {
    const calls: [string, LipSyncTask][] = [];
    const onCallback = (url: string, task: LipSyncTask) => calls.push([url, task]);
    return { calls, ...setUp({ onCallback, ...options }) };
  }

  it("gets the task on each status change, once", async () => {
    const { calls, gateway, client } = setUpCallbacks({ polls: 3 });
    const { task_id } = await client.create({ ...request, callback_url });
    expect(calls).toEqual([]);
    await client.wait(task_id, { intervalMs: 0 });
    await client.get(task_id);
    expect(calls.map(([url, task]) => [url, task.task_status])).toEqual([
      [callback_url, "processing"],
      [callback_url, "succeed"],
    ]);
    expect(calls[1]?.[1]).toEqual(gateway.tasks.get(task_id));
  });

  it("gets it by time, where nobody polls", async () => {
    vi.useFakeTimers();
    const { calls, client } = setUpCallbacks({ durationMs: 1000, failWith: "no face" });
    const { task_id } = await client.create({ ...request, callback_url });
    vi.advanceTimersByTime(250);
    expect(calls).toMatchObject([[callback_url, { task_id, task_status: "processing" }]]);
    vi.advanceTimersByTime(750);
    vi.useRealTimers();
    expect(calls).toHaveLength(2);
    expect(calls[1]).toMatchObject([callback_url, { task_id, task_status_msg: "no face" }]);
  });

  it("is not called for a task without a callback_url, nor for one that a test set", async () => {
    const { calls, gateway, client } = setUpCallbacks({ polls: 1 });
    const { task_id } = await client.create({ ...request, callback_url: undefined });
    await client.wait(task_id);
    gateway.tasks.set("mine", { ...gateway.tasks.get(task_id), task_id: "mine" } as LipSyncTask);
    await client.get("mine");
    expect(calls).toEqual([]);
  });

  it("cannot change the task, nor disturb the gateway", async () => {
    const onCallback = async (_: string, task: LipSyncTask) => {
      task.task_status = "failed";
      await Promise.reject(new Error("The receiver is down."));
    };
    const { client } = setUp({ onCallback, polls: 1 });
    const { task_id } = await client.create({ ...request, callback_url });
    await expect(client.wait(task_id)).resolves.toMatchObject({ task_status: "succeed" });
    const throwing = setUp({
      onCallback: () => {
        throw new Error("The receiver is down.");
      },
    });
    const created = await throwing.client.create({ ...request, callback_url });
    await expect(throwing.client.wait(created.task_id, { intervalMs: 0 })).resolves.toBeDefined();
  });

  it("may be undefined, as every option", async () => {
    const none = { onCallback: undefined, durationMs: undefined, polls: undefined };
    const { client } = setUp({ ...none, failWith: undefined, maxParallelTasks: undefined });
    const { task_id } = await client.create({ ...request, callback_url });
    await expect(client.wait(task_id, { intervalMs: 0 })).resolves.toBeDefined();
  });
});
