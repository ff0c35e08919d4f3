import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { decode } from "../scripts/files.js";
import { operationsOf, parseOpenApi } from "../scripts/spec/document.js";
import { documentIn } from "../scripts/spec/page.js";
import * as pages from "./fixtures/page.js";

const { asJson, indented, markdown, published, windows, withNote } = pages;

const find = (page: string | Buffer, operation?: string) =>
  documentIn(decode("page.md", Buffer.from(page)), operation);

/** The document with its version at the end, after a comment. */
const moveVersion = (document: string) =>
  `# A comment\n---\n${document.replace("openapi: 3.0.1\n", "")}"openapi": 3.0.1\n`;
const inOneLine = (document: string) => `${JSON.stringify(parse(document))}\n`;

/** What is around the document, and the text that is expected where it is not the document's own. */
const forms: [string, (document: string) => string, ((document: string) => string)?][] = [
  ["Markdown", markdown],
  ["Markdown with Windows line ends", (text) => windows(markdown(text)), windows],
  ["Markdown with a byte order mark", (text) => `\uFEFF${markdown(text)}`],
  ["Markdown without a language", (text) => markdown(text, ["```", "```"])],
  ["Markdown with a longer fence", (text) => markdown(text, ["`````yaml", "``````"])],
  ["Markdown with tildes", (text) => markdown(text, ["~~~ yaml title=`x`", "~~~~"])],
  ["a block in a list", (text) => `1. It\n\n${indented(markdown(text), "   ")}`],
  ["a block with an indented fence", (text) => `-\n  ~~~\n${inOneLine(text)}  ~~~`, inOneLine],
  ["an item of a list", (text) => `- - \`\`\`yaml\n${indented(text, "    ")}    \`\`\`\n- more\n`],
  [
    "Markdown with other blocks around the document",
    (text) =>
      '```json\n{ "a": 1 }\n```\nWrite `openapi: 3.0.1` and\n```inline```.\n' +
      `~~~~\n~~~~ yaml\n\`\`\`\n~~~~\n${markdown(text)}\n~~~\nopenapi-generator\n~~~\n\n\`\`\`sh\ncurl`,
  ],
  ["a block of JSON", (text) => markdown(`${asJson(text)}\n`), (text) => `${asJson(text)}\n`],
  ["YAML", (text) => text],
  ["YAML with Windows line ends and a mark", (text) => `\uFEFF${windows(text)}`, windows],
  ["YAML with its version at the end", moveVersion, moveVersion],
  ["JSON", asJson, asJson],
  [
    "JSON in one line, with a mark",
    (text) => `\uFEFF\n${inOneLine(text)}`,
    (text) => `\n${inOneLine(text)}`,
  ],
];

const LIP_SYNC = "POST /kling/v1/videos/lip-sync";
const renamed = published.replaceAll("/lip-sync:", "/other:");

describe("the document of a page", () => {
  it.each(forms)("is found in %s, with its own bytes", (_, form, expected) => {
    const { document, text, operations } = find(form(withNote));
    expect(text).toBe(expected ? expected(withNote) : withNote);
    expect(document).toEqual(parse(withNote));
    expect(operations).toEqual([LIP_SYNC]);
  });

  it("is the one that has the operation, if there are several", () => {
    const page = markdown("openapi: 3.0.1\na: b: c\n") + markdown(renamed) + markdown(withNote);
    expect(find(page, LIP_SYNC).text).toBe(withNote);
    expect(() => find(page, "POST /nowhere")).toThrow(/^page\.md has no operation POST \/nowhere/);
    expect(() => find(page)).toThrow(
      new Error(
        "page.md contains 3 documents:\n" +
          "- page.md is not valid YAML: Nested mappings are not allowed in compact mappings " +
          "at line 7, column 4\n" +
          `- POST /kling/v1/videos/other\n- ${LIP_SYNC}\n` +
          'Name an operation of the right one, for example --operation "POST /path".',
      ),
    );
    expect(() => find(markdown(published) + markdown(withNote), LIP_SYNC)).toThrow(
      `page.md has ${LIP_SYNC} in 2 documents.`,
    );
  });
});

