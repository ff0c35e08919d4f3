// What runs in a process of its own, with plain Node, and is measured: `program.js TASK PEER …`.
// It prints what it found as JSON.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { mock } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { answer as gatewayAnswer, type Answer, type Connect, KEY, type Peer } from "./peer.js";

/** What a peer sent. */
export interface Sent {
  method: string;
  url: string;
  body: unknown;
  key: boolean;
  type: string | null;
}

const realTimeout = setTimeout;

/** Loads a peer after `fetch` was replaced, since some keep the one that they find. */
async function load(name: string, baseUrl = "https://gateway.invalid"): Promise<[Peer, Answer]> {
  const { connect, answer = gatewayAnswer } = (await import(`./peers/${name}.js`)) as {
    connect: Connect;
    answer?: Answer;
  };
  return [connect(baseUrl), answer];
}

/** Replaces `fetch` by one that answers at once. */
function stub(text: (...call: Parameters<typeof fetch>) => string): void {
  const headers = { "content-type": "application/json" };
  globalThis.fetch = (...call) => Promise.resolve(new Response(text(...call), { headers }));
}

/** What both calls send, and whether both give the task back. */
async function check(name: string): Promise<{ sent: Sent[]; isAnswered: boolean }> {
  const sent: Promise<Sent>[] = [];
  const describe = async (request: Request): Promise<Sent> => {
    const { method, url, headers } = request;
    const text = await request.text();
    const body: unknown = text === "" ? undefined : JSON.parse(text);
    const key = headers.get("authorization") === `Bearer ${KEY}`;
    return { method, url, body, key, type: headers.get("content-type") };
  };
  stub((input, init) => {
    sent.push(describe(new Request(input, init)));
    return JSON.stringify(gatewayAnswer(false));
  });
  const [peer] = await load(name);
  const results = [await peer.create(), await peer.get()];
  const { data } = gatewayAnswer(false) as { data: object };
  const isAnswered = results.every((result) =>
    JSON.stringify(result).includes(JSON.stringify(data)),
  );
  return { sent: await Promise.all(sent), isAnswered };
}

/** The CPU of a POST and of a GET, in microseconds. */
async function cpu(name: string, ms: number): Promise<{ post: number; get: number }> {
  const text = JSON.stringify(gatewayAnswer(false));
  // A real one makes a request of what it is given, too.
  stub((input, init) => (new Request(input, init).method === "" ? "" : text));
  const [peer] = await load(name);
  const repeat = async (call: () => Promise<unknown>) => {
    const before = process.cpuUsage();
    const end = performance.now() + ms;
    let calls = 0;
    for (; performance.now() < end; calls++) await call();
    const { user, system } = process.cpuUsage(before);
    return (user + system) / calls;
  };
  // Once to warm up.
  for (const call of [peer.create, peer.get]) await repeat(call);
  return { post: await repeat(peer.create), get: await repeat(peer.get) };
}

/** Calls a second on connections that are kept, half of them POSTs. */
async function throughput(name: string, baseUrl: string, atOnce: number, ms: number) {
  const [peer] = await load(name, baseUrl);
  const repeat = async () => {
    const startedAt = performance.now();
    let calls = 0;
    const one = async () => {
      while (performance.now() < startedAt + ms) {
        await (calls++ % 2 === 0 ? peer.create() : peer.get());
      }
    };
    await Promise.all(Array.from({ length: atOnce }, one));
    return (calls / (performance.now() - startedAt)) * 1000;
  };
  // Once to warm up.
  await repeat();
  return { perSecond: await repeat() };
}

/** A gateway on a free port of this machine, until its standard input ends. */
async function serve(): Promise<void> {
  const text = JSON.stringify(gatewayAnswer(false));
  const server = createServer((request, response) => {
    request.resume().on("end", () => {
      response.setHeader("content-type", "application/json");
      response.end(text);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  process.stdin.resume().on("end", () => process.exit());
}

/** Heap of each of many waits that sleep, and the CPU that they take while they do. */
async function waits(name: string, count: number): Promise<{ heap: number; idle: number }> {
  assert(globalThis.gc, "needs --expose-gc");
  const [, answer] = await load(name);
  const text = JSON.stringify(answer(false));
  let asked = 0;
  stub(() => {
    asked++;
    return text;
  });
  const [peer] = await load(name);
  assert(peer.wait, `${name} cannot wait`);
  const settle = async (waiting: number) => {
    while (asked < waiting) await turn();
    await new Promise((resolve) => realTimeout(resolve, 100));
    globalThis.gc?.();
    return process.memoryUsage().heapUsed;
  };
  // The first ones load and compile what the others use.
  for (let n = 0; n < 100; n++) void peer.wait();
  const before = await settle(100);
  const waiting = Array.from({ length: count }, () => peer.wait?.());
  const after = await settle(100 + count);
  const { user, system } = process.cpuUsage();
  await new Promise((resolve) => realTimeout(resolve, 2000));
  const used = process.cpuUsage({ user, system });
  assert.equal(waiting.length, count);
  return { heap: (after - before) / count, idle: (used.user + used.system) / 20_000 };
}

/** Tasks of these many seconds, waited for in a time that is made to pass. */
async function polls(name: string, seconds: number[]) {
  const [, answer] = await load(name);
  const ended = { requests: [] as number[], delay: [] as number[] };
  let givenUp = 0;
  // So that the random parts of the pauses are the same in each run.
  Math.random = () => 0.5;
  for (const length of seconds) {
    mock.timers.enable({ apis: ["setTimeout", "Date"], now: Date.now() });
    const startedAt = Date.now();
    let requests = 0;
    stub(() => {
      requests++;
      return JSON.stringify(answer(Date.now() - startedAt >= length * 1000));
    });
    const [peer] = await load(name);
    const waiting = { isOver: false };
    const end = () => (waiting.isOver = true);
    peer.wait?.().then(
      () => end() && ended.delay.push((Date.now() - startedAt) / 1000 - length),
      () => end() && givenUp++,
    );
    for (let answered = -1; !waiting.isOver;) {
      await turn();
      // An answer takes Node's streams and promises some turns.
      for (let n = 0; answered !== requests && n < 20; n++) await turn();
      answered = requests;
      mock.timers.tick(100);
    }
    mock.timers.reset();
    ended.requests.push(requests);
  }
  const mean = (all: number[]) => all.reduce((sum, one) => sum + one, 0) / all.length;
  return { requests: mean(ended.requests), delay: mean(ended.delay), givenUp };
}

const [task, name = "", ...rest] = process.argv.slice(2);
const tasks: Record<string, () => Promise<unknown>> = {
  check: () => check(name),
  cpu: () => cpu(name, Number(rest[0])),
  throughput: () => throughput(name, rest[0] ?? "", Number(rest[1]), Number(rest[2])),
  waits: () => waits(name, Number(rest[0])),
  polls: () => polls(name, JSON.parse(rest[0] ?? "[]") as number[]),
};
if (task === "serve") await serve();
else process.stdout.write(JSON.stringify(await tasks[task ?? ""]?.()), () => process.exit());
