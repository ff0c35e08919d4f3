// npm run budget: fails when the packed tarball costs its users more than it may. The benchmark
// measures other clients in the same way.
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { npmInstall, pack, root, run } from "./pack.js";
import { runScript } from "./run-script.js";

/** Raise one only for something that is worth it to every user. */
export const BUDGETS = {
  bundleBytes: 10_050,
  installedBytes: 700_000,
  packages: 3,
  instantiations: 290,
};

const MEANINGS = {
  bundleBytes: "bytes of a bundle that creates a task, minified, with gzip",
  installedBytes: "bytes on disk after an installation",
  packages: "packages after an installation",
  instantiations: "type instantiations of a file that calls the client",
};

/** The request of every measurement. */
export const REQUEST = `{
  input: {
    video_url: "https://media.example/speaker.mp4",
    mode: "audio2video",
    audio_type: "url",
    audio_url: "https://media.example/speech.mp3",
  },
} as const`;

/** A program that calls this library. */
export const OUR_PROGRAM = `import { createLipSyncClient } from "kling-lip-sync";
export function connect(apiKey: string, baseUrl: string) {
  const client = createLipSyncClient({ apiKey, baseUrl });
  return { create: () => client.create(${REQUEST}), get: () => client.get("task-1") };
}`;

async function main(): Promise<number> {
  const folder = await mkdtemp(path.join(os.tmpdir(), "kling-lip-sync-budget-"));
  try {
    const { filename } = await pack(folder);
    const consumer = path.join(folder, "consumer");
    await npmInstall(consumer, "--prefer-offline", filename);
    await writeFile(path.join(consumer, PROGRAM), OUR_PROGRAM);
    const found = {
      ...(await measureInstallation(consumer)),
      ...(await measureProgram(consumer)),
    };
    let isKept = true;
    for (const name of Object.keys(BUDGETS) as (keyof typeof BUDGETS)[]) {
      const isOver = found[name] > BUDGETS[name];
      if (isOver) isKept = false;
      const verdict = isOver ? "OVER BUDGET" : "ok";
      console.log(`${verdict}: ${found[name]} of at most ${BUDGETS[name]} ${MEANINGS[name]}`);
    }
    return isKept ? 0 : 1;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The file with a program, beside the node_modules with its client. */
export const PROGRAM = "program.mts";

/** What an installation for production puts on disk. */
export async function measureInstallation(folder: string) {
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

/** A bundle of the program for a browser, and what its types cost the compiler. */
export async function measureProgram(folder: string) {
  const { outputFiles } = await build({
    stdin: {
      contents: `import { connect } from "./${PROGRAM}";
        connect("key", "https://gateway.example").create().then(console.log);`,
      resolveDir: folder,
    },
    bundle: true,
    minify: true,
    format: "esm",
    platform: "browser",
    logLevel: "silent",
    write: false,
  });
  const [{ contents } = { contents: "" }] = outputFiles;
  const bundleBytes = gzipSync(contents, { level: 9 }).byteLength;
  await writeFile(path.join(folder, "empty.mts"), "export {};");
  const instantiations =
    (await typeInstantiations(folder, PROGRAM)) - (await typeInstantiations(folder, "empty.mts"));
  return { bundleBytes, instantiations };
}

async function typeInstantiations(folder: string, file: string): Promise<number> {
  const tsc = path.join(root, "node_modules", "typescript", "bin", "tsc");
  // Without `--typeRoots`, tsc would load every @types package in the folders above.
  const flags = "--noEmit --strict --skipLibCheck --target es2022 --module nodenext --typeRoots no";
  const args = [tsc, ...flags.split(" "), "--extendedDiagnostics", file];
  const { stdout } = await run(process.execPath, args, { cwd: folder });
  return Number(/^Instantiations: +(\d+)$/m.exec(stdout)?.[1]);
}

await runScript(import.meta.url, main);
