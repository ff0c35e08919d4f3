import { describe, expect, it } from "vitest";
import { asTask } from "../src/task.js";
import { answer, errorOf, setUp } from "./fixtures/client.js";
import succeeded from "./fixtures/succeed.json" with { type: "json" };
import { ApiError, parseTaskCallback, TaskFailedError } from "../src/index.js";
import { request } from "./fixtures/request.js";

const words: Record<string, string[]> = {
  submitted: ["submitted", "SUBMITTED", "queued", "pending", "Waiting", "NOT_START"],
  processing: ["processing", "Processing", "running", "IN_PROGRESS", "generating"],
  succeed: ["succeed", "succeeded", "success", "SUCCESS", "completed", "Complete", "done"],
  failed: ["failed", "FAILED", "fail", "failure", "FAILURE", "error", "canceled", "cancelled"],
};
words["succeed"]?.push("finished");
words["failed"]?.push("Expired", "rejected", "TIMEOUT");
const others = ["unknown", "", "NOT_SUCCEEDED", "succeeding", "failed_over", "no error", "done\n"];

describe("the status of a task", () => {
  const rows = Object.entries(words).flatMap(([kling, given]) =>
    given.map((word) => [word, kling]),
  );

  it.each(rows)("%j is %j, in a response and in a callback", async (word, kling) => {
    const data = { ...succeeded.data, task_status: word };
    const settled = { ...succeeded.data, task_status: kling };
    const { client } = setUp([answer(200, { code: 0, data })]);
    expect(await client.get("t")).toEqual(settled);
    expect(parseTaskCallback(data)).toEqual(settled);
    expect(data.task_status).toBe(word);
  });

  it.each(others)("%j has no word of Kling's: it passes unchanged, and is not done", (word) => {
    const task = { ...succeeded.data, task_status: word };
    expect(asTask(task)).toBe(task);
  });

  it("ends a wait in another gateway's words", async () => {
    const done = { ...succeeded.data, task_status: "SUCCESS" };
    const { client } = setUp([answer(200, { code: 0, data: done })]);
    expect((await client.wait("t")).task_result.videos[0].url).toContain("https://");
    const failure = { ...succeeded.data, task_status: "Expired", task_status_msg: "too late" };
    const failing = setUp([answer(200, { code: 0, data: failure })]);
    const error = await errorOf(failing.client.wait("t"), TaskFailedError);
    expect(error).toMatchObject({ message: "too late", task: { task_status: "failed" } });
  });
});

