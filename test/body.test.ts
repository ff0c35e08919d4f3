import { describe, expect, it, vi } from "vitest";
import { readBody } from "../src/body.js";

const { signal } = new AbortController();
const mebibyte = 1024 * 1024;

/** A response that sends these chunks and then stalls; tells when it is cancelled. */
function stalling(...chunks: Uint8Array[]) {
  const cancel = vi.fn();
  const pull = (controller: ReadableStreamDefaultController<Uint8Array>) => {
    const chunk = chunks.shift();
    if (!chunk) return new Promise<void>(() => undefined);
    controller.enqueue(chunk);
    return undefined;
  };
  return { response: new Response(new ReadableStream({ pull, cancel })), cancel };
}

describe("readBody", () => {
  it("reads a whole body, with characters that are cut by a chunk", async () => {
    const body = new ReadableStream({
      start(controller) {
        for (const byte of new TextEncoder().encode("对口型"))
          controller.enqueue(Uint8Array.of(byte));
        controller.close();
      },
    });
    const answer = await readBody(new Response(body, { status: 201 }), signal);
    expect(answer).toMatchObject({ status: 201, text: "对口型", isTooLarge: false });
  });

  it("reads no body as an empty text", async () => {
    const answer = await readBody(new Response(null, { status: 204 }), signal);
    expect(answer).toMatchObject({ text: "", isTooLarge: false });
  });

  it("reads up to exactly 1 MiB, and cancels a body that is larger by one byte", async () => {
    const whole = new Response(new Uint8Array(mebibyte).fill(97));
    expect(await readBody(whole, signal)).toMatchObject({ isTooLarge: false });
    const { response, cancel } = stalling(new Uint8Array(mebibyte), new Uint8Array(1));
    expect(await readBody(response, signal)).toMatchObject({ isTooLarge: true });
    expect(cancel).toHaveBeenCalledOnce();
  });

  it("cancels the body when the signal aborts, or has", async () => {
    const controller = new AbortController();
    const [first, second] = [stalling(Uint8Array.of(97)), stalling()];
    const reading = readBody(first.response, controller.signal);
    controller.abort();
    await reading;
    await readBody(second.response, controller.signal);
    expect(first.cancel).toHaveBeenCalledOnce();
    expect(second.cancel).toHaveBeenCalledOnce();
  });

  it("ends also where the body cannot be cancelled", async () => {
    const { response, cancel } = stalling(new Uint8Array(mebibyte + 1));
    cancel.mockRejectedValue(new Error("no"));
    expect(await readBody(response, signal)).toMatchObject({ isTooLarge: true });
  });

  it("ends also where cancelling throws", async () => {
    const boom = () => {
      throw new Error("boom");
    };
    const read = () => Promise.resolve({ value: new Uint8Array(mebibyte + 1) });
    const body = { getReader: () => ({ read, cancel: boom }) };
    const response = { status: 200, headers: {}, body, text: () => Promise.resolve("") };
    expect(await readBody(response, signal)).toMatchObject({ isTooLarge: true });
  });

  it("rejects what is not a Response", async () => {
    for (const value of [
      undefined,
      null,
      "text",
      {},
      { ok: true, status: 200, json: () => ({}) },
      { status: 200, headers: {}, body: null },
      { statusCode: 200, headers: {}, text: () => Promise.resolve("") },
      { status: "200", headers: {}, text: () => Promise.resolve("") },
    ]) {
      const reading = readBody(value as unknown as Response, signal);
      await expect(reading).rejects.toThrow("Response");
    }
  });
});
