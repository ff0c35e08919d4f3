// A published page: finds the OpenAPI document in Markdown, YAML or JSON.
import type { Source } from "../files.js";
import { type Excerpt, type JsonObject, operationsOf, parseOpenApi } from "./document.js";

/** A document, its own bytes in the page, and its operations, such as `POST /path`. */
export interface PageDocument {
  document: JsonObject;
  text: string;
  operations: string[];
}

const OPERATION = "POST /kling/v1/videos/lip-sync";

/**
 * The document of a page that has the operation. A page with several documents needs the operation
 * to be named.
 *
 * @throws Error - there is no such document, more than one, or it cannot be read
 */
export function documentIn(page: Source, operation?: string): PageDocument {
  const found = documentsIn(page);
  const documents = found.filter((one): one is PageDocument => !(one instanceof Error));
  const [first] = found;
  if (found.length === 1 && first instanceof Error) throw first;

  const list = found
    .map((one) => (one instanceof Error ? firstLine(one.message) : one.operations.join(", ")))
    .map((line) => `- ${line || "(no operation)"}`)
    .join("\n");
  if (found.length > 1 && operation === undefined) {
    throw new Error(
      `${page.file} contains ${found.length} documents:\n${list}\n` +
        'Name an operation of the right one, for example --operation "POST /path".',
    );
  }
  const wanted = operation ?? OPERATION;
  const [fitting, ...more] = documents.filter(({ operations }) => operations.includes(wanted));
  if (more.length > 0) {
    throw new Error(`${page.file} has ${wanted} in ${more.length + 1} documents.`);
  }
  if (fitting) return fitting;
  throw new Error(
    `${page.file} has no operation ${wanted}. It has:\n${list}\n` +
      'If another operation replaces it, name that one, for example --operation "POST /path".',
  );
}

function firstLine(message: string): string {
  return message.split("\n")[0]?.replace(/:$/, "") ?? "";
}

/** The documents of a page, or why one cannot be read. */
function documentsIn(page: Source): (PageDocument | Error)[] {
  // A file that is a document names its version before the first fence, if there is one at all: a
  // fence at the start of a line is not valid YAML.
  const [beforeFence = ""] = page.text.split(/^(?:`{3}|~{3})/m);
  const excerpts: Block[] = isDocument(beforeFence)
    ? [page]
    : blocksIn(page).filter(({ text }) => isDocument(text));
  if (excerpts.length === 0) {
    throw new Error(
      `${page.file} contains no OpenAPI document, neither in a fenced block nor as a whole.`,
    );
  }
  return excerpts.map((excerpt) => {
    if (excerpt.isOpen) {
      const { line = 0 } = excerpt;
      return new Error(
        `${page.file} is cut off: the block that starts in line ${line} has no end.`,
      );
    }
    try {
      const document = parseOpenApi(excerpt);
      return { document, text: excerpt.text, operations: operationsOf(document) };
    } catch (error) {
      return error as Error;
    }
  });
}

/** Whether a text is meant as a document: it names a version, in YAML or JSON. */
function isDocument(text: string): boolean {
  return text.trimStart().startsWith("{")
    ? /\b(?:openapi|swagger)["']?\s*:/.test(text)
    : /^["']?(?:openapi|swagger)["']?[ \t]*:/m.test(text);
}

interface Block extends Excerpt {
  /** Whether the page ends within the block. */
  isOpen?: boolean;
}

/** An opening or closing fence, also as an item of a list: what is before it, marks, language. */
const FENCE = /^(\s*(?:(?:[-*+]|\d{1,9}[.)])\s+)*)(`{3,}(?=[^`]*$)|~{3,})(.*)$/;

/** The fenced blocks of a Markdown text, without their indentation. */
function blocksIn({ file, text }: Source): Block[] {
  const lines = text.split("\n");
  const blocks: Block[] = [];
  let open: { marks: string; indent: number; line: number } | undefined;
  const close = (end: number, isOpen: boolean) => {
    if (!open) return;
    const { line, indent } = open;
    const own = lines.slice(line, end).map((one) => one.slice(Math.min(indent, indentOf(one))));
    blocks.push({ file, text: own.map((one) => `${one}\n`).join(""), line, indent, isOpen });
    open = undefined;
  };
  for (const [index, line] of lines.entries()) {
    const [, before = "", marks = "", language = ""] = FENCE.exec(line.trimEnd()) ?? [];
    if (marks === "") continue;
    if (!open) {
      open = { marks, indent: before.length, line: index + 1 };
    } else if (marks.startsWith(open.marks) && language === "" && indentOf(line) <= open.indent) {
      close(index, false);
    }
  }
  close(lines.length, true);
  return blocks;
}

function indentOf(line: string): number {
  return /^[ \t]*/.exec(line)?.[0].length ?? 0;
}
