import { execFile } from "node:child_process";
import { access, mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";

export const root = path.join(import.meta.dirname, "..");

/** A program ended with an error; the message is what it printed. */
export class ProgramError extends Error {}

/** Something that this machine does not have and no registry gave. */
export class NotInstalledError extends Error {}

/** Runs a program and resolves with what it printed on its two outputs. */
export async function run(
  program: string,
  args: string[],
  { cwd = root, env = {} }: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<{ stdout: string; stderr: string }> {
  const options = { cwd, env: { ...process.env, ...env }, timeout: 300_000, maxBuffer: 2 ** 24 };
  try {
    return await promisify(execFile)(program, args, options);
  } catch (error) {
    const { stdout = "", stderr = "", message } = error as Error & Record<string, string>;
    throw new ProgramError((stdout + stderr).trim() || message);
  }
}

/** What `npm pack --json` says of a tarball. */
export interface Tarball {
  filename: string;
  version: string;
  size: number;
  unpackedSize: number;
  files: { path: string; size: number }[];
}

/** Builds and packs what `npm publish` would send, into a folder. */
export async function pack(folder: string): Promise<Tarball> {
  const { stdout } = await run("npm", ["pack", "--json", "--silent", "--pack-destination", folder]);
  const [tarball] = JSON.parse(stdout) as Tarball[];
  if (!tarball) throw new Error("npm pack made nothing.");
  return { ...tarball, filename: path.join(folder, tarball.filename) };
}

/** Runs npm install in a folder, as quietly as it can. */
export async function npmInstall(folder: string, ...args: string[]): Promise<void> {
  const quiet = ["--no-audit", "--no-fund", "--loglevel=error"];
  await run("npm", ["install", "--prefix", folder, ...quiet, ...args]);
}

/**
 * Installs an exact version of a package, and what it goes with, into a folder of their own under
 * node_modules/.cache, where it stays for the next run. No install script runs. Resolves with the
 * folder of the package.
 */
export async function install(
  name: string,
  version: string,
  ...companions: string[]
): Promise<string> {
  const cache = path.join(root, "node_modules", ".cache", "kling-lip-sync");
  const folder = path.join(cache, `${name}@${version}`.replace("/", "+"));
  const modules = path.join(folder, "node_modules");
  // npm writes this last.
  if (!(await exists(path.join(modules, ".package-lock.json")))) {
    await mkdir(folder, { recursive: true });
    await writeFile(path.join(folder, "package.json"), "{}");
    const wanted = [`${name}@${version}`, ...companions];
    await npmInstall(folder, "--ignore-scripts", ...wanted).catch((error: unknown) => {
      throw new NotInstalledError(String(error));
    });
  }
  return path.join(modules, name);
}

export async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}
