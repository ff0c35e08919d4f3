import { isDeepStrictEqual } from "node:util";
import { isObject, type Json, type JsonObject } from "./overlay.js";

/** One difference between two documents, as a person says it. */
export interface Change {
  /** Such as `POST /path: request property input.text`. */
  place: string;
  what: string;
  /** Whether callers that were right before can be wrong now, to the compiler or on the wire. */
  isBreaking: boolean;
}

/** The operations of a document, as `POST /path`. */
export function operationsOf(document: JsonObject): string[] {
  return [...operationsIn(document).keys()];
}

/**
 * What a caller notices of a change of the document. Of a whole that came or went only the whole is
 * told; words, examples, extensions and servers are not.
 */
export function changesBetween(before: JsonObject, after: JsonObject): Change[] {
  const changes: Change[] = [];
  for (const [name, was, now] of pairs(operationsIn(before), operationsIn(after))) {
    changes.push(...compareOperations(name, { before, after }, was, now));
  }
  return changes;
}

/** An operation with what it has from its path and from its document. */
interface Operation {
  operation: JsonObject;
  parameters: Map<string, JsonObject>;
  security: string;
}

/** A parameter, a property, a body: what it is, and whether it has to be there. */
interface Part {
  schema: Json | undefined;
  isRequired: boolean;
}

const METHODS = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

function operationsIn(document: JsonObject): Map<string, Operation> {
  const operations = new Map<string, Operation>();
  for (const [path, raw] of Object.entries(objectIn(document, "paths"))) {
    const item = resolve(document, raw);
    for (const method of METHODS) {
      const operation = item[method];
      if (!isObject(operation)) continue;
      const parameters = new Map<string, JsonObject>();
      for (const raw of [...listIn(item, "parameters"), ...listIn(operation, "parameters")]) {
        const parameter = resolve(document, raw);
        parameters.set(`${show(parameter["in"])} parameter ${show(parameter["name"])}`, parameter);
      }
      const security = listIn("security" in operation ? operation : document, "security")
        .map((either) => (isObject(either) ? namesOf(either).join(" and ") : show(either)))
        .map((either) => either || "none")
        .join(" or ");
      operations.set(`${method.toUpperCase()} ${path}`, { operation, parameters, security });
    }
  }
  return operations;
}

/** The schemes that a security requirement names. */
function namesOf(requirement: JsonObject): string[] {
  return Object.keys(requirement).filter((name) => !name.startsWith("x-"));
}

function compareOperations(
  name: string,
  { before, after }: { before: JsonObject; after: JsonObject },
  was: Operation | undefined,
  now: Operation | undefined,
): Change[] {
  if (!was) return [{ place: name, what: "added", isBreaking: false }];
  if (!now) return [{ place: name, what: "removed", isBreaking: true }];

  const changes: Change[] = [];
  const add = (place: string, what: string, isBreaking: boolean) => {
    changes.push({ place, what, isBreaking });
  };
  const isDeprecated = now.operation["deprecated"] === true;
  if (isDeprecated !== (was.operation["deprecated"] === true)) {
    add(name, isDeprecated ? "is deprecated now" : "is no longer deprecated", false);
  }
  if (was.security !== now.security) {
    const from = was.security || "none";
    const to = now.security || "none";
    add(name, `security changed from ${from} to ${to}`, !/(?:^| )none(?: |$)/.test(to));
  }

  for (const [key, old, present] of pairs(was.parameters, now.parameters)) {
    const parts = [parameterPart(old), parameterPart(present)] as const;
    const found = new Comparison(before, after, false).compare(`${name}: ${key}`, ...parts);
    // By the standard, a parameter of such a name means nothing.
    const isIgnored = /^header parameter (?:accept|content-type|authorization)$/i.test(key);
    for (const { place, what, isBreaking } of found) add(place, what, isBreaking && !isIgnored);
  }

  const sent = new Comparison(before, after, false);
  const bodies = [bodiesOf(before, was.operation), bodiesOf(after, now.operation)] as const;
  for (const [media, old, present] of pairs(...bodies)) {
    changes.push(...sent.compare(`${name}: request${media}`, old, present, " property "));
  }

  const read = new Comparison(before, after, true);
  const answers = [answersOf(before, was.operation), answersOf(after, now.operation)] as const;
  for (const [status, old, present] of pairs(...answers)) {
    const place = `${name}: answer ${status}`;
    if (!old) add(place, "added", false);
    else if (!present) add(place, "removed", true);
    else {
      for (const [key, header, other] of pairs(headersOf(before, old), headersOf(after, present))) {
        changes.push(...read.compare(`${place} header ${key}`, header, other));
      }
      for (const [media, body, other] of pairs(contentOf(old), contentOf(present))) {
        if (!body) add(`${place}${media}`, "content added", false);
        else if (!other) add(`${place}${media}`, "content removed", true);
        else changes.push(...read.compare(`${place}${media}`, body, other, " property "));
      }
    }
  }
  return changes;
}

