import { describe, expect, it } from "vitest";
import { TASK_MAY_EXIST, withAdvice } from "../src/errors.js";
import { ApiError } from "../src/index.js";
import { answer, apiKey, endpoint, errorOf, setUp, type Step } from "./fixtures/client.js";
import { request } from "./fixtures/request.js";
import submitted from "./fixtures/submitted.json" with { type: "json" };

const baseUrlHint = "is baseUrl the gateway's origin?";
const notJson = `: the response is not JSON; ${baseUrlHint}`;

function creating(step: Step): Promise<ApiError> {
  return errorOf(setUp([step], { maxRetries: 0 }).client.create(request), ApiError);
}

describe("a task", () => {
  const future = { ...submitted.data, task_status: "frozen", position: 3 };

  it.each([
    ["Kling's envelope", 200, submitted],
    ["201", 201, submitted],
    ["a code of 0 that is a string", 200, { ...submitted, code: "0" }],
    ["no message", 200, { code: 0, data: submitted.data }],
    ["a new status and an unknown field", 200, { code: 0, data: future }],
  ])("is the data of a success: %s", async (_, status, body) => {
    const { client } = setUp([answer(status, body)]);
    await expect(client.create(request)).resolves.toEqual(body.data);
  });

  const task = { task_id: "Task-12345", task_status: "submitted", created_at: 1737628123456 };
  const envelope = { code: 0, message: "x", data: task };

  it.each(["123456", "Task-1", "submitted", "task_id", "message"])(
    "keeps its id and its status with the key %j",
    async (apiKey) => {
      const { client } = setUp([answer(200, envelope)], { apiKey });
      await expect(client.get("t")).resolves.toEqual(task);
    },
  );

  it.each([
    [apiKey, "Task-1", `bad ${apiKey}`, "bad ***"],
    [apiKey, `Task-${apiKey}`, `bad ${apiKey}`, "bad ***"],
    ["nabcdefgh", "Task-1", "bad nabcdefgh\nabcdefgh", "bad ******"],
  ])("loses the key %s beside the id %s", async (apiKey, task_id, said, redacted) => {
    const data = { ...task, task_id, task_status_msg: said };
    const { client } = setUp([answer(200, { code: 0, data })], { apiKey });
    await expect(client.get("t")).resolves.toEqual({ ...data, task_status_msg: redacted });
  });
});

describe("a body of any shape", () => {
  const task = submitted.data;
  const json = (value: unknown) => JSON.stringify(value);
  const data = (data: unknown) => json({ code: 0, data });
  const deep = "[".repeat(100_000) + "]".repeat(100_000);
  const id = task.task_id;

  it.each<[string, string | Uint8Array<ArrayBuffer>, code?: unknown, taskId?: string]>([
    ["random bytes", Uint8Array.from({ length: 4096 }, (_, n) => (n * n * 31 + n * 7 + 0x16) >> 3)],
    ["an array nested 100,000 deep", deep],
    ["an array that is never closed", "[".repeat(100_000)],
    ["an array of envelopes", json([{ code: 0, data: task }]), undefined, id],
    ["the bare task", json(task), undefined, id],
    ["an array for data", data([task]), 0, id],
    ["a deep array for data", `{"code":0,"data":${deep}}`, 0],
    ["null for a status", data({ ...task, task_status: null }), 0, id],
    ["everything in __proto__", `{"__proto__":${data(task)}}`, undefined, id],
    ["the data in __proto__", `{"code":0,"__proto__":{"data":${json(task)}}}`, 0, id],
    ["the task in __proto__", `{"code":0,"data":{"__proto__":${json(task)}}}`, 0, id],
  ])("is not a task if it is %s", async (_, body, code, taskId) => {
    const error = await creating(new Response(body));
    expect(error).toMatchObject({ status: 200, code, taskId, mayHaveCreatedTask: true });
    expect("task_id" in {}).toBe(false);
  });

  const whole = json(submitted);

  it.each<[string, string, string?]>([
    ["called HTML", whole, "text/html"],
    ["called text in another charset", whole, "text/plain; charset=gbk"],
    ["with a byte order mark", `\uFEFF${whole}`],
    ["with a deep field", `{"code":0,"message":${deep},"data":${json(task)}}`],
    ["with a __proto__", `{"__proto__":{"code":1303},"code":0,"data":${json(task)}}`],
  ])("is a task if it has one: %s", async (_, body, type = "nonsense") => {
    const { client } = setUp([new Response(body, { headers: { "content-type": type } })]);
    expect(await client.create(request)).toEqual(task);
  });
});

