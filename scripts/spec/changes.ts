// What changed between two versions of a document: every difference, by place, without a verdict.
import { isDeepStrictEqual } from "node:util";
import { isObject, type Json, type JsonObject, METHODS, resolve } from "./document.js";

/** One difference between two documents. */
export interface Change {
  /** Such as `POST /path: request input.mode enum`. */
  place: string;
  /** Such as `added "pro"` or `changed from 3 to 5`. */
  what: string;
}

/**
 * Lists every difference between two documents, except the order of keys.
 *
 * A `$ref` that is the same in both is not followed: its target is compared at its own place. Where
 * a `$ref` was added, removed or changed, what it points to is compared with what was there before.
 */
export function changesBetween(before: JsonObject, after: JsonObject): Change[] {
  const context: Context = { before, after, changes: [], followed: new Set() };
  compare(context, [], [before, after]);
  return context.changes;
}

interface Context {
  before: JsonObject;
  after: JsonObject;
  changes: Change[];
  /** The pairs of `$ref`s that were followed. */
  followed: Set<string>;
}

/** A heading, then keywords, `.property`, `[index]`. */
type Place = string[];

type Pair = [was: Json | undefined, now: Json | undefined];

/** Keywords whose value is a map from names that the author of the document chose. */
const MAPS = new Set([
  ...["paths", "webhooks", "parameters", "responses", "content", "headers", "encoding", "links"],
  ...["callbacks", "schemas", "requestBodies", "securitySchemes", "pathItems"],
  ...["properties", "patternProperties", "dependentSchemas", "$defs"],
]);

/** Keywords for people. That they changed is listed; `git diff` shows the words. */
const TEXTS = new Set(["description", "summary", "title", "example", "examples", "externalDocs"]);

function compare(context: Context, place: Place, pair: Pair, isMap = false): void {
  if (isDeepStrictEqual(...pair)) return;
  const { before, after, changes } = context;
  const { length } = changes;
  const [was, now] = pair;
  const isPath = place.length === 1 && place[0]?.startsWith("/") === true;
  // The members of a map are listed one by one, also where all of it was added or removed. So are
  // the operations of a path.
  if (isMap) {
    compareKeys(context, place, mapOf(before, was), mapOf(after, now), true);
  } else if (isPath) {
    compareObjects(context, place, mapOf(before, was), mapOf(after, now));
  } else if (isObject(was) && isObject(now)) {
    compareObjects(context, place, was, now);
  } else if (Array.isArray(was) && Array.isArray(now)) {
    compareLists(context, place, was, now);
  }
  // Nothing below this place was listed: the difference is here.
  if (changes.length === length) list(context, place, difference(place, pair));
}

function compareObjects(context: Context, place: Place, was: JsonObject, now: JsonObject): void {
  const refs: Pair = [was["$ref"], now["$ref"]];
  if (refs[0] === refs[1] || !refs.some((ref) => typeof ref === "string")) {
    compareKeys(context, place, was, now, false);
    return;
  }
  list(context, [...place, "$ref"], difference(place, refs));
  const followed = JSON.stringify(refs);
  if (!refs.includes(undefined) && context.followed.has(followed)) return;
  context.followed.add(followed);
  const targets = [target(context.before, was), target(context.after, now)] as const;
  compareKeys(context, place, ...targets, false);
}

function compareKeys(
  context: Context,
  place: Place,
  was: JsonObject,
  now: JsonObject,
  areNames: boolean,
): void {
  const [old, present] = [new Map(Object.entries(was)), new Map(Object.entries(now))];
  for (const key of new Set([...old.keys(), ...present.keys()])) {
    const pair: Pair = [old.get(key), present.get(key)];
    if (areNames) {
      compare(context, placeOfName(place, key), pair);
    } else if (TEXTS.has(key) || key.startsWith("x-")) {
      if (!isDeepStrictEqual(...pair)) list(context, [...place, key], verb(pair));
    } else {
      compare(context, placeOfKeyword(place, key), pair, MAPS.has(key));
    }
  }
}

