import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import ts from "typescript";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { parse } from "yaml";
import { serve } from "../scripts/demo.js";
import * as library from "../src/index.js";
import { createFakeGateway, type FakeGateway } from "../src/testing.js";

// Processes and the compiler are slow on a machine that is busy.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });

const project = fileURLToPath(new URL("..", import.meta.url));
const read = (file: string) => readFile(path.join(project, file), "utf8");

const sources = {
  "kling-lip-sync": path.join(project, "src", "index.ts"),
  "kling-lip-sync/testing": path.join(project, "src", "testing.ts"),
};
const environment = { apiKey: "KLING_API_KEY", baseUrl: "KLING_BASE_URL" };

const readme = await read("README.md");
const lines = readme.split("\n");

describe("the README's code", () => {
  it("begins before line 12", () => {
    expect(lines.indexOf("```ts") + 1).toBeGreaterThan(0);
    expect(lines.indexOf("```ts") + 1).toBeLessThan(12);
  });

  it("prints the URL of the video as its first block does it", async () => {
    const gateway = createFakeGateway({ polls: 1 });
    const { stdout } = await run(blockAt(0), gateway);
    expect(stdout).toBe("https://fake-gateway.invalid/task-1.mp4\n");
    expect(gateway.received.map(({ method }) => method)).toEqual(["POST", "GET"]);
    expect(gateway.received[0]?.body).toHaveProperty("input.video_url");
  });

  it("tests the reader's code as the block about testing does it", async () => {
    const block = blocks().find((block) => block.includes("kling-lip-sync/testing"));
    const { stderr } = await run(block ?? "", createFakeGateway());
    expect(stderr).toBe("");
  });

  it("gives the two command lines for a checkout", () => {
    expect(lines).toContain("npm ci && npm run demo");
    expect(lines).toContain("npm ci && npm test");
  });
});

describe("what the compiler says", () => {
  let program: ts.Program;
  beforeAll(() => {
    program = compile();
  });

  it("is nothing about every block", () => {
    expect(blocks().length).toBeGreaterThan(5);
    const found = blocks().flatMap((_, index) => diagnostics(program, fileOf(index)));
    expect(found.map(textOf)).toEqual([]);
  });

  it("is what the README quotes where a block shows a compile error", () => {
    const claims = blocks().flatMap((block, index) => claimsOf(block, index));
    expect(claims.length).toBeGreaterThanOrEqual(4);
    for (const { file, line, text } of claims) {
      const said = diagnostics(program, file).filter((one) => lineOf(one) === line + 1);
      expect(said.map(textOf).join("\n")).toContain(text);
    }
  });

  it.each(["LipSyncClientOptions", "RequestOptions", "WaitOptions"])(
    "names every option of %s that the table lists, and no other",
    (name) => {
      expect(columnOf(tableBelow(`### ${name}`), 0)).toEqual(propertiesOf(program, name));
    },
  );

  it("names every property that the table of errors lists", () => {
    for (const [name = "", , carried = ""] of tableBelow("### The errors").map(plain)) {
      const words = carried.split("such as")[0]?.match(/\w+/g) ?? [];
      const own = propertiesOf(program, name).filter((property) => property !== "name");
      for (const property of own) expect(words, name).toContain(property);
    }
  });
});

