// Thousands of calls against the fake gateway, with faults injected at random, on a virtual clock.
// A failure names its seed. One seed alone: SEED=123 npx vitest run test/system/simulation.test.ts
// More than usual: RUNS=50000 npx vitest run test/system/simulation.test.ts
import { getEventListeners } from "node:events";
import { inspect } from "node:util";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import {
  ApiError,
  ConfigurationError,
  ConnectionError,
  createLipSyncClient,
  LipSyncError,
  TaskFailedError,
  TaskTimeoutError,
  type LipSyncClientOptions,
  type LipSyncRequest,
  type LipSyncTask,
} from "../../src/index.js";
import { createFakeGateway, type FakeGateway } from "../../src/testing.js";

const RUNS = Number(process.env["RUNS"] ?? 3000);
const NOW = Date.UTC(2026, 0, 1);
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const OLD_KEY = "a-key-of-yesterday";
const DAY = 24 * 60 * MINUTE;

/** Everything random in one run comes from one of these. */
interface Chance {
  (): number;
  /** Whether something happens that has this probability. */
  happens(probability: number): boolean;
  below(limit: number): number;
  pick<T>(choices: readonly [T, ...T[]]): T;
}

function chanceOf(seed: number): Chance {
  let state = seed >>> 0;
  // mulberry32
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (limit: number) => Math.floor(next() * limit);
  return Object.assign(next, {
    below,
    happens: (probability: number) => next() < probability,
    pick: <T>(choices: readonly [T, ...T[]]) => choices[below(choices.length)] ?? choices[0],
  });
}

/** What the design says about a failed attempt, written down once more, independently of src/. */
interface Verdict {
  /** It is certain that no task was created. */
  isRefused: boolean;
  repeatsCreate: boolean;
  repeatsGet: boolean;
}

const NOT_CONNECTED: Verdict = { isRefused: true, repeatsCreate: true, repeatsGet: true };
const TOO_MANY: Verdict = { isRefused: true, repeatsCreate: true, repeatsGet: true };
const REFUSED: Verdict = { isRefused: true, repeatsCreate: false, repeatsGet: false };
const UNCERTAIN: Verdict = { isRefused: false, repeatsCreate: false, repeatsGet: true };
const SENSELESS: Verdict = { isRefused: false, repeatsCreate: false, repeatsGet: false };

/** One request that a call sent. */
interface Step {
  method: string;
  at: number;
  fault: string;
  /** Its end: the answer, the failure, or the attempt's own limit. */
  endedAt?: number;
  /** Why it failed; `undefined` for an answered task. */
  verdict?: Verdict | undefined;
  task?: LipSyncTask;
  retryAfterMs?: number | undefined;
}

type Kind = "create" | "get" | "wait";
type Outcome = { value: LipSyncTask } | { reason: unknown };

/** One call of the client, and all that the test knows about it. */
interface Observed {
  kind: Kind;
  startedAt: number;
  settledAt: number;
  outcome: Outcome | undefined;
  steps: Step[];
  created: string[];
  /** What the caller's own functions threw: the key function, and onUpdate. */
  thrown: unknown[];
  badKeys: number;
  keysAsked: number;
  lastKeyAskedAt: number;
  updates: number;
  hasSlowKey: boolean;
  maxRetries: number;
  attemptMs: number;
  intervalMs: number;
  waitMs: number;
  openStreams: number;
  /** Whether the caller aborted while it was pending, or before. */
  isAborted: boolean;
}

/** What one run is about: the gateway, the caller's signal and how bad the weather is. */
interface World {
  chance: Chance;
  gateway: FakeGateway;
  signal: AbortSignal | undefined;
  abortedAt: number | undefined;
  faultRate: number;
  requests: number;
  oddPolls: number;
  calls: Observed[];
  /** Timers of the test itself that no signal clears. */
  ownTimers: number;
}

interface Exchange {
  world: World;
  call: Observed;
  step: Step;
  signal: AbortSignal;
  /** The key that was sent. */
  key: string;
  /** Lets the gateway handle the request. */
  reach: () => Promise<{ status: number; text: string }>;
}

interface Fault {
  /** Whether the gateway may have handled the request: then it does so in half of the cases. */
  mayReach: boolean;
  verdict: Verdict;
  answer: (exchange: Exchange) => Response | Promise<Response>;
}

/** The header's text, and what it asks for, if anything. */
type RetryAfter = [text: string, ms?: number];

