import { createHash } from "node:crypto";
import path from "node:path";
import { text as readText } from "node:stream/consumers";
import { isDeepStrictEqual, parseArgs } from "node:util";
import { changesBetween, operationsOf } from "./changes.js";
import {
  GENERATED,
  generate,
  OVERLAY,
  parseOpenApi,
  read,
  replaceFile,
  runScript,
  type Source,
  SPEC,
  writeFiles,
} from "./generate.js";
import { type JsonObject, StaleOverlayError } from "./overlay.js";

const USAGE = `Usage: npm run spec:import -- FILE [options]

Takes a new published page into spec/lip-sync.yaml, says what changed, and runs the generator.

  FILE                      the page's Markdown, or its YAML or JSON; - reads standard input
  --operation "POST /path"  which operation the document must have, and so which of several
                            documents of a page is meant (default "POST /kling/v1/videos/lip-sync")
  --help                    this text
`;

const OPERATION = "POST /kling/v1/videos/lip-sync";
const PROVENANCE = path.join(path.dirname(SPEC), "README.md");

interface Document extends Source {
  document: JsonObject;
  operations: string[];
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { operation: { type: "string" }, help: { type: "boolean" } },
  });
  const [file, ...more] = positionals;
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  if (file === undefined || more.length > 0) throw new Error(USAGE);
  const page =
    file === "-"
      ? { file: "standard input", text: await readText(process.stdin) }
      : await read(file);
  return importSpec(choose(documentsIn(page), page.file, values.operation));
}

async function importSpec(page: Document): Promise<number> {
  const before = await read(SPEC);
  const old = parseOpenApi(before);
  const provenance = await read(PROVENANCE);
  const isRecorded = provenance.text.includes(`sha256: ${sumOf(before.text)}\n`);
  if (isRecorded && isDeepStrictEqual(page.document, old)) {
    console.log("Nothing changed.");
    return 0;
  }

  const recorded = record(provenance.text, page.text);
  const after = { file: SPEC, text: page.text };
  const generated = await generate(after, await read(OVERLAY)).catch((error: unknown) => {
    if (error instanceof StaleOverlayError) return error;
    throw error;
  });
  await replaceFile(SPEC, page.text);
  await replaceFile(PROVENANCE, recorded);
  console.log(`Wrote spec/lip-sync.yaml and spec/README.md.\n\n${report(old, page.document)}\n`);
  if (generated instanceof StaleOverlayError) {
    console.error(generated.message);
    console.error("generated/ is as it was. Edit spec/overlay.yaml, then run `npm run generate`.");
    return 1;
  }
  const written = await writeFiles(generated, GENERATED);
  console.log(
    written.length > 0 ? `Generated ${written.join(", ")}.` : "generated/ is up to date.",
  );
  return 0;
}

/** The provenance with this document's sum and today's date. */
function record(provenance: string, text: string): string {
  const entries: [RegExp, string][] = [
    [/^sha256: .*$/m, `sha256: ${sumOf(text)}`],
    [/^retrieved: .*$/m, `retrieved: ${new Date().toISOString().slice(0, 10)}`],
  ];
  return entries.reduce((result, [line, entry]) => {
    if (!line.test(result)) throw new Error(`spec/README.md has no line like "${entry}".`);
    return result.replace(line, entry);
  }, provenance);
}

function sumOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function report(before: JsonObject, after: JsonObject): string {
  const changes = changesBetween(before, after);
  if (changes.length === 0) return "Only words, examples or extensions changed: not breaking.";
  const lines = changes.map(
    ({ place, what, isBreaking }) => `- ${place}: ${what}${isBreaking ? " (breaking)" : ""}`,
  );
  const count = changes.filter(({ isBreaking }) => isBreaking).length;
  const verdict =
    count === 0 ? "Nothing of it is breaking." : `${count} of it breaking for callers.`;
  return `What changed:\n${lines.join("\n")}\n${verdict}`;
}

function choose(documents: Document[], file: string, wanted: string | undefined): Document {
  const list = documents.map(({ operations }) => `- ${operations.join(", ") || "(no operation)"}`);
  if (documents.length > 1 && wanted === undefined) {
    throw new Error(
      `${file} holds ${documents.length} documents:\n${list.join("\n")}\n` +
        'Name the one that is meant, for instance --operation "POST /path".',
    );
  }
  const operation = wanted ?? OPERATION;
  const found = documents.filter(({ operations }) => operations.includes(operation));
  if (found.length > 1) throw new Error(`${file} has ${operation} in ${found.length} documents.`);
  if (found[0]) return found[0];
  throw new Error(`${file} has no operation ${operation}. It has:\n${list.join("\n")}`);
}

/** The OpenAPI documents of a page, each with its own text, or the one that the file is. */
function documentsIn(page: Source): Document[] {
  const isDocument = ({ text }: Source) => /\b(?:openapi|swagger)["']?\s*:\s*["']?\d/.test(text);
  const blocks = blocksIn(page).filter(isDocument);
  const sources = blocks.length > 0 || !isDocument(page) ? blocks : [page];
  if (sources.length === 0) {
    throw new Error(
      `${page.file} holds no OpenAPI document, be it in a fenced block or by itself.`,
    );
  }
  return sources.map((source) => {
    const document = parseOpenApi(source);
    return { ...source, document, operations: operationsOf(document) };
  });
}

/** The fenced blocks of a Markdown text as CommonMark has them, each with its own bytes. */
function blocksIn({ file, text }: Source): Source[] {
  const blocks: Source[] = [];
  let open: { fence: string; from: number; line: number } | undefined;
  let offset = 0;
  for (const [index, line] of text.split("\n").entries()) {
    const fence = /^ {0,3}(`{3,}(?=[^`]*$)|~{3,})(.*)$/.exec(line.trimEnd());
    const [, marks = "", info = ""] = fence ?? [];
    if (!open) {
      if (fence) open = { fence: marks, from: offset + line.length + 1, line: index + 1 };
    } else if (marks.startsWith(open.fence) && info.trim() === "") {
      blocks.push({ file, text: text.slice(open.from, offset), line: open.line });
      open = undefined;
    }
    offset += line.length + 1;
  }
  if (open) throw new Error(`${file} breaks off: the block of line ${open.line} has no end.`);
  return blocks;
}

await runScript(import.meta.url, main);
