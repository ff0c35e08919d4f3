import { describe, expect, it } from "vitest";
import { changesBetween, operationsOf } from "../scripts/changes.js";
import type { Json, JsonObject } from "../scripts/overlay.js";

const text = { type: "string" };

function document(operation: JsonObject, rest: JsonObject = {}): JsonObject {
  return { openapi: "3.0.1", paths: { "/a": { post: operation } }, ...rest };
}

const json = (schema: Json) => ({ content: { "application/json": { schema } } });
const sending = (schema: Json, rest?: JsonObject) => document({ requestBody: json(schema) }, rest);
const answering = (schema: Json, rest?: JsonObject) =>
  document({ responses: { "200": { description: "", ...json(schema) } } }, rest);
const object = (properties: JsonObject, required: string[] = []) => ({
  type: "object",
  properties,
  required,
});

/** Each change in a line, without the operation; `!` says that it is breaking. */
function changes(before: JsonObject, after: JsonObject): string[] {
  return changesBetween(before, after).map(
    ({ place, what, isBreaking }) =>
      `${place.replace(/^POST \/a(?:: )?/, "")}: ${what}${isBreaking ? "!" : ""}`,
  );
}

/** What is said of a property `a` of a request, and of the same one of an answer. */
function ofSchemas(before: Json, after: Json): [string[], string[]] {
  return [sending, answering].map((page) => {
    const place = /^(?:request|answer 200) property a: /;
    return changes(page(object({ a: before })), page(object({ a: after }))).map((line) =>
      line.replace(place, ""),
    );
  }) as [string[], string[]];
}

describe("an operation", () => {
  const other = {
    paths: {
      "/b": {
        get: { parameters: [{ name: "p", in: "query", required: true }], responses: { "200": {} } },
      },
    },
  };

  it("is listed by its method and its path", () => {
    expect(
      operationsOf({
        paths: { "/b": { get: {}, parameters: [], "x-a": {}, post: {} }, "/c": null },
      }),
    ).toEqual(["GET /b", "POST /b"]);
    expect(operationsOf({})).toEqual([]);
  });

  it("is told once when it comes or goes, without its parts", () => {
    expect(changes({}, other)).toEqual(["GET /b: added"]);
    expect(changes(other, {})).toEqual(["GET /b: removed!"]);
  });

  it("goes and comes when its path or its method changes", () => {
    expect(changes({ paths: { "/b": { get: {} } } }, { paths: { "/b": { put: {} } } })).toEqual([
      "GET /b: removed!",
      "PUT /b: added",
    ]);
    expect(changes({ paths: { "/b": { get: {} } } }, { paths: { "/c": { get: {} } } })).toEqual([
      "GET /b: removed!",
      "GET /c: added",
    ]);
  });

  it("is found behind the $ref of its path", () => {
    const shared = {
      paths: { "/b": { $ref: "#/components/pathItems/B" } },
      components: { pathItems: { B: { get: {} } } },
    };
    expect(changes({ paths: { "/b": { get: {} } } }, shared)).toEqual([]);
  });

  it("can be deprecated", () => {
    expect(changes(document({}), document({ deprecated: true }))).toEqual([": is deprecated now"]);
    expect(changes(document({ deprecated: true }), document({ deprecated: false }))).toEqual([
      ": is no longer deprecated",
    ]);
  });

  it("can need another key, its own list before that of the document", () => {
    const bearer = [{ bearer: [], "x-apidog": {} }];
    expect(changes(document({}), document({ security: bearer }))).toEqual([
      ": security changed from none to bearer!",
    ]);
    expect(changes(document({}, { security: bearer }), document({ security: bearer }))).toEqual([]);
    expect(
      changes(document({}, { security: bearer }), document({ security: [] }, { security: bearer })),
    ).toEqual([": security changed from bearer to none"]);
    expect(
      changes(
        document({ security: bearer }),
        document({ security: [{ bearer: [], key: [] }, {}] }),
      ),
    ).toEqual([": security changed from bearer to bearer and key or none"]);
    expect(changes(document({ security: bearer }), document({ security: [{ key: [] }] }))).toEqual([
      ": security changed from bearer to key!",
    ]);
  });

  it("has no change in words, examples, extensions and order", () => {
    const before = {
      summary: "a",
      description: "b",
      tags: ["c"],
      "x-d": 1,
      requestBody: {
        description: "e",
        content: {
          "application/json": {
            schema: {
              type: "object",
              description: "f",
              title: "g",
              example: {},
              default: {},
              properties: { h: text, i: text },
            },
            example: {},
          },
        },
      },
      responses: { "200": { description: "j" } },
    };
    const after = {
      responses: { "200": { description: "" } },
      requestBody: json({ properties: { i: text, h: text }, type: "object", "x-orders": [] }),
    };
    expect(
      changes(document(before), document(after, { info: {}, servers: [{}], tags: [] })),
    ).toEqual([]);
  });
});

