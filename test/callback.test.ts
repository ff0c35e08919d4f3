import { describe, expect, expectTypeOf, it } from "vitest";
import { InvalidRequestError, type LipSyncTask, parseTaskCallback } from "../src/index.js";
import failed from "./fixtures/failed.json" with { type: "json" };
import succeeded from "./fixtures/succeed.json" with { type: "json" };

describe("parseTaskCallback", () => {
  it("reads the bare task, parsed or as text", () => {
    const task = parseTaskCallback(succeeded.data);
    expect(task).toBe(succeeded.data);
    expectTypeOf(task).toEqualTypeOf<LipSyncTask>();
    expect(parseTaskCallback(JSON.stringify(failed.data))).toEqual(failed.data);
  });

  it("gives the same for a repeated callback", () => {
    const body = JSON.stringify(succeeded.data);
    expect(parseTaskCallback(body)).toEqual(parseTaskCallback(body));
  });

  it.each([
    [""],
    ["{"],
    ["null"],
    ['"task"'],
    [undefined],
    [null],
    [5],
    [[]],
    [{}],
    [{ hello: "world" }],
    [{ task_id: "t" }],
    [{ task_id: "", task_status: "succeed" }],
    [{ task_id: 5, task_status: "succeed" }],
    [{ task_id: "t", task_status: 5 }],
    [succeeded],
    ['{"__proto__":{"task_id":"t","task_status":"succeed"}}'],
  ])("refuses %j", (body) => {
    let error: unknown;
    try {
      parseTaskCallback(body);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(InvalidRequestError);
    expect(error).toMatchObject({ field: "body", mayHaveCreatedTask: false });
    expect(String(error)).toContain("is not a task");
  });
});
