import { readFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it, vi } from "vitest";
import { parse, stringify } from "yaml";
import { generate } from "../scripts/generate.js";
import { applyOverlay, StaleOverlayError, type Json, type JsonObject } from "../scripts/overlay.js";

// What turns a document into types is slow to load on a machine that is busy.
vi.setConfig({ testTimeout: 120_000 });

const project = fileURLToPath(new URL("..", import.meta.url));
const read = (...names: string[]) => readFile(path.join(project, ...names), "utf8");
const published = await read("spec", "lip-sync.yaml");
const overlay = await read("spec", "overlay.yaml");
const corrections = parse(overlay) as { actions: { "x-id": string; target: string }[] };
const schema = await read("generated", "schema.ts");

const PATH = "/kling/v1/videos/lip-sync";
const POST = ["paths", PATH, "post"];
const BODY = [...POST, "requestBody", "content", "application/json"];
const FIELDS = [...BODY, "schema", "properties"];
const INPUT = [...FIELDS, "input"];
const ANSWER = [...POST, "responses", "200"];

type Mutation = (document: JsonObject) => void;

function at(document: JsonObject, place: string[]): JsonObject {
  return place.reduce((node, key) => node[key] as JsonObject, document);
}

/** Sets these keys, anew or in place of what is there; `undefined` takes one away. */
function set(place: string[], keys: Record<string, Json | undefined>): Mutation {
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

function mutated(...mutations: Mutation[]): JsonObject {
  const document = parse(published) as JsonObject;
  for (const mutate of mutations) mutate(document);
  return document;
}

const text = { type: "string" };
const REQUIRED = "input.required (six fields)";
const EXAMPLE = "requestBody.example (with comments)";

/** Everything that is aimed at or below the path of the operation. */
const OF_PATH = corrections.actions
  .filter(({ target }) => target.includes(PATH))
  .map((action) => action["x-id"]);
const OF_SCHEMAS = corrections.actions
  .map((action) => action["x-id"])
  .filter((id) => id.startsWith("schemas."));
// Its allOf can be added to whatever is there.
const OF_INPUT = OF_PATH.filter((id) => id.startsWith("input.") && id !== "input.allOf");

const stops: [string, Mutation, string[]][] = [
  ["adds video_url", set([...INPUT, "properties"], { video_url: text }), ["input.video_url"]],
  [
    "adds video_url as a list",
    set([...INPUT, "properties"], { video_url: { type: "array", items: text } }),
    ["input.video_url"],
  ],
  [
    "adds video_url with an empty schema",
    set([...INPUT, "properties"], { video_url: {} }),
    ["input.video_url"],
  ],
  [
    "adds video_url as ours",
    set([...INPUT, "properties"], {
      video_url: at(applyOverlay(mutated(), corrections), [...INPUT, "properties"])["video_url"],
    }),
    ["input.video_url"],
  ],
  ["adds callback_url", set(FIELDS, { callback_url: text }), ["callback_url"]],
  [
    "adds voice_speed",
    set([...INPUT, "properties"], { voice_speed: { type: "number" } }),
    ["input.voice_speed"],
  ],
  [
    "adds the audio mode",
    set([...INPUT, "properties"], { audio_type: text, audio_file: text, audio_url: text }),
    ["input.audio_type", "input.audio_file", "input.audio_url"],
  ],
  [
    "relaxes what is required",
    list(INPUT, "required", (names) => names.filter((name) => name !== "task_id")),
    [REQUIRED],
  ],
  [
    "extends what is required",
    list(INPUT, "required", (names) => [...names, "voice_speed"]),
    [REQUIRED],
  ],
  [
    "reorders what is required",
    list(INPUT, "required", (names) => [...names].reverse()),
    [REQUIRED],
  ],
  ["requires nothing", set(INPUT, { required: undefined }), [REQUIRED]],
  ["requires an empty list", set(INPUT, { required: [] }), [REQUIRED]],
  ["states a rule with allOf", set(INPUT, { allOf: [{ required: ["mode"] }] }), ["input.allOf"]],
  [
    "drops a field that is described",
    set([...INPUT, "properties"], { text: undefined }),
    ["input.text"],
  ],
  [
    "renames a field",
    set([...INPUT, "properties"], { voice_id: undefined, voice: text }),
    ["input.voice_id"],
  ],
  [
    "makes mode a number",
    set([...INPUT, "properties", "mode"], { type: "integer" }),
    ["input.mode"],
  ],
  [
    "lists the values of mode",
    set([...INPUT, "properties", "mode"], { enum: ["text2video"] }),
    ["input.mode"],
  ],
  [
    "describes mode",
    set([...INPUT, "properties", "mode"], { description: "模式" }),
    ["input.mode"],
  ],
  [
    "describes video_id",
    set([...INPUT, "properties", "video_id"], { description: "视频ID" }),
    ["input.video_id"],
  ],
  [
    "makes task_id a number",
    set([...INPUT, "properties", "task_id"], { type: "integer" }),
    ["input.task_id"],
  ],
  [
    "makes the input a list",
    set(FIELDS, { input: { type: "array", items: { type: "object" } } }),
    OF_INPUT,
  ],
  [
    "makes the input a list in its type only",
    set(INPUT, { type: "array" }),
    ["input.required (mode)"],
  ],
  ["moves the input into a $ref", moveInput, OF_INPUT],
  [
    "moves the body into a $ref",
    (document) => {
      const post = at(document, POST);
      at(document, ["components"])["requestBodies"] = { Body: post["requestBody"] as Json };
      post["requestBody"] = { $ref: "#/components/requestBodies/Body" };
    },
    OF_PATH.filter((id) => /^(?:input|requestBody\.ex|callback)/.test(id)),
  ],
  [
    "requires the body",
    set([...POST, "requestBody"], { required: true }),
    ["requestBody.required"],
  ],
  [
    "makes the body a form",
    (document) => {
      const content = at(document, [...POST, "requestBody", "content"]);
      content["multipart/form-data"] = content["application/json"] as Json;
      Reflect.deleteProperty(content, "application/json");
    },
    OF_PATH.filter((id) => /^(?:input|requestBody\.ex|callback)/.test(id)),
  ],
  ["changes the example", set(BODY, { example: { input: {} } }), [EXAMPLE]],
  ["drops the example", set(BODY, { example: undefined }), [EXAMPLE]],
  ["gives several examples", set(BODY, { examples: {} }), ["requestBody.examples"]],
  [
    "fills in the answer",
    set([...ANSWER, "content", "application/json", "schema"], {
      properties: { code: { type: "integer" } },
    }),
    ["responses.200.schema (empty)"],
  ],
  [
    "drops the answer's schema",
    set([...ANSWER, "content", "application/json"], { schema: undefined }),
    ["responses.200.schema (empty)"],
  ],
  [
    "answers with a $ref",
    set([...ANSWER, "content", "application/json"], {
      schema: { $ref: "#/components/schemas/Answer" },
    }),
    ["responses.200.schema (empty)"],
  ],
  [
    "answers with 201",
    (document) => {
      const responses = at(document, [...POST, "responses"]);
      responses["201"] = responses["200"] as Json;
      Reflect.deleteProperty(responses, "200");
    },
    ["responses.200.description", "responses.200.schema (empty)", "responses.200.schema"],
  ],
  ["describes the answer", set(ANSWER, { description: "成功" }), ["responses.200.description"]],
  [
    "describes errors as a range",
    set([...POST, "responses"], { "4XX": { description: "" } }),
    ["post.responses (errors)"],
  ],
  [
    "renames the path",
    (document) => {
      const paths = at(document, ["paths"]);
      paths["/kling/v2/videos/lip-sync"] = paths[PATH] as Json;
      Reflect.deleteProperty(paths, PATH);
    },
    OF_PATH,
  ],
  [
    "makes it a PUT",
    (document) => {
      const item = at(document, ["paths", PATH]);
      item["put"] = item["post"] as Json;
      Reflect.deleteProperty(item, "post");
    },
    OF_PATH,
  ],
  [
    "drops the header parameters",
    set(POST, { parameters: [] }),
    ["parameters.Content-Type", "parameters.Authorization"],
  ],
  [
    "drops the list of parameters",
    set(POST, { parameters: undefined }),
    ["parameters.Content-Type", "parameters.Authorization"],
  ],
  [
    "drops Authorization",
    list(POST, "parameters", (all) => all.slice(0, 1)),
    ["parameters.Authorization"],
  ],
  [
    "requires Authorization",
    list(POST, "parameters", ([type, key]) => [
      type ?? null,
      { ...(key as JsonObject), required: true },
    ]),
    ["parameters.Authorization"],
  ],
  [
    "changes the placeholder of the key",
    list(POST, "parameters", ([type, key]) => [
      type ?? null,
      { ...(key as JsonObject), example: "Bearer sk-…" },
    ]),
    ["parameters.Authorization"],
  ],
  [
    "no longer requires Content-Type",
    list(POST, "parameters", ([type, key]) => [
      { ...(type as JsonObject), required: false },
      key ?? null,
    ]),
    ["parameters.Content-Type"],
  ],
  [
    "names Authorization twice",
    list(POST, "parameters", (all) => [...all, all[1] ?? null]),
    ["parameters.Authorization"],
  ],
  ["gives the operation an id", set(POST, { operationId: "lipSync" }), ["post.operationId"]],
  ["fills in the title", set(["info"], { title: "对口型" }), ["info.title"]],
  ["fills in the description", set(["info"], { description: "可灵" }), ["info.description"]],
  [
    "adds a security scheme named bearer",
    set(["components", "securitySchemes"], { bearer: { type: "http", scheme: "bearer" } }),
    ["securitySchemes.bearer"],
  ],
  [
    "declares security for the operation",
    set(POST, { security: [{ bearer: [] }] }),
    ["post.security (empty)"],
  ],
  [
    "declares security for the document",
    set([], { security: [{ bearer: [] }] }),
    ["security (empty)"],
  ],
  ["has no word about security", set([], { security: undefined }), ["security (empty)"]],
  [
    "adds a schema of the name of ours",
    set(["components", "schemas"], { LipSyncTask: {} }),
    ["schemas.LipSyncTask"],
  ],
  [
    "has no components",
    set([], { components: undefined }),
    ["securitySchemes.bearer", ...OF_SCHEMAS, "components.responses"],
  ],
  ["adds shared answers", set(["components"], { responses: {} }), ["components.responses"]],
  [
    "adds the query for the same path",
    set(["paths"], { [`${PATH}/{task_id}`]: { get: { responses: {} } } }),
    ["get (query)"],
  ],
  [
    "adds the query under another name of its parameter",
    set(["paths"], { [`${PATH}/{id}`]: { get: { responses: {} } } }),
    ["get (query)"],
  ],
];

function moveInput(document: JsonObject): void {
  const fields = at(document, FIELDS);
  at(document, ["components", "schemas"])["Input"] = fields["input"] as Json;
  fields["input"] = { $ref: "#/components/schemas/Input" };
}

/** What the page changes, and the lines of schema.ts that come and go with it. */
const passes: [string, Mutation, string[], string[]][] = [
  [
    "adds an optional field to the input",
    set([...INPUT, "properties"], { seed: { type: "integer" } }),
    ["seed?: number;"],
    [],
  ],
  [
    "adds an optional field to the body",
    set(FIELDS, { external_task_id: text }),
    ["external_task_id?: string;"],
    [],
  ],
  [
    "adds a required field to the body",
    (document) => {
      set(FIELDS, { model: text })(document);
      list([...BODY, "schema"], "required", (all) => [...all, "model"])(document);
    },
    ["model: string;"],
    [],
  ],
  [
    "no longer requires the input",
    set([...BODY, "schema"], { required: [] }),
    ["input?: {"],
    ["input: {"],
  ],
  [
    "makes video_id nullable",
    set([...INPUT, "properties", "video_id"], { nullable: true }),
    ["video_id?: string | null;"],
    ["video_id?: string;"],
  ],
  ["limits the text", set([...INPUT, "properties", "text"], { maxLength: 120 }), [], []],
  [
    "states the either/or rule as well",
    set(INPUT, { oneOf: [{ required: ["video_id"] }, { required: ["video_url"] }] }),
    ["input: ({", "} & ((unknown | unknown) & (unknown | unknown))) &"],
    ["input: {", "} & ((unknown | unknown) & (unknown | unknown));"],
  ],
  [
    "gives a field that no action touches another type",
    (document) => {
      set([...INPUT, "properties"], { seed: text })(document);
    },
    ["seed?: string;"],
    [],
  ],
  [
    "adds an operation",
    set(["paths"], {
      "/kling/v1/voices": {
        get: { operationId: "listVoices", responses: { "204": { description: "" } } },
      },
    }),
    ['"/kling/v1/voices": {', 'get: operations["listVoices"];', "listVoices: {"],
    [],
  ],
  [
    "adds an operation to the path",
    set(["paths", PATH], {
      get: { operationId: "listLipSyncTasks", responses: { "200": { description: "" } } },
    }),
    ['get: operations["listLipSyncTasks"];', "listLipSyncTasks: {"],
    ["get?: never;"],
  ],
  [
    "adds a query of something below the task",
    set(["paths"], {
      [`${PATH}/{task_id}/frames`]: { get: { operationId: "frames", responses: {} } },
    }),
    ['get: operations["frames"];', "frames: {"],
    [],
  ],
  [
    "adds an optional parameter",
    list(POST, "parameters", (all) => [{ name: "trace", in: "query", schema: text }, ...all]),
    ["query?: {", "trace?: string;"],
    ["query?: never;"],
  ],
  [
    "adds a kind of body",
    (document) => {
      at(document, [...POST, "requestBody", "content"])["multipart/form-data"] = {
        schema: { type: "object", properties: { video: text } },
      };
    },
    ['"multipart/form-data": {', "video?: string;"],
    [],
  ],
  [
    "adds a header to the answer",
    set([...ANSWER, "headers"], { "X-Request-Id": { schema: text } }),
    ['"X-Request-Id"?: string;'],
    [],
  ],
  [
    "describes an error",
    set([...POST, "responses"], { "400": { description: "" } }),
    ["400: {"],
    [],
  ],
  [
    "says more in the description",
    (document) => {
      const post = at(document, POST);
      post["description"] = `${post["description"] as string}\n\n3、…`;
    },
    ["*", "*     3、…"],
    [],
  ],
  ["rewrites the summary", set(POST, { summary: "lip-sync" }), ["* lip-sync"], ["* 对口型"]],
  ["deprecates the operation", set(POST, { deprecated: true }), ["* @deprecated"], []],
  [
    "changes the example of the answer",
    set([...ANSWER, "content", "application/json", "example"], { code: 1 }),
    ['*       "code": 1,'],
    ['*       "code": 0,'],
  ],
  ["adds a tag", list(POST, "tags", (all) => [...all, "new"]), [], []],
  ["adds an extension", set(POST, { "x-apifox-maintainer": "…" }), [], []],
  [
    "drops its extensions",
    (document) => {
      set(POST, { "x-apifox-status": undefined, "x-run-in-apifox": undefined })(document);
      set(INPUT, { "x-apifox-orders": undefined })(document);
    },
    [],
    [],
  ],
  ["names a server", set([], { servers: [{ url: "https://gateway.example" }] }), [], []],
  [
    "adds another security scheme",
    set(["components", "securitySchemes"], {
      key: { type: "apiKey", in: "header", name: "X-Key" },
    }),
    [],
    [],
  ],
  [
    "adds a schema of its own",
    set(["components", "schemas"], { Voice: text }),
    ["Voice: string;"],
    [],
  ],
  ["has another version of its own", set(["info"], { version: "2.0.0" }), [], []],
  ["is of OpenAPI 3.1", set([], { openapi: "3.1.0" }), [], []],
  [
    "is in another order",
    (document) => {
      const entries = Object.entries(document).reverse();
      for (const [key] of entries) Reflect.deleteProperty(document, key);
      Object.assign(document, Object.fromEntries(entries));
    },
    [],
    [],
  ],
  [
    "has its parameters in another order",
    list(POST, "parameters", (all) => [...all].reverse()),
    [],
    [],
  ],
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

describe("an import goes on", () => {
  it.each(passes)("where the page %s", async (_, mutate, added, removed) => {
    const page = { file: "spec/lip-sync.yaml", text: stringify(mutated(mutate)) };
    const files = await generate(page, { file: "spec/overlay.yaml", text: overlay });
    const found = diff(schema, files.get("schema.ts") ?? "");
    // Of an operation, or an answer, the first lines are enough.
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
