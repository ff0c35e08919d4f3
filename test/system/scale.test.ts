import { writeFile } from "node:fs/promises";
import path from "node:path";
import ts from "typescript";
import { describe, expect, it, vi } from "vitest";
import { parse, stringify } from "yaml";
import type { Json, JsonObject } from "../../scripts/spec/document.js";
import { generate } from "../../scripts/spec/generate.js";
import { readProject, temporaryFolders } from "../fixtures/scripts.js";

// The compiler and large documents are slow on a busy machine.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const newFolder = temporaryFolders();

/** The types of a document, without any correction. */
async function typesOf(text: string, file = "page.yaml"): Promise<string> {
  const overlay = { file: "overlay.yaml", text: "{ overlay: 1.1.0, actions: [] }" };
  return (await generate({ file, text }, overlay)).get("schema.ts") ?? "";
}

interface Fixture {
  name: string;
  document?: JsonObject;
  paths?: JsonObject;
  schema?: Json;
  openapi?: string;
  refused?: string;
}

const fixture = parse(await readProject("test", "fixtures", "documents.yaml")) as {
  info: JsonObject;
  components: JsonObject;
  operation: JsonObject;
  documents: Fixture[];
};
const { info, components, operation, documents } = fixture;

/** A document of one operation that sends this schema and responds with it. */
function page(schema: Json, openapi = "3.0.1"): JsonObject {
  const content = { "application/json": { schema } };
  const response = { description: "", content, headers: {}, "x-apifox-name": "成功" };
  const post = { summary: "", requestBody: { content }, responses: { "200": response } };
  return { openapi, info, components, paths: { "/kling/v1/things": { post } } };
}

function textOf({ document, paths, schema = {}, openapi }: Fixture): string {
  const ofPaths = paths && { openapi: "3.0.1", info, components, paths };
  return stringify(document ?? ofPaths ?? page(schema, openapi));
}

const ODD_NAMES = [
  ...["n", "constructor", "toString", "__proto__", "class", "$ref_like", "中文名字", "", "0", "-1"],
  ...["with 'single' and \"double\" quotes", "with\nline ends\r\nand a \\", "\u2028\u2029\u0000"],
  ...["with `backticks` and ${dollars}", "1e3", "a.b[c]", "/*", "*/"],
];
const required = ["constructor", "n", "not-a-property"];
const properties = Object.fromEntries(ODD_NAMES.map((name) => [name, { type: "string" }]));
const oddNames: Fixture = {
  name: "properties with odd names",
  document: { ...page({ type: "object", required, properties }), components: {} },
};

const refused = documents.filter((one) => one.refused !== undefined);
const converted = [oddNames, ...documents.filter((one) => one.refused === undefined)];

describe("generate, with an empty overlay", () => {
  it("makes types that compile from every document", async () => {
    const folder = await newFolder();
    const writing = converted.map(async (one) => {
      const file = path.join(folder, `${one.name}.ts`);
      await writeFile(file, await typesOf(textOf(one), `${one.name}.yaml`));
      return file;
    });
    expect(mistakesIn(await Promise.all(writing))).toEqual([]);
  });

  it("loses no property, however it is named", async () => {
    const types = await typesOf(textOf(oddNames));
    // Each is sent and received.
    expect(types.match(/^ +[^\n]+: string;$/gm)).toHaveLength(2 * ODD_NAMES.length);
  });

  it.each(refused)("refuses a document with $name and says why in one line", async (one) => {
    const printed = vi.spyOn(console, "error").mockImplementation(() => undefined);
    const message = await typesOf(textOf(one)).catch((error: unknown) => (error as Error).message);
    printed.mockRestore();
    expect(message).toContain(`page.yaml cannot be converted to types: ${one.refused ?? ""}`);
    expect(message).not.toContain("\n");
  });

  it("resolves a $ref to another file from the folder of the document", async () => {
    const folder = await newFolder();
    const other = "Thing: { type: object, properties: { n: { type: integer } } }\n";
    await writeFile(path.join(folder, "other.yaml"), other);
    const text = stringify(page({ $ref: "./other.yaml#/Thing" }));
    expect(await typesOf(text, path.join(folder, "page.yaml"))).toContain("n?: number;");
  });

  it("reads thousands of aliases", async () => {
    const list = `x-list:\n  - &one { a: b }\n${"  - *one\n".repeat(5000)}`;
    expect(await typesOf(largeDocument(1) + list)).toContain("  operation0: {\n");
  });
});

describe("generate, with a document of 1,000 operations", () => {
  it("takes at most 10 s of CPU, and at most 15 times as much as 100", async ({ annotate }) => {
    await measure(20);
    const hundred = Math.round(await measure(100));
    const thousand = Math.round(await measure(1000));
    await annotate(`1,000 operations: ${thousand} ms of CPU; 100: ${hundred} ms`);
    expect(thousand).toBeLessThan(10_000);
    expect(thousand / hundred).toBeLessThan(15);
  });
});

/** The milliseconds of CPU that a document of so many operations takes. */
async function measure(count: number): Promise<number> {
  const text = largeDocument(count);
  const before = process.cpuUsage();
  const types = await typesOf(text);
  const { user, system } = process.cpuUsage(before);
  expect(types.match(/^ {2}operation\d+: \{$/gm)).toHaveLength(count);
  return (user + system) / 1000;
}

function largeDocument(count: number): string {
  const paths: JsonObject = {};
  for (let index = 0; index < count; index++) {
    paths[`/things-${index}/{id}`] = { post: { ...operation, operationId: `operation${index}` } };
  }
  const document = { openapi: "3.0.1", info, paths, components };
  return stringify(document, { aliasDuplicateObjects: false });
}

function mistakesIn(files: string[]): string[] {
  const options = { strict: true, noEmit: true, types: [], lib: ["lib.es2022.d.ts"] };
  const program = ts.createProgram(files, { ...options, skipLibCheck: true });
  return ts.getPreEmitDiagnostics(program).map(({ file, messageText }) => {
    const message = ts.flattenDiagnosticMessageText(messageText, "\n");
    return `${path.basename(file?.fileName ?? "")}: ${message}`;
  });
}
