// Measures the calls of one peer, in a process of its own: `node program.mjs TASK ARGUMENT…`. It is
// bundled with the peer, and prints what it measured as JSON.
import assert from "node:assert/strict";
import { mock } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { gatewayAnswer, KEY, PATH, type Peer, request, TASK } from "./peer.js";

const BASE_URL = "https://gateway.invalid";

type Task = (peer: Peer, ...args: number[]) => Promise<object>;
const tasks: Record<string, Task> = { check, cpu, polls };

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
  const sent: Promise<unknown[]>[] = [];
  const read = async (call: Request) => {
    return [call.method, call.url, call.headers.get("authorization"), await call.text()];
  };
  stubFetch((input, init) => {
    sent.push(read(new Request(input, init)));
    return gatewayAnswer(false);
  });
  const client = connect(BASE_URL);
  for (const result of [await client.create(), await client.get()]) {
    assert.match(JSON.stringify(result), new RegExp(JSON.stringify(gatewayAnswer(false).data)));
  }
  assert.deepEqual(await Promise.all(sent), [
    ["POST", BASE_URL + PATH, `Bearer ${KEY}`, JSON.stringify(request)],
    ["GET", `${BASE_URL}${PATH}/${TASK}`, `Bearer ${KEY}`, ""],
  ]);
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