describe("the README's tables", () => {
  it("give the options the code's defaults", async () => {
    const limits = await limitsIn("src/client.ts");
    expect(defaultsOf("LipSyncClientOptions")).toEqual({
      ...environment,
      ...limits,
      fetch: "globalThis.fetch",
    });
    expect(Object.keys(limits)).toEqual(["timeoutMs", "maxRetries"]);

    const ofClient = Object.keys(limits).map((option) => [option, "the client's"] as const);
    expect(defaultsOf("RequestOptions")).toEqual({
      signal: "none",
      ...Object.fromEntries(ofClient),
    });

    expect(defaultsOf("WaitOptions")).toEqual({
      ...(await limitsIn("src/wait.ts")),
      signal: "none",
      onUpdate: "none",
    });
  });

  it("list the corrections as spec/overlay.yaml does, each with its evidence", async () => {
    const overlay = parse(await read("spec/overlay.yaml")) as { actions: { "x-id": string }[] };
    const rows = tableBelow("## Corrections to the published page");
    expect(columnOf(rows, 0)).toEqual(overlay.actions.map((action) => action["x-id"]));
    expect(headOf("## Corrections to the published page")).toEqual([
      "Correction",
      "Page says",
      "True is",
      "Evidence",
    ]);
    for (const row of rows) {
      expect(row[0]).toMatch(/^`.+`$/);
      expect(row.filter((cell) => cell !== "")).toHaveLength(4);
    }
  });

  it("list every field of the request's input", async () => {
    const document: unknown = parse(await read("generated/openapi.yaml"));
    const place = ["paths", "/kling/v1/videos/lip-sync", "post", "requestBody", "content"];
    const body = at(document, [...place, "application/json", "schema"]);
    const fields = Object.keys(at(body, ["properties", "input", "properties"]) ?? {});
    expect(fields).toContain("video_url");
    expect(columnOf(tableBelow("## The request"), 0).sort()).toEqual(fields.sort());
  });

  it("list every error class under LipSyncError", () => {
    const classes = Object.entries(library).flatMap(([name, value]) =>
      Object.prototype.isPrototypeOf.call(library.LipSyncError, value) ? [name] : [],
    );
    expect(classes.length).toBeGreaterThan(0);
    expect(columnOf(tableBelow("### The errors"), 0).sort()).toEqual(classes.sort());
  });
});

describe("the README's links", () => {
  it("lead to headings that exist", () => {
    const headings = lines.filter((line) => /^##+ /.test(line));
    const anchors = headings.map((line) => {
      const text = line.replace(/^#+ /, "").toLowerCase();
      return text.replace(/[^\w\- ]/g, "").replaceAll(" ", "-");
    });
    const targets = [...readme.matchAll(/\]\(#([^)]+)\)/g)].map(([, target]) => target);
    expect(targets.length).toBeGreaterThan(5);
    for (const target of targets) expect(anchors).toContain(target);
    expect(headings).toContain("## What happens when it fails");
  });
});

/** What a document has at a place, as far down as it goes. */
function at(document: unknown, place: string[]): object | undefined {
  return place.reduce<unknown>(
    (node, key) => Reflect.get(Object(node) as object, key),
    document,
  ) as object | undefined;
}

/** The TypeScript blocks, from the first to the last. */
function blocks(): string[] {
  return [...readme.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, block = ""]) => block);
}

function blockAt(index: number): string {
  return blocks()[index] ?? "";
}

/** Runs a block in a process of its own that knows the gateway from its environment. */
async function run(
  block: string,
  gateway: FakeGateway,
): Promise<{ stdout: string; stderr: string }> {
  const code = block.replace(/from "(kling-lip-sync.*?)"/g, (_, name: keyof typeof sources) => {
    return `from ${JSON.stringify(pathToFileURL(sources[name]).href)}`;
  });
  const folder = await mkdtemp(path.join(tmpdir(), "kling-lip-sync-readme-"));
  const { baseUrl, close } = await serve(gateway);
  try {
    const file = path.join(folder, "block.mts");
    await writeFile(file, code);
    const env = {
      PATH: process.env["PATH"],
      [environment.apiKey]: gateway.apiKey,
      [environment.baseUrl]: baseUrl,
    };
    const options = { cwd: project, env, timeout: 10_000 };
    return await promisify(execFile)(process.execPath, ["--import", "tsx", file], options);
  } finally {
    close();
    await rm(folder, { recursive: true });
  }
}

/** All blocks as files, and again without `@ts-expect-error`, so that the compiler speaks. */
function compile(): ts.Program {
  const paths = Object.fromEntries(Object.entries(sources).map(([name, file]) => [name, [file]]));
  const config = { extends: "./tsconfig.json", compilerOptions: { paths }, files: [] };
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, project);
  expect(options).toMatchObject({
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
  });

  const files = new Map(
    blocks().flatMap((block, index) => [
      [fileOf(index), block],
      [fileOf(index, "spoken"), block.replaceAll("// @ts-expect-error", "//")],
    ]),
  );
  const host = ts.createCompilerHost(options);
  const fileExists = host.fileExists.bind(host);
  const getSourceFile = host.getSourceFile.bind(host);
  host.fileExists = (file) => files.has(path.normalize(file)) || fileExists(file);
  host.getSourceFile = (file, how, ...rest) => {
    const text = files.get(path.normalize(file));
    if (text === undefined) return getSourceFile(file, how, ...rest);
    return ts.createSourceFile(file, text, how);
  };
  return ts.createProgram([...files.keys(), ...Object.values(sources)], options, host);
}

function fileOf(index: number, variant = "as-it-stands"): string {
  return path.join(project, "test", `readme-block-${index}-${variant}.mts`);
}

function diagnostics(program: ts.Program, file: string): readonly ts.Diagnostic[] {
  const source = program.getSourceFile(file);
  if (!source) throw new Error(`The compiler has not read ${file}.`);
  return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)];
}

