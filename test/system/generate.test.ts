import { createHash } from "node:crypto";
import { cp, readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import ts from "typescript";
import { describe, expect, it, vi } from "vitest";
import { parse } from "yaml";
import { readSource, staleFiles } from "../../scripts/files.js";
import { parseYaml } from "../../scripts/spec/document.js";
import { generate, placesIn } from "../../scripts/spec/generate.js";
import {
  contents,
  node,
  project,
  readProject,
  script,
  temporaryFolders,
} from "../fixtures/scripts.js";

// Processes and openapi-typescript are slow on a busy machine.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const places = placesIn();
const published = await readProject("spec", "lip-sync.yaml");
const newFolder = temporaryFolders();

/** A new folder with these files. */
async function folder(files: Record<string, string> = {}): Promise<string> {
  const at = await newFolder();
  for (const [name, text] of Object.entries(files)) await writeFile(path.join(at, name), text);
  return at;
}

const cli = (args: string[], cwd = project) => script("scripts/generate.ts", args, cwd);

function read(...names: string[]): Promise<string> {
  return readFile(path.join(...names), "utf8");
}

describe("npm run generate", () => {
  it.concurrent(
    "finds the committed files up to date with --check, and prints nothing",
    async () => {
      const before = await contents(places.generated);
      expect(await cli(["--check"])).toEqual({ exitCode: 0, stdout: "", stderr: "" });
      expect(await contents(places.generated)).toEqual(before);
    },
  );

  it.concurrent(
    "names the files that are not up to date with --check, and exits with 1",
    async () => {
      const out = await folder();
      await cp(places.generated, out, { recursive: true });
      await writeFile(path.join(out, "openapi.yaml"), "# edited by hand\n", { flag: "a" });
      const before = await contents(out);
      expect(await cli(["--check", "--out", out])).toEqual({
        exitCode: 1,
        stdout: "",
        stderr: "Not up to date: openapi.yaml. Run `npm run generate`.\n",
      });
      expect(await contents(out)).toEqual(before);
    },
  );

  it.concurrent(
    "writes docs/voices.md from spec/voices.yaml, and finds it out of date with --check",
    async () => {
      const docs = await folder({ "voices.md": "# Voices, edited by hand\n" });
      expect(await cli(["--check", "--docs", docs])).toEqual({
        exitCode: 1,
        stdout: "",
        stderr: "Not up to date: voices.md. Run `npm run generate`.\n",
      });
      const wrote = { exitCode: 0, stdout: "Wrote voices.md.\n", stderr: "" };
      expect(await cli(["--docs", docs])).toEqual(wrote);
      expect(await read(docs, "voices.md")).toBe(await read(places.docs, "voices.md"));
      const one = await folder({ "one.yaml": "sources: []\nvoices: []\n" });
      expect(await cli(["--voices", path.join(one, "one.yaml"), "--docs", docs])).toEqual(wrote);
      expect(await read(docs, "voices.md")).toContain("- 0 ids are known");
    },
  );

  it.concurrent(
    "writes the same bytes wherever it runs, with relative and absolute paths",
    async () => {
      const at = await folder({ "page.yaml": published, "fixes.yaml": await read(places.overlay) });
      const [relative, absolute] = await Promise.all([
        cli(["--spec", "page.yaml", "--overlay", "./fixes.yaml", "--out", "new/relative"], at),
        cli([
          `--spec=${path.join(at, "page.yaml")}`,
          `--overlay=${path.join(at, "fixes.yaml")}`,
          `--out=${path.join(at, "absolute")}`,
        ]),
      ]);
      const wrote = { exitCode: 0, stdout: "Wrote openapi.yaml, schema.ts.\n", stderr: "" };
      expect([relative, absolute]).toEqual([wrote, wrote]);

      const names = ["openapi.yaml", "schema.ts"];
      expect(await readdir(path.join(at, "absolute"))).toEqual(names);
      expect(await readdir(path.join(at, "new", "relative"))).toEqual(names);
      for (const name of names) {
        const text = await read(at, "absolute", name);
        expect(await read(at, "new", "relative", name)).toBe(text);
        expect(text).not.toContain(at);
        const committed = await read(places.generated, name);
        const sources = "Sources: spec/lip-sync.yaml, spec/overlay.yaml\n";
        expect(text).toBe(committed.replace(sources, "Sources: page.yaml, fixes.yaml\n"));
      }
    },
  );

  it.concurrent("lists its options with --help", async () => {
    const { exitCode, stdout, stderr } = await cli(["--help"]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    for (const option of ["--check", "--spec", "--overlay", "--voices", "--out", "--docs"]) {
      expect(stdout).toContain(`  ${option} `);
    }
  });

  it.concurrent("refuses an unknown option with exit code 1 and one line", async () => {
    const { exitCode, stdout, stderr } = await cli(["--chekc"]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
    expect(stderr).toMatch(/^Unknown option '--chekc'.*\n$/);
  });

  it.concurrent.each<[string, Record<string, string>, RegExp]>([
    [
      "a stale overlay",
      {
        "fixes.yaml":
          "overlay: 1.1.0\nactions:\n" +
          "  - { x-id: info.title, target: $.info, x-was: { title: '' }, update: { title: 可灵 } }\n",
        "page.yaml": "openapi: 3.0.1\ninfo: { title: 对口型 }\n",
      },
      /^1 action of the overlay no longer fits the document\.\n- info\.title\n {4}place: {4}\$\.info\n {4}expected: "title": ""\n {4}found: {4}"title": "对口型"\n/,
    ],
    [
      "a document of Swagger 2",
      { "page.yaml": 'swagger: "2.0"\n' },
      /^page\.yaml is not an OpenAPI 3\.0 or 3\.1 document: it says "2\.0"\.\n$/,
    ],
    [
      "invalid YAML",
      { "page.yaml": "openapi: 3.0.1\ninfo:\n  title: a: b\n" },
      /^page\.yaml is not valid YAML: .+ at line 3, column 10:\n/,
    ],
    ["a file that does not exist", {}, /^page\.yaml cannot be read \(ENOENT\)\.\n$/],
    [
      // openapi-typescript prints each problem, the message has the last.
      "a $ref that leads nowhere",
      {
        "fixes.yaml": "{ overlay: 1.1.0, actions: [] }",
        "page.yaml": "{ openapi: 3.1.0, components: { schemas: { A: { $ref: '#/B' } } } }",
      },
      /Can't resolve \$ref at #\/components\/schemas\/A[^]+^page\.yaml cannot be converted to types: Can't resolve \$ref at #\/components\/schemas\/A\n$/m,
    ],
  ])("refuses %s with exit code 1 and a message, and writes nothing", async (_, files, message) => {
    const at = await folder(files);
    const out = await folder({ "schema.ts": "as it was" });
    const before = [await contents(at), await contents(out)];
    const overlay = "fixes.yaml" in files ? "fixes.yaml" : places.overlay;
    const args = ["--spec", "page.yaml", "--overlay", overlay, "--out", out];
    const { exitCode, stdout, stderr } = await cli(args, at);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/^\s+at /m);
    expect([await contents(at), await contents(out)]).toEqual(before);
  });
});

describe("generate", () => {
  it("says which file cannot be used, and why", async () => {
    const spec = await readSource(places.spec);
    const overlay = (text: string) => generate(spec, { file: "fixes.yaml", text });
    await expect(overlay("overlay: [\n")).rejects.toThrow(
      /^fixes\.yaml is not valid YAML: .+ at line 2, column 1:/,
    );
    await expect(overlay("")).rejects.toThrow(
      "The overlay is not an OpenAPI Overlay 1.0 or 1.1 document.",
    );
    const missing = path.join(await newFolder(), "missing.yaml");
    await expect(readSource(missing)).rejects.toThrow(`${missing} cannot be read (ENOENT).`);
  });

  it("reads a document with a byte order mark and Windows line ends, or in JSON", async () => {
    const at = await folder({
      "page.yaml": "\uFEFF" + published.replaceAll("\n", "\r\n"),
      "page.json": JSON.stringify(parseYaml({ file: "page.json", text: published })),
      "as-is.yaml": published,
    });
    const overlay = await readSource(places.overlay);
    const made = ["page.yaml", "page.json", "as-is.yaml"].map(async (name) => {
      const files = await generate(await readSource(path.join(at, name)), overlay);
      return [...files].map(([file, text]) => [file, text.replace(name, "the page")]);
    });
    const [fromWindows, fromJson, asIs] = await Promise.all(made);
    expect(fromWindows).toEqual(asIs);
    expect(fromJson).toEqual(asIs);
  });

  it("finds every file out of date in a folder that does not exist", async () => {
    const files = new Map([
      ["a", ""],
      ["b", ""],
    ]);
    expect(await staleFiles(files, path.join(await newFolder(), "absent"))).toEqual(["a", "b"]);
  });
});

describe("generated/", () => {
  it.each([
    ["openapi.yaml", "# "],
    ["schema.ts", " * "],
  ])("%s begins with its sources and its command, and names no folder", async (name, margin) => {
    const text = await read(places.generated, name);
    const header = [
      "Generated; do not edit.",
      "Sources: spec/lip-sync.yaml, spec/overlay.yaml",
      "Command: npm run generate",
      "Tools:   scripts/generate.ts, openapi-typescript",
    ];
    const lines = header.map((line) => `${margin}${line}\n`).join("");
    expect(text.replace(/^\/\*\n/, "").startsWith(lines)).toBe(true);
    expect(text).not.toContain(path.resolve(project));
    expect(text).not.toContain("file://");
  });

  it("schema.ts has only types, and no empty one", async () => {
    const text = await read(places.generated, "schema.ts");
    expect(text).not.toContain("Record<string, never>");
    const file = ts.createSourceFile("schema.ts", text, ts.ScriptTarget.ESNext);
    expect(file.statements.filter((statement) => !isType(statement))).toEqual([]);
    expect(kindsIn(file)).toContain(ts.SyntaxKind.StringKeyword);
    expect(kindsIn(file)).not.toContain(ts.SyntaxKind.AnyKeyword);
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
    const redocly = path.join(project, "node_modules", "@redocly", "cli", "bin", "cli.js");
    const output = path.join(await newFolder(), "bundle.json");
    const args = ["bundle", "spec/lip-sync.yaml", "--overlay", "spec/overlay.yaml", "-o", output];
    const { exitCode, stderr } = await node([redocly, ...args]);
    expect(exitCode, stderr).toBe(0);
    const committed: unknown = parse(await read(places.generated, "openapi.yaml"));
    expect(JSON.parse(await read(output))).toEqual(committed);
  });
});

/** What an editor asks about a file of the project. */
function editorWith(code: string) {
  const file = path.join(project, "test", "edited.mts");
  const config = { extends: "./tsconfig.json", files: [file] };
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, project);
  const readFile = (name: string) => (name === file ? code : ts.sys.readFile(name));
  const service = ts.createLanguageService({
    getCompilationSettings: () => options,
    getScriptFileNames: () => [file],
    getScriptVersion: () => "1",
    getScriptSnapshot: (name) => ts.ScriptSnapshot.fromString(readFile(name) ?? ""),
    getCurrentDirectory: () => project,
    getDefaultLibFileName: ts.getDefaultLibFilePath,
    fileExists: (name) => name === file || ts.sys.fileExists(name),
    readFile,
  });
  return { file, service };
}

function isType(statement: ts.Statement): boolean {
  return ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement);
}

