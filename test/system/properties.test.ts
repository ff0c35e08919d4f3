// Rules that hold for any input, and not only for the examples that came to mind.
import fc from "fast-check";
import { expect, test, vi } from "vitest";
import {
  ApiError,
  ConfigurationError,
  ConnectionError,
  createLipSyncClient,
  InvalidRequestError,
  LipSyncError,
  parseTaskCallback,
  type LipSyncRequest,
} from "../../src/index.js";
import { mayRepeat } from "../../src/outcome.js";
import { createFakeGateway } from "../../src/testing.js";

const KEY = "key-of-the-properties";
const BASE_URL = "https://gateway.invalid";
const PATH = "/kling/v1/videos/lip-sync";

vi.setConfig({ testTimeout: 60_000 });

type Fetch = typeof globalThis.fetch;

function clientOf(fetch: Fetch, maxRetries = 0) {
  return createLipSyncClient({ apiKey: KEY, baseUrl: BASE_URL, fetch, maxRetries });
}

/** What a promise rejects with; `undefined` where it resolves. */
function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error ?? new Error("rejected with nothing"),
  );
}

function thrownBy(call: () => unknown): unknown {
  try {
    call();
    return undefined;
  } catch (error) {
    return error;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function hasText(value: unknown): value is string {
  return typeof value === "string" && value.trim() !== "";
}

function isBlank(value: unknown): boolean {
  return typeof value === "string" && value.trim() === "";
}

function looksLikeTask(value: unknown): boolean {
  return isObject(value) && hasText(value["task_id"]) && typeof value["task_status"] === "string";
}

const anyText = fc.oneof(
  fc.string(),
  fc.string({ unit: "binary" }),
  fc.string({ unit: "grapheme" }),
);
const blank = fc.string({
  unit: fc.constantFrom(" ", "\t", "\n", "\r", "\u3000", "\u00a0", "\ufeff"),
});
const absent = fc.oneof(fc.constantFrom(undefined, null, ""), blank);
const words = anyText.filter(hasText);
const noString = fc.oneof(
  fc.integer(),
  fc.boolean(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.array(fc.string()),
  fc.dictionary(fc.string(), fc.string()),
  fc.constant(Object.create(null) as unknown),
);
/** What JSON leaves out, turns into a string or null, or cannot hold. */
const noJson = fc.oneof(
  fc.constantFrom<unknown>(NaN, Infinity, Symbol("video"), new String("v"), () => "v"),
  fc.bigInt(),
  fc.date({ noInvalidDate: true }),
);

function freezeDeep<T>(value: T): T {
  if (isObject(value)) Object.values(value).forEach(freezeDeep);
  return Object.freeze(value);
}

/** What a value is on the wire; `undefined` where it is left out. */
function onTheWire(value: unknown): unknown {
  if (typeof value === "bigint") return value;
  return (JSON.parse(JSON.stringify({ value })) as { value?: unknown }).value;
}

test("sends a create exactly if one of the two videos is given", async () => {
  const missing = Symbol("missing");
  const field = fc.oneof(
    ...[fc.constant(missing), absent, words, words, noString].map((arbitrary) => ({
      arbitrary: arbitrary,
      weight: 4,
    })),
    { arbitrary: noJson, weight: 1 },
  );
  let sent = 0;
  await fc.assert(
    fc.asyncProperty(field, field, fc.boolean(), async (video_id, video_url, isFrozen) => {
      const gateway = createFakeGateway();
      const mode = { mode: "text2video", text: "你好", voice_id: "v", voice_language: "zh" };
      const given = Object.entries({ video_id, video_url }).filter(
        ([, value]) => value !== missing,
      );
      const input = { ...mode, ...Object.fromEntries(given) };
      const request = { input, callback_url: "https://caller.invalid" };
      const before = { input: { ...input }, callback_url: request.callback_url };
      if (isFrozen) freezeDeep(request);

      const create = createLipSyncClient(gateway).create(request as unknown as LipSyncRequest);
      const error = await failureOf(create);

      expect(request).toStrictEqual(before);
      const wire = given.map(([name, value]) => [name, onTheWire(value)] as const);
      const present = wire.filter(
        ([, value]) => !(value === undefined || value === null) && !isBlank(value),
      );
      const isValid = present.length === 1 && hasText(present[0]?.[1]);
      // What JSON changes may be refused as well, whatever it becomes.
      const isChanged = given.some(
        ([, value], index) => value != null && wire[index]?.[1] !== value,
      );
      if (isValid && (error === undefined || !isChanged)) {
        sent++;
        expect(error).toBeUndefined();
        const body = { ...request, input: { ...mode, ...Object.fromEntries(present) } };
        expect(gateway.received.map(({ body }) => body)).toStrictEqual([body]);
        return;
      }
      expect(error).toBeInstanceOf(InvalidRequestError);
      expect(error).toMatchObject({ mayHaveCreatedTask: false });
      expect((error as InvalidRequestError).field).toMatch(/^input(?:\.video_(?:id|url))?$/);
      expect(gateway.received).toEqual([]);
    }),
    { numRuns: 2000 },
  );
  expect(sent).toBeGreaterThan(100);
});

test("refuses whatever is no request, and sends nothing", async () => {
  const request = fc.oneof(
    fc.anything(),
    fc.record({ input: fc.anything() }),
    fc.record({
      input: fc.record({ video_id: words, mode: fc.oneof(absent, noString) }, { requiredKeys: [] }),
    }),
  );
  await fc.assert(
    fc.asyncProperty(request, async (value) => {
      const fetch = vi.fn<Fetch>();
      const error = await failureOf(clientOf(fetch).create(value as LipSyncRequest));
      expect(error).toBeInstanceOf(InvalidRequestError);
      expect(fetch).not.toHaveBeenCalled();
    }),
    { numRuns: 1000 },
  );
});

const status = fc.integer({ min: 200, max: 599 });
const likelyStatus = fc.oneof(fc.constantFrom(200, 201, 204, 302, 303, 408, 429, 500, 503), status);
const likelyTask = fc.record(
  {
    task_id: fc.oneof(words, blank, fc.jsonValue()),
    task_status: fc.oneof(fc.constantFrom("submitted", "succeed", ""), fc.jsonValue()),
    task_result: fc.jsonValue(),
  },
  { requiredKeys: [] },
);
const code = fc.oneof(
  fc.constantFrom(0, "0", 1302, "1302", 1303, 1102, 5000, "insert_task_failed", null, "", -1, 0.5),
  fc.jsonValue(),
);
const likelyEnvelope = fc.record(
  { code, message: fc.jsonValue(), request_id: fc.jsonValue(), data: likelyTask },
  { requiredKeys: ["data"] },
);
const goodEnvelope = fc.record({
  code: fc.constantFrom(0, "0"),
  data: fc.record({ task_id: words, task_status: anyText, task_result: fc.jsonValue() }),
});
const answerText = fc.oneof(
  { weight: 2, arbitrary: goodEnvelope.map((value) => JSON.stringify(value)) },
  { weight: 4, arbitrary: likelyEnvelope.map((value) => JSON.stringify(value)) },
  {
    weight: 2,
    arbitrary: fc.record({ code, data: fc.jsonValue() }).map((value) => JSON.stringify(value)),
  },
  {
    weight: 1,
    arbitrary: fc
      .record({ error: fc.oneof(fc.string(), fc.record({ code })) })
      .map((value) => JSON.stringify(value)),
  },
  { weight: 1, arbitrary: fc.json() },
  { weight: 1, arbitrary: anyText },
);
const headers = fc.dictionary(
  fc.constantFrom("retry-after", "x-request-id", "location", "content-type", "x-other"),
  fc.stringMatching(/^[!-~]*$/),
);

function respond(status: number, text: string, headers: Record<string, string>): Response {
  const isEmpty = status === 204 || status === 205 || status === 304;
  return new Response(isEmpty ? null : text, { status, headers });
}

test("resolves with a task exactly if the answer is one, and else rejects with an ApiError", async () => {
  let tasks = 0;
  const method = fc.constantFrom("create", "get");
  await fc.assert(
    fc.asyncProperty(
      method,
      likelyStatus,
      answerText,
      headers,
      async (method, status, text, headers) => {
        const answer = respond(status, text, headers);
        const sent = await answer.clone().text();
        const client = clientOf(() => Promise.resolve(answer));
        const end = await (method === "create" ? client.create(REQUEST) : client.get("task")).catch(
          (error: unknown) => error,
        );
        const parsed = parse(sent);
        const { code, data } = isObject(parsed) ? parsed : {};
        const isZero = code === 0 || (typeof code === "string" && /^0+$/.test(code));
        if (status < 300 && isZero && looksLikeTask(data)) {
          tasks++;
          expect(end).toStrictEqual(data);
          return;
        }
        expect(end).toBeInstanceOf(ApiError);
        const error = end as ApiError;
        expect(error.status).toBe(status);
        expect(error.body).toBe(sent);
        expect(error.message).not.toBe("");
        const number = numberOf(code);
        const isRefused =
          (number !== undefined && number >= 1000 && number <= 1999) ||
          (status >= 300 && status < 500 && status !== 303 && status !== 408);
        const inner =
          isObject(parsed) && isObject(parsed["error"]) ? parsed["error"]["code"] : undefined;
        // A code inside of `error` counts only where there is no other.
        if (inner !== undefined && (code === undefined || code === null)) return;
        // An answer that refuses and holds a task all the same may be taken for a task that exists.
        if (looksLikeTask(data) && error.mayHaveCreatedTask && method === "create") return;
        expect(error.mayHaveCreatedTask).toBe(method === "create" && !isRefused);
      },
    ),
    { numRuns: 4000 },
  );
  expect(tasks).toBeGreaterThan(40);
});

function parse(text: string): unknown {
  try {
    return JSON.parse(text.replace(/^\ufeff/, "")) as unknown;
  } catch {
    return undefined;
  }
}

function numberOf(code: unknown): number | undefined {
  if (typeof code === "number") return code;
  return typeof code === "string" && /^[0-9]+$/.test(code) ? Number(code) : undefined;
}

const REQUEST: LipSyncRequest = {
  input: { mode: "text2video", video_id: "v", text: "hi", voice_id: "w", voice_language: "en" },
};

test("rejects with an ApiError or a ConnectionError, whatever fetch does", async () => {
  await fc.assert(
    fc.asyncProperty(fc.anything(), fc.boolean(), fc.boolean(), async (value, rejects, throws) => {
      const fetch = (() => {
        if (!rejects) return Promise.resolve(value);
        if (throws && value instanceof Error) throw value;
        return Promise.reject(value);
      }) as Fetch;
      const error = await failureOf(clientOf(fetch).create(REQUEST));
      expect(error instanceof ConnectionError || error instanceof ApiError).toBe(true);
      expect(error).toMatchObject({ mayHaveCreatedTask: true });
    }),
    { numRuns: 500 },
  );
});

test("takes a callback's body for a task exactly if it is one", () => {
  const body = fc.oneof(
    fc.anything(),
    fc.anything({ withBigInt: true, withDate: true, withMap: true, withNullPrototype: true }),
    likelyTask,
    likelyTask.map((task) => JSON.stringify(task)),
    fc.json(),
    anyText,
  );
  let tasks = 0;
  fc.assert(
    fc.property(body, (value) => {
      const parsed = typeof value === "string" ? parseStrictly(value) : value;
      if (looksLikeTask(parsed)) {
        tasks++;
        expect(parseTaskCallback(value)).toStrictEqual(parsed);
        return;
      }
      expect(thrownBy(() => parseTaskCallback(value))).toBeInstanceOf(InvalidRequestError);
    }),
    { numRuns: 4000 },
  );
  expect(tasks).toBeGreaterThan(40);
});

function parseStrictly(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** The design's table, written down once more: whether an answer without a task is asked for again. */
function repeats(
  method: "create" | "get",
  status: number,
  code: number | string | undefined,
): boolean {
  const isTooMany = code === 1302 || code === 1303;
  if (status >= 200 && status < 300) return isTooMany;
  if (status === 429) return isTooMany || typeof code !== "number";
  if (status === 408 || status >= 500) return method === "get";
  return false;
}

const wireCode = fc.oneof(
  fc.constantFrom(1302, 1303, 1100, 1101, 1102, 1304, 1000, 1003, 5000, 5001, 5002, 1, 0),
  fc.nat({ max: 9999 }),
  fc.constantFrom(
    "insert_task_failed",
    "rate_limit_exceeded",
    "",
    " ",
    "x1302",
    "1302x",
    "1.302e3",
  ),
  fc.constant(undefined),
);
const spelled = fc.tuple(wireCode, fc.boolean()).map(([code, isText]) => ({
  onTheWire: isText && typeof code === "number" ? String(code) : code,
  code: hasText(code) || typeof code === "number" ? code : undefined,
}));
const tableStatus = fc.oneof(fc.constantFrom(200, 429, 408, 500, 502, 503, 504, 524), status);

test("decides about repeating as the design's table does", () => {
  fc.assert(
    fc.property(
      fc.constantFrom("create", "get"),
      tableStatus,
      spelled,
      (method, status, { code }) => {
        const error = new ApiError("no", {
          status,
          code,
          requestId: undefined,
          headers: new Headers(),
          body: "",
        });
        expect(mayRepeat(error, { isBilled: method === "create" })).toBe(
          repeats(method, status, code),
        );
      },
    ),
    { numRuns: 10_000 },
  );
  fc.assert(
    fc.property(fc.boolean(), fc.boolean(), (isBilled, mayHaveCreatedTask) => {
      const error = new ConnectionError("no", { mayHaveCreatedTask });
      expect(mayRepeat(error, { isBilled })).toBe(!isBilled || !mayHaveCreatedTask);
    }),
  );
  fc.assert(
    fc.property(fc.anything(), fc.boolean(), (value, isBilled) => {
      expect(mayRepeat(value, { isBilled })).toBe(false);
    }),
  );
});

test("sends as many requests as the design's table and maxRetries allow", async () => {
  const method = fc.constantFrom("create", "get");
  const shape = fc.constantFrom("envelope", "error");
  await fc.assert(
    fc.asyncProperty(
      ...([method, tableStatus, spelled, shape, fc.nat({ max: 4 })] as const),
      async (method, status, { onTheWire, code }, shape, maxRetries) => {
        const inner = { code: onTheWire, message: "no" };
        const text = JSON.stringify(shape === "envelope" ? inner : { error: inner });
        let requests = 0;
        const client = clientOf(() => {
          requests++;
          // Without it every repeat would take more than a second.
          return Promise.resolve(respond(status, text, { "retry-after": "0" }));
        }, maxRetries);
        const error = await failureOf(
          method === "create" ? client.create(REQUEST) : client.get("task"),
        );
        expect(error).toBeInstanceOf(ApiError);
        const isEmpty = status === 204 || status === 205;
        // A code inside of `error` at 200 is not the gateway's refusal for sure: no repeat is right, too.
        if (method === "create" && shape === "error" && status < 300 && requests === 1) return;
        const isRepeated = repeats(method, status, isEmpty ? undefined : code);
        expect(requests).toBe(isRepeated ? 1 + maxRetries : 1);
      },
    ),
    { numRuns: 600 },
  );
});

test("asks for exactly the task whose id is given, or refuses the id", async () => {
  const id = fc.oneof(
    anyText,
    blank,
    fc.string({
      unit: fc.constantFrom(".", "/", "\\", "%", "2e", "?", "#", " ", "$&", "{task_id}", "a"),
    }),
    fc.string({ unit: fc.nat({ max: 0xffff }).map((unit) => String.fromCharCode(unit)) }),
    fc.constantFrom(".", "..", "%2e%2e", "a/../b", "../create", "\ud800", "a\udc00", "？", "…"),
  );
  await fc.assert(
    fc.asyncProperty(id, async (taskId) => {
      const urls: string[] = [];
      const client = clientOf((input) => {
        urls.push(new Request(input).url);
        const data = { task_id: "task", task_status: "submitted" };
        return Promise.resolve(Response.json({ code: 0, data }));
      });
      const error = await failureOf(client.get(taskId));
      const isLone = /\p{Surrogate}/u.test(taskId);
      // Dots between blanks would be a segment of their own; that they are refused, too, does no harm.
      if (isLone || ["", ".", ".."].includes(taskId.trim())) {
        expect(error).toBeInstanceOf(InvalidRequestError);
        expect(error).toMatchObject({ field: "taskId", mayHaveCreatedTask: false });
        expect(await failureOf(client.wait(taskId))).toBeInstanceOf(InvalidRequestError);
        expect(urls).toEqual([]);
        return;
      }
      expect(error).toBeUndefined();
      expect(urls).toHaveLength(1);
      const { origin, pathname, search, hash } = new URL(urls[0] ?? "");
      expect({ origin, search, hash }).toEqual({ origin: BASE_URL, search: "", hash: "" });
      const segments = pathname.split("/");
      expect(segments.slice(0, -1).join("/")).toBe(PATH);
      expect(decodeURIComponent(segments.at(-1) ?? "")).toBe(taskId);
    }),
    { numRuns: 4000 },
  );
});

test("refuses any task id that is no string", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(noString, noJson, fc.constantFrom(undefined, null)),
      async (taskId) => {
        const fetch = vi.fn<Fetch>();
        const error = await failureOf(clientOf(fetch).get(taskId as string));
        expect(error).toMatchObject({ name: "InvalidRequestError", field: "taskId" });
        expect(fetch).not.toHaveBeenCalled();
      },
    ),
  );
});

/** Sends one request and gives its URL and its Authorization header, or what it is refused with. */
async function sendWith(options: {
  apiKey?: string | (() => string);
  baseUrl?: string;
}): Promise<{ url: string; authorization: string | null } | { error: unknown }> {
  let sent: { url: string; authorization: string | null } | undefined;
  try {
    const client = createLipSyncClient({
      ...{ apiKey: KEY, baseUrl: BASE_URL, maxRetries: 0, ...options },
      fetch: (input, init) => {
        const { url, headers } = new Request(input, init);
        sent = { url, authorization: headers.get("authorization") };
        return Promise.reject(new Error("enough is known"));
      },
    });
    await client.get("task");
  } catch (error) {
    return sent ?? { error };
  }
  throw new Error("nothing was sent");
}

function expectRefusal(error: unknown, secret: string): void {
  expect(error).toBeInstanceOf(ConfigurationError);
  expect(error).toBeInstanceOf(LipSyncError);
  const { message, stack = "" } = error as ConfigurationError;
  // What is shorter is found in innocent words.
  if (secret.length < 8) return;
  expect(message).not.toContain(secret);
  expect(stack).not.toContain(secret);
}

test("sends exactly the API key, or refuses it without telling it", async () => {
  const space = fc.constantFrom("", " ", "\n", "\t ", "\u3000");
  const scheme = fc.constantFrom(
    "",
    "",
    "Bearer ",
    "bearer  ",
    "BEARER\t",
    "Bearer",
    "Bearer Bearer ",
  );
  const visible = fc.stringMatching(/^[!-~]{0,60}$/);
  const key = fc.oneof(
    visible,
    anyText,
    fc.constantFrom("{{YOUR_API_KEY}}", "{{ KEY }}", "", "é-key-é-key"),
  );
  const parts = fc.tuple(space, scheme, key, space).map((parts) => parts.join(""));
  await fc.assert(
    fc.asyncProperty(parts, fc.boolean(), async (given, isFunction) => {
      const result = await sendWith({ apiKey: isFunction ? () => given : given });
      const bare = /^bearer(?:\s|$)/i.test(given.trim())
        ? given.trim().slice(6).trim()
        : given.trim();
      const isPlaceholder = bare.startsWith("{{") && bare.endsWith("}}") && bare.length >= 4;
      if (!/^[!-~]+$/.test(bare) || isPlaceholder) {
        expectRefusal("error" in result ? result.error : undefined, bare);
        return;
      }
      expect(result).toEqual({ url: `${BASE_URL}${PATH}/task`, authorization: `Bearer ${bare}` });
    }),
    { numRuns: 4000 },
  );
});

test("adds the path to exactly the base URL's origin and path, or refuses it", async () => {
  const host = fc.oneof(
    fc.webAuthority({ withPort: true }),
    fc.constantFrom("gw.invalid", "[::1]:8080", "例子.invalid"),
  );
  const scheme = fc.constantFrom(
    "https://",
    "http://",
    "HTTPS://",
    "ftp://",
    "",
    "//",
    "https:",
    "file:///",
  );
  const path = fc.oneof(
    fc.constantFrom(
      "",
      "/",
      "///",
      "/proxy",
      "/proxy/",
      "/v1",
      "/V1/",
      "/kling",
      "/v1/kling/",
      "/a/../b",
    ),
    fc.constantFrom(
      "/lip-sync",
      "/{x}",
      "/$&",
      "?a=1",
      "?",
      "#",
      "#a",
      "/v1?a",
      "/a b",
      "/v10",
      "/kling/v1",
    ),
    fc.webPath(),
  );
  const user = fc.constantFrom("", "", "", `user:${KEY}@`, `${KEY}@`, "@");
  const url = fc.tuple(scheme, user, host, path).map((parts) => parts.join(""));
  await fc.assert(
    fc.asyncProperty(fc.oneof({ weight: 5, arbitrary: url }, anyText), async (given) => {
      const result = await sendWith({ baseUrl: given });
      const base =
        URL.canParse(given) && /^\s*https?:\/\//i.test(given) ? new URL(given) : undefined;
      const rest = base && base.username + base.password + base.search + base.hash;
      const segment = base?.pathname.split("/").filter(Boolean).at(-1)?.toLowerCase() ?? "";
      if (!base || rest || ["v1", "kling", "lip-sync"].includes(segment)) {
        expectRefusal("error" in result ? result.error : undefined, KEY);
        return;
      }
      const before = base.pathname.replace(/\/+$/, "");
      expect(result).toMatchObject({ url: `${base.origin}${before}${PATH}/task` });
    }),
    { numRuns: 4000 },
  );
});
