import { mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import ts from "typescript";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { stringify } from "yaml";
import { generate, type Source } from "../scripts/generate.js";
import type { Json, JsonObject } from "../scripts/overlay.js";

// The compiler and a large document are slow on a machine that is busy.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const none: Source = { file: "overlay.yaml", text: "{ overlay: 1.1.0, actions: [] }" };

let temporary = "";
beforeAll(async () => {
  temporary = await mkdtemp(path.join(os.tmpdir(), "scale-"));
});
afterAll(async () => {
  await rm(temporary, { recursive: true });
});

/** The types of a page, without any correction. */
async function typesOf(page: JsonObject | string): Promise<string> {
  const text = typeof page === "string" ? page : stringify(page);
  const files = await generate({ file: "page.yaml", text }, none);
  return files.get("schema.ts") ?? "";
}

const info = { title: "", version: "1.0.0" };
const json = (schema: Json, rest: JsonObject = {}) => ({
  content: { "application/json": { schema, ...rest } },
});
const ok = (schema: Json = { type: "object", properties: {} }) => ({
  "200": { description: "", ...json(schema), headers: {}, "x-apifox-name": "成功" },
});
const text = { type: "string" };
const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` });

/** A document of one operation that sends this and answers with it. */
function page(schema: Json, rest: JsonObject = {}, openapi = "3.0.1"): JsonObject {
  const post = { summary: "", requestBody: json(schema), responses: ok(schema) };
  return { openapi, info, paths: { "/kling/v1/things": { post } }, ...rest };
}

const components = {
  schemas: {
    Task: {
      type: "object",
      required: ["id"],
      properties: {
        id: text,
        parent: ref("Task"),
        children: { type: "array", items: ref("Task") },
      },
    },
    "名字 with spaces/and~marks": { type: "string", enum: ["a"] },
    Cat: {
      type: "object",
      required: ["kind"],
      properties: { kind: text, lives: { type: "integer" } },
    },
    Dog: { type: "object", required: ["kind"], properties: { kind: text } },
  },
  parameters: { Page: { name: "page", in: "query", schema: { type: "integer", default: 1 } } },
  responses: { Failed: { description: "", ...json(ref("Task")) } },
  requestBodies: { Thing: json(ref("Task")) },
  headers: { Limit: { schema: { type: "integer" } } },
  examples: { One: { value: { id: "1" } } },
};

const oddNames = {
  type: "object",
  required: ["constructor", "n", "not-a-property"],
  properties: {
    n: { type: "integer" },
    constructor: text,
    toString: text,
    ["__proto__"]: text,
    "with 'single' and \"double\" quotes": text,
    "with\nline ends\r\nand a \\": text,
    "with `backticks` and ${dollars}": text,
    中文名字: text,
    "": text,
    "0": text,
    "-1": text,
    "1e3": text,
    class: text,
    $ref_like: text,
    "a.b[c]": text,
    "/*": text,
    "*/": text,
    "\u2028\u2029\u0000": text,
  },
};

const documents: [string, JsonObject | string][] = [
  ["nothing but a version", { openapi: "3.0.1" }],
  ["no paths in 3.1", { openapi: "3.1.0", info }],
  ["empty paths", { openapi: "3.0.1", info, paths: {}, components: {}, servers: [], security: [] }],
  [
    "an operation without anything",
    { openapi: "3.0.1", info, paths: { "/a": { get: { responses: {} } } } },
  ],
  ["an operation without responses", { openapi: "3.0.1", info, paths: { "/a": { get: {} } } }],
  ["an empty schema", page({})],
  [
    "nullable",
    page({
      type: "object",
      nullable: true,
      properties: {
        a: { type: "string", nullable: true },
        b: { nullable: true },
        c: { type: "string", enum: ["x", null], nullable: true },
      },
    }),
  ],
  [
    "lists of types",
    page(
      {
        type: ["object", "null"],
        properties: {
          a: { type: ["string", "null"] },
          b: { type: ["integer", "string", "boolean", "array"] },
          c: { type: "null" },
        },
      },
      {},
      "3.1.0",
    ),
  ],
  [
    "const, $defs and examples",
    page(
      {
        type: "object",
        $defs: { Inner: { type: "object", properties: { v: { const: "*/ text" } } } },
        properties: {
          a: { const: 1 },
          c: { type: "string", examples: ["*/", "`${x}`"] },
          d: { type: "array", prefixItems: [text, { type: "integer" }] },
          e: true,
          f: { contentMediaType: "image/png", contentEncoding: "base64" },
          g: { patternProperties: { "^x": text }, type: "object" },
          h: { if: { required: ["a"] }, then: {}, else: {} },
        },
      },
      {},
      "3.1.1",
    ),
  ],
  [
    "oneOf, anyOf, allOf and not",
    page(
      {
        type: "object",
        properties: {
          a: { oneOf: [text, { type: "integer" }] },
          b: { anyOf: [text, { type: "object", properties: { x: text } }] },
          c: {
            allOf: [
              ref("Task"),
              { type: "object", required: ["extra"], properties: { extra: text } },
            ],
          },
          d: { not: text },
          e: { oneOf: [{ required: ["a"] }, { required: ["b"] }] },
          f: { allOf: [] },
          g: { oneOf: [] },
        },
      },
      { components },
    ),
  ],
  [
    "a discriminator",
    page(
      {
        oneOf: [ref("Cat"), ref("Dog")],
        discriminator: {
          propertyName: "kind",
          mapping: { cat: "#/components/schemas/Cat", dog: "#/components/schemas/Dog" },
        },
      },
      { components },
    ),
  ],
  [
    "references of every kind",
    {
      openapi: "3.0.1",
      info,
      components,
      paths: {
        "/a": {
          post: {
            parameters: [{ $ref: "#/components/parameters/Page" }],
            requestBody: { $ref: "#/components/requestBodies/Thing" },
            responses: {
              "200": {
                description: "",
                headers: { Limit: { $ref: "#/components/headers/Limit" } },
                ...json(ref("名字 with spaces~1and~0marks"), {
                  examples: { one: { $ref: "#/components/examples/One" } },
                }),
              },
              default: { $ref: "#/components/responses/Failed" },
            },
          },
        },
        "/b": { $ref: "#/paths/~1a" },
      },
    },
  ],
  ["a schema that contains itself", page(ref("Task"), { components })],
  [
    "enums with odd names",
    page({
      type: "object",
      properties: {
        mode: {
          type: "string",
          enum: ["std（高性能）", "pro（高表现）", "", " ", "it's", '"', "\\", "\n", "*/"],
        },
        ratio: { type: "string", enum: ["16:9", "9:16"] },
        count: { type: "integer", enum: [-1, 0, 1.5] },
        on: { type: "boolean", enum: [true] },
        mixed: { enum: ["a", 1, null, true, { k: "v" }, ["l"]] },
        none: { type: "string", enum: [] },
      },
    }),
  ],
  ["properties with odd names", page(oddNames)],
  [
    "odd names in components, tags and operations",
    {
      openapi: "3.0.1",
      info,
      tags: [{ name: "可灵 Kling/对口型" }],
      components,
      paths: {
        "/a b/中文/{id}": {
          get: {
            operationId: "查询 'task' */",
            tags: ["可灵 Kling/对口型"],
            parameters: [
              { name: "id", in: "path", required: true, schema: text },
              { name: "X-'Odd' \"Header\"", in: "header", schema: text },
              { name: "filter[a]", in: "query", schema: text },
              { name: "c", in: "cookie", schema: text },
            ],
            responses: ok(),
          },
        },
      },
    },
  ],
  [
    "ends of comments in every text",
    page({
      type: "object",
      title: "*/",
      description: "a */ b\n/* c \r\n * d",
      properties: {
        a: {
          type: "string",
          description: "*/ export const x = 1; /*",
          default: "*/",
          example: { a: "*/" },
          format: "*/",
        },
      },
    }),
  ],
  [
    "an example that is a text with // comments",
    {
      openapi: "3.0.1",
      info,
      paths: {
        "/a": {
          post: {
            requestBody: json(
              { type: "object", properties: {} },
              { example: '{\r\n  "a": 1, // one */\r\n}' },
            ),
            responses: ok(),
          },
        },
      },
    },
  ],
  [
    "webhooks",
    {
      openapi: "3.1.0",
      info,
      webhooks: {
        done: {
          post: { requestBody: json(ref("Task")), responses: { "204": { description: "" } } },
        },
      },
      components,
    },
  ],
  [
    "callbacks",
    {
      openapi: "3.0.1",
      info,
      components,
      paths: {
        "/a": {
          post: {
            requestBody: json({ type: "object", properties: { callback_url: text } }),
            responses: ok(),
            callbacks: {
              done: {
                "{$request.body#/callback_url}": {
                  post: { requestBody: json(ref("Task")), responses: ok() },
                },
              },
            },
          },
        },
      },
    },
  ],
  [
    "parameters of the path",
    {
      openapi: "3.0.1",
      info,
      paths: {
        "/a/{id}": {
          parameters: [{ name: "id", in: "path", required: true, schema: text }],
          get: {
            parameters: [{ name: "id", in: "path", required: true, schema: { type: "integer" } }],
            responses: ok(),
          },
          delete: { responses: {} },
        },
      },
    },
  ],
  [
    "answers without content and of every status",
    {
      openapi: "3.0.1",
      info,
      paths: {
        "/a": {
          get: {
            responses: {
              "204": { description: "" },
              "4XX": { description: "" },
              default: { description: "", ...json(text) },
            },
          },
        },
      },
    },
  ],
  [
    "binary and form bodies",
    {
      openapi: "3.0.1",
      info,
      paths: {
        "/a": {
          post: {
            requestBody: {
              content: {
                "multipart/form-data": {
                  schema: {
                    type: "object",
                    properties: { file: { type: "string", format: "binary" } },
                  },
                },
                "application/octet-stream": { schema: { type: "string", format: "binary" } },
                "application/x-www-form-urlencoded": {},
                "*/*": { schema: {} },
              },
            },
            responses: {
              "200": {
                description: "",
                content: { "audio/mpeg": { schema: { type: "string", format: "binary" } } },
              },
            },
          },
        },
      },
    },
  ],
  [
    "a security scheme of a type that there is not, as Apidog exports",
    page(
      { type: "object" },
      {
        components: { securitySchemes: { BearerAuth: { type: "bearer", scheme: "bearer" } } },
        security: [{ BearerAuth: [], "x-apidog": { required: true } }],
      },
    ),
  ],
  [
    "arrays of arrays, and without items",
    page({
      type: "array",
      items: { type: "array", items: { type: "array" } },
      minItems: 1,
      maxItems: 2,
    }),
  ],
  [
    "maps",
    page({
      type: "object",
      properties: {
        a: { type: "object", additionalProperties: text },
        b: { type: "object", additionalProperties: false },
        c: { type: "object", additionalProperties: {}, properties: { x: { type: "integer" } } },
        d: { type: "object", additionalProperties: text, properties: { x: { type: "integer" } } },
      },
    }),
  ],
  [
    "types that there are not",
    page({
      type: "object",
      properties: { a: { type: "" }, b: { type: "file" }, c: { type: "any" }, d: { type: "int" } },
    }),
  ],
  [
    "what exporters leave empty",
    page(
      { type: "object", properties: {}, required: [], "x-apifox-orders": [] },
      {
        components: { schemas: {}, securitySchemes: {} },
        tags: [],
        servers: [{ url: "https://gateway.example", description: "正式环境" }],
        security: [],
      },
    ),
  ],
  [
    "thousands of aliases",
    `${stringify(documentOf(20))}x-list:\n  - &one { a: b }\n${"  - *one\n".repeat(5000)}`,
  ],
  [
    "a parameter that is there twice",
    {
      openapi: "3.0.1",
      info,
      paths: {
        "/a": {
          get: {
            parameters: [
              { name: "p", in: "query", schema: text },
              { name: "p", in: "query", schema: { type: "integer" } },
            ],
            responses: {},
          },
        },
      },
    },
  ],
  [
    "an alias",
    "openapi: 3.0.1\ninfo: { title: '', version: '1' }\npaths:\n  /a: &a\n    get: { responses: { '200': { description: '' } } }\n  /b: *a\n",
  ],
];

const refused: [string, JsonObject, RegExp][] = [
  [
    "leads nowhere with a $ref",
    page(ref("Nothing")),
    /^Can't resolve \$ref at #\/paths\/~1kling~1v1~1things\/post\/.+\/schema$/,
  ],
  [
    "leads to a file that is not there",
    page({ $ref: "./other.yaml#/Thing" }),
    /^Can't resolve \$ref: ENOENT: .+ at #\/paths\/~1kling~1v1~1things\/post\/.+\/schema$/,
  ],
  [
    "has an example that looks like a $ref",
    page({ type: "object", example: ref("Nothing") }),
    /^Can't resolve \$ref at #\/paths\/.+\/example$/,
  ],
  [
    "has a schema that is itself",
    page(ref("A"), { components: { schemas: { A: ref("B"), B: ref("A") } } }),
    /^Self-referencing circular pointer$/,
  ],
  [
    "has a schema that is all of itself",
    page(ref("A"), { components: { schemas: { A: { allOf: [ref("A")] } } } }),
    /^'A' is referenced directly or indirectly in its own type annotation\. \(A: .+;\)$/,
  ],
  [
    "leads into a body that is optional",
    page({
      type: "object",
      properties: {
        a: { type: "object" },
        b: {
          $ref: "#/paths/~1kling~1v1~1things/post/requestBody/content/application~1json/schema/properties/a",
        },
      },
    }),
    /^.+ \(b\?: paths\[.+;\)$/,
  ],
  [
    "gives two operations one id",
    {
      openapi: "3.0.1",
      info,
      paths: {
        "/a": {
          get: { operationId: "a", responses: {} },
          post: { operationId: "a", responses: {} },
        },
      },
    },
    /^Every operation must have a unique `operationId`\. at #\/paths\/~1a\/post\//,
  ],
];

describe("generate, with an empty overlay", () => {
  let errors = new Map<string, string[]>();
  let types: string[] = [];
  beforeAll(async () => {
    types = await Promise.all(documents.map(([, document]) => typesOf(document)));
    const files = types.map((_, index) => path.join(temporary, `${index}.ts`));
    for (const [index, file] of files.entries()) await writeFile(file, types[index] ?? "");
    errors = compile(files);
  });

  it.each(documents.map(([name], index) => ({ name, index })))(
    "makes TypeScript that compiles of a document with $name",
    ({ index }) => {
      expect(errors.get(`${index}.ts`)).toBeUndefined();
    },
  );

  it("loses no property, however it is named", () => {
    const names = Object.keys(oddNames.properties);
    const code = types[documents.findIndex(([name]) => name === "properties with odd names")] ?? "";
    const found = namesIn(code);
    expect(names).toHaveLength(18);
    expect(names.filter((name) => !found.has(name))).toEqual([]);
  });

  it.each(refused)("says in one line why it refuses one that %s", async (_, document, why) => {
    const error = vi.spyOn(console, "error").mockImplementation(() => undefined);
    const message = await typesOf(document).then(
      () => "nothing was refused",
      (error: unknown) => (error as Error).message,
    );
    const [, said] = /^page\.yaml cannot be turned into types: (.+)$/.exec(message) ?? [];
    expect(said ?? message).toMatch(why);
    expect(error).not.toHaveBeenCalled();
    error.mockRestore();
  });

  it("resolves a $ref to another file from the folder of the document", async () => {
    await writeFile(
      path.join(temporary, "other.yaml"),
      "Thing: { type: object, properties: { n: { type: integer } } }\n",
    );
    const file = path.join(temporary, "page.yaml");
    const text = stringify(page({ $ref: "./other.yaml#/Thing" }));
    const files = await generate({ file, text }, none);
    expect(files.get("schema.ts")).toContain("n?: number;");
  });
});

describe("generate, with a document of 1,000 operations", () => {
  it("takes at most 10 s of CPU, and at most 15 times what 100 take", async ({ annotate }) => {
    await measure(20);
    const hundred = await measure(100);
    const thousand = await measure(1000);
    await annotate(
      `1,000 operations: ${Math.round(thousand.elapsedMs)} ms (${Math.round(thousand.cpuMs)} ms of CPU); ` +
        `100: ${Math.round(hundred.elapsedMs)} ms (${Math.round(hundred.cpuMs)} ms)`,
    );
    expect(thousand.cpuMs).toBeLessThan(10_000);
    expect(thousand.cpuMs / hundred.cpuMs).toBeLessThan(15);
  });
});

async function measure(count: number): Promise<{ elapsedMs: number; cpuMs: number }> {
  const text = stringify(documentOf(count), { aliasDuplicateObjects: false });
  const [start, before] = [performance.now(), process.cpuUsage()];
  const types = await typesOf(text);
  const { user, system } = process.cpuUsage(before);
  const elapsedMs = performance.now() - start;
  expect(types.match(/^ {2}operation\d+: \{$/gm)).toHaveLength(count);
  return { elapsedMs, cpuMs: (user + system) / 1000 };
}

function documentOf(count: number): JsonObject {
  const paths: JsonObject = {};
  for (let index = 0; index < count; index++) {
    const properties = {
      prompt: { ...text, description: "What is seen, 不能超过500个字符" },
      mode: { ...text, enum: ["std", "pro"] },
      camera: {
        type: "object",
        properties: { zoom: { type: "integer", minimum: -10 }, pan: { type: "integer" } },
      },
      callback_url: text,
    };
    const schema = {
      type: "object",
      required: ["input"],
      properties: { input: { type: "object", required: ["prompt"], properties } },
    };
    paths[`/kling/v1/things-${index}/{id}`] = {
      post: {
        summary: `操作 ${index}`,
        operationId: `operation${index}`,
        parameters: [{ name: "id", in: "path", required: true, schema: text }],
        requestBody: json(schema),
        responses: ok({
          type: "object",
          properties: { code: { type: "integer" }, data: ref("Task") },
        }),
      },
    };
  }
  return { openapi: "3.0.1", info, paths, components };
}

/** Every name of a property in some types. */
function namesIn(code: string): Set<string> {
  const names = new Set<string>();
  const visit = (node: ts.Node) => {
    if (ts.isPropertySignature(node))
      names.add((node.name as ts.StringLiteral | ts.Identifier).text);
    node.forEachChild(visit);
  };
  visit(ts.createSourceFile("schema.ts", code, ts.ScriptTarget.ES2022));
  return names;
}

/** What the compiler says about these files, by their names. */
function compile(files: string[]): Map<string, string[]> {
  const program = ts.createProgram(files, {
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    target: ts.ScriptTarget.ES2022,
    lib: ["lib.es2022.d.ts"],
    types: [],
    noEmit: true,
    skipLibCheck: true,
  });
  const errors = new Map<string, string[]>();
  for (const { file, messageText } of ts.getPreEmitDiagnostics(program)) {
    const name = path.basename(file?.fileName ?? "");
    const said = ts.flattenDiagnosticMessageText(messageText, "\n");
    errors.set(name, [...(errors.get(name) ?? []), said]);
  }
  return errors;
}
