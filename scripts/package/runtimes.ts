// npm run test:runtimes: uses the packed tarball with every compiler, runtime and bundler it supports, and
// the corrected document with a server and the overlay engines of others.
import assert from "node:assert/strict";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import { build, version as esbuildVersion } from "esbuild";
import { runScript } from "../run-script.js";
import { BUDGETS } from "./budget.js";
import { compile, compileMistakes, MODULES } from "./compile.js";
import { drawsDiagrams } from "./diagrams.js";
import { overlayEngines } from "./overlay-engines.js";
import { exists, install, NotInstalledError, npmInstall, pack, root, run } from "./pack.js";
import { listen, servePlaces } from "./places.js";
import { agreesWithPrism, PRISM } from "./prism.js";

const USAGE = `Usage: npm run test:runtimes -- [options]

Packs the library, and compiles, runs and bundles test/consumers/ with it. Applies the overlay with
other engines, and calls a server that validates by the corrected document. Takes some minutes. What
it needs is installed under node_modules/.cache; only Chromium has to be there already.

Options:
  --allow-missing  Do not fail for what could not be installed. Ignored in CI.
  --help           Show this help.
`;

const TYPESCRIPTS = ["5.4.5", "5.9.3", "6.0.3", "7.0.2"];
const NODES = ["22.23.3", "24.21.0", "26.10.0"] as const;
const BUN = "1.4.5";
const DENO = "2.9.6";
const JEST = "30.5.2";
const COMMONJS_PLUGIN = "7.29.14";
const MINIFLARE = "4.20260730.0";
const PLAYWRIGHT = "1.65.1";
const VITE = "8.3.8";
const WEBPACK = "5.112.2";
const WEBPACK_CLI = "7.3.1";
/** BullMQ 6 does not bring its Redis client. */
const BULLMQS = [["5.0.0"], ["5.81.5"], ["6.7.0", "ioredis@5.9.2"]] as const;
const PUBLINT = "0.3.25";
const ATTW = "0.18.5";

/** A row of the table: a version, and what was found with it. A check that fails throws. */
type Row = [version: string, result: string];
type Check = () => Promise<Row>;

/** Lines that are printed below the table, by their title. */
const notes = new Map<string, string[]>();

