import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import ts from "typescript";
import { stringify } from "yaml";
import { ProgramError, root, run } from "../pack.js";
import type { Sent } from "./program.js";

/** A folder with a client in its node_modules, and in `bench/` what is measured of it. */
export interface Place {
  folder: string;
  peer: string;
}

const sources = path.join(root, "scripts", "bench");

/** Puts what is measured beside the packages of a folder. */
export async function place(folder: string, peer: string): Promise<Place> {
  const bench = path.join(folder, "bench");
  await mkdir(bench, { recursive: true });
  await writeFile(path.join(bench, "package.json"), '{ "type": "module" }');
  await cp(sources, path.join(bench, "scripts", "bench"), { recursive: true });
  await cp(path.join(root, "generated"), path.join(bench, "generated"), { recursive: true });
  await build({
    entryPoints: ["peer.ts", "program.ts", `peers/${peer}.ts`].map((name) =>
      path.join(sources, name),
    ),
    outbase: sources,
    outdir: bench,
    format: "esm",
    target: "node20",
    logLevel: "warning",
  });
  return { folder, peer };
}

/** Runs a task of program.ts in a process of its own. */
async function runTask<T>(place: Place, task: string, ...args: unknown[]): Promise<T> {
  const flags = ["--no-warnings", "--expose-gc", "program.js", task, place.peer];
  const cwd = path.join(place.folder, "bench");
  const { stdout } = await run(process.execPath, [...flags, ...args.map(String)], { cwd });
  return JSON.parse(stdout) as T;
}

/** What a peer sends for both calls, and whether it gives the task back. */
export function sends(place: Place): Promise<{ sent: Sent[]; isAnswered: boolean }> {
  return runTask(place, "check");
}

/** The CPU of a call, in microseconds. */
export function cpu(place: Place, ms: number): Promise<{ post: number; get: number }> {
  return runTask(place, "cpu", ms);
}

/** Calls a second. */
export async function throughput(place: Place, url: string, atOnce: number, ms: number) {
  return (await runTask<{ perSecond: number }>(place, "throughput", url, atOnce, ms)).perSecond;
}

/** Heap of each of many waits that sleep, and how much of a core all of them take. */
export function waits(place: Place, count: number): Promise<{ heap: number; idle: number }> {
  return runTask(place, "waits", count);
}

/** How a peer waits for tasks that take so many seconds each. */
export function polls(
  place: Place,
  seconds: number[],
): Promise<{ requests: number; delay: number; givenUp: number }> {
  return runTask(place, "polls", JSON.stringify(seconds));
}

/** Starts the gateway of program.ts; resolves with its URL. */
export async function startGateway(place: Place): Promise<{ url: string; stop: () => void }> {
  const child = spawn(process.execPath, ["program.js", "serve"], {
    cwd: path.join(place.folder, "bench"),
    stdio: ["pipe", "pipe", "inherit"],
  });
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  return { url: line.toString().trim(), stop: () => child.stdin.end() };
}

/** What a new process takes to import a package, in milliseconds: of some of them, the shortest. */
export function importMs(folder: string, name: string, processes: number): number {
  const code = `const startedAt = performance.now();
    import("${name}").then(() => console.log(performance.now() - startedAt));`;
  const times = Array.from({ length: processes }, () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, ["--eval", code], {
      cwd: folder,
    });
    if (status !== 0) throw new ProgramError(stderr.toString());
    return Number(stdout);
  });
  return Math.min(...times);
}

/** Puts a package beside openapi-fetch that does nothing but import it. */
export async function writeOneLine({ folder }: Place): Promise<void> {
  const own = path.join(folder, "node_modules", "one-line");
  await mkdir(own, { recursive: true });
  await writeFile(path.join(own, "package.json"), '{ "type": "module", "exports": "./index.js" }');
  await writeFile(path.join(own, "index.js"), 'export { default } from "openapi-fetch";\n');
}

