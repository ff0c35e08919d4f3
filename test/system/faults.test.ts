// What Node's own fetch makes of a server that misbehaves below HTTP or in it: each call ends as the
// decision table says, and the key is nowhere in what it ends with. The table itself is in unit tests.
import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { inspect } from "node:util";
import { constants, createGzip, gzipSync } from "node:zlib";
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  ApiError,
  createLipSyncClient,
  type LipSyncClientOptions,
  LipSyncError,
} from "../../src/index.js";
import { calls, endpoint, type Method } from "../fixtures/client.js";
import {
  bodyWith,
  decide,
  type Decision,
  ECHO,
  NEVER_CONNECTED,
  UNCERTAIN,
  UNCERTAIN_FOR_GOOD,
} from "../fixtures/decisions.js";
import {
  closedPort,
  type Reaction,
  type Received,
  startFaultServer,
  startTcpServer,
} from "../fixtures/servers.js";

vi.setConfig({ testTimeout: 30_000 });

const apiKey = "sk-fault/Table+0123456789";
const echo = `the key was Bearer ${apiKey}`;
const task = { task_id: "task-1", task_status: "submitted", created_at: 1, updated_at: 2 };

const methods: Method[] = ["create", "get"];
const asked = { create: `POST ${endpoint}`, get: `GET ${endpoint}/t` };

const server = await startFaultServer();
const other = await startFaultServer();
afterAll(() => Promise.all([server.close(), other.close()]));

const { setTimeout } = globalThis;
beforeEach(() => {
  // With this the only pause is 1250 ms, which no limit of these tests is; it is not slept.
  vi.spyOn(Math, "random").mockReturnValue(0.25);
  const set = (callback: (...args: unknown[]) => void, delayMs?: number, ...args: unknown[]) =>
    setTimeout(callback, delayMs === 1250 ? 0 : delayMs, ...args);
  vi.spyOn(globalThis, "setTimeout").mockImplementation(set as typeof setTimeout);
});
afterEach(() => {
  vi.restoreAllMocks();
});

/** Makes one call with at most one retry; whatever comes of it, the key is nowhere in it. */
async function endingOf(method: Method, baseUrl: string, options: LipSyncClientOptions = {}) {
  let attempts = 0;
  const countedKey = () => {
    attempts += 1;
    return apiKey;
  };
  const client = createLipSyncClient({ baseUrl, apiKey: countedKey, ...options });
  const { outcome, value } = await calls[method](client).then(
    (value) => ({ outcome: { error: "none" }, value }),
    (value: unknown) => ({ outcome: describeError(value), value }),
  );
  expect(placesOfKey(value)).toEqual([]);
  // The key is asked for once an attempt.
  return { outcome: { ...outcome, attempts }, value };
}

/** What the documentation promises about an error. */
function describeError(error: unknown): { error: string; mayHaveCreatedTask?: boolean } {
  if (!(error instanceof LipSyncError)) return { error: inspect(error) };
  const { name, mayHaveCreatedTask } = error;
  if (!(error instanceof ApiError)) return { error: name, mayHaveCreatedTask };
  const { status, code, requestId, taskId } = error;
  return Object.assign({ error: name, mayHaveCreatedTask }, { status, code, requestId, taskId });
}

/** The outcome that follows from a decision. */
function decided(error: string, method: Method, decision: Decision) {
  const repeats = method === "create" ? decision.repeatsCreate : decision.repeatsGet;
  const mayHaveCreatedTask = method === "create" && decision.mayHaveCreatedTask;
  return { error, mayHaveCreatedTask, attempts: repeats ? 2 : 1 };
}

