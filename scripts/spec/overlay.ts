// Applies an OpenAPI Overlay to a document, and refuses every action that no longer fits it.
import { isDeepStrictEqual } from "node:util";
import { exec, query } from "jsonpath-rfc9535";
import { isObject, type Json, type JsonObject } from "./document.js";

/** An action whose place no longer looks as `x-was` says. */
export interface StaleAction {
  /** The action's `x-id`, else its number, from 1. */
  id: string;
  target: string;
  expected: string;
  found: string;
}

/** The overlay itself is not one that can be applied. */
export class OverlayError extends Error {
  override readonly name: string = "OverlayError";
}

/** Actions that no longer fit the document, all of them. */
export class StaleOverlayError extends OverlayError {
  override readonly name = "StaleOverlayError";
  readonly actions: readonly StaleAction[];

  constructor(actions: readonly StaleAction[]) {
    const reports = actions.map(
      ({ id, target, expected, found }) =>
        `- ${id}\n    place:    ${target}\n    expected: ${expected}\n    found:    ${found}`,
    );
    super(
      `Stale actions of the overlay (${actions.length}), which no longer fit the document:\n` +
        `${reports.join("\n")}\n` +
        "If the page was corrected, delete the action. If it changed, check again what is true, and " +
        "update the action and its x-was.",
    );
    this.actions = actions;
  }
}

/**
 * Applies an OpenAPI Overlay 1.1 and returns the corrected copy; neither argument is changed.
 *
 * Stricter than the standard: a target selects exactly one node, and what an action replaces or
 * removes must equal its `x-was`. `copy` and updates of arrays are refused.
 *
 * @throws OverlayError - the overlay is not one, or an action asks for what is refused
 * @throws StaleOverlayError - actions do not fit the document; all are named
 */
export function applyOverlay(document: JsonObject, overlay: Json): JsonObject {
  // Through JSON, so that no two places share an object, as YAML aliases do.
  const root = { $: copy(document) };
  const stale = actionsOf(overlay).flatMap((action) => {
    const mismatch = applyAction(root, action);
    return mismatch ? [{ id: action.id, target: action.target, ...mismatch }] : [];
  });
  if (stale.length > 0) throw new StaleOverlayError(stale);
  return root.$;
}

interface Action {
  id: string;
  target: string;
  was: Json | undefined;
  /** What to write; absent for a removal. */
  update?: Json;
}

const ACTION_KEYS = new Set(["target", "description", "update", "remove"]);

function actionsOf(overlay: Json): Action[] {
  if (!isObject(overlay) || !isVersion(overlay["overlay"])) {
    throw new OverlayError("The overlay is not an OpenAPI Overlay 1.0 or 1.1 document.");
  }
  const { actions } = overlay;
  if (!Array.isArray(actions)) {
    throw new OverlayError("The overlay has no list of actions; write `actions: []` for none.");
  }
  return actions.map((action, index) => parseAction(action, index + 1));
}

function parseAction(action: Json, number: number): Action {
  if (!isObject(action) || typeof action["target"] !== "string") {
    throw new OverlayError(`Action ${number} of the overlay has no target.`);
  }
  const { target, remove, update, "x-was": was, "x-id": named } = action;
  const id = typeof named === "string" ? named : String(number);
  const refuse = (why: string): never => {
    throw new OverlayError(`Action ${id} of the overlay (${target}) ${why}.`);
  };
  const unknown = Object.keys(action).find((key) => !ACTION_KEYS.has(key) && !key.startsWith("x-"));
  if (unknown !== undefined) refuse(`has "${unknown}", which is not supported`);
  if (remove !== undefined && typeof remove !== "boolean")
    refuse("has a `remove` that is neither true nor false");
  if ((remove === true) === (update !== undefined))
    refuse("needs either `update` or `remove: true`");
  if (Array.isArray(update))
    refuse("writes an array over a place; remove that and set it anew from its parent");
  if (remove === true && target === "$") refuse("removes the whole document");
  if (remove === true && was === undefined)
    refuse("removes something without saying what in x-was");
  return { id, target, was, ...(update !== undefined && { update }) };
}

type Mismatch = Pick<StaleAction, "expected" | "found">;

/**
 * Applies one action and says what did not fit. A place that exists is edited even then, so that
 * one outdated `x-was` is reported once and not again by every action that builds on it.
 */
function applyAction(root: { $: JsonObject }, action: Action): Mismatch | undefined {
  const places = select(root, action);
  const place = places[0];
  if (place === undefined) return { expected: "one place", found: nothingAt(root, action) };
  if (places.length > 1) return { expected: "one place", found: `${places.length} places` };

  const { was, update } = action;
  const { node } = place;
  if (update === undefined) {
    place.remove();
    return compare(was, node);
  }
  if (Array.isArray(node) && (was === undefined || Array.isArray(was))) {
    throw misfit(action, "updates an array; remove it and set it anew");
  }
  // What the action expects is of another kind than what is there: the document has changed.
  const kind = kindOf(was === undefined ? update : was);
  if (kind !== kindOf(node)) {
    if (!isObject(node)) place.replace(copy(update));
    return { expected: was === undefined ? kind : show(was), found: show(node) };
  }
  if (isObject(node)) {
    if (!isObject(update)) throw misfit(action, "updates an object with something else");
    const mismatch = compareKeys(node, update, (was ?? {}) as JsonObject);
    merge(node, update);
    return mismatch;
  }
  if (isObject(update)) throw misfit(action, "updates a single value with an object");
  place.replace(update);
  return compare(was, node);
}

