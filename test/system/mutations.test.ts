import { expect, it, vi } from "vitest";
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
const CONTENT = [...POST, "requestBody", "content"];
const BODY = [...CONTENT, "application/json"];
const FIELDS = [...BODY, "schema", "properties"];
const INPUT = [...FIELDS, "input"];
const RESPONSE = [...POST, "responses", "200"];

type Keys = Record<string, Json | undefined>;
type Mutation = (document: JsonObject) => unknown;

function at(document: JsonObject, place: string[]): JsonObject {
  return place.reduce((node, key) => node[key] as JsonObject, document);
}

/** Sets keys of the object at a place; neither JSON nor YAML has one that is `undefined`. */
const setIn =
  (...place: string[]) =>
  (keys: Keys): Mutation =>
  (document) =>
    Object.assign(at(document, place), keys);

/** Edits the list that a key of the object at a place has. */
const editIn =
  (place: string[], key: string) =>
  (edit: (items: Json[]) => Json[]): Mutation =>
  (document) =>
    setIn(...place)({ [key]: edit(at(document, place)[key] as Json[]) })(document);

const rename =
  (place: string[], from: string, to: string): Mutation =>
  (document) =>
    setIn(...place)({ [to]: at(document, place)[from], [from]: undefined })(document);

/** Moves a value to the components of this kind and leaves a `$ref` to it. */
function moveToComponents(place: string[], key: string, kind: string): Mutation {
  return (document) => {
    const node = at(document, place);
    const components = at(document, ["components"]);
    components[kind] = { ...(components[kind] as JsonObject), Moved: node[key] as Json };
    node[key] = { $ref: `#/components/${kind}/Moved` };
  };
}

function mutated(...mutations: Mutation[]): JsonObject {
  const document = parse(published) as JsonObject;
  for (const mutate of mutations) mutate(document);
  return document;
}

const root = setIn();
const info = setIn("info");
const paths = setIn("paths");
const schemas = setIn("components", "schemas");
const securitySchemes = setIn("components", "securitySchemes");
const post = setIn(...POST);
const json = setIn(...BODY);
const body = setIn(...BODY, "schema");
const bodyFields = setIn(...FIELDS);
const input = setIn(...INPUT);
const fields = setIn(...INPUT, "properties");
const field = (name: string, keys: Keys) => setIn(...INPUT, "properties", name)(keys);
const responses = setIn(...POST, "responses");
const responseSchema = setIn(...RESPONSE, "content", "application/json", "schema");
const parameters = editIn(POST, "parameters");
const required = editIn(INPUT, "required");

const text = { type: "string" };
const number = { type: "integer" };
const list = { type: "array", items: text };
const https = { type: "string", pattern: "^https:" };
const secured = { security: [{ bearer: [] }] };
const ours = at(applyOverlay(mutated(), corrections), [...INPUT, "properties"]);

/** The action that adds a field, and the one that says its form. */
const formed = (id: string, form = "absolute") => [id, `${id} (${form})`];
const AUTHORIZATION = "parameters.Authorization";
const TYPE = "parameters.Content-Type";
const EMPTY_SCHEMA = "responses.200.schema (empty)";
const RESPONSE_200 = ["responses.200.description", EMPTY_SCHEMA, "responses.200.schema"];
const REQUIRED = "input.required (six fields)";
const EXAMPLE = "requestBody.example (with comments)";
const AUDIO = ["input.audio_type", "input.audio_file", "input.audio_url"];
const ALL_OF = ["input.allOf (modes)", "input.allOf (not blank)"];
const NOT_BLANK = "input.video_id (not blank)";

/** Everything that is aimed at or below the path of the operation. */
const ofPath = corrections.actions.filter(({ target }) => target.includes(PATH));
const OF_PATH = ofPath.map((action) => action["x-id"]);
const ids = corrections.actions.map((action) => action["x-id"]);
const OF_COMPONENTS = ids.filter((id) => /^(?:securitySchemes|schemas|components)\./.test(id));
const OF_BODY = OF_PATH.filter((id) => /^(?:input|requestBody\.ex|callback)/.test(id));
// What combines fields can be added to whatever is there.
const OF_INPUT = OF_PATH.filter((id) => /^input\.(?!(?:one|all)Of)/.test(id));