describe("a page that cannot be used", () => {
  const bad = pages.change(withNote, "summary: 对口型", "summary: a: b");
  const line =
    markdown(bad)
      .split(/summary:.*/)[0]
      ?.split("\n").length ?? 0;
  const openBlock = markdown(withNote).slice(0, markdown(withNote).indexOf("a block without"));
  const aliasesOf = (n: number) => `a${n + 1}: &a${n + 1} [${`*a${n}, `.repeat(9)}]\n`;
  const aliases = Array.from({ length: 30 }, (_, n) => aliasesOf(n)).join("");

  const noDocument =
    "page.md contains no OpenAPI document, neither in a fenced block nor as a whole.";
  const version = (found: string) => `page.md is not an OpenAPI 3.0 or 3.1 document: it ${found}.`;
  const noOperation = (found: string) =>
    `page.md has no operation ${LIP_SYNC}. It has:\n- ${found}\n` +
    'If another operation replaces it, name that one, for example --operation "POST /path".';
  const invalid = (why: string) => new RegExp(`^page\\.md is not valid YAML: ${why}`);
  const cutOff = "page.md is cut off: the block that starts in line 5 has no end.";

  it.each<[string, string, string | RegExp]>([
    ["it is empty", "", noDocument],
    ["it has no document", "# 对口型\n\n```json\n{}\n```\n", noDocument],
    ["it is of Swagger 2", markdown("swagger: '2.0'\n"), version('says "2.0"')],
    ["it is of a later OpenAPI", '{ "openapi": "4.0.0" }', version('says "4.0.0"')],
    ["its version is a number", "openapi: 3.1\n", version("says 3.1")],
    ["it has no version", markdown("openapi:\npaths: {}\n"), version("has no version")],
    ["its YAML is invalid", markdown(bad), invalid(`.+ at line ${line}, column 16:\n`)],
    ["it is in a list", indented(markdown(bad), "   "), invalid(`.+ line ${line}, column 19:\n`)],
    ["it has \\r\\n", windows(markdown(bad)), invalid(`.+ at line ${line}, column 16:\n`)],
    ["a key is repeated", "openapi: 3.0.1\na: 1\na: 1\n", invalid("Map keys must be .+ line 3,")],
    ["its JSON is invalid", '{ "openapi": "3.0.1",\n  "a": { }', invalid(".+ line 2, column 11:?")],
    ["an alias is missing", "openapi: 3.0.1\na: *b\n", invalid("Unresolved alias .*b")],
    ["an alias contains itself", "openapi: 3.0.1\na: &all [*all]\n", invalid("an alias contains")],
    ["aliases multiply", `openapi: 3.0.1\na0: &a0 [1]\n${aliases}`, invalid("Excessive alias")],
    ["it has other operations", markdown(renamed), noOperation("POST /kling/v1/videos/other")],
    ["it has no operation", "openapi: 3.1.0\npaths: {}\n", noOperation("(no operation)")],
    ["it is cut off", markdown(published, ["```yaml", ""]), cutOff],
    ["it is cut off within a fence of the document's own", openBlock, cutOff],
  ])("is refused in one message if %s", (_, page, message) => {
    const whole = typeof message === "string" ? new Error(message) : message;
    expect(() => find(page)).toThrow(whole);
  });

  it("is refused if it is not UTF-8", () => {
    const page = Buffer.from(`\uFEFF${published}`, "utf16le");
    expect(() => find(page)).toThrow("page.md is not UTF-8 text.");
  });
});

describe("a file that is parsed as a document", () => {
  it.each(["openapi", "- openapi: 3.0.1", ""])("is refused if it is %j", (text) => {
    expect(() => parseOpenApi({ file: "page.yaml", text })).toThrow(
      "page.yaml is not an OpenAPI 3.0 or 3.1 document: it has no version.",
    );
  });
});

describe("the operations of a document", () => {
  it("are listed by their method and path, also behind the $ref of a path", () => {
    const paths = {
      "/b": { get: {}, parameters: [], "x-a": {}, post: {} },
      "/c": null,
      "/d": { $ref: "#/paths/~1b" },
    };
    expect(operationsOf({ paths })).toEqual(["GET /b", "POST /b", "GET /d", "POST /d"]);
    expect(operationsOf({})).toEqual([]);
  });
});
