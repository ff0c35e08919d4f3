// npm run bench: measures this library and five other ways to call the gateway, and prints the table
// of docs/benchmarks.md.
import assert from "node:assert/strict";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { build } from "esbuild";
import { Bench } from "tinybench";
import { measureInstallation, measureProgram, OUR_PROGRAM, PROGRAM, REQUEST } from "./budget.js";
import { install, npmInstall, pack, root, run } from "./pack.js";
import { runScript } from "./run-script.js";

const KEY = "sk-0000-this-is-not-a-real-key-0000-0000-0000-0000-000";
const BASE_URL = "https://gateway.invalid";
const PATH = "/kling/v1/videos/lip-sync";
const TASK = { task_id: "task-1", task_status: "processing", created_at: 1, updated_at: 1 };

const IMPORTS = 9;
const WARM_UP_MS = 500;
const MEASURE_MS = 3000;

interface Peer {
  name: string;
  /** As npm installs it. */
  version?: string;
  /** Exports `connect`. */
  program: string;
}

/** What the caller of a client without a timeout writes. */
const WITH_TIMEOUT = `async function withTimeout<T>(call: (signal: AbortSignal) => Promise<T>) {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), 60_000);
  try {
    return await call(controller.signal);
  } finally {
    clearTimeout(timer);
  }
}`;

const OURS: Peer = { name: "kling-lip-sync", program: OUR_PROGRAM };

const FETCH: Peer = {
  name: "fetch",
  program: `${WITH_TIMEOUT}
export function connect(key: string, baseUrl: string) {
  const headers = { authorization: \`Bearer \${key}\`, "content-type": "application/json" };
  const call = (path: string, init: RequestInit): Promise<unknown> =>
    withTimeout(async (signal) => {
      const response = await fetch(baseUrl + path, { ...init, headers, signal });
      if (!response.ok) throw new Error(String(response.status));
      return response.json();
    });
  return {
    create: () => call("${PATH}", { method: "POST", body: JSON.stringify(${REQUEST}) }),
    get: () => call("${PATH}/task-1", { method: "GET" }),
  };
}`,
};

const PEERS: Peer[] = [
  OURS,
  FETCH,
  {
    name: "openapi-fetch",
    version: "0.17.0",
    program: `import createClient from "openapi-fetch";
import type { paths } from "./schema.mjs";
${WITH_TIMEOUT}
export function connect(key: string, baseUrl: string) {
  const client = createClient<paths>({ baseUrl, headers: { authorization: \`Bearer \${key}\` } });
  const params = { path: { task_id: "task-1" } };
  return {
    create: () =>
      withTimeout(async (signal) => (await client.POST("${PATH}", { body: ${REQUEST}, signal })).data),
    get: () =>
      withTimeout(async (signal) => (await client.GET("${PATH}/{task_id}", { params, signal })).data),
  };
}`,
  },
  {
    name: "ky",
    version: "2.1.0",
    program: `import ky from "ky";
export function connect(key: string, baseUrl: string) {
  const client = ky.create({ baseUrl, headers: { authorization: \`Bearer \${key}\` } });
  return {
    create: () => client.post("${PATH}", { json: ${REQUEST} }).json(),
    get: () => client.get("${PATH}/task-1").json(),
  };
}`,
  },
  {
    name: "replicate",
    version: "1.4.0",
    program: `import Replicate from "replicate";
export function connect(auth: string, baseUrl: string) {
  const client = new Replicate({ auth, baseUrl });
  return {
    create: async () => (await client.request("${PATH}", { method: "POST", data: ${REQUEST} })).json(),
    get: async () => (await client.request("${PATH}/task-1", { method: "GET" })).json(),
  };
}`,
  },
  {
    name: "openai",
    version: "7.57.0",
    program: `import OpenAI from "openai";
export function connect(apiKey: string, baseURL: string) {
  const client = new OpenAI({ apiKey, baseURL });
  return {
    create: () => client.post("${PATH}", { body: ${REQUEST} }),
    get: () => client.get("${PATH}/task-1"),
  };
}`,
  },
];

type Call = () => Promise<unknown>;
type Program = { connect: (key: string, baseUrl: string) => { create: Call; get: Call } };

