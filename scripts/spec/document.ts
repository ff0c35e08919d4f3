// An OpenAPI document as the scripts read it: YAML or JSON, its version, its operations.
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseDocument } from "yaml";
import type { Source } from "../files.js";

/** A value as JSON has it. */
export type Json = string | number | boolean | null | Json[] | JsonObject;
/** An object as JSON has it. */
export type JsonObject = { [key: string]: Json };

/** A text within a file, such as a fenced block of a Markdown page. */
export interface Excerpt extends Source {
  /** How many lines of the file come before the text. */
  line?: number;
  /** How many columns of indentation were removed from it. */
  indent?: number;
}

/** The folder of the project. */
export const project = fileURLToPath(new URL("../..", import.meta.url));

/** The file's path relative to the project, or only its name: no output depends on folders. */
export function displayName(file: string): string {
  const relative = path.relative(project, path.resolve(file));
  const isInside = !relative.startsWith("..") && !path.isAbsolute(relative);
  return isInside ? relative.split(path.sep).join("/") : path.basename(file);
}

/**
 * Parses YAML or JSON.
 *
 * @throws Error - the text is invalid; the message names the file, the line and the column
 */
export function parseYaml({ file, text, line = 0, indent = 0 }: Excerpt): Json {
  const invalid = (why: string) => new Error(`${displayName(file)} is not valid YAML: ${why}`);
  const parsed = parseDocument(text);
  if (parsed.errors.length > 0) {
    // Parsed again at its place in the file, for the line and the column there.
    const indented = text.replace(/^(?=.)/gm, " ".repeat(indent));
    const [error = parsed.errors[0]] = parseDocument("\n".repeat(line) + indented).errors;
    throw invalid(error?.message.trimEnd() ?? "");
  }
  let value: Json;
  try {
    value = parsed.toJS({ maxAliasCount: 100_000 }) as Json;
  } catch (error) {
    throw invalid((error as Error).message);
  }
  try {
    JSON.stringify(value);
  } catch {
    throw invalid("an alias contains itself.");
  }
  return value;
}

/** @throws Error - the text is not an OpenAPI 3.0 or 3.1 document */
export function parseOpenApi(source: Excerpt): JsonObject {
  const document = parseYaml(source);
  const version = isObject(document) ? (document["openapi"] ?? document["swagger"]) : undefined;
  if (isObject(document) && typeof version === "string" && /^3\.[01]\.\d+$/.test(version)) {
    return document;
  }
  const found = version === undefined ? "it has no version" : `it says ${JSON.stringify(version)}`;
  throw new Error(`${displayName(source.file)} is not an OpenAPI 3.0 or 3.1 document: ${found}.`);
}

export const METHODS = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/** The operations of a document, such as `POST /path`. */
export function operationsOf(document: JsonObject): string[] {
  const paths = isObject(document["paths"]) ? document["paths"] : {};
  return Object.entries(paths).flatMap(([name, item]) => {
    const methods = Object.entries(resolve(document, item))
      .filter(([key, operation]) => METHODS.includes(key) && isObject(operation))
      .map(([key]) => key.toUpperCase());
    return methods.map((method) => `${method} ${name}`);
  });
}

/** The object, or the one that its local `$ref` points to; an empty one if there is none. */
export function resolve(document: JsonObject, value: Json | undefined): JsonObject {
  let found = value;
  // A chain of more than 20 is taken for a circle.
  for (let steps = 0; steps < 20; steps++) {
    if (!isObject(found)) return {};
    const { $ref } = found;
    if (typeof $ref !== "string" || !$ref.startsWith("#/")) return found;
    found = $ref.slice(2).split("/").map(decodeStep).reduce<Json | undefined>(child, document);
  }
  return {};
}

function child(parent: Json | undefined, key: string): Json | undefined {
  if (Array.isArray(parent)) return parent[Number(key)];
  return isObject(parent) && Object.hasOwn(parent, key) ? parent[key] : undefined;
}

/** A step of a JSON pointer in a URI fragment (RFC 6901, section 6). */
function decodeStep(step: string): string {
  let decoded = step;
  try {
    decoded = decodeURIComponent(step);
  } catch {
    // A percent sign that was not encoded.
  }
  return decoded.replaceAll("~1", "/").replaceAll("~0", "~");
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