/** Where the key can be read in a value, in each of the spellings that a server may echo. */
function placesOfKey(value: unknown): string[] {
  const texts: Record<string, string> = {
    json: JSON.stringify([value]),
    inspect: inspect(value, { depth: null, showHidden: true, maxStringLength: null }),
  };
  for (let error = value, depth = 0; error instanceof Error && depth < 10; depth += 1) {
    texts[`error ${depth}`] = `${String(error)} ${error.stack ?? ""}`;
    error = error.cause;
  }
  if (value instanceof ApiError) texts["api"] = value.body + JSON.stringify([...value.headers]);
  const spellings = [apiKey, encodeURIComponent(apiKey), apiKey.replaceAll("/", "\\/")];
  return Object.keys(texts).filter((place) =>
    spellings.some((spelling) => texts[place]?.includes(spelling)),
  );
}

/** Answers with the key in every place that a response has. */
function echoing(status: number, text: string, location?: string): Reaction {
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

describe("a response of an error", () => {
  // The first could make fetch ask for a password; the last has no body.
  it.each([401, 429, 503, 304])("with %i is sent once an attempt", async (status) => {
    for (const method of methods) {
      const body = bodyWith(echo, { body: `{"code":5000,"message":"${ECHO}"}` });
      const place = server.place(echoing(status, body));
      const { outcome, value } = await endingOf(method, place.baseUrl);
      const code = status === 304 ? undefined : 5000;
      const says = decided("ApiError", method, decide({ status, code }));
      expect(outcome).toEqual({ ...says, status, code, requestId: "request-of-the-header" });
      expect(place.received).toHaveLength(says.attempts);
      expect((value as ApiError).headers.get("x-echo")).toBe("Bearer ***");
    }
  });

  it.each([301, 302, 303, 307, 308])("with %i is not followed", async (status) => {
    for (const method of methods) {
      const elsewhere = other.place(echoing(200, whole));
      const location = `${elsewhere.baseUrl}/here?key=${encodeURIComponent(apiKey)}`;
      const place = server.place(echoing(status, "", location));
      const { outcome, value } = await endingOf(method, place.baseUrl);
      expect(outcome).toMatchObject({ ...decided("ApiError", method, decide({ status })), status });
      expect((value as Error).message).toContain(`${elsewhere.baseUrl}/here?key=***`);
      expect([place.received.length, elsewhere.received.length]).toEqual([1, 0]);
    }
  });
});

describe("a connection that is never made", () => {
  it.each([
    ["at a port that refuses", "http://127.0.0.1:PORT"],
    ["at a name with several addresses", "http://localhost:PORT"],
    ["for TLS", "https://127.0.0.1:PORT"],
    ["to a port that fetch refuses", "http://127.0.0.1:1"],
    // A label is at most 63 letters long, so that no resolver is asked.
    ["to a name that does not exist", `http://${"a".repeat(64)}.invalid`],
  ])("is certain, and is tried again: %s", async (_, origin) => {
    const port = String(await closedPort());
    for (const method of methods) {
      const { outcome } = await endingOf(method, origin.replace("PORT", port));
      expect(outcome).toEqual(decided("ConnectionError", method, NEVER_CONNECTED));
    }
  });
});

describe("a failed TLS handshake", () => {
  const tls = createTlsServer().on("tlsClientError", () => undefined);
  const plain = "HTTP/1.1 400 Bad Request\r\n\r\n";

  it.each<[string, (socket: Socket) => void]>([
    ["resets", (socket) => socket.once("data", () => socket.resetAndDestroy())],
    ["speaks plain HTTP", (socket) => socket.once("data", () => socket.end(plain))],
    ["has no certificate", (socket) => tls.emit("connection", socket)],
  ])("is not certain when the server %s", async (_, react) => {
    for (const method of methods) {
      const tcp = await startTcpServer(react);
      const { outcome } = await endingOf(method, `https://127.0.0.1:${tcp.port}`);
      expect(outcome).toEqual(decided("ConnectionError", method, UNCERTAIN));
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
const length = `content-length: ${Buffer.byteLength(whole)}\r\n\r\n`;
const sized = head + length;
const chunked = `${head}transfer-encoding: chunked\r\n\r\n`;
const chunk = `${Buffer.byteLength(half).toString(16)}\r\n${half}\r\n`;
const zipped = gzipSync(whole);
const zippedHead = `${head}content-encoding: gzip\r\n`;
const halfZipped = Buffer.concat([
  Buffer.from(`${zippedHead}content-length: ${zipped.length}\r\n\r\n`),
  zipped.subarray(0, -12),
]);
/** Bytes that look random and are the same every time; the first is no letter of HTTP's. */
const noise = Buffer.from(Array.from({ length: 4096 }, (_, n) => (n * n * 31 + n * 7 + 0x16) >> 3));

describe("no complete response", () => {
  const upgrade = `connection: upgrade\r\nupgrade: ${apiKey}\r\n\r\n`;

  it.each([
    ["resets before the headers", "", reset],
    ["closes before the headers", "", end],
    ["resets in the headers", head, reset],
    ["closes in the headers", head, end],
    ["resets after the headers", sized, reset],
    ["closes after the headers", sized, end],
    ["resets in the body", sized + half, reset],
    ["closes in the body", sized + half, end],
    ["resets between chunks", chunked + chunk, reset],
    ["closes between chunks", chunked + chunk, end],
    ["closes in a chunk", chunked + chunk.slice(0, 30), end],
    ["writes an invalid chunk size", `${chunked}${chunk}${apiKey}\r\n`, end],
    ["resets in a gzip stream", halfZipped, reset],
    ["closes in a gzip stream", halfZipped, end],
    ["calls text gzip", `${zippedHead}connection: close\r\n${length}${whole}`, stall],
    ["writes random bytes", noise, end],
    ["writes text that is not HTTP", `${echo}\r\n\r\n`, end],
    ["writes an invalid header", `${head}${echo}\r\nno header\r\n\r\n`, end],
    ["writes headers without end", `${head}x-echo: ${`${echo} `.repeat(1000)}`, stall],
    ["switches protocols unasked", `HTTP/1.1 101 ${echo}\r\n${upgrade}`, stall],
  ])("is not certain when the server %s", async (_, text, next) => {
    for (const method of methods) {
      const place = server.place(raw(text, next));
      const { outcome, value } = await endingOf(method, place.baseUrl);
      expect(outcome).toEqual(decided("ConnectionError", method, UNCERTAIN));
      expect((value as Error).message).toContain(`${asked[method]} got no complete response`);
      expect((value as Error).cause).toBeInstanceOf(Error);
      expect(place.received).toHaveLength(outcome.attempts);
      await closed(place.received);
    }
  });
});

/** Every connection that carried one of these requests is closed, or the test runs out of time. */
async function closed(received: Received[]): Promise<void> {
  await Promise.all(received.map(({ closed }) => closed));
}

describe("no complete response in time", () => {
  // A busy machine may need a while before the server has the request.
  const timeoutMs = 500;
  const drip: Reaction = (_, { socket, closed }) => {
    const bytes = Buffer.from(sized + whole);
    let sent = 0;
    const timer = setInterval(() => socket.write(bytes.subarray(sent, (sent += 1))), 50);
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
    "stalls in a gzip stream": raw(halfZipped, stall),
    "stalls with a status of 500": raw(sized.replace("200 OK", "500 no") + half, stall),
    "sends a byte every 50 ms": drip,
  };

  it.each(methods)("of %s is not certain, and the connection ends", async (method) => {
    const ends = Object.entries(reactions).map(async ([name, react]) => {
      const place = server.place(react);
      const startedAt = performance.now();
      const { outcome, value } = await endingOf(method, place.baseUrl, { timeoutMs });
      const tookMs = performance.now() - startedAt;
      const right = decided("ConnectionError", method, UNCERTAIN);
      expect({ name, ...outcome }).toEqual({ name, ...right });
      const said = `${asked[method]} timed out after ${timeoutMs} ms.`;
      expect((value as Error).message).toContain(said);
      // Timers may fire a millisecond early.
      expect(tookMs).toBeGreaterThan(timeoutMs * outcome.attempts - 5);
      await closed(place.received);
    });
    await Promise.all(ends);
  });
});

describe("a large response", () => {
  const mebibyte = 2 ** 20;

  /** Sends the same chunk again until it is enough or the connection is gone. */
  function pour(response: ServerResponse, bytes: number): void {
    const chunk = Buffer.alloc(65_536, "a");
    let sent = 0;
    const more = () => {
      while (sent < bytes && !response.destroyed) {
        sent += chunk.length;
        if (!response.write(chunk)) return;
      }
      response.end();
    };
    response.on("drain", more);
    more();
  }

  function memoryUsed(): number {
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  }

  const sized = { "content-length": String(50 * mebibyte) };
  const cases = [
    { status: 200, name: "announced by its length", headers: sized },
    { status: 500, name: "sent in chunks", headers: {} },
  ];

  it.each(cases)("with $status, 50 MB, $name, is read to 1 MiB", async ({ status, headers }) => {
    for (const method of methods) {
      const place = server.place((response) => {
        response.writeHead(status, { "retry-after": "0", ...headers });
        pour(response, 50 * mebibyte);
      });
      const before = memoryUsed();
      const { outcome, value } = await endingOf(method, place.baseUrl);
      expect(outcome).toEqual({ ...decided("ApiError", method, decide({ status })), status });
      expect(place.received).toHaveLength(outcome.attempts);
      await closed(place.received);
      for (const { socket } of place.received) {
        expect(socket.bytesWritten).toBeLessThan(20 * mebibyte);
      }
      expect(memoryUsed() - before).toBeLessThan(20 * mebibyte);
      expect((value as ApiError).body).toHaveLength(60 * 1024);
      expect((value as ApiError).message.length).toBeLessThan(1000);
    }
  });

  it("that gzip expands without end is read to 1 MiB", async () => {
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
    const { outcome } = await endingOf("create", place.baseUrl);
    expect(outcome).toMatchObject(decided("ApiError", "create", UNCERTAIN_FOR_GOOD));
    await closed(place.received);
    expect(peak - before).toBeLessThan(60 * mebibyte);
  });
});

describe("a response that comes in a strange way", () => {
  const typed = (headers: Record<string, string>, body: string | Buffer = whole): Reaction => {
    return (response) => response.writeHead(200, headers).end(body);
  };
  const inBytes: Reaction = (response) => {
    const bytes = Buffer.from(JSON.stringify({ code: 0, message: "成功😀", data: task }));
    const write = (index: number) => {
      if (index === bytes.length) response.end();
      else response.write(bytes.subarray(index, index + 1), () => setImmediate(write, index + 1));
    };
    write(0);
  };
  const hinted: Reaction = (response) => {
    response.writeEarlyHints({ link: "</a>; rel=preload" }, () => response.end(whole));
  };

  it.each([
    ["written byte by byte", inBytes],
    ["ended by the connection", raw(`${head}connection: close\r\n\r\n${whole}`, end)],
    ["in a gzip stream", typed({ "content-encoding": "gzip" }, zipped)],
    ["after an early hint", hinted],
  ])("is a task all the same: %s", async (_, react) => {
    const place = server.place(react);
    for (const method of methods) {
      expect((await endingOf(method, place.baseUrl)).value).toEqual(task);
    }
  });

  it("is not a task if its gzip stream is cut off in complete HTTP", async () => {
    const place = server.place(typed({ "content-encoding": "gzip" }, zipped.subarray(0, -12)));
    for (const method of methods) {
      const { outcome } = await endingOf(method, place.baseUrl);
      expect(outcome).toMatchObject(decided("ApiError", method, UNCERTAIN_FOR_GOOD));
    }
  });
});
