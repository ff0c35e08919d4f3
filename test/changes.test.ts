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
    ["{ maximum: 1 }", "{ maximum: 2 }", " maximum: changed from 1 to 2"],
    ["{ pattern: ^a$ }", "{ nullable: true }", ' pattern: removed "^a$"', " nullable: added true"],
    ["{ enum: [b] }", "{ const: b }", ' enum: removed ["b"]', ' const: added "b"'],
    ["{ enum: [b, 1] }", "{ enum: [1, null] }", ' enum: removed "b"', " enum: added null"],
    ["{ enum: [b] }", "{ enum: [] }", ' enum: removed "b"'],
    ["{ enum: [b, c] }", "{ enum: [c, b] }", " enum: order changed"],
    ["{ enum: [b] }", "{ enum: [b, b] }", ' enum: changed from ["b"] to ["b","b"]'],
    ["{ required: [b] }", "{ required: [b, c] }", ' required: added "c"'],
    ["{ default: { b: [1] } }", "{ default: { b: 2 } }", " default b: changed from [1] to 2"],
    ["{ properties: {} }", "{ properties: { b: {} } }", ".b: added {}"],
    ["{}", "{ properties: { b: {}, c: {} } }", ".b: added {}", ".c: added {}"],
    ["{}", "{ properties: {} }", " properties: added {}"],
    ["{ items: { items: {} } }", "{ items: { items: true } }", "[][]: changed from {} to true"],
    ["{ items: { properties: { b: {} } } }", "{ items: { properties: {} } }", "[].b: removed {}"],
    ["{ $defs: { b: {} } }", "{ $defs: {} }", " $defs b: removed {}"],
    [
      "{ oneOf: [{}, { not: 1 }] }",
      "{ oneOf: [{ not: 2 }, {}] }",
      " oneOf[0] not: changed from 1 to 2",
    ],
    ["{ anyOf: [{}, { type: a }] }", "{ anyOf: [{}] }", ' anyOf: removed {"type":"a"}'],
    ["{ summary: a, title: b }", "{ summary: c, title: b }", " summary: changed"],
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

  it.each(["constructor", "__proto__", "toString", "''", "a.b", "'[0]'", "名字"])(
    "may be a property named %s",
    (name) => {
      const after = sending(`{ properties: { ${name}: {} } }`);
      expect(changes(sending("{ properties: {} }"), after)).toEqual([
        `POST /a: request ${name.replaceAll("'", "")}: added {}`,
      ]);
    },
  );

  it("is no change where only the keys are in another order", () => {
    expect(changes(sending("{ type: a, not: {} }"), sending("{ not: {}, type: a }"))).toEqual([]);
  });
});