function parameterPart(parameter: JsonObject | undefined): Part | undefined {
  if (!parameter) return undefined;
  const [content] = contentOf(parameter).values();
  const schema = parameter["schema"] ?? content?.schema;
  return { schema, isRequired: parameter["required"] === true };
}

function bodiesOf(document: JsonObject, operation: JsonObject): Map<string, Part> {
  const body = resolve(document, operation["requestBody"]);
  return contentOf(body, body["required"] === true);
}

function answersOf(document: JsonObject, operation: JsonObject): Map<string, JsonObject> {
  const answers = Object.entries(objectIn(operation, "responses"));
  return new Map(answers.map(([status, answer]) => [status, resolve(document, answer)]));
}

function headersOf(document: JsonObject, answer: JsonObject): Map<string, Part> {
  const headers = Object.entries(objectIn(answer, "headers"));
  return new Map(
    headers.map(([name, raw]) => {
      const { schema, required } = resolve(document, raw);
      return [name, { schema, isRequired: required === true }];
    }),
  );
}

/** The schemas of a body by their media type, which is not named where it is JSON. */
function contentOf(holder: JsonObject, isRequired = false): Map<string, Part> {
  const content = Object.entries(objectIn(holder, "content"));
  return new Map(
    content.map(([type, media]) => [
      /^application\/json\b/i.test(type) ? "" : ` (${type})`,
      { schema: isObject(media) ? media["schema"] : undefined, isRequired },
    ]),
  );
}

/** Keywords that narrow a schema, each with the bound that it sets. */
const LIMITS: Record<string, "lower" | "upper" | "neither"> = {
  minimum: "lower",
  exclusiveMinimum: "lower",
  minLength: "lower",
  minItems: "lower",
  minProperties: "lower",
  maximum: "upper",
  exclusiveMaximum: "upper",
  maxLength: "upper",
  maxItems: "upper",
  maxProperties: "upper",
  multipleOf: "neither",
  pattern: "neither",
  format: "neither",
};

/** Compares what stands at the same places, each pair of schemas once. */
class Comparison {
  readonly #before: JsonObject;
  readonly #after: JsonObject;
  /** Whether callers read this, as an answer; what they write breaks when it narrows, not widens. */
  readonly #isRead: boolean;
  readonly #seen = new Map<JsonObject, Set<JsonObject>>();

  constructor(before: JsonObject, after: JsonObject, isRead: boolean) {
    this.#before = before;
    this.#after = after;
    this.#isRead = isRead;
  }

