import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";
import { text as readAll } from "node:stream/consumers";
import { fileURLToPath, pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { parse } from "yaml";
import { decode, writeFiles } from "../scripts/files.js";
import { generate, OVERLAY, SPEC } from "../scripts/generate.js";
import { importSpec, type Outcome } from "../scripts/import-spec.js";

// Processes, and what turns a document into types, are slow on a machine that is busy.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const project = fileURLToPath(new URL("..", import.meta.url));
const tsx = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;

/** A page, its corrections and its provenance, so that no test depends on what the real ones say. */
const published = `openapi: 3.0.1
info:
  title: ''
  version: 1.0.0
paths:
  /kling/v1/videos/lip-sync:
    post:
      summary: 对口型
      deprecated: false
      description: 生成视频
      requestBody:
        content:
          application/json:
            schema:
              type: object
              properties:
                input:
                  type: object
                  properties:
                    video_id:
                      type: string
                    text:
                      type: string
                    voice_id:
                      type: string
              required:
                - input
              x-apifox-orders:
                - input
      responses:
        '200':
          description: ''
      security: []
components:
  schemas: {}
`;
const overlay = `overlay: 1.1.0
actions:
  - x-id: info.title
    target: $.info
    x-was: { title: "" }
    update: { title: lip-sync }

  - x-id: input.text
    target: $.paths['/kling/v1/videos/lip-sync'].post.requestBody.content['application/json'].schema.properties.input.properties.text
    x-was: { type: string }
    update: { description: What is said. }

  - x-id: schemas.Task
    target: $.components.schemas
    update: { Task: { type: object } }
`;
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
const provenance = `# The page

retrieved: 2026-01-31

sha256: ${sha256(published)}

More words.
`;

let temporary = "";
let original = "";
beforeAll(async () => {
  temporary = await mkdtemp(path.join(os.tmpdir(), "import-"));
  original = path.join(temporary, "original");
  await mkdir(path.join(original, "spec"), { recursive: true });
  await writeFile(path.join(original, "spec", "lip-sync.yaml"), published);
  await writeFile(path.join(original, "spec", "overlay.yaml"), overlay);
  await writeFile(path.join(original, "spec", "README.md"), provenance);
  const files = await generate({ file: SPEC, text: published }, { file: OVERLAY, text: overlay });
  await writeFiles(files, path.join(original, "generated"));
});
afterAll(async () => {
  await rm(temporary, { recursive: true });
});

/** A new copy of what an import reads and writes. */
async function copy(): Promise<string> {
  const folder = await mkdtemp(path.join(temporary, "project-"));
  await cp(original, folder, { recursive: true });
  return folder;
}

/** Every file of spec/ and generated/ with its bytes and the time of its last change. */
async function contents(
  folder: string,
): Promise<Record<string, { text: string; changed: number }>> {
  const files: Record<string, { text: string; changed: number }> = {};
  for (const part of ["generated", "spec"]) {
    for (const name of (await readdir(path.join(folder, part))).sort()) {
      const file = path.join(folder, part, name);
      const text = await readFile(file, "latin1");
      files[`${part}/${name}`] = { text, changed: (await stat(file)).mtimeMs };
    }
  }
  return files;
}

/** The same without the times. */
async function texts(folder: string): Promise<Record<string, string>> {
  const files = Object.entries(await contents(folder));
  return Object.fromEntries(files.map(([name, { text }]) => [name, text]));
}

function read(folder: string, ...names: string[]): Promise<string> {
  return readFile(path.join(folder, ...names), "utf8");
}

/** Imports a page that was read from a file of these bytes. */
async function take(page: string | Buffer, folder: string, operation?: string): Promise<Outcome> {
  return importSpec(decode("page.md", Buffer.from(page)), { folder, operation });
}

/** What is said about a page that is refused, after which everything is as it was. */
async function refusal(page: string | Buffer, operation?: string): Promise<string> {
  const folder = await copy();
  const before = await contents(folder);
  const message = await (async () => take(page, folder, operation))().then(
    () => "nothing was refused",
    (error: unknown) => (error as Error).message,
  );
  expect(await contents(folder)).toEqual(before);
  return message;
}

/** A page as Apifox and Apidog export it. */
function markdown(document: string, [open, close] = ["```yaml", "```"]): string {
  return `# 对口型\n\n## OpenAPI Specification\n\n${open}\n${document}${close}\n`;
}

function change(document: string, from: string, to: string): string {
  expect(document.split(from)).toHaveLength(2);
  return document.replace(from, () => to);
}

const windows = (text: string) => text.replaceAll("\n", "\r\n");
const indented = (text: string, margin: string) => text.replace(/^(?=.)/gm, margin);
const asJson = (document: string) => JSON.stringify(parse(document), null, "\t");

// A new optional property, whose description has fences and what looks like another document.
const NOTE = `                    note:
                      type: string
                      description: |
                        Such as

                        \`\`\`yaml
                        openapi: 3.0.1
                        \`\`\`
                        or
                        ~~~
                        a block without an end
`;
const withNote = change(
  published,
  "                    video_id:\n",
  `${NOTE}                    video_id:\n`,
);
const renamed = published.replaceAll("/lip-sync:", "/other:");

const forms: [string, (document: string) => string | Buffer, ((document: string) => string)?][] = [
  ["Markdown", markdown],
  ["Markdown with Windows line ends", (text) => windows(markdown(text)), windows],
  ["Markdown with a byte-order mark", (text) => `\uFEFF${markdown(text)}`],
  ["Markdown without a word about the language", (text) => markdown(text, ["```", "```"])],
  ["Markdown with a longer fence", (text) => markdown(text, ["`````yaml", "``````"])],
  ["Markdown with tildes", (text) => markdown(text, ["~~~ yaml title=`x`", "~~~~"])],
  [
    "Markdown with the block in a list",
    (text) => `1. The document\n\n${indented(markdown(text), "   ")}`,
  ],
  [
    "Markdown with the block as an item of a list",
    (text) => `- - \`\`\`yaml\n${indented(text, "    ")}    \`\`\`\n- more\n`,
  ],
  [
    "Markdown with other blocks around the document",
    (text) =>
      '```json\n{ "a": 1 }\n```\n' +
      "Write `openapi: 3.0.1` and ```inline```.\n" +
      `${markdown(text)}\n~~~\nopenapi-generator --help\n~~~\n\n\`\`\`sh\ncurl`,
  ],
  [
    "Markdown with a block of JSON",
    (text) => markdown(`${asJson(text)}\n`),
    (text) => `${asJson(text)}\n`,
  ],
  ["YAML", (text) => text],
  [
    "YAML with Windows line ends and a byte-order mark",
    (text) => `\uFEFF${windows(text)}`,
    windows,
  ],
  ["YAML with its version in the middle", moveVersion, moveVersion],
  ["JSON", asJson, asJson],
  [
    "JSON in one line, with a byte-order mark",
    (text) => `\uFEFF${JSON.stringify(parse(text))}`,
    (text) => JSON.stringify(parse(text)),
  ],
];

// The rest differs only in where the document is found.
const OVER_ITSELF = [
  "Markdown",
  "Markdown with Windows line ends",
  "YAML with its version in the middle",
  "JSON in one line, with a byte-order mark",
];

function moveVersion(document: string): string {
  const version = "openapi: 3.0.1\n";
  return `# A comment\n---\n${document.replace(version, "").replace("\ncomponents:\n", `\n"openapi": 3.0.1\ncomponents:\n`)}`;
}

describe("importing a page", () => {
  it.each(forms)("takes the document's own bytes from %s", async (_, form, written) => {
    const folder = await copy();
    const { report, problem } = await take(form(withNote), folder);
    expect(problem).toBeUndefined();
    expect(report).toContain(
      "- POST /kling/v1/videos/lip-sync: request property input.note: added\n",
    );
    const text = await read(folder, "spec", "lip-sync.yaml");
    expect(text).toBe(written ? written(withNote) : withNote);
    expect(await read(folder, "generated", "schema.ts")).toContain("note?: string;");
    expect(await read(folder, "spec", "README.md")).toContain(`\nsha256: ${sha256(text)}\n`);
  });

  it.each(forms.filter(([name]) => OVER_ITSELF.includes(name)))(
    "changes nothing where %s has the document that is there",
    async (_, form) => {
      const folder = await copy();
      const before = await contents(folder);
      expect(await take(form(published), folder)).toEqual({ report: "Nothing changed." });
      expect(await contents(folder)).toEqual(before);
    },
  );

  it("records today's date and the sum, and no other word of the provenance", async () => {
    const folder = await copy();
    const before = await read(folder, "spec", "README.md");
    const earliest = new Date().toISOString().slice(0, 10);
    await take(withNote, folder);
    const after = await read(folder, "spec", "README.md");
    const latest = new Date().toISOString().slice(0, 10);
    const [, date = ""] = /^retrieved: (\S+)$/m.exec(after) ?? [];
    expect([earliest, latest]).toContain(date);
    expect(after).toBe(
      before
        .replace(/^retrieved: .*$/m, `retrieved: ${date}`)
        .replace(/^sha256: .*$/m, `sha256: ${sha256(withNote)}`),
    );
  });

  it("keeps the Windows line ends of the provenance", async () => {
    const folder = await copy();
    const file = path.join(folder, "spec", "README.md");
    await writeFile(file, windows(await read(folder, "spec", "README.md")));
    const before = await contents(folder);
    expect(await take(published, folder)).toEqual({ report: "Nothing changed." });
    expect(await contents(folder)).toEqual(before);
    await take(withNote, folder);
    const after = await read(folder, "spec", "README.md");
    expect(after).toContain(`\r\nsha256: ${sha256(withNote)}\r\n`);
    expect(after.replaceAll("\r\n", "")).not.toContain("\n");
  });

  it("says in plain words what changed, and what of it breaks callers", async () => {
    const folder = await copy();
    const page = [
      [
        "                - input\n              x-api",
        "                - input\n                - version\n              x-api",
      ],
      [
        "                    voice_id:\n                      type: string\n",
        "                    voice_id:\n                      type: string\n                      maxLength: 64\n",
      ],
      ["      responses:\n", "      responses:\n        '202': { description: '' }\n"],
      ["      deprecated: false\n", "      deprecated: true\n"],

      ["components:\n", "  /kling/v1/voices:\n    get: { responses: {} }\ncomponents:\n"],
    ].reduce((text, [from = "", to = ""]) => change(text, from, to), withNote);
    const { report, problem } = await take(markdown(page), folder);
    expect(problem).toBeUndefined();
    const post = "- POST /kling/v1/videos/lip-sync";
    expect(report.split("\n")).toEqual([
      "What changed:",
      `${post}: is deprecated now`,
      `${post}: request property input.note: added`,
      `${post}: request property input.voice_id: maxLength added: 64 (breaking)`,
      `${post}: request property version: added, required (breaking)`,
      `${post}: answer 202: added`,
      "- GET /kling/v1/voices: added",
      "2 are breaking for callers. `git diff spec/lip-sync.yaml` shows every word.",
      "",
      "Wrote spec/lip-sync.yaml, spec/README.md, generated/openapi.yaml, generated/schema.ts.",
    ]);
  });

  it("says so where only words changed", async () => {
    const folder = await copy();
    const { report } = await take(change(published, "生成视频", "生成对口型视频"), folder);
    expect(report).toMatch(/^The document changed, but no operation, .+ did: not breaking\. /);
    expect(report).toContain("Wrote spec/lip-sync.yaml, spec/README.md, ");
  });

  it("takes the one of several documents that has the operation", async () => {
    const page = markdown(renamed) + markdown(withNote) + markdown("openapi: 3.0.1\na: b: c\n");
    const folder = await copy();
    const post = "POST /kling/v1/videos/lip-sync";
    expect((await take(page, folder, post)).problem).toBeUndefined();
    expect(await read(folder, "spec", "lip-sync.yaml")).toBe(withNote);
    expect(await refusal(page, "POST /nowhere")).toMatch(
      /^page\.md has no operation POST \/nowhere/,
    );
    expect(await refusal(page)).toBe(
      "page.md holds 3 documents:\n" +
        "- POST /kling/v1/videos/other\n" +
        "- POST /kling/v1/videos/lip-sync\n" +
        "- page.md is not valid YAML: Nested mappings are not allowed in compact mappings at line 100, column 4\n" +
        'Name the one that is meant, for instance --operation "POST /path".',
    );
    expect(await refusal(markdown(published) + markdown(withNote), post)).toBe(
      `page.md has ${post} in 2 documents.`,
    );
  });
});

describe("a page that cannot be used", () => {
  const bad = change(withNote, "summary: 对口型", "summary: a: b");
  const line =
    markdown(bad)
      .split("\n")
      .findIndex((text) => text.includes("summary:")) + 1;

  it.each<[string, string | Buffer, string | RegExp]>([
    ["it is empty", "", "page.md holds no OpenAPI document, be it in a fenced block or by itself."],
    [
      "it holds no document",
      "# 对口型\n\n```json\n{}\n```\n",
      "page.md holds no OpenAPI document, be it in a fenced block or by itself.",
    ],
    [
      "it is of Swagger 2",
      markdown("swagger: '2.0'\n"),
      'page.md is not an OpenAPI 3.0 or 3.1 document: it says "2.0".',
    ],
    [
      "it is of a later OpenAPI",
      '{ "openapi": "4.0.0" }',
      'page.md is not an OpenAPI 3.0 or 3.1 document: it says "4.0.0".',
    ],
    [
      "it has no version",
      markdown("openapi:\npaths: {}\n"),
      "page.md is not an OpenAPI 3.0 or 3.1 document: it names no version.",
    ],
    [
      "its YAML is none",
      markdown(bad),
      new RegExp(`^page\\.md is not valid YAML: .+ at line ${line}, column 16:\n`),
    ],
    [
      "its YAML in a list is none",
      indented(markdown(bad), "   "),
      new RegExp(`^page\\.md is not valid YAML: .+ at line ${line}, column 19:\n`),
    ],
    [
      "its YAML with Windows line ends is none",
      windows(markdown(bad)),
      new RegExp(`^page\\.md is not valid YAML: .+ at line ${line}, column 16:\n`),
    ],
    [
      "it says a thing twice",
      markdown("openapi: 3.0.1\npaths: {}\npaths: {}\n"),
      /^page\.md is not valid YAML: Map keys must be unique at line 8, column 1:\n/,
    ],
    [
      "its JSON is none",
      '{ "openapi": "3.0.1",\n  "paths": { }',
      /^page\.md is not valid YAML: .+ at line 2, column 15:?/,
    ],
    [
      "an alias contains itself",
      markdown("openapi: 3.0.1\npaths: &all\n  /a: *all\n"),
      "page.md is not valid YAML: an alias contains itself.",
    ],
    [
      "an alias is of nothing",
      markdown("openapi: 3.0.1\npaths: *all\n"),
      /^page\.md is not valid YAML: Unresolved alias .*all/,
    ],
    [
      "aliases multiply",
      markdown(
        `openapi: 3.0.1\na0: &a0 [1]\n${Array.from({ length: 30 }, (_, n) => `a${n + 1}: &a${n + 1} [${`*a${n}, `.repeat(9)}]\n`).join("")}`,
      ),
      "page.md is not valid YAML: Excessive alias count indicates a resource exhaustion attack",
    ],
    [
      "it has other operations only",
      markdown(renamed),
      'page.md has no operation POST /kling/v1/videos/lip-sync. It has:\n- POST /kling/v1/videos/other\nWhere another one has taken its place, name that, for instance --operation "POST /path".',
    ],
    [
      "it has no operation",
      "openapi: 3.1.0\npaths: {}\n",
      'page.md has no operation POST /kling/v1/videos/lip-sync. It has:\n- (no operation)\nWhere another one has taken its place, name that, for instance --operation "POST /path".',
    ],
    [
      "it breaks off",
      markdown(published, ["```yaml", ""]),
      "page.md breaks off: the block of line 5 has no end.",
    ],
    [
      "it breaks off within a fence of the document's own",
      markdown(withNote).slice(0, markdown(withNote).indexOf("a block without")),
      "page.md breaks off: the block of line 5 has no end.",
    ],
    [
      "a $ref leads nowhere",
      markdown(
        change(
          published,
          "                    note:\n".replace("note", "video_id"),
          "                    note: { $ref: '#/components/schemas/Note' }\n                    video_id:\n",
        ),
      ),
      /^With page\.md, spec\/lip-sync\.yaml cannot be turned into types: Can't resolve \$ref .+$/,
    ],
  ])("is refused in one message where %s, and nothing is written", async (_, page, message) => {
    const said = await refusal(page);
    if (typeof message === "string") expect(said).toBe(message);
    else expect(said).toMatch(message);
  });

  it("is refused in one message where it is not UTF-8", () => {
    const text = Buffer.from(`\uFEFF${published}`, "utf16le");
    expect(() => decode("page.md", text)).toThrow("page.md is not UTF-8 text.");
  });

  it("is refused where the provenance has no line for it", async () => {
    const folder = await copy();
    await writeFile(path.join(folder, "spec", "README.md"), "# The published page\n");
    const before = await contents(folder);
    await expect(take(withNote, folder)).rejects.toThrow(
      `spec/README.md has no line like "sha256: ${sha256(withNote)}".`,
    );
    expect(await contents(folder)).toEqual(before);
  });
});

describe("an import that makes actions stale", () => {
  // Upstream wrote the title, and made another type of a field that is described here.
  const page = change(
    change(withNote, "title: ''", "title: 对口型"),
    "                    text:\n                      type: string\n",
    "                    text:\n                      type: integer\n",
  );

  it("names each of them, its place, what it expected and found, and what to do", async () => {
    const { report, problem } = await take(markdown(page), await copy());
    expect(report).toContain(
      "request property input.text: type changed from string to integer (breaking)\n",
    );
    const [, first, ...lines] = (problem ?? "").split("\n");
    expect(first).toBe("2 actions of the overlay no longer fit the document.");
    expect(lines.slice(0, 4)).toEqual([
      "- info.title",
      "    place:    $.info",
      '    expected: "title": ""',
      '    found:    "title": "对口型"',
    ]);
    expect(lines[4]).toBe("- input.text");
    expect(lines[5]).toMatch(/^ {4}place: {4}\$\.paths\[.+\]\.post\..+\.properties\.text$/);
    expect(lines[6]).toBe('    expected: "type": "string"');
    expect(lines[7]).toBe('    found:    "type": "integer"');
    expect(lines.slice(8).join("\n")).toMatch(
      /delete the action;[^]+look again[^]+generated\/ is as it was\. Edit spec\/overlay\.yaml, then run `npm run generate`/,
    );
  });

  it("takes the document, leaves generated/ as it was, and says so again the next time", async () => {
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

  it("also where the page has another structure than an action can be applied to", async () => {
    const folder = await copy();
    const { problem } = await take(change(published, "  schemas: {}", "  schemas: []"), folder);
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
  ])("is finished by the next where only %j were written", async (written) => {
    const folder = await copy();
    for (const name of written)
      await writeFile(path.join(folder, name), done[name] ?? "", "latin1");
    const { report, problem } = await take(markdown(withNote), folder);
    expect(problem).toBeUndefined();
    expect(report).toContain("Wrote ");
    expect(await texts(folder)).toEqual(done);
  });
});

describe("npm run spec:import", () => {
  interface Run {
    exitCode: number | null;
    stdout: string;
    stderr: string;
  }

  async function script(
    folder: string,
    name: string,
    args: string[],
    input?: Buffer,
  ): Promise<Run> {
    const file = path.join(folder, "scripts", name);
    const child = spawn(process.execPath, ["--import", tsx, file, ...args], { cwd: folder });
    const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
    child.stdin.end(input);
    const [stdout, stderr] = await Promise.all([readAll(child.stdout), readAll(child.stderr)]);
    return { exitCode: await ended, stdout, stderr };
  }

  async function clone(): Promise<string> {
    const folder = await copy();
    for (const name of ["scripts", "package.json", "tsconfig.json"]) {
      await cp(path.join(project, name), path.join(folder, name), { recursive: true });
    }
    await symlink(path.join(project, "node_modules"), path.join(folder, "node_modules"));
    return folder;
  }

  it("takes a new page from standard input", async () => {
    const folder = await clone();
    const page = Buffer.from(`\uFEFF${windows(markdown(withNote))}`);
    expect(await script(folder, "import-spec.ts", ["-"], page)).toEqual({
      exitCode: 0,
      stdout:
        "What changed:\n" +
        "- POST /kling/v1/videos/lip-sync: request property input.note: added\n" +
        "None is breaking for callers. `git diff spec/lip-sync.yaml` shows every word.\n\n" +
        "Wrote spec/lip-sync.yaml, spec/README.md, generated/openapi.yaml, generated/schema.ts.\n",
      stderr: "",
    });
    expect(await read(folder, "spec", "lip-sync.yaml")).toBe(windows(withNote));
    const header = "Sources: spec/lip-sync.yaml, spec/overlay.yaml\n";
    expect(await read(folder, "generated", "openapi.yaml")).toContain(header);
  });

  it("leaves a tree that an edit of the overlay and npm run generate finish", async () => {
    const folder = await clone();
    await writeFile(path.join(folder, "page.md"), change(withNote, "title: ''", "title: 对口型"));
    const { exitCode, stdout, stderr } = await script(folder, "import-spec.ts", ["page.md"]);
    expect(exitCode).toBe(1);
    expect(stdout).toMatch(
      /^What changed:\n[^]+\nWrote spec\/lip-sync\.yaml, spec\/README\.md\.\n$/,
    );
    expect(stderr).toMatch(
      /^\n1 action of the overlay no longer fits the document\.\n- info\.title\n/,
    );
    expect(stderr).not.toMatch(/^\s+at /m);

    const action = /\n {2}- x-id: info\.title\n[^]+?(?=\n {2}- x-id: )/;
    await writeFile(path.join(folder, "spec", "overlay.yaml"), overlay.replace(action, ""));
    expect(await script(folder, "generate.ts", [])).toEqual({
      exitCode: 0,
      stdout: "Wrote openapi.yaml, schema.ts.\n",
      stderr: "",
    });
    expect(await read(folder, "generated", "openapi.yaml")).toContain("title: 对口型\n");
    expect(await read(folder, "generated", "schema.ts")).toContain("note?: string;");

    const before = await contents(folder);
    expect(await script(folder, "import-spec.ts", ["page.md"])).toEqual({
      exitCode: 0,
      stdout: "Nothing changed.\n",
      stderr: "",
    });
    expect(await contents(folder)).toEqual(before);
  });

  it.each<[string, string[], Buffer, RegExp]>([
    [
      "UTF-16",
      ["-"],
      Buffer.from(`\uFEFF${published}`, "utf16le"),
      /^standard input is not UTF-8 text\.\n$/,
    ],
    ["no file at all", [], Buffer.from(""), /^Usage: npm run spec:import -- FILE/],
  ])(
    "refuses %s with exit 1 and one message, and writes nothing",
    async (_, args, input, message) => {
      const folder = await clone();
      const before = await contents(folder);
      const { exitCode, stdout, stderr } = await script(folder, "import-spec.ts", args, input);
      expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
      expect(stderr).toMatch(message);
      expect(stderr).not.toMatch(/^\s+at /m);
      expect(await contents(folder)).toEqual(before);
    },
  );
});