function textOf(diagnostic: ts.Diagnostic): string {
  return ts.flattenDiagnosticMessageText(diagnostic.messageText, "\n");
}

function lineOf({ file, start = 0 }: ts.Diagnostic): number | undefined {
  return file?.getLineAndCharacterOfPosition(start).line;
}

/** Where a block quotes the compiler, and what. */
function claimsOf(block: string, index: number) {
  return block.split("\n").flatMap((text, line) => {
    const quoted = /^\s*\/\/ @ts-expect-error (.+)$/.exec(text)?.[1];
    return quoted === undefined ? [] : [{ file: fileOf(index, "spoken"), line, text: quoted }];
  });
}

/** The properties that a type of the library declares itself. */
function propertiesOf(program: ts.Program, name: string): string[] {
  const checker = program.getTypeChecker();
  const index = program.getSourceFile(sources["kling-lip-sync"]);
  const module = index && checker.getSymbolAtLocation(index);
  const exported = module && checker.getExportsOfModule(module).find((one) => one.name === name);
  if (!exported) throw new Error(`${name} is not exported.`);
  const symbol = checker.getAliasedSymbol(exported);
  return [...(symbol.members?.values() ?? [])]
    .filter(({ flags }) => flags & ts.SymbolFlags.Property)
    .map((property) => property.name);
}

/** The cells of the first table below a heading, its head first. */
function wholeTableBelow(heading: string): string[][] {
  const start = lines.indexOf(heading);
  if (start < 0) throw new Error(`The README has no heading ${heading}.`);
  const first = lines.findIndex((line, index) => index > start && line.startsWith("|"));
  const end = lines.findIndex((line, index) => index > first && !line.startsWith("|"));
  return lines.slice(first, end).map((line) => {
    const cells = line.split("|").slice(1, -1);
    return cells.map((cell) => cell.trim());
  });
}

function headOf(heading: string): string[] | undefined {
  return wholeTableBelow(heading)[0];
}

function tableBelow(heading: string): string[][] {
  return wholeTableBelow(heading).slice(2);
}

function columnOf(rows: string[][], column: number): string[] {
  return rows.map((row) => plain(row)[column] ?? "");
}

function plain(row: string[]): string[] {
  return row.map((cell) => cell.replaceAll("`", ""));
}

function defaultsOf(name: string): Record<string, string> {
  const rows = wholeTableBelow(`### ${name}`);
  const column = rows[0]?.indexOf("Default") ?? -1;
  return Object.fromEntries(
    rows.slice(2).map((row) => [plain(row)[0] ?? "", plain(row)[column] ?? ""]),
  );
}

/** The numbers that a file of the code falls back to where an option is absent, as written there. */
async function limitsIn(file: string): Promise<Record<string, string>> {
  const found = (await read(file)).matchAll(/limitOf\("(\w+)", options\.\1, ([\d_]+)\)/g);
  return Object.fromEntries([...found].map(([, name = "", fallback = ""]) => [name, fallback]));
}
