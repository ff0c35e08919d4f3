// docs/corrections.md, in the overlay's own words.
import { stringify } from "yaml";
import type { Source } from "../files.js";
import { type Json, parseYaml } from "./document.js";

interface Overlay {
  info?: { "x-sources"?: string[] };
  actions: Action[];
}

interface Action {
  "x-id"?: string;
  target: string;
  /** Three parts, which begin with "Page:", "Truth:" and "Evidence:". */
  description?: string;
  update?: Json;
  remove?: boolean;
}

/**
 * The page as Markdown, without a header.
 *
 * @throws Error - the text is not valid YAML
 */
export function correctionsPage(overlay: Source): string {
  const { info, actions } = parseYaml(overlay) as Json & Overlay;
  const sources = info?.["x-sources"] ?? [];
  return [
    "# Corrections to the published page",
    "",
    "What is wrong or missing in the OpenAPI page from which this library is generated: a report to " +
      "whoever publishes the page.",
    "",
    "- To correct the page at once, import [generated/openapi.yaml](../generated/openapi.yaml): it is " +
      "the page with every correction.",
    "- To correct it place by place, take the entries below in their order: each describes the page " +
      "after the entries before it. It has the place (JSONPath), what the page says, what is true, the " +
      "evidence, and the keys to write into the object at that place.",
    "- For a program, [spec/overlay.yaml](../spec/overlay.yaml) has the same as an OpenAPI Overlay 1.1.",
    "",
    `There are ${actions.length} corrections. The evidence names these sources:`,
    "",
    ...sources.map((source) => `- ${source}`),
    "",
    ...actions.flatMap(sectionOf),
  ].join("\n");
}

function sectionOf(action: Action): string[] {
  const { "x-id": id = action.target, target, description = "", update, remove } = action;
  const change = remove ? ["Remove it."] : ["Write:", "", "```yaml", yamlOf(update), "```"];
  const parts = description
    .trim()
    .split(/^(?=Truth:|Evidence:)/m)
    .filter(Boolean);
  const claims = parts.map((part) => `- ${part.trim().replaceAll("\n", " ")}`);
  return [`## ${id}`, "", `\`${target}\``, "", ...claims, "", ...change, ""];
}

function yamlOf(update: Json | undefined): string {
  return stringify(update, { lineWidth: 100, aliasDuplicateObjects: false }).trimEnd();
}
