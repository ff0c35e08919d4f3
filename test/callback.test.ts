import { runInNewContext } from "node:vm";
import { describe, expect, expectTypeOf, it } from "vitest";
import { InvalidRequestError, type LipSyncTask, parseTaskCallback } from "../src/index.js";
import failed from "./fixtures/failed.json" with { type: "json" };
import succeeded from "./fixtures/succeed.json" with { type: "json" };

describe("parseTaskCallback", () => {
  it("reads the bare task, parsed or as text, also if it is repeated", () => {
    const task = parseTaskCallback(succeeded.data);
    expect(task).toEqual(succeeded.data);
    expectTypeOf(task).toEqualTypeOf<LipSyncTask>();
    for (let time = 0; time < 2; time++) {
      expect(parseTaskCallback(JSON.stringify(failed.data))).toEqual(failed.data);
    }
  });

  const text = JSON.stringify(failed.data);
  const bytes = new TextEncoder().encode(text);
  const pooled = new Uint8Array(bytes.length + 16);
  pooled.set(bytes, 8);

  it.each<[string, unknown]>([
    ["a Buffer", Buffer.from(text)],
    ["a Uint8Array", bytes],
    ["a part of a larger buffer", pooled.subarray(8, 8 + bytes.length)],
    ["a DataView", new DataView(bytes.buffer)],
    ["an ArrayBuffer", bytes.buffer],
    ["text with a BOM", `\uFEFF${text}`],
    ["bytes with a BOM", Buffer.from(`\uFEFF${text}`)],
    ["text with white space", `\r\n ${text}\n`],
    ["Kling's envelope", failed],
    ["Kling's envelope as text", JSON.stringify(failed)],
    ["Kling's envelope as bytes with a BOM", Buffer.from(`\uFEFF${JSON.stringify(failed)}`)],
  ])("reads %s", (_, body) => {
    expect(parseTaskCallback(body)).toEqual(failed.data);
  });

  it("reads bytes of another realm", () => {
    const foreign = runInNewContext("Uint8Array.from(codes)", { codes: [...bytes] }) as Uint8Array;
    expect(foreign).not.toBeInstanceOf(Uint8Array);
    expect(parseTaskCallback(foreign)).toEqual(failed.data);
    expect(parseTaskCallback(foreign.buffer)).toEqual(failed.data);
  });

  it("reads the characters of every language", () => {
    const task = { ...failed.data, task_status_msg: "没有检测到人脸 😀" };
    expect(parseTaskCallback(Buffer.from(JSON.stringify(task)))).toEqual(task);
  });

  const missing = "is missing: in Express, add express.text({ type: () => true }) to the route";
  const whole = "is the whole request: pass await request.text(), in Express request.body";
  const notTask = "is not JSON or not a task";
  const init = { method: "POST", body: text };

  it.each<[string, unknown[]]>([
    [missing, [undefined, null, "", Buffer.alloc(0), new ArrayBuffer(0)]],
    [whole, [new Request("https://caller.example", init), new Response(text)]],
    [whole, [{ method: "POST", headers: {}, body: undefined }]],
    ["is a promise: await it", [Promise.resolve(text), new Response(text).json()]],
    [notTask, ["{", "null", '"task"', 5, true, {}, { hello: "world" }, Buffer.from("<html>")]],
    [notTask, [new Blob([text]), new ReadableStream(), new URLSearchParams("task_id=t")]],
    [notTask, [{ task_id: "t" }, { task_id: "", task_status: "succeed" }]],
    [notTask, [{ task_id: "t", task_status: 5 }, { tasks: [] }, [failed.data], { data: failed }]],
    [notTask, ['{"__proto__":{"task_id":"t","task_status":"succeed"}}', { code: 0, data: null }]],
  ])("refuses a body that %s: %j", (why, bodies) => {
    for (const body of bodies) {
      const read = () => parseTaskCallback(body);
      expect(read).toThrow(new InvalidRequestError(`The callback body ${why}.`, "body"));
    }
  });
});
