// Thousands of calls against the fake gateway, with faults injected at random, on a virtual clock.
// A failure names its seed. One run: SEED=123 npx vitest run test/system/simulation.test.ts
// More than usual, as before a release: RUNS=50000.
import { getEventListeners } from "node:events";
import { inspect } from "node:util";
import { expect, test, vi } from "vitest";
import {
  ApiError,
  ConnectionError,
  createLipSyncClient,
  LipSyncError,
  type LipSyncTask,
  TaskFailedError,
  TaskTimeoutError,
} from "../../src/index.js";
import { createFakeGateway, type FakeGateway } from "../../src/testing.js";
import * as table from "../fixtures/decisions.js";
import { type Chance, chanceOf, RUNS } from "../fixtures/random.js";
import { request } from "../fixtures/request.js";

const SEED = process.env["SEED"];
const NOW = Date.UTC(2026, 0, 1);
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const DAY = 24 * 60 * MINUTE;

/** One request that a call sent. */
interface Step {
  at: number;
  fault: string;
  /** Its end: the response, the failure, or the attempt's own limit. */
  endedAt?: number;
  /** What its failure means; `undefined` for a task. */
  decision?: table.Decision;
  task?: LipSyncTask;
  /** The id in a response that is not a task. */
  taskId?: string | undefined;
  isUnknownTask?: boolean | undefined;
  retryAfterMs?: number | undefined;
}

type Kind = "create" | "get" | "wait";
type Outcome = { value: LipSyncTask } | { reason: unknown };

/** One call of the client, and all that the test knows about it. */
const observe = (kind: Kind, signal: AbortSignal | undefined) => ({
  kind,
  startedAt: Date.now(),
  settledAt: NaN,
  outcome: undefined as Outcome | undefined,
  steps: [] as Step[],
  created: [] as string[],
  /** What the caller's own onUpdate threw. */
  thrown: [] as unknown[],
  keysAsked: 0,
  updates: 0,
  openStreams: 0,
  // Whether the caller aborted while it was pending, or before.
  isAborted: signal?.aborted === true,
});
type Observed = ReturnType<typeof observe> & Limits;
type Limits = Record<"maxRetries" | "attemptMs" | "intervalMs" | "waitMs", number>;

/** What one run is about: the gateway, the caller's signal and how bad the weather is. */
const worldOf = (chance: Chance, gateway: FakeGateway) => ({
  chance,
  gateway,
  signal: undefined as AbortSignal | undefined,
  abortedAt: undefined as number | undefined,
  faultRate: 0,
  requests: 0,
  calls: [] as Observed[],
  // Timers of the test itself that no signal clears.
  ownTimers: 0,
});
type World = ReturnType<typeof worldOf>;

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

interface Fault extends Pick<Step, "taskId" | "isUnknownTask"> {
  decision: table.Decision;
  /** Whether it decides itself when the request ends. */
  isOpen?: true;
  respond: (exchange: Exchange) => Response | Promise<Response>;
}

/** A Retry-After header, and what it asks for, if anything. */
function retryAfterOf(chance: Chance): [text: string, ms?: number] {
  const form = chance.below(3);
  if (form === 0) return [chance.pick(["soon", "-5", "", "Infinity"])];
  if (form === 1) {
    const seconds = chance.pick(["0", "5", "1.5", "120", "259200"]);
    return [seconds, Number(seconds) * SECOND];
  }
  const inMs = chance.pick([30 * SECOND, 2 * DAY, -DAY]);
  const date = new Date(Date.now() + inMs).toUTCString();
  return [date, Math.max(0, Date.parse(date) - Date.now())];
}