const RETRY_AFTER: readonly [() => RetryAfter, ...(() => RetryAfter)[]] = [
  () => ["0", 0],
  () => ["5", 5 * SECOND],
  () => ["1.5", 1.5 * SECOND],
  () => ["120", 2 * MINUTE],
  () => ["259200", 3 * DAY],
  () => inHttpDate(30 * SECOND),
  () => inHttpDate(2 * DAY),
  () => [new Date(Date.now() - DAY).toUTCString(), 0],
  () => ["soon"],
  () => ["-5"],
  () => [""],
  () => ["Infinity"],
];

function inHttpDate(ms: number): RetryAfter {
  const date = new Date(Date.now() + ms).toUTCString();
  return [date, Date.parse(date) - Date.now()];
}

function answering(
  mayReach: boolean,
  verdict: Verdict,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): Fault {
  return {
    mayReach,
    verdict,
    answer({ world, step, key }) {
      const all = new Headers(headers);
      if (world.chance.happens(0.4)) {
        const [text, ms] = world.chance.pick(RETRY_AFTER)();
        all.set("retry-after", text);
        step.retryAfterMs = ms;
      }
      // Some gateways echo what they were sent.
      const echo = world.chance.happens(0.1) ? ` (${key})` : "";
      if (echo) all.set("x-echo", echo);
      const text = typeof body === "string" ? body : JSON.stringify(body);
      return new Response(text.replace("ECHO", echo), { status, headers: all });
    },
  };
}

const failing = (mayReach: boolean, verdict: Verdict, error: (key: string) => unknown): Fault => ({
  mayReach,
  verdict,
  answer: ({ key }) => Promise.reject(error(key)),
});

function fetchFailed(message: string, details: Record<string, unknown>): TypeError {
  return new TypeError("fetch failed", { cause: Object.assign(new Error(message), details) });
}

const envelope = (code: unknown) => ({ code, message: "no ECHO", request_id: "request-x" });
const HTML = "<html><body>ECHO</body></html>";

/** Sends the first half of the answer; what comes after it is up to `then`. */
const halved = (
  verdict: Verdict,
  then: (exchange: Exchange, controller: ReadableStreamDefaultController<Uint8Array>) => void,
): Fault => ({
  mayReach: true,
  verdict,
  async answer(exchange) {
    const { text } = await exchange.reach();
    const half = new TextEncoder().encode(text).slice(0, Math.floor(text.length / 2));
    return new Response(
      new ReadableStream<Uint8Array>({
        start(controller) {
          controller.enqueue(half);
          then(exchange, controller);
        },
        cancel() {
          exchange.call.openStreams--;
        },
      }),
    );
  },
});

