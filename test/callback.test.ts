import { describe, expect, expectTypeOf, it } from "vitest";
import { InvalidRequestError, type LipSyncTask, parseTaskCallback } from "../src/index.js";
import failed from "./fixtures/failed.json" with { type: "json" };
import succeeded from "./fixtures/succeed.json" with { type: "json" };

describe("parseTaskCallback", () => {
  it("reads the bare task, parsed or as text, also if it is repeated", () => {
    const task = parseTaskCallback(succeeded.data);
    expect(task).toBe(succeeded.data);
    expectTypeOf(task).toEqualTypeOf<LipSyncTask>();
    for (let time = 0; time < 2; time++) {
      expect(parseTaskCallback(JSON.stringify(failed.data))).toEqual(failed.data);
    }
  });

  it.each([
    ...["", "{", "null", '"task"', undefined, null, 5, {}, { hello: "world" }, succeeded],
    ...[
      { task_id: "t" },
      { task_id: "", task_status: "succeed" },
      { task_id: "t", task_status: 5 },
    ],
    ...[{ task_id: 5, task_status: "succeed" }, { tasks: [] }],
    '{"__proto__":{"task_id":"t","task_status":"succeed"}}',
  ])("refuses %j", (body) => {
    for (const given of [body, [body]]) {
      const read = () => parseTaskCallback(given);
      expect(read).toThrow(InvalidRequestError);
      expect(read).toThrow("is not JSON or not a task");
      expect(read).toThrow(expect.objectContaining({ field: "body", mayHaveCreatedTask: false }));
    }
  });
});
