// The fake gateway over HTTP, for several processes: it counts the tasks of each job, and can fail.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { once } from "node:events";
import { text as readText } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { createFakeGateway, type FakeGateway, type FakeGatewayOptions } from "../../src/testing.js";
import { isRecord, parseJson } from "../../src/json.js";

/** What goes wrong with a creation. */
export type Fault =
  /** The connection is dropped, and no task is made. */
  | "dropped"
  /** The connection is dropped after a task was made. */
  | "dropped after"
  /** The answer is a 500 after a task was made. */
  | "500 after"
  /** The answer is 429 with 1303, and no task is made. */
  | "busy";

export interface GatewayOptions extends FakeGatewayOptions {
  /** Asked before each creation. */
  faultOf?: (job: string) => Fault | undefined;
  /** How long a creation takes; half of it passes before the task is made. */
  delayMs?: () => number;
}

export interface Gateway {
  baseUrl: string;
  apiKey: string;
  fake: FakeGateway;
  /** The ids of the tasks of each job. */
  tasksOf(job: string): string[];
  /** How many tasks were made. */
  taskCount(): number;
  /** How many creations were asked for. */
  creationCount(): number;
  close(): void;
}

/** Serves a fake gateway on a free loopback port. A job is known by the text of its request. */
export async function serveGateway(options: GatewayOptions = {}): Promise<Gateway> {
  const { faultOf, delayMs, ...fakeOptions } = options;
  const fake = createFakeGateway(fakeOptions);
  const tasks = new Map<string, string[]>();
  let count = 0;

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readText(request);
    const { method = "", url = "", headers } = request;
    const isCreation = method === "POST";
    const job = isCreation ? jobOf(body) : "";
    const fault = isCreation ? faultOf?.(job) : undefined;
    const half = isCreation && delayMs ? delayMs() / 2 : 0;
    await sleep(half);
    if (fault === "dropped") {
      response.destroy();
      return;
    }
    if (fault === "busy") {
      send(response, 429, BUSY);
      return;
    }
    const init = { method, body: body || null, headers: authorization(headers.authorization) };
    const answered = await fake.fetch(fake.baseUrl + url, init);
    const text = await answered.text();
    if (isCreation && answered.ok) note(job, text);
    await sleep(half);
    if (fault === "dropped after") response.destroy();
    else if (fault === "500 after") send(response, 500, "<h1>Internal server error</h1>");
    else send(response, answered.status, text);
  }

  function note(job: string, text: string): void {
    count += 1;
    tasks.set(job, [...(tasks.get(job) ?? []), field(parseJson(text), "data", "task_id")]);
  }

  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("There is no free port.");
  return {
    baseUrl: `http://127.0.0.1:${address.port}`,
    apiKey: fake.apiKey,
    fake,
    tasksOf: (job) => tasks.get(job) ?? [],
    taskCount: () => count,
    creationCount: () => fake.received.filter(({ method }) => method === "POST").length,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

const BUSY = JSON.stringify({ code: 1303, message: "too many parallel tasks" });

const authorization = (value = ""): Record<string, string> => ({ authorization: value });

function send(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { "content-type": "application/json" }).end(text);
}

const jobOf = (body: string): string => field(parseJson(body), "input", "text");

/** A text inside of an object. */
function field(value: unknown, ...path: string[]): string {
  const found = path.reduce((inner, name) => (isRecord(inner) ? inner[name] : undefined), value);
  return typeof found === "string" ? found : "";
}