function responding(row: table.ResponseRow): Fault {
  const respond = ({ world: { chance }, step, key }: Exchange) => {
    const headers = new Headers(row.headers);
    if (chance.happens(0.4)) {
      const [text, ms] = retryAfterOf(chance);
      headers.set("retry-after", text);
      step.retryAfterMs = ms;
    }
    // Some gateways echo what they were sent.
    const echo = chance.happens(0.1) ? key : "";
    if (echo) headers.set("x-echo", echo);
    const isBare = row.status === 204 || row.status === 304;
    const text = table.bodyWith(echo, row);
    return new Response(isBare ? null : text, { status: row.status, headers });
  };
  return { ...row, decision: row, respond };
}

/** A response whose body is counted as open until it is cancelled. */
function open(call: Observed, start: UnderlyingDefaultSource["start"] = () => undefined): Response {
  call.openStreams++;
  const cancel = () => {
    call.openStreams--;
  };
  return new Response(new ReadableStream({ start, cancel }));
}

/** Sends the first half of the response; what comes after it is up to `then`. */
function halved(
  decision: table.Decision,
  then: (controller: ReadableStreamDefaultController, exchange: Exchange, half: string) => void,
): Fault {
  const respond = async (exchange: Exchange) => {
    const { text } = await exchange.reach();
    const half = text.slice(0, text.length / 2);
    return open(exchange.call, (controller) => {
      controller.enqueue(new TextEncoder().encode(half));
      then(controller, exchange, half);
    });
  };
  return { decision, respond };
}

function failing(row: table.FailureRow): Fault {
  const respond = ({ key }: Exchange) => Promise.reject<Response>(row.error(key));
  if (row.in === "fetch") return { decision: row, respond };
  return halved(row, (controller, { call, key }) => {
    call.openStreams--;
    // Once the reader has the first half, as a socket does it.
    void Promise.resolve().then(() => {
      controller.error(row.error(key));
    });
  });
}

const { UNCERTAIN, UNCERTAIN_FOR_GOOD } = table;
const unended = (respond: Fault["respond"]): Fault => ({
  decision: UNCERTAIN,
  isOpen: true,
  respond,
});
const FAULTS: Record<string, Fault> = {
  ...Object.fromEntries(table.responseRows.map((row) => [row.name, responding(row)])),
  ...Object.fromEntries(table.failureRows.map((row) => [row.name, failing(row)])),
  "a body that ends early": halved(UNCERTAIN_FOR_GOOD, (controller, { call, step }, half) => {
    call.openStreams--;
    step.taskId = /"task_id":"(.+?)"/.exec(half)?.[1];
    controller.close();
  }),
  "a body that stalls": halved(UNCERTAIN, (_, { step }) => {
    delete step.endedAt;
  }),
  "no response": unended(({ signal }) => untilAborted(signal)),
  "no response, and deaf to an abort": unended(() => new Promise(() => undefined)),
  "a response after the abort": unended(async ({ world, call, step, reach }) => {
    await pause(world, 10 * MINUTE);
    const response = deliver(step, await reach());
    return (step.task ?? step.decision === table.REFUSED) ? response : open(call);
  }),
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

function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => {
      reject(signal.reason);
    });
  });
}

/** What the network takes; ends with the request. */
async function travel({ chance }: World, signal: AbortSignal): Promise<void> {
  const ms = chance.pick([0, 0, 0, 0, 0, 0, 2 * SECOND, 2 * SECOND, MINUTE, 5 * MINUTE]);
  if (ms === 0) return;
  let timer: NodeJS.Timeout | undefined;
  const arrival = new Promise<void>((resolve) => (timer = setTimeout(resolve, chance.below(ms))));
  await Promise.race([arrival, untilAborted(signal)]).finally(() => {
    clearTimeout(timer);
  });
}