const FAULTS: Record<string, Fault> = {
  ECONNREFUSED: failing(false, NOT_CONNECTED, () =>
    fetchFailed("connect ECONNREFUSED", { code: "ECONNREFUSED", syscall: "connect" }),
  ),
  ENOTFOUND: failing(false, NOT_CONNECTED, () =>
    fetchFailed("getaddrinfo ENOTFOUND", { code: "ENOTFOUND", syscall: "getaddrinfo" }),
  ),
  "ETIMEDOUT while connecting": failing(false, NOT_CONNECTED, () =>
    fetchFailed("connect ETIMEDOUT", { code: "ETIMEDOUT", syscall: "connect" }),
  ),
  UND_ERR_CONNECT_TIMEOUT: failing(false, NOT_CONNECTED, () =>
    fetchFailed("Connect Timeout Error", { code: "UND_ERR_CONNECT_TIMEOUT" }),
  ),
  "Bun's ConnectionRefused": failing(false, NOT_CONNECTED, () =>
    Object.assign(new Error("Unable to connect."), { code: "ConnectionRefused" }),
  ),
  "Deno's client error (Connect)": failing(false, NOT_CONNECTED, () =>
    fetchFailed("client error (Connect): tcp connect error", {}),
  ),
  ECONNRESET: failing(true, UNCERTAIN, (key) =>
    fetchFailed(`read ECONNRESET ${key}`, { code: "ECONNRESET", syscall: "read" }),
  ),
  EPIPE: failing(true, UNCERTAIN, () => fetchFailed("write EPIPE", { code: "EPIPE" })),
  CERT_HAS_EXPIRED: failing(true, UNCERTAIN, () =>
    fetchFailed("certificate has expired", { code: "CERT_HAS_EXPIRED" }),
  ),
  "a bare TypeError": failing(true, UNCERTAIN, () => new TypeError("network error")),
  "a falsy rejection": failing(true, UNCERTAIN, () => undefined),
  "a body that breaks off": halved(UNCERTAIN, (_, controller) => {
    // Once the reader has the first half, as a socket does it.
    void Promise.resolve().then(() => {
      controller.error(new TypeError("terminated", { cause: new Error("other side closed") }));
    });
  }),
  "a body that breaks off with ECONNREFUSED": halved(UNCERTAIN, (_, controller) => {
    void Promise.resolve().then(() => {
      controller.error(fetchFailed("connect", { code: "ECONNREFUSED", syscall: "connect" }));
    });
  }),
  "a body that ends early": halved(SENSELESS, (_, controller) => {
    controller.close();
  }),
  "a body that stalls": halved(UNCERTAIN, ({ call, step }) => {
    call.openStreams++;
    delete step.endedAt;
  }),
  "no answer": {
    mayReach: true,
    verdict: UNCERTAIN,
    answer: ({ signal }) =>
      new Promise((_, reject) => {
        signal.addEventListener("abort", () => {
          reject(signal.reason);
        });
      }),
  },
  "no answer, and deaf to an abort": {
    mayReach: true,
    verdict: UNCERTAIN,
    answer: () => new Promise(() => undefined),
  },
  "an answer after the abort": {
    mayReach: true,
    verdict: UNCERTAIN,
    async answer({ world, call, step, reach }) {
      await pause(world, 10 * MINUTE);
      const answer = deliver(step, await reach());
      if (step.task ?? step.verdict === REFUSED) return answer;
      call.openStreams++;
      const cancel = () => {
        call.openStreams--;
      };
      return new Response(new ReadableStream({ cancel }));
    },
  },
  "HTML 502": answering(true, UNCERTAIN, 502, HTML),
  "HTML 504": answering(true, UNCERTAIN, 504, HTML),
  "HTML 524": answering(true, UNCERTAIN, 524, HTML),
  "500 insert_task_failed": answering(true, UNCERTAIN, 500, envelope("insert_task_failed")),
  "500 5000": answering(true, UNCERTAIN, 500, envelope(5000)),
  "503 5001": answering(true, UNCERTAIN, 503, envelope(5001)),
  "408": answering(true, UNCERTAIN, 408, ""),
  "HTML 200": answering(true, SENSELESS, 200, HTML),
  "200 5000": answering(true, SENSELESS, 200, envelope(5000)),
  "200 without a task": answering(true, SENSELESS, 200, envelope(0)),
  "303": answering(true, SENSELESS, 303, "", { location: "https://elsewhere.invalid/" }),
  "429 empty": answering(false, TOO_MANY, 429, ""),
  "429 in words": answering(false, TOO_MANY, 429, "当前分组上游负载已饱和 ECHO"),
  "429 with a word as its code": answering(false, TOO_MANY, 429, {
    error: { message: "slow down", code: "rate_limit_exceeded" },
  }),
  "429 1302": answering(false, TOO_MANY, 429, envelope(1302)),
  '429 "1303"': answering(false, TOO_MANY, 429, envelope("1303")),
  "200 1302": answering(false, TOO_MANY, 200, envelope(1302)),
  '200 "1303"': answering(false, TOO_MANY, 200, envelope("1303")),
  // A word inside of a gateway's own envelope is no refusal by Kling.
  "200 with 1302 inside of error": answering(true, UNCERTAIN, 200, { error: envelope(1302) }),
  "500 with 1302 inside of error": answering(true, UNCERTAIN, 500, { error: envelope(1302) }),
  "429 1102": answering(false, REFUSED, 429, envelope(1102)),
  "429 1304": answering(false, REFUSED, 429, envelope(1304)),
  "200 1201": answering(false, REFUSED, 200, envelope(1201)),
  "401 1002": answering(false, REFUSED, 401, envelope(1002)),
  "403 1103": answering(false, REFUSED, 403, envelope(1103)),
  "404 HTML": answering(false, REFUSED, 404, HTML),
  "404 1203": answering(false, REFUSED, 404, envelope(1203)),
  "302": answering(false, REFUSED, 302, "", { location: "https://elsewhere.invalid/" }),
  "307": answering(false, REFUSED, 307, "", { location: "https://elsewhere.invalid/" }),
};
const FAULT_NAMES = Object.keys(FAULTS) as [string, ...string[]];
const NO_FAULT = "none";

/** A pause that nothing cuts short. */
function pause(world: World, ms: number): Promise<void> {
  world.ownTimers++;
  return new Promise((resolve) => {
    setTimeout(() => {
      world.ownTimers--;
      resolve();
    }, ms);
  });
}

/** What the network takes; ends with the request. */
function travel({ chance }: World, signal: AbortSignal): Promise<void> {
  const ms = chance.pick([0, 0, 0, 0, 0, 0, 2 * SECOND, 2 * SECOND, MINUTE, 5 * MINUTE]);
  if (ms === 0) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, chance.below(ms));
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

