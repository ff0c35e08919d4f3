import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { cp, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import ts from "typescript";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { readSource as source, staleFiles } from "../scripts/files.js";
import { generate, parseYaml } from "../scripts/generate.js";

const project = fileURLToPath(new URL("..", import.meta.url));
const tsx = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
const spec = path.join(project, "spec", "lip-sync.yaml");
const overlay = path.join(project, "spec", "overlay.yaml");
const generated = path.join(project, "generated");
const published = readFileSync(spec, "utf8");

/** What a test that starts a process, or generates, may take on a busy machine. */
const SLOW = 180_000;

let temporary = "";
beforeAll(async () => {
  temporary = await mkdtemp(path.join(os.tmpdir(), "generate-"));
});
afterAll(async () => {
  await rm(temporary, { recursive: true });
});

/** A new folder with these files in it. */
async function folder(files: Record<string, string> = {}): Promise<string> {
  const at = await mkdtemp(path.join(temporary, "case-"));
  for (const [name, text] of Object.entries(files)) await writeFile(path.join(at, name), text);
  return at;
}

interface Outcome {
  exitCode: number;
  stdout: string;
  stderr: string;
}

/** Runs a program of node's to its end, whatever that is. */
function node(args: string[], cwd: string): Promise<Outcome> {
  // Not to the network: the tests work without one.
  const env = {
    ...process.env,
    REDOCLY_TELEMETRY: "off",
    REDOCLY_SUPPRESS_UPDATE_NOTICE: "true",
  };
  return new Promise((resolve) => {
    const child = execFile(process.execPath, args, { cwd, env }, (_, stdout, stderr) => {
      resolve({ exitCode: child.exitCode ?? -1, stdout, stderr });
    });
  });
}

function cli(args: string[], cwd: string = project): Promise<Outcome> {
  return node(["--import", tsx, path.join(project, "scripts", "generate.ts"), ...args], cwd);
}

/** The text and the time of change of each file in a folder. */
async function contents(at: string): Promise<Record<string, { text: string; changed: number }>> {
  const names = await readdir(at);
  const files = names.sort().map(async (name) => {
    const file = path.join(at, name);
    const text = await readFile(file, "utf8");
    return [name, { text, changed: (await stat(file)).mtimeMs }] as const;
  });
  return Object.fromEntries(await Promise.all(files));
}

function read(...names: string[]): Promise<string> {
  return readFile(path.join(...names), "utf8");
}

describe("npm run generate", () => {
  it.concurrent(
    "finds the committed files up to date with --check, and says nothing",
    async () => {
      const before = await contents(generated);
      expect(await cli(["--check"])).toEqual({ exitCode: 0, stdout: "", stderr: "" });
      expect(await contents(generated)).toEqual(before);
    },
    SLOW,
  );

  it.concurrent(
    "names the files that are not up to date with --check, exits 1 and writes nothing",
    async () => {
      const out = await folder();
      await cp(generated, out, { recursive: true });
      await writeFile(path.join(out, "openapi.yaml"), "# edited by hand\n", { flag: "a" });
      const before = await contents(out);
      expect(await cli(["--check", "--out", out])).toEqual({
        exitCode: 1,
        stdout: "",
        stderr: "Not up to date: openapi.yaml. Run `npm run generate`.\n",
      });
      expect(await contents(out)).toEqual(before);
    },
    SLOW,
  );

  it.concurrent(
    "takes relative and absolute paths and writes the same bytes, from wherever it is run",
    async () => {
      const at = await folder({
        "page.yaml": published,
        "fixes.yaml": await read(overlay),
      });
      const [relative, absolute] = await Promise.all([
        cli(["--spec", "page.yaml", "--overlay", "./fixes.yaml", "--out", "new/relative"], at),
        cli([
          `--spec=${path.join(at, "page.yaml")}`,
          `--overlay=${path.join(at, "fixes.yaml")}`,
          `--out=${path.join(at, "absolute")}`,
        ]),
      ]);
      const wrote = { exitCode: 0, stdout: "Wrote openapi.yaml, schema.ts.\n", stderr: "" };
      expect(relative).toEqual(wrote);
      expect(absolute).toEqual(wrote);

      expect(await readdir(path.join(at, "absolute"))).toEqual(["openapi.yaml", "schema.ts"]);
      expect(await readdir(path.join(at, "new", "relative"))).toEqual([
        "openapi.yaml",
        "schema.ts",
      ]);
      for (const name of ["openapi.yaml", "schema.ts"]) {
        const text = await read(at, "absolute", name);
        expect(await read(at, "new", "relative", name)).toBe(text);
        expect(text).not.toContain(at);
        const committed = await read(generated, name);
        const sources = "Sources: spec/lip-sync.yaml, spec/overlay.yaml\n";
        expect(text).toBe(committed.replace(sources, "Sources: page.yaml, fixes.yaml\n"));
      }
    },
    SLOW,
  );

  it.concurrent(
    "explains itself with --help",
    async () => {
      const { exitCode, stdout, stderr } = await cli(["--help"]);
      expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
      for (const option of ["--check", "--spec", "--overlay", "--out"]) {
        expect(stdout).toContain(`  ${option} `);
      }
    },
    SLOW,
  );

  it.concurrent(
    "refuses an option that it does not know, with exit 1 and one line",
    async () => {
      const { exitCode, stdout, stderr } = await cli(["--chekc"]);
      expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
      expect(stderr).toMatch(/^Unknown option '--chekc'.*\n$/);
    },
    SLOW,
  );

  it.concurrent.each<[string, Record<string, string>, RegExp[]]>([
    [
      "an overlay that is stale",
      {
        "fixes.yaml":
          "overlay: 1.1.0\nactions:\n" +
          "  - { x-id: info.title, target: $.info, x-was: { title: '' }, update: { title: 可灵 } }\n",
        "page.yaml": "openapi: 3.0.1\ninfo: { title: 对口型 }\n",
      },
      [
        /^1 action of the overlay no longer fits the document\.\n/,
        /^- info\.title$/m,
        /^ {4}place: {4}\$\.info$/m,
        /^ {4}expected: "title": ""$/m,
        /^ {4}found: {4}"title": "对口型"$/m,
      ],
    ],
    [
      "a document of Swagger 2",
      { "page.yaml": 'swagger: "2.0"\n' },
      [/^page\.yaml is not an OpenAPI 3\.0 or 3\.1 document: it says "2\.0"\.\n$/],
    ],
    [
      "YAML that does not parse",
      { "page.yaml": "openapi: 3.0.1\ninfo:\n  title: a: b\n" },
      [/^page\.yaml is not valid YAML: .+ at line 3, column 10:\n/],
    ],
    ["a file that is not there", {}, [/^page\.yaml cannot be read \(ENOENT\)\.\n$/]],
  ])(
    "refuses %s with exit 1 and one message, and writes nothing",
    async (_, files, messages) => {
      const at = await folder(files);
      const out = await folder({ "schema.ts": "as it was" });
      const before = await contents(out);
      const by = "fixes.yaml" in files ? "fixes.yaml" : overlay;
      const args = ["--spec", "page.yaml", "--overlay", by, "--out", out];
      const { exitCode, stdout, stderr } = await cli(args, at);
      expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
      for (const message of messages) expect(stderr).toMatch(message);
      expect(stderr).not.toMatch(/^\s+at /m);
      expect(await readdir(at)).toEqual(Object.keys(files));
      expect(await contents(out)).toEqual(before);
    },
    SLOW,
  );
});

describe("generate", () => {
  async function refusal(page: string, fixes = "{ overlay: 1.1.0, actions: [] }"): Promise<string> {
    const at = await folder({ "page.yaml": page, "fixes.yaml": fixes });
    const [from, by] = [path.join(at, "page.yaml"), path.join(at, "fixes.yaml")];
    return generate(await source(from), await source(by)).then(
      () => "nothing was refused",
      (error: unknown) => (error as Error).message,
    );
  }

  it.each<[string, string, string]>([
    ["of a later OpenAPI", "openapi: 4.0.0\n", 'it says "4.0.0"'],
    ["whose version is a number", "openapi: 3.1\n", "it says 3.1"],
    ["that is a plain text", "openapi\n", "it names no version"],
    ["that is a list", "- openapi: 3.0.1\n", "it names no version"],
    ["that is empty", "", "it names no version"],
  ])("refuses a document %s", async (_, page, found) => {
    expect(await refusal(page)).toBe(`page.yaml is not an OpenAPI 3.0 or 3.1 document: ${found}.`);
  });

  it("says of an overlay what it says of a document: which file cannot be used, and why", async () => {
    expect(await refusal(published, "overlay: [\n")).toMatch(
      /^fixes\.yaml is not valid YAML: .+ at line 2, column 1:/,
    );
    expect(await refusal(published, "")).toBe(
      "The overlay is not an OpenAPI Overlay 1.0 or 1.1 document.",
    );
    const missing = path.join(temporary, "missing.yaml");
    await expect(source(missing)).rejects.toThrow(`${missing} cannot be read (ENOENT).`);
    const other = path.join(await folder(), "utf-16.yaml");
    await writeFile(other, "openapi: 3.0.1", "utf16le");
    await writeFile(other, Buffer.concat([Buffer.from([0xff, 0xfe]), await readFile(other)]));
    await expect(source(other)).rejects.toThrow(`${other} is not UTF-8 text.`);
  });

  it(
    "reads a document with a byte order mark and Windows line ends, or in JSON",
    async () => {
      const windows = "\uFEFF" + published.replaceAll("\n", "\r\n");
      const json = JSON.stringify(parseYaml({ file: spec, text: published }));
      const at = await folder({ "page.yaml": windows, "page.json": json, "as-is.yaml": published });
      const [fromWindows, fromJson, asIs] = await Promise.all(
        ["page.yaml", "page.json", "as-is.yaml"].map(async (name) => {
          const files = await generate(await source(path.join(at, name)), await source(overlay));
          return [...files].map(([file, text]) => [file, text.replace(name, "the page")]);
        }),
      );
      expect(fromWindows).toEqual(asIs);
      expect(fromJson).toEqual(asIs);
    },
    SLOW,
  );

  it(
    "finds every file out of date in a folder that is not there",
    async () => {
      const files = await generate(await source(spec), await source(overlay));
      expect(await staleFiles(files, path.join(temporary, "absent"))).toEqual([
        "openapi.yaml",
        "schema.ts",
      ]);
    },
    SLOW,
  );
});

describe("generated/", () => {
  it.each([
    ["openapi.yaml", "# "],
    ["schema.ts", " * "],
  ])("%s begins with its sources and its command, and names no folder", async (name, margin) => {
    const text = await read(generated, name);
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

  it("schema.ts has types only, and none that says nothing", async () => {
    const text = await read(generated, "schema.ts");
    expect(text).not.toContain("Record<string, never>");
    const file = ts.createSourceFile("schema.ts", text, ts.ScriptTarget.ESNext);
    expect(file.statements.filter((statement) => !isType(statement))).toEqual([]);
    expect(kinds(file)).toContain(ts.SyntaxKind.StringKeyword);
    expect(kinds(file)).not.toContain(ts.SyntaxKind.AnyKeyword);
  });

  it.concurrent(
    "openapi.yaml is what another overlay tool makes of the same page",
    async () => {
      const redocly = path.join(project, "node_modules", "@redocly", "cli", "bin", "cli.js");
      const output = path.join(await folder(), "bundle.json");
      const args = ["bundle", "spec/lip-sync.yaml", "--overlay", "spec/overlay.yaml", "-o", output];
      const { exitCode, stderr } = await node([redocly, ...args], project);
      expect(exitCode, stderr).toBe(0);
      expect(JSON.parse(await read(output))).toEqual(parse(await read(generated, "openapi.yaml")));
    },
    SLOW,
  );
});

function isType(statement: ts.Statement): boolean {
  return ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement);
}

/** Every kind of syntax within. */
function kinds(node: ts.Node): Set<ts.SyntaxKind> {
  const found = new Set([node.kind]);
  node.forEachChild((child) => {
    for (const kind of kinds(child)) found.add(kind);
  });
  return found;
}

describe("spec/", () => {
  const { actions } = parse(readFileSync(overlay, "utf8")) as {
    actions: { "x-id"?: string; description?: string }[];
  };

  it("README.md records the sha256 of lip-sync.yaml", async () => {
    const sha256 = createHash("sha256").update(readFileSync(spec)).digest("hex");
    const recorded = (await read(project, "spec", "README.md")).match(/^sha256: .*$/gm);
    expect(recorded).toEqual([`sha256: ${sha256}`]);
  });

  it("overlay.yaml names every action, each by a name of its own", () => {
    const ids = actions.map((action) => action["x-id"]);
    expect(ids.filter((id) => typeof id !== "string" || id.trim() === "")).toEqual([]);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it.each(actions.map(({ "x-id": id, description }) => ({ id, description })))(
    "overlay.yaml says of $id what the page says, what is true and what shows it",
    ({ description }) => {
      expect(description).toMatch(/^Page: \S.*\nTruth: \S[^]*\nEvidence: \S/);
    },
  );
});
