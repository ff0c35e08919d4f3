import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { redactCause, redactor } from "../src/redact.js";

const key = 'sk-a/b"c\\d+E9';
const redact = redactor(key);

describe("a text", () => {
  it.each([
    ["as it is", `Bearer ${key}.`, "Bearer ***."],
    ["in another case", key.toLowerCase(), "***"],
    ["in JSON", JSON.stringify({ key }), '{"key":"***"}'],
    ["in JSON with escaped slashes", JSON.stringify({ key }).replace("/", "\\/"), '{"key":"***"}'],
    ["in JSON with unicode escapes", "\\u0073k-a/b\\u0022c\\u005cd\\u002bE9", "***"],
    ["in JSON in JSON", JSON.stringify(JSON.stringify({ key })), '"{\\"key\\":\\"***\\"}"'],
    ["in a URL", `?key=${encodeURIComponent(key)}&x`, "?key=***&x"],
    ["twice", `${key} ${key}`, "*** ***"],
    ["not at all", "sk-a/b", "sk-a/b"],
  ])("loses the key %s", (_, text, redacted) => {
    expect(redact(text)).toBe(redacted);
  });

  it("keeps what is too short to be a key", () => {
    expect(redactor("task")("task_id")).toBe("task_id");
  });
});

describe("a cause", () => {
  it("without the key is kept as it is", () => {
    const causes = [
      new TypeError("fetch failed", {
        cause: Object.assign(new Error("x"), { code: "ECONNRESET" }),
      }),
      new AggregateError([new Error("a"), new Error("b")], "all"),
      Object.assign(new Error("x"), { socket: { port: 1, list: [1, null, undefined, true] } }),
      Object.assign(new Error("x"), { bare: Object.create(null) as object }),
      "a text",
      undefined,
      5,
    ];
    for (const cause of causes) expect(redactCause(cause, redact)).toBe(cause);
  });

  it("that goes round in a circle is kept", () => {
    const circle = new Error("round");
    circle.cause = circle;
    expect(redactCause(circle, redact)).toBe(circle);
  });

  it.each([
    ["in its message", new Error(`bad ${key}`)],
    ["in its name", Object.assign(new Error("x"), { name: key })],
    ["in its stack", Object.assign(new Error("x"), { stack: `at ${key}` })],
    ["in a property", Object.assign(new Error("x"), { config: { headers: [`Bearer ${key}`] } })],
    ["in a cause", new Error("outer", { cause: new TypeError(key) })],
    ["in a Headers", Object.assign(new Error("x"), { headers: new Headers({ a: key }) })],
    ["in a function", Object.assign(new Error("x"), { retry: Object.assign(() => key, { key }) })],
    ["in an error of many", new AggregateError([new Error(key)], "all")],
  ])("with the key %s becomes a copy without it", (_, error) => {
    const copy = redactCause(error, redact) as Error;
    expect(copy).not.toBe(error);
    expect(copy).toBeInstanceOf(Error);
    expect(inspect(copy, { depth: null, showHidden: true })).not.toContain("sk-a");
    expect(copy.message).toBe(redact(error.message));
    expect(error.cause === undefined).toBe(copy.cause === undefined);
  });

  it("with the key that is no error is left out", () => {
    expect(redactCause({ key }, redact)).toBeUndefined();
    expect(redactCause(key, redact)).toBeUndefined();
  });

  it("without a stack has a copy without one", () => {
    const error = Object.assign(new Error(key), { stack: undefined });
    expect((redactCause(error, redact) as Error).stack).toBe("");
  });
});