describe("a parameter", () => {
  const page = (...parameters: Json[]) => document({ parameters });
  const query = { name: "p", in: "query", schema: text };

  it("comes and goes, breaking where it is required", () => {
    expect(changes(page(), page(query))).toEqual(["query parameter p: added"]);
    expect(changes(page(), page({ ...query, required: true }))).toEqual([
      "query parameter p: added, required!",
    ]);
    expect(changes(page(query), page())).toEqual(["query parameter p: removed!"]);
    expect(changes(page(query), page({ ...query, in: "cookie" }))).toEqual([
      "query parameter p: removed!",
      "cookie parameter p: added",
    ]);
  });

  it("changes what it is, and whether it is required", () => {
    expect(changes(page(query), page({ ...query, required: true }))).toEqual([
      "query parameter p: is required now!",
    ]);
    expect(changes(page({ ...query, required: true }), page(query))).toEqual([
      "query parameter p: is optional now",
    ]);
    expect(changes(page(query), page({ ...query, schema: { type: "integer" } }))).toEqual([
      "query parameter p: type changed from string to integer!",
    ]);
    expect(
      changes(
        page({ ...query, schema: object({ a: text }) }),
        page({ name: "p", in: "query", ...json(object({})) }),
      ),
    ).toEqual(["query parameter p.a: removed!"]);
  });

  it("is the same where it moves to its path, or behind a $ref, and its operation's comes first", () => {
    const ref = { $ref: "#/components/parameters/P" };
    const moved = {
      paths: {
        "/a": {
          parameters: [query, { ...query, name: "q", required: true }],
          post: { parameters: [{ ...query, name: "q" }] },
        },
      },
    };
    const before = page(query, { ...query, name: "q" });
    expect(changes(before, moved)).toEqual([]);
    expect(changes(moved, before)).toEqual([]);
    expect(
      changes(
        page(query),
        document({ parameters: [ref] }, { components: { parameters: { P: query } } }),
      ),
    ).toEqual([]);
  });

  it("breaks nobody when it is a header that OpenAPI ignores", () => {
    const headers = ["Content-Type", "authorization", "Accept", "X-Key"].map((name) => ({
      name,
      in: "header",
      required: true,
    }));
    expect(changes(page(), page(...headers))).toEqual([
      "header parameter Content-Type: added, required",
      "header parameter authorization: added, required",
      "header parameter Accept: added, required",
      "header parameter X-Key: added, required!",
    ]);
  });
});

describe("a request", () => {
  it("comes and goes, breaking where it is required", () => {
    const body = { ...json(object({ a: text }, ["a"])), required: true };
    expect(changes(document({}), sending(object({ a: text }, ["a"])))).toEqual(["request: added"]);
    expect(changes(document({}), document({ requestBody: body }))).toEqual([
      "request: added, required!",
    ]);
    expect(changes(document({ requestBody: body }), document({}))).toEqual(["request: removed!"]);
    expect(
      changes(sending(body.content["application/json"].schema), document({ requestBody: body })),
    ).toEqual(["request: is required now!"]);
  });

  it("is another one in another media type", () => {
    const form = document({
      requestBody: { content: { "multipart/form-data": { schema: object({ a: text }) } } },
    });
    expect(changes(sending(object({ a: text })), form)).toEqual([
      "request: removed!",
      "request (multipart/form-data): added",
    ]);
    const charset = document({
      requestBody: { content: { "application/json; charset=utf-8": { schema: object({}) } } },
    });
    expect(changes(sending(object({})), charset)).toEqual([]);
  });

  it("is the same behind a $ref", () => {
    const shared = document(
      { requestBody: { $ref: "#/components/requestBodies/B" } },
      { components: { requestBodies: { B: json(object({ a: text })) } } },
    );
    expect(changes(sending(object({ a: text })), shared)).toEqual([]);
  });
});