/** A copy of test/consumers/ in which the tarball is installed. */
let consumer: string;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      "allow-missing": { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const folder = await mkdtemp(path.join(os.tmpdir(), "kling-lip-sync-runtimes-"));
  try {
    consumer = path.join(folder, "consumer");
    await cp(path.join(root, "test", "consumers"), consumer, { recursive: true });
    await writeFile(path.join(consumer, "package.json"), '{ "private": true, "type": "module" }');
    const { filename, version } = await pack(folder);
    return await runChecks(checksOf(filename, version), values["allow-missing"]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function checksOf(tarball: string, version: string): Record<string, Check> {
  const compilers = TYPESCRIPTS.map((version): [string, Check] => {
    return [`TypeScript ${leading(version, 2)}`, () => compiles(version)];
  });
  const nodes = NODES.map((version): [string, Check] => {
    return [`Node ${leading(version, 1)}`, async () => runsInNode(await nodeOf(version))];
  });
  const queues = BULLMQS.map(([version, ...companions]): [string, Check] => {
    return [`BullMQ ${leading(version, 2)}`, () => compilesWithBullMq(version, companions)];
  });
  return {
    "npm install": () => installs(tarball, version),
    publint: () => publishes(tarball),
    "are the types wrong": () => resolves(tarball),
    ...Object.fromEntries(compilers),
    ...Object.fromEntries(queues),
    "Node, this one": () => runsInNode(process.execPath),
    ...Object.fromEntries(nodes),
    "Jest, ES modules": runsInJest,
    "Jest, CommonJS": runsInJestAsCommonJs,
    Bun: runsInBun,
    Deno: runsInDeno,
    workerd: runsInWorkerd,
    Chromium: runsInChromium,
    esbuild: bundlesWithEsbuild,
    Vite: bundlesWithVite,
    webpack: bundlesWithWebpack,
    Prism: validatesWithPrism,
    Mermaid: async () => drawsDiagrams(await findChromium()),
    ...Object.fromEntries(overlayEngines),
  };
}

async function runChecks(checks: Record<string, Check>, mayMiss: boolean): Promise<number> {
  const isMissingAllowed = mayMiss && !process.env["CI"];
  const failed: string[] = [];
  printRow("used with", "version", "result");
  for (const [name, check] of Object.entries(checks)) {
    try {
      printRow(name, ...(await check()));
    } catch (error) {
      const isMissing = error instanceof NotInstalledError;
      if (!isMissing || !isMissingAllowed) failed.push(name);
      const result = isMissing ? "not installed" : "FAILED";
      printRow(name, "-", result);
      note(`${name}, ${result}:`, error instanceof Error ? error.message : String(error));
    }
  }
  for (const [title, lines] of notes) console.log(["", title, ...lines].join("\n"));
  console.log(failed.length > 0 ? `\nFailed: ${failed.join(", ")}.` : "\nNo row failed.");
  return failed.length > 0 ? 1 : 0;
}

/** The first numbers of a version. */
function leading(version: string, count: number): string {
  return version.split(".").slice(0, count).join(".");
}

function printRow(name: string, version: string, result: string): void {
  console.log(`${name.padEnd(19)} | ${version.padEnd(14)} | ${result}`);
}

/** Adds a line to the notes below the table, once. */
function note(title: string, line: string): void {
  const lines = notes.get(title) ?? [];
  if (!lines.includes(line)) notes.set(title, [...lines, line]);
}

// The package

async function installs(tarball: string, version: string): Promise<Row> {
  await npmInstall(consumer, tarball);
  const lock = path.join(consumer, "node_modules", ".package-lock.json");
  const { packages } = JSON.parse(await readFile(lock, "utf8")) as {
    packages: Record<string, { hasInstallScript?: boolean }>;
  };
  assert.deepEqual(Object.keys(packages), [
    "node_modules/kling-lip-sync",
    "node_modules/openapi-fetch",
    "node_modules/openapi-typescript-helpers",
  ]);
  for (const found of Object.values(packages)) assert(!found.hasInstallScript);
  return [version, "ok: 3 packages, no install script"];
}

async function publishes(tarball: string): Promise<Row> {
  const cli = path.join(await install("publint", PUBLINT), "src", "cli.js");
  const { stdout } = await run(process.execPath, [cli, "run", tarball, "--strict"]);
  assert.match(stdout, /All good!/);
  return [PUBLINT, "ok: no suggestion"];
}

async function resolves(tarball: string): Promise<Row> {
  const cli = path.join(await install("@arethetypeswrong/cli", ATTW), "dist", "index.js");
  const flags = ["--profile", "esm-only", "--no-definitely-typed", "--format", "ascii"];
  await run(process.execPath, [cli, tarball, ...flags]);
  return [ATTW, "ok: no problem in profile esm-only"];
}

// Compilers

async function compiles(version: string): Promise<Row> {
  const tsc = path.join(await install("typescript", version), "bin", "tsc");
  for (const module of MODULES) {
    for (const isExact of [true, false]) {
      await compile(tsc, consumer, "consumer.ts", module, isExact);
    }
  }
  const modules = ["nodenext", "bundler"];
  // TypeScript 5.8 was the first to know that Node's require loads ES modules.
  if (!version.startsWith("5.4.")) {
    await compile(tsc, consumer, "required.cts", "nodenext");
    modules.push("CommonJS files");
  }
  for (const line of await compileMistakes(tsc, consumer)) {
    note("What the compilers print last for the common mistakes:", `- ${line}`);
  }
  return [version, `ok: ${modules.join(", ")}; optional properties exact or not`];
}

async function compilesWithBullMq(version: string, companions: string[]): Promise<Row> {
  const bullmq = await install("bullmq", version, ...companions);
  const link = path.join(consumer, "node_modules", "bullmq");
  await rm(link, { force: true });
  await symlink(bullmq, link, "junction");
  const tsc = path.join(root, "node_modules", "typescript", "bin", "tsc");
  // The types of BullMQ need those of Node, which are not this library's to check.
  const flags = "--noEmit --strict --skipLibCheck --target es2022 --module nodenext";
  await run(process.execPath, [tsc, ...flags.split(" "), "fleet.ts"], { cwd: consumer });
  await rm(link);
  return [version, "ok: a queue, a worker and a settled job, without a cast"];
}

// Runtimes

/** How a create without a connection ended, see test/consumers/scenario.js. */
interface NoConnection {
  name: string;
  mayHaveCreatedTask: boolean;
  attempts: number;
  /** The errors in one line: what fetch threw, and the cause of the client's error. */
  thrown: string;
  cause: string;
}

type Report = Record<"refused" | "unknownHost", NoConnection>;

/** What the library cannot change about a runtime. */
interface Traits {
  /** Its errors say when a connection was never made. */
  saysNeverConnected: boolean;
  /** It does not resend a POST by itself when the connection broke. */
  sendsOnce: boolean;
}

/** Runs the scenario in a runtime and compares the report that it prints. */
async function runs(
  name: string,
  { saysNeverConnected, sendsOnce }: Traits,
  program: string,
  args: string[],
  variables: NodeJS.ProcessEnv = {},
): Promise<string> {
  const { places, dropped, close } = await servePlaces();
  try {
    const scenario = { SCENARIO: JSON.stringify(places) };
    const env = { ...scenario, DENO_NO_UPDATE_CHECK: "1", DO_NOT_TRACK: "1", ...variables };
    const { stdout } = await run(program, args, { cwd: consumer, env });
    const { refused, unknownHost, ...others } = JSON.parse(stdout) as Report;
    assert.deepEqual(others, {
      video: "https://fake-gateway.invalid/task-1.mp4",
      abort: "rejects with the signal's reason",
      apiError: { isApiError: true, status: 500, mayHaveCreatedTask: true },
      dropped: { name: "ConnectionError", mayHaveCreatedTask: true },
      droppedForGood: { name: "ConnectionError", mayHaveCreatedTask: true },
      connectionsLeft: 0,
    });
    if (sendsOnce) assert.deepEqual(dropped, { atDropping: 1, atLeaving: 1 });
    for (const [why, found] of Object.entries({ refused, "unknown host": unknownHost })) {
      const { thrown, ...ended } = found;
      const line = thrown.replace(/a{64}/g, "aaa…").replace(/127.0.0.1:\d+/g, "127.0.0.1:…");
      note("What the runtimes throw without a connection:", `- ${name}, ${why}: ${line}`);
      assert.deepEqual(ended, {
        name: "ConnectionError",
        mayHaveCreatedTask: !saysNeverConnected,
        attempts: saysNeverConnected ? 2 : 1,
        cause: thrown,
      });
    }
    if (saysNeverConnected) assert.match(refused.cause, /refused/i);
    const refusal = saysNeverConnected
      ? "retries a refused connection"
      : "does not say that a connection was refused";
    return `ok: ${refusal}${sendsOnce ? "" : ", may send a POST twice"}`;
  } finally {
    close();
  }
}

/** Runs the scenario twice, imported and required. */
async function runsTwice(name: string, program: string, flags: string[] = []): Promise<string> {
  const traits = { saysNeverConnected: true, sendsOnce: true };
  const result = await runs(name, traits, program, [...flags, "import.js"]);
  await runs(name, traits, program, [...flags, "require.cjs"]);
  return `${result}; import and require`;
}

async function runsInNode(node: string): Promise<Row> {
  const { stdout } = await run(node, ["--version"]);
  const version = stdout.trim().slice(1);
  return [version, await runsTwice(`Node ${version}`, node)];
}

async function nodeOf(version: string): Promise<string> {
  const folder = await install(`node-${process.platform}-${process.arch}`, version);
  return path.join(folder, "bin", "node");
}

async function runsInJest(): Promise<Row> {
  const variables = { NODE_OPTIONS: "--experimental-vm-modules --no-warnings" };
  return [JEST, await runsTests(consumer, [], variables)];
}

/** As docs/testing.md says. */
async function runsInJestAsCommonJs(): Promise<Row> {
  const page = await readFile(path.join(root, "docs", "testing.md"), "utf8");
  const config = /^## Jest in CommonJS$.*?^```js\n(.*?)^```$/ms.exec(page)?.[1];
  assert(config, "docs/testing.md has no configuration of Jest.");
  const folder = path.join(consumer, "commonjs");
  const name = "@babel/plugin-transform-modules-commonjs";
  const plugin = await install(name, COMMONJS_PLUGIN);
  await mkdir(path.join(consumer, "node_modules", "@babel"));
  await symlink(plugin, path.join(consumer, "node_modules", name), "junction");
  await mkdir(folder);
  await writeFile(path.join(folder, "package.json"), '{ "private": true }');
  await writeFile(path.join(folder, "jest.config.js"), config);
  for (const file of ["scenario.js", "scenario.test.js"]) {
    await cp(path.join(consumer, file), path.join(folder, file));
  }
  return [JEST, await runsTests(folder, ["--config", path.join(folder, "jest.config.js")])];
}

/** Runs the scenario in Jest. */
async function runsTests(
  folder: string,
  flags: string[],
  variables: NodeJS.ProcessEnv = {},
): Promise<string> {
  const jest = path.join(await install("jest", JEST), "bin", "jest.js");
  const cache = `--cacheDirectory=${path.join(folder, "jest")}`;
  const args = [jest, ...flags, `--rootDir=${folder}`, "scenario.test.js", cache];
  // Jest's sandbox is a realm of its own: what fetch throws is no instance of its `Error`.
  const traits = { saysNeverConnected: true, sendsOnce: true };
  return runs("Jest", traits, process.execPath, args, variables);
}

async function runsInBun(): Promise<Row> {
  const machine = process.arch === "arm64" ? "aarch64" : process.arch;
  const folder = await install(`@oven/bun-${process.platform}-${machine}`, BUN);
  return [BUN, await runsTwice("Bun", path.join(folder, "bin", "bun"))];
}

async function runsInDeno(): Promise<Row> {
  const library = process.platform === "linux" ? "-glibc" : "";
  const folder = await install(`@deno/${process.platform}-${process.arch}${library}`, DENO);
  const flags = ["run", "--no-lock", "--allow-net", "--allow-env", "--allow-read"];
  return [DENO, await runsTwice("Deno", path.join(folder, "deno"), flags)];
}

async function runsInWorkerd(): Promise<Row> {
  const folder = await install("miniflare", MINIFLARE);
  await bundle("worker.js");
  const args = ["workerd.js", folder, "esbuild/worker.js"];
  // Miniflare needs Node 22.
  const traits = { saysNeverConnected: false, sendsOnce: true };
  return [MINIFLARE, await runs("workerd", traits, await nodeOf(NODES[0]), args)];
}

async function runsInChromium(): Promise<Row> {
  const folder = await install("playwright-core", PLAYWRIGHT);
  const chromium = await findChromium();
  const { stdout } = await run(chromium, ["--version"]);
  const code = await bundle("page.js");
  const { url, close } = await listen((response) => {
    response.setHeader("content-type", "text/html; charset=utf-8");
    response.end(`<!doctype html><title>A page</title><script type="module">${code}</script>`);
  });
  const args = ["browser.js", folder, chromium, url];
  const traits = { saysNeverConnected: false, sendsOnce: false };
  const result = await runs("Chromium", traits, process.execPath, args).finally(close);
  return [/[\d.]+/.exec(stdout)?.[0] ?? "", result];
}

async function findChromium(): Promise<string> {
  for (const folder of (process.env["PATH"] ?? "").split(path.delimiter)) {
    for (const name of ["chromium", "google-chrome"]) {
      const file = path.join(folder, name);
      if (await exists(file)) return file;
    }
  }
  throw new NotInstalledError(
    "PATH has neither chromium nor google-chrome. On Debian: apt-get install chromium",
  );
}

// Bundlers

/** Bundles a file of the consumer, and resolves with the code. */
async function bundle(file: string): Promise<string> {
  await build({
    absWorkingDir: consumer,
    entryPoints: [file],
    bundle: true,
    minify: true,
    format: "esm",
    outdir: "esbuild",
    logLevel: "silent",
  });
  return readFile(path.join(consumer, "esbuild", file), "utf8");
}

function weigh(code: string): string {
  const bytes = gzipSync(code, { level: 9 }).byteLength;
  const size = `${code.length} B, with gzip ${bytes} B (at most ${BUDGETS.bundleBytes} B)`;
  assert(bytes <= BUDGETS.bundleBytes, size);
  return `ok: ${size}`;
}

async function bundlesWithEsbuild(): Promise<Row> {
  return [esbuildVersion, weigh(await bundle("bundled.js"))];
}

async function bundlesWithVite(): Promise<Row> {
  const vite = path.join(await install("vite", VITE), "bin", "vite.js");
  await run(process.execPath, [vite, "build"], { cwd: consumer });
  const assets = path.join(consumer, "vite", "assets");
  const [file = "", ...others] = await readdir(assets);
  assert.deepEqual(others, []);
  return [VITE, weigh(await readFile(path.join(assets, file), "utf8"))];
}

async function bundlesWithWebpack(): Promise<Row> {
  const folder = await install("webpack", WEBPACK, `webpack-cli@${WEBPACK_CLI}`);
  const webpack = path.join(folder, "bin", "webpack.js");
  const args = ["--mode", "production", "--entry", "./bundled.js", "--output-path", "webpack"];
  await run(process.execPath, [webpack, ...args], { cwd: consumer });
  return [WEBPACK, weigh(await readFile(path.join(consumer, "webpack", "main.js"), "utf8"))];
}

// The corrected document

async function validatesWithPrism(): Promise<Row> {
  const library = path.join(consumer, "node_modules", "kling-lip-sync");
  // Prism needs Node 24.18.
  return [PRISM, await agreesWithPrism(await nodeOf(NODES[1]), library)];
}

await runScript(import.meta.url, main);