/** The gateway's `fetch` in bad weather, for one call. */
function faultyFetch(world: World, call: Observed): typeof fetch {
  const { chance, gateway } = world;
  return async (input, init) => {
    const { method, signal } = init ?? {};
    must(method === "POST" || method === "GET", `a ${String(method)} is sent`);
    must(signal, "a request without a signal is sent");
    must(call.outcome === undefined, "a request is sent after the call has ended");
    must(init?.redirect === "manual", "a redirect is followed");
    must((method === "POST") === (call.kind === "create"), `${call.kind} sends a ${method}`);
    must(call.created.length === 0, "a request is sent after the task was created");

    const isCalm = world.requests++ > 30 || !chance.happens(world.faultRate);
    const name = isCalm ? NO_FAULT : chance.pick(FAULT_NAMES);
    const step: Step = { method, at: Date.now(), fault: name };
    call.steps.push(step);
    signal.addEventListener("abort", () => {
      if (step.endedAt !== undefined) return;
      step.endedAt = Date.now();
      step.fault += ", cut off";
      step.verdict = UNCERTAIN;
      delete step.retryAfterMs;
      delete step.task;
    });

    const handle = async () => {
      const answer = await gateway.fetch(input, init);
      const text = await answer.text();
      if (method === "POST" && answer.status === 200) call.created.push(taskIn(text).task_id);
      return { status: answer.status, text };
    };
    let handled: ReturnType<typeof handle> | undefined;
    const reach = () => (handled ??= handle());
    await travel(world, signal);
    const fault = FAULTS[name];
    if (!fault) {
      const { status, text } = await reach();
      const odd = method === "GET" && status === 200 ? makeOdd(world, text) : text;
      await travel(world, signal);
      return deliver(step, { status, text: odd });
    }
    if (fault.mayReach && chance.happens(0.5)) await reach();
    await travel(world, signal);
    if (!name.startsWith("no answer") && !name.includes("after the abort")) {
      step.endedAt = Date.now();
      step.verdict = fault.verdict;
    }
    const key = new Headers(init.headers).get("authorization")?.slice("Bearer ".length);
    must(key === gateway.apiKey || key === OLD_KEY, "another key is sent");
    const exchange: Exchange = { world, call, step, signal, key, reach };
    return fault.answer(exchange);
  };
}

/** The gateway's own answer, which comes unless the attempt has ended before. */
function deliver(step: Step, { status, text }: { status: number; text: string }): Response {
  if (step.endedAt === undefined) {
    step.endedAt = Date.now();
    if (status === 200) step.task = taskIn(text);
    else step.verdict = REFUSED;
  }
  return new Response(text, { status });
}

function taskIn(text: string): LipSyncTask {
  return (JSON.parse(text) as { data: LipSyncTask }).data;
}

/** Some polls see a status of the future, or a success without its video. */
function makeOdd({ chance, oddPolls, requests }: World, text: string): string {
  if (requests > 30 || requests % 8 >= oddPolls) return text;
  const parsed = JSON.parse(text) as { data: LipSyncTask };
  const result: unknown = chance.pick<unknown>([undefined, null, {}, { videos: [] }, "soon"]);
  const odd = chance.pick<object>([
    { task_status: "queued" },
    { task_status: "" },
    { task_status: "succeed", task_result: result },
  ]);
  return JSON.stringify({ ...parsed, data: { ...parsed.data, ...odd } });
}

/** A key as callers give it: a string, or a function that is slow, fails or gives an old one. */
function keyOf(world: World, call: Observed): LipSyncClientOptions["apiKey"] {
  const { chance, gateway } = world;
  const trouble = chance.pick([0, 0, 0.05, 0.3]);
  if (chance.happens(0.5)) {
    call.keysAsked = Infinity;
    return gateway.apiKey;
  }
  if (chance.happens(0.3)) {
    return () => {
      call.keysAsked++;
      return `Bearer ${gateway.apiKey}`;
    };
  }
  call.hasSlowKey = true;
  return async () => {
    call.keysAsked++;
    call.lastKeyAskedAt = Date.now();
    await pause(world, chance.below(chance.pick([1, 10, SECOND, 90 * SECOND])));
    if (chance.happens(trouble)) {
      const error = chance.pick<unknown>([new Error("no key"), "no key", null, undefined, 0]);
      call.thrown.push(error);
      return Promise.reject(error);
    }
    if (chance.happens(trouble)) {
      call.badKeys++;
      return chance.pick(["", "two\nlines", "{{YOUR_API_KEY}}"]);
    }
    return chance.happens(trouble) ? OLD_KEY : gateway.apiKey;
  };
}

/** The first one counts, also where the client takes it for a failed fetch. */
let violation: Violation | undefined;