/** The gateway's `fetch` in bad weather, for one call. */
function faultyFetch(world: World, call: Observed): typeof fetch {
  const { chance, gateway } = world;
  return async (input, init) => {
    const { method, signal } = init ?? {};
    must(method === (call.kind === "create" ? "POST" : "GET"), `${call.kind} sends a ${method}`);
    must(signal, "a request without a signal is sent");
    must(call.outcome === undefined, "a request is sent after the call has ended");
    must(init?.redirect === "manual", "a redirect is followed");
    must(call.created.length === 0, "a request is sent after the task was created");
    const key = new Headers(init.headers).get("authorization")?.slice("Bearer ".length);
    must(key === gateway.apiKey, "another key is sent");

    const isCalm = world.requests++ > 30 || !chance.happens(world.faultRate);
    const name = isCalm ? NO_FAULT : chance.pick(FAULT_NAMES);
    const step: Step = { at: Date.now(), fault: name };
    call.steps.push(step);
    signal.addEventListener("abort", () => {
      if (step.endedAt !== undefined) return;
      step.endedAt = Date.now();
      step.fault += ", cut off";
      step.decision = UNCERTAIN;
      for (const key of ["retryAfterMs", "task", "taskId", "isUnknownTask"]) {
        Reflect.deleteProperty(step, key);
      }
    });

    const handle = async () => {
      const response = await gateway.fetch(input, init);
      const text = await response.text();
      if (method === "POST" && response.status === 200) call.created.push(taskIn(text).task_id);
      return { status: response.status, text };
    };
    let handled: ReturnType<typeof handle> | undefined;
    const reach = () => (handled ??= handle());
    await travel(world, signal);
    const fault = FAULTS[name];
    if (!fault) {
      const answered = await reach();
      await travel(world, signal);
      return deliver(step, answered);
    }
    // Where a task may exist, the gateway makes one in half of the cases.
    if (fault.decision.mayHaveCreatedTask && chance.happens(0.5)) await reach();
    await travel(world, signal);
    if (!fault.isOpen) {
      step.endedAt = Date.now();
      step.decision = fault.decision;
      step.taskId = fault.taskId;
      step.isUnknownTask = fault.isUnknownTask;
    }
    return fault.respond({ world, call, step, signal, key, reach });
  };
}

/** The gateway's own response, which comes unless the attempt has ended before. */
function deliver(step: Step, { status, text }: { status: number; text: string }) {
  if (step.endedAt === undefined) {
    step.endedAt = Date.now();
    if (status === 200) step.task = taskIn(text);
    else step.decision = table.REFUSED;
  }
  return new Response(text, { status });
}

const taskIn = (text: string) => (JSON.parse(text) as { data: LipSyncTask }).data;

/** What a run finds. */
class Violation extends Error {}

/** The first one counts, also where the client takes it for a failed fetch. */
let violation: Violation | undefined;

function must(condition: unknown, otherwise: string): asserts condition {
  if (condition) return;
  violation ??= new Violation(otherwise);
  throw violation;
}

function begin(world: World, kind: Kind, taskId = ""): Observed {
  const { chance, gateway, signal } = world;
  const maxRetries = chance.pick([undefined, undefined, 0, 1, 5]);
  const isSureToEnd = world.abortedAt === undefined && signal !== undefined;
  const limits = [undefined, undefined, SECOND, 10 * SECOND, 5 * MINUTE] as const;
  // An attempt without a limit ends only because the caller aborts it.
  const attemptMs = isSureToEnd && chance.happens(0.1) ? Infinity : chance.pick(limits);
  const intervalMs = chance.pick([undefined, 50, SECOND, 7 * SECOND, MINUTE]);
  const waitMs = chance.pick([undefined, 0, 1, 5 * SECOND, MINUTE, 10 * MINUTE, 2 * DAY, Infinity]);
  const call: Observed = {
    ...observe(kind, signal),
    maxRetries: kind === "wait" ? 0 : (maxRetries ?? 2),
    attemptMs: attemptMs ?? MINUTE,
    intervalMs: intervalMs ?? 10 * SECOND,
    waitMs: waitMs ?? 30 * MINUTE,
  };
  world.calls.push(call);
  const perCall = chance.happens(0.5) ? { maxRetries } : {};
  const client = createLipSyncClient({
    baseUrl: gateway.baseUrl,
    apiKey: () => {
      call.keysAsked++;
      return gateway.apiKey;
    },
    fetch: faultyFetch(world, call),
    maxRetries,
    timeoutMs: attemptMs,
  });
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
  const settle = (outcome: Outcome) => Object.assign(call, { outcome, settledAt: Date.now() });
  promise.then(
    (value) => settle({ value }),
    (reason: unknown) => settle({ reason }),
  );
  return call;
}

