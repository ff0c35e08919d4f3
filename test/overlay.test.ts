import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import {
  applyOverlay,
  OverlayError,
  StaleOverlayError,
  type Json,
  type JsonObject,
  type StaleAction,
} from "../scripts/overlay.js";

function apply(document: JsonObject, ...actions: Json[]): JsonObject {
  return applyOverlay(document, { overlay: "1.1.0", actions });
}

/** The error that applying throws. */
function failure(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

/** What is reported as stale. */
function stale(document: JsonObject, ...actions: Json[]): readonly StaleAction[] {
  const error = failure(() => apply(document, ...actions));
  if (error instanceof StaleOverlayError) return error.actions;
  throw error;
}

/** Why an overlay is refused; a stale one is not what is meant. */
function refusal(document: JsonObject, ...actions: Json[]): string {
  const error = failure(() => apply(document, ...actions));
  if (error instanceof OverlayError && !(error instanceof StaleOverlayError)) return error.message;
  throw error;
}

describe("the overlay itself", () => {
  it.each(["1.0.0", "1.1.0", "1.1.7"])("is one when it says %s", (overlay) => {
    expect(applyOverlay({ a: 1 }, { overlay, actions: [] })).toEqual({ a: 1 });
  });

  it.each<[string, Json]>([
    ["nothing", null],
    ["a text", "overlay: 1.1.0"],
    ["a list", []],
    ["an OpenAPI document", { openapi: "3.0.1", actions: [] }],
    ["a later version", { overlay: "2.0.0", actions: [] }],
    ["a minor version that is not out", { overlay: "1.2.0", actions: [] }],
    ["a version without its last part", { overlay: "1.1", actions: [] }],
    ["a version that is a number", { overlay: 1.1, actions: [] }],
  ])("is refused when it is %s", (_, overlay) => {
    const error = failure(() => applyOverlay({}, overlay));
    expect(error).toBeInstanceOf(OverlayError);
    expect(error).toMatchObject({
      name: "OverlayError",
      message: "The overlay is not an OpenAPI Overlay 1.0 or 1.1 document.",
    });
  });

  it.each<[string, JsonObject]>([
    ["are missing", {}],
    ["are null", { actions: null }],
    ["are an object", { actions: { target: "$" } }],
  ])("is refused when its actions %s", (_, rest) => {
    expect(() => applyOverlay({}, { overlay: "1.1.0", ...rest })).toThrow(
      /has no list of actions; write `actions: \[\]`/,
    );
  });

  it("does nothing when its list of actions is empty", () => {
    expect(apply({ a: [1] })).toEqual({ a: [1] });
  });

  it.each<[string, Json]>([
    ["is no object", "$.info"],
    ["has no target", { update: {} }],
    ["has a target that is no text", { target: 1, update: {} }],
  ])("is refused when an action %s, by the action's number", (_, action) => {
    expect(refusal({ a: {} }, { target: "$.a", update: {} }, action)).toBe(
      "Action 2 of the overlay has no target.",
    );
  });
});

describe("an action that asks for what is not supported", () => {
  it("is refused with copy, which the standard has from 1.1 on", () => {
    expect(refusal({ a: {}, b: {} }, { "x-id": "twin", target: "$.a", copy: "$.b" })).toBe(
      'Action twin of the overlay ($.a) has "copy", which is not supported.',
    );
  });

  it("is refused with a misspelt key, and not with a key of its own that starts with x-", () => {
    expect(refusal({ a: 1 }, { target: "$.a", updated: 2 })).toContain('has "updated"');
    expect(apply({ a: 1 }, { target: "$.a", "x-was": 1, "x-why": "…", update: 2 })).toEqual({
      a: 2,
    });
  });

  it.each<[string, JsonObject]>([
    ["neither update nor remove", {}],
    ["both", { update: {}, remove: true, "x-was": {} }],
    ["an empty update and remove", { update: null, remove: true, "x-was": {} }],
    ["remove: false alone", { remove: false }],
  ])("is refused with %s", (_, rest) => {
    expect(refusal({ a: {} }, { target: "$.a", ...rest })).toBe(
      "Action 1 of the overlay ($.a) needs either `update` or `remove: true`.",
    );
  });

  it("is refused with a remove that only looks like true", () => {
    expect(refusal({ a: {} }, { target: "$.a", update: {}, remove: "yes" })).toContain(
      "neither true nor false",
    );
  });

  it("takes remove: false beside an update for what it says", () => {
    expect(apply({ a: {} }, { target: "$.a", update: { b: 1 }, remove: false })).toEqual({
      a: { b: 1 },
    });
  });

  it("is refused when it removes the whole document", () => {
    expect(refusal({}, { target: "$", "x-was": {}, remove: true })).toContain(
      "removes the whole document",
    );
  });

  it("is refused when it removes something without an x-was", () => {
    expect(refusal({ a: 1 }, { target: "$.a", remove: true })).toContain(
      "removes something without saying what in x-was",
    );
  });

  it.each(["", "info", "$.", "$.a['", "$.a[?]", " $.a", "$.a ", "$.a\n", "#/a"])(
    "is refused with the target %j, which is not a JSONPath",
    (target) => {
      const message = refusal({ a: {} }, { target, update: {} });
      expect(message).toContain(`(${target}) has a target that is not a JSONPath: `);
      expect(message).toMatch(/[^.]\.$/);
    },
  );

  it("is refused when it updates an array, whether or not x-was names the array", () => {
    const document = { list: [1] };
    const advice = "updates an array; remove it and set it anew";
    expect(refusal(document, { target: "$.list", update: { a: 1 } })).toContain(advice);
    expect(refusal(document, { target: "$.list", "x-was": [1], update: 2 })).toContain(advice);
  });

  it.each<[string, Json]>([
    ["an array", [1]],
    ["an object", {}],
    ["a single value", "x"],
  ])("is refused when it writes an array over %s", (_, a) => {
    expect(refusal({ a }, { target: "$.a", "x-was": a, update: [2] })).toContain(
      "writes an array over a place; remove that and set it anew from its parent",
    );
  });

  it("is refused when it writes a single value over the object of its x-was", () => {
    expect(refusal({ a: {} }, { target: "$.a", "x-was": {}, update: "x" })).toContain(
      "updates an object with something else",
    );
  });

  it("is refused when it writes an object over the single value of its x-was", () => {
    expect(refusal({ a: "x" }, { target: "$.a", "x-was": "x", update: {} })).toContain(
      "updates a single value with an object",
    );
  });
});

describe("a target", () => {
  it("may be the whole document", () => {
    expect(apply({ a: 1 }, { target: "$", update: { b: 2 } })).toEqual({ a: 1, b: 2 });
  });

  it("may be an element of an array, found by a filter", () => {
    const document = { list: [{ name: "a" }, { name: "b" }, { name: "c" }] };
    const target = "$.list[?@.name == 'b']";
    expect(apply(document, { target, update: { b: 1 } })).toEqual({
      list: [{ name: "a" }, { name: "b", b: 1 }, { name: "c" }],
    });
    expect(apply(document, { target, "x-was": { name: "b" }, remove: true })).toEqual({
      list: [{ name: "a" }, { name: "c" }],
    });
  });

  it("may be a single value in an array", () => {
    const document = { list: ["a", "b"] };
    expect(apply(document, { target: "$.list[1]", "x-was": "b", update: "c" })).toEqual({
      list: ["a", "c"],
    });
    expect(apply(document, { target: "$.list[-1]", "x-was": "b", remove: true })).toEqual({
      list: ["a"],
    });
  });

  it("sees what the actions before it did", () => {
    expect(
      apply(
        { list: ["a", "b", "c"] },
        { target: "$.list[0]", "x-was": "a", remove: true },
        { target: "$.list[0]", "x-was": "b", update: "B" },
        { target: "$", update: { map: {} } },
        { target: "$.map", update: { d: 1 } },
      ),
    ).toEqual({ list: ["B", "c"], map: { d: 1 } });
  });

  it("finds any key, with quotes, line breaks, backslashes or Chinese in it, and edits only that", () => {
    const key = `it's "一"\n\\n/~1.[0]\u0001😀`;
    const document = { [key]: "x", other: { [key]: {} } };
    const target = `$[${JSON.stringify(key)}]`;
    expect(apply(document, { target, "x-was": "x", update: "y" })).toEqual({
      ...document,
      [key]: "y",
    });
    expect(
      apply(
        document,
        { target: "$.other.*", "x-was": {}, remove: true },
        { target, "x-was": "x", remove: true },
      ),
    ).toEqual({ other: {} });
  });

  it("edits and removes what it selected, whatever the keys are", () => {
    const keys = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.constantFrom("__proto__", "constructor", "toString", "", "0", "'", '"', "\\", "\\u0041"),
    );
    fc.assert(
      fc.property(keys, keys, (outer, inner) => {
        const place = `$[${JSON.stringify(outer)}]`;
        const target = `${place}[${JSON.stringify(inner)}]`;
        const set = { target: place, update: object(inner, 1) };
        const replace = { target, "x-was": 1, update: 2 };
        const document = object(outer, {});
        expect(entries(apply(document, set, replace)[outer])).toEqual([[inner, 2]]);
        const removal = { target, "x-was": 2, remove: true };
        expect(entries(apply(document, set, replace, removal)[outer])).toEqual([]);
      }),
    );
  });
});

