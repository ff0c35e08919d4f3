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

  it("loses the key that it was made for, whichever came after it", () => {
    const [one, other] = [redactor("one-key"), redactor("other-key")];
    for (const again of [one, redactor("one-key")]) {
      expect(again("one-key other-key")).toBe("*** other-key");
    }
    expect(other("one-key other-key")).toBe("one-key ***");
  });

  it("keeps what is too short to be a key", () => {
    expect(redactor("task")("task_id")).toBe("task_id");
  });
});

describe("a time that is bounded", () => {
  it.each([["\\"], ["%5c"], ["\\u005c"], ["sk-"]])("looks through 1 MiB of %j", (part) => {
    const text = part.repeat(2 ** 20 / part.length);
    const start = performance.now();
    expect(redact(text)).toBe(text);
    expect(redactor("-_-_-_")(text)).toBe(text);
    expect(performance.now() - start).toBeLessThan(5000);
  });
});

describe("a cause", () => {
  it("keeps what a log needs, down to the fifth", () => {
    const inner = Object.assign(new RangeError("refused"), { code: "ECONNREFUSED" });
    const copy = redactCause(new TypeError("fetch failed", { cause: inner }), redact);
    expect(copy).toMatchObject({
      name: "TypeError",
      message: "fetch failed",
      cause: { name: "RangeError", message: "refused", code: "ECONNREFUSED" },
    });
    expect(copy).toBeInstanceOf(Error);
    expect(copy?.stack).toContain("redact.test");
    expect(copy).not.toHaveProperty("code");
  });

  it("that goes round in a circle ends", () => {
    const circle = new Error("round");
    circle.cause = circle;
    expect(
      inspect(redactCause(circle, redact), { depth: null }).match(/Error: round/g),
    ).toHaveLength(5);
  });

  it.each([
    ["in its message", new Error(`bad ${key}`)],
    ["in its name", Object.assign(new Error("x"), { name: key })],
    ["in its stack", Object.assign(new Error("x"), { stack: `at ${key}` })],
    ["in its code", Object.assign(new Error("x"), { code: key })],
    ["in a property", Object.assign(new Error("x"), { config: { headers: [`Bearer ${key}`] } })],
    ["in a property's name", Object.assign(new Error("x"), { [key]: 1, [Symbol(key)]: 2 })],
    ["in a cause", new Error("outer", { cause: new TypeError(key) })],
    ["in a Headers", Object.assign(new Error("x"), { headers: new Headers({ a: key }) })],
    ["in what it prints", Object.assign(new Error("x"), { toJSON: () => key })],
    ["in an error of many", new AggregateError([new Error(key)], "all")],
  ])("with the key %s loses it", (_, error) => {
    const copy = redactCause(error, redact);
    expect(copy).toBeInstanceOf(Error);
    expect(inspect(copy, { depth: null, showHidden: true }) + JSON.stringify(copy)).not.toContain(
      "sk-a",
    );
    expect(copy?.message).toBe(redact(error.message));
  });

  it.each([
    [
      "a getter that throws",
      Object.defineProperty(new Error("x"), "name", {
        get: () => {
          throw new Error(key);
        },
      }),
    ],
    ["no error", { key }],
    ["a text", key],
    ["nothing", undefined],
    [
      "a proxy",
      new Proxy(new Error("x"), {
        get: () => {
          throw new Error(key);
        },
      }),
    ],
    ["a symbol for a message", Object.assign(new Error("x"), { message: Symbol(key) })],
  ])("that is %s throws nothing and tells nothing", (_, thrown) => {
    const copy = redactCause(thrown, redact);
    expect(inspect(copy, { depth: null, showHidden: true })).not.toContain("sk-a");
  });
});
