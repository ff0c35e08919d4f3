import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { inspect } from "node:util";
import { constants, createGzip, gzipSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import {
  ApiError,
  ConnectionError,
  createLipSyncClient,
  type LipSyncClient,
  type LipSyncClientOptions,
  type LipSyncRequest,
  LipSyncError,
} from "../../src/index.js";
import {
  closedPort,
  type FaultServer,
  type Reaction,
  type Received,
  startFaultServer,
  startTcpServer,
} from "./fault-server.js";

const apiKey = "sk-fault/Table+0123456789";
const endpoint = "/kling/v1/videos/lip-sync";
const task = { task_id: "task-1", task_status: "submitted", created_at: 1, updated_at: 2 };
const request: LipSyncRequest = {
  input: {
    video_id: "video-1",
    mode: "text2video",
    text: "今天天气很好",
    voice_id: "voice-1",
    voice_language: "zh",
  },
};

type Method = "create" | "get";
const methods: Method[] = ["create", "get"];
const calls: Record<Method, (client: LipSyncClient) => Promise<unknown>> = {
  create: (client) => client.create(request),
  get: (client) => client.get("task-1"),
};
const asked: Record<Method, string> = {
  create: `POST ${endpoint}`,
  get: `GET ${endpoint}/task-1`,
};

/** No number that stands for a pause, see skipPauses. */
const timeoutMs = 54_321;

let server: FaultServer;
beforeAll(async () => {
  server = await startFaultServer();
});
afterEach(() => {
  vi.restoreAllMocks();
});
afterAll(async () => {
  await server.close();
});

/** How a call ended, in what the design promises about it. */
interface Outcome {
  /** The exact class of the error, or "none". */
  error: string;
  status?: number;
  code?: number | string | undefined;
  requestId?: string | undefined;
  mayHaveCreatedTask?: boolean;
  /** How often the key was asked for, which is once an attempt. */
  attempts: number;
}

interface Ending {
  outcome: Outcome;
  /** What the promise resolved with or rejected with. */
  value: unknown;
}

/** Makes one call with at most one repeat; whatever comes of it, the key is nowhere in it. */
async function endingOf(
  method: Method,
  baseUrl: string,
  options: LipSyncClientOptions = {},
): Promise<Ending> {
  let attempts = 0;
  const countedKey = () => {
    attempts += 1;
    return apiKey;
  };
  const client = createLipSyncClient({
    baseUrl,
    apiKey: countedKey,
    timeoutMs,
    maxRetries: 1,
    ...options,
  });
  const ending = await calls[method](client).then(
    (value) => ({ outcome: { error: "none", attempts }, value }),
    (value: unknown) => ({ outcome: { ...describeError(value), attempts }, value }),
  );
  expect(placesOfKey(ending.value)).toEqual([]);
  return ending;
}

function describeError(error: unknown): Omit<Outcome, "attempts"> {
  if (!(error instanceof LipSyncError)) return { error: inspect(error) };
  const known = [ApiError, ConnectionError].find(
    (known) => Object.getPrototypeOf(error) === known.prototype,
  );
  const { mayHaveCreatedTask } = error;
  if (!(error instanceof ApiError)) return { error: known?.name ?? error.name, mayHaveCreatedTask };
  const { status, code, requestId } = error;
  return { error: known?.name ?? error.name, status, code, requestId, mayHaveCreatedTask };
}

/** Where the key can be read in a value, in each of the spellings that a server may echo. */
function placesOfKey(value: unknown): string[] {
  const texts: Record<string, string> = {
    json: JSON.stringify([value]),
    inspect: inspect(value, { depth: null, showHidden: true, maxStringLength: null }),
  };
  let depth = 0;
  for (let error = value; error instanceof Error && depth < 10; error = error.cause, depth += 1) {
    texts[`message ${depth}`] = error.message;
    texts[`stack ${depth}`] = error.stack ?? "";
    texts[`string ${depth}`] = String(error);
    if (error instanceof ApiError) {
      texts["headers"] = JSON.stringify([...error.headers]);
      texts["body"] = error.body;
    }
  }
  const spellings = [apiKey, encodeURIComponent(apiKey), apiKey.replaceAll("/", "\\/")];
  return Object.keys(texts).filter((place) =>
    spellings.some((spelling) => texts[place]?.includes(spelling)),
  );
}

const realSetTimeout = globalThis.setTimeout;

/** The pauses that the library asked for. */
let pauses: number[] = [];

/**
 * Takes the pauses between attempts down to nothing and notes them. Without a Retry-After a pause
 * is 1000 ms plus a random part, which is set here; everything else that takes 1 to 3 s, or just
 * 60 s, is a pause that a server asked for. The time limits of these tests are other numbers.
 */
function skipPauses(random = 0.25): void {
  pauses = [];
  vi.spyOn(Math, "random").mockReturnValue(random);
  const skipping = (callback: (...args: unknown[]) => void, delayMs = 0, ...args: unknown[]) => {
    const isPause = (delayMs >= 1000 && delayMs <= 3000) || delayMs === 60_000;
    if (isPause) pauses.push(delayMs);
    return realSetTimeout(callback, isPause ? 0 : delayMs, ...args);
  };
  vi.spyOn(globalThis, "setTimeout").mockImplementation(skipping as typeof setTimeout);
}

// The design's tables, written down a second time; nothing below asks src what it would do.

type Kind = "success" | "refused" | "redirected unclearly" | "failed";

const kinds: Record<number, Kind> = {
  200: "success",
  201: "success",
  204: "success",
  301: "refused",
  302: "refused",
  303: "redirected unclearly",
  304: "refused",
  307: "refused",
  308: "refused",
  400: "refused",
  401: "refused",
  403: "refused",
  404: "refused",
  408: "failed",
  409: "refused",
  413: "refused",
  422: "refused",
  425: "refused",
  429: "refused",
  500: "failed",
  501: "failed",
  502: "failed",
  503: "failed",
  504: "failed",
  520: "failed",
  524: "failed",
};
const statuses = Object.keys(kinds).map(Number);

/** The codes that occur, and the last of their range. */
const refusals = [
  1000, 1001, 1002, 1003, 1004, 1100, 1101, 1102, 1103, 1200, 1201, 1202, 1203, 1300, 1301, 1302,
  1303, 1304, 1999,
];
const failures = [5000, 5001, 5002];
const busy = [1302, 1303];

/** What the design says about an answer that is not success. */
function expected(
  method: Method,
  { status, code, requestId }: Pick<Outcome, "code" | "requestId"> & { status: number },
): Outcome {
  const kind = kinds[status];
  const isRefusal = kind === "refused" || refusals.some((refusal) => refusal === code);
  const isBusy =
    (status === 429 || kind === "success") && busy.some((busyCode) => busyCode === code);
  const isWordless429 = status === 429 && typeof code !== "number";
  const mayPass = isBusy || isWordless429 || (method === "get" && kind === "failed");
  return {
    error: "ApiError",
    status,
    code,
    requestId,
    mayHaveCreatedTask: method === "create" && !isRefusal,
    attempts: mayPass ? 2 : 1,
  };
}

/** What the design says about an answer that never came whole. */
function expectedWithoutAnswer(method: Method): Outcome {
  return {
    error: "ConnectionError",
    mayHaveCreatedTask: method === "create",
    attempts: method === "create" ? 1 : 2,
  };
}

interface Envelope {
  text: string;
  code?: number | string;
  requestId?: string;
}

const echo = `the key was Bearer ${apiKey}`;
const page = `<!DOCTYPE html><html><body><h1>gateway</h1><p>${echo}</p></body></html>`;

const envelopes: Record<string, Envelope> = {
  "nothing at all": { text: "" },
  "a text": { text: `当前分组上游负载已饱和 ${echo}` },
  "an HTML page": { text: page },
  "JSON that is cut off": { text: `{"code":1303,"message":"${echo}","request_id":"req` },
  "an OpenAI error": {
    text: JSON.stringify({ error: { message: echo, type: "api_error", code: "quota_exceeded" } }),
    code: "quota_exceeded",
  },
  "an OpenAI error without a code": {
    text: JSON.stringify({ error: { message: echo, type: "api_error", code: null } }),
  },
  "a gateway's word": {
    text: JSON.stringify({ code: "insert_task_failed", message: echo, data: null }),
    code: "insert_task_failed",
  },
  "code 0 without a task": {
    text: JSON.stringify({ code: 0, message: echo, request_id: "request-0" }),
    code: 0,
    requestId: "request-0",
  },
};
for (const code of [...refusals, ...failures, 999, 2000]) {
  const rest = { message: echo, request_id: `request-${code}` };
  const requestId = rest.request_id;
  envelopes[`code ${code}`] = { text: JSON.stringify({ code, ...rest }), code, requestId };
  const text = JSON.stringify({ code: String(code), ...rest });
  envelopes[`code "${code}"`] = { text, code, requestId };
}
/** Answers with the key in every place that an answer has. */
function answer(status: number, text: string, location?: string): Reaction {
  return (response) => {
    response.writeHead(status, `Bearer ${apiKey}`, {
      "content-type": "application/json",
      "retry-after": "0",
      "x-request-id": "request-of-the-header",
      "x-echo": `Bearer ${apiKey}`,
      "set-cookie": [`a=${apiKey}`, `b=${encodeURIComponent(apiKey)}`],
      ...(location === undefined ? {} : { location }),
    });
    response.end(text);
  };
}

describe.each(statuses)("an answer with status %i", (status) => {
  it.each(methods)("ends %s as the tables say, whatever the body", async (method) => {
    const elsewhere = server.place(answer(200, JSON.stringify({ code: 0, data: task })));
    const isRedirect = status >= 300 && status <= 399;
    const location = `${elsewhere.baseUrl}/here?key=${encodeURIComponent(apiKey)}`;
    const seen: Record<string, Outcome & { requests: number }> = {};
    const right: typeof seen = {};
    for (const [name, envelope] of Object.entries(envelopes)) {
      const place = server.place(answer(status, envelope.text, isRedirect ? location : undefined));
      const { outcome, value } = await endingOf(method, place.baseUrl);
      seen[name] = { ...outcome, requests: place.received.length };
      // These two never have a body.
      const { code, requestId } = status === 204 || status === 304 ? {} : envelope;
      const says = { status, code, requestId: requestId ?? "request-of-the-header" };
      const verdict = expected(method, says);
      right[name] = { ...verdict, requests: verdict.attempts };
      if (!(value instanceof ApiError)) continue;
      expect(value.message).toContain(`${asked[method]} answered ${status}`);
      if (code !== undefined) expect(value.message).toContain(String(code));
      expect(value.message).toContain(says.requestId);
      if (isRedirect) expect(value.message).toMatch(/\/here\?key=.*baseUrl/);
      expect(value.headers.get("x-echo")).toBe("Bearer ***");
    }
    expect(seen).toEqual(right);
    expect(elsewhere.received).toEqual([]);
  });

  it.each(methods)("is success for %s only with 200 or 201 and a task", async (method) => {
    const text = JSON.stringify({
      code: 0,
      message: "SUCCEED",
      request_id: "request-1",
      data: task,
    });
    const place = server.place(answer(status, text));
    const { outcome, value } = await endingOf(method, place.baseUrl);
    if (status === 200 || status === 201) {
      expect(value).toEqual(task);
      expect(outcome.attempts).toBe(1);
      return;
    }
    const isBare = status === 204 || status === 304;
    const says = isBare
      ? { requestId: "request-of-the-header" }
      : { requestId: "request-1", code: 0 };
    // A task in it speaks against a refusal, at whatever status.
    const mayHaveCreatedTask = method === "create" && !(isBare && status === 304);
    expect(outcome).toEqual({
      code: undefined,
      ...expected(method, { status, ...says }),
      mayHaveCreatedTask,
    });
    expect(place.received).toHaveLength(outcome.attempts);
  });
});

describe("what may be repeated", () => {
  const kling = (code: number | string) => JSON.stringify({ code, message: "no" });
  // Status, body, attempts of get, attempts of create, mayHaveCreatedTask of create.
  it.each([
    [429, "", 2, 2, false],
    [429, "当前分组上游负载已饱和", 2, 2, false],
    [429, kling(1302), 2, 2, false],
    [429, kling(1303), 2, 2, false],
    [429, kling("1303"), 2, 2, false],
    [429, kling(1100), 1, 1, false],
    [429, kling(1101), 1, 1, false],
    [429, kling(1102), 1, 1, false],
    [429, kling(1304), 1, 1, false],
    [429, kling("1304"), 1, 1, false],
    [200, kling(1302), 2, 2, false],
    [200, kling(1303), 2, 2, false],
    [200, kling("1303"), 2, 2, false],
    [200, kling(5000), 1, 1, true],
    [500, kling(1302), 2, 1, false],
    [500, kling(5000), 2, 1, true],
    [500, kling("insert_task_failed"), 2, 1, true],
    [400, kling(1302), 1, 1, false],
    [403, kling(1303), 1, 1, false],
    [408, "", 2, 1, true],
    [408, kling(1201), 2, 1, false],
    [303, "", 1, 1, true],
    [200, page, 1, 1, true],
    [502, page, 2, 1, true],
    [504, page, 2, 1, true],
    [524, page, 2, 1, true],
  ] as const)("%i with %s: get %i, create %i", async (status, text, get, create, mayHave) => {
    const requests = { get, create };
    for (const method of methods) {
      const place = server.place(answer(status, text));
      const { outcome } = await endingOf(method, place.baseUrl);
      expect(place.received).toHaveLength(requests[method]);
      expect(outcome.mayHaveCreatedTask).toBe(method === "create" && mayHave);
    }
  });

  it.each(methods)("repeats %s with a fresh key and the same bytes", async (method) => {
    const keys = ["sk-first-0123456789", "sk-second-0123456789", "sk-third-0123456789"];
    const place = server.place((response, received) => {
      const isLast = place.received.length === 3;
      const text = isLast ? JSON.stringify({ code: 0, data: task }) : "";
      answer(isLast ? 200 : 429, text)(response, received);
    });
    const left = [...keys];
    const key = () => Promise.resolve(left.shift() ?? "");
    const client = createLipSyncClient({ baseUrl: place.baseUrl, apiKey: key });
    await expect(calls[method](client)).resolves.toEqual(task);
    expect(place.received.map(({ authorization }) => authorization)).toEqual(
      keys.map((key) => `Bearer ${key}`),
    );
    const sent = method === "create" ? Buffer.from(JSON.stringify(request)) : Buffer.alloc(0);
    for (const { body } of place.received) expect(body.equals(sent)).toBe(true);
  });

  it.each([
    ["nothing", 0, 1],
    ["two times by default", undefined, 3],
  ])("repeats %s with maxRetries %s", async (_, maxRetries, requests) => {
    const place = server.place(answer(429, ""));
    await endingOf("create", place.baseUrl, { maxRetries });
    expect(place.received).toHaveLength(requests);
  });
});

describe("the pause between two attempts", () => {
  const seconds = (fromNow: number) =>
    new Date((Math.floor(Date.now() / 1000) + fromNow) * 1000).toUTCString();

  async function pausesFor(retryAfter: string | undefined, random = 0): Promise<number[]> {
    const place = server.place((response) => {
      response.writeHead(503, retryAfter === undefined ? {} : { "retry-after": retryAfter });
      response.end();
    });
    skipPauses(random);
    await endingOf("get", place.baseUrl);
    expect(place.received).toHaveLength(2);
    return pauses;
  }

  it("is as long as Retry-After asks, in seconds", async () => {
    expect(await pausesFor("2")).toEqual([2000]);
    expect(await pausesFor("60")).toEqual([60_000]);
    expect(await pausesFor("0")).toEqual([]);
  });

  it("is as long as Retry-After asks, as a date", async () => {
    const [pauseMs] = await pausesFor(seconds(3));
    expect(pauseMs).toBeGreaterThan(1000);
    expect(pauseMs).toBeLessThanOrEqual(3000);
    expect(await pausesFor(seconds(-86_400))).toEqual([]);
  });

  it.each([undefined, "", "soon", "-5", "-0.5", "1e1", "0x2", "NaN", "Infinity", "2 s", "3, 4"])(
    "is 1 to 2 s where Retry-After is %s",
    async (retryAfter) => {
      expect(await pausesFor(retryAfter)).toEqual([1000]);
      expect(await pausesFor(retryAfter, 0.999)).toEqual([1999]);
    },
  );

  it("grows with the number of attempts", async () => {
    skipPauses(0.5);
    const place = server.place((response) => response.writeHead(503).end());
    await endingOf("get", place.baseUrl, { maxRetries: 2 });
    expect(pauses).toEqual([1500, 2000]);
  });

  it.each(["61", "259200", "99999999999999999999", seconds(3 * 86_400)])(
    "is not slept where Retry-After is %s: the error is thrown",
    async (retryAfter) => {
      const place = server.place((response) => {
        response.writeHead(429, { "retry-after": retryAfter }).end();
      });
      for (const method of methods) {
        const { outcome } = await endingOf(method, place.baseUrl);
        expect(outcome).toMatchObject({ error: "ApiError", status: 429, attempts: 1 });
      }
    },
  );
});

describe("a connection that is never made", () => {
  const neverMade = (outcome: Outcome) => {
    expect(outcome).toEqual({ error: "ConnectionError", mayHaveCreatedTask: false, attempts: 2 });
  };

  it.each(methods)("lets %s try again at a port that refuses", async (method) => {
    skipPauses();
    const port = await closedPort();
    neverMade((await endingOf(method, `http://127.0.0.1:${port}`)).outcome);
    neverMade((await endingOf(method, `http://localhost:${port}`)).outcome);
    neverMade((await endingOf(method, `https://127.0.0.1:${port}`)).outcome);
    expect(pauses).toEqual([1250, 1250, 1250]);
  });

  it.each(methods)("lets %s try again at a name that does not exist", async (method) => {
    skipPauses();
    // A label is at most 63 letters long, so that no resolver is asked.
    neverMade((await endingOf(method, `http://${"a".repeat(64)}.invalid`)).outcome);
  });

  const failed = (cause: Error) => new TypeError("fetch failed", { cause });
  const coded = (message: string, fields: object) => Object.assign(new Error(message), fields);

  it.each([
    ["a connect timeout", failed(coded("timeout", { code: "UND_ERR_CONNECT_TIMEOUT" }))],
    [
      "a resolver that is away",
      failed(coded("away", { code: "EAI_AGAIN", syscall: "getaddrinfo" })),
    ],
    ["an unreachable net", failed(coded("no route", { code: "ENETUNREACH", syscall: "connect" }))],
    ["Bun's refusal", coded("Unable to connect.", { code: "ConnectionRefused" })],
    ["Deno's refusal", failed(new Error("client error (Connect): tcp connect error"))],
  ])("is known by %s", async (_, error) => {
    skipPauses();
    const fetch = () => Promise.reject(error);
    for (const method of methods) {
      neverMade((await endingOf(method, "http://127.0.0.1", { fetch })).outcome);
    }
  });

  it.each([
    ["a reset", failed(coded("read ECONNRESET", { code: "ECONNRESET", syscall: "read" }))],
    ["a broken pipe", failed(coded("write EPIPE", { code: "EPIPE", syscall: "write" }))],
    ["a closed socket", failed(coded("other side closed", { code: "UND_ERR_SOCKET" }))],
    ["late headers", failed(coded("late", { code: "UND_ERR_HEADERS_TIMEOUT" }))],
    ["a failure without a cause", new TypeError("fetch failed")],
    ["an error with the key", new Error(echo)],
    [
      "a cause with the key",
      failed(coded("no", { request: { headers: { authorization: echo } } })),
    ],
    ["several errors with the key", new AggregateError([new Error(echo)], "all failed")],
    ["a text", echo],
    ["nothing", undefined],
    ["null", null],
    ["a circle", circle()],
  ])("is not certain from %s", async (_, error: unknown) => {
    skipPauses();
    const fetch = () => Promise.reject(error);
    for (const method of methods) {
      const { outcome } = await endingOf(method, "http://127.0.0.1", { fetch });
      expect(outcome).toEqual(expectedWithoutAnswer(method));
    }
  });

  function circle(): Error {
    const first = new Error("first");
    first.cause = new Error("second", { cause: first });
    return first;
  }
});

describe("a failed TLS handshake", () => {
  const reactions: Record<string, (socket: Socket) => void> = {
    resets: (socket) => socket.once("data", () => socket.resetAndDestroy()),
    closes: (socket) => socket.once("data", () => socket.end()),
    "speaks plain HTTP": (socket) =>
      socket.once("data", () => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")),
  };

  it.each(Object.keys(reactions))("is not certain when the server %s", async (name) => {
    skipPauses();
    for (const method of methods) {
      const tcp = await startTcpServer((socket) => reactions[name]?.(socket));
      const { outcome } = await endingOf(method, `https://127.0.0.1:${tcp.port}`);
      expect(outcome).toEqual(expectedWithoutAnswer(method));
      expect(tcp.sockets).toHaveLength(outcome.attempts);
      await tcp.closed();
      await tcp.close();
    }
  });

  it("is not certain when the server has no certificate", async () => {
    skipPauses();
    const tls = createTlsServer();
    tls.on("tlsClientError", () => undefined);
    for (const method of methods) {
      const tcp = await startTcpServer((socket) => tls.emit("connection", socket));
      const { outcome } = await endingOf(method, `https://127.0.0.1:${tcp.port}`);
      expect(outcome).toEqual(expectedWithoutAnswer(method));
      expect(tcp.sockets).toHaveLength(outcome.attempts);
      await tcp.closed();
      await tcp.close();
    }
  });
});

/** Writes to the connection below HTTP, then goes on once that is sent. */
const raw =
  (text: string | Buffer, next: (socket: Socket) => void): Reaction =>
  (_, { socket }) => {
    socket.write(text, () => {
      next(socket);
    });
  };
const reset = (socket: Socket) => socket.resetAndDestroy();
const end = (socket: Socket) => socket.end();
const stall = () => undefined;

const whole = JSON.stringify({ code: 0, message: echo, data: task });
const half = whole.slice(0, -20);
const head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
const sized = `${head}content-length: ${Buffer.byteLength(whole)}\r\n\r\n`;
const chunked = `${head}transfer-encoding: chunked\r\n\r\n`;
const chunk = `${Buffer.byteLength(half).toString(16)}\r\n${half}\r\n`;
const zipped = gzipSync(whole);
const zippedHead = `${head}content-encoding: gzip\r\n`;
const noise = bytesFrom(1);

/** Bytes that look random and are the same every time; the first is no letter of HTTP's. */
function bytesFrom(seed: number): Buffer {
  let state = seed;
  const bytes = Buffer.alloc(4096, 0x16);
  for (let index = 1; index < bytes.length; index += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[index] = state >>> 24;
  }
  return bytes;
}

describe("no whole answer", () => {
  const reactions: Record<string, Reaction> = {
    "resets before the headers": raw("", reset),
    "closes before the headers": raw("", end),
    "resets in the headers": raw(head, reset),
    "closes in the headers": raw(head, end),
    "resets after the headers": raw(sized, reset),
    "closes after the headers": raw(sized, end),
    "resets in the body": raw(sized + half, reset),
    "closes in the body": raw(sized + half, end),
    "resets between chunks": raw(chunked + chunk, reset),
    "closes between chunks": raw(chunked + chunk, end),
    "closes in a chunk": raw(chunked + chunk.slice(0, 30), end),
    "writes a chunk size that is none": raw(`${chunked}${chunk}${apiKey}\r\n`, end),
    "resets in a gzip stream": raw(
      Buffer.concat([
        Buffer.from(`${zippedHead}content-length: ${zipped.length}\r\n\r\n`),
        zipped.subarray(0, -12),
      ]),
      reset,
    ),
    "closes in a gzip stream": raw(
      Buffer.concat([
        Buffer.from(`${zippedHead}content-length: ${zipped.length}\r\n\r\n`),
        zipped.subarray(0, -12),
      ]),
      end,
    ),
    "calls text gzip": raw(
      `${zippedHead}connection: close\r\ncontent-length: ${Buffer.byteLength(whole)}\r\n\r\n${whole}`,
      stall,
    ),
    "writes random bytes": raw(noise, end),
    "writes text that is not HTTP": raw(`${echo}\r\n\r\n`, end),
    "writes a header that is none": raw(`${head}${echo}\r\nno header\r\n\r\n`, end),
    "writes headers without end": raw(`${head}x-echo: ${`${echo} `.repeat(1000)}`, stall),
    "switches protocols unasked": raw(
      `HTTP/1.1 101 ${echo}\r\nconnection: upgrade\r\nupgrade: ${apiKey}\r\n\r\n`,
      stall,
    ),
  };

  it.each(Object.keys(reactions))("is an uncertain error when the server %s", async (name) => {
    skipPauses();
    for (const method of methods) {
      const place = server.place(reactions[name] ?? stall);
      const { outcome, value } = await endingOf(method, place.baseUrl);
      expect(outcome).toEqual(expectedWithoutAnswer(method));
      expect((value as Error).message).toContain(asked[method]);
      expect((value as Error).cause).toBeInstanceOf(Error);
      expect(place.received).toHaveLength(outcome.attempts);
      await closed(place.received);
    }
  });

  it.each(methods)("is what a gateway that answers the repeat makes good: %s", async (method) => {
    skipPauses();
    const place = server.place((response, received) => {
      (place.received.length === 1 ? raw(sized + half, reset) : answer(200, whole))(
        response,
        received,
      );
    });
    const { outcome, value } = await endingOf(method, place.baseUrl);
    expect(place.received).toHaveLength(outcome.attempts);
    if (method === "create") expect(outcome).toEqual(expectedWithoutAnswer(method));
    else expect(value).toEqual(task);
  });
});

/** Every connection that carried one of these requests is closed, or the test runs out of time. */
async function closed(received: Received[]): Promise<void> {
  await Promise.all(received.map(({ closed }) => closed));
}

describe("no whole answer in time", () => {
  const limitMs = 300;
  const drip: Reaction = (_, { socket, closed }) => {
    const bytes = Buffer.from(sized + whole);
    let sent = 0;
    const timer = setInterval(() => {
      socket.write(bytes.subarray(sent, (sent += 1)));
    }, 50);
    void closed.then(() => {
      clearInterval(timer);
    });
  };
  const reactions: Record<string, Reaction> = {
    "stalls before the headers": stall,
    "stalls in the headers": raw(head, stall),
    "stalls after the headers": raw(sized, stall),
    "stalls in the body": raw(sized + half, stall),
    "stalls between chunks": raw(chunked + chunk, stall),
    "stalls in a gzip stream": raw(
      Buffer.concat([Buffer.from(`${zippedHead}\r\n`), zipped.subarray(0, -12)]),
      stall,
    ),
    "stalls with a status of 500": raw(sized.replace("200 OK", "500 no") + half, stall),
    "sends a byte every 50 ms": drip,
  };

  it("is an uncertain error, and the connection ends", async () => {
    skipPauses();
    await Promise.all(
      Object.entries(reactions).flatMap(([name, react]) =>
        methods.map(async (method) => {
          const place = server.place(react);
          const startedAt = performance.now();
          const { outcome, value } = await endingOf(method, place.baseUrl, { timeoutMs: limitMs });
          const tookMs = performance.now() - startedAt;
          expect({ name, ...outcome }).toEqual({ name, ...expectedWithoutAnswer(method) });
          expect((value as Error).message).toBe(`${asked[method]} took longer than ${limitMs} ms.`);
          expect(place.received).toHaveLength(outcome.attempts);
          // Timers may fire a millisecond early.
          expect(tookMs).toBeGreaterThan(limitMs * outcome.attempts - 5);
          await closed(place.received);
        }),
      ),
    );
  });

  it("is certain where the time was spent on the key", async () => {
    const place = server.place(answer(200, whole));
    const apiKey = () => new Promise<string>(() => undefined);
    const { outcome } = await endingOf("create", place.baseUrl, {
      apiKey,
      timeoutMs: 20,
      maxRetries: 0,
    });
    expect(outcome).toMatchObject({ error: "ConnectionError", mayHaveCreatedTask: false });
    expect(place.received).toEqual([]);
  });
});

describe("a large answer", () => {
  const mebibyte = 2 ** 20;

  /** Sends the same chunk again until it is enough or the connection is gone. */
  async function pour(response: ServerResponse, bytes: number): Promise<void> {
    const chunk = Buffer.alloc(65_536, "a");
    for (let sent = 0; sent < bytes && !response.destroyed; sent += chunk.length) {
      if (response.write(chunk)) continue;
      await new Promise<void>((resolve) => {
        const goOn = () => {
          response.off("drain", goOn).off("close", goOn);
          resolve();
        };
        response.on("drain", goOn).on("close", goOn);
      });
    }
    response.end();
  }

  function memoryUsed(): number {
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  }

  const announcements: Record<string, Record<string, string>> = {
    "announced by its length": { "content-length": String(50 * mebibyte) },
    "sent in chunks": {},
  };

  it.each(
    [200, 400, 500].flatMap((status) =>
      Object.keys(announcements).map((name) => [status, name] as const),
    ),
  )("with status %i, 50 MB and %s, is read to 1 MiB", async (status, name) => {
    for (const method of methods) {
      const place = server.place((response) => {
        response.writeHead(status, { "retry-after": "0", ...announcements[name] });
        void pour(response, 50 * mebibyte);
      });
      const before = memoryUsed();
      const { outcome, value } = await endingOf(method, place.baseUrl);
      expect(outcome).toEqual({
        ...expected(method, { status, code: undefined, requestId: undefined }),
      });
      expect(place.received).toHaveLength(outcome.attempts);
      await closed(place.received);
      for (const { socket } of place.received) {
        expect(socket.bytesWritten).toBeLessThan(20 * mebibyte);
      }
      expect(memoryUsed() - before).toBeLessThan(20 * mebibyte);
      expect((value as ApiError).body).toHaveLength(2 ** 16 - 2 ** 12);
      expect((value as ApiError).message.length).toBeLessThan(1000);
    }
  });

  it.each(methods)("that gzip expands without end is read to 1 MiB by %s", async (method) => {
    let peak = 0;
    const place = server.place((response) => {
      response.writeHead(200, { "content-encoding": "gzip" });
      const gzip = createGzip({ level: constants.Z_BEST_COMPRESSION });
      const zeros = Buffer.alloc(mebibyte);
      const more = () => {
        peak = Math.max(peak, memoryUsed());
        if (!response.destroyed) gzip.write(zeros, () => setImmediate(more));
      };
      response.once("close", () => gzip.destroy());
      gzip.on("error", () => undefined).pipe(response);
      more();
    });
    const before = memoryUsed();
    const { outcome } = await endingOf(method, place.baseUrl);
    expect(outcome).toEqual(
      expected(method, { status: 200, code: undefined, requestId: undefined }),
    );
    await closed(place.received);
    expect(peak - before).toBeLessThan(60 * mebibyte);
  });

  it("is whole up to exactly 1 MiB", async () => {
    const frame = JSON.stringify({ code: 0, data: { ...task, more: "" } });
    const most = "a".repeat(mebibyte - frame.length);
    const text = (more: string) => JSON.stringify({ code: 0, data: { ...task, more } });
    const exact = server.place((response) => response.end(text(most)));
    const larger = server.place((response) => response.end(text(`${most}a`)));
    for (const method of methods) {
      expect((await endingOf(method, exact.baseUrl)).value).toEqual({ ...task, more: most });
      const { outcome } = await endingOf(method, larger.baseUrl);
      expect(outcome).toMatchObject({ error: "ApiError", status: 200 });
    }
  });
});

describe("a body of a strange shape", () => {
  const text = (value: unknown) => JSON.stringify(value);
  const { task_id, task_status } = task;
  const deep = "[".repeat(100_000) + "]".repeat(100_000);

  const notTasks: Record<string, [body: string | Buffer, code?: number | string]> = {
    "random bytes": [noise],
    "an array nested 100,000 deep": [deep],
    "an array that is never closed": ["[".repeat(100_000)],
    null: ["null"],
    "a number": ["0"],
    "a boolean": ["true"],
    "a text": [text("SUCCEED")],
    "an empty object": ["{}"],
    "an array": ["[]"],
    "an array of envelopes": [text([{ code: 0, data: task }])],
    "the bare task": [text(task)],
    "no code": [text({ message: "SUCCEED", data: task })],
    "a null for a code": [text({ code: null, data: task })],
    "false for a code": [text({ code: false, data: task })],
    "an array for a code": [text({ code: [0], data: task })],
    "a word for a code": [text({ code: "success", data: task }), "success"],
    "no data": [text({ code: 0, message: "SUCCEED" }), 0],
    "null for data": [text({ code: 0, data: null }), 0],
    "a text for data": [text({ code: 0, data: "task-1" }), 0],
    "an array for data": [text({ code: 0, data: [task] }), 0],
    "a deep array for data": [`{"code":0,"data":${deep}}`, 0],
    "a task without an id": [text({ code: 0, data: { task_status } }), 0],
    "an empty task id": [text({ code: 0, data: { task_id: " ", task_status } }), 0],
    "a number for a task id": [text({ code: 0, data: { task_id: 123, task_status } }), 0],
    "an array for a task id": [text({ code: 0, data: { task_id: ["1"], task_status } }), 0],
    "a task without a status": [text({ code: 0, data: { task_id } }), 0],
    "null for a status": [text({ code: 0, data: { task_id, task_status: null } }), 0],
    "a number for a status": [text({ code: 0, data: { task_id, task_status: 1 } }), 0],
    "everything in __proto__": [`{"__proto__":${text({ code: 0, data: task })}}`],
    "the data in __proto__": [`{"code":0,"__proto__":${text({ data: task })}}`, 0],
    "the task in __proto__": [`{"code":0,"data":{"__proto__":${text(task)}}}`, 0],
    "a gzip stream that is cut off, in whole HTTP": [zipped.subarray(0, -12)],
  };

  it.each(Object.keys(notTasks))("is no task: %s", async (name) => {
    const [body = "", code] = notTasks[name] ?? [];
    for (const method of methods) {
      const place = server.place((response) => {
        const isGzip = name.includes("gzip");
        response.writeHead(200, isGzip ? { "content-encoding": "gzip" } : {}).end(body);
      });
      const { outcome } = await endingOf(method, place.baseUrl);
      expect(outcome).toEqual(expected(method, { status: 200, code, requestId: undefined }));
      expect(place.received).toHaveLength(1);
    }
    expect(Object.keys(Object.prototype)).toEqual([]);
    expect("task_id" in {}).toBe(false);
  });

  it.each(["text/html", "text/plain; charset=gbk", "application/octet-stream", "nonsense", ""])(
    "is a task all the same when it is called %s",
    async (type) => {
      const place = server.place((response) => {
        response.writeHead(200, type === "" ? {} : { "content-type": type }).end(whole);
      });
      for (const method of methods) {
        expect((await endingOf(method, place.baseUrl)).value).toEqual(task);
      }
    },
  );

  const tasks: Record<string, Reaction> = {
    "written byte by byte": (response) => {
      const bytes = Buffer.from(text({ code: 0, message: "成功😀", data: task }));
      const write = (index: number) => {
        if (index === bytes.length) response.end();
        else response.write(bytes.subarray(index, index + 1), () => setImmediate(write, index + 1));
      };
      write(0);
    },
    "ended by the connection": raw(`${head}connection: close\r\n\r\n${whole}`, end),
    "in a gzip stream": (response) => {
      response.writeHead(200, { "content-encoding": "gzip" }).end(zipped);
    },
    "after an early hint": (response) => {
      response.writeEarlyHints({ link: "</a>; rel=preload" }, () => response.end(whole));
    },
    "after a byte order mark": (response) => response.end(`\uFEFF${whole}`),
    "with a field 100,000 deep": (response) =>
      response.end(`{"code":0,"message":${deep},"data":${text(task)}}`),
    "with a __proto__ beside it": (response) =>
      response.end(`{"__proto__":{"code":1303},"code":0,"data":${text(task)}}`),
  };

  it.each(Object.keys(tasks))("is a task %s", async (name) => {
    const place = server.place(tasks[name] ?? stall);
    for (const method of methods) {
      expect((await endingOf(method, place.baseUrl)).value).toEqual(task);
    }
  });
});

describe("a redirect", () => {
  it.each([301, 302, 303, 307, 308])("with %i is not followed", async (status) => {
    const other = await startFaultServer();
    const elsewhere = other.place(answer(200, whole));
    for (const method of methods) {
      const place = server.place(answer(status, page, `${elsewhere.baseUrl}${endpoint}`));
      const { outcome, value } = await endingOf(method, place.baseUrl);
      expect(outcome).toMatchObject({ error: "ApiError", status, attempts: 1 });
      expect((value as ApiError).message).toContain(elsewhere.baseUrl);
      expect((value as ApiError).headers.get("location")).toContain(elsewhere.baseUrl);
      expect(place.received).toHaveLength(1);
    }
    expect(elsewhere.received).toEqual([]);
    await other.close();
  });
});

describe("the key that a server echoes", () => {
  const odd = `sk-"odd"\\key/{1}+%41`;
  const escaped = Array.from(
    odd,
    (character) => `\\u00${character.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
  const spellings: Record<string, string> = {
    "as it is": odd,
    "as JSON has it": JSON.stringify(odd).slice(1, -1),
    "as PHP's JSON has it": JSON.stringify(odd).slice(1, -1).replaceAll("/", "\\/"),
    "with every character as an escape": escaped.join(""),
    "with every character as an upper-case escape": escaped
      .join("")
      .toUpperCase()
      .replaceAll("\\U", "\\u"),
    "percent-encoded": encodeURIComponent(odd),
    "in upper case": odd.toUpperCase(),
  };

  it.each(Object.keys(spellings))("is taken out %s", async (name) => {
    const spelling = spellings[name] ?? "";
    const place = server.place((response) => {
      response.writeHead(400, spelling, { "x-echo": spelling, location: `/?key=${spelling}` });
      response.end(`{"code":1201,"message":"${spelling}","request_id":"${spelling}"}`);
    });
    for (const method of methods) {
      const { value } = await endingOf(method, place.baseUrl, { apiKey: odd });
      expect(value).toBeInstanceOf(ApiError);
      const { body, headers, message } = value as ApiError;
      const all = [body, message, inspect(value, { depth: null }), JSON.stringify([...headers])];
      for (const text of all) {
        expect(text).not.toContain(spelling);
        expect(text).not.toContain(odd);
        expect(text).not.toContain(JSON.stringify(spelling).slice(1, -1));
      }
      expect(body).toContain("***");
      expect(headers.get("x-echo")).toBe("***");
    }
  });
});
