// Measures the calls of one peer, in a process of its own: `node program.mjs TASK ARGUMENT…`. It is
// bundled with the peer, and prints what it measured as JSON.
import assert from "node:assert/strict";
import { mock } from "node:test";
import { setImmediate as turn, setTimeout as sleep } from "node:timers/promises";
import { gatewayAnswer, KEY, PATH, type Peer, request, TASK } from "./peer.js";

const BASE_URL = "https://gateway.invalid";

type Task = (peer: Peer, ...args: number[]) => Promise<object>;
const tasks: Record<string, Task> = { check, cpu, throughput, waits, polls };

export async function runTask(peer: Peer): Promise<void> {
  const [task = "", ...args] = process.argv.slice(2);
  const found = await tasks[task]?.(peer, ...args.map(Number));
  // Some clients leave a timer or a connection behind.
  process.stdout.write(JSON.stringify(found), () => process.exit());
}

/** Replaces `fetch` by one that answers at once. */
function stubFetch(answer: (...call: Parameters<typeof fetch>) => unknown): void {
  const headers = { "content-type": "application/json" };
  globalThis.fetch = (...call) => {
    const text = JSON.stringify(answer(...call));
    return Promise.resolve(new Response(text, { headers }));
  };
}

/** Throws unless both calls send the same request as every peer's, and return the task. */
async function check({ connect }: Peer): Promise<object> {
  const sent: Request[] = [];
  stubFetch((input, init) => {
    sent.push(new Request(input, init));
    return gatewayAnswer(false);
  });
  const client = connect(BASE_URL);
  for (const result of [await client.create(), await client.get()]) {
    assert.match(JSON.stringify(result), new RegExp(JSON.stringify(gatewayAnswer(false).data)));
  }
  const [post, get, ...others] = sent;
  assert(post && get && others.length === 0, "a call sent other than one request");
  assert.deepEqual([post.method, post.url], ["POST", BASE_URL + PATH]);
  assert.deepEqual([get.method, get.url], ["GET", `${BASE_URL}${PATH}/${TASK}`]);
  for (const { headers } of sent) assert.equal(headers.get("authorization"), `Bearer ${KEY}`);
  assert.match(post.headers.get("content-type") ?? "", /^application\/json\b/);
  assert.deepEqual(await post.json(), request);
  assert.equal(await get.text(), "");
  return {};
}

/** The CPU of a POST and of a GET whose `fetch` answers at once. */
async function cpu({ connect }: Peer, ms: number): Promise<object> {
  stubFetch((input, init) => {
    // A real one makes a request of its arguments, too.
    new Request(input, init);
    return gatewayAnswer(false);
  });
  const client = connect(BASE_URL);
  const measure = async (call: () => Promise<unknown>) => {
    const before = process.cpuUsage();
    const end = performance.now() + ms;
    let calls = 0;
    for (; performance.now() < end; calls++) await call();
    const { user, system } = process.cpuUsage(before);
    return (user + system) / calls;
  };
  // Once to warm up.
  for (const call of [client.create, client.get]) await measure(call);
  return { postCpuUs: await measure(client.create), getCpuUs: await measure(client.get) };
}

/** Calls a second on connections that are kept; half of them are POSTs. */
async function throughput({ connect }: Peer, port: number, parallel: number, ms: number) {
  const client = connect(`http://127.0.0.1:${port}`);
  const measure = async () => {
    const startedAt = performance.now();
    let calls = 0;
    const callInTurn = async () => {
      while (performance.now() < startedAt + ms) {
        await (calls++ % 2 === 0 ? client.create() : client.get());
      }
    };
    await Promise.all(Array.from({ length: parallel }, callInTurn));
    return (calls / (performance.now() - startedAt)) * 1000;
  };
  // Once to warm up.
  await measure();
  return { [`callsPerSecond, ${parallel} parallel`]: await measure() };
}

/** Heap of each of many waits that sleep, and how much of one core all of them take. */
async function waits({ connect, answer = gatewayAnswer }: Peer, count: number): Promise<object> {
  const { gc } = globalThis;
  assert(gc, "node needs --expose-gc");
  let polled = 0;
  stubFetch(() => {
    polled++;
    return answer(false);
  });
  const client = connect(BASE_URL);
  const heapWhen = async (waiting: number) => {
    while (polled < waiting) await turn();
    await sleep(100);
    gc();
    return process.memoryUsage().heapUsed;
  };
  // The first ones load and compile what the others use.
  for (let n = 0; n < 100; n++) void client.wait?.();
  const before = await heapWhen(100);
  for (let n = 0; n < count; n++) void client.wait?.();
  const after = await heapWhen(100 + count);
  const start = process.cpuUsage();
  await sleep(2000);
  const { user, system } = process.cpuUsage(start);
  const idlePercent = ((user + system) / 2_000_000) * 100;
  return { waitHeapBytes: (after - before) / count, [`idlePercent, ${count} waits`]: idlePercent };
}

/** Waits for tasks that take so many seconds each, in simulated time. */
async function polls({ connect, answer = gatewayAnswer }: Peer, ...tasksS: number[]) {
  if (!connect(BASE_URL).wait) return {};
  const requests: number[] = [];
  const delays: number[] = [];
  // The same random parts of the pauses in each run.
  Math.random = () => 0.5;
  for (const taskS of tasksS) {
    mock.timers.enable({ apis: ["setTimeout", "Date"], now: Date.now() });
    const startedAt = Date.now();
    const secondsPassed = () => (Date.now() - startedAt) / 1000;
    const state = { polled: 0, isOver: false };
    stubFetch(() => {
      state.polled++;
      return answer(secondsPassed() >= taskS);
    });
    const done = () => delays.push(secondsPassed() - taskS);
    const givenUp = () => undefined;
    const waiting = connect(BASE_URL).wait?.().then(done, givenUp);
    void waiting?.then(() => (state.isOver = true));
    while (!state.isOver) {
      // Reading a response takes Node's streams and promises some turns.
      for (let n = 0; n < 20; n++) await turn();
      mock.timers.tick(100);
    }
    mock.timers.reset();
    requests.push(state.polled);
  }
  const mean = (all: number[]) => all.reduce((sum, one) => sum + one, 0) / all.length;
  return {
    requestsPerTask: mean(requests),
    noticedAfterS: mean(delays),
    tasksGivenUp: tasksS.length - delays.length,
  };
}