describe("an answer", () => {
  it("comes and goes by its status", () => {
    const page = (...statuses: string[]) =>
      document({
        responses: Object.fromEntries(
          statuses.map((status) => [status, json(object({ a: text }))]),
        ),
      });
    expect(changes(page("200"), page("200", "4XX"))).toEqual(["answer 4XX: added"]);
    expect(changes(page("200", "default"), page("200"))).toEqual(["answer default: removed!"]);
  });

  it("comes and goes by its media type", () => {
    const empty = document({ responses: { "200": { description: "" } } });
    expect(changes(empty, answering(object({ a: text })))).toEqual(["answer 200: content added"]);
    expect(changes(answering(object({ a: text })), empty)).toEqual([
      "answer 200: content removed!",
    ]);
  });

  it("has headers", () => {
    const page = (headers: JsonObject) =>
      document(
        { responses: { "200": { headers } } },
        { components: { headers: { L: { schema: { type: "integer" } } } } },
      );
    const limit = { "X-Limit": { $ref: "#/components/headers/L" } };
    expect(changes(page({}), page(limit))).toEqual(["answer 200 header X-Limit: added"]);
    expect(changes(page(limit), page({ "X-Limit": { schema: text } }))).toEqual([
      "answer 200 header X-Limit: type changed from integer to string!",
    ]);
    expect(changes(page(limit), page({}))).toEqual(["answer 200 header X-Limit: removed!"]);
  });

  it("is filled in property by property", () => {
    expect(
      changes(
        answering({ type: "object", properties: {} }),
        answering(object({ code: { type: "integer" }, data: object({ id: text }) }, ["code"])),
      ),
    ).toEqual(["answer 200 property code: added", "answer 200 property data: added"]);
  });
});

describe("a property", () => {
  it("comes and goes with all that is in it, told once", () => {
    const whole = object({ b: object({ c: text }, ["c"]) }, ["b"]);
    expect(changes(sending(object({})), sending(object({ a: whole })))).toEqual([
      "request property a: added",
    ]);
    expect(changes(sending(object({ a: whole })), sending(object({})))).toEqual([
      "request property a: removed!",
    ]);
    expect(changes(sending(object({ a: object({}) })), sending(object({ a: whole })))).toEqual([
      "request property a.b: added, required!",
    ]);
    expect(changes(answering(object({ a: whole })), answering(object({ a: object({}) })))).toEqual([
      "answer 200 property a.b: removed!",
    ]);
    expect(changes(answering(object({})), answering(object({ a: text }, ["a"])))).toEqual([
      "answer 200 property a: added",
    ]);
  });

  it("is required or optional, which breaks callers who write it or who read it", () => {
    const [optional, required] = [object({ a: text }), object({ a: text }, ["a"])];
    expect(changes(sending(optional), sending(required))).toEqual([
      "request property a: is required now!",
    ]);
    expect(changes(sending(required), sending(optional))).toEqual([
      "request property a: is optional now",
    ]);
    expect(changes(answering(optional), answering(required))).toEqual([
      "answer 200 property a: is required now",
    ]);
    expect(changes(answering(required), answering(optional))).toEqual([
      "answer 200 property a: is optional now!",
    ]);
  });

  it("is required also where it has no schema", () => {
    expect(changes(sending(object({ a: text })), sending(object({ a: text }, ["b"])))).toEqual([
      "request property b: added, required!",
    ]);
    expect(changes(sending(object({}, ["b"])), sending(object({})))).toEqual([
      "request property b: removed!",
    ]);
    expect(changes(sending(object({}, ["b"])), sending(object({ b: text }, ["b"])))).toEqual([
      "request property b: type changed from anything to string!",
    ]);
  });

  it.each(["constructor", "__proto__", "toString", "", "a.b", "名字"])(
    "may be named %j",
    (name) => {
      const named = object(JSON.parse(`{${JSON.stringify(name)}: {}}`) as JsonObject);
      expect(changes(sending(object({})), sending(named))).toEqual([
        `request property ${name}: added`,
      ]);
      expect(changes(sending(named), sending(object({})))).toEqual([
        `request property ${name}: removed!`,
      ]);
    },
  );
});

