// npm run budget: fails when the packed tarball costs its users more than it may.
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import * as measure from "../bench/measure.js";
import { runScript } from "../run-script.js";
import { npmInstall, pack } from "./pack.js";

/** Raise one only for something that is worth it to every user. */
export const BUDGETS = {
  bundleBytes: 10_100,
  installedBytes: 530_000,
  packages: 3,
  instantiations: 330,
};

const MEANINGS = {
  bundleBytes: "bytes of a bundle that creates a task, minified, with gzip",
  installedBytes: "bytes on disk after an installation",
  packages: "packages after an installation",
  instantiations: "type instantiations of a file that calls the client",
};

async function main(): Promise<number> {
  const folder = await mkdtemp(path.join(os.tmpdir(), "kling-lip-sync-budget-"));
  try {
    const { filename } = await pack(folder);
    const consumer = path.join(folder, "consumer");
    await npmInstall(consumer, "--prefer-offline", filename);
    const installation = await measure.prepare(consumer, "kling-lip-sync");
    const found = {
      ...(await measure.bundleSize(installation)),
      ...(await measure.installedSize(installation)),
      ...(await measure.typeInstantiations(installation)),
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

await runScript(import.meta.url, main);