/** `{[key]: value}` for any key; a literal would take `__proto__` for the prototype. */
function object(key: string, value: Json): JsonObject {
  return Object.fromEntries([[key, value]]);
}

function entries(value: Json | undefined): [string, Json][] {
  return Object.entries(value as JsonObject);
}

describe("a target that does not select exactly one place", () => {
  it("is reported with how many it selects", () => {
    const document = { a: { x: 1 }, b: { x: 2 } };
    expect(stale(document, { "x-id": "each x", target: "$..x", "x-was": 1, update: 3 })).toEqual([
      { id: "each x", target: "$..x", expected: "one place", found: "2 places" },
    ]);
  });

  it("is reported when it selects one place twice", () => {
    expect(stale({ a: 1 }, { target: "$['a', 'a']", "x-was": 1, update: 2 })).toMatchObject([
      { found: "2 places" },
    ]);
  });

  it.each([
    "$.map.missing",
    "$.map .missing",
    "$.map.没有",
    "$.map['missing']",
    '$.map["it\'s [0]"]',
    "$.map['a.b']",
    "$.map.*",
    "$.map[*]",
    "$.list[3]",
    "$.list[1:3]",
    "$.list[?@.name == 'z']",
    "$.list[?@['name'] == ']']",
    "$.list[?match(@['name'], '[z]')]",
    "$..missing",
    "$..['missing']",
    "$.map['x', 'y']",
  ])("finds nothing at %s, whose parent is there", (target) => {
    const document = { map: {}, list: [{ name: "a" }] };
    expect(stale(document, { target, update: { a: 1 } })).toEqual([
      { id: "1", target, expected: "one place", found: "nothing" },
    ]);
  });

  it.each([
    "$.gone.key",
    "$.map.gone.key",
    "$.map['gone']['key']",
    "$.gone[?@['name'] == 'a']",
    "$.list[3].key",
    "$.gone..key",
    "$.text.key.deeper",
  ])("finds no such place at %s, whose parent is gone", (target) => {
    const document = { map: {}, list: [{ name: "a" }], text: "x" };
    expect(stale(document, { target, "x-was": "x", remove: true })).toEqual([
      { id: "1", target, expected: "one place", found: "no such place" },
    ]);
  });
});

