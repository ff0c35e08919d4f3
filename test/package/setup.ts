// Packs the library once for all tests of the package, and installs it beside a copy of test/consumers/.
import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import type { TestProject } from "vitest/node";
import { npmInstall, pack, root } from "../../scripts/pack.js";

declare module "vitest" {
  interface ProvidedContext {
    tarball: string;
    /** The folder in which it is installed. */
    consumer: string;
  }
}

export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(path.join(os.tmpdir(), "kling-lip-sync-package-"));
  const consumer = path.join(folder, "consumer");
  await cp(path.join(root, "test", "consumers"), consumer, { recursive: true });
  await writeFile(path.join(consumer, "package.json"), '{ "private": true, "type": "module" }');
  const { filename } = await pack(folder);
  await npmInstall(consumer, filename);
  project.provide("tarball", filename);
  project.provide("consumer", consumer);
  return () => rm(folder, { recursive: true, force: true });
}
