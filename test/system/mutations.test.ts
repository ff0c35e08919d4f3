import { describe, expect, it, vi } from "vitest";
import { parse, stringify } from "yaml";
import type { Json, JsonObject } from "../../scripts/spec/document.js";
import { generate } from "../../scripts/spec/generate.js";
import { applyOverlay, StaleOverlayError } from "../../scripts/spec/overlay.js";
import { readProject } from "../fixtures/scripts.js";

// openapi-typescript is slow on a busy machine.
vi.setConfig({ testTimeout: 120_000 });

const published = await readProject("spec", "lip-sync.yaml");
const overlay = await readProject("spec", "overlay.yaml");
const corrections = parse(overlay) as { actions: { "x-id": string; target: string }[] };
const schema = await readProject("generated", "schema.ts");

const PATH = "/kling/v1/videos/lip-sync";
const POST = ["paths", PATH, "post"];
const BODY = [...POST, "requestBody", "content", "application/json"];
const FIELDS = [...BODY, "schema", "properties"];
const INPUT = [...FIELDS, "input"];
const RESPONSE = [...POST, "responses", "200"];

type Mutation = (document: JsonObject) => void;

function at(document: JsonObject, place: string[]): JsonObject {
  return place.reduce((node, key) => node[key] as JsonObject, document);
}

/** Sets keys of an object; `undefined` removes one. */
function set(place: string[], keys: Keys): Mutation {
  return (document) => {
    const node = at(document, place);
    for (const [key, value] of Object.entries(keys)) {
      if (value === undefined) Reflect.deleteProperty(node, key);
      else node[key] = value;
    }
  };
}

function list(place: string[], key: string, edit: (items: Json[]) => Json[]): Mutation {
  return (document) => {
    const node = at(document, place);
    node[key] = edit(node[key] as Json[]);
  };
}

function rename(place: string[], from: string, to: string): Mutation {
  return (document) => {
    const node = at(document, place);
    node[to] = node[from] as Json;
    Reflect.deleteProperty(node, from);
  };
}

/** Moves a value to the components of this kind and leaves a `$ref` to it. */
function moveToComponents(place: string[], key: string, kind: string): Mutation {
  return (document) => {
    const node = at(document, place);
    const components = at(document, ["components"]);
    components[kind] = { ...(components[kind] as JsonObject), Moved: node[key] as Json };
    node[key] = { $ref: `#/components/${kind}/Moved` };
  };
}

type Keys = Record<string, Json | undefined>;
const root = (keys: Keys) => set([], keys);
const info = (keys: Keys) => set(["info"], keys);
const paths = (keys: Keys) => set(["paths"], keys);
const schemas = (keys: Keys) => set(["components", "schemas"], keys);
const securitySchemes = (keys: Keys) => set(["components", "securitySchemes"], keys);
const post = (keys: Keys) => set(POST, keys);
const body = (keys: Keys) => set([...BODY, "schema"], keys);
const bodyFields = (keys: Keys) => set(FIELDS, keys);
const input = (keys: Keys) => set(INPUT, keys);
const fields = (keys: Keys) => set([...INPUT, "properties"], keys);
const field = (name: string, keys: Keys) => set([...INPUT, "properties", name], keys);
const responses = (keys: Keys) => set([...POST, "responses"], keys);
const response = (keys: Keys) => set(RESPONSE, keys);
const responseJson = (keys: Keys) => set([...RESPONSE, "content", "application/json"], keys);
const responseSchema = (keys: Keys) =>
  set([...RESPONSE, "content", "application/json", "schema"], keys);
const parameters = (edit: (items: Json[]) => Json[]) => list(POST, "parameters", edit);
const parameter = (index: number, keys: Keys) => set([...POST, "parameters", String(index)], keys);
const required = (edit: (items: Json[]) => Json[]) => list(INPUT, "required", edit);

function mutated(...mutations: Mutation[]): JsonObject {
  const document = parse(published) as JsonObject;
  for (const mutate of mutations) mutate(document);
  return document;
}

const text = { type: "string" };
const AUTHORIZATION = "parameters.Authorization";
const PARAMETERS = ["parameters.Content-Type", AUTHORIZATION];
const EMPTY_SCHEMA = "responses.200.schema (empty)";
const REQUIRED = "input.required (six fields)";
const EXAMPLE = "requestBody.example (with comments)";
const VIDEO_ID = ["input.video_id", "input.video_id (not blank)"];
const VOICES = "schemas.VoiceId";

/** Everything that is aimed at or below the path of the operation. */
const OF_PATH = corrections.actions
  .filter(({ target }) => target.includes(PATH))
  .map((action) => action["x-id"]);
const OF_SCHEMAS = corrections.actions
  .map((action) => action["x-id"])
  .filter((id) => id.startsWith("schemas."));
