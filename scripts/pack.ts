// Runs programs, builds and packs the tarball, and installs packages in folders of their own.
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, readFile, rename, rm, symlink } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";

export const root = path.join(import.meta.dirname, "..");

/** A program failed; the message is what it printed. */
export class ProgramError extends Error {
  constructor(printed: string) {
    super(printed);
    // Vitest would look for the files in a stack that the program printed.
    this.stack = String(this.stack).replace(printed, "the program failed");
  }
}

const PROGRAM_TIMEOUT_MS = 300_000;
const MAX_OUTPUT_BYTES = 16_000_000;

/** Runs a program and returns what it printed. */
export async function run(
  program: string,
  args: string[],
  { cwd = root, env = {} }: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<{ stdout: string; stderr: string }> {
  const limits = { timeout: PROGRAM_TIMEOUT_MS, maxBuffer: MAX_OUTPUT_BYTES };
  try {
    return await promisify(execFile)(program, args, {
      cwd,
      env: { ...process.env, ...env },
      ...limits,
    });
  } catch (error) {
    const { stdout = "", stderr = "", message } = error as Error & Record<string, string>;
    throw new ProgramError((stdout + stderr).trim() || message);
  }
}

/** What `npm pack --json` says about a tarball. */
export interface Tarball {
  filename: string;
  version: string;
  size: number;
  unpackedSize: number;
  files: { path: string; size: number }[];
}

/** What the build reads and the tarball does not have. */
const BUILD_FILES = [
  ...["scripts/build.ts", "tsconfig.json", "tsconfig.build.json"],
  ...["src", "generated/schema.ts", "generated/voices.ts"],
];
/** What npm packs without being told to. */
const ALWAYS_PACKED = ["package.json", "README.md", "LICENSE"];

/**
 * Builds and packs what `npm publish` would send, into a folder. This happens in a copy of the
 * project, so that nothing is written into dist/.
 */
export async function pack(folder: string): Promise<Tarball> {
  const manifest = await readFile(path.join(root, "package.json"), "utf8");
  const { files } = JSON.parse(manifest) as { files: string[] };
  const copy = path.join(folder, "copy");
  // The build writes dist/; what "!" leaves out of the tarball, npm leaves out itself.
  const sources = files.filter((name) => name !== "dist" && !name.startsWith("!"));
  for (const name of [...BUILD_FILES, ...ALWAYS_PACKED, ...sources]) {
    await cp(path.join(root, name), path.join(copy, name), { recursive: true });
  }
  await symlink(path.join(root, "node_modules"), path.join(copy, "node_modules"), "junction");
  const args = ["pack", "--json", "--silent", "--pack-destination", folder];
  const { stdout } = await run("npm", args, { cwd: copy });
  const [tarball] = JSON.parse(stdout) as Tarball[];
  if (!tarball) throw new Error("npm pack printed no tarball.");
  return { ...tarball, filename: path.join(folder, tarball.filename) };
}

/** Runs `npm install` in a folder. */
export async function npmInstall(folder: string, ...args: string[]): Promise<void> {
  const quiet = ["--no-audit", "--no-fund", "--loglevel=error"];
  await run("npm", ["install", "--prefix", folder, ...quiet, ...args]);
}

/**
 * Installs an exact version of a package, and its companions, in a folder of its own under
 * node_modules/.cache, where the next run finds it. No install script runs. Returns the folder of
 * the package.
 */
export async function install(
  name: string,
  version: string,
  ...companions: string[]
): Promise<string> {
  const cache = path.join(root, "node_modules", ".cache", "kling-lip-sync");
  const folder = path.join(cache, `${name}@${version}`.replace("/", "+"));
  if (!existsSync(folder)) {
    await mkdir(cache, { recursive: true });
    // Renamed when it is whole: an installation may be interrupted, or run twice at the same time.
    const temporary = await mkdtemp(`${folder}-`);
    try {
      await npmInstall(temporary, "--ignore-scripts", `${name}@${version}`, ...companions);
      await rename(temporary, folder).catch((error: unknown) => {
        if (!existsSync(folder)) throw error;
      });
    } finally {
      await rm(temporary, { recursive: true, force: true });
    }
  }
  return path.join(folder, "node_modules", name);
}
