// npm run test:fleet
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { root } from "../package/pack.js";
import { runScript } from "../run-script.js";
import { bundleWorker } from "./crew.js";
import { killTest } from "./kill.js";

async function main(): Promise<number> {
  const folder = await mkdtemp(path.join(os.tmpdir(), "kling-lip-sync-fleet-"));
  try {
    const program = await bundleWorker(folder);
    const seed = Number(process.env["SEED"] ?? 1);
    console.log(await killTest({ seed, program, folder: root, jobCount: 200, killsRedis: true }));
    return 0;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
await runScript(import.meta.url, main);
