import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { changesBetween } from "../scripts/spec/changes.js";
import type { Json, JsonObject } from "../scripts/spec/document.js";

/** Each change between two documents in YAML, as a line. */
function changes(before: string, after: string): string[] {
  const documents = [parse(before) as JsonObject, parse(after) as JsonObject] as const;
  return changesBetween(...documents).map(({ place, what }) => `${place}: ${what}`);
}

const operation = (yaml: string) => `paths: { /a: { post: ${yaml} } }`;
const sending = (schema: string) =>
  operation(`{ requestBody: { content: { application/json: { schema: ${schema} } } } }`);
const inRequest = (schema: string) => sending(`{ properties: { a: ${schema} } }`);

describe("a change of a schema", () => {
  it.each<[string, string, ...string[]]>([
    // Each of these five was once reported as "not breaking".
    ["{}", "{ additionalProperties: false }", " additionalProperties: added false"],
    ["{}", "{ oneOf: [{ required: [b] }] }", ' oneOf: added [{"required":["b"]}]'],
    ["{ type: array }", "{ type: array, uniqueItems: true }", " uniqueItems: added true"],
    ["{}", "{ not: { enum: [b] } }", ' not: added {"enum":["b"]}'],
    ["{ type: string }", "false", ': changed from {"type":"string"} to false'],

    ["{ type: string }", "{ type: number }", ' type: changed from "string" to "number"'],
    ["{ type: a }", "{ type: [a, 'null'] }", ' type: changed from "a" to ["a","null"]'],
    ["{ pattern: ^a$ }", "{ nullable: true }", ' pattern: removed "^a$"', " nullable: added true"],
    ["{ enum: [b] }", "{ const: b }", ' enum: removed ["b"]', ' const: added "b"'],
    ["{ enum: [b, 1] }", "{ enum: [1, null] }", ' enum: removed "b"', " enum: added null"],
    ["{ enum: [b, c] }", "{ enum: [c, b] }", " enum: order changed"],
    ["{ enum: [b] }", "{ enum: [b, b] }", ' enum: changed from ["b"] to ["b","b"]'],
    ["{ default: { b: [1] } }", "{ default: { b: 2 } }", " default b: changed from [1] to 2"],
    ["{ properties: {} }", "{ properties: { b: {} } }", ".b: added {}"],
    ["{}", "{ properties: { b: {}, c: {} } }", ".b: added {}", ".c: added {}"],
    ["{}", "{ properties: {} }", " properties: added {}"],
    ["{ items: { items: {} } }", "{ items: { items: true } }", "[][]: changed from {} to true"],
    ["{ items: { properties: { b: {} } } }", "{ items: { properties: {} } }", "[].b: removed {}"],
    ["{ $defs: { items: {} } }", "{ $defs: {} }", " $defs items: removed {}"],
    ["{ oneOf: [{ b: 1 }, {}] }", "{ oneOf: [{}, { b: 2 }] }", " oneOf[1] b: changed from 1 to 2"],
    ["{ anyOf: [{}, { type: a }] }", "{ anyOf: [{}] }", ' anyOf: removed {"type":"a"}'],
    ["{ properties: {} }", "{ properties: { __proto__: {} } }", ".__proto__: added {}"],
    ["{ properties: {} }", "{ properties: { toString: {} } }", ".toString: added {}"],
    ["{ properties: {} }", "{ properties: { '[0]': {} } }", ".[0]: added {}"],
    ["{ properties: {} }", "{ properties: { '': {} } }", ".: added {}"],
    ["{ summary: a, title: b }", "{ summary: a, title: c }", " title: changed"],
    ["{}", "{ description: a }", " description: added"],
    ["{ x-a: { b: 1 }, example: 1 }", "{ x-a: { b: 2 } }", " x-a: changed", " example: removed"],
    ["{ properties: { title: 0 } }", "{ properties: { title: 1 } }", ".title: changed from 0 to 1"],
    ["{}", `{ not: { enum: [${"x".repeat(200)}] } }`, ` not: added {"enum":["${"x".repeat(90)}…`],
    ["{}", `{ pattern: ${"x".repeat(200)} }`, ` pattern: added "${"x".repeat(200)}"`],
  ])("from %s to %s is listed by its place", (before, after, ...lines) => {
    expect(changes(inRequest(before), inRequest(after))).toEqual(
      lines.map((line) => `POST /a: request a${line}`),
    );
  });

  it("is no change where only the keys are in another order", () => {
    expect(changes(sending("{ type: a, not: {} }"), sending("{ not: {}, type: a }"))).toEqual([]);
  });
});

