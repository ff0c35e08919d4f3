import { writeFile } from "node:fs/promises";
import path from "node:path";
import ts from "typescript";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { parse, stringify } from "yaml";
import type { Source } from "../../scripts/files.js";
import type { Json, JsonObject } from "../../scripts/spec/document.js";
import { generate } from "../../scripts/spec/generate.js";
import { readProject, temporaryFolders } from "../fixtures/scripts.js";

// The compiler and large documents are slow on a busy machine.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const newFolder = temporaryFolders();
const none: Source = { file: "overlay.yaml", text: "{ overlay: 1.1.0, actions: [] }" };

/** The types of a page, without any correction. */
async function typesOf(page: JsonObject | string): Promise<string> {
  const text = typeof page === "string" ? page : stringify(page);
  const files = await generate({ file: "page.yaml", text }, none);
  return files.get("schema.ts") ?? "";
}

const info = { title: "", version: "1.0.0" };
const json = (schema: Json) => ({ content: { "application/json": { schema } } });
const text = { type: "string" };
const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` });

/** A document of one operation that sends this schema and responds with it. */
function page(schema: Json, rest: JsonObject = {}, openapi = "3.0.1"): JsonObject {
  const response = { description: "", ...json(schema), headers: {}, "x-apifox-name": "成功" };
  const post = { summary: "", requestBody: json(schema), responses: { "200": response } };
  return { openapi, info, paths: { "/kling/v1/things": { post } }, ...rest };
}

const fixture = parse(await readProject("test", "fixtures", "documents.yaml")) as {
  components: JsonObject;
  documents: {
    name: string;
    document?: JsonObject;
    paths?: JsonObject;
    schema?: Json;
    openapi?: string;
  }[];
};
const { components } = fixture;

const ODD_NAMES = [
  ...["n", "constructor", "toString", "__proto__", "class", "$ref_like", "中文名字", ""],
  ...["with 'single' and \"double\" quotes", "with\nline ends\r\nand a \\"],
  ...["with `backticks` and ${dollars}", "0", "-1", "1e3", "a.b[c]", "/*", "*/"],
  "\u2028\u2029\u0000",
];
const oddNames = {
  type: "object",
  required: ["constructor", "n", "not-a-property"],
  properties: Object.fromEntries(ODD_NAMES.map((name) => [name, text])),
};

const documents: [string, JsonObject | string][] = [
  ...fixture.documents.map(({ name, document, paths, schema, openapi }): [string, JsonObject] => {
    if (document) return [name, document];
    if (paths) return [name, { openapi: "3.0.1", info, components, paths }];
    return [name, page(schema ?? {}, { components }, openapi)];
  }),
  ["properties with odd names", page(oddNames)],
  [
    "thousands of aliases",
    `${stringify(documentOf(20))}x-list:\n  - &one { a: b }\n${"  - *one\n".repeat(5000)}`,
  ],
  [
    "an alias",
    "openapi: 3.0.1\ninfo: { title: '', version: '1' }\npaths:\n" +
      "  /a: &a\n    get: { responses: { '200': { description: '' } } }\n  /b: *a\n",
  ],
];

const refused: [string, JsonObject, RegExp][] = [
  [
    "a $ref that leads nowhere",
    page(ref("Nothing")),
    /^Can't resolve \$ref at #\/paths\/~1kling~1v1~1things\/post\/.+\/schema$/,
  ],
  [
    "a $ref to a file that does not exist",
    page({ $ref: "./other.yaml#/Thing" }),
    /^Can't resolve \$ref: ENOENT: .+ at #\/paths\/~1kling~1v1~1things\/post\/.+\/schema$/,
  ],
  [
    "an example that looks like a $ref",
    page({ type: "object", example: ref("Nothing") }),
    /^Can't resolve \$ref at #\/paths\/.+\/example$/,
  ],
  [
    "a schema that is itself",
    page(ref("A"), { components: { schemas: { A: ref("B"), B: ref("A") } } }),
    /^Self-referencing circular pointer$/,
  ],
  [
    "one id for two operations",
    {
      openapi: "3.0.1",
      paths: { "/a": { get: { operationId: "a" }, post: { operationId: "a", responses: {} } } },
    },
    /^Every operation must have a unique `operationId`\. at #\/paths\/~1a\/post\//,
  ],
];

/** What openapi-typescript accepts, and the compiler refuses in `npm run check`. */
const leftToCompiler: [string, JsonObject][] = [
  [
    "a schema that is all of itself",
    page(ref("A"), { components: { schemas: { A: { allOf: [ref("A")] } } } }),
  ],
  [
    "a $ref into a body that is optional",
    page({
      type: "object",
      properties: {
        a: { type: "object" },
        b: {
          $ref: "#/paths/~1kling~1v1~1things/post/requestBody/content/application~1json/schema/properties/a",
        },
      },
    }),
  ],
];

describe("generate, with an empty overlay", () => {
  const all = [...documents, ...leftToCompiler];
  let types: string[] = [];
  let errors = new Map<string, string[]>();
  beforeAll(async () => {
    const folder = await newFolder();
    types = await Promise.all(all.map(([, document]) => typesOf(document)));
    const files = types.map((_, index) => path.join(folder, `${index}.ts`));
    for (const [index, file] of files.entries()) await writeFile(file, types[index] ?? "");
    errors = compile(files);
  });

  it.each(documents.map(([name], index) => ({ name, index })))(
    "makes types that compile from a document with $name",
    ({ index }) => {
      expect(types[index]).toMatch(/^\/\*\n \* Generated; do not edit\.\n/);
      expect(errors.get(`${index}.ts`)).toBeUndefined();
    },
  );

  it.each(leftToCompiler.map(([name], index) => ({ name, index })))(
    "makes types that the compiler refuses from a document with $name",
    ({ index }) => {
      const [error = "none"] = errors.get(`${documents.length + index}.ts`) ?? [];
      expect(error).toMatch(/is referenced directly or indirectly in its own type annotation/);
    },
  );

  it("loses no property, however it is named", () => {
    const code = types[documents.findIndex(([name]) => name === "properties with odd names")] ?? "";
    const found = namesIn(code);
    expect(ODD_NAMES.filter((name) => !found.has(name))).toEqual([]);
  });

  it.each(refused)("refuses a document with %s and says why in one line", async (_, page, why) => {
    const printed = vi.spyOn(console, "error").mockImplementation(() => undefined);
    const message = await typesOf(page).then(
      () => "nothing was refused",
      (error: unknown) => (error as Error).message,
    );
    printed.mockRestore();
    const [, said] = /^page\.yaml cannot be converted to types: (.+)$/.exec(message) ?? [];
    expect(said ?? message).toMatch(why);
  });

  it("resolves a $ref to another file from the folder of the document", async () => {
    const folder = await newFolder();
    const other = "Thing: { type: object, properties: { n: { type: integer } } }\n";
    await writeFile(path.join(folder, "other.yaml"), other);
    const text = stringify(page({ $ref: "./other.yaml#/Thing" }));
    const files = await generate({ file: path.join(folder, "page.yaml"), text }, none);
    expect(files.get("schema.ts")).toContain("n?: number;");
  });
});

describe("generate, with a document of 1,000 operations", () => {
  it("takes at most 10 s of CPU, and at most 15 times as much as 100", async ({ annotate }) => {
    await measure(20);
    const hundred = await measure(100);
    const thousand = await measure(1000);
    await annotate(
      `1,000 operations: ${Math.round(thousand)} ms of CPU; 100: ${Math.round(hundred)} ms`,
    );
    expect(thousand).toBeLessThan(10_000);
    expect(thousand / hundred).toBeLessThan(15);
  });
});

/** The milliseconds of CPU that a document of so many operations takes. */
async function measure(count: number): Promise<number> {
  const text = stringify(documentOf(count), { aliasDuplicateObjects: false });
  const before = process.cpuUsage();
  const types = await typesOf(text);
  const { user, system } = process.cpuUsage(before);
  expect(types.match(/^ {2}operation\d+: \{$/gm)).toHaveLength(count);
  return (user + system) / 1000;
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
    const input = { type: "object", required: ["prompt"], properties };
    const task = { type: "object", properties: { code: { type: "integer" }, data: ref("Task") } };
    paths[`/kling/v1/things-${index}/{id}`] = {
      post: {
        summary: `操作 ${index}`,
        operationId: `operation${index}`,
        parameters: [{ name: "id", in: "path", required: true, schema: text }],
        requestBody: json({ type: "object", required: ["input"], properties: { input } }),
        responses: { "200": { description: "", ...json(task) } },
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
