// The client and the corrected document agree on every request, whoever of the two judges it.
import { Ajv, type ValidateFunction } from "ajv";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { parse } from "yaml";
import { InvalidRequestError, type LipSyncRequest } from "../../src/index.js";
import { endpoint, setUp } from "../fixtures/client.js";
import { RUNS } from "../fixtures/random.js";
import { readProject } from "../fixtures/scripts.js";

vi.setConfig({ testTimeout: 600_000 });

/** The keywords that the schemas of a request have. */
interface Schema {
  $ref?: string;
  type?: string;
  enum?: string[];
  pattern?: string;
  minLength?: number;
  minimum?: number;
  maximum?: number;
  properties?: Record<string, Schema>;
  required?: string[];
  oneOf?: Schema[];
  anyOf?: Schema[];
  allOf?: Schema[];
}

interface Document {
  paths: Record<
    string,
    { post: { requestBody: { content: { "application/json": { schema: Schema } } } } }
  >;
  components: { schemas: Record<string, Schema> };
}

const openapi = await readProject("generated", "openapi.yaml");

function requestSchemaOf(document: Document): Schema {
  const operation = document.paths[endpoint];
  if (!operation) throw new Error(`The document has no ${endpoint}.`);
  return operation.post.requestBody.content["application/json"].schema;
}

const ajv = new Ajv({ strict: false });

/** What a server does that validates by the document. */
function validatorOf(document: Document): ValidateFunction {
  const { components } = document;
  return ajv.compile({ ...requestSchemaOf(document), components });
}

const document = parse(openapi) as Document;
const isValid = validatorOf(document);

/** The body that the client sends for a request, or why it refuses. */
async function sentFor(request: unknown): Promise<{ body?: unknown; refusal?: string }> {
  const { client, sent } = setUp();
  try {
    await client.create(request as LipSyncRequest);
  } catch (error) {
    if (error instanceof InvalidRequestError) return { refusal: error.message };
    throw error;
  }
  return { body: JSON.parse(await new Response(sent[0]?.init.body).text()) };
}

/** No pattern says all that the parser of URLs does, and what is blank is not sent. */
function isPlain(body: RequestToJudge): boolean {
  const { input, callback_url } = body;
  const urls = Object.entries({ ...input, callback_url }).filter(([name]) => name.endsWith("_url"));
  return urls.every(
    ([, url]) =>
      url === undefined || (URL.canParse(String(url)) && !/^https?:\/\/[/\\]/i.test(String(url))),
  );
}

describe("a body that is valid by the document", () => {
  // Through JSON, which has no -0.
  const validBodies = fitting(requestSchemaOf(document))
    .map((body) => JSON.parse(JSON.stringify(body)) as unknown)
    .filter((body) => isValid(body) && isPlain(body as RequestToJudge));

  it("is accepted by the client and sent as it is", async () => {
    const kinds = new Set<string>();
    await fc.assert(
      fc.asyncProperty(validBodies, async (body) => {
        kinds.add(kindOf(body));
        expect(await sentFor(body)).toMatchObject({ body: bodyOf(body as RequestToJudge) });
      }),
      { numRuns: RUNS },
    );
    expect([...kinds].sort()).toEqual([
      "audio2video file with video_id",
      "audio2video file with video_url",
      "audio2video url with video_id",
      "audio2video url with video_url",
      "text2video with video_id",
      "text2video with video_url",
    ]);
  });
});

function kindOf(body: unknown): string {
  const { input } = body as { input: Record<string, unknown> };
  const mode =
    input["mode"] === "text2video" ? "text2video" : `audio2video ${input["audio_type"] as string}`;
  return `${mode} with ${"video_id" in input ? "video_id" : "video_url"}`;
}

/** Values that fit each part of a schema; that they fit the whole is left to a filter. */
function fitting(schema: Schema): fc.Arbitrary<unknown> {
  return fc.oneof(...variantsOf(schema).map(ofOneVariant));
}

function ofOneVariant(schema: Schema): fc.Arbitrary<unknown> {
  const { type, enum: values, pattern, minimum, maximum, properties, required = [] } = schema;
  if (values) return fc.constantFrom(...values);
  if (pattern !== undefined) return fc.stringMatching(new RegExp(pattern));
  if (type === "string") return fc.oneof(fc.string({ unit: "binary" }), blank);
  if (type === "number" && minimum !== undefined && maximum !== undefined) {
    return fc.double({ min: minimum, max: maximum, noNaN: true });
  }
  if (!properties) throw new Error(`This test does not know ${JSON.stringify(schema)}.`);
  const fields = Object.entries(properties).map(([name, one]) => [name, fitting(one)]);
  const known = fc.record(Object.fromEntries(fields) as Record<string, fc.Arbitrary<unknown>>, {
    requiredKeys: required,
  });
  const others = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 1 }), { maxKeys: 1 });
  return fc.tuple(others, known).map(([more, own]) => ({ ...more, ...own }));
}

/** The schema once for each choice that it leaves, without oneOf, anyOf, allOf and $ref. */
function variantsOf({ $ref, oneOf, anyOf, allOf = [], ...own }: Schema): Schema[] {
  if ($ref !== undefined) {
    const name = $ref.replace("#/components/schemas/", "");
    return variantsOf(document.components.schemas[name] ?? {});
  }
  const choices = [oneOf, anyOf, ...allOf.map((one) => [one])].filter((list) => list !== undefined);
  return choices.reduce<Schema[]>(
    (variants, list) =>
      variants.flatMap((one) => list.flatMap(variantsOf).map((other) => merged(one, other))),
    [own],
  );
}

