import assert from "node:assert/strict";
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { build, version as esbuildVersion } from "esbuild";
import {
  exists,
  install,
  NotInstalledError,
  npmInstall,
  pack,
  ProgramError,
  root,
  run,
} from "./pack.js";
import { listen, servePlaces } from "./places.js";

const TYPESCRIPTS = ["5.4.5", "5.9.3", "6.0.3", "7.0.2"];
const NODES = ["22.23.3", "24.21.0", "26.10.0"] as const;
const BUN = "1.4.5";
const DENO = "2.9.6";
const MINIFLARE = "4.20260730.0";
const PLAYWRIGHT = "1.65.1";
const VITE = "8.3.8";
const WEBPACK = "5.112.2";
const WEBPACK_CLI = "7.3.1";
const PUBLINT = "0.3.25";
const ATTW = "0.18.5";

/** openapi-fetch is 2.6 kB of it. */
const LARGEST_BUNDLE_BYTES = 7500;

/** A row of the table: the version, and what is good about it; or it fails. */
type Check = () => Promise<[version: string, result: string]>;

/** Said under the table, by what it is about. */
const remarks = new Map<string, string[]>();

const temp = await mkdtemp(path.join(os.tmpdir(), "kling-lip-sync-runtimes-"));
const consumer = path.join(temp, "consumer");

async function main(flags: string[]): Promise<number> {
  const { filename, version } = await pack(temp);
  await cp(path.join(root, "test", "consumers"), consumer, { recursive: true });
  await writeFile(path.join(consumer, "package.json"), '{ "private": true, "type": "module" }');
  const checks: Record<string, Check> = {
    "npm install": () => installs(filename, version),
    publint: () => publishes(filename),
    "are the types wrong": () => resolves(filename),
    ...Object.fromEntries(
      TYPESCRIPTS.map((version) => [`TypeScript ${leading(version, 2)}`, () => compiles(version)]),
    ),
    "Node, this one": () => runsInNode(process.execPath),
    ...Object.fromEntries(
      NODES.map((version) => [
        `Node ${leading(version, 1)}`,
        async () => runsInNode(await nodeOf(version)),
      ]),
    ),
    Bun: runsInBun,
    Deno: runsInDeno,
    workerd: runsInWorkerd,
    Chromium: runsInChromium,
    esbuild: bundlesWithEsbuild,
    Vite: bundlesWithVite,
    webpack: bundlesWithWebpack,
  };
  const isMissingAllowed = flags.includes("--allow-missing") && !process.env["CI"];
  const failed: string[] = [];
  printRow("runtime or compiler", "version", "result");
  for (const [name, check] of Object.entries(checks)) {
    try {
      printRow(name, ...(await check()));
    } catch (error) {
      const isMissing = error instanceof NotInstalledError;
      if (!(isMissing && isMissingAllowed)) failed.push(name);
      const result = isMissing ? "not installed" : "FAILED";
      printRow(name, "-", result);
      remark(`${name}, ${result}:`, error instanceof Error ? error.message : String(error));
    }
  }
  for (const [title, lines] of remarks) console.log(["", title, ...lines].join("\n"));
  console.log(failed.length > 0 ? `\nNot green: ${failed.join(", ")}.` : "\nNo row failed.");
  return failed.length > 0 ? 1 : 0;
}

/** The first numbers of a version. */
function leading(version: string, count: number): string {
  return version.split(".").slice(0, count).join(".");
}

function printRow(name: string, version: string, result: string): void {
  console.log(`${name.padEnd(19)} | ${version.padEnd(14)} | ${result}`);
}

function remark(title: string, line: string): void {
  const lines = remarks.get(title) ?? [];
  if (!lines.includes(line)) remarks.set(title, [...lines, line]);
}

// The package

