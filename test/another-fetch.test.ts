import { Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import type { FetchResponse } from "../src/body.js";
import { ApiError, ConnectionError } from "../src/index.js";
import { errorOf, setUp } from "./fixtures/client.js";
import { request } from "./fixtures/request.js";
import submitted from "./fixtures/submitted.json" with { type: "json" };

const json = JSON.stringify(submitted);
const bytes = new TextEncoder().encode(json);
const text = () => Promise.resolve(json);
const noText = () => Promise.reject(new Error("the body was used"));
const mebibyte = 1024 * 1024;

const creating = (response: object) => {
  const fetch = () => Promise.resolve(response as FetchResponse);
  return setUp([], { fetch, maxRetries: 0 }).client.create(request);
};

async function* inParts<Part>(...parts: Part[]) {
  for (const part of parts) yield await Promise.resolve(part);
}

const textStream = () => new Response(json).body?.pipeThrough(new TextDecoderStream());

describe("a fetch whose response has", () => {
  it.each([
    ["a text only", { text }],
    ["no body, as in React Native", { body: undefined, text }],
    ["a body that is null", { body: null, text }],
    ["a body of another kind", { body: { size: 3 }, text }],
    ["a stream of Node, as in node-fetch", { body: Readable.from([bytes]), text: noText }],
    ["a stream of Node that is text", { body: Readable.from([json]), text: noText }],
    ["a generator of bytes", { body: inParts(bytes.slice(0, 9), bytes.slice(9)), text: noText }],
    ["a generator of Buffers", { body: inParts(Buffer.from(json)), text: noText }],
    ["a web stream of text", { body: textStream(), text: noText }],
    ["a web stream of bytes", { body: new Response(json).body, text: noText }],
    ["a byte order mark", { text: () => Promise.resolve(`\uFEFF${json}`) }],
  ])("%s is read", async (_, response) => {
    const task = await creating({ status: 200, headers: {}, ...response });
    expect(task).toEqual(submitted.data);
  });

  it.each([
    ["an object", { "retry-after": "7" }],
    ["pairs", [["Retry-After", "7"]]],
    ["a Map", new Map([["retry-after", "7"]])],
    ["numbers", { "Retry-After": 7 }],
    ["Headers", new Headers({ "retry-after": "7" })],
  ])("headers that are %s are read", async (_, headers) => {
    const error = await errorOf(creating({ status: 429, headers, text }), ApiError);
    expect(error.headers.get("retry-after")).toBe("7");
  });

  it.each([
    ["undefined", undefined],
    ["null", null],
    ["a text", "retry-after: 7"],
    ["a flat list", ["retry-after", "7"]],
    ["an invalid name", { "retry after": "7" }],
    ["an invalid value", { "retry-after": "7\n8" }],
  ])("headers that are %s loses no task", async (_, headers) => {
    expect(await creating({ status: 200, headers, text })).toEqual(submitted.data);
    const error = await errorOf(creating({ status: 429, headers, text }), ApiError);
    expect(error).toMatchObject({ taskId: submitted.data.task_id, mayHaveCreatedTask: true });
  });

  it("more than 1 MiB is read up to there, and its id is kept", async () => {
    let parts = 0;
    let isClosed = false;
    async function* endless() {
      try {
        yield* inParts('{"task_id":"t-1"}');
        for (; ; parts++) yield* inParts(" ".repeat(2 ** 16));
      } finally {
        isClosed = true;
      }
    }
    const endlessBody = { body: endless(), text: noText };
    const longText = { text: () => Promise.resolve(json + " ".repeat(mebibyte)) };
    for (const body of [endlessBody, longText]) {
      const error = await errorOf(creating({ status: 200, headers: {}, ...body }), ApiError);
      expect(error.message).toContain("the response is larger than 1 MiB. The response mentions");
      expect(error.taskId).toBeDefined();
    }
    expect(parts).toBe(15);
    expect(isClosed).toBe(true);
  });

  it.each([
    ["a text that fails", { text: noText }],
    ["a text that is not a function", { text: json }],
    ["parts that fail", { body: Readable.from(failing()), text }],
    ["parts that are neither bytes nor text", { body: inParts({ a: 1 }), text }],
  ])("%s is uncertain", async (_, response) => {
    const created = creating({ status: 200, headers: {}, ...response });
    expect(await errorOf(created, ConnectionError)).toMatchObject({ mayHaveCreatedTask: true });
  });
});

async function* failing() {
  yield* inParts(bytes.slice(0, 9));
  throw new Error("cut off");
}
