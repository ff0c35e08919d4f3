import { createHash } from "node:crypto";
import path from "node:path";
import { buffer } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { isDeepStrictEqual, parseArgs } from "node:util";
import { changesBetween, operationsOf } from "./changes.js";
import { decode, readSource as read, replaceFile, staleFiles, writeFiles } from "./files.js";
import { generate, OVERLAY, parseOpenApi, type Source, SPEC } from "./generate.js";
import { type JsonObject, OverlayError } from "./overlay.js";
import { runScript } from "./run-script.js";

const USAGE = `Usage: npm run spec:import -- FILE [options]

Takes a new published page into spec/lip-sync.yaml, says what changed, and runs the generator.

  FILE                      the page's Markdown, or its YAML or JSON; - reads standard input
  --operation "POST /path"  which operation the document must have, and so which of several
                            documents of a page is meant (default "POST /kling/v1/videos/lip-sync")
  --help                    this text
`;

const OPERATION = "POST /kling/v1/videos/lip-sync";

const project = fileURLToPath(new URL("..", import.meta.url));

/** What an import came to. */
export interface Outcome {
  report: string;
  /** Why the work is not done yet. */
  problem?: string;
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
    file === "-" ? decode("standard input", await buffer(process.stdin)) : await read(file);
  const { report, problem } = await importSpec(page, values);
  console.log(report);
  if (problem === undefined) return 0;
  console.error(problem);
  return 1;
}

/**
 * Takes the page's document into the project in this folder. Each file is written whole or not at
 * all, the document last: until then, importing the page again does and tells all of it again.
 *
 * @throws Error - the page cannot be used; nothing was written
 */
export async function importSpec(
  page: Source,
  { operation, folder = project }: { operation?: string | undefined; folder?: string } = {},
): Promise<Outcome> {
  const { document, text } = choose(documentsIn(page), page.file, operation);
  const places = {
    spec: path.join(folder, "spec", "lip-sync.yaml"),
    overlay: path.join(folder, "spec", "overlay.yaml"),
    provenance: path.join(folder, "spec", "README.md"),
    generated: path.join(folder, "generated"),
  };
  const before = await read(places.spec);
  const old = parseOpenApi(before);
  const provenance = await read(places.provenance);
  const isSame = isDeepStrictEqual(document, old);
  // The same document in another file format, or with other line ends, is no change.
  const isKept = isSame && provenance.text.includes(`sha256: ${sumOf(before.text)}`);
  const after = isKept ? before.text : text;
  const recorded = record(provenance.text, after);

  const corrections = { ...(await read(places.overlay)), file: OVERLAY };
  const generated = await generate({ file: SPEC, text: after }, corrections).catch(
    (error: unknown) => {
      if (error instanceof OverlayError) return error;
      throw new Error(`With ${page.file}, ${(error as Error).message}`);
    },
  );
  const isMisfit = generated instanceof OverlayError;
  const stale = isMisfit ? [] : await staleFiles(generated, places.generated);
  const written = [
    ...(after === before.text ? [] : ["spec/lip-sync.yaml"]),
    ...(recorded === provenance.text ? [] : ["spec/README.md"]),
    ...stale.map((name) => `generated/${name}`),
  ];
  if (!isMisfit) await writeFiles(generated, places.generated);
  if (recorded !== provenance.text) await replaceFile(places.provenance, recorded);
  if (after !== before.text) await replaceFile(places.spec, after);

  const report = [
    isSame ? "Nothing changed." : describe(old, document),
    ...(written.length > 0 ? [`Wrote ${written.join(", ")}.`] : []),
  ].join("\n\n");
  if (!isMisfit) return { report };
  const advice =
    "generated/ is as it was. Edit spec/overlay.yaml, then run `npm run generate`; CONTRIBUTING.md " +
    "says how.";
  return { report, problem: `\n${generated.message}\n${advice}` };
}

/** The provenance with this document's sum and today's date. */
function record(provenance: string, text: string): string {
  const sum = `sha256: ${sumOf(text)}`;
  if (provenance.includes(sum)) return provenance;
  const entries: [RegExp, string][] = [
    [/^sha256: \S*/m, sum],
    [/^retrieved: \S*/m, `retrieved: ${new Date().toISOString().slice(0, 10)}`],
  ];
  return entries.reduce((result, [line, entry]) => {
    if (!line.test(result)) throw new Error(`spec/README.md has no line like "${entry}".`);
    return result.replace(line, entry);
  }, provenance);
}

function sumOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function describe(before: JsonObject, after: JsonObject): string {
  const changes = changesBetween(before, after);
  const rest = "`git diff spec/lip-sync.yaml` shows every word.";
  if (changes.length === 0) {
    return (
      "The document changed, but no operation, parameter, property, required list, type, enum or " +
      `answer did: not breaking. ${rest}`
    );
  }
  const lines = changes.map(
    ({ place, what, isBreaking }) => `- ${place}: ${what}${isBreaking ? " (breaking)" : ""}`,
  );
  const count = changes.filter(({ isBreaking }) => isBreaking).length;
  const verdict = count === 0 ? "None is" : count === 1 ? "1 is" : `${count} are`;
  return `What changed:\n${lines.join("\n")}\n${verdict} breaking for callers. ${rest}`;
}

interface Document extends Source {
  document: JsonObject;
  operations: string[];
}

/** A block that is meant to be a document, and cannot be read as one. */
interface Broken {
  error: Error;
}

function choose(found: (Document | Broken)[], file: string, wanted: string | undefined): Document {
  const [only] = found;
  if (found.length === 1 && only && "error" in only) throw only.error;
  const list = found
    .map((one) => ("error" in one ? firstLine(one.error.message) : one.operations.join(", ")))
    .map((line) => `- ${line || "(no operation)"}`)
    .join("\n");
  if (found.length > 1 && wanted === undefined) {
    throw new Error(
      `${file} holds ${found.length} documents:\n${list}\n` +
        'Name the one that is meant, for instance --operation "POST /path".',
    );
  }
  const operation = wanted ?? OPERATION;
  const fitting = found.filter(
    (one): one is Document => "document" in one && one.operations.includes(operation),
  );
  if (fitting.length > 1)
    throw new Error(`${file} has ${operation} in ${fitting.length} documents.`);
  if (fitting[0]) return fitting[0];
  throw new Error(
    `${file} has no operation ${operation}. It has:\n${list}\n` +
      'Where another one has taken its place, name that, for instance --operation "POST /path".',
  );
}

function firstLine(message: string): string {
  return message.split("\n")[0]?.replace(/:$/, "") ?? "";
}

/** The OpenAPI documents of a page, each with its own text, or the one that the file is. */
function documentsIn(page: Source): (Document | Broken)[] {
  // What comes before a fence is not in a block, and a fence cannot stand at the margin of YAML.
  const [head = ""] = page.text.split(/^(?:`{3}|~{3})/m);
  const sources: Block[] = isDocument(head)
    ? [page]
    : blocksIn(page).filter(({ text }) => isDocument(text));
  if (sources.length === 0) {
    throw new Error(
      `${page.file} holds no OpenAPI document, be it in a fenced block or by itself.`,
    );
  }
  return sources.map((source) => {
    if (source.isOpen) {
      const line = String(source.line);
      return { error: new Error(`${page.file} breaks off: the block of line ${line} has no end.`) };
    }
    try {
      const document = parseOpenApi(source);
      return { ...source, document, operations: operationsOf(document) };
    } catch (error) {
      return { error: error as Error };
    }
  });
}

/** Whether a text is meant to be a document: it names a version as YAML or JSON does. */
function isDocument(text: string): boolean {
  return text.trimStart().startsWith("{")
    ? /\b(?:openapi|swagger)["']?\s*:/.test(text)
    : /^["']?(?:openapi|swagger)["']?[ \t]*:/m.test(text);
}

interface Block extends Source {
  isOpen?: boolean;
}

/** The fenced blocks of a Markdown text, also those in lists, each with its own bytes. */
function blocksIn({ file, text }: Source): Block[] {
  const lines = text.split("\n");
  const blocks: Block[] = [];
  let open: { fence: string; margin: number; line: number } | undefined;
  const close = (end: number, isOpen: boolean) => {
    if (!open) return;
    const { line, margin } = open;
    const own = lines.slice(line, end).map((one) => one.slice(Math.min(margin, indentOf(one))));
    blocks.push({ file, text: own.map((one) => `${one}\n`).join(""), line, margin, isOpen });
    open = undefined;
  };
  for (const [index, line] of lines.entries()) {
    const fence = /^(\s*(?:(?:[-*+]|\d{1,9}[.)])\s+)*)(`{3,}(?=[^`]*$)|~{3,})(.*)$/.exec(
      line.trimEnd(),
    );
    if (!fence) continue;
    const [, { length: margin } = "", marks = "", info = ""] = fence;
    if (!open) open = { fence: marks, margin, line: index + 1 };
    else if (marks.startsWith(open.fence) && info === "" && indentOf(line) <= open.margin) {
      close(index, false);
    }
  }
  close(lines.length, true);
  return blocks;
}

function indentOf(line: string): number {
  return /^[ \t]*/.exec(line)?.[0].length ?? 0;
}

await runScript(import.meta.url, main);
