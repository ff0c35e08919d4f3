import path from "node:path";
import { parseArgs } from "node:util";
import { fileURLToPath, pathToFileURL } from "node:url";
import type TypeScript from "typescript";
import { parseDocument, stringify } from "yaml";
import { readSource, type Source as File, staleFiles, writeFiles } from "./files.js";
import { applyOverlay, isObject, type Json, type JsonObject } from "./overlay.js";
import { runScript } from "./run-script.js";

const USAGE = `Usage: npm run generate -- [options]

Corrects the published document with the overlay and writes openapi.yaml and schema.ts.

  --check           write nothing; exit 1 and name the files that are not up to date
  --spec FILE       the published document   (default spec/lip-sync.yaml)
  --overlay FILE    the corrections          (default spec/overlay.yaml)
  --out FOLDER      where the files go       (default generated)
  --help            this text
`;

const project = fileURLToPath(new URL("..", import.meta.url));

export const SPEC = path.join(project, "spec", "lip-sync.yaml");
export const OVERLAY = path.join(project, "spec", "overlay.yaml");
export const GENERATED = path.join(project, "generated");

/** A text to parse. */
export interface Source extends File {
  /** How many lines of the file come before the text, and by how much it is indented there. */
  line?: number;
  margin?: number;
}

/** The text of each generated file, by its name. */
export async function generate(spec: Source, overlay: Source): Promise<Map<string, string>> {
  const published = parseOpenApi(spec);
  const document = applyOverlay(published, parseYaml(overlay));
  const header = [
    "Generated; do not edit.",
    `Sources: ${nameOf(spec.file)}, ${nameOf(overlay.file)}`,
    "Command: npm run generate",
    "Tools:   scripts/generate.ts, openapi-typescript",
  ];
  return new Map([
    ["openapi.yaml", toYaml(document, header)],
    ["schema.ts", await alone(() => toTypeScript(document, header, spec.file))],
  ]);
}

/** Parses YAML, or JSON, which is YAML; an error names the file, the line and the column. */
export function parseYaml({ file, text, line = 0, margin = 0 }: Source): Json {
  const refuse = (why: string): never => {
    throw new Error(`${nameOf(file)} is not valid YAML: ${why}`);
  };
  const parsed = parseDocument(text);
  if (parsed.errors.length > 0) {
    // Once more, where it stands in the file.
    const lines = text.replace(/^(?=.)/gm, " ".repeat(margin));
    const { errors } = parseDocument("\n".repeat(line) + lines);
    refuse((errors[0] ?? parsed.errors[0])?.message.trimEnd() ?? "");
  }
  try {
    const value = parsed.toJS({ maxAliasCount: 100_000 }) as Json;
    // Which refuses an alias inside of what it stands for.
    JSON.stringify(value);
    return value;
  } catch (error) {
    const [why = ""] = (error as Error).message.split("\n");
    return refuse(why.startsWith("Converting circular") ? "an alias contains itself." : why);
  }
}

/** Parses a document and makes sure that it is OpenAPI 3.0 or 3.1. */
export function parseOpenApi(source: Source): JsonObject {
  const document = parseYaml(source);
  const version = isObject(document) ? (document["openapi"] ?? document["swagger"]) : undefined;
  if (isObject(document) && typeof version === "string" && /^3\.[01]\.\d+$/.test(version)) {
    return document;
  }
  const found =
    version === undefined ? "it names no version" : `it says ${JSON.stringify(version)}`;
  throw new Error(`${nameOf(source.file)} is not an OpenAPI 3.0 or 3.1 document: ${found}.`);
}

/** A file's name from the project's folder, so that no output depends on where that is. */
function nameOf(file: string): string {
  const relative = path.relative(project, path.resolve(file));
  const inside = !relative.startsWith("..") && !path.isAbsolute(relative);
  return inside ? relative.split(path.sep).join("/") : path.basename(file);
}

function toYaml(document: JsonObject, header: string[]): string {
  const comment = header.map((line) => `# ${line}\n`).join("");
  return comment + stringify(document, { lineWidth: 100, aliasDuplicateObjects: false });
}

let turn: Promise<unknown> = Promise.resolve();

/**
 * Waits for its turn, and keeps quiet: openapi-typescript prints every problem, also when it is told
 * to be silent, and then throws the last one.
 */
function alone<T>(work: () => Promise<T>): Promise<T> {
  const result = turn.then(async () => {
    const { error } = console;
    console.error = () => undefined;
    return work().finally(() => (console.error = error));
  });
  turn = result.catch(() => undefined);
  return result;
}