describe("a change of an operation", () => {
  const parameter = "{ name: p, in: query }";
  const required = "{ name: p, in: query, required: true }";
  const parameters = (...list: string[]) => `{ parameters: [${list.join(", ")}] }`;
  const content = (types: string) => `{ requestBody: { content: { ${types} } } }`;
  const response = (yaml: string) => `{ responses: { 200: ${yaml} } }`;
  const p = '{"name":"p","in":"query"}';

  it.each<[string, string, ...string[]]>([
    ["{ deprecated: false }", "{ deprecated: true }", "deprecated: changed from false to true"],
    ["{ tags: [a] }", "{ tags: [b] }", 'tags: removed "a"', 'tags: added "b"'],
    ["{ summary: a }", "{ x-b: 1 }", "summary: removed", "x-b: added"],
    ["{}", "{ security: [{ key: [] }] }", 'security: added [{"key":[]}]'],
    ["{}", parameters(parameter), `query parameter p: added ${p}`],
    [parameters(parameter), "{}", `query parameter p: removed ${p}`],
    [parameters("0"), parameters("0", "0"), "null parameter null (repeated): added 0"],
    [parameters(parameter), parameters(required), "query parameter p required: added true"],
    [parameters(parameter, "0"), parameters("0", parameter), "parameters: order changed"],
    ["{}", "{ requestBody: {} }", "request: added {}"],
    ["{ requestBody: {} }", "{ requestBody: { required: true } }", "request required: added true"],
    [content("application/json: {}"), content(""), "request: removed {}"],
    [content(""), content("text/plain: {}"), "request (text/plain): added {}"],
    [response("{}"), "{ responses: {} }", "response 200: removed {}"],
    [response("{}"), response("{ description: a }"), "response 200 description: added"],
    [response("{}"), response("{ headers: { A: {} } }"), "response 200 header A: added {}"],
    ["{ callbacks: {} }", "{ callbacks: { title: {} } }", "callbacks title: added {}"],
  ])("from %s to %s is listed by its place", (before, after, ...lines) => {
    expect(changes(operation(before), operation(after))).toEqual(
      lines.map((line) => `POST /a: ${line}`),
    );
  });
});

describe("a change of the document", () => {
  it.each<[string, string, ...string[]]>([
    ["openapi: 3.0.1", "openapi: 3.1.0", 'openapi: changed from "3.0.1" to "3.1.0"'],
    ["info: { version: a }", "info: { version: b }", 'info: version: changed from "a" to "b"'],
    ["security: []", "security: [{ key: [] }]", 'security: added {"key":[]}'],
    ["servers: [{ url: a }]", "servers: [{ url: b }]", 'servers: [0] url: changed from "a" to "b"'],
    ["{}", "webhooks: { title: {} }", "webhooks: title: added {}"],
    ["paths: {}", "paths: { /b: { get: {}, put: {} } }", "GET /b: added", "PUT /b: added"],
    ["paths: { /b: { get: {} } }", "paths: {}", "GET /b: removed"],
    ["paths: {}", "paths: { /b: {} }", "/b: added"],
    ["paths: { /b: {} }", "paths: { /b: { x-a: 1 } }", "/b: x-a: added"],
    ["paths: { /b: { a: {} } }", "paths: { /b: { a: { get: 1 } } }", "/b: a get: added 1"],
    ["paths: { /b: { parameters: [] } }", "paths: { /b: {} }", "/b: parameters: removed []"],
    ["{}", "components: {}", "components: added"],
    ["components: {}", "components: { headers: {} }", "components: headers: added {}"],
    ["components: {}", "components: { schemas: { A: {} } }", "#/components/schemas/A: added"],
  ])("from %s to %s is listed by its place", (before, after, ...lines) => {
    expect(changes(before, after)).toEqual(lines);
  });
});