describe("an update of an object", () => {
  const document = { info: { title: "", version: "1", contact: { name: "A" } } };

  it("writes a key whose value is as x-was says, and leaves the others", () => {
    expect(
      apply(document, { target: "$.info", "x-was": { title: "" }, update: { title: "T" } }),
    ).toEqual({ info: { title: "T", version: "1", contact: { name: "A" } } });
  });

  it("writes a key that x-was and the document both lack, with and without an x-was", () => {
    const info = { ...document.info, summary: "S" };
    const update = { summary: "S" };
    expect(apply(document, { target: "$.info", update })).toEqual({ info });
    expect(apply(document, { target: "$.info", "x-was": {}, update })).toEqual({ info });
  });

  it("is stale when a key that it writes has another value, and names only what differs", () => {
    expect(
      stale(document, {
        target: "$.info",
        "x-was": { title: "old", version: "1" },
        update: { title: "T", version: "2" },
      }),
    ).toEqual([{ id: "1", target: "$.info", expected: '"title": "old"', found: '"title": ""' }]);
  });

  it("is stale when the document has a key that it writes and that x-was lacks", () => {
    expect(stale(document, { target: "$.info", update: { title: "T" } })).toMatchObject([
      { expected: '"title": nothing', found: '"title": ""' },
    ]);
  });

  it("is stale when x-was has a key that the document lacks", () => {
    expect(
      stale(document, { target: "$.info", "x-was": { licence: "MIT" }, update: { summary: "S" } }),
    ).toMatchObject([{ expected: '"licence": "MIT"', found: '"licence": nothing' }]);
  });

  it("takes further keys in x-was for guards, which it compares and does not write", () => {
    const update = { summary: "S" };
    expect(apply(document, { target: "$.info", "x-was": { version: "1" }, update })).toEqual({
      info: { ...document.info, summary: "S" },
    });
    expect(stale(document, { target: "$.info", "x-was": { version: "0" }, update })).toMatchObject([
      { expected: '"version": "0"', found: '"version": "1"' },
    ]);
  });

  it("names every key that differs", () => {
    expect(
      stale(document, { target: "$.info", "x-was": { version: "0" }, update: { title: "T" } }),
    ).toMatchObject([
      { expected: '"title": nothing, "version": "0"', found: '"title": "", "version": "1"' },
    ]);
  });

  it("compares the whole value of a key, without regard to the order of its keys", () => {
    const nested = { a: { b: { c: 1, d: [1, 2] } } };
    const update = { b: { e: 2 } };
    expect(apply(nested, { target: "$.a", "x-was": { b: { d: [1, 2], c: 1 } }, update })).toEqual({
      a: { b: { c: 1, d: [1, 2], e: 2 } },
    });
    expect(stale(nested, { target: "$.a", "x-was": { b: { c: 1 } }, update })).toHaveLength(1);
    expect(
      stale(nested, { target: "$.a", "x-was": { b: { c: 1, d: [2, 1] } }, update }),
    ).toHaveLength(1);
  });

  it("does not take what every object inherits for a key of the document", () => {
    const update = { constructor: 1, toString: 2 };
    expect(apply({ a: {} }, { target: "$.a", update })).toEqual({ a: update });
    expect(stale({ a: { toString: 1 } }, { target: "$.a", update })).toMatchObject([
      { expected: '"toString": nothing', found: '"toString": 1' },
    ]);
  });

  it("merges objects key by key, puts arrays one behind the other and replaces the rest", () => {
    const before = { map: { a: { one: 1 }, keep: true }, list: [1], text: "x", turn: { a: 1 } };
    expect(
      apply(
        { at: before },
        {
          target: "$.at",
          "x-was": before,
          update: { map: { a: { two: 2 }, b: 3 }, list: [1, { c: 2 }], text: null, turn: [4] },
        },
      ),
    ).toEqual({
      at: {
        map: { a: { one: 1, two: 2 }, keep: true, b: 3 },
        list: [1, 1, { c: 2 }],
        text: null,
        turn: [4],
      },
    });
  });
});