async function toTypeScript(document: JsonObject, header: string[], file: string): Promise<string> {
  // Loaded when needed: they take a second or two, and what is refused needs none of them.
  const { default: openapiTS, astToString } = await import("openapi-typescript");
  const { default: ts } = await import("typescript");

  const name = nameOf(file);
  const nodes = await openapiTS(JSON.stringify(document), {
    // The file, not its folder, is what a relative $ref is resolved against.
    cwd: pathToFileURL(path.resolve(file)),
    defaultNonNullable: false,
    emptyObjectsUnknown: true,
    silent: true,
  }).catch((error: unknown) => {
    throw new Error(`${name} cannot be turned into types: ${(error as Error).message}`);
  });
  // `export type webhooks = Record<string, never>` and its like, which say nothing.
  const isEmptyRoot = (node: (typeof nodes)[number]) =>
    ts.isTypeAliasDeclaration(node) &&
    ts.isTypeReferenceNode(node.type) &&
    node.type.typeArguments?.[1]?.kind === ts.SyntaxKind.NeverKeyword;
  const comment = `/*\n${header.map((line) => ` * ${line}\n`).join("")} */\n\n`;
  const printed = comment + astToString(nodes.filter((node) => !isEmptyRoot(node)));
  const code = await format(printed);
  const [mistake] = mistakesIn(code, ts);
  if (mistake !== undefined) throw new Error(`${name} cannot be turned into types: ${mistake}`);
  return code;
}

/** More than some dozen operations take prettier longer than all the rest takes. */
const LARGEST_FOR_PRETTIER = 100_000;

/** Formats with prettier; of a document of a hundred operations, only the margin is halved. */
async function format(code: string): Promise<string> {
  if (code.length > LARGEST_FOR_PRETTIER) {
    return code.replace(/^(?: {4})+/gm, (margin) => " ".repeat(margin.length / 2));
  }
  const prettier = await import("prettier");
  const style = await prettier.resolveConfig(path.join(GENERATED, "schema.ts"));
  return prettier.format(code, { ...style, parser: "typescript" });
}

/** What generated types need of TypeScript's own; its whole library would take a second to load. */
const LIBRARY = `
interface Array<T> { [n: number]: T } interface ReadonlyArray<T> { readonly [n: number]: T }
interface Boolean {} interface Number {} interface String {} interface Object {} interface RegExp {}
interface Function {} interface CallableFunction {} interface NewableFunction {} interface IArguments {}
type Record<K extends keyof any, T> = { [P in K]: T };
type Exclude<T, U> = T extends U ? never : T;
type Extract<T, U> = T extends U ? T : never;
type Omit<T, K extends keyof any> = { [P in Exclude<keyof T, K>]: T[P] };
`;

/** What keeps these types from compiling, such as a $ref to itself. */
function mistakesIn(code: string, ts: typeof TypeScript): string[] {
  const texts = new Map([
    ["schema.ts", code],
    ["library.d.ts", LIBRARY],
  ]);
  const host: TypeScript.CompilerHost = {
    getSourceFile: (file, options) => ts.createSourceFile(file, texts.get(file) ?? "", options),
    getDefaultLibFileName: () => "library.d.ts",
    getCurrentDirectory: () => "",
    getCanonicalFileName: (file) => file,
    useCaseSensitiveFileNames: () => true,
    getNewLine: () => "\n",
    fileExists: (file) => texts.has(file),
    readFile: (file) => texts.get(file),
    writeFile: () => undefined,
  };
  const options = { strict: true, noLib: true, types: [], target: ts.ScriptTarget.ES2022 };
  const program = ts.createProgram([...texts.keys()], options, host);
  const mistakes = [...program.getSyntacticDiagnostics(), ...program.getSemanticDiagnostics()];
  return mistakes.map(({ file, start = 0, messageText }) => {
    const line = file?.text.slice(file.text.lastIndexOf("\n", start) + 1).split("\n")[0] ?? "";
    const [why = ""] = ts.flattenDiagnosticMessageText(messageText, "\n").split("\n");
    return `${why} (${line.trim()})`;
  });
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      check: { type: "boolean", default: false },
      spec: { type: "string", default: SPEC },
      overlay: { type: "string", default: OVERLAY },
      out: { type: "string", default: GENERATED },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const files = await generate(await readSource(values.spec), await readSource(values.overlay));
  if (!values.check) {
    const written = await writeFiles(files, values.out);
    console.log(written.length > 0 ? `Wrote ${written.join(", ")}.` : "Everything is up to date.");
    return 0;
  }
  const stale = await staleFiles(files, values.out);
  if (stale.length === 0) return 0;
  console.error(`Not up to date: ${stale.join(", ")}. Run \`npm run generate\`.`);
  return 1;
}

await runScript(import.meta.url, main);