/** What the page changes, and the actions that are reported as stale. */
const stops: [string, Mutation, ...string[]][] = [
  ["adds video_url", fields({ video_url: text }), "input.video_url"],
  ["adds our video_url", fields({ video_url: ours["video_url"] }), ...formed("input.video_url")],
  ["adds callback_url as https", bodyFields({ callback_url: https }), ...formed("callback_url")],
  ["adds voice_speed", fields({ voice_speed: { type: "number" } }), "input.voice_speed"],
  ["adds the audio", fields({ audio_type: text, audio_file: text, audio_url: text }), ...AUDIO],
  ["adds audio_file", fields({ audio_file: https }), ...formed("input.audio_file", "Base64")],
  ["adds audio_url as https", fields({ audio_url: https }), ...formed("input.audio_url")],
  ["extends what is required", required((names) => [...names, "voice_speed"]), REQUIRED],
  ["requires nothing", input({ required: undefined }), REQUIRED],
  ["states the rule of videos", input({ oneOf: [{ required: ["a"] }] }), "input.oneOf (videos)"],
  // The action "not blank" edits the first rule of the list, which is now the page's.
  ["states a rule", input({ allOf: [{ required: ["mode"] }] }), ...ALL_OF],
  ["drops a field that is described", fields({ text: undefined }), "input.text"],
  ["makes mode a number", field("mode", number), "input.mode"],
  ["refuses an empty video_id", field("video_id", { minLength: 1 }), NOT_BLANK],
  ["makes video_id a number", field("video_id", number), "input.video_id", NOT_BLANK],
  ["refers to a list of voices", field("voice_id", { allOf: [{ $ref: "#" }] }), "input.voice_id"],
  ["adds a schema VoiceId", schemas({ VoiceId: { ...text, enum: ["a"] } }), "schemas.VoiceId"],
  ["makes task_id a number", field("task_id", number), "input.task_id"],
  ["makes the input a list", bodyFields({ input: list }), ...OF_INPUT],
  ["moves the input into a $ref", moveToComponents(FIELDS, "input", "schemas"), ...OF_INPUT],
  ["moves the body to a $ref", moveToComponents(POST, "requestBody", "requestBodies"), ...OF_BODY],
  ["requires the body", setIn(...POST, "requestBody")({ required: true }), "requestBody.required"],
  ["changes the example", json({ example: { input: {} } }), EXAMPLE],
  ["gives several examples", json({ examples: {} }), "requestBody.examples"],
  ["describes the response's body", responseSchema({ properties: { code: text } }), EMPTY_SCHEMA],
  ["responds with 201", rename([...POST, "responses"], "200", "201"), ...RESPONSE_200],
  ["describes errors", responses({ "4XX": { description: "" } }), "post.responses (errors)"],
  ["renames the path", rename(["paths"], PATH, "/kling/v2/videos/lip-sync"), ...OF_PATH],
  ["drops the header parameters", post({ parameters: [] }), TYPE, AUTHORIZATION],
  ["names Authorization twice", parameters((all) => [...all, all[1] ?? null]), AUTHORIZATION],
  ["gives the operation an id", post({ operationId: "lipSync" }), "post.operationId"],
  ["fills in the title", info({ title: "对口型" }), "info.title"],
  ["fills in the description", info({ description: "可灵" }), "info.description"],
  ["adds a scheme bearer", securitySchemes({ bearer: { type: "http" } }), "securitySchemes.bearer"],
  ["has security for the operation", post(secured), "post.security (empty)"],
  ["has security for the document", root(secured), "security (empty)"],
  ["adds a schema with the name of ours", schemas({ LipSyncTask: {} }), "schemas.LipSyncTask"],
  ["has no components", root({ components: undefined }), ...OF_COMPONENTS],
  ["adds shared responses", setIn("components")({ responses: {} }), "components.responses"],
  ["adds the query", paths({ [`${PATH}/{task_id}`]: { get: {} } }), "get (query)"],
  ["adds the query by another name", paths({ [`${PATH}/{id}`]: { get: {} } }), "get (query)"],
];