/** Lets everything happen that needs no time. */
const breathe = () => new Promise((resolve) => setImmediate(resolve));

/** Lets the virtual clock run for as long as it is to. */
async function runClock(isToRun: () => boolean): Promise<void> {
  await breathe();
  for (let timers = 0; isToRun(); timers++) {
    must(vi.getTimerCount() > 0, "a call never ends: it is pending and no timer is left");
    must(timers < 20_000, "a call does not end");
    vi.advanceTimersToNextTimer();
    await breathe();
    if (violation) throw violation;
  }
}

function mustBeUnheard({ signal }: World): void {
  const { length } = signal ? getEventListeners(signal, "abort") : [];
  must(length === 0, `${length} listeners are left on the caller's signal`);
}

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
    const odd = chance.happens(0.1) ? new ConnectionError("also mine") : undefined;
    const reasons = [undefined, null, 0, "", false, "a word", new Error("mine")] as const;
    controller.abort(odd ?? chance.pick<unknown>(reasons));
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

/** Starts calls, lets them end, and then whatever is still under way; checks each of them. */
async function act(world: World, start: () => Observed[]): Promise<Observed[]> {
  const { chance } = world;
  world.faultRate = chance.pick([0, 0.1, 0.3, 0.6, 0.9, 1]);
  world.requests = 0;
  world.calls = [];
  const stopAborting = abortAtRandom(world);
  const calls = start();
  await runClock(() => calls.some(({ outcome }) => outcome === undefined));
  must(vi.getTimerCount() === world.ownTimers, "a timer is left behind");
  mustBeUnheard(world);
  const isEveryClosed = () => calls.every(({ openStreams }) => openStreams === 0);
  must(isEveryClosed(), "a response's body is left open");
  // A deaf fetch still ends; nothing may come of it.
  await runClock(() => vi.getTimerCount() > 0);
  must(isEveryClosed(), "the body of a late response is left open");
  if (violation) throw violation;
  stopAborting();
  must(vi.getTimerCount() === 0, "a timer is left behind at the end");
  for (const call of calls) {
    check(world, call);
    tally(call);
  }
  mustBeUnheard(world);
  return calls;
}

/** The promises, one by one. */
function check(world: World, call: Observed): void {
  const { kind, outcome, steps, created } = call;
  must(outcome, "the call has not ended");
  must(created.length <= 1, `one create has made ${created.length} tasks`);
  must(call.keysAsked === steps.length, "the key is not asked for once an attempt");
  checkRepeats(call);

  const { abortedAt = NaN, signal } = world;
  if (call.isAborted) {
    must("reason" in outcome, `an aborted ${kind} resolves`);
    must(Object.is(outcome.reason, signal?.reason), "an abort does not reject with its reason");
    must(call.settledAt === Math.max(abortedAt, call.startedAt), "an abort is noticed late");
    return;
  }
  if ("reason" in outcome) {
    checkReason(world, call, outcome.reason);
    return;
  }
  const { task_id, task_status, task_result } = outcome.value;
  must(steps.at(-1)?.task?.task_id === task_id, "the task is not that of the last response");
  if (kind === "create") must(created[0] === task_id, "create resolves with another task");
  if (kind !== "wait") return;
  must(task_status === "succeed", `wait resolves with ${task_status}`);
  must(task_result?.videos?.[0]?.url, "wait resolves without a video");
}

const mayRepeat = (kind: Kind, decision?: table.Decision) =>
  kind === "create" ? decision?.repeatsCreate : decision?.repeatsGet;

/** How many steps in a row, this one the last, said that there is no such task. */
function unknownUntil(steps: Step[], index: number): number {
  return steps[index]?.isUnknownTask ? 1 + unknownUntil(steps, index - 1) : 0;
}

