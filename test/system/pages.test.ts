// Every page of the documentation: its code compiles, its tables say what the code says, its links
// lead somewhere, and its Chinese version has the same structure and code.
import { existsSync } from "node:fs";
import path from "node:path";
import ts from "typescript";
import { describe, expect, it, vi } from "vitest";
import { parseDocument, type YAMLMap } from "yaml";
import { compileLibrary, defaultIn } from "../fixtures/compiler.js";
import {
  anchorsOf,
  blocksOf,
  pageOf,
  pages,
  rowsBelow,
  tablesOf,
  withoutCode,
} from "../fixtures/markdown.js";
import { project, readProject } from "../fixtures/scripts.js";

// The compiler is slow on a machine that is busy.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });

/** What a caller reads in English. */
const english = [...pages].filter(([name]) => /^(?:README|docs\/[\w-]+)\.md$/.test(name));
const blocks = english.flatMap(([, text]) => blocksOf(text));

const fileOf = (index: number, variant: string) =>
  path.join(project, "test", `block-${index}-${variant}.mts`);

const { program, members, published, errors } = compileLibrary(
  new Map(
    blocks.flatMap((block, index) => [
      [fileOf(index, "as-it-stands"), block],
      [fileOf(index, "spoken"), block.replaceAll("// @ts-expect-error", "//")],
    ]),
  ),
);

describe("what the compiler says", () => {
  it("is nothing about every block, with the strict options of the project", () => {
    const strict = { exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true };
    expect(program.getCompilerOptions()).toMatchObject({ strict: true, ...strict });
    expect(blocks.length).toBeGreaterThan(20);
    const said = blocks.flatMap((_, index) => diagnosticsOf(fileOf(index, "as-it-stands")));
    expect(said).toEqual([]);
  });

  it("is what a page quotes where a block shows a compile error", () => {
    const said = blocks.flatMap((block, index) =>
      diagnosticsOf(fileOf(index, "spoken")).map(({ line, text }) => {
        return { text, above: block.split("\n")[line - 1] ?? "" };
      }),
    );
    expect(said.length).toBeGreaterThanOrEqual(4);
    for (const { text, above } of said) {
      expect(text).toContain(above.replace("// @ts-expect-error ", ""));
    }
  });
});

describe("the tables", () => {
  const membersOf = (type: string) => members.filter(({ name }) => name.startsWith(`${type}.`));

  const optionTypes = ["LipSyncClientOptions", "RequestOptions", "WaitOptions"];

  it.each(optionTypes)("list every option of %s with the default in its comment", (type) => {
    const rows = rowsBelow(`## ${type}`, "docs/options.md").map(([name, , stated]) => [
      name,
      stated,
    ]);
    const options = membersOf(type);
    const defaults = options.map(({ symbol, doc }) => [symbol.name, defaultIn(doc) ?? "none"]);
    expect(rows).toEqual(defaults);
  });

  it("list every option of the processor with its default", () => {
    const rows = rowsBelow("## The worker", "docs/fleet.md").map(([name, stated]) => [
      name,
      stated,
    ]);
    const options = membersOf("LipSyncProcessorOptions");
    expect(rows).toEqual(options.map(({ symbol, doc }) => [symbol.name, defaultIn(doc)]));
  });

  it("list every error class under LipSyncError, with the properties of its own", () => {
    const rows = rowsBelow("## The errors", "docs/errors.md");
    expect(["LipSyncError", ...firstOf(rows)].sort()).toEqual([...errors].sort());
    for (const [error = "", , carried = ""] of rows) {
      const own = membersOf(error).filter(({ symbol }) => symbol.flags & ts.SymbolFlags.Property);
      const names = own.map(({ symbol }) => symbol.name).filter((name) => name !== "name");
      const listed = carried.split("such as")[0]?.match(/\w+/g) ?? [];
      expect(listed, error).toEqual(expect.arrayContaining(names));
    }
  });

  it("list every field of the request's input", async () => {
    const document = parseDocument(await readProject("generated", "openapi.yaml"));
    const post = ["paths", "/kling/v1/videos/lip-sync", "post"];
    const body = [...post, "requestBody", "content", "application/json", "schema"];
    const fields = document.getIn([...body, "properties", "input", "properties"]) as YAMLMap;
    const names = fields.items.map(({ key }) => String(key)).sort();
    expect(firstOf(rowsBelow("## The fields", "docs/request.md")).sort()).toEqual(names);
  });

  it("list types that are published", () => {
    const names = published.map(({ name }) => name);
    const listed = firstOf(rowsBelow("## The types you will use", "docs/types.md"));
    expect(names).toEqual(expect.arrayContaining(listed));
  });
});