function misfit({ id, target }: Action, why: string): OverlayError {
  return new OverlayError(`Action ${id} of the overlay (${target}) ${why}.`);
}

interface Place {
  node: Json;
  remove(): void;
  replace(value: Json): void;
}

function select(root: { $: JsonObject }, action: Action): Place[] {
  const places: Place[] = [];
  try {
    exec(root.$, action.target, (node, path) => {
      const keys = ["$", ...path.map(unescapeKey)];
      const key = keys.pop() as string;
      const parent = keys.reduce<Json>((value, step) => (value as JsonObject)[step] as Json, root);
      places.push({
        node,
        remove: () => {
          if (Array.isArray(parent)) parent.splice(Number(key), 1);
          else Reflect.deleteProperty(parent as JsonObject, key);
        },
        replace: (value) => {
          (parent as JsonObject)[key] = value;
        },
      });
    });
  } catch (error) {
    throw misfit(
      action,
      `has a target that is not a JSONPath: ${(error as Error).message.replace(/\.$/, "")}`,
    );
  }
  return places;
}

/** The keys of a path arrive escaped as in a normalized path (RFC 9535, 2.7). */
function unescapeKey(key: string | number): string {
  return String(key).replace(/\\(?:u[0-9a-f]{4}|.)/g, (escape) =>
    escape === "\\'" ? "'" : (JSON.parse(`"${escape}"`) as string),
  );
}

/** Says whether only the target's last segment found nothing, or already an earlier one. */
function nothingAt(root: { $: JsonObject }, { target }: Action): string {
  let end = target.length;
  do end--;
  while (!isPath(target.slice(0, end)) || !isPath(`$${target.slice(end)}`));
  return query(root.$, target.slice(0, end)).length > 0 ? "nothing" : "no such place";
}

function isPath(text: string): boolean {
  try {
    query(null, text);
    return true;
  } catch {
    return false;
  }
}

function compare(expected: Json | undefined, found: Json): Mismatch | undefined {
  if (isDeepStrictEqual(expected, found)) return undefined;
  return { expected: show(expected), found: show(found) };
}

/** Every key that is written or named in `x-was` must be as `x-was` says, or absent with it. */
function compareKeys(node: JsonObject, update: JsonObject, was: JsonObject): Mismatch | undefined {
  const keys = new Set([...Object.keys(update), ...Object.keys(was)]);
  const present = new Map([...keys].map((key) => [key, presentKey(node, key)]));
  const different = [...present].filter(
    ([key, found]) => !isDeepStrictEqual(own(node, found), own(was, key)),
  );
  if (different.length === 0) return undefined;
  const list = (entries: [string, Json | undefined][]) =>
    entries.map(([key, value]) => `${JSON.stringify(key)}: ${show(value)}`).join(", ");
  return {
    expected: list(different.map(([key]) => [key, own(was, key)])),
    found: list(different.map(([, found]) => [found, own(node, found)])),
  };
}

/** The key, or the path that to OpenAPI is the same, as it differs in names of parameters only. */
function presentKey(node: JsonObject, key: string): string {
  if (!key.startsWith("/") || Object.hasOwn(node, key)) return key;
  const withoutNames = (path: string) => path.replace(/\{[^}]*\}/g, "{}");
  return Object.keys(node).find((other) => withoutNames(other) === withoutNames(key)) ?? key;
}

/** An assignment would lose the key `__proto__`. */
const PLAIN = { configurable: true, enumerable: true, writable: true };

/** As the standard merges: objects key by key, arrays one behind the other, the rest replaced. */
function merge(node: JsonObject, update: JsonObject): void {
  for (const [key, value] of Object.entries(update)) {
    const present = own(node, key);
    if (isObject(present) && isObject(value)) merge(present, value);
    else if (Array.isArray(present) && Array.isArray(value)) present.push(...copy(value));
    else Object.defineProperty(node, key, { ...PLAIN, value: copy(value) });
  }
}

function isVersion(value: Json | undefined): boolean {
  return typeof value === "string" && /^1\.[01]\.\d+$/.test(value);
}

function kindOf(value: Json): string {
  if (Array.isArray(value)) return "an array";
  return isObject(value) ? "an object" : "a single value";
}

function own(object: JsonObject, key: string): Json | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

function show(value: Json | undefined): string {
  return value === undefined ? "nothing" : JSON.stringify(value);
}

function copy<T extends Json>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T;
}
