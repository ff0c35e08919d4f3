import { expect, it } from "vitest";
import { checkFound } from "../src/found.js";

it("takes the id of a task, or the word that there is none", () => {
  expect(checkFound({ taskId: "task-1" })).toEqual({ taskId: "task-1" });
  expect(checkFound({ taskId: "task-1", noTask: undefined })).toEqual({ taskId: "task-1" });
  expect(checkFound({ noTask: true })).toEqual({ noTask: true });
});

it.each([
  ["undefined", undefined],
  ["null", null],
  ["a text", "task-1"],
  ["an array", ["task-1"]],
  ["an empty object", {}],
  ["both at once", { taskId: "task-1", noTask: true }],
  ["a missing id beside the word", { taskId: undefined, noTask: true }],
  ["false as the word", { noTask: false }],
  ["text as the word", { noTask: "true" }],
])("rejects %s and says what to pass", (_, found) => {
  const message =
    "Say what you found: pass { taskId } with the id of the task, or { noTask: true } if it is certain that there is none.";
  expect(() => checkFound(found)).toThrow(
    expect.objectContaining({ name: "InvalidRequestError", field: "found", message }),
  );
});

it.each([
  ["an empty id", ""],
  ["a blank id", "  "],
  ["an id that is missing", undefined],
  ["a number", 7],
])("rejects %s", (_, taskId) => {
  expect(() => checkFound({ taskId })).toThrow(
    expect.objectContaining({ name: "InvalidRequestError", field: "taskId" }),
  );
});
