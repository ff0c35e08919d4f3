import { isObject, type Json, type JsonObject } from "./overlay.js";

/** One difference between two documents, as a person says it. */
export interface Change {
  /** Such as `POST /path: request property input.text`. */
  place: string;
  what: string;
  /** Whether callers that were right before can be wrong now, to the compiler or on the wire. */
  isBreaking: boolean;
}

/** What callers see at a place of the document: an operation, a parameter, a property, an answer. */
interface Fact {
  parent: string | undefined;
  /** Callers write a request and read an answer. */
  isRead: boolean;
  isRequired: boolean;
  type: string;
  values: string[];
}

const METHODS = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/** What a caller notices of a change of the document; words, examples and extensions are not listed. */
export function changesBetween(before: JsonObject, after: JsonObject): Change[] {
  const old = factsOf(before);
  const now = factsOf(after);
  const changes: Change[] = [];
  for (const [place, fact] of old) {
    if (now.has(place) || isHidden(fact, old, now)) continue;
    changes.push({ place, what: "removed", isBreaking: true });
  }
  for (const [place, fact] of now) {
    const was = old.get(place);
    if (was) changes.push(...compare(place, was, fact));
    else if (!isHidden(fact, now, old)) {
      const isBreaking = fact.isRequired && !fact.isRead && fact.parent !== undefined;
      changes.push({ place, what: isBreaking ? "added, required" : "added", isBreaking });
    }
  }
  return changes;
}

/** The operations of a document, as `POST /path`. */
export function operationsOf(document: JsonObject): string[] {
  return operations(document).map(({ name }) => name);
}

/** Of a whole that came or went, only the whole is told. */
function isHidden({ parent }: Fact, here: Map<string, Fact>, there: Map<string, Fact>): boolean {
  return parent !== undefined && here.has(parent) && !there.has(parent);
}

function compare(place: string, was: Fact, now: Fact): Change[] {
  const changes: Change[] = [];
  const add = (what: string, isBreaking: boolean) => changes.push({ place, what, isBreaking });
  if (was.type !== now.type) add(`type changed from ${was.type} to ${now.type}`, true);
  if (was.isRequired !== now.isRequired) {
    // What is sent may be asked for anew; what is read may be missing now.
    add(now.isRequired ? "is required now" : "is optional now", now.isRequired !== now.isRead);
  }
  const gone = was.values.filter((value) => !now.values.includes(value));
  const come = now.values.filter((value) => !was.values.includes(value));
  if (was.values.length === 0 && come.length > 0) {
    add(`is limited to ${come.join(", ")}`, !now.isRead);
  } else if (now.values.length === 0 && gone.length > 0) {
    add(`is no longer limited to ${gone.join(", ")}`, now.isRead);
  } else {
    if (gone.length > 0) add(`values removed: ${gone.join(", ")}`, !now.isRead);
    if (come.length > 0) add(`values added: ${come.join(", ")}`, now.isRead);
  }
  return changes;
}

interface Operation {
  name: string;
  item: JsonObject;
  operation: JsonObject;
}

function operations(document: JsonObject): Operation[] {
  return Object.entries(objectIn(document, "paths")).flatMap(([path, raw]) => {
    const item = resolve(document, raw);
    return METHODS.flatMap((method) => {
      const operation = item[method];
      return isObject(operation)
        ? [{ name: `${method.toUpperCase()} ${path}`, item, operation }]
        : [];
    });
  });
}

