import { describe, expect, it } from "vitest";
import { taskIdIn } from "../src/task-id.js";
import { ApiError } from "../src/index.js";
import { cpuMs } from "./fixtures/cpu.js";
import { answer, errorOf, setUp } from "./fixtures/client.js";
import { request } from "./fixtures/request.js";

const json = JSON.stringify;
const inJson = json({ task_id: "t-1" });
/** A request that names a task, and has an id of the caller's in its callback_url. */
const callback_url = "https://your.example/hook?task_id=job-7";
const sent = json({ input: { task_id: "parent" }, callback_url });

describe("taskIdIn, at any status", () => {
  it.each([
    ["JSON", inJson],
    ["camelCase", json({ data: { taskId: "t-1" } })],
    ["capitals", json({ TaskID: "t-1" })],
    ["any depth", json([{ a: [{ b: { task_id: "t-1" } }] }])],
    ["JSON in JSON", json({ data: inJson })],
    ["JSON in JSON in JSON", json({ data: json({ data: json({ data: inJson }) }) })],
    ["spaces around the colon", '{ "task_id" :\n"t-1" }'],
    ["escaped quotes", "\\u0022task_id\\u0022:\\u0022t-1\\u0022"],
    ["an escaped key", '{"task\\u005fid":"t-1"}'],
    ["a text of several lines in JSON", json({ message: "no\ntask_id=t-1\nend" })],
    ["JSON that is cut off", '{"code":1303,"data":{"task_id":"t-1","task_sta'],
    ["server-sent events", `event: task\ndata: ${inJson}\n\n`],
    ["JSONP", `callback(${inJson});`],
    ["JavaScript", "{ taskId: 't-1' }"],
    ["a byte order mark", `\uFEFF${inJson}`],
    ["UTF-16", inJson.split("").join("\0")],
    ["XML", "<result><task_id>t-1</task_id></result>"],
    ["XML with a prefix, an attribute and CDATA", '<k:TaskId a="b"> <![CDATA[t-1]]></k:TaskId>'],
    ["an attribute", '<task task_id="t-1" />'],
    ["a form", "code=0&task_id=t-1&message=x"],
    ["a nested form", "data[task_id]='t-1'"],
    ["a form from its start", "task_id=t-1"],
    ["PHP", "array('task_id' => 't-1')"],
    ["a list", json({ task_id: ["t-1"] })],
    ["a sentence", json({ message: "accepted, task_id: t-1 (balance is negative)" })],
    ["YAML", "code: 1303\ntask_id: t-1\n"],
    ["HTML", "<pre>{&quot;task_id&quot;:&#34;t-1&#34;}</pre>"],
    ["a percent-encoded text", "%7B%22task_id%22%3A%22t-1%22%7D"],
    ["the second place", json({ task_id: null, data: { task_id: "t-1" } })],
    [
      "the place after the parent's",
      json({ input: { task_id: "parent" }, data: { task_id: "t-1" } }),
    ],
  ])("reads %s", (_, text) => {
    expect(taskIdIn(text, false, sent)).toBe("t-1");
  });

  it.each([
    ["831922345719271433", '{"task_id":831922345719271433}'],
    ["831922345719271433", json({ data: '{"taskId": 831922345719271433}' })],
    ["7", '{"task_id":7}'],
  ])("keeps the digits of %s in %s", (id, text) => {
    expect(taskIdIn(text, false)).toBe(id);
  });

  it.each([
    ...["null", "0", '""', '"0"', '"null"', "false", '" "', "[]", "{}", "-0", "0.0"].map(
      (value) => `{"task_id":${value}}`,
    ),
    json({ task_id: "parent", data: { taskId: "parent" } }),
    json({ message: "task_id is required", field: "task_id", fields: ["task_id"] }),
    json({ message: "task_id: no such task" }),
    json({ message: "invalid task_id: must be a string of at most 64 characters" }),
    json({ errors: { task_id: "is required" } }),
    json({ detail: "invalid", body: { callback_url } }),
    json({ id: "request-1", data: "request-2" }),
    json({ parent_task_id: "t-1", "input.task_id": "t-1" }),
    "",
    "task_id",
  ])("finds none in %s", (text) => {
    expect(taskIdIn(text, false, sent)).toBeUndefined();
  });

  it("recognizes in escapes what the request names", () => {
    const slashed = json({ input: { task_id: "a/b" } });
    expect(taskIdIn(json({ task_id: "a\\/b" }), false, slashed)).toBeUndefined();
    expect(taskIdIn(json({ data: json({ task_id: "a/b" }) }), false, slashed)).toBeUndefined();
    const echo = encodeURIComponent(sent);
    expect(taskIdIn(`${echo}&task_id=t-1`, false, sent)).toBe("t-1");
  });

  it("takes time that only grows with the text", () => {
    const hostile = ['task_id="', "task_id= ", '"task_id" : ', "<task_id ", "task_id=a", "\\u0022"];
    for (const part of [...hostile, '{"id', "\\\\", " ", '"data":']) {
      const text = `{${part.repeat(1_000_000 / part.length)}`;
      expect(cpuMs(() => void taskIdIn(text, true, undefined))).toBeLessThan(1500);
    }
  });
});