function checkRepeats(call: Observed): void {
  const { kind, steps, intervalMs, maxRetries, startedAt } = call;
  steps.forEach((step, index) => {
    const next = steps[index + 1];
    if (!next) return;
    const { decision, endedAt, retryAfterMs = 0, fault } = step;
    must(endedAt !== undefined, `a request is sent before ${fault} has ended`);
    const pauseMs = next.at - endedAt;
    if (kind === "wait") {
      const isForgiven = unknownUntil(steps, index) < 3;
      const mayGoOn = step.isUnknownTask ? isForgiven : (decision?.repeatsGet ?? true);
      must(mayGoOn, `wait goes on after ${fault}`);
      const askedMs = Math.max(intervalMs, Math.min(retryAfterMs, MINUTE));
      // The last poll is earlier, so that it comes before the timeout.
      const lastPollAt = startedAt + call.waitMs - Math.min(intervalMs, 5 * SECOND) / 2;
      const isLastPoll = next.at >= lastPollAt - 1;
      must(isLastPoll || pauseMs > askedMs - 1, `${pauseMs} ms after ${fault}`);
      return;
    }
    must(mayRepeat(kind, decision), `${kind} is repeated after ${fault}`);
    must(retryAfterMs <= MINUTE, `${kind} sleeps for ${retryAfterMs} ms`);
    // From the third retry on, a gateway cannot ask for less than a second.
    const atLeastMs = index < 2 ? 0 : SECOND;
    const leastMs = Math.max(step.retryAfterMs ?? SECOND, atLeastMs);
    const mostMs = Math.max(
      step.retryAfterMs ?? SECOND * (1 + Math.min(60, 2 ** index)),
      atLeastMs,
    );
    must(pauseMs > leastMs - 1, `${kind} is repeated ${pauseMs} ms after ${fault}`);
    must(pauseMs <= mostMs, `${kind} waits for ${pauseMs} ms after ${fault}`);
  });
  if (kind === "wait") {
    const elapsedMs = (steps.at(-1)?.at ?? startedAt) - startedAt;
    const answered = steps.filter(({ task }) => task).length;
    must(call.updates === answered, `${call.updates} updates for ${answered} answered polls`);
    // One more comes shortly before the timeout.
    must(steps.length <= 2 + elapsedMs / intervalMs, `${steps.length} polls in ${elapsedMs} ms`);
  } else {
    must(steps.length <= 1 + maxRetries, `${steps.length} requests, ${maxRetries} retries`);
    const longestMs = (1 + maxRetries) * call.attemptMs + maxRetries * (MINUTE + SECOND);
    must(call.settledAt - startedAt <= longestMs, `${kind} takes longer than its limits allow`);
  }
}

function checkReason({ gateway }: World, call: Observed, reason: unknown): void {
  const { kind, steps, created, thrown } = call;
  const last = steps.at(-1);
  if (thrown.includes(reason)) return;
  must(reason instanceof LipSyncError, `an error that is not documented: ${inspect(reason)}`);
  const log = inspect(reason, { depth: 9 });
  must(!log.includes(gateway.apiKey), "an error holds the key");
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
  must(reason instanceof ApiError || reason instanceof ConnectionError, reason.name);
  if (kind === "wait") {
    must(reason instanceof ApiError, `wait ends with a ${reason.name}`);
    must(last?.decision?.repeatsGet === false, `wait ends after ${String(last?.fault)}`);
    const unknown = unknownUntil(steps, steps.length - 1);
    must(unknown === 0 || unknown >= 3, `wait ends with ${unknown} polls that know no task`);
    return;
  }
  must(last && call.settledAt === last.endedAt, "an error from nowhere");
  const { decision, fault, retryAfterMs = 0 } = last;
  must(decision, "an answered task is an error");
  const mayHave = kind === "create" && decision.mayHaveCreatedTask;
  must(reason.mayHaveCreatedTask === mayHave, `${fault}: ${String(mayHave)} is expected`);
  const named = reason instanceof ApiError ? reason.taskId : undefined;
  must(named === last.taskId, `${fault}: the id ${last.taskId} is lost, instead ${named}`);
  const isOutOfRetries = steps.length > call.maxRetries;
  const isRight = !mayRepeat(kind, decision) || isOutOfRetries || retryAfterMs > MINUTE;
  must(isRight, `${kind} gives up after ${fault}`);
}

