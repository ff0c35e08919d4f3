import { cp, readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, it, vi } from "vitest";
import { parse } from "yaml";
import { main } from "../../scripts/generate.js";
import { placesIn } from "../../scripts/spec/generate.js";
import { openInEditor } from "../fixtures/compiler.js";
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

const cli = (args: string[]) => scripts.runInProcess(main, args);

const wrote = (names: string) => ({ exitCode: 0, stdout: `Wrote ${names}.\n`, stderr: "" });

const read = (...names: string[]) => readFile(path.join(...names), "utf8");

describe("npm run generate", () => {
  it("finds the committed files up to date with --check", async () => {
    const before = await scripts.contents(places.generated);
    expect(await cli(["--check"])).toEqual({ exitCode: 0, stdout: "", stderr: "" });
    expect(await scripts.contents(places.generated)).toEqual(before);
  });

  it("names the files that are not up to date, and writes them", async () => {
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

  it("writes the page of the voices from the data that --voices names", async () => {
    const at = await folder({ "one.yaml": "sources: []\nvoices: []\n" });
    const out = path.join(at, "out");
    const args = ["--voices", path.join(at, "one.yaml"), "--out", out, "--docs", at];
    expect(await cli(args)).toEqual(
      wrote("openapi.yaml, schema.ts, voices.ts, voices.md, voices.zh-CN.md"),
    );
    expect(await read(at, "voices.md")).toContain("- 0 ids are known");
  });

  it("writes the same bytes in another folder, as a program of its own", async () => {
    const at = await folder({ "page.yaml": published, "fixes.yaml": await read(places.overlay) });
    const inputs = ["--spec", "page.yaml", "--overlay", "./fixes.yaml"];
    const args = [...inputs, "--out", "new/relative", "--docs", "new/docs"];
    const names = ["openapi.yaml", "schema.ts", "voices.ts"];
    const run = await scripts.script("scripts/generate.ts", args, at);
    expect(run).toEqual(wrote([...names, "voices.md", "voices.zh-CN.md"].join(", ")));
    expect(await readdir(path.join(at, "new/relative"))).toEqual(names);
    for (const name of names) {
      const committed = await read(places.generated, name);
      const sources = "Sources: spec/lip-sync.yaml, spec/overlay.yaml\n";
      const expected = committed.replace(sources, "Sources: page.yaml, fixes.yaml\n");
      expect(await read(at, "new/relative", name)).toBe(expected);
    }
  });

  it("lists its options with --help", async () => {
    const { stdout, ...ended } = await cli(["--help"]);
    expect(ended).toEqual({ exitCode: 0, stderr: "" });
    for (const option of ["--check", "--spec", "--overlay", "--voices", "--out", "--docs"]) {
      expect(stdout).toContain(`  ${option} `);
    }
  });

  const stale = "target: $.info, x-was: { title: '' }, update: { title: 可灵 }";
  const files = {
    "page.yaml": "{ openapi: 3.1.0, info: { title: 对口型 }, tags: [{ $ref: '#/B' }] }",
    "2.yaml": "swagger: '2.0'",
    "bad.yaml": "info:\n  title: a: b\n",
    "no.yaml": "overlay: [\n",
    "none.yaml": "{ overlay: 1.1.0, actions: [] }",
    "stale.yaml": `{ overlay: 1.1.0, actions: [{ x-id: info.title, ${stale} }] }`,
    "schema.ts": "as it was",
  };

  it.each<[string, [option?: string, file?: string], RegExp]>([
    ["an unknown option", ["--chekc"], /^Unknown option '--chekc'.*\n$/],
    ["a missing file", ["--spec", "lost.yaml"], /^\S+lost\.yaml cannot be read \(ENOENT\)\.\n$/],
    ["Swagger 2", ["--spec", "2.yaml"], /^2\.yaml is not an OpenAPI .+: it says "2\.0"\.\n$/],
    [
      "a bad page",
      ["--spec", "bad.yaml"],
      /^bad\.yaml is not valid YAML: .+ at line 2, column 10:/,
    ],
    [
      "a bad overlay",
      ["--overlay", "no.yaml"],
      /^no\.yaml is not valid YAML: .+ line 2, column 1:/,
    ],
    [
      "a stale overlay",
      ["--overlay", "stale.yaml"],
      /^Stale actions of .+\n- info\.title\n {4}place: /,
    ],
    [
      // openapi-typescript prints each problem, the message has the last.
      "a $ref that leads nowhere",
      [],
      /^page\.yaml cannot be converted to types: Can't resolve \$ref at #\/tags[^\n]+\n$/m,
    ],
  ])("refuses %s with exit code 1 and a message, and writes nothing", async (_, args, message) => {
    const at = await folder(files);
    const before = await scripts.contents(at);
    const [spec, overlay] = ["page.yaml", "none.yaml"].map((name) => path.join(at, name));
    const defaults = [`--spec=${spec}`, `--overlay=${overlay}`, "--out", at];
    const [option, file] = args;
    const given = file === undefined ? option : `${option}=${path.join(at, file)}`;
    scripts.expectRefusal(await cli([...defaults, ...(given ? [given] : [])]), message);
    expect(await scripts.contents(at)).toEqual(before);
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
    const file = path.join(scripts.project, "test", "edited.mts");
    const service = openInEditor(file, code);
    expect(service.getSemanticDiagnostics(file)).toEqual([]);
    const completions = service.getCompletionsAtPosition(file, code.indexOf('"";') + 1, undefined);
    expect(completions?.entries).toHaveLength(46);
    expect(completions?.entries.map(({ name }) => name)).toContain("oversea_male1");
  });

  it("openapi.yaml is converted by openapi-typescript's own command line, in this folder", async () => {
    const bin = path.join(scripts.project, "node_modules", "openapi-typescript", "bin", "cli.js");
    const output = path.join(await newFolder(), "schema.ts");
    const { exitCode, stderr } = await scripts.node([bin, "generated/openapi.yaml", "-o", output]);
    expect(exitCode, stderr).toBe(0);
    expect(await read(output)).toContain("task_status");
  });
});

describe("spec/", () => {
  it("README.md records the sha256 of lip-sync.yaml", async () => {
    const recorded = (await read(places.provenance)).match(/^sha256: .*$/gm);
    expect(recorded).toEqual([`sha256: ${scripts.sha256(published)}`]);
  });

  it("overlay.yaml gives every action a unique name, and says what it is about", async () => {
    const { actions } = parse(await read(places.overlay)) as {
      actions: { "x-id"?: string; description?: string }[];
    };
    const ids = actions.map((action) => action["x-id"] ?? "");
    expect(ids.filter((id, index) => id.trim() === "" || ids.indexOf(id) !== index)).toEqual([]);
    const sentences = /^Page: \S.*\nTruth: \S[^]*\nEvidence: \S/;
    for (const { description } of actions) expect(description).toMatch(sentences);
  });
});