describe("an update of a single value", () => {
  it.each<[string, Json, Json]>([
    ["text", "old", "new"],
    ["number", 0, 1],
    ["boolean", false, true],
    ["null", null, "new"],
    ["text by null", "old", null],
  ])("replaces what equals x-was: %s", (_, was, update) => {
    expect(apply({ a: was }, { target: "$.a", "x-was": was, update })).toEqual({ a: update });
  });

  it("is stale when the value is another one, or only looks the same", () => {
    expect(stale({ a: "1" }, { target: "$.a", "x-was": 1, update: 2 })).toEqual([
      { id: "1", target: "$.a", expected: "1", found: '"1"' },
    ]);
  });

  it("is stale without an x-was, since nothing was expected there", () => {
    expect(stale({ a: "x" }, { target: "$.a", update: "y" })).toMatchObject([
      { expected: "nothing", found: '"x"' },
    ]);
  });
});

describe("a removal", () => {
  it("takes away what equals x-was, be it an object, an array, a single value or null", () => {
    const document = { a: { b: [1] }, c: [{ d: 1 }], e: "", f: null, g: 1 };
    const removals = (["a", "c", "e", "f"] as const).map((key) => ({
      target: `$.${key}`,
      "x-was": document[key],
      remove: true,
    }));
    expect(apply(document, ...removals)).toEqual({ g: 1 });
  });

  it("is stale when what is there has more, less or something else than x-was", () => {
    const target = "$.list";
    const removal = { target, "x-was": ["a", "b"], remove: true };
    for (const list of [["a"], ["a", "b", "c"], ["b", "a"], { 0: "a", 1: "b" }]) {
      expect(stale({ list }, removal)).toEqual([
        { id: "1", target, expected: '["a","b"]', found: JSON.stringify(list) },
      ]);
    }
  });
});

