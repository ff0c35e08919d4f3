// The generated files: the published document, corrected by the overlay, and its types.
import path from "node:path";
import { stringify } from "yaml";
import type { Source } from "../files.js";
import { displayName, type JsonObject, parseOpenApi, parseYaml, project } from "./document.js";
import { applyOverlay } from "./overlay.js";
import { toTypeScript } from "./types.js";

/** Where a project keeps its document, and what is made of it. */
export function placesIn(folder = project): {
  spec: string;
  overlay: string;
  provenance: string;
  generated: string;
} {
  return {
    spec: path.join(folder, "spec", "lip-sync.yaml"),
    overlay: path.join(folder, "spec", "overlay.yaml"),
    provenance: path.join(folder, "spec", "README.md"),
    generated: path.join(folder, "generated"),
  };
}

/**
 * The text of each generated file, by its name.
 *
 * @throws StaleOverlayError - actions of the overlay no longer fit the document
 * @throws Error - the document or the overlay cannot be used
 */
export async function generate(spec: Source, overlay: Source): Promise<Map<string, string>> {
  const document = applyOverlay(parseOpenApi(spec), parseYaml(overlay));
  const header = [
    "Generated; do not edit.",
    `Sources: ${displayName(spec.file)}, ${displayName(overlay.file)}`,
    "Command: npm run generate",
    "Tools:   scripts/generate.ts, openapi-typescript",
  ];
  const comment = `/*\n${header.map((line) => ` * ${line}\n`).join("")} */\n\n`;
  return new Map([
    ["openapi.yaml", header.map((line) => `# ${line}\n`).join("") + toYaml(document)],
    ["schema.ts", comment + (await toTypeScript(document, spec.file))],
  ]);
}

function toYaml(document: JsonObject): string {
  return stringify(document, { lineWidth: 100, aliasDuplicateObjects: false });
}