it.each([...pages])("every link of %s leads to a file and a heading that exist", (page, text) => {
  const prose = withoutCode(text);
  const links = [
    ...prose.matchAll(/(?:\]\(|src(?:set)?=")(?!https?:)([^)"#]*)(?:#([^)"]+))?[)"]/g),
  ];
  for (const [link, file = "", anchor] of links) {
    const target = file === "" ? page : path.posix.join(path.posix.dirname(page), file);
    expect(existsSync(path.join(project, target)), link).toBe(true);
    if (anchor === undefined) continue;
    const headings = anchorsOf(pageOf(target));
    expect(new Set(headings).size).toBe(headings.length);
    expect(headings, link).toContain(anchor);
  }
});

it.each([...pages])("every file of the project that %s names exists", (_, text) => {
  const named = [...text.matchAll(/`((?:src|scripts|test|spec)\/[\w./-]+)`/g)];
  const missing = named.filter(([, file = ""]) => !existsSync(path.join(project, file)));
  expect(missing.map(([, file]) => file)).toEqual([]);
});

/** The pages that there are in Chinese as well. */
const translated = [
  "README",
  "request",
  "options",
  "waiting",
  "errors",
  "batch",
  "recipes",
  "fleet",
  "testing",
  "voices",
]
  .map((name) => (name === "README" ? name : `docs/${name}`))
  .map((name) => [`${name}.zh-CN.md`, `${name}.md`] as const);

it.each(translated)("%s and %s link to each other", (chinese, page) => {
  expect(pageOf(page)).toContain(`[中文](${path.basename(chinese)})`);
  expect(pageOf(chinese)).toContain(`[English](${path.basename(page)})`);
});

// Those of the voices are generated, each with its own language first.
it.each(translated.filter(([, page]) => page !== "docs/voices.md"))(
  "%s has the headings, code, lists and tables of %s",
  (chinese, page) => {
    expect(structureOf(pageOf(chinese))).toEqual(structureOf(pageOf(page)));
  },
);

it.each(translated)(
  "%s links to Chinese pages where there are any, and else as %s",
  (chinese, page) => {
    const isTranslated = new Set<string>(translated.map(([, english]) => english));
    const targets = linksOf(page).map((target) => {
      const isOther = isTranslated.has(target) && target !== page;
      return isOther ? target.replace(/\.md$/, ".zh-CN.md") : target;
    });
    const own = linksOf(chinese).map((target) => (target === chinese ? page : target));
    expect(own.sort()).toEqual(
      targets.map((target) => (target === chinese ? page : target)).sort(),
    );
  },
);

/** The files of the project to which a page links; not the links between the two languages. */
function linksOf(page: string): string[] {
  const links = [...withoutCode(pageOf(page)).matchAll(/\]\((?!https?:|#)([^)#]+)/g)];
  const files = links.map(([, file = ""]) => path.posix.join(path.posix.dirname(page), file));
  const stem = page.replace(/(?:\.zh-CN)?\.md$/, "");
  return files.filter((file) => file.replace(/(?:\.zh-CN)?\.md$/, "") !== stem);
}

/** What has to be the same in both languages, section by section; words and commas are free. */
function structureOf(text: string) {
  return text.split(/^(?=##+ )/m).map((section) => {
    const prose = withoutCode(section);
    return {
      level: /^#+/.exec(section)?.[0],
      blocks: (section.match(/^```.*?^```$/gms) ?? []).map(codeOf),
      items: prose.match(/^(?:-|\d+\.) /gm)?.length,
      tables: tablesOf(section).map((rows) => rows.map((row) => row.map(namesOf))),
      names: namesOf(prose.replace(/^\|.*$/gm, "")),
    };
  });
}

/** A block without its comments, and without what is said in a video, which is in the reader's language. */
function codeOf(block: string): string {
  const translated = /^```(?:mermaid\n\w+|csv\n.*)/.exec(block);
  if (translated) return translated[0];
  return block
    .replace(/(?:^|(?<=\s))(?:\/\/|#) .*$/gm, "")
    .replace(/\b(text|voice_id|voice_language)(": ?|: )"[^"]*"/g, "$1")
    .replace(/\s+$/gm, "");
}

/** What is set as code in a text, each once. */
function namesOf(text: string): string[] {
  return [...new Set(text.match(/`[^`]+`/g))].sort();
}

function firstOf(rows: string[][]): string[] {
  return rows.map(([cell = ""]) => cell);
}

/** What the compiler says about a file, and about which of its lines. */
function diagnosticsOf(name: string): { line: number; text: string }[] {
  const file = program.getSourceFile(name);
  if (!file) throw new Error(`The compiler has not read ${name}.`);
  return ts.getPreEmitDiagnostics(program, file).map(({ start = 0, messageText }) => ({
    line: file.getLineAndCharacterOfPosition(start).line,
    text: ts.flattenDiagnosticMessageText(messageText, "\n"),
  }));
}