function factsOf(document: JsonObject): Map<string, Fact> {
  const facts = new Map<string, Fact>();
  const put = (place: string, fact: Partial<Fact>) => {
    const defaults = { parent: undefined, isRead: false, isRequired: false, type: "", values: [] };
    facts.set(place, { ...defaults, ...fact });
  };

  const putSchema = (place: string, raw: Json | undefined, fact: Partial<Fact>, above: Json[]) => {
    const schema = flatten(document, raw, above);
    const { type, values, properties, required, items } = schema;
    put(place, { ...fact, type, values });
    const inside = [...above, ...schema.sources];
    const { isRead = false } = fact;
    const separator =
      place.includes(": ") && /: (?:request|answer \S+)$/.test(place) ? " property " : ".";
    for (const [name, property] of properties) {
      const part = { parent: place, isRead, isRequired: required.has(name) };
      putSchema(`${place}${separator}${name}`, property, part, inside);
    }
    if (items !== undefined) putSchema(`${place}[]`, items, { parent: place, isRead }, inside);
  };

  for (const { name, item, operation } of operations(document)) {
    put(name, {});
    for (const raw of [...listIn(item, "parameters"), ...listIn(operation, "parameters")]) {
      const parameter = resolve(document, raw);
      const place = `${name}: ${show(parameter["in"])} parameter ${show(parameter["name"])}`;
      const isRequired = parameter["required"] === true;
      putSchema(place, parameter["schema"], { parent: name, isRequired }, []);
    }
    const request = resolve(document, operation["requestBody"]);
    for (const schema of schemasIn(request)) {
      const isRequired = request["required"] === true;
      putSchema(`${name}: request`, schema, { parent: name, isRequired }, []);
    }
    for (const [status, raw] of Object.entries(objectIn(operation, "responses"))) {
      const place = `${name}: answer ${status}`;
      put(place, { parent: name, isRead: true });
      for (const schema of schemasIn(resolve(document, raw))) {
        putSchema(place, schema, { parent: name, isRead: true }, []);
      }
    }
  }
  return facts;
}

interface Flat {
  type: string;
  values: string[];
  properties: Map<string, Json>;
  required: Set<string>;
  items: Json | undefined;
  /** The objects that this was put together from, by which a circle is noticed. */
  sources: Json[];
}

/** A schema with its `$ref` and its `allOf`, `oneOf` and `anyOf` put together. */
function flatten(document: JsonObject, raw: Json | undefined, above: Json[]): Flat {
  const schema = resolve(document, raw);
  const flat: Flat = {
    type: typeOf(schema),
    values: listIn(schema, "enum").map(show),
    properties: new Map(Object.entries(objectIn(schema, "properties"))),
    required: new Set(listIn(schema, "required").map(show)),
    items: schema["items"],
    sources: [schema],
  };
  if (above.includes(schema)) return { ...flat, properties: new Map(), items: undefined };
  for (const keyword of ["allOf", "oneOf", "anyOf"]) {
    for (const raw of listIn(schema, keyword)) {
      const part = flatten(document, raw, [...above, schema]);
      for (const [name, property] of part.properties) flat.properties.set(name, property);
      // One of several branches requires nothing of a caller who takes another.
      if (keyword === "allOf") for (const name of part.required) flat.required.add(name);
      if (flat.type === "anything") flat.type = part.type;
      flat.sources.push(...part.sources);
    }
  }
  return flat;
}

function typeOf(schema: JsonObject): string {
  const { type, nullable } = schema;
  const words = Array.isArray(type) ? type.map(show) : type === undefined ? [] : [show(type)];
  if (words.length === 0) return isObject(schema["properties"]) ? "object" : "anything";
  return [...words, ...(nullable === true ? ["null"] : [])].sort().join(" or ");
}

/** The object, or the one that its `$ref` points to inside the document. */
function resolve(document: JsonObject, raw: Json | undefined, depth = 0): JsonObject {
  if (!isObject(raw)) return {};
  const { $ref } = raw;
  if (typeof $ref !== "string" || depth > 20) return raw;
  const steps = $ref.split("/").slice(1);
  const target = steps.reduce<Json | undefined>((value, step) => {
    const key = decodeURIComponent(step).replaceAll("~1", "/").replaceAll("~0", "~");
    return Array.isArray(value) ? value[Number(key)] : isObject(value) ? value[key] : undefined;
  }, document);
  return $ref.startsWith("#/") ? resolve(document, target, depth + 1) : raw;
}

function schemasIn(holder: JsonObject): Json[] {
  return Object.values(objectIn(holder, "content")).flatMap((media) =>
    isObject(media) && media["schema"] !== undefined ? [media["schema"]] : [],
  );
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
  return typeof value === "string" ? value : JSON.stringify(value ?? "(unnamed)");
}