describe("taskIdIn, in a success", () => {
  it.each([
    ["an id as data", json({ code: "success", data: "t-1" })],
    ["an id at the top", json({ id: "t-1", object: "video", status: "" })],
    ["an id in data", json({ data: { id: "t-1" } })],
    ["an id in data in JSON", json({ data: json({ id: "t-1" }) })],
    ["data before an id", json({ id: "request-1", data: "t-1" })],
    ["JSON that is cut off", '{"code":"success","data":"t-1","message":"'],
    ["JSON that is cut off in another place", '{"id": "t-1","message":"'],
    ["a task_id before all of them", json({ id: "a", data: "b", detail: { task_id: "t-1" } })],
  ])("reads %s", (_, text) => {
    expect(taskIdIn(text, true, sent)).toBe("t-1");
  });

  it("keeps the digits of a long number", () => {
    for (const text of ['{"data":831922345719271433}', '{"data":{"id":831922345719271433}}'])
      expect(taskIdIn(text, true, undefined)).toBe("831922345719271433");
  });

  it.each([
    json({ id: 0, data: null }),
    json({ data: "the task was not accepted" }),
    json({ data: "参数错误" }),
    json({ data: "" }),
    json({ id: "parent" }),
    json({ data: [{ id: "t-1" }] }),
    json("t-1"),
    '<html><script>var page = {"id":"app"}</script></html>',
    "",
  ])("finds none in %s", (text) => {
    expect(taskIdIn(text, true, sent)).toBeUndefined();
  });
});

describe("a create whose response names a task", () => {
  const parent = { ...request, input: { ...request.input, task_id: "parent" } };

  it("names it where it is nested too deeply to be copied", async () => {
    const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
    const task = `{"task_id":"t-1","task_status":"submitted","x":${deep}}`;
    const { client } = setUp([answer(200, `{"code":0,"data":${task}}`)]);
    const error = await errorOf(client.create(request), ApiError);
    expect(error).toMatchObject({ taskId: "t-1", mayHaveCreatedTask: true });
  });

  it("is not certain, and says which task", async () => {
    const { client, sent } = setUp([
      answer(429, '{"code":1303,"data":{"task_id":8319223457192714331}}'),
    ]);
    const error = await errorOf(client.create(request), ApiError);
    expect(error).toMatchObject({ taskId: "8319223457192714331", mayHaveCreatedTask: true });
    expect(error.message).toContain(" The response mentions task 8319223457192714331");
    expect(sent).toHaveLength(1);
  });

  it("is certain if that is the parent task of the request, and not if there is another", async () => {
    const echo = { code: 1201, message: "no", input: parent.input };
    const refused = await errorOf(setUp([answer(400, echo)]).client.create(parent), ApiError);
    expect(refused).toMatchObject({ taskId: undefined, mayHaveCreatedTask: false });
    const both = { ...echo, data: { task_id: "t-2" } };
    const created = await errorOf(setUp([answer(400, both)]).client.create(parent), ApiError);
    expect(created).toMatchObject({ taskId: "t-2", mayHaveCreatedTask: true });
  });

  it("names it also where the response is larger than 1 MiB", async () => {
    const text = json({ code: "busy", data: { task_id: "t-1" }, rest: "x".repeat(2 ** 20) });
    for (const status of [200, 429]) {
      const error = await errorOf(setUp([answer(status, text)]).client.create(request), ApiError);
      expect(error).toMatchObject({ taskId: "t-1", mayHaveCreatedTask: true });
    }
  });
});
