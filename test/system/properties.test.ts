// Rules that hold for any input, and not only for the examples that came to mind.
import fc from "fast-check";
import { expect, test, vi } from "vitest";
import * as library from "../../src/index.js";
import type { LipSyncClientOptions, LipSyncRequest } from "../../src/index.js";
import { createFakeGateway } from "../../src/testing.js";
import { endpoint, errorOf } from "../fixtures/client.js";
import { RUNS } from "../fixtures/random.js";
import { request } from "../fixtures/request.js";

const apiKey = "key-of-the-properties";
const baseUrl = "https://gateway.invalid";

vi.setConfig({ testTimeout: 600_000 });

type Fetch = typeof globalThis.fetch;

const clientOf = (options: LipSyncClientOptions) =>
  library.createLipSyncClient({ apiKey, baseUrl, maxRetries: 0, ...options });

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const hasText = (value: unknown): value is string =>
  typeof value === "string" && value.trim() !== "";
const isId = (value: unknown) => hasText(value) || (Number.isSafeInteger(value) && value !== 0);
const isTask = (value: unknown): value is Record<string, unknown> =>
  isObject(value) && isId(value["task_id"]) && typeof value["task_status"] === "string";

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

const of = fc.constantFrom;
const units = ["grapheme-ascii", "binary", "grapheme"] as const;
const anyText = fc.oneof(...units.map((unit) => fc.string({ unit })));
const blank = fc.string({ unit: of(" ", "\t", "\n", "\r", "\u3000", "\u00a0", "\ufeff") });
const absent = fc.oneof(of(undefined, null, ""), blank);
const words = anyText.filter(hasText);
const notString = fc.oneof(
  fc.integer(),
  fc.boolean(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.array(fc.string()),
  fc.dictionary(fc.string(), fc.string()),
  fc.constant(Object.create(null) as unknown),
);
/** What JSON leaves out, turns into a string or null, or cannot hold. */
const notJson = fc.oneof(
  of<unknown[]>(NaN, Infinity, Symbol("video"), new String("v"), () => "v"),
  fc.bigInt(),
  fc.date({ noInvalidDate: true }),
);

/** Asserts that a rule holds for each of many values. */
const holdsFor = <T>(values: fc.Arbitrary<T>, rule: (value: T) => Promise<void>) =>
  fc.assert(fc.asyncProperty(values, rule), { numRuns: RUNS });

/** What a value is on the wire; `undefined` where it is left out. */
function onTheWire(value: unknown): unknown {
  if (typeof value === "bigint") return value;
  return (JSON.parse(JSON.stringify({ value })) as { value?: unknown }).value;
}

test("sends a create exactly if one of the two videos is given", async () => {
  const missing = Symbol("missing");
  const usual = fc.oneof(of(missing), absent, words, words, notString);
  const field = fc.oneof({ weight: 20, arbitrary: usual }, { weight: 1, arbitrary: notJson });
  let sent = 0;
  const url = fc.oneof(fc.webUrl(), field);
  await holdsFor(fc.tuple(field, url), async ([video_id, video_url]) => {
    const gateway = createFakeGateway();
    const mode = { mode: "text2video", text: "你好", voice_id: "v", voice_language: "zh" };
    const videos = Object.entries({ video_id, video_url });
    const given = videos.filter(([, video]) => video !== missing);
    const input = { ...mode, ...Object.fromEntries(given) };
    const request = { input, callback_url: "https://caller.invalid" };
    const before = { ...request, input: { ...input } };

    const client = library.createLipSyncClient(gateway);
    const created = client.create(request as unknown as LipSyncRequest);
    const isSent = await created.then(Boolean, () => false);

    expect(request).toStrictEqual(before);
    const wire = given.map(([name, value]) => [name, onTheWire(value)] as const);
    const present = wire.filter(
      ([, value]) => value != null && (typeof value !== "string" || hasText(value)),
    );
    const [name, video] = present[0] ?? [];
    const text = hasText(video) ? video : "";
    const isUrl = /^https?:\/\/[^\s/\\]\S*$/i.test(text) && URL.canParse(text);
    const isVideo = name === "video_id" || isUrl;
    const isValid = present.length === 1 && hasText(video) && isVideo;
    // What JSON changes may be refused as well, whatever it becomes.
    const isChanged = given.some(([, value], n) => value != null && wire[n]?.[1] !== value);
    if (isValid && (isSent || !isChanged)) {
      sent++;
      await created;
      const body = { ...request, input: { ...mode, ...Object.fromEntries(present) } };
      expect(gateway.received.map(({ body }) => body)).toStrictEqual([body]);
      return;
    }
    const error = await errorOf(created, library.InvalidRequestError);
    expect(error.mayHaveCreatedTask).toBe(false);
    expect(error.field).toMatch(/^input(?:\.video_(?:id|url))?$/);
    expect(gateway.received).toEqual([]);
  });
  expect(sent).toBeGreaterThan(0);
});

test("refuses whatever is not a request, and sends nothing", async () => {
  const mode = fc.oneof(absent, notString);
  const value = fc.oneof(
    fc.anything(),
    fc.record({ input: fc.anything() }),
    fc.record({ input: fc.record({ video_id: words, mode }, { requiredKeys: [] }) }),
  );
  await holdsFor(value, async (value) => {
    const fetch = vi.fn<Fetch>();
    const created = clientOf({ fetch }).create(value as LipSyncRequest);
    await errorOf(created, library.InvalidRequestError);
    expect(fetch).not.toHaveBeenCalled();
  });
});

const taskLike = fc.record(
  {
    task_id: fc.oneof(words, blank, fc.jsonValue()),
    task_status: fc.oneof(of("submitted", "succeed", ""), fc.jsonValue()),
    task_result: fc.jsonValue(),
  },
  { requiredKeys: [] },
);
const asJson = (arbitrary: fc.Arbitrary<unknown>) =>
  arbitrary.map((value) => JSON.stringify(value));

test("rejects with an ApiError or a ConnectionError, whatever fetch does", async () => {
  const { ApiError, ConnectionError } = library;
  const ends = fc.tuple(fc.anything(), fc.boolean(), fc.boolean());
  await holdsFor(ends, async ([value, rejects, throws]) => {
    const fetch = (() => {
      if (!rejects) return Promise.resolve(value);
      if (throws && value instanceof Error) throw value;
      return Promise.reject(value);
    }) as Fetch;
    const error = await errorOf(clientOf({ fetch }).create(request));
    expect(error instanceof ConnectionError || error instanceof ApiError).toBe(true);
    expect(error.mayHaveCreatedTask).toBe(true);
  });
});

test("takes a callback's body for a task exactly if it is one", () => {
  const body = fc.oneof(
    fc.anything(),
    fc.anything({ withBigInt: true, withDate: true, withMap: true, withNullPrototype: true }),
    taskLike,
    asJson(taskLike),
    fc.json(),
    anyText,
  );
  let tasks = 0;
  const rule = (value: unknown) => {
    const parsed = typeof value === "string" ? parse(value) : value;
    if (!isTask(parsed)) {
      expect(() => library.parseTaskCallback(value)).toThrow(library.InvalidRequestError);
      return;
    }
    tasks++;
    const task_id = String(parsed["task_id"]);
    expect({ ...library.parseTaskCallback(value) }).toStrictEqual({ ...parsed, task_id });
  };
  fc.assert(fc.property(body, rule), { numRuns: RUNS });
  expect(tasks).toBeGreaterThan(0);
});

test("asks for exactly the task whose id is given, or refuses the id", async () => {
  const id = fc.oneof(
    anyText,
    blank,
    fc.string({ unit: of(".", "/", "\\", "%", "2e", "?", "#", " ", "$&", "{task_id}", "a") }),
    fc.string({ unit: fc.nat({ max: 0xffff }).map((unit) => String.fromCharCode(unit)) }),
    of("undefined", "null", " T-1\n", "T-1\nT-2", "\u200b"),
    of(".", "..", "%2e%2e", "a/../b", "../create", "\ud800", "a\udc00", "？", "…"),
    fc.oneof(notString, notJson, of(undefined, null)),
  );
  await holdsFor(id, async (taskId) => {
    const text = typeof taskId === "string" ? taskId.trim() : "";
    const isInvisible = /[\p{Surrogate}\p{Control}\p{Format}]/u.test(text);
    if (isInvisible || ["", ".", "..", "undefined", "null"].includes(text)) {
      for (const method of ["get", "wait"] as const) {
        const fetch = vi.fn<Fetch>();
        const call = clientOf({ fetch })[method](taskId as string);
        const error = await errorOf(call, library.InvalidRequestError);
        expect(error).toMatchObject({ field: "taskId", mayHaveCreatedTask: false });
        expect(fetch).not.toHaveBeenCalled();
      }
      return;
    }
    const { url } = await sendWith(taskId);
    const { origin, pathname, search, hash } = new URL(url);
    expect({ origin, search, hash }).toEqual({ origin: baseUrl, search: "", hash: "" });
    const segments = pathname.split("/");
    expect(segments.slice(0, -1).join("/")).toBe(endpoint);
    expect(decodeURIComponent(segments.at(-1) ?? "")).toBe(text);
  });
});

/** Sends one request and gives its URL and its Authorization header. */
async function sendWith(taskId: unknown, options: LipSyncClientOptions = {}) {
  const fetch = vi.fn<Fetch>(() => Promise.reject(new Error("enough is known")));
  await errorOf(clientOf({ ...options, fetch }).get(taskId as string), library.ConnectionError);
  expect(fetch).toHaveBeenCalledOnce();
  const { url, headers } = new Request(...(fetch.mock.lastCall ?? [""]));
  return { url, authorization: headers.get("authorization") };
}

/** Asserts that an option is refused, and not told if it is too long to be in innocent words. */
async function expectRefusal(options: LipSyncClientOptions, secret: string): Promise<void> {
  const fetch = vi.fn<Fetch>();
  const call = (async () => clientOf({ ...options, fetch }).get("task"))();
  const { message, stack = "" } = await errorOf(call, library.ConfigurationError);
  expect(fetch).not.toHaveBeenCalled();
  if (secret.length >= 8) expect(message + stack).not.toContain(secret);
}

test("sends exactly the API key, or refuses it without telling it", async () => {
  const space = of("", " ", "\n", "\t ", "\u3000");
  const scheme = of("", "", "Bearer ", "bearer  ", "BEARER\t", "Bearer", "Bearer Bearer ");
  const placeholder = of("{{YOUR_API_KEY}}", "{{ KEY }}", "<key>", "${KEY}", "sk-...", "null");
  const special = fc.oneof(placeholder, of("", "é-key-é-key", '"sk-in-quotes"', "'sk-in-quotes'"));
  const key = fc.oneof(fc.stringMatching(/^[!-~]{0,60}$/), anyText, special);
  const parts = fc.tuple(space, scheme, key, space).map((parts) => parts.join(""));
  await holdsFor(fc.tuple(parts, fc.boolean()), async ([given, isFunction]) => {
    const options = { apiKey: isFunction ? () => given : given };
    const trimmed = given.trim();
    const bare = /^bearer(?:\s|$)/i.test(trimmed) ? trimmed.slice(6).trim() : trimmed;
    const isPlaceholder = /^(?:\{\{.*\}\}|\$\{.*\}|<.*>|.*\.{3}|undefined|null)$/.test(bare);
    const isInQuotes = /^["'`]|["'`]$/.test(bare);
    if (!/^[!-~]+$/.test(bare) || isPlaceholder || isInQuotes) return expectRefusal(options, bare);
    expect(await sendWith("task", options)).toMatchObject({ authorization: `Bearer ${bare}` });
  });
});

test("adds the path to exactly the base URL's origin and path, or refuses it", async () => {
  const authority = fc.webAuthority({ withPort: true });
  const host = fc.oneof(authority, of("gw.invalid", "[::1]:8080", "例子.invalid"));
  const scheme = of("https://", "http://", "HTTPS://", "ftp://", "", "//", "https:", "file:///");
  const path = fc.oneof(
    of("", "/", "///", "/proxy", "/proxy/", "/v1", "/V1/", "/kling", "/v1/kling/", "/a/../b"),
    of("/lip-sync", "/videos", "/{x}", "/$&", "?a=1", "?", "#", "#a", "/v1?a", "/a b", "/v10"),
    fc.webPath(),
  );
  const user = of("", "", "", `user:${apiKey}@`, `${apiKey}@`, "@");
  const url = fc.tuple(scheme, user, host, path).map((parts) => parts.join(""));
  await holdsFor(fc.oneof({ weight: 5, arbitrary: url }, anyText), async (given) => {
    const base = given.trim().replace(/\/+$/, "");
    const isPlain =
      /^https?:\/\/[^?#@{}]+$/i.test(base) && !/["'`]$/.test(base) && URL.canParse(base);
    const last = base.split("/").slice(3).at(-1)?.toLowerCase() ?? "";
    if (!isPlain || ["v1", "kling", "videos", "lip-sync"].includes(last)) {
      return expectRefusal({ baseUrl: given }, apiKey);
    }
    const { url } = await sendWith("task", { baseUrl: given });
    expect(url).toBe(new URL(`${base}${endpoint}/task`).href);
  });
});
