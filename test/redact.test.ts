import { inspect } from "node:util";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cpuMs } from "./fixtures/cpu.js";
import { redactorOf, redactError } from "../src/redact.js";

const key = 'sk-a/b"c\\d+E9';
const redact = redactorOf(key);

describe("a redactor", () => {
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
  ])("replaces the key %s", (_, text, redacted) => {
    expect(redact(text)).toBe(redacted);
  });

  it("replaces the key where it stands, and no other text, also if parts of it repeat", () => {
    const repeating = fc.string({
      unit: fc.constantFrom("a", "b", "-"),
      minLength: 6,
      maxLength: 9,
    });
    const text = (key: string) => {
      const parts = fc.nat(key.length).map((end) => key.slice(0, end));
      return fc.array(parts).map((given) => [key, given.join("")] as const);
    };
    fc.assert(
      fc.property(repeating.chain(text), ([key, text]) => {
        expect(redactorOf(key)(text)).toBe(text.replaceAll(key, "***"));
      }),
    );
  });

  it("keeps what is too short to be a key", () => {
    expect(redactorOf("short")("a short text")).toBe("a short text");
    expect(redactorOf("length")("any length")).toBe("any ***");
  });

  it.each([["\\"], ["%5c"], ["\\u005c"], ["sk-"], ["%25"]])("reads 1 MiB of %j in time", (part) => {
    const text = part.repeat(2 ** 20 / part.length);
    const spentMs = cpuMs(() => {
      expect(redact(text)).toBe(text);
      expect(redactorOf("-_-_-_")(text)).toBe(text);
    });
    expect(spentMs).toBeLessThan(5000);
  });

  it.each([
    ["end", (long: string) => `${long.slice(0, -1)}?`],
    ["start", (long: string) => `?${long.slice(1)}`],
    ["middle", (long: string) => long.replace("7", "?")],
  ])("reads 1 MB of near-copies of a key of 8 kB that differ at their %s", (_, spoil) => {
    const varied = Array.from({ length: 8192 }, (_, at) =>
      String.fromCharCode(48 + ((at * at) % 74)),
    );
    for (const long of [`sk-7${varied.join("")}`, `sk-7${"a".repeat(8192)}`]) {
      const text = spoil(long).repeat(125);
      const spentMs = cpuMs(() => {
        expect(redactorOf(long)(`${text}${long}`)).toBe(`${text}***`);
      });
      expect(spentMs).toBeLessThan(1000);
    }
  });

  it.each([
    ["of 8 kB", "sk-7".repeat(2048)],
    ["with a percent sign", "sk-%41b%2"],
    ["with backslashes at both ends", "\\sk-12345\\"],
    ["that repeats its start", "ababac-ababab"],
  ])("replaces a key %s in each spelling", (_, key) => {
    const spellings = [key, JSON.stringify(key), JSON.stringify([JSON.stringify(key)])];
    for (const text of [...spellings, encodeURIComponent(key), `abab${key}`]) {
      expect(redactorOf(key)(text)).toMatch(/^(?:["[\\]|%5C)*(?:abab)?\*\*\*(?:["\]\\]|%5C)*$/);
    }
  });
});

describe("the copy of an error", () => {
  it("has what a log needs of it and of its causes", () => {
    const inner = Object.assign(new RangeError("refused"), { code: "ECONNREFUSED" });
    const copy = redactError(new TypeError("fetch failed", { cause: inner }), redact);
    expect(copy).toMatchObject({
      name: "TypeError",
      message: "fetch failed",
      cause: { name: "RangeError", message: "refused", code: "ECONNREFUSED" },
    });
    expect(copy).toBeInstanceOf(Error);
    expect(copy?.stack).toContain("redact.test");
    expect(copy).not.toHaveProperty("code");
  });

  it("of a circle ends", () => {
    const circle = new Error("round");
    circle.cause = circle;
    const text = inspect(redactError(circle, redact), { depth: null });
    expect(text.match(/Error: round/g)).toHaveLength(5);
  });

  const odd = (fields: object) => Object.assign(new Error("x"), fields);

  it.each([
    ["its message", new Error(`bad ${key}`)],
    ["its name", odd({ name: key })],
    ["its stack", odd({ stack: `at ${key}` })],
    ["its code", odd({ code: key })],
    ["a property", odd({ config: { headers: [`Bearer ${key}`] } })],
    ["a property's name", odd({ [key]: 1, [Symbol(key)]: 2 })],
    ["a cause", new Error("outer", { cause: new TypeError(key) })],
    ["its Headers", odd({ headers: new Headers({ a: key }) })],
    ["what it prints", odd({ toJSON: () => key })],
    ["one of several errors", new AggregateError([new Error(key)], "all")],
  ])("has no key that is in %s", (_, error) => {
    const copy = redactError(error, redact);
    expect(copy).toBeInstanceOf(Error);
    const text = inspect(copy, { depth: null, showHidden: true }) + JSON.stringify(copy);
    expect(text).not.toContain("sk-a");
    expect(copy?.message).toBe(redact(error.message));
  });

  it("has no key and does not throw if the error cannot be read, or is no error", () => {
    const get = () => {
      throw new Error(key);
    };
    const named = Object.defineProperty(new Error("x"), "name", { get });
    const proxied = new Proxy(new Error("x"), { get });
    for (const thrown of [named, proxied, odd({ message: Symbol(key) }), { key }, key, undefined]) {
      const copy = redactError(thrown, redact);
      expect(inspect(copy, { depth: null, showHidden: true })).not.toContain("sk-a");
    }
  });
});