describe("new-api's envelope of a query", () => {
  const kling = { ...succeeded.data, task_status: "SUCCESS" };
  const outer = { task_id: "outer", status: "FAILURE", progress: "100%" };
  const generic = (data: unknown) => ({ code: "success", message: "", data: { ...outer, data } });

  it.each([
    ["Kling's own object", generic(kling)],
    ["Kling's own response", generic({ code: 0, message: "SUCCEED", data: kling })],
  ])("is the task where it holds %s", async (_, body) => {
    const { client } = setUp([answer(200, body)]);
    // The gateway knows the task by its own id only.
    expect(await client.get("t")).toEqual({ ...succeeded.data, task_id: "outer" });
  });

  it("keeps the id of the task that it holds where it has none of its own", async () => {
    const body = { code: "success", data: { status: "SUCCESS", data: kling } };
    expect(await setUp([answer(200, body)]).client.get("t")).toEqual(succeeded.data);
  });

  const wrapped = (fields: object) => ({ code: "success", data: { task_id: "outer", ...fields } });
  const processing = { task_id: "inner", task_status: "processing" };

  it.each([
    [
      "fails where the gateway gave up a task that Kling has not finished",
      { status: "FAILURE", fail_reason: "too slow", data: processing },
      { task_id: "outer", task_status: "failed", task_status_msg: "too slow" },
    ],
    [
      "fails where the gateway never sent it",
      { status: "failed", fail_reason: "no channel", data: null },
      { task_id: "outer", task_status: "failed", task_status_msg: "no channel" },
    ],
    [
      "keeps Kling's reason where the gateway has none",
      { status: "FAILURE", fail_reason: "", data: { ...processing, task_status_msg: "slow" } },
      { task_id: "outer", task_status: "failed", task_status_msg: "slow" },
    ],
    ["is not done before it was sent", { status: "NOT_START", data: null }, "submitted"],
    ["is not done while it is queued", { status: "QUEUED", data: {} }, "submitted"],
    ["is not done in an unknown word", { status: "UNKNOWN", data: null }, "UNKNOWN"],
    ["goes on as Kling says", { status: "IN_PROGRESS", data: processing }, "processing"],
    ["goes on until there is a video", { status: "SUCCESS", data: processing }, "processing"],
    ["has an id that is a number", { task_id: 71, status: "QUEUED" }, { task_id: "71" }],
  ])("%s", async (_, fields, expected) => {
    const { client } = setUp([answer(200, wrapped(fields))]);
    const right = typeof expected === "string" ? { task_status: expected } : expected;
    expect(await client.get("t")).toMatchObject(right);
  });

  it("ends a wait with the gateway's reason, and not before", async () => {
    const { client, sent } = setUp([
      answer(200, wrapped({ status: "NOT_START", data: null })),
      answer(200, wrapped({ status: "FAILURE", fail_reason: "too slow", data: processing })),
    ]);
    const error = await errorOf(client.wait("t", { intervalMs: 0 }), TaskFailedError);
    expect(error).toMatchObject({ message: "too slow", task: { task_id: "outer" } });
    expect(sent).toHaveLength(2);
  });

  it.each([
    ["nothing", 200, { ...generic(null), data: { ...outer, status: "SUCCESS" } }],
    ["something else", 200, { ...generic(null), data: { ...outer, status: "SUCCESS", data: {} } }],
    ["a task, in a failure", 500, generic(kling)],
    ["a task, under another code", 200, { ...generic(kling), code: "ok" }],
  ])("is an ApiError that says what came where it holds %s", async (_, status, body) => {
    const { client } = setUp([answer(status, body)], { maxRetries: 0 });
    const error = await errorOf(client.get("t"));
    expect(error).toMatchObject({ name: "ApiError", taskId: "outer", body: JSON.stringify(body) });
  });
});

describe("the id of a task", () => {
  const body = (id: string, code: unknown = 0) =>
    `{"code":${JSON.stringify(code)},"data":{"task_id":${id},"task_status":"submitted"}}`;

  it.each([
    ["71", "71"],
    ["9007199254740991", "9007199254740991"],
    ["831922345719271433", "831922345719271433"],
    ["  831922345719271433  ", "831922345719271433"],
    ['"831922345719271433"', "831922345719271433"],
  ])("may be a number, and keeps its digits: %s", async (id, expected) => {
    const { client, sent } = setUp([answer(200, body(id))]);
    expect((await client.create(request)).task_id).toBe(expected);
    expect(sent).toHaveLength(1);
    expect(parseTaskCallback(body(id, 0)).task_id).toBe(expected);
  });

  it.each(["0", "null", '""', "1.5", "true", "-0", "[]"])("is not %s", async (id) => {
    const { client } = setUp([answer(200, body(id))]);
    const error = await errorOf(client.create(request), ApiError);
    expect(error).toMatchObject({ mayHaveCreatedTask: true });
    expect(error.message).toContain("the response has no task.");
  });

  it("keeps the digits of other ids, and changes no text that looks like one", async () => {
    const text = '"id":123456789012345678}';
    const data = `{"task_id":"t","task_status":"succeed","task_status_msg":${JSON.stringify(text)},
      "task_result":{"videos":[{"id":831922345719271433,"url":"u"}]}}`;
    const task = await setUp([answer(200, `{"code":0,"data":${data}}`)]).client.get("t");
    expect(task.task_status_msg).toBe(text);
    expect(task.task_result?.videos).toEqual([{ id: "831922345719271433", url: "u" }]);
  });
});