/** Import the client, create one task, minified for a browser, with gzip. */
export async function bundleBytes({ folder, peer }: Place): Promise<number> {
  const { outputFiles } = await build({
    stdin: {
      contents: `import { connect } from "./peers/${peer}.js";
        connect("https://gateway.example").create().then(console.log);`,
      resolveDir: path.join(folder, "bench"),
    },
    bundle: true,
    minify: true,
    format: "esm",
    platform: "browser",
    logLevel: "silent",
    write: false,
  });
  const [{ contents } = { contents: "" }] = outputFiles;
  return gzipSync(contents, { level: 9 }).byteLength;
}

/** What a production install puts on the disk. */
export async function installed({
  folder,
}: Place): Promise<{ packages: number; installed: number }> {
  const modules = path.join(folder, "node_modules");
  const lock = path.join(modules, ".package-lock.json");
  const { packages } = JSON.parse(await readFile(lock, "utf8")) as { packages: object };
  let bytes = 0;
  for (const entry of await readdir(modules, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || entry.name === ".package-lock.json") continue;
    bytes += (await stat(path.join(entry.parentPath, entry.name))).size;
  }
  return { packages: Object.keys(packages).length, installed: bytes };
}

/** The type instantiations of a file that creates a task and asks for it, above an empty file. */
export function instantiations({ folder, peer }: Place): number {
  const peers = path.join(folder, "bench", "scripts", "bench", "peers");
  const count = (file: string, text?: string) => {
    const options: ts.CompilerOptions = {
      strict: true,
      noEmit: true,
      skipLibCheck: true,
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.NodeNext,
      types: [],
    };
    const host = ts.createCompilerHost(options);
    const readFile = host.readFile.bind(host);
    host.readFile = (name) => (name === file ? text : undefined) ?? readFile(name);
    const program = ts.createProgram([file], options, host);
    const mistakes = ts.getPreEmitDiagnostics(program);
    if (mistakes.length > 0) throw new ProgramError(ts.formatDiagnostics(mistakes, host));
    return program.getInstantiationCount();
  };
  const file = path.join(peers, `${peer}.ts`);
  return count(file) - count(file, "export {};");
}

/** Writes a document of many operations into a folder. */
export async function writeDocument(folder: string, operations: number): Promise<string> {
  const text = { type: "string", description: "What it says." };
  const schema = (names: string[]) => ({
    type: "object",
    required: names.slice(0, 1),
    properties: Object.fromEntries(names.map((name) => [name, text])),
  });
  const json = (names: string[]) => ({
    content: { "application/json": { schema: schema(names) } },
  });
  const post = (n: number) => ({
    summary: `Operation ${n}`,
    requestBody: json(["video_url", "text", "voice_id"]),
    responses: { "200": { description: "The task.", ...json(["task_id", "task_status"]) } },
  });
  const numbers = Array.from({ length: operations }, (_, n) => n);
  const paths = Object.fromEntries(numbers.map((n) => [`/v1/things-${n}`, { post: post(n) }]));
  const document = { openapi: "3.0.1", info: { title: "Many", version: "1.0.0" }, paths };
  const file = path.join(folder, `${operations}.yaml`);
  await writeFile(file, stringify(document, { aliasDuplicateObjects: false }));
  await writeFile(path.join(folder, "overlay.yaml"), "overlay: 1.1.0\nactions: []\n");
  return file;
}

/** The wall time of npm run generate's script, and of openapi-typescript's own command line. */
export async function generatorMs(file: string): Promise<{ ours: number; theirs: number }> {
  const folder = path.dirname(file);
  const modules = path.join(root, "node_modules");
  const tsx = path.join(modules, "tsx", "dist", "cli.mjs");
  const script = path.join(root, "scripts", "generate.ts");
  const overlay = path.join(folder, "overlay.yaml");
  const flags = ["--spec", file, "--overlay", overlay, "--out", path.join(folder, "ours")];
  const cli = path.join(modules, "openapi-typescript", "bin", "cli.js");
  const time = async (...args: string[]) => {
    const startedAt = performance.now();
    await run(process.execPath, args, { cwd: folder });
    return performance.now() - startedAt;
  };
  return {
    ours: await time(tsx, script, ...flags),
    theirs: await time(cli, path.basename(file), "-o", "theirs.ts"),
  };
}
