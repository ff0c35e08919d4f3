import { randomUUID } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { parseArgs } from "node:util";
import { fileURLToPath, pathToFileURL } from "node:url";
import openapiTS, { astToString } from "openapi-typescript";
import * as prettier from "prettier";
import ts from "typescript";
import { parseDocument, stringify } from "yaml";
import { applyOverlay, type Json, type JsonObject } from "./overlay.js";

const USAGE = `Usage: npm run generate -- [options]

Corrects the published document with the overlay and writes openapi.yaml and schema.ts.

  --check           write nothing; exit 1 and name the files that are not up to date
  --spec FILE       the published document   (default spec/lip-sync.yaml)
  --overlay FILE    the corrections          (default spec/overlay.yaml)
  --out FOLDER      where the files go       (default generated)
  --help            this text
`;

const project = fileURLToPath(new URL("..", import.meta.url));

/** Where the generator reads and writes; each may be relative to the working folder. */
export interface GenerateOptions {
  spec: string;
  overlay: string;
  out: string;
}

export const DEFAULTS: GenerateOptions = {
  spec: path.join(project, "spec", "lip-sync.yaml"),
  overlay: path.join(project, "spec", "overlay.yaml"),
  out: path.join(project, "generated"),
};

/** The text of each generated file, by its name. */
export async function generate({ spec, overlay }: GenerateOptions): Promise<Map<string, string>> {
  const published = parseYaml(await read(spec), spec);
  assertOpenApi3(published, spec);
  const document = applyOverlay(published, parseYaml(await read(overlay), overlay));
  const header = [
    "Generated; do not edit.",
    `Sources: ${nameOf(spec)}, ${nameOf(overlay)}`,
    "Command: npm run generate",
    "Tools:   scripts/generate.ts, openapi-typescript",
  ];
  return new Map([
    ["openapi.yaml", toYaml(document, header)],
    ["schema.ts", await toTypeScript(document, header, path.dirname(spec))],
  ]);
}

/** Writes the files that differ from what is there, each whole or not at all; returns their names. */
export async function writeFiles(files: Map<string, string>, folder: string): Promise<string[]> {
  const stale = await staleFiles(files, folder);
  await mkdir(folder, { recursive: true });
  for (const name of stale) await replaceFile(path.join(folder, name), files.get(name) ?? "");
  return stale;
}

/** The names of the files whose text in the folder is not the one given. */
export async function staleFiles(files: Map<string, string>, folder: string): Promise<string[]> {
  const stale: string[] = [];
  for (const [name, text] of files) {
    const present = await readFile(path.join(folder, name), "utf8").catch(() => undefined);
    if (present !== text) stale.push(name);
  }
  return stale;
}

/** Writes beside the file and renames, so that a reader or a crash never meets half a file. */
export async function replaceFile(file: string, text: string): Promise<void> {
  const beside = `${file}.${randomUUID()}.tmp`;
  try {
    await writeFile(beside, text);
    await rename(beside, file);
  } finally {
    await rm(beside, { force: true });
  }
}

/** Parses YAML, or JSON, which is YAML; an error names the file, the line and the column. */
export function parseYaml(text: string, file: string): Json {
  const parsed = parseDocument(text.replace(/^\uFEFF/, ""));
  const problem = parsed.errors[0];
  if (problem) throw new Error(`${nameOf(file)} is not valid YAML: ${problem.message.trimEnd()}`);
  return parsed.toJS({ maxAliasCount: 1000 }) as Json;
}

export function assertOpenApi3(document: Json, file: string): asserts document is JsonObject {
  const version =
    typeof document === "object" && document !== null && !Array.isArray(document)
      ? (document["openapi"] ?? document["swagger"])
      : undefined;
  if (typeof version === "string" && /^3\.[01]\.\d+$/.test(version)) return;
  const found =
    version === undefined ? "it names no version" : `it says ${JSON.stringify(version)}`;
  throw new Error(`${nameOf(file)} is not an OpenAPI 3.0 or 3.1 document: ${found}.`);
}

async function read(file: string): Promise<string> {
  return readFile(file, "utf8").catch((error: unknown) => {
    const { code } = error as NodeJS.ErrnoException;
    throw new Error(`${file} cannot be read (${code ?? String(error)}).`);
  });
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

async function toTypeScript(
  document: JsonObject,
  header: string[],
  folder: string,
): Promise<string> {
  const nodes = await openapiTS(stringify(document, { aliasDuplicateObjects: false }), {
    cwd: pathToFileURL(path.resolve(folder) + path.sep),
    defaultNonNullable: false,
    emptyObjectsUnknown: true,
    silent: true,
  });
  const comment = `/*\n${header.map((line) => ` * ${line}\n`).join("")} */\n\n`;
  const code = comment + astToString(nodes.filter((node) => !isEmptyRoot(node)));
  const style = await prettier.resolveConfig(path.join(project, "generated", "schema.ts"));
  return prettier.format(code, { ...style, parser: "typescript" });
}

/** `export type webhooks = Record<string, never>` and its like, which say nothing. */
function isEmptyRoot(node: ts.Node): boolean {
  return (
    ts.isTypeAliasDeclaration(node) &&
    ts.isTypeReferenceNode(node.type) &&
    node.type.typeArguments?.[1]?.kind === ts.SyntaxKind.NeverKeyword
  );
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      check: { type: "boolean", default: false },
      spec: { type: "string", default: DEFAULTS.spec },
      overlay: { type: "string", default: DEFAULTS.overlay },
      out: { type: "string", default: DEFAULTS.out },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const files = await generate(values);
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

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.exitCode = await main().catch((error: unknown) => {
    console.error(error instanceof Error ? error.message : String(error));
    return 1;
  });
}