describe("a place that is of another kind than the action expects", () => {
  it("is stale and not a fault of the action, so the others are reported as well", () => {
    expect(
      stale(
        { text: {}, map: "x", list: {}, single: [1], none: null },
        { "x-id": "text", target: "$.text", "x-was": "old", update: "new" },
        { "x-id": "map", target: "$.map", "x-was": { a: 1 }, update: { a: 2 } },
        { "x-id": "list", target: "$.list", "x-was": [], remove: true },
        { "x-id": "single", target: "$.single", "x-was": "old", update: "new" },
        { "x-id": "none", target: "$.none", update: { key: 1 } },
        { "x-id": "null", target: "$.text", "x-was": null, update: { key: 1 } },
      ),
    ).toEqual([
      { id: "text", target: "$.text", expected: '"old"', found: "{}" },
      { id: "map", target: "$.map", expected: '{"a":1}', found: '"x"' },
      { id: "list", target: "$.list", expected: "[]", found: "{}" },
      { id: "single", target: "$.single", expected: '"old"', found: "[1]" },
      { id: "none", target: "$.none", expected: "an object", found: "null" },
      { id: "null", target: "$.text", expected: "null", found: "{}" },
    ]);
  });

  it("is reported once, not again by an action that builds on it", () => {
    expect(
      stale(
        { schemas: null },
        { "x-id": "set", target: "$.schemas", update: { Task: {} } },
        { "x-id": "build", target: "$.schemas.Task", update: { type: "object" } },
      ),
    ).toMatchObject([{ id: "set" }]);
    expect(
      stale(
        { info: { title: "" } },
        { "x-id": "set", target: "$.info", "x-was": "old", update: "new" },
        { "x-id": "build", target: "$.info.title", "x-was": "", update: "T" },
      ),
    ).toMatchObject([{ id: "set" }]);
  });
});