function must(condition: unknown, otherwise: string): asserts condition {
  if (condition) return;
  violation ??= new Violation(otherwise);
  throw violation;
}

/** What a run finds. */
class Violation extends Error {
  override readonly name = "Violation";
}

function begin(world: World, kind: Kind, taskId: string, text: string): Observed {
  const { chance, gateway, signal } = world;
  const maxRetries = chance.pick([undefined, undefined, 0, 1, 5]);
  const isSureToEnd = world.abortedAt === undefined && signal !== undefined;
  const timeouts = [undefined, undefined, SECOND, 10 * SECOND, 5 * MINUTE] as const;
  // An attempt without a limit ends only because the caller aborts it.
  const attemptMs = isSureToEnd && chance.happens(0.1) ? Infinity : chance.pick(timeouts);
  const intervalMs = chance.pick([undefined, 50, SECOND, 7 * SECOND, MINUTE]);
  const waitMs = chance.pick([undefined, 0, 1, 5 * SECOND, MINUTE, 10 * MINUTE, 2 * DAY, Infinity]);
  const call: Observed = {
    kind,
    startedAt: Date.now(),
    settledAt: NaN,
    outcome: undefined,
    steps: [],
    created: [],
    thrown: [],
    badKeys: 0,
    keysAsked: 0,
    lastKeyAskedAt: NaN,
    updates: 0,
    hasSlowKey: false,
    maxRetries: kind === "wait" ? 0 : (maxRetries ?? 2),
    attemptMs: attemptMs ?? MINUTE,
    intervalMs: intervalMs ?? 10 * SECOND,
    waitMs: waitMs ?? 30 * MINUTE,
    openStreams: 0,
    isAborted: signal?.aborted === true,
  };
  world.calls.push(call);
  const fetch = faultyFetch(world, call);
  const perCall = chance.happens(0.5) ? { maxRetries } : {};
  const { baseUrl } = gateway;
  const options: LipSyncClientOptions = { baseUrl, apiKey: keyOf(world, call), fetch };
  const client = createLipSyncClient({ ...options, maxRetries, timeoutMs: attemptMs });
  const request: LipSyncRequest = {
    input: { mode: "text2video", video_id: "v", text, voice_id: "w", voice_language: "zh" },
  };
  const troubles = chance.happens(0.1) ? 0.3 : 0;
  const onUpdate = () => {
    call.updates++;
    if (!chance.happens(troubles)) return;
    const error = new Error("the caller's own");
    call.thrown.push(error);
    throw error;
  };
  const promise = {
    create: () => client.create(request, { signal, ...perCall }),
    get: () => client.get(taskId, { signal, ...perCall }),
    wait: () => client.wait(taskId, { signal, intervalMs, timeoutMs: waitMs, onUpdate }),
  }[kind]();
  const settle = (outcome: Outcome) => {
    call.outcome = outcome;
    call.settledAt = Date.now();
  };
  promise.then(
    (value) => {
      settle({ value });
    },
    (reason: unknown) => {
      settle({ reason });
    },
  );
  return call;
}