describe("a $ref", () => {
  const page = (schema: string, schemas: string) =>
    `${sending(schema)}\ncomponents: { schemas: { ${schemas} } }`;
  const ref = (name: string) => `{ $ref: "#/components/schemas/${name}" }`;

  it("that stays has its target compared once, at its own place", () => {
    const task = (more: string) => `A: { items: ${ref("A")}, not: ${ref("A")}, ${more} }`;
    const after = page(`{ nullable: true, ${ref("A").slice(1)}`, task("type: a"));
    expect(changes(page(ref("A"), task("")), after)).toEqual([
      "POST /a: request nullable: added true",
      '#/components/schemas/A: type: added "a"',
    ]);
  });

  it("in place of an object has its target compared with the object", () => {
    const before = page("{ items: { type: a, maximum: 1 }, not: { type: a, minimum: 2 } }", "");
    const odd = ref("A~1B~01%20D");
    const after = page(`{ items: ${odd}, not: ${odd} }`, `A/B~1 D: ${ref("E")}, E: { type: a }`);
    expect(changes(before, after)).toEqual([
      'POST /a: request[] $ref: added "#/components/schemas/A~1B~01%20D"',
      "POST /a: request[] maximum: removed 1",
      'POST /a: request not $ref: added "#/components/schemas/A~1B~01%20D"',
      "POST /a: request not minimum: removed 2",
      "#/components/schemas/A/B~1 D: added",
      "#/components/schemas/E: added",
    ]);
  });

  it("in place of another has the targets compared, with what is beside them", () => {
    const schemas = "A: { maximum: 1 }, B: { maximum: 2 }";
    const after = page(`{ nullable: true, ${ref("B").slice(1)}`, schemas);
    expect(changes(page(ref("A"), schemas), after)).toEqual([
      'POST /a: request $ref: changed from "#/components/schemas/A" to "#/components/schemas/B"',
      "POST /a: request maximum: changed from 1 to 2",
      "POST /a: request nullable: added true",
    ]);
  });

  it("in place of a path has the operations compared", () => {
    const before = "paths: { /b: { get: {} } }\nwebhooks: { b: {} }";
    const after =
      "paths: { /b: { $ref: '#/webhooks/b' } }\nwebhooks: { b: { get: { tags: [a] } } }";
    expect(changes(before, after)).toEqual([
      '/b: $ref: added "#/webhooks/b"',
      'GET /b: tags: added ["a"]',
      'webhooks: b get: added {"tags":["a"]}',
    ]);
  });

  const lost = ["#/nowhere/0/a", "#/paths/0", "#/tags/9", "b.yaml#/A", "#", "#/100%", ""];

  it.each(lost)("that leads nowhere, such as %j, is listed, and what it replaces", (target) => {
    const [before, after] = ["{ type: a }", `{ $ref: "${target}" }`].map(inRequest);
    expect(changes(`${before}\ntags: []`, `${after}\ntags: []`)).toEqual([
      `POST /a: request a $ref: added ${JSON.stringify(target)}`,
      'POST /a: request a type: removed "a"',
    ]);
  });

  it("that leads to itself ends the comparison", () => {
    const loop = (name: string) =>
      `${name}: { items: ${ref(name)} }, Self${name}: ${ref(`Self${name}`)}`;
    const lines = (one: string, other: string) =>
      changes(page(ref(one), loop("A")), page(ref(other), loop("B")));
    expect(lines("A", "B")).toHaveLength(6);
    expect(lines("SelfA", "SelfB")).toHaveLength(5);
  });
});

describe("two documents", () => {
  const keys = fc.constantFrom(
    ...["/a", "post", "requestBody", "responses", "content", "application/json", "schema", "enum"],
    ...["properties", "items", "oneOf", "$ref", "parameters", "schemas", "A", "x-a"],
  );
  const values = [fc.constantFrom(null, true, false, 0, "a", "#/components/schemas/A")];
  const value = fc.anything({ key: keys, values, maxDepth: 5, maxKeys: 4 }) as fc.Arbitrary<Json>;
  const names = fc.constantFrom("paths", "components", "info");
  const documents = fc.dictionary(names, value, { noNullPrototype: true });

  it("have a change exactly when they differ", () => {
    fc.assert(
      fc.property(documents, documents, (before, after) => {
        expect(changesBetween(before, after).length > 0).toBe(!isDeepStrictEqual(before, after));
        expect(changesBetween(before, structuredClone(before))).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });
});
