import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import type { Json, JsonObject } from "../scripts/spec/document.js";
import { applyOverlay, OverlayError, StaleOverlayError } from "../scripts/spec/overlay.js";

const object = (yaml: string) => parse(yaml) as JsonObject;
const list = (yaml: string) => parse(`[${yaml}]`) as Json[];

function apply(document: JsonObject, ...actions: Json[]): JsonObject {
  return applyOverlay(document, { overlay: "1.1.0", actions });
}

function stale(document: JsonObject, ...actions: Json[]): StaleOverlayError {
  try {
    apply(document, ...actions);
  } catch (error) {
    if (error instanceof StaleOverlayError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("the overlay itself", () => {
  it.each(["1.0.0", "1.1.0", "1.1.7"])("may have the version %s", (overlay) => {
    expect(applyOverlay({ a: 1 }, { overlay, actions: [] })).toEqual({ a: 1 });
  });

  it.each<[string, ...overlays: string[]]>([
    [
      "The overlay is not an OpenAPI Overlay 1.0 or 1.1 document.",
      ...["null", "'overlay: 1.1.0'", "[]", "{ openapi: 3.0.1, actions: [] }"],
      ...["2.0.0", "1.2.0", "'1.1'", "1.1"].map((say) => `{ overlay: ${say}, actions: [] }`),
    ],
    [
      "The overlay has no list of actions; write `actions: []` for none.",
      "{ overlay: 1.1.0 }",
      ...["null", "{ target: $ }"].map((say) => `{ overlay: 1.1.0, actions: ${say} }`),
    ],
    [
      "Action 2 of the overlay has no target.",
      ...["$.info", "{ update: {} }", "{ target: 1, update: {} }"].map(
        (second) => `{ overlay: 1.1.0, actions: [{ target: $, update: {} }, ${second}] }`,
      ),
    ],
  ])("is refused with: %s", (why, ...overlays) => {
    for (const overlay of overlays) {
      expect(() => applyOverlay({}, object(overlay))).toThrow(new OverlayError(why));
    }
  });
});

describe("an action", () => {
  it.each([
    ["target: $.a, copy: $.b", 'has "copy", which is not supported'],
    ["target: $.a, updated: 2", 'has "updated", which is not supported'],
    ["target: $.a", "needs either `update` or `remove: true`"],
    ["target: $.a, remove: false", "needs either `update` or `remove: true`"],
    ["target: $.a, update: {}, remove: true, x-was: {}", "needs either `update` or `remove:"],
    ["target: $.a, update: null, remove: true, x-was: {}", "needs either `update` or `remove:"],
    ["target: $.a, update: {}, remove: yes", "has a `remove` that is neither true nor false"],
    ["target: $, x-was: {}, remove: true", "removes the whole document"],
    ["target: $.a, remove: true", "removes something without saying what in x-was"],
    ["target: $.list, update: { a: 1 }", "updates an array; remove it and set it anew"],
    ["target: $.list, x-was: [1], update: 2", "updates an array; remove it and set it anew"],
    ["target: $.list, x-was: [1], update: [2]", "writes an array over a place; remove that"],
    ["target: $.a, x-was: {}, update: x", "updates an object with something else"],
    ["target: $.text, x-was: x, update: {}", "updates a single value with an object"],
    ...["", "info", "$.", "$.a['", "$.a[?]", " $.a", "$.a ", "$.a\n", "#/a"].map((target) => [
      `target: ${JSON.stringify(target)}, update: {}`,
      "has a target that is not a JSONPath: ",
    ]),
  ])("is refused with %s", (yaml, why = "") => {
    const action = object(`{ x-id: name, ${yaml} }`);
    const document = { a: {}, b: {}, list: [1], text: "x" };
    const refused = () => apply(document, action);
    expect(refused).toThrow(OverlayError);
    expect(refused).not.toThrow(StaleOverlayError);
    expect(refused).toThrow(`Action name of the overlay (${action["target"] as string}) ${why}`);
    expect(refused).toThrow(/[^.]\.$/);
  });

  it.each([
    // What it selects: the document, an element, and what an earlier action left.
    ["{ a: 1 }", "{ target: $, update: { b: 2 } }", "{ a: 1, b: 2 }"],
    ["{ l: [{ n: 0 }] }", '{ target: "$.l[?@.n]", update: { b: 1 } }', "{ l: [{ n: 0, b: 1 }] }"],
    ["{ l: [1, 2, 3] }", '{ target: "$.l[?@ == 2]", x-was: 2, remove: true }', "{ l: [1, 3] }"],
    ["{ l: [a, b] }", '{ target: "$.l[1]", x-was: b, update: c }', "{ l: [a, c] }"],
    ["{ l: [a, b] }", '{ target: "$.l[-1]", x-was: b, remove: true }', "{ l: [a] }"],
    ["{}", "{ target: $, update: { a: {} } }, { target: $.a, update: { b: 1 } }", "{a: { b: 1 }}"],
    ["{ a: [{ d: 1 }], g: 1 }", "{ target: $.a, x-was: [{ d: 1 }], remove: true }", "{ g: 1 }"],
    ["{ a: null, g: 1 }", "{ target: $.a, x-was: null, remove: true }", "{ g: 1 }"],
  ])("applies to %s with %s and makes it %s", (document, actions, result) => {
    expect(apply(object(document), ...list(actions))).toEqual(object(result));
  });

  it.each([
    // Keys as they are in x-was, or new ones; x-was may have others to check.
    ["{ b: 1, c: 1 }", "x-was: { b: 1 }, update: { b: 2 }", "{ b: 2, c: 1 }"],
    ["{ b: 1 }", "update: { c: 2 }", "{ b: 1, c: 2 }"],
    ["{}", "x-was: {}, update: { c: 2 }", "{ c: 2 }"],
    ["{}", "update: { toString: 2 }", "{ toString: 2 }"],
    ["{}", "update: { b: 1 }, remove: false", "{ b: 1 }"],
    ["{ /b: 1 }", "x-was: { /b: 1 }, update: { /c: 2 }", "{ /b: 1, /c: 2 }"],
    ["{ '{b}': 1 }", "update: { '{c}': 2 }", "{ '{b}': 1, '{c}': 2 }"],
    ["{ b: { c: 1, d: 2 } }", "x-was: { b: { d: 2, c: 1 } }, update: { b: 3 }", "{ b: 3 }"],
    // Objects are merged key by key, arrays are appended, the rest is replaced.
    ["{ b: { c: 1 } }", "x-was: { b: { c: 1 } }, update: { b: { d: 2 } }", "{ b: { c: 1, d: 2 } }"],
    ["{ b: [1] }", "x-was: { b: [1] }, update: { b: [1, { c: 2 }] }", "{ b: [1, 1, { c: 2 }] }"],
    ["{ b: { c: 1 } }", "x-was: { b: { c: 1 } }, update: { b: [4] }", "{ b: [4] }"],
    ["{ b: x }", "x-was: { b: x }, update: { b: null }", "{ b: null }"],
    // Single values.
    ["old", "x-was: old, update: new", "new"],
    ["0", "x-was: 0, x-b: 1, update: 1", "1"],
    ["null", "x-was: null, update: true", "true"],
    ["old", "x-was: old, update: null", "null"],
  ])("makes %s with %s %s", (before, rest, after) => {
    const actions = list(`{ target: $.a, ${rest} }`);
    expect(apply(object(`{ a: ${before} }`), ...actions)).toEqual(object(`{ a: ${after} }`));
  });

  it("edits and removes what it selected, whatever the keys are", () => {
    const odd = `it's "一"\n\\n/~1.[0]\u0001😀`;
    const keys = fc.oneof(
      fc.string({ unit: "binary-ascii" }),
      fc.string({ unit: "grapheme" }),
      fc.constantFrom("__proto__", "constructor", "toString", "", "0", "'", '"', "\\", "\\u0041"),
    );
    // A literal would take `__proto__` for the prototype.
    const of = (key: string, value: Json): JsonObject => Object.fromEntries([[key, value]]);
    const entries = (value: Json | undefined) => Object.entries(value as JsonObject);
    fc.assert(
      fc.property(keys, keys, (outer, inner) => {
        const place = `$[${JSON.stringify(outer)}]`;
        const target = `${place}[${JSON.stringify(inner)}]`;
        const set = { target: place, update: of(inner, 1) };
        const replace = { target, "x-was": 1, update: 2 };
        const removal = { target, "x-was": 2, remove: true };
        const edited = apply(of(outer, {}), set, replace);
        expect(entries(edited[outer])).toEqual([[inner, 2]]);
        expect(entries(apply(edited, removal)[outer])).toEqual([]);
      }),
      { examples: [[odd, odd]] },
    );
  });
});

describe("an action is stale", () => {
  it.each([
    ["2 places", "$..x", "$['map', 'map']"],
    [
      "nothing",
      ...["$.map.missing", "$.map .missing", "$.map.没有", "$.map['missing']", "$.map['a.b']"],
      ...['$.map["it\'s [0]"]', "$.empty.*", "$.empty[*]", "$.list[3]", "$.list[1:3]"],
      ...["$.list[?@.name == 'z']", "$.list[?@['name'] == ']']", "$.empty['x', 'y']"],
      ...["$.list[?match(@['name'], '[z]')]", "$..missing", "$..['missing']"],
    ],
    [
      "no such place",
      ...["$.gone.key", "$.map.gone.key", "$.map['gone']['key']", "$.list[3].key"],
      ...["$.gone[?@['name'] == 'a']", "$.gone..key", "$.text.key.deeper"],
    ],
  ])("if its target selects %s", (found = "", ...targets) => {
    const document = "{ map: { x: 1 }, empty: {}, list: [{ name: a }], text: x, b: { x: 2 } }";
    for (const target of targets) {
      const reported = [{ id: "1", target, expected: "one place", found }];
      const error = stale(object(document), { target, "x-was": 1, update: 2 });
      expect(error.actions).toEqual(reported);
    }
  });

  it.each([
    // [document at $.a, x-was and update or remove, expected, found]
    ["{ b: 0 }", "x-was: {b: 1, c: 1}, update: {b: 2}", '"b": 1, "c": 1', '"b": 0, "c": nothing'],
    ["{ b: '', c: 1 }", "x-was: { b: old, c: 1 }, update: { b: T, c: 2 }", '"b": "old"', '"b": ""'],
    ["{ b: '' }", "update: { b: T }", '"b": nothing', '"b": ""'],
    ["{ b: 1 }", "x-was: { c: 1 }, update: { d: 1 }", '"c": 1', '"c": nothing'],
    ["{b: 0, c: 1}", "x-was: {c: 0}, update: {b: 2}", '"b": nothing, "c": 0', '"b": 0, "c": 1'],
    ["{ b: { c: 1 } }", "x-was: { b: {} }, update: { b: { d: 1 } }", '"b": {}', '"b": {"c":1}'],
    ["{ b: [1, 2] }", "x-was: { b: [2, 1] }, update: { b: [] }", '"b": [2,1]', '"b": [1,2]'],
    ["{ '/b/{id}': 1 }", "update: { '/b/{n}': 1 }", '"/b/{n}": nothing', '"/b/{id}": 1'],
    ["{ '/{b}': 1, '/{c}': 2 }", "update: { '/{c}': 3 }", '"/{c}": nothing', '"/{c}": 2'],
    ["{ toString: 1 }", "update: { toString: 2 }", '"toString": nothing', '"toString": 1'],
    ["'1'", "x-was: 1, update: 2", "1", '"1"'],
    ["x", "update: y", "nothing", '"x"'],
    ["[a]", "x-was: [a, b], remove: true", '["a","b"]', '["a"]'],
    ["{ 0: a, 1: b }", "x-was: [a, b], remove: true", '["a","b"]', '{"0":"a","1":"b"}'],
    // Of another kind: the document changed, the action is not at fault.
    ["{}", "x-was: old, update: new", '"old"', "{}"],
    ["x", "x-was: { b: 1 }, update: { b: 2 }", '{"b":1}', '"x"'],
    ["{}", "x-was: [], remove: true", "[]", "{}"],
    ["[1]", "x-was: old, update: new", '"old"', "[1]"],
    ["null", "update: { key: 1 }", "an object", "null"],
    ["{}", "x-was: null, update: { key: 1 }", "null", "{}"],
  ])("at %s with %s", (a, rest, expected, found) => {
    const { actions } = stale(object(`{ a: ${a} }`), ...list(`{ target: $.a, ${rest} }`));
    expect(actions).toEqual([{ id: "1", target: "$.a", expected, found }]);
  });

  it.each([
    ["null", "target: $.a, update: { b: {} }", "target: $.a.b, update: { type: x }"],
    ["{ b: '' }", "target: $.a, x-was: o, update: n", "target: $.a.b, x-was: '', update: T"],
    ["{ b: [x, y] }", "target: $.a.b, x-was: [x], remove: true", "target: $.a, update: { b: [z] }"],
    ["{}", "target: $.a.b, x-was: [x], remove: true", "target: $.a, update: { b: [z] }"],
  ])("once, and not again in an action that builds on it: at %s with %s, %s", (a, one, other) => {
    const actions = list(`{ ${one} }, { ${other} }`);
    expect(stale(object(`{ a: ${a} }`), ...actions).actions).toMatchObject([{ id: "1" }]);
  });
});

describe("stale actions", () => {
  const document = { info: { title: "T" }, list: ["a", "b"] };

  it("are all reported, by x-id or by number, in a message that says what to do", () => {
    const actions = list(`
      { x-id: title, target: $.info, x-was: { title: "" }, update: { title: U } },
      { target: $.info, update: { summary: fits } },
      { target: $.gone.place, x-was: 1, remove: true },
      { x-id: 7, target: $.list, x-was: [a], remove: true }
    `);
    const error = stale(document, ...actions);
    expect(error).toBeInstanceOf(OverlayError);
    expect(error).toMatchObject({
      name: "StaleOverlayError",
      message: `Stale actions of the overlay (3), which no longer fit the document:
- title
    place:    $.info
    expected: "title": ""
    found:    "title": "T"
- 3
    place:    $.gone.place
    expected: one place
    found:    no such place
- 4
    place:    $.list
    expected: ["a"]
    found:    ["a","b"]
If the page was corrected, delete the action. If it changed, check again what is true, and update \
the action and its x-was.`,
    });
  });

  it("are counted", () => {
    expect(() => apply(document, { target: "$.list[0]", "x-was": "z", update: "y" })).toThrow(
      /^Stale actions of the overlay \(1\), /,
    );
  });
});

describe("the arguments", () => {
  it("are never changed, and the result shares nothing with them", () => {
    const document = object("{ map: { list: [1], none: null }, text: x }");
    const actions = list(`
      { target: $, update: { added: &shared { deep: { list: [1] } } } },
      { target: $.added.deep, x-was: { list: [1] }, update: { list: [2] } },
      { target: $.map, x-was: { list: [1] }, update: { list: [{ n: 3 }] } },
      { target: "$.map.list[1]", update: { m: 4 } },
      { target: $.text, x-was: x, remove: true }
    `);
    const staleActions = list(`
      { target: $.map.none, update: { deep: { list: [1] } } },
      { target: $.map.none.deep, x-was: { list: [1] }, update: { list: [2] } },
      { target: $.text, x-was: z, remove: true }
    `);
    const before = structuredClone({ document, actions, staleActions });
    const result = apply(document, ...actions);
    expect(result).toEqual({
      map: { list: [1, { n: 3, m: 4 }], none: null },
      added: { deep: { list: [1, 2] } },
    });
    expect(result["map"]).not.toBe(document["map"]);
    expect(stale(document, ...staleActions).actions).toHaveLength(2);
    expect({ document, actions, staleActions }).toEqual(before);
  });

  it("may share parts, as YAML aliases do: an edit of one place does not change the other", () => {
    const aliased = object("{ a: &one { list: [1] }, b: *one }");
    expect(aliased["a"]).toBe(aliased["b"]);
    expect(apply(aliased, { target: "$.a", update: { only: "here" } })).toEqual({
      a: { list: [1], only: "here" },
      b: { list: [1] },
    });
  });
});
