import { describe, expect, it } from "vitest";
import { asTask } from "../src/task.js";
import { answer, errorOf, setUp } from "./fixtures/client.js";
import succeeded from "./fixtures/succeed.json" with { type: "json" };
import { parseTaskCallback, TaskFailedError } from "../src/index.js";

const words: Record<string, string[]> = {
  submitted: ["submitted", "SUBMITTED"],
  processing: ["processing", "Processing"],
  succeed: ["succeed", "SUCCEED", "succeeded", "Succeeded", "success", "SUCCESS", "completed"],
  failed: ["failed", "FAILED", "failure", "FAILURE", "error"],
};
words["failed"]?.push("canceled", "cancelled", "Expired");
const pending = ["queued", "pending", "running", "IN_PROGRESS", "unknown", "", "NOT_SUCCEEDED"];
const others = [...pending, "succeeding", "failed_over", "no error", "succeed\n"];

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

  it.each([
    ["nothing", 200, generic(null)],
    ["something else", 200, generic({ status: "SUCCESS" })],
    ["a task, in a failure", 500, generic(kling)],
    ["a task, under another code", 200, { ...generic(kling), code: "ok" }],
  ])("is an ApiError that says what came where it holds %s", async (_, status, body) => {
    const { client } = setUp([answer(status, body)], { maxRetries: 0 });
    const error = await errorOf(client.get("t"));
    expect(error).toMatchObject({ name: "ApiError", taskId: "outer", body: JSON.stringify(body) });
  });
});