function checkTimeout(call: Observed, error: TaskTimeoutError): void {
  const { kind, startedAt, settledAt, waitMs, steps } = call;
  must(kind === "wait", `${kind} ends with a TaskTimeoutError`);
  const elapsedMs = settledAt - startedAt;
  must(elapsedMs === waitMs || elapsedMs <= 1, `after ${elapsedMs} ms instead of ${waitMs}`);
  const seen = steps.filter(({ task }) => task).at(-1)?.task;
  must(error.task?.task_status === seen?.task_status, "it does not carry the task as last seen");
  // The last poll may have been cut off by this limit.
  if (steps.at(-1)?.endedAt === settledAt) return;
  const hasFailed = steps.at(-1)?.decision !== undefined;
  must((error.cause !== undefined) === hasFailed, "its cause is not the last failure");
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
  vi.spyOn(Math, "random").mockImplementation(chanceOf(seed + 1e9).next);
  const failWith = chance.happens(0.2) ? "the face was lost" : undefined;
  const gateway = createFakeGateway({ polls: 1 + chance.below(5), failWith });
  const world = worldOf(chance, gateway);
  const many = () => Array.from({ length: 1 + chance.below(3) });

  const creates = await act(world, () => many().map(() => begin(world, "create")));
  must(gateway.tasks.size === creates.flatMap(({ created }) => created).length, "a task too many");

  for (const taskId of [...gateway.tasks.keys()].slice(0, 1)) {
    const kinds = many().map(() => chance.pick<Kind>(["wait", "wait", "wait", "get"]));
    await act(world, () => kinds.map((kind) => begin(world, kind, taskId)));
  }
  must(unhandled.length === 0, `an unhandled rejection: ${inspect(unhandled)}`);
}

const unhandled: unknown[] = [];
process.on("unhandledRejection", (reason) => unhandled.push(reason));

test("keeps its promises in any weather", { timeout: 1_200_000 }, async () => {
  vi.useFakeTimers({ now: NOW, toFake: ["setTimeout", "clearTimeout", "Date", "performance"] });
  const first = Number(SEED ?? 0);
  const runs = SEED === undefined ? RUNS : 1;
  for (let seed = first; seed < first + runs; seed++) {
    await run(seed).catch((error: unknown) => {
      vi.clearAllTimers();
      error = violation ?? error;
      const command = `SEED=${seed} npx vitest run test/system/simulation.test.ts`;
      const what = error instanceof Violation ? error.message : inspect(error);
      throw new Error(`Seed ${seed}: ${what}. Again: ${command}`, { cause: error });
    });
  }
  // A simulation in which nothing happens would pass, too.
  if (runs < 1000) return;
  const ends = ["resolves", "passes a reason through", "is repeated"];
  const errorsOfWait = ["ApiError", "TaskFailedError", "TaskTimeoutError"];
  const expected = [
    ...[...FAULT_NAMES, NO_FAULT, "a lost task"],
    ...["create", "get", "wait"].flatMap((kind) => ends.map((end) => `${kind} ${end}`)),
    ...["create", "get"].flatMap((kind) => [`${kind}: ApiError`, `${kind}: ConnectionError`]),
    ...errorsOfWait.map((error) => `wait: ${error}`),
  ];
  expect(expected.filter((what) => (seen.get(what) ?? 0) < 3)).toEqual([]);
  expect([...seen.keys()].filter((what) => !expected.includes(what))).toEqual([]);
});
