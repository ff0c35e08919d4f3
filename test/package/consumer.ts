// The folder in which the packed library is installed: what npm put there, and bundles of its programs.
import { readFile } from "node:fs/promises";
import path from "node:path";
import { build } from "esbuild";
import { inject } from "vitest";
import { install } from "../../scripts/pack.js";

export const consumer = inject("consumer");

/** Bundles a program of the consumer with esbuild, and resolves with the code. */
export async function bundle(file: string): Promise<string> {
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

export const NODE_VERSIONS = ["22.23.3", "24.21.0", "26.10.0"] as const;

/** Installs a version of Node, and resolves with the program. */
export async function installNode(version: (typeof NODE_VERSIONS)[number]): Promise<string> {
  const folder = await install(`node-${process.platform}-${process.arch}`, version);
  return path.join(folder, "bin", "node");
}