const OF_BODY = OF_PATH.filter((id) => /^(?:input|requestBody\.ex|callback)/.test(id));
// What combines fields can be added to whatever is there.
const OF_INPUT = OF_PATH.filter((id) => /^input\.(?!(?:one|all)Of)/.test(id));

const stops: [string, Mutation, string[]][] = [
  ["adds video_url", fields({ video_url: text }), ["input.video_url"]],
  [
    "adds video_url as a list",
    fields({ video_url: { type: "array", items: text } }),
    ["input.video_url"],
  ],
  ["adds video_url with an empty schema", fields({ video_url: {} }), ["input.video_url"]],
  [
    "adds video_url as ours",
    fields({
      video_url: at(applyOverlay(mutated(), corrections), [...INPUT, "properties"])["video_url"],
    }),
    ["input.video_url", "input.video_url (absolute)"],
  ],
  ["adds callback_url", bodyFields({ callback_url: text }), ["callback_url"]],
  [
    "adds callback_url with a form of its own",
    bodyFields({ callback_url: { ...text, pattern: "^https:" } }),
    ["callback_url", "callback_url (absolute)"],
  ],
  ["adds voice_speed", fields({ voice_speed: { type: "number" } }), ["input.voice_speed"]],
  [
    "adds the audio mode",
    fields({ audio_type: text, audio_file: text, audio_url: text }),
    ["input.audio_type", "input.audio_file", "input.audio_url"],
  ],
  [
    "adds the audio with a form of its own",
    fields({ audio_file: { ...text, pattern: "=$" }, audio_url: { ...text, pattern: "^https:" } }),
    [
      "input.audio_file",
      "input.audio_file (Base64)",
      "input.audio_url",
      "input.audio_url (absolute)",
    ],
  ],
  [
    "relaxes what is required",
    required((names) => names.filter((name) => name !== "task_id")),
    [REQUIRED],
  ],
  ["extends what is required", required((names) => [...names, "voice_speed"]), [REQUIRED]],
  ["reorders what is required", required((names) => [...names].reverse()), [REQUIRED]],
  ["requires nothing", input({ required: undefined }), [REQUIRED]],
  ["requires an empty list", input({ required: [] }), [REQUIRED]],
  [
    "states the either/or rule",
    input({ oneOf: [{ required: ["video_id"] }, { required: ["video_url"] }] }),
    ["input.oneOf (videos)"],
  ],
  // The third one edits the first rule of the list, which is now the page's.
  [
    "states a rule with allOf",
    input({ allOf: [{ required: ["mode"] }] }),
    ["input.allOf (modes)", "input.allOf (not blank)"],
  ],
  ["drops a field that is described", fields({ text: undefined }), ["input.text"]],
  ["renames a field", fields({ voice_id: undefined, voice: text }), ["input.voice_id"]],
  ["makes mode a number", field("mode", { type: "integer" }), ["input.mode"]],
  ["lists the values of mode", field("mode", { enum: ["text2video"] }), ["input.mode"]],
  ["describes mode", field("mode", { description: "模式" }), ["input.mode"]],
  ["describes video_id", field("video_id", { description: "视频ID" }), ["input.video_id"]],
  [
    "refuses an empty video_id",
    field("video_id", { minLength: 1 }),
    ["input.video_id (not blank)"],
  ],
  ["makes video_id a number", field("video_id", { type: "integer" }), VIDEO_ID],
  [
    "refers to a list of voices",
    field("voice_id", { allOf: [{ $ref: "#/components/schemas/Voice" }] }),
    ["input.voice_id"],
  ],
  ["adds a schema named VoiceId", schemas({ VoiceId: { ...text, enum: ["a"] } }), [VOICES]],
  ["makes task_id a number", field("task_id", { type: "integer" }), ["input.task_id"]],
  [
    "makes the input a list",
    bodyFields({ input: { type: "array", items: { type: "object" } } }),
    OF_INPUT,
  ],
  ["makes the input a list in its type only", input({ type: "array" }), ["input.required (mode)"]],
  ["moves the input into a $ref", moveToComponents(FIELDS, "input", "schemas"), OF_INPUT],
  ["moves the body into a $ref", moveToComponents(POST, "requestBody", "requestBodies"), OF_BODY],
  [
    "requires the body",
    set([...POST, "requestBody"], { required: true }),
    ["requestBody.required"],
  ],
  [
    "makes the body a form",
    rename([...POST, "requestBody", "content"], "application/json", "multipart/form-data"),
    OF_BODY,
  ],
  ["changes the example", set(BODY, { example: { input: {} } }), [EXAMPLE]],
  ["drops the example", set(BODY, { example: undefined }), [EXAMPLE]],
  ["gives several examples", set(BODY, { examples: {} }), ["requestBody.examples"]],
  ["describes the response's body", responseSchema({ properties: { code: text } }), [EMPTY_SCHEMA]],
  ["drops the response's schema", responseJson({ schema: undefined }), [EMPTY_SCHEMA]],
  [
    "has a $ref as the response",
    responseJson({ schema: { $ref: "#/components/schemas/Answer" } }),
    [EMPTY_SCHEMA],
  ],
  [
    "responds with 201",
    rename([...POST, "responses"], "200", "201"),
    ["responses.200.description", EMPTY_SCHEMA, "responses.200.schema"],
  ],
  ["describes the response", response({ description: "成功" }), ["responses.200.description"]],
  ["describes errors", responses({ "4XX": { description: "" } }), ["post.responses (errors)"]],
  ["renames the path", rename(["paths"], PATH, "/kling/v2/videos/lip-sync"), OF_PATH],
  ["makes it a PUT", rename(["paths", PATH], "post", "put"), OF_PATH],
  ["drops the header parameters", post({ parameters: [] }), PARAMETERS],
  ["drops the list of parameters", post({ parameters: undefined }), PARAMETERS],
  ["drops Authorization", parameters((all) => all.slice(0, 1)), [AUTHORIZATION]],
  ["requires Authorization", parameter(1, { required: true }), [AUTHORIZATION]],
  ["changes the placeholder of the key", parameter(1, { example: "Bearer sk-…" }), [AUTHORIZATION]],
  [
    "no longer requires Content-Type",
    parameter(0, { required: false }),
    ["parameters.Content-Type"],
  ],
  ["names Authorization twice", parameters((all) => [...all, all[1] ?? null]), [AUTHORIZATION]],
  ["gives the operation an id", post({ operationId: "lipSync" }), ["post.operationId"]],
  ["fills in the title", info({ title: "对口型" }), ["info.title"]],
  ["fills in the description", info({ description: "可灵" }), ["info.description"]],
  [
    "adds a scheme named bearer",
    securitySchemes({ bearer: { type: "http", scheme: "bearer" } }),
    ["securitySchemes.bearer"],
  ],
  [
    "has security for the operation",
    post({ security: [{ bearer: [] }] }),
    ["post.security (empty)"],
  ],
  ["has security for the document", root({ security: [{ bearer: [] }] }), ["security (empty)"]],
  ["does not mention security", root({ security: undefined }), ["security (empty)"]],
  ["adds a schema with the name of ours", schemas({ LipSyncTask: {} }), ["schemas.LipSyncTask"]],
  [
    "has no components",
    root({ components: undefined }),
    ["securitySchemes.bearer", ...OF_SCHEMAS, "components.responses"],
  ],
  ["adds shared responses", set(["components"], { responses: {} }), ["components.responses"]],
  [
    "adds the query of the same path",
    paths({ [`${PATH}/{task_id}`]: { get: {} } }),
    ["get (query)"],
  ],
  [
    "adds the query with another parameter",
    paths({ [`${PATH}/{id}`]: { get: {} } }),
    ["get (query)"],
  ],
];