async function installs(tarball: string, version: string): Promise<[string, string]> {
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

async function publishes(tarball: string): Promise<[string, string]> {
  const cli = path.join(await install("publint", PUBLINT), "src", "cli.js");
  const { stdout } = await run(process.execPath, [cli, "run", tarball, "--strict"]);
  assert.match(stdout, /All good!/);
  return [PUBLINT, "ok: publint has nothing to say"];
}

async function resolves(tarball: string): Promise<[string, string]> {
  const cli = path.join(await install("@arethetypeswrong/cli", ATTW), "dist", "index.js");
  const flags = ["--profile", "esm-only", "--no-definitely-typed", "--format", "ascii"];
  await run(process.execPath, [cli, tarball, ...flags]);
  return [ATTW, "ok: no problem in profile esm-only"];
}

// Compilers

const MODULES = { nodenext: "nodenext", bundler: "esnext --moduleResolution bundler" };

/** What the last line that a compiler prints about each statement of mistakes.ts must say. */
const MISTAKES = {
  both: /^Type '"u"' is not assignable to type '"give either video_id or video_url, not both"'\.$/,
  neither: /^Property 'video_url' is missing .* but required in type 'VideoUrlUnlessVideoId'\.$/,
  "no text": /^Property 'text' is missing .* but required in type 'TextToVideo'\.$/,
  camelCase: /'voiceLanguage' does not exist .* Did you mean to write 'voice_language'\?$/,
};

async function compiles(version: string): Promise<[string, string]> {
  const tsc = path.join(await install("typescript", version), "bin", "tsc");
  const compile = (file: string, module: string, isExact: boolean) => {
    const flags =
      "--noEmit --strict --skipLibCheck false --target es2022 --pretty false " +
      `--exactOptionalPropertyTypes ${String(isExact)} --module ${module}`;
    return run(process.execPath, [tsc, ...flags.split(" "), file], { cwd: consumer });
  };
  for (const module of Object.values(MODULES)) {
    for (const isExact of [true, false]) await compile("consumer.ts", module, isExact);
  }
  // TypeScript 5.8 learnt that Node's require loads ES modules.
  const isRequirable = !version.startsWith("5.4.");
  if (isRequirable) await compile("required.cts", "nodenext", true);
  const error: unknown = await compile("mistakes.ts", "nodenext", true).catch((e: unknown) => e);
  assert(error instanceof ProgramError, "mistakes.ts compiles");
  const lastLines = error.message
    .split(/^mistakes\.ts\(.*?: error TS\d+: /m)
    .slice(1)
    .map((words) => words.trim().split("\n").at(-1)?.trim() ?? "");
  Object.entries(MISTAKES).forEach(([name, pattern], index) => {
    const line = lastLines[index] ?? "";
    remark("What the compilers say last:", `- ${name}: ${line}`);
    assert.match(line, pattern);
  });
  assert.equal(lastLines.length, Object.keys(MISTAKES).length);
  const ways = [...Object.keys(MODULES), ...(isRequirable ? ["CommonJS files"] : [])].join(", ");
  return [version, `ok: ${ways}; optional properties exact or not`];
}

// Runtimes

/** How a call ended that got no connection, see test/consumers/scenario.js. */
interface NoConnection {
  name: string;
  mayHaveCreatedTask: boolean;
  attempts: number;
  gave: string;
}

type Report = Record<"refused" | "unknownHost", NoConnection>;

/** What a library cannot mend. */
interface Traits {
  /** Says so when a connection was never made. */
  tells: boolean;
  /** Does not by itself send a POST again whose connection broke. */
  sendsOnce: boolean;
}

/** Runs the scenario in a runtime, which prints what happened, and compares. */
async function runs(
  name: string,
  { tells, sendsOnce }: Traits,
  program: string,
  args: string[],
): Promise<string> {
  const { places, dropped, close } = await servePlaces();
  try {
    const env = { SCENARIO: JSON.stringify(places), DENO_NO_UPDATE_CHECK: "1", DO_NOT_TRACK: "1" };
    const { stdout } = await run(program, args, { cwd: consumer, env });
    const { refused, unknownHost, ...others } = JSON.parse(stdout) as Report;
    for (const [why, { gave }] of Object.entries({ refused, "unknown host": unknownHost })) {
      const line = gave.replace(/a{64}/g, "aaa…").replace(/127.0.0.1:\d+/g, "127.0.0.1:…");
      remark("What the runtimes give without a connection:", `- ${name}, ${why}: ${line}`);
    }
    assert.deepEqual(others, {
      video: "https://fake-gateway.invalid/task-1.mp4",
      abort: "rejects with the signal's reason",
      apiError: { isApiError: true, status: 500, mayHaveCreatedTask: true },
      dropped: { name: "ConnectionError", mayHaveCreatedTask: true },
      droppedForGood: { name: "ConnectionError", mayHaveCreatedTask: true },
      connectionsLeft: 0,
    });
    if (sendsOnce) assert.deepEqual(dropped, { atDropping: 1, atLeaving: 1 });
    for (const { gave, ...ended } of [refused, unknownHost]) {
      const attempts = tells ? 2 : 1;
      const expected = { name: "ConnectionError", mayHaveCreatedTask: !tells, attempts };
      assert.deepEqual(ended, expected, gave);
    }
    const refusal = tells ? "repeats what was refused" : "does not tell that it was refused";
    return `ok: ${refusal}${sendsOnce ? "" : ", may send a POST twice"}`;
  } finally {
    close();
  }
}

/** Runs the scenario twice, imported and required. */
async function runsTwice(name: string, program: string, flags: string[] = []): Promise<string> {
  const traits = { tells: true, sendsOnce: true };
  const result = await runs(name, traits, program, [...flags, "import.js"]);
  await runs(name, traits, program, [...flags, "require.cjs"]);
  return `${result}; import and require`;
}

async function runsInNode(node: string): Promise<[string, string]> {
  const { stdout } = await run(node, ["--version"]);
  const version = stdout.trim().slice(1);
  return [version, await runsTwice(`Node ${version}`, node)];
}

async function nodeOf(version: string): Promise<string> {
  const folder = await install(`node-${process.platform}-${process.arch}`, version);
  return path.join(folder, "bin", "node");
}

async function runsInBun(): Promise<[string, string]> {
  const machine = process.arch === "arm64" ? "aarch64" : process.arch;
  const folder = await install(`@oven/bun-${process.platform}-${machine}`, BUN);
  return [BUN, await runsTwice("Bun", path.join(folder, "bin", "bun"))];
}

async function runsInDeno(): Promise<[string, string]> {
  const library = process.platform === "linux" ? "-glibc" : "";
  const folder = await install(`@deno/${process.platform}-${process.arch}${library}`, DENO);
  const flags = ["run", "--no-lock", "--allow-net", "--allow-env", "--allow-read"];
  return [DENO, await runsTwice("Deno", path.join(folder, "deno"), flags)];
}

async function runsInWorkerd(): Promise<[string, string]> {
  const folder = await install("miniflare", MINIFLARE);
  await bundle("worker.js");
  const args = ["workerd.js", folder, "esbuild/worker.js"];
  // Miniflare needs Node 22.
  const traits = { tells: false, sendsOnce: true };
  return [MINIFLARE, await runs("workerd", traits, await nodeOf(NODES[0]), args)];
}

async function runsInChromium(): Promise<[string, string]> {
  const folder = await install("playwright-core", PLAYWRIGHT);
  const chromium = await findChromium();
  const { stdout } = await run(chromium, ["--version"]);
  const code = await bundle("page.js");
  const { url, close } = await listen((response) => {
    response.setHeader("content-type", "text/html; charset=utf-8");
    response.end(`<!doctype html><title>A page</title><script type="module">${code}</script>`);
  });
  const args = ["browser.js", folder, chromium, url];
  const traits = { tells: false, sendsOnce: false };
  const result = await runs("Chromium", traits, process.execPath, args).finally(close);
  return [/[\d.]+/.exec(stdout)?.[0] ?? "", result];
}

/** A Chromium or Chrome; Debian's is installed where this is CI's machine, or root asks. */
async function findChromium(): Promise<string> {
  const places = ["/usr/bin/chromium", "/usr/bin/google-chrome"];
  for (const place of places) if (await exists(place)) return place;
  const isRoot = process.getuid?.() === 0;
  if (!isRoot && !process.env["CI"]) throw new NotInstalledError(`None of ${places.join(", ")}.`);
  console.log("There is no Chromium: apt-get install -y chromium");
  const apt = (args: string) =>
    run("sh", ["-c", `${isRoot ? "" : "sudo "}apt-get -qq ${args}`], {
      env: { DEBIAN_FRONTEND: "noninteractive" },
    });
  try {
    await apt("update");
    await apt("install -y --no-install-recommends chromium");
    return "/usr/bin/chromium";
  } catch (error) {
    throw new NotInstalledError(String(error));
  }
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
  const size = `${code.length} B, with gzip ${bytes} B (at most ${LARGEST_BUNDLE_BYTES} B)`;
  assert(bytes <= LARGEST_BUNDLE_BYTES, size);
  return `ok: ${size}`;
}

async function bundlesWithEsbuild(): Promise<[string, string]> {
  return [esbuildVersion, weigh(await bundle("bundled.js"))];
}

async function bundlesWithVite(): Promise<[string, string]> {
  const vite = path.join(await install("vite", VITE), "bin", "vite.js");
  await run(process.execPath, [vite, "build"], { cwd: consumer });
  const assets = path.join(consumer, "vite", "assets");
  const [file = "", ...others] = await readdir(assets);
  assert.deepEqual(others, []);
  return [VITE, weigh(await readFile(path.join(assets, file), "utf8"))];
}

async function bundlesWithWebpack(): Promise<[string, string]> {
  const folder = await install("webpack", WEBPACK, `webpack-cli@${WEBPACK_CLI}`);
  const webpack = path.join(folder, "bin", "webpack.js");
  const args = ["--mode", "production", "--entry", "./bundled.js", "--output-path", "webpack"];
  await run(process.execPath, [webpack, ...args], { cwd: consumer });
  return [WEBPACK, weigh(await readFile(path.join(consumer, "webpack", "main.js"), "utf8"))];
}

try {
  process.exitCode = await main(process.argv.slice(2));
} finally {
  await rm(temp, { recursive: true, force: true });
}