/** Every kind of syntax in a node. */
function kindsIn(node: ts.Node): Set<ts.SyntaxKind> {
  const found = new Set([node.kind]);
  node.forEachChild((child) => {
    for (const kind of kindsIn(child)) found.add(kind);
  });
  return found;
}

describe("spec/", async () => {
  const { actions } = parse(await readProject("spec", "overlay.yaml")) as {
    actions: { "x-id"?: string; description?: string }[];
  };

  it("README.md records the sha256 of lip-sync.yaml", async () => {
    const sha256 = createHash("sha256")
      .update(await readFile(places.spec))
      .digest("hex");
    const recorded = (await read(places.provenance)).match(/^sha256: .*$/gm);
    expect(recorded).toEqual([`sha256: ${sha256}`]);
  });

  it("overlay.yaml gives every action a unique name", () => {
    const ids = actions.map((action) => action["x-id"]);
    expect(ids.filter((id) => typeof id !== "string" || id.trim() === "")).toEqual([]);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it.each(actions.map(({ "x-id": id, description }) => ({ id, description })))(
    "overlay.yaml says what the page says about $id, what is true and what shows it",
    ({ description }) => {
      expect(description).toMatch(/^Page: \S.*\nTruth: \S[^]*\nEvidence: \S/);
    },
  );
});