describe("a schema", () => {
  it.each<[string, Json, Json, string, "write" | "read" | "both" | "none"]>([
    ["another type", text, { type: "integer" }, "type changed from string to integer", "both"],
    [
      "a wider number",
      { type: "integer" },
      { type: "number" },
      "type changed from integer to number",
      "read",
    ],
    [
      "a narrower number",
      { type: "number" },
      { type: "integer" },
      "type changed from number to integer",
      "write",
    ],
    ["a first type", {}, text, "type changed from anything to string", "write"],
    ["no type any more", text, {}, "type changed from string to anything", "read"],
    [
      "null as well, in 3.0",
      text,
      { type: "string", nullable: true },
      "type changed from string to null or string",
      "read",
    ],
    [
      "null no more, in 3.1",
      { type: ["string", "null"] },
      text,
      "type changed from null or string to string",
      "write",
    ],
    [
      "one of several types",
      { type: ["string", "integer"] },
      { type: ["integer", "boolean"] },
      "type changed from integer or string to boolean or integer",
      "both",
    ],
    [
      "one of several schemas",
      text,
      { oneOf: [text, { type: "integer" }] },
      "type changed from string to integer or string",
      "read",
    ],
    ["a list of values", text, { ...text, enum: ["a", "b"] }, "is limited to a, b", "write"],
    ["no list of values", { ...text, enum: ["a"] }, text, "is no longer limited to a", "read"],
    [
      "a value less",
      { ...text, enum: ["a", "b"] },
      { ...text, enum: ["a"] },
      "values removed: b",
      "write",
    ],
    [
      "a value more",
      { enum: [1] },
      { enum: [1, null, { b: "c" }] },
      'values added: null, {"b":"c"}',
      "read",
    ],
    [
      "one value",
      { ...text, enum: ["a", "b"] },
      { ...text, const: "a" },
      "values removed: b",
      "write",
    ],
    [
      "the values of its branches",
      { ...text, enum: ["a"] },
      {
        oneOf: [
          { ...text, enum: ["a"] },
          { ...text, enum: ["b"] },
        ],
      },
      "values added: b",
      "read",
    ],
    ["a limit", text, { ...text, maxLength: 5 }, "maxLength added: 5", "write"],
    ["no limit", { ...text, maxLength: 5 }, text, "maxLength removed: 5", "read"],
    ["a wider upper limit", { maximum: 1 }, { maximum: 2 }, "maximum changed from 1 to 2", "read"],
    [
      "a narrower upper limit",
      { maxItems: 10 },
      { maxItems: 9 },
      "maxItems changed from 10 to 9",
      "write",
    ],
    [
      "a wider lower limit",
      { minLength: 2 },
      { minLength: 0 },
      "minLength changed from 2 to 0",
      "read",
    ],
    [
      "a narrower lower limit",
      { minimum: 0 },
      { minimum: 0.8 },
      "minimum changed from 0 to 0.8",
      "write",
    ],
    [
      "another format",
      { ...text, format: "date" },
      { ...text, format: "uri" },
      "format changed from date to uri",
      "both",
    ],
    [
      "another pattern",
      { ...text, pattern: "a" },
      { ...text, pattern: "b" },
      "pattern changed from a to b",
      "both",
    ],
  ])("is compared where it has %s", (_, before, after, what, breaks) => {
    const [sent, read] = ofSchemas(before, after);
    expect(sent).toEqual([`${what}${breaks === "write" || breaks === "both" ? "!" : ""}`]);
    expect(read).toEqual([`${what}${breaks === "read" || breaks === "both" ? "!" : ""}`]);
  });

  it("is compared within lists and maps", () => {
    const list = (items?: Json) => ({ type: "array", ...(items !== undefined && { items }) });
    const place = "request property a";
    const of = (before: Json, after: Json) =>
      changes(sending(object({ a: before })), sending(object({ a: after })));
    expect(of(list(text), list({ type: "integer" }))).toEqual([
      `${place}[]: type changed from string to integer!`,
    ]);
    expect(of(list(object({ b: text })), list(object({})))).toEqual([`${place}[].b: removed!`]);
    expect(of(list(), list(text))).toEqual([`${place}[]: type changed from anything to string!`]);
    expect(of(list(list(text)), list(list({})))).toEqual([
      `${place}[][]: type changed from string to anything`,
    ]);
    expect(of(list(text), text)).toEqual([`${place}: type changed from array to string!`]);
    expect(
      of(
        { type: "object", additionalProperties: text },
        { type: "object", additionalProperties: { type: "integer" } },
      ),
    ).toEqual([`${place}.(any name): type changed from string to integer!`]);
    expect(of(object({ b: text }), text)).toEqual([
      `${place}: type changed from object to string!`,
    ]);
    expect(changes(sending(list(object({ b: text }))), sending(list(object({}))))).toEqual([
      "request[].b: removed!",
    ]);
  });

  it("is compared as a whole with its allOf, oneOf and anyOf", () => {
    const flat = object({ a: text, b: text }, ["a"]);
    expect(
      changes(
        sending(flat),
        sending({ allOf: [object({ a: text }, ["a"]), { properties: { b: text } }] }),
      ),
    ).toEqual([]);
    expect(
      changes(
        sending(flat),
        sending({
          ...flat,
          required: [],
          allOf: [{ required: ["a"] }, { oneOf: [{ required: ["a"] }, { required: ["b"] }] }],
        }),
      ),
    ).toEqual([]);
    // What one branch requires, another does not.
    expect(changes(sending(flat), sending({ anyOf: [flat, object({ b: text })] }))).toEqual([
      "request property a: is optional now",
    ]);
    expect(
      changes(sending({ allOf: [text, { maxLength: 3 }] }), sending({ type: "string" })),
    ).toEqual(["request: maxLength removed: 3"]);
    expect(
      changes(
        sending({ oneOf: [{ type: "array", items: text }] }),
        sending({ type: "array", items: {} }),
      ),
    ).toEqual(["request[]: type changed from string to anything"]);
  });

  it("is the same behind a $ref, and compared where the $ref leads", () => {
    const components = (schema: Json) => ({
      components: {
        schemas: { "A/B~C D": schema, E: { $ref: "#/components/schemas/A~1B~0C%20D" } },
      },
    });
    const ref = { $ref: "#/components/schemas/E" };
    expect(
      changes(sending(object({ a: text })), sending(ref, components(object({ a: text })))),
    ).toEqual([]);
    expect(
      changes(
        answering(ref, components(object({ a: text }))),
        answering(ref, components(object({}))),
      ),
    ).toEqual(["answer 200 property a: removed!"]);
  });

  it.each(["#/nowhere/0/a", "#/paths/x", "other.yaml#/A", "#/100%", "#", ""])(
    "is nothing known where its $ref is %j",
    ($ref) => {
      expect(changes(sending({ $ref }), sending({ $ref }))).toEqual([]);
    },
  );

  it("may contain itself, and is told at its first place", () => {
    const task = (more: JsonObject) => ({
      components: {
        schemas: {
          Task: object({
            child: { $ref: "#/components/schemas/Task" },
            all: { type: "array", items: { $ref: "#/components/schemas/Task" } },
            ...more,
          }),
          Loop: { allOf: [{ $ref: "#/components/schemas/Loop" }] },
          Self: { $ref: "#/components/schemas/Self" },
        },
      },
    });
    const ref = { $ref: "#/components/schemas/Task" };
    expect(changes(answering(ref, task({ a: text })), answering(ref, task({})))).toEqual([
      "answer 200 property a: removed!",
    ]);
    for (const name of ["Loop", "Self"]) {
      const round = sending({ $ref: `#/components/schemas/${name}` }, task({}));
      expect(changes(round, structuredClone(round))).toEqual([]);
      expect(changes(round, sending(text))).toEqual([
        "request: type changed from anything to string!",
      ]);
    }
  });

  it("may refer to every other, which takes no longer than it must", () => {
    const names = Array.from({ length: 40 }, (_, index) => `S${index}`);
    const all = (more: JsonObject) =>
      Object.fromEntries(
        names.map((name) => [
          name,
          object({
            ...Object.fromEntries(
              names.map((other) => [other, { $ref: `#/components/schemas/${other}` }]),
            ),
            ...(name === "S39" && more),
          }),
        ]),
      );
    const page = (more: JsonObject) =>
      answering({ $ref: "#/components/schemas/S0" }, { components: { schemas: all(more) } });
    expect(changes(page({}), page({ a: text }))).toHaveLength(1);
  });
});
