// The generated files: the published document, corrected by the overlay, its types, the known voices,
// and the pages of docs/ that list them.
import path from "node:path";
import { stringify } from "yaml";
import type { Source } from "../files.js";
import { displayName, type JsonObject, parseOpenApi, parseYaml, project } from "./document.js";
import { applyOverlay } from "./overlay.js";
import { toTypeScript } from "./types.js";
import { parseVoices, voicesModule, voicesPage } from "./voices.js";

/** Where a project keeps its document and its data, and what is made of them. */
export function placesIn(folder = project): {
  spec: string;
  overlay: string;
  voices: string;
  provenance: string;
  generated: string;
  docs: string;
} {
  return {
    spec: path.join(folder, "spec", "lip-sync.yaml"),
    overlay: path.join(folder, "spec", "overlay.yaml"),
    voices: path.join(folder, "spec", "voices.yaml"),
    provenance: path.join(folder, "spec", "README.md"),
    generated: path.join(folder, "generated"),
    docs: path.join(folder, "docs"),
  };
}

/**
 * The text of each file of generated/, by its name.
 *
 * @throws StaleOverlayError - actions of the overlay no longer fit the document
 * @throws Error - the document or the overlay cannot be used
 */
export async function generate(spec: Source, overlay: Source): Promise<Map<string, string>> {
  const document = applyOverlay(parseOpenApi(spec), parseYaml(overlay));
  const header = headerOf([spec, overlay], "scripts/generate.ts, openapi-typescript");
  return new Map([
    ["openapi.yaml", header.map((line) => `# ${line}\n`).join("") + toYaml(document)],
    ["schema.ts", commentOf(header) + (await toTypeScript(document, spec.file))],
  ]);
}

/** The text of generated/voices.ts. */
export function generateVoices(voices: Source): Map<string, string> {
  return new Map([
    ["voices.ts", commentOf(headerOf([voices])) + voicesModule(parseVoices(voices))],
  ]);
}

/** The texts of the pages of docs/ that list the voices, by their names. */
export function generateDocs(source: Source): Map<string, string> {
  const header = headerOf([source]).map((line) => `${line}\n`);
  const comment = `<!--\n${header.join("")}-->\n\n`;
  const voices = parseVoices(source);
  return new Map([
    ["voices.md", comment + voicesPage(voices, "en")],
    ["voices.zh-CN.md", comment + voicesPage(voices, "zh")],
  ]);
}

const commentOf = (header: string[]): string =>
  `/*\n${header.map((line) => ` * ${line}\n`).join("")} */\n\n`;

function headerOf(sources: Source[], tools = "scripts/generate.ts"): string[] {
  return [
    "Generated; do not edit.",
    `Sources: ${sources.map(({ file }) => displayName(file)).join(", ")}`,
    "Command: npm run generate",
    `Tools:   ${tools}`,
  ];
}

function toYaml(document: JsonObject): string {
  return stringify(document, { lineWidth: 100, aliasDuplicateObjects: false });
}