describe("the message of an ApiError", () => {
  const kling = { code: 1201, message: "bad value", request_id: "r-1" };
  const openAi = { message: "no such key", type: "auth", code: "invalid_key" };
  const noTask = ", code 0: the response has no task.";
  const { data } = submitted;
  const named = (id: string) =>
    ` The response mentions task ${id}: call get before you call create again.`;

  it.each<[string, number, unknown, string]>([
    ["Kling's envelope", 400, kling, ", code 1201, request id r-1: bad value"],
    ["a non-zero code in a 200", 200, kling, ", code 1201, request id r-1: bad value"],
    ["a numeric string", 400, { ...kling, code: "1201" }, ", code 1201, request id r-1: bad value"],
    ["an OpenAI error", 401, { error: openAi }, ", code invalid_key: no such key"],
    ["a word that begins with a number", 400, { code: "12ab" }, ', code 12ab: {"code":"12ab"}'],
    ["a word that ends with a number", 400, { code: "ab12" }, ', code ab12: {"code":"ab12"}'],
    ["an error that is a text", 500, { error: "overloaded" }, ": overloaded"],
    ["a gateway's word", 500, { code: "busy", message: "db", data: null }, ", code busy: db"],
    ["no id", 200, { code: 0, data: { task_status: "x" } }, noTask],
    ["no status", 200, { code: 0, data: { task_id: "t" } }, noTask + named("t")],
    [
      "a task in a failure",
      500,
      { code: 0, message: "no", data },
      `, code 0: no.${named(data.task_id)}`,
    ],
    ["no code", 200, { data: { a: 1 } }, ': {"data":{"a":1}}'],
    ["an empty 429", 429, "", ": the response is empty."],
    ["an empty 404", 404, "", notJson],
    ["a 404 in words", 404, "no such route", notJson],
    ["a text of several lines", 502, "Bad\n\tGateway\u0000", ": Bad Gateway"],
    ["null", 200, "null", ": null"],
    ["cut JSON", 200, '{"code":0,"da', notJson],
    ["a web page", 200, "<!doctype>", notJson],
    ["a web page at 404", 404, "<html>", notJson],
    ["a web page at 502", 502, "<html>", ": <html>"],
  ])("tells %s (%i)", async (_, status, body, message) => {
    const error = await creating(answer(status, body, { "content-type": "text/odd" }));
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const mayExist = error.mayHaveCreatedTask && error.taskId === undefined;
    const advice = mayExist ? withAdvice(message, TASK_MAY_EXIST) : message;
    const whole = `POST ${endpoint} returned ${status}${advice}`;
    expect(error).toMatchObject({ message: whole, status, body: text });
    expect(error.headers.get("content-type")).toBe("text/odd");
  });

  it.each([301, 302, 303, 307, 308])("names the place of a %i", async (status) => {
    const location = "https://elsewhere.example/x";
    const error = await creating(answer(status, "", { location }));
    const message = `POST ${endpoint} returned ${status}: redirect to ${location}; ${baseUrlHint}`;
    expect(error.message).toBe(status === 303 ? `${message} ${TASK_MAY_EXIST}` : message);
  });

  it("does not know the place of a redirect that a browser hides", async () => {
    const error = await creating(Response.error());
    expect(error.message).toContain("redirect to ?; ");
  });

  it.each([300, 304])("does not call a %i a redirect", async (status) => {
    const error = await creating(answer(status, "", { location: "/x" }));
    expect(error.message).toBe(`POST ${endpoint} returned ${status}: the response is empty.`);
  });

  it("is bounded, and the whole body is kept", async () => {
    const body = { code: 5000, message: "long ".repeat(1000) };
    const error = await creating(answer(500, body));
    expect(error.message).toMatch(/: (?:long ){60}…\. A task/);
    expect(error.body).toBe(JSON.stringify(body));
    const exact = await creating(answer(500, "x".repeat(300)));
    expect(exact.message).toMatch(/: x{300}\. A task/);
  });

  it("says that a response is too large, of which a part is kept", async () => {
    const error = await creating(answer(200, "a".repeat(1024 * 1024 + 1)));
    expect(error.message).toBe(
      `POST ${endpoint} returned 200: the response is larger than 1 MiB. ${TASK_MAY_EXIST}`,
    );
    expect(error.body).toBe("a".repeat(60 * 1024));
  });
});

