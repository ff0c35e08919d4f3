import { createHash } from "node:crypto";
import { cp, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { decode, writeFiles } from "../../scripts/files.js";
import { generate, placesIn } from "../../scripts/spec/generate.js";
import { importSpec, type Outcome } from "../../scripts/spec/import.js";
import {
  asJson,
  change,
  markdown,
  overlay,
  published,
  windows,
  withNote,
} from "../fixtures/page.js";
import * as scripts from "../fixtures/scripts.js";

// Processes and openapi-typescript are slow on a busy machine.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
const provenance = `# The page

retrieved: 2026-01-31

sha256: ${sha256(published)}

More words.
`;

const newFolder = scripts.temporaryFolders();
let original = "";
beforeAll(async () => {
  original = await newFolder();
  const places = placesIn(original);
  await mkdir(path.join(original, "spec"));
  await writeFile(places.spec, published);
  await writeFile(places.overlay, overlay);
  await writeFile(places.provenance, provenance);
  const { spec, overlay: corrections } = placesIn();
  const sources = [
    { file: spec, text: published },
    { file: corrections, text: overlay },
  ] as const;
  await writeFiles(await generate(...sources), places.generated);
});

/** A new copy of what an import reads and writes. */
async function copy(): Promise<string> {
  const folder = await newFolder();
  await cp(original, folder, { recursive: true });
  return folder;
}

/** Every file of spec/ and generated/ with its bytes and the time of its last change. */
async function contents(folder: string): ReturnType<typeof scripts.contents> {
  const files = Object.entries(await scripts.contents(folder));
  return Object.fromEntries(files.filter(([name]) => /^(?:spec|generated)\//.test(name)));
}

async function texts(folder: string): Promise<Record<string, string>> {
  const files = Object.entries(await contents(folder));
  return Object.fromEntries(files.map(([name, { text }]) => [name, text]));
}

function read(folder: string, ...names: string[]): Promise<string> {
  return readFile(path.join(folder, ...names), "utf8");
}

function take(page: string, folder: string, operation?: string): Promise<Outcome> {
  return importSpec(decode("page.md", Buffer.from(page)), { folder, operation });
}

describe("an import", () => {
  it.each([
    ["Markdown", markdown(withNote), withNote],
    ["Markdown with Windows line ends", windows(markdown(withNote)), windows(withNote)],
    ["JSON", asJson(withNote), asJson(withNote)],
  ])(
    "writes the document of a page in %s, its sum and the generated files",
    async (_, page, text) => {
      const folder = await copy();
      const { report, problem } = await take(page, folder);
      expect(problem).toBeUndefined();
      expect(report).toContain("- POST /kling/v1/videos/lip-sync: request input.note: added {");
      expect(await read(folder, "spec", "lip-sync.yaml")).toBe(text);
      expect(await read(folder, "generated", "schema.ts")).toContain("note?: string;");
      expect(await read(folder, "spec", "README.md")).toContain(`\nsha256: ${sha256(text)}\n`);
    },
  );

  it.each([
    ["Markdown", markdown(published)],
    ["Markdown with Windows line ends", windows(markdown(published))],
    ["JSON in one line", JSON.stringify(JSON.parse(asJson(published)))],
  ])("changes nothing if %s has the document that the project has", async (_, page) => {
    const folder = await copy();
    const before = await contents(folder);
    expect(await take(page, folder)).toEqual({ report: "Nothing changed." });
    expect(await contents(folder)).toEqual(before);
  });

  it("records today's date and the sum, and no other word of the provenance", async () => {
    const folder = await copy();
    const earliest = new Date().toISOString().slice(0, 10);
    await take(withNote, folder);
    const after = await read(folder, "spec", "README.md");
    const latest = new Date().toISOString().slice(0, 10);
    const [, date = ""] = /^retrieved: (\S+)$/m.exec(after) ?? [];
    expect([earliest, latest]).toContain(date);
    expect(after).toBe(
      provenance.replace("2026-01-31", date).replace(sha256(published), sha256(withNote)),
    );
  });

  it("keeps the Windows line ends of the provenance", async () => {
    const folder = await copy();
    await writeFile(placesIn(folder).provenance, windows(provenance));
    const before = await contents(folder);
    expect(await take(published, folder)).toEqual({ report: "Nothing changed." });
    expect(await contents(folder)).toEqual(before);
    await take(withNote, folder);
    const after = await read(folder, "spec", "README.md");
    expect(after).toContain(`\r\nsha256: ${sha256(withNote)}\r\n`);
    expect(after.replaceAll("\r\n", "")).not.toContain("\n");
  });

  it("lists what changed by place, without a verdict", async () => {
    const edits = [
      ["- input\n              x-api", "- input\n                - version\n              x-api"],
      ["voice_id:\n", "voice_id:\n                      maxLength: 64\n"],
      ["      responses:\n", "      responses:\n        '202': { description: '' }\n"],
      ["      deprecated: false\n", "      deprecated: true\n"],
      ["生成视频", "生成对口型视频"],
      ["components:\n", "  /kling/v1/voices:\n    get: { responses: {} }\ncomponents:\n"],
    ];
    const page = edits.reduce((text, [from = "", to = ""]) => change(text, from, to), published);
    const { report, problem } = await take(markdown(page), await copy());
    expect(problem).toBeUndefined();
    const post = "- POST /kling/v1/videos/lip-sync";
    expect(report.split("\n")).toEqual([
      "What changed:",
      `${post}: deprecated: changed from false to true`,
      `${post}: description: changed`,
      `${post}: request input.voice_id maxLength: added 64`,
      `${post}: request required: added "version"`,
      `${post}: response 202: added {"description":""}`,
      "- GET /kling/v1/voices: added",
      "`git diff spec/lip-sync.yaml` shows every word.",
      "",
      "Wrote spec/lip-sync.yaml, spec/README.md, generated/openapi.yaml, generated/schema.ts.",
    ]);
  });

  it("takes the one of several documents that has the operation", async () => {
    const folder = await copy();
    const page = markdown(published.replaceAll("/lip-sync:", "/other:")) + markdown(withNote);
    expect((await take(page, folder, "POST /kling/v1/videos/lip-sync")).problem).toBeUndefined();
    expect(await read(folder, "spec", "lip-sync.yaml")).toBe(withNote);
  });

  it("refuses a page that cannot be used, and writes nothing", async () => {
    const error = vi.spyOn(console, "error").mockImplementation(() => undefined);
    const folder = await copy();
    const before = await contents(folder);
    await expect(take("", folder)).rejects.toThrow(/^page\.md contains no OpenAPI document/);
    const video = "                    video_id:\n                      type: string\n";
    const ref = "                    video_id: { $ref: '#/components/schemas/Note' }\n";
    await expect(take(change(published, video, ref), folder)).rejects.toThrow(
      /^With page\.md, spec\/lip-sync\.yaml cannot be converted to types: Can't resolve \$ref .+$/,
    );
    expect(await contents(folder)).toEqual(before);
    error.mockRestore();
  });

  it("refuses a page if the provenance has no line for its sum, and writes nothing", async () => {
    const folder = await copy();
    await writeFile(placesIn(folder).provenance, "# The published page\n");
    const before = await contents(folder);
    await expect(take(withNote, folder)).rejects.toThrow(
      `spec/README.md has no line like "sha256: ${sha256(withNote)}".`,
    );
    expect(await contents(folder)).toEqual(before);
  });
});

describe("an import that makes actions stale", () => {
  // Upstream wrote the title, and changed the type of a field that the overlay describes.
  const page = change(
    change(withNote, "title: ''", "title: 对口型"),
    "                    text:\n                      type: string\n",
    "                    text:\n                      type: integer\n",
  );

  it("names each of them, its place, what it expected and found, and what to do", async () => {
    const { report, problem = "" } = await take(markdown(page), await copy());
    expect(report).toContain('request input.text type: changed from "string" to "integer"\n');
    const lines = problem.split("\n");
    expect(lines.slice(0, 7)).toEqual([
      "",
      "2 actions of the overlay no longer fit the document.",
      "- info.title",
      "    place:    $.info",
      '    expected: "title": ""',
      '    found:    "title": "对口型"',
      "- input.text",
    ]);
    expect(lines[7]).toMatch(/^ {4}place: {4}\$\.paths\[.+\]\.post\..+\.properties\.text$/);
    expect(lines.slice(8, 10)).toEqual([
      '    expected: "type": "string"',
      '    found:    "type": "integer"',
    ]);
    expect(lines.slice(10).join("\n")).toMatch(
      /delete the action[^]+check again[^]+generated\/ was not written\. Edit spec\/overlay\.yaml [^]+ run `npm run generate`\.$/,
    );
  });

  it("writes the document, leaves generated/ as it was, and says so again next time", async () => {
    const folder = await copy();
    const before = await contents(folder);
    const { problem } = await take(markdown(page), folder);
    const after = await contents(folder);
    expect(await read(folder, "spec", "lip-sync.yaml")).toBe(page);
    expect(await read(folder, "spec", "README.md")).toContain(sha256(page));
    for (const name of ["generated/openapi.yaml", "generated/schema.ts", "spec/overlay.yaml"]) {
      expect(after[name]).toEqual(before[name]);
    }
    expect(await take(markdown(page), folder)).toEqual({ report: "Nothing changed.", problem });
    expect(await contents(folder)).toEqual(after);
  });

  it("reports them also if no action can be applied to the new structure", async () => {
    const list = change(published, "  schemas: {}", "  schemas: []");
    const { problem } = await take(list, await copy());
    expect(problem).toContain("schemas.Task");
    expect(problem).toContain("Edit spec/overlay.yaml");
  });
});

describe("an import that was killed between its writes", () => {
  let done: Record<string, string> = {};
  beforeAll(async () => {
    const folder = await copy();
    await take(markdown(withNote), folder);
    done = await texts(folder);
  });

  it.each([
    [["generated/openapi.yaml"]],
    [["generated/openapi.yaml", "generated/schema.ts", "spec/README.md"]],
    [["spec/lip-sync.yaml"]],
    [["spec/lip-sync.yaml", "spec/README.md"]],
  ])("is finished by the next one if only %j were written", async (written) => {
    const folder = await copy();
    for (const name of written) {
      await writeFile(path.join(folder, name), done[name] ?? "", "latin1");
    }
    const { report, problem } = await take(markdown(withNote), folder);
    expect(problem).toBeUndefined();
    expect(report).toContain("Wrote ");
    expect(await texts(folder)).toEqual(done);
  });
});

describe("npm run spec:import", () => {
  /** A project with its own scripts, in which the command lines run. */
  async function clone(): Promise<string> {
    const folder = await copy();
    for (const name of ["scripts", "package.json", "tsconfig.json"]) {
      await cp(path.join(scripts.project, name), path.join(folder, name), { recursive: true });
    }
    await symlink(path.join(scripts.project, "node_modules"), path.join(folder, "node_modules"));
    return folder;
  }

  function run(folder: string, name: string, args: string[], input?: Buffer): Promise<scripts.Run> {
    return scripts.script(path.join(folder, "scripts", name), args, folder, input);
  }

  it("takes a new page from standard input", async () => {
    const folder = await clone();
    const page = Buffer.from(`\uFEFF${windows(markdown(withNote))}`);
    const { exitCode, stdout, stderr } = await run(folder, "import-spec.ts", ["-"], page);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    expect(stdout).toMatch(
      /^What changed:\n- POST [^\n]+: request input\.note: added \{[^\n]+\n`git diff [^\n]+\n\nWrote spec\/lip-sync\.yaml, spec\/README\.md, generated\/openapi\.yaml, generated\/schema\.ts\.\n$/,
    );
    expect(await read(folder, "spec", "lip-sync.yaml")).toBe(windows(withNote));
    const header = "Sources: spec/lip-sync.yaml, spec/overlay.yaml\n";
    expect(await read(folder, "generated", "openapi.yaml")).toContain(header);
  });

  it("leaves a tree that an edit of the overlay and npm run generate finish", async () => {
    const folder = await clone();
    await writeFile(path.join(folder, "page.md"), change(withNote, "title: ''", "title: 对口型"));
    const first = await run(folder, "import-spec.ts", ["page.md"]);
    expect(first.exitCode).toBe(1);
    expect(first.stdout).toMatch(
      /^What changed:\n[^]+\nWrote spec\/lip-sync\.yaml, spec\/README\.md\.\n$/,
    );
    expect(first.stderr).toMatch(
      /^\n1 action of the overlay no longer fits the document\.\n- info\.title\n/,
    );
    expect(first.stderr).not.toMatch(/^\s+at /m);

    const action = /\n {2}- x-id: info\.title\n[^]+?(?=\n {2}- x-id: )/;
    await writeFile(placesIn(folder).overlay, overlay.replace(action, ""));
    const wrote = { exitCode: 0, stdout: "Wrote openapi.yaml, schema.ts.\n", stderr: "" };
    expect(await run(folder, "generate.ts", [])).toEqual(wrote);
    expect(await read(folder, "generated", "openapi.yaml")).toContain("title: 对口型\n");
    expect(await read(folder, "generated", "schema.ts")).toContain("note?: string;");

    const before = await contents(folder);
    const nothing = { exitCode: 0, stdout: "Nothing changed.\n", stderr: "" };
    expect(await run(folder, "import-spec.ts", ["page.md"])).toEqual(nothing);
    expect(await contents(folder)).toEqual(before);
  });

  it.each<[string, string[], Buffer, RegExp]>([
    [
      "UTF-16",
      ["-"],
      Buffer.from(`\uFEFF${published}`, "utf16le"),
      /^standard input is not UTF-8 text\.\n$/,
    ],
    ["a missing file name", [], Buffer.from(""), /^Usage: npm run spec:import -- FILE/],
  ])(
    "refuses %s with exit code 1 and a message, and writes nothing",
    async (_, args, input, said) => {
      const folder = await clone();
      const before = await contents(folder);
      const { exitCode, stdout, stderr } = await run(folder, "import-spec.ts", args, input);
      expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
      expect(stderr).toMatch(said);
      expect(stderr).not.toMatch(/^\s+at /m);
      expect(await contents(folder)).toEqual(before);
    },
  );
});
