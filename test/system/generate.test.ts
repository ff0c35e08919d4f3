import { createHash } from "node:crypto";
import { cp, readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import ts from "typescript";
import { describe, expect, it, vi } from "vitest";
import { parse } from "yaml";
import { generate, placesIn } from "../../scripts/spec/generate.js";
import * as scripts from "../fixtures/scripts.js";

// Processes and openapi-typescript are slow on a busy machine.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const places = placesIn();
const published = await scripts.readProject("spec", "lip-sync.yaml");
const newFolder = scripts.temporaryFolders();

/** A new folder with these files. */
async function folder(files: Record<string, string> = {}): Promise<string> {
  const at = await newFolder();
  for (const [name, text] of Object.entries(files)) await writeFile(path.join(at, name), text);
  return at;
}

function cli(args: string[], cwd = scripts.project): Promise<scripts.Run> {
  return scripts.script("scripts/generate.ts", args, cwd);
}

const wrote = (names: string) => ({ exitCode: 0, stdout: `Wrote ${names}.\n`, stderr: "" });

function read(...names: string[]): Promise<string> {
  return readFile(path.join(...names), "utf8");
}

describe("npm run generate", () => {
  it.concurrent("finds the committed files up to date with --check", async () => {
    const before = await scripts.contents(places.generated);
    expect(await cli(["--check"])).toEqual({ exitCode: 0, stdout: "", stderr: "" });
    expect(await scripts.contents(places.generated)).toEqual(before);
  });

  it.concurrent("names the files that are not up to date, and writes them", async () => {
    const at = await newFolder();
    const [out, docs] = [path.join(at, "out"), path.join(at, "docs")];
    await cp(places.generated, out, { recursive: true });
    await cp(places.docs, docs, { recursive: true });
    await writeFile(path.join(out, "openapi.yaml"), "# edited by hand\n");
    await writeFile(path.join(docs, "voices.md"), "# edited by hand\n");
    const before = await scripts.contents(at);
    expect(await cli(["--check", "--out", out, "--docs", docs])).toEqual({
      exitCode: 1,
      stdout: "",
      stderr: "Not up to date: openapi.yaml, voices.md. Run `npm run generate`.\n",
    });
    expect(await scripts.contents(at)).toEqual(before);
    expect(await cli(["--out", out, "--docs", docs])).toEqual(wrote("openapi.yaml, voices.md"));
    expect(await read(out, "openapi.yaml")).toBe(await read(places.generated, "openapi.yaml"));
    expect(await read(docs, "voices.md")).toBe(await read(places.docs, "voices.md"));
    expect(await scripts.contents(at)).toMatchObject({ "out/schema.ts": before["out/schema.ts"] });
  });

  it.concurrent("writes the page of the voices from the data that --voices names", async () => {
    const at = await folder({ "one.yaml": "sources: []\nvoices: []\n" });
    expect(await cli(["--voices", "one.yaml", "--docs", "."], at)).toEqual(wrote("voices.md"));
    expect(await read(at, "voices.md")).toContain("- 0 ids are known");
  });

  it.concurrent("writes the same bytes wherever it runs", async () => {
    const at = await folder({ "page.yaml": published, "fixes.yaml": await read(places.overlay) });
    const runs = await Promise.all([
      cli(["--spec", "page.yaml", "--overlay", "./fixes.yaml", "--out", "new/relative"], at),
      cli([
        `--spec=${path.join(at, "page.yaml")}`,
        `--overlay=${path.join(at, "fixes.yaml")}`,
        `--out=${path.join(at, "absolute")}`,
      ]),
    ]);
    const names = ["openapi.yaml", "schema.ts"];
    expect(runs).toEqual([wrote(names.join(", ")), wrote(names.join(", "))]);
    expect(await readdir(path.join(at, "absolute"))).toEqual(names);
    expect(await readdir(path.join(at, "new", "relative"))).toEqual(names);
    for (const name of names) {
      const committed = await read(places.generated, name);
      const sources = "Sources: spec/lip-sync.yaml, spec/overlay.yaml\n";
      const expected = committed.replace(sources, "Sources: page.yaml, fixes.yaml\n");
      expect(await read(at, "absolute", name)).toBe(expected);
      expect(await read(at, "new", "relative", name)).toBe(expected);
    }
  });

  it.concurrent("lists its options with --help", async () => {
    const { exitCode, stdout, stderr } = await cli(["--help"]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    for (const option of ["--check", "--spec", "--overlay", "--voices", "--out", "--docs"]) {
      expect(stdout).toContain(`  ${option} `);
    }
  });

  const stale = "target: $.info, x-was: { title: '' }, update: { title: 可灵 }";
  it.concurrent.each<[string, string[], RegExp]>([
    ["an unknown option", ["--chekc"], /^Unknown option '--chekc'.*\n$/],
    ["a missing file", ["--spec", "lost.yaml"], /^lost\.yaml cannot be read \(ENOENT\)\.\n$/],
    ["a stale overlay", ["--overlay", "stale.yaml"], /^1 action of .+\n- info\.title\n {4}place: /],
    [
      // openapi-typescript prints each problem, the message has the last.
      "a $ref that leads nowhere",
      [],
      /Can't resolve \$ref at #\/tags[^]+^page\.yaml cannot be converted to types: Can't [^\n]+\n$/m,
    ],
  ])("refuses %s with exit code 1 and a message, and writes nothing", async (_, args, message) => {
    const at = await folder({
      "page.yaml": "{ openapi: 3.1.0, info: { title: 对口型 }, tags: [{ $ref: '#/B' }] }",
      "none.yaml": "{ overlay: 1.1.0, actions: [] }",
      "stale.yaml": `{ overlay: 1.1.0, actions: [{ x-id: info.title, ${stale} }] }`,
      "schema.ts": "as it was",
    });
    const before = await scripts.contents(at);
    const defaults = ["--spec", "page.yaml", "--overlay", "none.yaml", "--out", "."];
    const { exitCode, stdout, stderr } = await cli([...defaults, ...args], at);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/^\s+at /m);
    expect(await scripts.contents(at)).toEqual(before);
  });
});

describe("generate", () => {
  it.each([
    ["swagger: '2.0'", "", /^page\.yaml is not an OpenAPI .+: it says "2\.0"\.$/],
    ["info:\n  title: a: b\n", "", /^page\.yaml is not valid YAML: .+ at line 2, column 10:/],
    ["openapi: 3.0.1", "overlay: [\n", /^fixes\.yaml is not valid YAML: .+ at line 2, column 1:/],
  ])("says which file cannot be used, and why: of %j and %j", async (spec, overlay, why) => {
    const page = { file: "page.yaml", text: spec };
    await expect(generate(page, { file: "fixes.yaml", text: overlay })).rejects.toThrow(why);
  });
});

describe("generated/", () => {
  it.each([
    ["openapi.yaml", "# "],
    ["schema.ts", " * "],
  ])("%s begins with its sources and its command, and names no folder", async (name, margin) => {
    const text = await read(places.generated, name);
    const header = `Generated; do not edit.
Sources: spec/lip-sync.yaml, spec/overlay.yaml
Command: npm run generate
Tools:   scripts/generate.ts, openapi-typescript`;
    expect(text.replace("/*\n", "").indexOf(header.replace(/^/gm, margin))).toBe(0);
    expect(text).not.toContain(path.resolve(scripts.project));
    expect(text).not.toContain("file://");
  });

  it("schema.ts has only types, none of them empty or any", async () => {
    const code = (await read(places.generated, "schema.ts")).replace(/\/\*[^]*?\*\//g, "");
    const statements = code.match(/^\w.*$/gm) ?? [];
    expect(statements.length).toBeGreaterThan(0);
    for (const line of statements) expect(line).toMatch(/^export (?:interface|type) /);
    expect(code).not.toContain("Record<string, never>");
    expect(code).not.toMatch(/\bany\b/);
  });

  it("schema.ts lets an editor complete the known voices, and any other string compile", () => {
    const code = `import type { LipSyncRequest } from "../src/index.js";
type Voice = Extract<LipSyncRequest["input"], { mode: "text2video" }>["voice_id"];
export const known: Voice = "";
export const other: Voice = String(known);`;
    const { file, service } = editorWith(code);
    expect(service.getSemanticDiagnostics(file)).toEqual([]);
    const { entries = [] } =
      service.getCompletionsAtPosition(file, code.indexOf('"";') + 1, undefined) ?? {};
    expect(entries).toHaveLength(46);
    expect(entries.map(({ name }) => name)).toContain("oversea_male1");
  });

  it.concurrent("openapi.yaml is what another overlay tool makes of the same page", async () => {
    const redocly = path.join(scripts.project, "node_modules", "@redocly", "cli", "bin", "cli.js");
    const output = path.join(await newFolder(), "bundle.json");
    const args = ["bundle", "spec/lip-sync.yaml", "--overlay", "spec/overlay.yaml", "-o", output];
    const { exitCode, stderr } = await scripts.node([redocly, ...args]);
    expect(exitCode, stderr).toBe(0);
    const committed: unknown = parse(await read(places.generated, "openapi.yaml"));
    expect(JSON.parse(await read(output))).toEqual(committed);
  });
});

/** What an editor asks about a file of the project. */
function editorWith(code: string) {
  const file = path.join(scripts.project, "test", "edited.mts");
  const config = { extends: "./tsconfig.json", files: [file] };
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, scripts.project);
  const service = ts.createLanguageService({
    getCompilationSettings: () => options,
    getScriptFileNames: () => [file],
    getScriptVersion: () => "1",
    getScriptSnapshot: (name) =>
      ts.ScriptSnapshot.fromString(name === file ? code : (ts.sys.readFile(name) ?? "")),
    getCurrentDirectory: () => scripts.project,
    getDefaultLibFileName: ts.getDefaultLibFilePath,
    fileExists: (name) => ts.sys.fileExists(name),
    readFile: (name) => ts.sys.readFile(name),
  });
  return { file, service };
}

describe("spec/", () => {
  it("README.md records the sha256 of lip-sync.yaml", async () => {
    const sha256 = createHash("sha256").update(published).digest("hex");
    const recorded = (await read(places.provenance)).match(/^sha256: .*$/gm);
    expect(recorded).toEqual([`sha256: ${sha256}`]);
  });

  it("overlay.yaml gives every action a unique name, and says what it is about", async () => {
    const { actions } = parse(await read(places.overlay)) as {
      actions: { "x-id"?: string; description?: string }[];
    };
    const ids = actions.map((action) => action["x-id"] ?? "");
    expect(ids.filter((id, index) => id.trim() === "" || ids.indexOf(id) !== index)).toEqual([]);
    const sentences = /^Page: \S.*\nTruth: \S[^]*\nEvidence: \S/;
    const without = actions.filter(({ description = "" }) => !sentences.test(description));
    expect(without).toEqual([]);
  });
});