it("an ApiError has the request id of the body, else of the header", async () => {
  const headers = { "x-request-id": "r-2" };
  const inBody = await creating(answer(404, { request_id: "r-1" }, headers));
  const inHeader = await creating(answer(404, { request_id: " " }, headers));
  const nowhere = await creating(answer(404));
  const ids = [inBody, inHeader, nowhere].map(({ requestId }) => requestId);
  expect(ids).toEqual(["r-1", "r-2", undefined]);
  expect(inHeader.message).toContain("returned 404, request id r-2: ");
});

describe("no part of the key is in an ApiError", () => {
  const key = "sk-0123456789abcdefghijKLMNOPQRSTUVWXYZ+/-_$";
  /** A reason is cut at 300 characters, so a key may be cut in two after any of the last of these. */
  const offsets = [0, 100, ...Array.from({ length: 81 }, (_, n) => 240 + n)].map((offset) =>
    "x".repeat(offset),
  );

  async function expectNoPart(responses: Response[], apiKey = key): Promise<void> {
    const starts = Array.from({ length: apiKey.length - 7 }).keys();
    const parts = [...starts].map((start) => apiKey.slice(start, start + 8));
    const { client } = setUp(responses, { apiKey, maxRetries: 0 });
    expect(responses.length).toBeGreaterThan(0);
    for (let left = responses.length; left > 0; left--) {
      const error = await errorOf(client.create(request), ApiError);
      const { message, body, headers, requestId, code, cause, stack } = error;
      const kept = { message, body, headers: [...headers], requestId, code, cause, stack };
      const text = JSON.stringify(kept);
      expect(parts.filter((part) => text.includes(part))).toEqual([]);
    }
  }

  it("wherever in a message it stands", async () => {
    expect(key).toHaveLength(44);
    const messages = offsets.map((before) => `${before} ${key}`);
    await expectNoPart(messages.map((message) => answer(401, { code: 1002, message })));
    await expectNoPart(messages.map((message) => answer(502, message)));
  });

  it("wherever in a code, a request id, a location or a content type it stands", async () => {
    for (const before of offsets) {
      const value = `${before}${key}`;
      const headers = { location: value, "content-type": value, "x-request-id": value };
      await expectNoPart([
        answer(401, { code: value, request_id: value, error: value }, headers),
        answer(401, { error: { code: value, message: value } }, headers),
        answer(302, "", headers),
        answer(200, "<html>", headers),
      ]);
    }
  });

  it("where the body of more than 1 MiB is cut", async () => {
    for (let before = 60 * 1024 - key.length; before <= 60 * 1024; before += 9) {
      const text = "a".repeat(before) + key + "a".repeat(1024 * 1024 - before);
      await expectNoPart([answer(200, text)]);
    }
    await expectNoPart([answer(200, key.repeat(2 ** 15))]);
  });

  it("where the read limit cuts a long key in two, behind many that are shorter as ***", async () => {
    const long = key + key.toLowerCase();
    const bytes = new TextEncoder().encode(long.repeat(2 ** 14));
    const body = new ReadableStream({
      start(controller) {
        for (let at = 0; at < bytes.length; at += 65_521) {
          controller.enqueue(bytes.slice(at, at + 65_521));
        }
        controller.close();
      },
    });
    await expectNoPart([new Response(body)], long);
  });
});