  compare(place: string, was?: Part, now?: Part, separator = "."): Change[] {
    if (!was) {
      const isBreaking = now?.isRequired === true && !this.#isRead;
      return [{ place, what: isBreaking ? "added, required" : "added", isBreaking }];
    }
    if (!now) return [{ place, what: "removed", isBreaking: true }];
    const changes = this.#compareSchemas(place, was.schema, now.schema, separator);
    if (was.isRequired === now.isRequired) return changes;
    const what = now.isRequired ? "is required now" : "is optional now";
    return [{ place, what, isBreaking: now.isRequired !== this.#isRead }, ...changes];
  }

  #compareSchemas(
    place: string,
    rawWas: Json | undefined,
    rawNow: Json | undefined,
    separator: string,
  ): Change[] {
    const was = flatten(this.#before, rawWas);
    const now = flatten(this.#after, rawNow);
    const compared = this.#seen.get(was.schema) ?? new Set();
    if (compared.has(now.schema)) return [];
    this.#seen.set(was.schema, compared.add(now.schema));

    const changes: Change[] = [];
    const add = (what: string, effect: { isWider?: boolean; isNarrower?: boolean }) => {
      const isHarmless = this.#isRead ? effect.isNarrower : effect.isWider;
      changes.push({ place, what, isBreaking: isHarmless !== true });
    };
    const isSameType = isDeepStrictEqual(was.types, now.types);
    if (!isSameType) {
      add(`type changed from ${was.types.join(" or ")} to ${now.types.join(" or ")}`, {
        isWider: includesAll(now.types, was.types),
        isNarrower: includesAll(was.types, now.types),
      });
    }
    const gone = was.values.filter((value) => !now.values.includes(value)).join(", ");
    const come = now.values.filter((value) => !was.values.includes(value)).join(", ");
    if (was.values.length === 0) {
      if (come) add(`is limited to ${come}`, { isNarrower: true });
    } else if (now.values.length === 0) {
      add(`is no longer limited to ${gone}`, { isWider: true });
    } else {
      if (gone) add(`values removed: ${gone}`, { isNarrower: true });
      if (come) add(`values added: ${come}`, { isWider: true });
    }
    for (const [keyword, old, present] of pairs(was.limits, now.limits)) {
      if (old === undefined) add(`${keyword} added: ${show(present)}`, { isNarrower: true });
      else if (present === undefined) add(`${keyword} removed: ${show(old)}`, { isWider: true });
      else if (old !== present) {
        const by = Number(present) - Number(old);
        add(`${keyword} changed from ${show(old)} to ${show(present)}`, {
          isWider: LIMITS[keyword] === (by > 0 ? "upper" : "lower"),
          isNarrower: LIMITS[keyword] === (by > 0 ? "lower" : "upper"),
        });
      }
    }

    // Where one of them is no object or no array any more, that is told by the type.
    if (isSameType || (was.parts.size > 0 && now.parts.size > 0)) {
      for (const [name, old, present] of pairs(was.parts, now.parts)) {
        changes.push(...this.compare(`${place}${separator}${name}`, old, present));
      }
    }
    if (isSameType && (was.items !== undefined || now.items !== undefined)) {
      changes.push(...this.#compareSchemas(`${place}[]`, was.items, now.items, "."));
    }
    if (isSameType && (was.others !== undefined || now.others !== undefined)) {
      changes.push(
        ...this.#compareSchemas(`${place}${separator}(any name)`, was.others, now.others, "."),
      );
    }
    return changes;
  }
}

function includesAll(wide: string[], narrow: string[]): boolean {
  return (
    wide.includes(ANYTHING) ||
    narrow.every((type) => wide.includes(type) || (type === "integer" && wide.includes("number")))
  );
}

/** A schema with its `$ref` followed and its `allOf`, `oneOf` and `anyOf` put together. */
interface Flat {
  schema: JsonObject;
  types: string[];
  values: string[];
  limits: Map<string, string | number | boolean>;
  parts: Map<string, Part>;
  items: Json | undefined;
  /** What a property without a schema of its own is. */
  others: Json | undefined;
}

const ANYTHING = "anything";

function flatten(document: JsonObject, raw: Json | undefined, seen = new Set<JsonObject>()): Flat {
  const schema = resolve(document, raw);
  seen.add(schema);
  const limits = Object.keys(LIMITS).flatMap((keyword) => {
    const value = schema[keyword];
    return value === undefined || value === null || typeof value === "object"
      ? []
      : [[keyword, value] as const];
  });
  const flat: Flat = {
    schema,
    types: typesOf(schema),
    values: ("const" in schema ? [schema["const"]] : listIn(schema, "enum")).map(show),
    limits: new Map(limits),
    parts: new Map(),
    items: schema["items"],
    others: isObject(schema["additionalProperties"]) ? schema["additionalProperties"] : undefined,
  };
  for (const [name, property] of Object.entries(objectIn(schema, "properties"))) {
    flat.parts.set(name, { schema: property, isRequired: false });
  }
  for (const keyword of ["allOf", "oneOf", "anyOf"]) {
    const branches = listIn(schema, keyword)
      .filter((branch) => !seen.has(resolve(document, branch)))
      .map((branch) => flatten(document, branch, seen));
    mergeBranches(flat, branches, keyword === "allOf");
  }
  for (const name of listIn(schema, "required").map(show)) {
    // A name without a schema is required all the same.
    flat.parts.set(name, { schema: flat.parts.get(name)?.schema, isRequired: true });
  }
  return flat;
}

function mergeBranches(flat: Flat, branches: Flat[], areAllMet: boolean): void {
  for (const { parts, limits, items, others } of branches) {
    for (const [name, { schema, isRequired }] of parts) {
      const present = flat.parts.get(name);
      flat.parts.set(name, {
        schema: present?.schema ?? schema,
        // One of several branches requires nothing of a caller who takes another.
        isRequired: present?.isRequired === true || (areAllMet && isRequired),
      });
    }
    if (areAllMet) for (const [keyword, value] of limits) flat.limits.set(keyword, value);
    flat.items ??= items;
    flat.others ??= others;
  }
  const typed = branches.filter(({ types }) => !types.includes(ANYTHING));
  if (flat.types.includes(ANYTHING) && typed.length > 0) {
    flat.types = [...new Set(typed.flatMap(({ types }) => types))].sort();
  }
  const limited = branches.filter(({ values }) => values.length > 0);
  if (flat.values.length === 0 && (areAllMet || limited.length === branches.length)) {
    flat.values = [...new Set(limited.flatMap(({ values }) => values))];
  }
}

function typesOf(schema: JsonObject): string[] {
  const { type, nullable } = schema;
  const named = Array.isArray(type) ? type.map(show) : type === undefined ? [] : [show(type)];
  if (named.length === 0) return [isObject(schema["properties"]) ? "object" : ANYTHING];
  return [...new Set([...named, ...(nullable === true ? ["null"] : [])])].sort();
}

/** The object, or the one that its `$ref` points to inside the document. */
function resolve(document: JsonObject, raw: Json | undefined, depth = 0): JsonObject {
  if (!isObject(raw)) return {};
  const { $ref } = raw;
  if (typeof $ref !== "string" || !$ref.startsWith("#/") || depth > 20) return raw;
  const target = $ref
    .slice(2)
    .split("/")
    .reduce<Json | undefined>((value, step) => {
      const key = unescapeStep(step);
      return Array.isArray(value) ? value[Number(key)] : isObject(value) ? value[key] : undefined;
    }, document);
  return resolve(document, target, depth + 1);
}

function unescapeStep(step: string): string {
  let plain = step;
  try {
    plain = decodeURIComponent(step);
  } catch {
    // A percent sign that means itself.
  }
  return plain.replaceAll("~1", "/").replaceAll("~0", "~");
}

/** What stands under the same name in both; what is gone comes first. */
function pairs<T>(
  was: Map<string, T>,
  now: Map<string, T>,
): [string, T | undefined, T | undefined][] {
  const gone = [...was.keys()].filter((name) => !now.has(name));
  return [...gone, ...now.keys()].map((name) => [name, was.get(name), now.get(name)]);
}

function objectIn(holder: JsonObject, key: string): JsonObject {
  const value = holder[key];
  return isObject(value) ? value : {};
}

function listIn(holder: JsonObject, key: string): Json[] {
  const value = holder[key];
  return Array.isArray(value) ? value : [];
}

function show(value: Json | undefined): string {
  if (value === undefined) return "(unnamed)";
  return typeof value === "string" ? value : JSON.stringify(value);
}