describe("a change of an operation", () => {
  const p = "{ name: p, in: query }";
  const required = "{ name: p, in: query, required: true }";
  const parameters = (...list: string[]) => `{ parameters: [${list.join(", ")}] }`;
  const added = 'added {"name":"p","in":"query"}';

  it.each<[string, string, ...string[]]>([
    ["{ deprecated: false }", "{ deprecated: true }", "deprecated: changed from false to true"],
    ["{ tags: [a] }", "{ tags: [b] }", 'tags: removed "a"', 'tags: added "b"'],
    ["{ summary: a }", "{ x-b: 1 }", "summary: removed", "x-b: added"],
    ["{}", "{ security: [{ key: [] }] }", 'security: added [{"key":[]}]'],
    ["{}", parameters(p), `query parameter p: ${added}`],
    [parameters(p), "{}", `query parameter p: ${added.replace("added", "removed")}`],
    [parameters(p), parameters(p, p), `query parameter p (repeated): ${added}`],
    [parameters(p), parameters(required), "query parameter p required: added true"],
    [parameters(p, "{ in: b }"), parameters("{ in: b }", p), "parameters: order changed"],
    [parameters(), parameters("0"), "null parameter null: added 0"],
    ["{}", "{ requestBody: {} }", "request: added {}"],
    ["{ requestBody: {} }", "{ requestBody: { required: true } }", "request required: added true"],
    [
      "{ requestBody: { content: { application/json: {} } } }",
      "{ requestBody: { content: { text/plain: {} } } }",
      "request: removed {}",
      "request (text/plain): added {}",
    ],
    [
      "{ responses: { '200': {}, 4XX: {} } }",
      "{ responses: { '200': { description: a } } }",
      "response 200 description: added",
      "response 4XX: removed {}",
    ],
    [
      "{ responses: { '200': {} } }",
      "{ responses: { '200': { headers: { X-A: {} } } } }",
      "response 200 header X-A: added {}",
    ],
    ["{ callbacks: { a: { $b: 1 } } }", "{ callbacks: { a: {} } }", "callbacks a $b: removed 1"],
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
    ["{}", "webhooks: { done: {} }", "webhooks: done: added {}"],
    ["paths: {}", "paths: { /b: { get: {}, put: {} } }", "GET /b: added", "PUT /b: added"],
    [
      "paths: { /b: { get: {} } }",
      "paths: { /c: { get: {} } }",
      "GET /b: removed",
      "GET /c: added",
    ],
    ["paths: {}", "paths: { /b: {} }", "/b: added"],
    [
      "paths: { /b: {} }",
      "paths: { /b: { x-a: 1, parameters: [{ in: a, name: b }] } }",
      "/b: x-a: added",
      '/b: a parameter b: added {"in":"a","name":"b"}',
    ],
    ["{}", "components: {}", "components: added"],
    [
      "components: {}",
      "components: { headers: {}, schemas: { A: {} } }",
      "components: headers: added {}",
      "#/components/schemas/A: added",
    ],
    [
      "components: { parameters: { A: {} } }",
      "components: { parameters: { A: { in: a } } }",
      '#/components/parameters/A: in: added "a"',
    ],
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
    expect(changes(page(ref("A"), task("")), page(ref("A"), task("type: a")))).toEqual([
      '#/components/schemas/A: type: added "a"',
    ]);
  });

  it("in place of an object has its target compared with the object", () => {
    const before = page("{ type: a, maximum: 1 }", "");
    const after = page(ref("A~1B~0C%20D"), `A/B~C D: ${ref("E")}, E: { type: a }`);
    expect(changes(before, after)).toEqual([
      'POST /a: request $ref: added "#/components/schemas/A~1B~0C%20D"',
      "POST /a: request maximum: removed 1",
      "#/components/schemas/A/B~C D: added",
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
    const after =
      "{ paths: { /b: { $ref: '#/webhooks/b' } }, webhooks: { b: { get: { tags: [a] } } } }";
    expect(changes("{ paths: { /b: { get: {} } }, webhooks: { b: {} } }", after)).toEqual([
      '/b: $ref: added "#/webhooks/b"',
      'GET /b: tags: added ["a"]',
      'webhooks: b get: added {"tags":["a"]}',
    ]);
  });

  it.each(["#/nowhere/0/a", "#/paths/0", "#/tags/9", "b.yaml#/A", "#", "#/100%", ""])(
    "that leads nowhere, such as %j, is listed, and what it replaces",
    (target) => {
      const [before, after] = ["{ type: a }", `{ $ref: "${target}" }`].map(inRequest);
      const lines = changes(`${before}\ntags: []`, `${after}\ntags: []`);
      expect(lines).toEqual([
        `POST /a: request a $ref: added ${JSON.stringify(target)}`,
        'POST /a: request a type: removed "a"',
      ]);
    },
  );

  it("that leads to itself ends the comparison", () => {
    const loop = (name: string) =>
      `${name}: { items: ${ref(name)} }, Self${name}: ${ref(`Self${name}`)}`;
    const lines = (one: string, other: string) =>
      changes(page(ref(one), loop("A")), page(ref(other), loop("B"))).slice(0, 2);
    expect(lines("A", "B").map((line) => line.slice(0, 25))).toEqual([
      "POST /a: request $ref: ch",
      "POST /a: request[] $ref: ",
    ]);
    expect(lines("SelfA", "SelfB")[1]).toBe("#/components/schemas/A: removed");
  });
});

describe("two documents", () => {
  const { value } = fc.letrec<{ value: Json }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 5 },
      fc.constantFrom<Json>(null, true, false, 0, "a", "#/components/schemas/A"),
      fc.array(tie("value"), { maxLength: 3 }),
      fc.dictionary(
        fc.constantFrom(
          ...["/a", "post", "requestBody", "responses", "content", "application/json", "schema"],
          ...["properties", "items", "oneOf", "$ref", "parameters", "schemas", "A", "x-a", "enum"],
        ),
        tie("value"),
        { maxKeys: 4, noNullPrototype: true },
      ),
    ),
  }));
  const documents = fc.dictionary(fc.constantFrom("paths", "components", "info"), value, {
    noNullPrototype: true,
  });

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