describe("stale actions", () => {
  const document = { info: { title: "T" }, list: ["a", "b"] };
  const actions = [
    { "x-id": "title", target: "$.info", "x-was": { title: "" }, update: { title: "U" } },
    { target: "$.info", update: { summary: "fits" } },
    { target: "$.gone.place", "x-was": 1, remove: true },
    { "x-id": 7, target: "$.list", "x-was": ["a"], remove: true },
  ];

  it("are reported all together, by x-id or by number, with place, expectation and finding", () => {
    expect(failure(() => apply(document, ...actions))).toMatchObject({
      name: "StaleOverlayError",
      actions: [
        { id: "title", target: "$.info", expected: '"title": ""', found: '"title": "T"' },
        { id: "3", target: "$.gone.place", expected: "one place", found: "no such place" },
        { id: "4", target: "$.list", expected: '["a"]', found: '["a","b"]' },
      ],
    });
  });

  it("are all in the message, which says what to do", () => {
    const error = failure(() => apply(document, ...actions));
    expect(error).toBeInstanceOf(OverlayError);
    expect((error as Error).message).toBe(
      [
        "3 actions of the overlay no longer fit the document.",
        "- title",
        "    place:    $.info",
        '    expected: "title": ""',
        '    found:    "title": "T"',
        "- 3",
        "    place:    $.gone.place",
        "    expected: one place",
        "    found:    no such place",
        "- 4",
        "    place:    $.list",
        '    expected: ["a"]',
        '    found:    ["a","b"]',
        "Where the page was corrected, delete the action; where it changed, look again and mend " +
          "the action and its x-was.",
      ].join("\n"),
    );
  });

  it("are spoken of in the singular when there is one", () => {
    expect(() => apply(document, { target: "$.list[0]", "x-was": "z", update: "y" })).toThrow(
      /^1 action of the overlay no longer fit/,
    );
  });

  it("are reported once when a list is removed and set anew", () => {
    expect(
      stale(
        { input: { required: ["a", "b", "new"] } },
        { "x-id": "take", target: "$.input.required", "x-was": ["a", "b"], remove: true },
        { "x-id": "set", target: "$.input", update: { required: ["a"] } },
      ),
    ).toEqual([
      { id: "take", target: "$.input.required", expected: '["a","b"]', found: '["a","b","new"]' },
    ]);
  });

  it("are reported once when the list to be removed is gone", () => {
    expect(
      stale(
        { input: {} },
        { "x-id": "take", target: "$.input.required", "x-was": ["a"], remove: true },
        { "x-id": "set", target: "$.input", update: { required: ["a"] } },
      ),
    ).toMatchObject([{ id: "take", found: "nothing" }]);
  });
});

describe("what is given", () => {
  const document = { map: { list: [1], none: null }, text: "x" };
  const shared = { deep: { list: [1] } };

  it("is never changed, and the result shares nothing with it", () => {
    const overlay = {
      overlay: "1.1.0",
      actions: [
        { target: "$", update: { added: shared } },
        { target: "$.added.deep", "x-was": { list: [1] }, update: { list: [2] } },
        { target: "$.map", "x-was": { list: [1] }, update: { list: [{ n: 3 }] } },
        { target: "$.map.list[1]", update: { m: 4 } },
        { target: "$.text", "x-was": "x", remove: true },
      ],
    };
    const before = structuredClone({ document, overlay });
    const result = applyOverlay(document, overlay);
    expect({ document, overlay }).toEqual(before);
    expect(result).toEqual({
      map: { list: [1, { n: 3, m: 4 }], none: null },
      added: { deep: { list: [1, 2] } },
    });
    expect(result["map"]).not.toBe(document.map);
  });

  it("is never changed by actions that are stale either", () => {
    const overlay = {
      overlay: "1.1.0",
      actions: [
        { target: "$.map.none", update: shared },
        { target: "$.map.none.deep", "x-was": { list: [1] }, update: { list: [2] } },
        { target: "$.text", "x-was": "z", remove: true },
      ],
    };
    const before = structuredClone({ document, overlay });
    expect(() => applyOverlay(document, overlay)).toThrow(StaleOverlayError);
    expect({ document, overlay }).toEqual(before);
  });

  it("may share parts, as YAML aliases do: an edit of one place leaves the other", () => {
    const aliased = parse("{ a: &one { list: [1] }, b: *one }") as JsonObject;
    expect(aliased["a"]).toBe(aliased["b"]);
    expect(apply(aliased, { target: "$.a", update: { only: "here" } })).toEqual({
      a: { list: [1], only: "here" },
      b: { list: [1] },
    });
  });

  it("may share parts within the overlay: each place gets its own copy", () => {
    const update = { c: shared };
    expect(
      apply(
        { a: {}, b: {} },
        { target: "$.a", update },
        { target: "$.b", update },
        { target: "$.a.c.deep", update: { only: "here" } },
      ),
    ).toEqual({
      a: { c: { deep: { list: [1], only: "here" } } },
      b: { c: { deep: { list: [1] } } },
    });
  });
});