function merged(one: Schema, other: Schema): Schema {
  const properties = { ...one.properties };
  for (const [name, schema] of Object.entries(other.properties ?? {})) {
    properties[name] = { ...properties[name], ...schema };
  }
  const required = [...(one.required ?? []), ...(other.required ?? [])];
  const isObject = one.properties !== undefined || other.properties !== undefined;
  return { ...one, ...other, ...(isObject && { properties, required: [...new Set(required)] }) };
}

const blank = fc.constantFrom("", " ", "\n\t", "\u3000");
const url = mostly(
  fc.webUrl(),
  fc.constantFrom("HTTPS://media.example/a.mp4", "s3+x.y-z://bucket/b", "https://a b"),
  fc.constantFrom(
    "https://",
    "https://\u3000",
    "//media.example/a",
    "/a.mp4",
    "a.mp4",
    " https://a",
  ),
  fc.constantFrom("http:/media.example", "1http://a", "h_t://a", "data:audio/mp3,a", "blob:x"),
  blank,
  fc.string(),
);
const base64 = mostly(
  fc.base64String({ minLength: 1 }),
  fc.constantFrom("AA", "AA=", "AA==", "AA===", "A=A", "=", "AA==\n", "AA A", "AA_-", "ÄA=="),
  fc.constantFrom("data:audio/mpeg;base64,AAAA", "data:AAAA"),
  blank,
  fc.string(),
);
const words = mostly(fc.string({ unit: "grapheme", minLength: 1 }), blank);
const noVideo = fc.oneof(fc.constantFrom(undefined, null), blank);

/** What a program may make of a request, right or wrong, with modes, languages and speeds that exist. */
const requests = fc.record({
  input: fc.record({
    video_id: fc.oneof(noVideo, words),
    video_url: fc.oneof(noVideo, url),
    mode: fc.constantFrom("text2video", "audio2video"),
    text: maybe(words),
    voice_id: maybe(fc.oneof(fc.constantFrom("oversea_male1"), words)),
    voice_language: maybe(fc.constantFrom("zh", "en")),
    voice_speed: maybe(fc.double({ min: 0.8, max: 2, noNaN: true })),
    audio_type: maybe(fc.constantFrom("url", "file")),
    audio_url: maybe(url),
    audio_file: maybe(base64),
    task_id: maybe(fc.string()),
  }),
  callback_url: maybe(url),
});
type RequestToJudge = typeof requests extends fc.Arbitrary<infer Value> ? Value : never;

/** What is as it should be in two of three cases, since a request has several such fields. */
function mostly<Value>(right: fc.Arbitrary<Value>, ...wrong: fc.Arbitrary<Value>[]) {
  const others = fc.oneof(...wrong);
  return fc.oneof({ weight: 2, arbitrary: right }, { weight: 1, arbitrary: others });
}

function maybe<Value>(values: fc.Arbitrary<Value>): fc.Arbitrary<Value | undefined> {
  return fc.option(values, { nil: undefined, freq: 2 });
}

/** The body of a request: without what is undefined, null or blank. */
function bodyOf({ input, callback_url }: { input: object; callback_url?: unknown }): unknown {
  const isGiven = ([, value]: [string, unknown]) =>
    value !== null && (typeof value !== "string" || value.trim() !== "");
  const given = Object.fromEntries(Object.entries(input).filter(isGiven));
  const outer = Object.fromEntries(Object.entries({ callback_url }).filter(isGiven));
  return JSON.parse(JSON.stringify({ input: given, ...outer })) as unknown;
}

/** That the client sends a request if a document allows its body, and refuses it if not. */
function agreement(isValid: ValidateFunction, onSent?: () => void) {
  return fc.asyncProperty(requests, async (request) => {
    const body = bodyOf(request);
    const found = await sentFor(request);
    if (isValid(body)) {
      expect(found).toEqual({ body });
      onSent?.();
    } else {
      expect(found.refusal, ajv.errorsText(isValid.errors)).toBeDefined();
    }
  });
}

describe("a request, whatever is wrong with it,", () => {
  it("is accepted by the client if and only if its body is valid by the document", async () => {
    const onSent = vi.fn();
    await fc.assert(agreement(isValid, onSent), { numRuns: RUNS });
    expect(onSent.mock.calls.length).toBeGreaterThan(0);
  });

  it.each<[string, (schemas: Schemas) => unknown]>([
    ["that the two videos exclude each other", ({ input }) => delete input.oneOf],
    ["what the modes require", ({ input }) => delete input.allOf],
    ["that a video's URL is absolute", ({ fields }) => delete fields["video_url"]?.pattern],
    ["that an audio's URL is absolute", ({ fields }) => delete fields["audio_url"]?.pattern],
    ["that an audio file is Base64", ({ fields }) => delete fields["audio_file"]?.pattern],
    ["that a callback's URL is absolute", ({ body }) => delete body["callback_url"]?.pattern],
  ])("would not agree with a document that does not say %s", async (_, edit) => {
    const other = parse(openapi) as Document;
    edit(schemasOf(other));
    expect(other).not.toEqual(document);
    const options = { numRuns: 10_000, endOnFailure: true };
    const { failed } = await fc.check(agreement(validatorOf(other)), options);
    expect(failed).toBe(true);
  });
});

type Schemas = ReturnType<typeof schemasOf>;

/** The parts of a document that have the rules: two schemas, and the fields of one. */
function schemasOf(document: Document) {
  const body = requestSchemaOf(document).properties ?? {};
  const input = body["input"] ?? {};
  return { body, input, fields: input.properties ?? {} };
}