/** What the page changes, and the lines of schema.ts that it adds and removes. */
const passes: [string, Mutation, added?: string[], removed?: string[]][] = [
  ["adds a field to the input", fields({ seed: { type: "integer" } }), ["seed?: number;"]],
  [
    "adds a field to the body",
    bodyFields({ external_task_id: text }),
    ["external_task_id?: string;"],
  ],
  [
    "adds a required field to the body",
    (document) => {
      bodyFields({ model: text })(document);
      list([...BODY, "schema"], "required", (all) => [...all, "model"])(document);
    },
    ["model: string;"],
  ],
  ["no longer requires the input", body({ required: [] }), ["input?: {"], ["input: {"]],
  [
    "makes video_id nullable",
    field("video_id", { nullable: true }),
    ["video_id?: string | null;"],
    ["video_id?: string;"],
  ],
  ["limits the text", field("text", { maxLength: 120 })],
  ["refuses an empty text", field("text", { minLength: 1 })],
  [
    "states a rule with anyOf",
    input({ anyOf: [{ required: ["video_id"] }, { required: ["mode"] }] }),
  ],
  [
    "adds fields where it could state a rule",
    input({ anyOf: [{ properties: { seed: { type: "integer" } }, required: ["seed"] }] }),
    ["input:", "| {", "| {", "seed: number;", "}"],
    ["input: {"],
  ],
  [
    "lists voices of its own",
    field("voice_id", { enum: ["a", "b"] }),
    [
      "* @description The voice that speaks the text. Required in mode text2video.",
      'voice_id?: "a" | "b";',
      "* @enum {string}",
      "/**",
      "*/",
    ],
    [
      "/** @description The voice that speaks the text. Required in mode text2video. */",
      'voice_id?: string & components["schemas"]["VoiceId"];',
    ],
  ],
  [
    "adds an operation",
    paths({ "/kling/v1/voices": { get: { operationId: "listVoices", responses: {} } } }),
    ['"/kling/v1/voices": {', 'get: operations["listVoices"];', "listVoices: {"],
  ],
  [
    "adds an operation to the path",
    set(["paths", PATH], { get: { operationId: "listLipSyncTasks", responses: {} } }),
    ['get: operations["listLipSyncTasks"];', "listLipSyncTasks: {"],
    ["get?: never;"],
  ],
  [
    "adds a query of something below the task",
    paths({ [`${PATH}/{task_id}/frames`]: { get: { operationId: "frames", responses: {} } } }),
    ['get: operations["frames"];', "frames: {"],
  ],
  [
    "adds an optional parameter",
    parameters((all) => [{ name: "trace", in: "query", schema: text }, ...all]),
    ["query?: {", "trace?: string;"],
    ["query?: never;"],
  ],
  [
    "adds a kind of body",
    set([...POST, "requestBody", "content"], {
      "multipart/form-data": { schema: { type: "object", properties: { video: text } } },
    }),
    ['"multipart/form-data": {', "video?: string;"],
  ],
  [
    "adds a header to the response",
    set([...RESPONSE, "headers"], { "X-Request-Id": { schema: text } }),
    ['"X-Request-Id"?: string;'],
  ],
  ["describes an error", responses({ "400": { description: "" } }), ["400: {"]],
  [
    "says more in the description",
    (document) => {
      const post = at(document, POST);
      post["description"] = `${post["description"] as string}\n\n3、…`;
    },
    ["*", "*     3、…"],
  ],
  ["rewrites the summary", post({ summary: "lip-sync" }), ["* lip-sync"], ["* 对口型"]],
  ["deprecates the operation", post({ deprecated: true }), ["* @deprecated"]],
  [
    "changes the example of the response",
    set([...RESPONSE, "content", "application/json", "example"], { code: 1 }),
    ['*       "code": 1,'],
    ['*       "code": 0,'],
  ],
  ["adds a tag", list(POST, "tags", (all) => [...all, "new"])],
  ["adds an extension", post({ "x-apifox-maintainer": "…" })],
  [
    "drops its extensions",
    (document) => {
      post({ "x-apifox-status": undefined, "x-run-in-apifox": undefined })(document);
      input({ "x-apifox-orders": undefined })(document);
    },
  ],
  ["names a server", root({ servers: [{ url: "https://gateway.example" }] })],
  [
    "adds another security scheme",
    securitySchemes({ key: { type: "apiKey", in: "header", name: "X-Key" } }),
  ],
  ["adds a schema of its own", schemas({ Voice: text }), ["Voice: string;"]],
  ["has another version of its own", info({ version: "2.0.0" })],
  ["is of OpenAPI 3.1", root({ openapi: "3.1.0" })],
  [
    "is in another order",
    (document) => {
      const entries = Object.entries(document).reverse();
      for (const [key] of entries) Reflect.deleteProperty(document, key);
      Object.assign(document, Object.fromEntries(entries));
    },
  ],
  ["has its parameters in another order", parameters((all) => [...all].reverse())],
];