const EXTENSIONS = ["x-apifox-status", "x-run-in-apifox"];

/** What the page changes, and the lines of schema.ts that it adds and removes. */
const passes: [string, Mutation | Mutation[], ...string[]][] = [
  ["adds a field to the input", fields({ seed: number }), "+seed?: number;"],
  [
    "adds a required field to the body",
    [bodyFields({ model: text }), body({ required: ["input", "model"] })],
    "+model: string;",
  ],
  [
    "makes video_id nullable",
    field("video_id", { nullable: true }),
    "+video_id?: string | null;",
    "-video_id?: string;",
  ],
  ["limits the text", field("text", { maxLength: 120 })],
  [
    "adds an operation",
    paths({ "/kling/v1/voices": { get: { operationId: "listVoices", responses: {} } } }),
    ...['+"/kling/v1/voices": {', '+get: operations["listVoices"];', "+listVoices: {"],
  ],
  [
    "adds a query of something below the task",
    paths({ [`${PATH}/{task_id}/frames`]: { get: { operationId: "frames", responses: {} } } }),
    ...['+get: operations["frames"];', "+frames: {"],
  ],
  [
    "adds an optional parameter",
    parameters((all) => [{ name: "trace", in: "query", schema: text }, ...all]),
    ...["+query?: {", "+trace?: string;", "-query?: never;"],
  ],
  ["describes an error", responses({ "400": { description: "" } }), "+400: {"],
  ["rewrites the summary", post({ summary: "lip-sync" }), "+* lip-sync", "-* 对口型"],
  ["drops its extensions", EXTENSIONS.map((name) => post({ [name]: undefined }))],
  ["adds a scheme", securitySchemes({ key: { type: "apiKey", in: "header", name: "X-Key" } })],
  ["adds a schema of its own", schemas({ Voice: text }), "+Voice: string;"],
  ["has another version of its own", info({ version: "2.0.0" })],
  ["is of OpenAPI 3.1", root({ openapi: "3.1.0" })],
  [
    "is in another order",
    (document) => {
      for (const [key, value] of Object.entries(document).reverse()) {
        Reflect.deleteProperty(document, key);
        document[key] = value;
      }
    },
  ],
  ["has its parameters in another order", parameters((all) => [...all].reverse())],
];

/** The lines of a text that another text does not have, or not as often. */
function linesOnlyIn(text: string, other: string, sign: string): string[] {
  const [lines = [], rest = []] = [text, other].map((text) =>
    text.split("\n").map((line) => sign + line.trim()),
  );
  return lines.filter((line) => {
    const index = rest.indexOf(line);
    if (index >= 0) rest.splice(index, 1);
    return index < 0;
  });
}

it.each(passes)("an import continues where the page %s", async (_, mutations, ...changes) => {
  const page = { file: "spec/lip-sync.yaml", text: stringify(mutated(...[mutations].flat())) };
  const files = await generate(page, { file: "spec/overlay.yaml", text: overlay });
  const types = files.get("schema.ts") ?? "";
  // Of an operation, or a response, the first lines are enough.
  const isWhole = changes.some((line) => /^\+.*\{$/.test(line));
  const added = linesOnlyIn(types, schema, "+");
  expect([
    ...added.filter((line) => !isWhole || changes.includes(line)),
    ...linesOnlyIn(schema, types, "-"),
  ]).toEqual(changes);
});

it.each(stops)("an import stops where the page %s", (_, mutate, ...ids) => {
  const apply = () => applyOverlay(mutated(mutate), corrections);
  expect(apply).toThrow(StaleOverlayError);
  const actions = ids.map((id) => expect.objectContaining({ id }) as object);
  expect(apply).toThrow(expect.objectContaining({ actions }));
});

it("every action is stale after one of these changes", () => {
  const others = ids.filter((id) => !stops.some(([, , ...stale]) => stale.includes(id)));
  // It builds on "security (empty)", which is reported in its place.
  expect(others).toEqual(["security (bearer)"]);
});
