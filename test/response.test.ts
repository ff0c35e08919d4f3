import { describe, expect, it, vi } from "vitest";
import { ApiError, createLipSyncClient } from "../src/index.js";
import { readAnswer, toTask } from "../src/response.js";

const { signal } = new AbortController();
const mebibyte = 2 ** 20;

/** An answer that gives these chunks and then stalls; tells when it is cancelled. */
function stalling(...chunks: Uint8Array[]) {
  const cancel = vi.fn();
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => {
      const chunk = chunks.shift();
      if (!chunk) return new Promise(() => undefined);
      controller.enqueue(chunk);
      return undefined;
    },
    cancel,
  });
  return { response: new Response(body), cancel };
}

describe("an answer", () => {
  it("is read whole, characters that are cut by a chunk included", async () => {
    const bytes = new TextEncoder().encode("对口型");
    const body = new ReadableStream({
      start(controller) {
        for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
        controller.close();
      },
    });
    const answer = await readAnswer(new Response(body, { status: 201 }), signal);
    expect(answer).toMatchObject({ status: 201, text: "对口型", isTooLarge: false });
  });

  it("without a body is empty", async () => {
    await expect(readAnswer(new Response(null, { status: 204 }), signal)).resolves.toMatchObject({
      text: "",
      isTooLarge: false,
    });
  });

  it("of exactly 1 MiB is whole, and one byte more is too large and cancelled", async () => {
    const whole = new Response(new Uint8Array(mebibyte).fill(97));
    expect((await readAnswer(whole, signal)).isTooLarge).toBe(false);
    const { response, cancel } = stalling(new Uint8Array(mebibyte), new Uint8Array(1));
    expect((await readAnswer(response, signal)).isTooLarge).toBe(true);
    expect(cancel).toHaveBeenCalledOnce();
  });

  it("is cancelled when the signal aborts, or has", async () => {
    const controller = new AbortController();
    const first = stalling(Uint8Array.of(97));
    const reading = readAnswer(first.response, controller.signal);
    controller.abort();
    await reading;
    expect(first.cancel).toHaveBeenCalledOnce();
    const second = stalling();
    await readAnswer(second.response, controller.signal);
    expect(second.cancel).toHaveBeenCalledOnce();
  });

  it("whose stream cannot be cancelled still ends", async () => {
    const { response, cancel } = stalling(new Uint8Array(mebibyte + 1));
    cancel.mockRejectedValue(new Error("no"));
    await expect(readAnswer(response, signal)).resolves.toMatchObject({ isTooLarge: true });
  });

  it("that is too large keeps a beginning, in which no part of the key is left", () => {
    const key = "sk-0123456789";
    const text = key.repeat(2 ** 16);
    const answer = { status: 200, headers: [], text, isTooLarge: true };
    let error: unknown;
    try {
      toTask({ method: "GET", path: "/t" }, answer, (text) => text.replaceAll(key, "***"));
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(ApiError);
    expect((error as ApiError).message).toBe(
      "GET /t answered 200: the answer is larger than 1 MiB.",
    );
    expect((error as ApiError).body).toMatch(/^(?:\*\*\*)+\*{0,2}$/);
  });
});

describe("a task", () => {
  const task = { task_id: "Task-12345", task_status: "submitted", created_at: 1737628123456 };

  it.each(["123456", "Task-1", "submitted", "task_id", "message"])(
    "keeps its id and its status with the key %j",
    async (apiKey) => {
      const fetch = () => Promise.resolve(Response.json({ code: 0, message: "x", data: task }));
      const client = createLipSyncClient({ baseUrl: "https://gateway.example", apiKey, fetch });
      await expect(client.get("t")).resolves.toEqual(task);
    },
  );

  it("loses a key that is echoed beside them", async () => {
    const data = { ...task, task_status_msg: "bad sk-for-tests" };
    const fetch = () => Promise.resolve(Response.json({ code: 0, data }));
    const options = { baseUrl: "https://gateway.example", apiKey: "sk-for-tests", fetch };
    await expect(createLipSyncClient(options).get("t")).resolves.toEqual({
      ...task,
      task_status_msg: "bad ***",
    });
  });
});

describe("a failed fetch", () => {
  it.each([[undefined], [null], [{}], [{ ok: true, status: 200, json: () => ({}) }], ["text"]])(
    "is one that resolves with no Response: %j",
    async (value) => {
      const fetch = () => Promise.resolve(value as unknown as Response);
      const options = { baseUrl: "https://gateway.example", apiKey: "sk-for-tests", fetch };
      const request = {
        input: {
          video_id: "v",
          mode: "text2video",
          text: "t",
          voice_id: "v",
          voice_language: "zh",
        },
      } as const;
      const created = createLipSyncClient(options).create(request);
      await expect(created).rejects.toMatchObject({
        name: "ConnectionError",
        mayHaveCreatedTask: true,
      });
    },
  );

  it.each([
    [Object.assign(new Error(""), { name: "OddError" }), "got no whole answer: OddError"],
    [new Error("a", { cause: new Error("b") }), "got no whole answer: a: b"],
  ])("is told by what it says: %s", async (error, message) => {
    const client = createLipSyncClient({
      baseUrl: "https://gateway.example",
      apiKey: "sk-for-tests",
      fetch: () => Promise.reject(error),
      maxRetries: 0,
    });
    await expect(client.get("t")).rejects.toThrow(message);
  });
});
