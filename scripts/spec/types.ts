// TypeScript types from a corrected document: what openapi-typescript makes, formatted.
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";
import type * as OpenApiTypeScript from "openapi-typescript";
import type TypeScript from "typescript";
import { displayName, isObject, type Json, type JsonObject, project } from "./document.js";

// Required, because under tsx an import of the compiler takes 0.5 s longer.
const require = createRequire(import.meta.url);
const ts = require("typescript") as typeof TypeScript;
const { default: openapiTS, astToString } =
  require("openapi-typescript") as typeof OpenApiTypeScript;

/**
 * The types of a document as TypeScript, without a header. That they compile is for
 * `npm run check` to see.
 *
 * @param file the file that relative `$ref`s are resolved against
 * @throws Error - openapi-typescript refuses the document. It has printed each problem to stderr by
 * then, which it does even with `silent`; the message has the last one.
 */
export async function toTypeScript(document: JsonObject, file: string): Promise<string> {
  let nodes: TypeScript.Node[];
  try {
    nodes = await openapiTS(JSON.stringify(document, withoutRules), {
      cwd: pathToFileURL(path.resolve(file)),
      defaultNonNullable: false,
      emptyObjectsUnknown: true,
      silent: true,
      postTransform: keepCompletion,
    });
  } catch (error) {
    const { message } = error as Error;
    throw new Error(`${displayName(file)} cannot be converted to types: ${message}`);
  }
  return format(astToString(nodes.filter((node) => !isEmptyRoot(node))));
}

/**
 * Leaves out the lists that only say which fields of a schema go together, such as "one of these
 * two": of those, openapi-typescript makes `unknown`, or a union that repeats the fields.
 */
function withoutRules(this: JsonObject, key: string, value: Json): Json | undefined {
  const isComposition = key === "oneOf" || key === "anyOf" || key === "allOf";
  return isComposition && areRules(value, this["properties"]) ? undefined : value;
}

function areRules(schemas: Json | undefined, fields: Json | undefined): boolean {
  if (!Array.isArray(schemas) || !isObject(fields)) return false;
  return schemas.every((schema) => {
    if (!isObject(schema) || "type" in schema || "$ref" in schema) return false;
    const { properties = {}, required, oneOf } = schema;
    const isAboutFields = Object.keys(properties ?? {}).every((name) => name in fields);
    return isAboutFields && (required !== undefined || areRules(oneOf, fields));
  });
}

/**
 * For a known value or any string, openapi-typescript writes `("a" | "b") | string`, which to the
 * compiler is `string`. It keeps the known values, and editors complete them, with an intersection
 * in place of `string`; `string & {}` would be `string` again in an intersection with another one.
 */
function keepCompletion(type: TypeScript.TypeNode): TypeScript.TypeNode | undefined {
  // A union within a union has parentheses.
  if (!ts.isUnionTypeNode(type) || !type.types.some(ts.isParenthesizedTypeNode)) return undefined;
  const { factory, SyntaxKind } = ts;
  const [string, never] = [SyntaxKind.StringKeyword, SyntaxKind.NeverKeyword] as const;
  const nothing = factory.createKeywordTypeNode(never);
  const anyString = factory.createIntersectionTypeNode([
    factory.createKeywordTypeNode(string),
    factory.createTypeReferenceNode("Record", [nothing, nothing]),
  ]);
  const members = type.types.map((member) => (member.kind === string ? anyString : member));
  return factory.createUnionTypeNode(members);
}

/** Whether this is `export type webhooks = Record<string, never>` or one like it. */
function isEmptyRoot(node: TypeScript.Node): boolean {
  return (
    ts.isTypeAliasDeclaration(node) &&
    ts.isTypeReferenceNode(node.type) &&
    node.type.typeArguments?.[1]?.kind === ts.SyntaxKind.NeverKeyword
  );
}

/** About 60 operations; from there on, prettier would take longer than all the rest. */
const LARGEST_FOR_PRETTIER = 100_000;

/** Formats with prettier; the types of a very large document only get its indentation. */
async function format(code: string): Promise<string> {
  if (code.length > LARGEST_FOR_PRETTIER) {
    return code.replace(/^(?: {4})+/gm, (indent) => " ".repeat(indent.length / 2));
  }
  const prettier = await import("prettier");
  const style = await prettier.resolveConfig(path.join(project, "generated", "schema.ts"));
  return prettier.format(code, { ...style, parser: "typescript" });
}