/** Lets everything happen that needs no time. */
function breathe(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function mustBeUnheard({ signal }: World): void {
  const { length } = signal ? getEventListeners(signal, "abort") : [];
  must(length === 0, `${length} listeners are left on the caller's signal`);
}

/** Lets the virtual clock run until the calls have ended, then until it has run out. */
async function drive(world: World, calls: Observed[]): Promise<void> {
  const isEveryEnded = () => calls.every(({ outcome }) => outcome !== undefined);
  await breathe();
  for (let timers = 0; !isEveryEnded(); timers++) {
    must(vi.getTimerCount() > 0, "a call never ends: it is pending and no timer is left");
    must(timers < 20_000, "a call does not end");
    vi.advanceTimersToNextTimer();
    await breathe();
    if (violation) throw violation;
  }
  must(vi.getTimerCount() === world.ownTimers, "a timer is left behind");
  mustBeUnheard(world);
  const isEveryClosed = () => calls.every(({ openStreams }) => openStreams === 0);
  must(isEveryClosed(), "an answer's body is left open");
  // A slow key or a deaf fetch still ends; nothing may come of it.
  while (vi.getTimerCount() > 0) {
    vi.advanceTimersToNextTimer();
    await breathe();
  }
  must(isEveryClosed(), "the body of a late answer is left open");
  if (violation) throw violation;
}

const RATES = [0, 0.1, 0.3, 0.6, 0.9, 1] as const;
const REASONS = [undefined, null, 0, "", false, "a word", new Error("mine")] as const;

function abortAtRandom(world: World): () => void {
  const { chance } = world;
  world.signal = undefined;
  world.abortedAt = undefined;
  if (chance.happens(0.5)) return () => undefined;
  const controller = new AbortController();
  world.signal = controller.signal;
  const abort = () => {
    world.abortedAt = Date.now();
    for (const call of world.calls) call.isAborted = call.outcome === undefined;
    controller.abort(
      chance.happens(0.1) ? new ConnectionError("also mine") : chance.pick<unknown>(REASONS),
    );
  };
  if (chance.happens(0.05)) {
    abort();
    return () => undefined;
  }
  const after = chance.pick([1, 100, 5 * SECOND, MINUTE, 20 * MINUTE, DAY]);
  world.ownTimers++;
  const timer = setTimeout(() => {
    world.ownTimers--;
    abort();
  }, chance.below(after));
  return () => {
    if (world.abortedAt !== undefined) return;
    clearTimeout(timer);
    world.ownTimers--;
  };
}

/** Starts calls, lets them end and checks each of them. */
async function act(world: World, start: () => Observed[]): Promise<Observed[]> {
  const { chance, signal: before } = world;
  must(before === undefined, "the last act is not over");
  world.faultRate = chance.pick(RATES);
  world.oddPolls = chance.pick([0, 0, 2, 6]);
  world.requests = 0;
  world.calls = [];
  const stopAborting = abortAtRandom(world);
  const calls = start();
  await drive(world, calls);
  stopAborting();
  must(vi.getTimerCount() === 0, "a timer is left behind at the end");
  for (const call of calls) check(world, call);
  mustBeUnheard(world);
  world.signal = undefined;
  return calls;
}

/** The promises, one by one. */
function check(world: World, call: Observed): void {
  const { kind, outcome, steps, created } = call;
  must(outcome, "the call has not ended");
  must(created.length <= 1, `one create has made ${created.length} tasks`);
  must(
    steps.every(({ method }) => (method === "POST") === (kind === "create")),
    "wrong method",
  );
  must(call.keysAsked >= steps.length, "a request is sent without asking for the key");
  checkRepeats(call);

  const { abortedAt = NaN, signal } = world;
  if (call.isAborted) {
    must("reason" in outcome, `an aborted ${kind} resolves`);
    must(Object.is(outcome.reason, signal?.reason), "an abort does not reject with its reason");
    must(call.settledAt === Math.max(abortedAt, call.startedAt), "an abort is noticed late");
    return;
  }
  if ("value" in outcome) checkValue(call, outcome.value);
  else checkReason(world, call, outcome.reason);
}

function checkRepeats(call: Observed): void {
  const { kind, steps, intervalMs, maxRetries, startedAt } = call;
  steps.forEach((step, index) => {
    const next = steps[index + 1];
    if (!next) return;
    const { verdict, endedAt, retryAfterMs = 0, fault } = step;
    must(endedAt !== undefined, `a request is sent before ${fault} has ended`);
    const pauseMs = next.at - endedAt;
    if (kind === "wait") {
      must(verdict?.repeatsGet ?? true, `wait goes on after ${fault}`);
      must(pauseMs > Math.max(intervalMs, retryAfterMs) - 1, `${pauseMs} ms after ${fault}`);
      return;
    }
    const mayRepeat = kind === "create" ? verdict?.repeatsCreate : verdict?.repeatsGet;
    must(mayRepeat === true, `${kind} is repeated after ${fault}`);
    must(retryAfterMs <= MINUTE, `${kind} sleeps for ${retryAfterMs} ms`);
    const leastMs = step.retryAfterMs ?? SECOND;
    const mostMs = step.retryAfterMs ?? SECOND * (1 + Math.min(60, 2 ** index));
    must(pauseMs > leastMs - 1, `${kind} is repeated ${pauseMs} ms after ${fault}`);
    must(call.hasSlowKey || pauseMs <= mostMs, `${kind} waits for ${pauseMs} ms after ${fault}`);
  });
  if (kind === "wait") {
    const elapsedMs = (steps.at(-1)?.at ?? startedAt) - startedAt;
    const answered = steps.filter(({ task }) => task).length;
    must(call.updates === answered, `${call.updates} updates for ${answered} answered polls`);
    must(steps.length <= 1 + elapsedMs / intervalMs, `${steps.length} polls in ${elapsedMs} ms`);
  } else {
    must(steps.length <= 1 + maxRetries, `${steps.length} requests, ${maxRetries} retries`);
    const longestMs = (1 + maxRetries) * call.attemptMs + maxRetries * (MINUTE + SECOND);
    must(call.settledAt - startedAt <= longestMs, `${kind} takes longer than its limits allow`);
  }
}

function checkValue({ kind, steps, created }: Observed, task: LipSyncTask): void {
  must(steps.at(-1)?.task?.task_id === task.task_id, "the task is not that of the last answer");
  if (kind === "create") must(created[0] === task.task_id, "create resolves with another task");
  if (kind !== "wait") return;
  must(task.task_status === "succeed", `wait resolves with ${task.task_status}`);
  must(task.task_result?.videos?.[0]?.url, "wait resolves without a video");
}

function checkReason({ gateway }: World, call: Observed, reason: unknown): void {
  const { kind, steps, created, thrown } = call;
  const last = steps.at(-1);
  if (thrown.length > 0 && thrown.includes(reason)) {
    must(created.length === 0, "a key was asked for after the task was created");
    return;
  }
  must(reason instanceof LipSyncError, `an error that is not documented: ${inspect(reason)}`);
  const log = inspect(reason, { depth: 9 });
  must(!log.includes(gateway.apiKey) && !log.includes(OLD_KEY), "an error holds the key");
  must(reason.mayHaveCreatedTask || created.length === 0, "a paid task is denied");
  must(kind === "create" || !reason.mayHaveCreatedTask, `${kind} claims to create`);

  if (reason instanceof TaskTimeoutError) {
    checkTimeout(call, reason);
    return;
  }
  if (reason instanceof TaskFailedError) {
    must(kind === "wait" && last?.task?.task_status === "failed", "a failure from nowhere");
    must(reason.message === last.task.task_status_msg, `the reason is lost: ${reason.message}`);
    return;
  }
  if (reason instanceof ConfigurationError) {
    must(call.badKeys > 0 && created.length === 0, "a configuration error from nowhere");
    return;
  }
  must(reason instanceof ApiError || reason instanceof ConnectionError, reason.name);
  if (kind === "wait") {
    must(reason instanceof ApiError, `wait ends with a ${reason.name}`);
    must(last?.verdict?.repeatsGet === false, `wait ends after ${String(last?.fault)}`);
    return;
  }
  // A limit that ran out while the key was asked for: the last request is not what failed.
  const isWithoutRequest = !last || call.settledAt !== last.endedAt;
  if (isWithoutRequest) {
    must(reason instanceof ConnectionError && call.hasSlowKey, "an error from nowhere");
    must(!reason.mayHaveCreatedTask, "nothing was sent, but a task may exist");
    const askedForMs = call.settledAt - call.lastKeyAskedAt;
    must(askedForMs === call.attemptMs, `the key function's failure is lost: ${reason.message}`);
    return;
  }
  const { verdict, fault, retryAfterMs = 0 } = last;
  must(verdict, "an answered task is an error");
  const isRefused = kind !== "create" || verdict.isRefused;
  must(reason.mayHaveCreatedTask === !isRefused, `${fault}: ${String(!isRefused)} is expected`);
  const mayRepeat = kind === "create" ? verdict.repeatsCreate : verdict.repeatsGet;
  const isOutOfRetries = call.steps.length > call.maxRetries || call.hasSlowKey;
  must(!mayRepeat || isOutOfRetries || retryAfterMs > MINUTE, `${kind} gives up after ${fault}`);
}

function checkTimeout(call: Observed, error: TaskTimeoutError): void {
  const { kind, startedAt, settledAt, waitMs, steps } = call;
  must(kind === "wait", `${kind} ends with a TaskTimeoutError`);
  const elapsedMs = settledAt - startedAt;
  must(elapsedMs === waitMs || elapsedMs <= 1, `after ${elapsedMs} ms instead of ${waitMs}`);
  const seen = steps.filter(({ task }) => task).at(-1)?.task;
  must(error.task?.task_status === seen?.task_status, "it does not carry the task as last seen");
  // A poll that this limit cut off, or that had not even its key, is not among the steps.
  if (call.hasSlowKey || steps.at(-1)?.endedAt === settledAt) return;
  const hasFailed = steps.at(-1)?.verdict !== undefined;
  must((error.cause !== undefined) === hasFailed, "its cause is not the last failure");
}

/** What a caller does with the id that a TaskTimeoutError carries. */
async function waitAgain(
  world: World,
  taskId: string,
  failWith: string | undefined,
): Promise<void> {
  const client = createLipSyncClient(world.gateway);
  let end: unknown;
  client.wait(taskId).then(
    (task) => (end = task.task_result.videos[0].url),
    (error: unknown) => (end = error),
  );
  await breathe();
  while (end === undefined && vi.getTimerCount() > 0) {
    vi.advanceTimersToNextTimer();
    await breathe();
  }
  const hasEnd = failWith === undefined ? typeof end === "string" : end instanceof TaskFailedError;
  must(hasEnd, `waiting again ends with ${inspect(end)}`);
  must(vi.getTimerCount() === 0, "a timer is left behind by waiting again");
}

const seen = new Map<string, number>();
const count = (what: string) => seen.set(what, (seen.get(what) ?? 0) + 1);

function tally({ kind, outcome, steps, created, isAborted }: Observed): void {
  for (const { fault } of steps) count(fault.replace(", cut off", ""));
  if (!outcome) return;
  if ("value" in outcome) count(`${kind} resolves`);
  else if (isAborted || !(outcome.reason instanceof LipSyncError))
    count(`${kind} passes a reason through`);
  else count(`${kind}: ${outcome.reason.name}`);
  if (kind === "create" && created.length > 0 && !("value" in outcome)) count("a lost task");
  if (steps.length > 1) count(`${kind} is repeated`);
}

/** One run: some creates, then some waits for a task that they made. */
async function run(seed: number): Promise<void> {
  const chance = chanceOf(seed);
  vi.setSystemTime(NOW);
  vi.spyOn(Math, "random").mockImplementation(chanceOf(seed + 1e9));
  const failWith = chance.happens(0.2) ? "the face was lost" : undefined;
  const gateway = createFakeGateway({ polls: 1 + chance.below(5), failWith });
  const world: World = {
    ...{ chance, gateway, signal: undefined, abortedAt: undefined },
    ...{ faultRate: 0, requests: 0, oddPolls: 0, calls: [], ownTimers: 0 },
  };
  const many = () => Array.from({ length: 1 + chance.below(3) });

  const creates = await act(world, () => many().map((_, n) => begin(world, "create", "", `${n}`)));
  creates.forEach(tally);
  must(gateway.tasks.size === creates.flatMap(({ created }) => created).length, "a task too many");

  for (const taskId of [...gateway.tasks.keys()].slice(0, 1)) {
    const kinds = many().map(() => chance.pick<Kind>(["wait", "wait", "wait", "get"]));
    const waits = await act(world, () => kinds.map((kind) => begin(world, kind, taskId, "")));
    waits.forEach(tally);
    for (const { outcome } of waits) {
      if (!outcome || !("reason" in outcome)) continue;
      if (!(outcome.reason instanceof TaskTimeoutError)) continue;
      must(outcome.reason.taskId === taskId, "a TaskTimeoutError carries another id");
      await waitAgain(world, taskId, failWith);
    }
  }
  must(unhandled.length === 0, `an unhandled rejection: ${inspect(unhandled)}`);
}

const unhandled: unknown[] = [];
const onUnhandled = (reason: unknown) => unhandled.push(reason);

beforeAll(() => {
  process.on("unhandledRejection", onUnhandled);
  vi.useFakeTimers({ now: NOW, toFake: ["setTimeout", "clearTimeout", "Date"] });
});

afterAll(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  process.off("unhandledRejection", onUnhandled);
});

