import { cp, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { decode } from "../../scripts/files.js";
import { main as generateMain } from "../../scripts/generate.js";
import { main } from "../../scripts/import-spec.js";
import { placesIn } from "../../scripts/spec/generate.js";
import { importSpec, type Outcome } from "../../scripts/spec/import.js";
import * as pages from "../fixtures/page.js";
import * as scripts from "../fixtures/scripts.js";

// Processes and openapi-typescript are slow on a busy machine.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const { asJson, change, markdown, overlay, published, windows, withNote } = pages;
const { sha256 } = scripts;
const provenance = `retrieved: 2026-01-31\n\nsha256: ${sha256(published)}\n\nMore words.\n`;
const other = published.replaceAll("/lip-sync:", "/other:");
const retitled = change(withNote, "title: ''", "title: 对口型");

const newFolder = scripts.temporaryFolders();
let original = "";
beforeAll(async () => {
  original = await newFolder();
  const places = placesIn(original);
  await mkdir(path.join(original, "spec"));
  await writeFile(places.spec, published);
  await writeFile(places.overlay, overlay);
  await writeFile(places.provenance, provenance);
  await take(published, original);
});

/** A new copy of what an import reads and writes. */
async function copy(): Promise<string> {
  const folder = await newFolder();
  await cp(original, folder, { recursive: true });
  return folder;
}

const read = (...names: string[]) => readFile(path.join(...names), "utf8");

function take(page: string, folder: string, operation?: string): Promise<Outcome> {
  return importSpec(decode("page.md", Buffer.from(page)), { folder, operation });
}

describe("an import", () => {
  it.each([
    ["Markdown", markdown(withNote), withNote],
    ["Markdown with Windows line ends", windows(markdown(withNote)), windows(withNote)],
    ["JSON", asJson(withNote), asJson(withNote)],
    ["Markdown after another document", markdown(other) + markdown(withNote), withNote],
  ])("writes the document that it finds in %s, its sum and the types", async (_, page, text) => {
    const folder = await copy();
    const { report, problem } = await take(page, folder, "POST /kling/v1/videos/lip-sync");
    expect(problem).toBeUndefined();
    expect(report).toContain("The document has changed");
    expect(await read(folder, "spec", "lip-sync.yaml")).toBe(text);
    expect(await read(folder, "generated", "schema.ts")).toMatch(
      /^ \* Sources: spec\/lip-sync\.yaml, spec\/overlay\.yaml\n[^]+note\?: string;/m,
    );
    expect(await read(folder, "spec", "README.md")).toContain(`\nsha256: ${sha256(text)}\n`);
  });

  it.each([
    ["Markdown", markdown(published)],
    ["Markdown with Windows line ends", windows(markdown(published))],
    ["JSON in one line", JSON.stringify(JSON.parse(asJson(published)))],
  ])("changes nothing if %s has the document that the project has", async (_, page) => {
    const folder = await copy();
    const before = await scripts.contents(folder);
    expect(await take(page, folder)).toEqual({ report: "Nothing changed." });
    expect(await scripts.contents(folder)).toEqual(before);
  });

  it.each([
    ["Unix", (text: string) => text],
    ["Windows", windows],
  ])("records the date and the sum in a provenance with %s line ends", async (_, withEnds) => {
    const folder = await copy();
    const before = withEnds(provenance);
    await writeFile(placesIn(folder).provenance, before);
    expect(await take(published, folder)).toEqual({ report: "Nothing changed." });
    expect(await read(folder, "spec", "README.md")).toBe(before);

    vi.useFakeTimers({ toFake: ["Date"], now: new Date("2027-02-03T04:05:06Z") });
    await take(withNote, folder);
    vi.useRealTimers();
    expect(await read(folder, "spec", "README.md")).toBe(
      before.replace("2026-01-31", "2027-02-03").replace(sha256(published), sha256(withNote)),
    );
  });

  it("says that the document changed, and which files it wrote", async () => {
    const longest = change(published, "text: {", "text: { maxLength: 9,");
    const { report } = await take(markdown(longest), await copy());
    expect(report.split("\n")).toEqual([
      "The document has changed: read `git diff`.",
      "",
      "Wrote spec/lip-sync.yaml, spec/README.md, generated/openapi.yaml.",
    ]);
  });

  it.each([
    ["it has no document", "", provenance, /^page\.md contains no OpenAPI document/],
    [
      "its document has no types",
      change(published, "video_id: { type: string }", "video_id: { $ref: '#/nowhere' }"),
      provenance,
      /^With page\.md, spec\/lip-sync\.yaml cannot be converted to types: Can't resolve \$ref .+$/,
    ],
    [
      "the provenance has no line for its sum",
      withNote,
      "# The published page\n",
      new Error(`spec/README.md has no line like "sha256: ${sha256(withNote)}".`),
    ],
  ])("refuses a page if %s, and writes nothing", async (_, page, recorded, message) => {
    const printed = vi.spyOn(console, "error").mockImplementation(() => undefined);
    const folder = await copy();
    await writeFile(placesIn(folder).provenance, recorded);
    const before = await scripts.contents(folder);
    await expect(take(page, folder)).rejects.toThrow(message);
    expect(await scripts.contents(folder)).toEqual(before);
    printed.mockRestore();
  });

  it("refuses the overlay if no action can be applied to the new structure", async () => {
    const page = change(published, "schemas: {}", "schemas: []");
    const { problem } = await take(page, await copy());
    expect(problem).toMatch(/^\nAction schemas\.Task of the overlay [^]+Edit spec\/overlay\.yaml/);
  });
});

describe("an import that was killed between its writes", () => {
  const texts = async (folder: string) =>
    new Map(Object.entries(await scripts.contents(folder)).map(([name, { text }]) => [name, text]));

  it.each([
    [["generated/openapi.yaml", "generated/schema.ts", "spec/README.md"]],
    [["spec/lip-sync.yaml"]],
  ])("is finished by the next one if only %j were written", async (written) => {
    const [done, folder] = [await copy(), await copy()];
    await take(markdown(withNote), done);
    for (const name of written) await cp(path.join(done, name), path.join(folder, name));
    const { report, problem } = await take(markdown(withNote), folder);
    expect(problem).toBeUndefined();
    expect(report).toContain("Wrote ");
    expect(await texts(folder)).toEqual(await texts(done));
  });
});

describe("npm run spec:import", () => {
  it("leaves a tree that an edit of the overlay and npm run generate finish", async () => {
    const folder = await copy();
    const before = await scripts.contents(folder);
    const { report, problem = "" } = await take(retitled, folder);
    expect(report).toMatch(
      /^The document has changed: [^\n]+\n\nWrote spec\/lip-sync\.yaml, spec\/README\.md\.$/,
    );
    expect(problem).toMatch(/^\nStale actions of [^\n]+\n- info\.title\n {4}place: /);
    expect(problem).toMatch(/\ngenerated\/ was not written\. Edit .+ run `npm run generate`\.$/);
    const after = await scripts.contents(folder);
    expect(await read(folder, "spec", "lip-sync.yaml")).toBe(retitled);
    expect(await read(folder, "spec", "README.md")).toContain(sha256(retitled));
    for (const name of ["generated/openapi.yaml", "generated/schema.ts", "spec/overlay.yaml"]) {
      expect(after[name]).toEqual(before[name]);
    }
    expect(await take(retitled, folder)).toEqual({ report: "Nothing changed.", problem });
    expect(await scripts.contents(folder)).toEqual(after);

    const places = placesIn(folder);
    const action = /\n {2}- x-id: info\.title\n[^]+?(?=\n {2}- x-id: )/;
    await writeFile(places.overlay, overlay.replace(action, ""));
    const args = [`--spec=${places.spec}`, `--overlay=${places.overlay}`];
    args.push(`--out=${places.generated}`);
    const generated = await scripts.runInProcess(generateMain, args);
    expect(generated).toMatchObject({ exitCode: 0, stderr: "" });
    expect(generated.stdout).toMatch(/^Wrote openapi\.yaml, schema\.ts/);
    expect(await read(folder, "generated", "openapi.yaml")).toContain("title: 对口型\n");
    expect(await read(folder, "generated", "schema.ts")).toContain("note?: string;");
  });

  it("takes a page from standard input into the project, as a program of its own", async () => {
    const folder = await copy();
    for (const name of ["scripts", "package.json", "tsconfig.json"]) {
      const source = path.join(scripts.project, name);
      await cp(source, path.join(folder, name), { recursive: true });
    }
    await symlink(path.join(scripts.project, "node_modules"), path.join(folder, "node_modules"));
    const script = path.join(folder, "scripts", "import-spec.ts");
    const run = (page: Buffer) => scripts.script(script, ["-"], folder, page);
    const { stdout, ...ended } = await run(Buffer.from(`\uFEFF${windows(markdown(withNote))}`));
    expect(ended).toEqual({ exitCode: 0, stderr: "" });
    expect(stdout).toMatch(
      /^The document has changed: [^\n]+\n\nWrote spec\/lip-sync\.yaml, [^\n]+\.\n$/,
    );
    expect(await read(folder, "spec", "lip-sync.yaml")).toBe(windows(withNote));

    const before = await scripts.contents(folder);
    const refused = await run(Buffer.from(`\uFEFF${published}`, "utf16le"));
    scripts.expectRefusal(refused, /^standard input is not UTF-8 text\.\n$/);
    expect(await scripts.contents(folder)).toEqual(before);
  });

  it.each([
    ["no file name", [], /^Usage: npm run spec:import -- FILE/],
    ["two file names", ["a.md", "b.md"], /^Usage: npm run spec:import -- FILE/],
    ["a file that is missing", ["lost.md"], /^lost\.md cannot be read \(ENOENT\)\.\n$/],
  ])("refuses %s with exit code 1 and a message", async (_, args, said) => {
    scripts.expectRefusal(await scripts.runInProcess(main, args), said);
  });
});