async function main(): Promise<number> {
  const temporary = await mkdtemp(path.join(os.tmpdir(), "kling-lip-sync-bench-"));
  const cpu = new Bench({ now: cpuMs, time: MEASURE_MS, warmupTime: WARM_UP_MS, throws: true });
  const columns: Record<string, string>[] = [];
  stubFetch();
  try {
    for (const peer of PEERS) {
      console.error(`${peer.name}…`);
      const folder = await prepare(peer, temporary);
      const { bundleBytes, instantiations } = await measureProgram(folder);
      const isInstalled = peer !== FETCH;
      const { packages, installedBytes } = isInstalled
        ? await measureInstallation(folder)
        : { packages: undefined, installedBytes: undefined };
      const importMs = isInstalled ? await importTime(folder, peer.name) : undefined;
      const { connect } = (await import(path.join(folder, "program.mjs"))) as Program;
      await checkCalls(connect);
      cpu.add(peer.name, connect(KEY, BASE_URL).create);
      columns.push({
        "Bundle, minified, gzip": show(bundleBytes / 1000, "kB"),
        "Installed size": show(installedBytes && installedBytes / 1000, "kB"),
        Packages: show(packages),
        "Import in a new process": show(importMs, "ms"),
        "Type instantiations": show(instantiations),
      });
    }
    console.error("CPU…");
    await cpu.run();
    const cpuUs = cpu.tasks.map(({ result }) => {
      if (!("latency" in result)) throw new Error(`There is no result: ${result.state}.`);
      return result.latency.mean * 1000;
    });
    const fetchUs = cpuUs[PEERS.indexOf(FETCH)] ?? NaN;
    for (const [n, us] of cpuUs.entries()) {
      const cell = `${show(us, "µs")} (${(us / fetchUs).toFixed(1)} ×)`;
      columns[n] = { ...columns[n], "CPU of a POST (against fetch)": cell };
    }
    console.log(table(columns));
    return 0;
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** Installs a client, and writes its program beside it, also as JavaScript. */
async function prepare({ name, version, program }: Peer, temporary: string): Promise<string> {
  const folder = version
    ? path.join(await install(name, version), "..", "..")
    : path.join(temporary, name);
  await mkdir(folder, { recursive: true });
  if (name === OURS.name) await npmInstall(folder, (await pack(temporary)).filename);
  await writeFile(path.join(folder, PROGRAM), program);
  await cp(path.join(root, "generated", "schema.ts"), path.join(folder, "schema.mts"));
  const outfile = path.join(folder, "program.mjs");
  await build({ entryPoints: [path.join(folder, PROGRAM)], outfile, logLevel: "warning" });
  return folder;
}

/** The last request to the stub of `fetch`. */
let sent: Request;

/** Replaces `fetch` by one that responds immediately. */
function stubFetch(): void {
  const headers = { "content-type": "application/json" };
  const text = JSON.stringify({ code: 0, message: "SUCCEED", request_id: "1", data: TASK });
  globalThis.fetch = (input, init) => {
    // A real one makes a request of its arguments, too.
    sent = new Request(input, init);
    return Promise.resolve(new Response(text, { headers }));
  };
}

/** Throws unless both calls send the same as those of every other client, and return the task. */
async function checkCalls(connect: Program["connect"]): Promise<void> {
  const { create, get } = connect(KEY, BASE_URL);
  const read = async (call: Call) => {
    assert.ok(JSON.stringify(await call()).includes(JSON.stringify(TASK)));
    return [sent.method, sent.url, sent.headers.get("authorization"), await sent.text()];
  };
  const [created, queried] = [await read(create), await read(get)];
  assert.deepEqual(created.slice(0, 3), ["POST", BASE_URL + PATH, `Bearer ${KEY}`]);
  assert.deepEqual(Object.keys(JSON.parse(created[3] ?? "") as object), ["input"]);
  assert.deepEqual(queried, ["GET", `${BASE_URL}${PATH}/task-1`, `Bearer ${KEY}`, ""]);
}

/** The CPU time of this process. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** How long a new process takes to import a package: the shortest of several. */
async function importTime(folder: string, name: string): Promise<number> {
  const code = `const startedAt = performance.now();
    import("${name}").then(() => console.log(performance.now() - startedAt));`;
  let importMs = Infinity;
  for (let n = 0; n < IMPORTS; n++) {
    const { stdout } = await run(process.execPath, ["--eval", code], { cwd: folder });
    importMs = Math.min(importMs, Number(stdout));
  }
  return importMs;
}

function show(value: number | undefined, unit = ""): string {
  if (value === undefined) return "–";
  const digits = unit === "" || value >= 100 ? 0 : 1;
  const options = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return `${value.toLocaleString("en", options)} ${unit}`.trim();
}

/** A table in Markdown, with a column for each client. */
function table(columns: Record<string, string>[]): string {
  const rows = Object.keys(columns[0] ?? {}).map((row) => {
    return [row, ...columns.map((column) => column[row] ?? "")];
  });
  const head = ["", ...PEERS.map(({ name }) => name)];
  const rule = head.map(() => "---");
  return [head, rule, ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

await runScript(import.meta.url, main);
