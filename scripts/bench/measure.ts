// Measures a package and its types from outside, and starts program.ts for what has to run.
import { cp, mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { root, run } from "../package/pack.js";

/** A folder with a client in node_modules, and with a copy of this folder to run beside it. */
export interface Installation {
  folder: string;
  /** The name of the client's file in peers/. */
  peer: string;
}

const copyIn = (folder: string) => path.join(folder, "bench", "scripts", "bench");

/** Prepares an installation, in which this folder is copied and bundled with one peer. */
export async function prepare(folder: string, peer: string): Promise<Installation> {
  const copy = path.join(folder, "bench");
  await mkdir(copy, { recursive: true });
  await writeFile(path.join(copy, "package.json"), '{ "type": "module" }');
  for (const source of [path.join("scripts", "bench"), "generated"]) {
    await cp(path.join(root, source), path.join(copy, source), { recursive: true });
  }
  await build({
    stdin: {
      contents: `import * as peer from "./peers/${peer}.js";
        import { runTask } from "./program.js";
        await runTask(peer);`,
      resolveDir: copyIn(folder),
    },
    outfile: path.join(folder, `bench-${peer}.mjs`),
    bundle: true,
    packages: "external",
    platform: "node",
    format: "esm",
    logLevel: "warning",
  });
  return { folder, peer };
}

/** Runs a task of program.ts in a process of its own. */
export async function runTask(
  { folder, peer }: Installation,
  task: string,
  ...args: number[]
): Promise<Record<string, number>> {
  const flags = ["--no-warnings", "--expose-gc", `bench-${peer}.mjs`, task];
  const { stdout } = await run(process.execPath, [...flags, ...args.map(String)], { cwd: folder });
  return JSON.parse(stdout) as Record<string, number>;
}

/** How long a new process takes to import a package: the shortest of several. */
export async function importTime({ folder, peer }: Installation, processes: number) {
  const code = `const startedAt = performance.now();
    import("${peer}").then(() => console.log(performance.now() - startedAt));`;
  let importMs = Infinity;
  for (let n = 0; n < processes; n++) {
    const { stdout } = await run(process.execPath, ["--eval", code], { cwd: folder });
    importMs = Math.min(importMs, Number(stdout));
  }
  return { importMs };
}

/** A bundle for a browser that imports the client and creates one task, minified, with gzip. */
export async function bundleSize({ folder, peer }: Installation) {
  const { outputFiles } = await build({
    stdin: {
      contents: `import { connect } from "./peers/${peer}.js";
        connect("https://gateway.example").create().then(console.log);`,
      resolveDir: copyIn(folder),
    },
    bundle: true,
    minify: true,
    format: "esm",
    platform: "browser",
    logLevel: "silent",
    write: false,
  });
  const [{ contents } = { contents: "" }] = outputFiles;
  return { bundleBytes: gzipSync(contents, { level: 9 }).byteLength };
}

/** What an installation for production puts on disk. */
export async function installedSize({ folder }: Installation) {
  const modules = path.join(folder, "node_modules");
  const lock = await readFile(path.join(modules, ".package-lock.json"), "utf8");
  const { packages } = JSON.parse(lock) as { packages: object };
  let installedBytes = 0;
  for (const entry of await readdir(modules, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || entry.name === ".package-lock.json") continue;
    installedBytes += (await stat(path.join(entry.parentPath, entry.name))).size;
  }
  return { packages: Object.keys(packages).length, installedBytes };
}

/** Type instantiations of a file that creates and queries a task, above those of an empty file. */
export async function typeInstantiations({ folder, peer }: Installation) {
  const cwd = path.join(copyIn(folder), "peers");
  await writeFile(path.join(cwd, "empty.ts"), "export {};");
  const tsc = path.join(root, "node_modules", "typescript", "bin", "tsc");
  // Without `--typeRoots`, tsc would load every @types package in the folders above.
  const flags = "--noEmit --strict --skipLibCheck --target es2022 --module nodenext --typeRoots .";
  const count = async (file: string) => {
    const args = [tsc, ...flags.split(" "), "--extendedDiagnostics", file];
    const { stdout } = await run(process.execPath, args, { cwd });
    return Number(/^Instantiations: +(\d+)$/m.exec(stdout)?.[1]);
  };
  return { instantiations: (await count(`${peer}.ts`)) - (await count("empty.ts")) };
}

/** How long `npm run generate` takes for a document, and openapi-typescript's own command line. */
export async function generatorTime(folder: string, operations: number) {
  const document = `${operations}.yaml`;
  await writeFile(path.join(folder, document), JSON.stringify(documentOf(operations)));
  await writeFile(path.join(folder, "overlay.yaml"), "overlay: 1.1.0\nactions: []\n");
  const time = async (...args: string[]) => {
    const startedAt = performance.now();
    await run(process.execPath, args, { cwd: folder });
    return performance.now() - startedAt;
  };
  const modules = path.join(root, "node_modules");
  const tsx = path.join(modules, "tsx", "dist", "cli.mjs");
  const flags = `--spec ${document} --overlay overlay.yaml --out ours --docs ours`.split(" ");
  const cli = path.join(modules, "openapi-typescript", "bin", "cli.js");
  return {
    ours: await time(tsx, path.join(root, "scripts", "generate.ts"), ...flags),
    theirs: await time(cli, document, "-o", "theirs.ts"),
  };
}

/** A document with so many operations; JSON is YAML, too. */
function documentOf(operations: number): object {
  const properties = { text: { type: "string", description: "What it says." } };
  const content = { "application/json": { schema: { type: "object", properties } } };
  const responses = { "200": { description: "A task.", content } };
  const post = { summary: "An operation", requestBody: { content }, responses };
  const names = Array.from({ length: operations }, (_, n) => [`/v1/things-${n}`, { post }]);
  const info = { title: "Many", version: "1.0.0" };
  return { openapi: "3.0.1", info, paths: Object.fromEntries(names) as object };
}