function diff(before: string, after: string): { added: string[]; removed: string[] } {
  const lines = (text: string) => text.split("\n").map((line) => line.trim());
  const without = (all: string[], some: string[]) => {
    const rest = [...some];
    return all.filter((line) => {
      const index = rest.indexOf(line);
      if (index >= 0) rest.splice(index, 1);
      return index < 0;
    });
  };
  return {
    added: without(lines(after), lines(before)),
    removed: without(lines(before), lines(after)),
  };
}

describe("an import continues", () => {
  it.each(passes)("where the page %s", async (_, mutate, added = [], removed = []) => {
    const page = { file: "spec/lip-sync.yaml", text: stringify(mutated(mutate)) };
    const files = await generate(page, { file: "spec/overlay.yaml", text: overlay });
    const found = diff(schema, files.get("schema.ts") ?? "");
    // Of an operation, or a response, the first lines are enough.
    const isWhole = added.some((line) => line.endsWith("{"));
    expect(isWhole ? found.added.filter((line) => added.includes(line)) : found.added).toEqual(
      added,
    );
    expect(found.removed).toEqual(removed);
  });
});

describe("an import stops", () => {
  it.each(stops)("where the page %s", (_, mutate, ids) => {
    expect(staleIn(mutated(mutate))).toEqual(ids);
  });
});

/** The actions that are reported as stale. */
function staleIn(document: JsonObject): string[] {
  try {
    applyOverlay(document, corrections);
    return [];
  } catch (error) {
    if (error instanceof StaleOverlayError) return error.actions.map(({ id }) => id);
    throw error;
  }
}