function compareLists(context: Context, place: Place, was: Json[], now: Json[]): void {
  const isIn = (all: Json[], item: Json) => all.some((other) => isDeepStrictEqual(item, other));
  const removed = was.filter((item) => !isIn(now, item));
  const added = now.filter((item) => !isIn(was, item));
  if (removed.length === added.length && [...removed, ...added].every(isObject)) {
    for (const [index, item] of added.entries()) {
      compare(context, [...place, `[${now.indexOf(item)}]`], [removed[index], item]);
    }
  } else {
    if (removed.length > 0) list(context, place, `removed ${removed.map(show).join(", ")}`);
    if (added.length > 0) list(context, place, `added ${added.map(show).join(", ")}`);
  }
}

/** A map, or a list of parameters as a map from what identifies them. */
function mapOf(document: JsonObject, value: Json | undefined): JsonObject {
  if (!Array.isArray(value)) return isObject(value) ? value : {};
  const map = new Map<string, Json>();
  for (const parameter of value) {
    const { in: location = null, name = null } = resolve(document, parameter);
    let key = [location, "parameter", name]
      .map((word) => (typeof word === "string" ? word : show(word)))
      .join(" ");
    while (map.has(key)) key += " (repeated)";
    map.set(key, parameter);
  }
  return Object.fromEntries(map);
}

/** What an object with a `$ref` stands for, together with what is written beside the `$ref`. */
function target(document: JsonObject, value: JsonObject): JsonObject {
  const whole = typeof value["$ref"] === "string" ? resolve(document, value) : {};
  const merged = { ...whole, ...value };
  delete merged["$ref"];
  return merged;
}

function list({ changes }: Context, place: Place, what: string): void {
  changes.push({ place: nameOf(place), what });
}

function difference(place: Place, pair: Pair): string {
  const [was, now] = pair;
  if (was === undefined || now === undefined) {
    const value = was ?? now ?? null;
    // Of a whole operation or component, the name says enough.
    const isNamed = place.length === 1 && isObject(value);
    return isNamed ? verb(pair) : `${verb(pair)} ${show(value)}`;
  }
  if (Array.isArray(was) && Array.isArray(now) && was.length === now.length) return "order changed";
  return `changed from ${show(was)} to ${show(now)}`;
}

function verb([was, now]: Pair): string {
  if (was === undefined) return "added";
  return now === undefined ? "removed" : "changed";
}

const MAX_LENGTH = 100;

/** The value as JSON; of a large object or list, its beginning. */
function show(value: Json): string {
  const json = JSON.stringify(value);
  const isCut = typeof value === "object" && json.length > MAX_LENGTH;
  return isCut ? `${json.slice(0, MAX_LENGTH)}…` : json;
}

function placeOfKeyword(place: Place, keyword: string): Place {
  const [heading = ""] = place;
  if (place.length === 1 && heading.startsWith("/") && METHODS.includes(keyword)) {
    return [`${keyword.toUpperCase()} ${heading}`];
  }
  // A schema stands for what it describes.
  if (keyword === "schema") return place;
  if (keyword === "requestBody") return [...place, "request"];
  return [...place, keyword === "items" ? "[]" : keyword];
}

/** What replaces the keyword of a map before the name of a member. */
const PREFIXES: Record<string, string> = {
  paths: "",
  parameters: "",
  responses: "response ",
  headers: "header ",
  properties: ".",
};

function placeOfName(place: Place, name: string): Place {
  const before = place.slice(0, -1);
  const map = place.at(-1) as string;
  if (place.length === 2 && place[0] === "components") return [`#/components/${map}/${name}`];
  if (map === "content") return name === "application/json" ? before : [...before, `(${name})`];
  const prefix = PREFIXES[map];
  return prefix === undefined ? [...place, name] : [...before, prefix + name];
}

/** `POST /path: request input.mode enum` */
function nameOf([heading = "document", ...words]: Place): string {
  if (words.length === 0) return heading;
  const text = words.reduce((before, word, index) => {
    // A property of a property, or of items, is written without a space: `a.b[].c`.
    const isInner = /^[.[]/.test(words.at(index - 1) as string);
    if (index > 0 && (word.startsWith("[") || (word.startsWith(".") && isInner))) {
      return before + word;
    }
    return `${before} ${word.replace(/^\./, "")}`;
  }, "");
  return `${heading}:${text}`;
}