async function runAll(seeds: Iterable<number>): Promise<void> {
  for (const seed of seeds) {
    await run(seed).catch((error: unknown) => {
      vi.clearAllTimers();
      error = violation ?? error;
      violation = undefined;
      const command = `SEED=${seed} npx vitest run test/system/simulation.test.ts`;
      const what = error instanceof Violation ? error.message : inspect(error);
      throw new Error(`Seed ${seed}: ${what}. Again: ${command}`, { cause: error });
    });
  }
}

const only = process.env["SEED"];

test("keeps its promises in any weather", { timeout: 300_000 }, async () => {
  if (only !== undefined) return runAll([Number(only)]);
  await runAll(Array.from({ length: RUNS }, (_, seed) => seed));
  expectAllSeen();
});

/** A simulation in which nothing happens would pass, too. */
function expectAllSeen(): void {
  const ends = ["resolves", "passes a reason through", "is repeated"];
  const errors = ["ApiError", "ConnectionError", "ConfigurationError"];
  const errorsOfWait = ["ApiError", "ConfigurationError", "TaskFailedError", "TaskTimeoutError"];
  const expected = [
    ...[...FAULT_NAMES, NO_FAULT, "a lost task"],
    ...["create", "get", "wait"].flatMap((kind) => ends.map((end) => `${kind} ${end}`)),
    ...["create", "get"].flatMap((kind) => errors.map((error) => `${kind}: ${error}`)),
    ...errorsOfWait.map((error) => `wait: ${error}`),
  ];
  expect(expected.filter((what) => (seen.get(what) ?? 0) < 10)).toEqual([]);
  expect([...seen.keys()].filter((what) => !expected.includes(what))).toEqual([]);
}
