// npm run bench: measures this library and the clients in peers/, in turns, and prints the medians.
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { replaceFile } from "../files.js";
import { install, npmInstall, pack } from "../package/pack.js";
import { runScript } from "../run-script.js";
import * as measure from "./measure.js";
import { mediansOf, type Results } from "./report.js";

const USAGE = `Usage: npm run bench -- [options]

Measures what this library and other clients cost, and prints the medians. Takes about ten minutes.
The first run installs the other clients under node_modules/.cache.

Options:
  --quick         One short round, which shows that it works, not how fast.
  --json FILE     Write every round's figures to FILE.
  --help          Show this help.
`;

const OURS = "kling-lip-sync";

/** How long the tasks take for which each client waits. They do not all end right at a poll. */
const TASKS_S = Array.from({ length: 15 }, (_, n) => Math.min(60 + 61.3 * n, 900));
const FULL = { rounds: 9, ms: 400, imports: 7, operations: [10, 100, 1000], tasksS: TASKS_S };
const QUICK = { rounds: 1, ms: 100, imports: 2, operations: [10], tasksS: [121.3] };

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      quick: { type: "boolean", default: false },
      json: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const run = await measureAll(values.quick ? QUICK : FULL);
  const medians = mediansOf(run.results);
  console.table(medians);
  if (values.json) await replaceFile(values.json, `${JSON.stringify(run, null, 2)}\n`);
  return 0;
}

/** Installs this library from its tarball, and the package that a peer's file names in a comment. */
async function installAll(temporary: string): Promise<measure.Installation[]> {
  const { filename } = await pack(temporary);
  const own = path.join(temporary, "own");
  await npmInstall(own, filename);
  const installations: measure.Installation[] = [];
  const peers = path.join(import.meta.dirname, "peers");
  for (const file of await readdir(peers)) {
    const text = await readFile(path.join(peers, file), "utf8");
    const [, name, version] = /^\/\/ npm install (.+)@(.+)$/m.exec(text) ?? [];
    const folder = name && version ? path.join(await install(name, version), "..", "..") : own;
    const installation = await measure.prepare(folder, path.basename(file, ".ts"));
    await measure.runTask(installation, "check");
    installations.push(installation);
  }
  return installations;
}

async function measureAll({ rounds, ms, imports, operations, tasksS }: typeof FULL) {
  const temporary = await mkdtemp(path.join(os.tmpdir(), "kling-lip-sync-bench-"));
  const results: Results = {};
  const add = (peer: string, figures: Record<string, number>) => {
    for (const [name, value] of Object.entries(figures)) {
      const byPeer = (results[name] ??= {});
      (byPeer[peer] ??= []).push(value);
    }
  };
  try {
    const turns = await installAll(temporary);

    // These are the same in each round.
    for (const installation of turns) {
      const { peer } = installation;
      add(peer, await measure.bundleSize(installation));
      if (peer !== "fetch") add(peer, await measure.installedSize(installation));
      add(peer, await measure.typeInstantiations(installation));
      add(peer, await measure.runTask(installation, "polls", ...tasksS));
    }

    for (let round = 1; round <= rounds; round++) {
      console.error(`Round ${round} of ${rounds}`);
      // Each round starts with another peer, and every second one runs backwards.
      turns.push(...turns.splice(0, 1));
      for (const installation of round % 2 === 0 ? [...turns].reverse() : turns) {
        const { peer } = installation;
        if (peer !== "fetch") add(peer, await measure.importTime(installation, imports));
        add(peer, await measure.runTask(installation, "cpu", ms));
      }
      for (const count of operations) {
        const { ours, theirs } = await measure.generatorTime(temporary, count);
        add(OURS, { [`generateMs, ${count} operations`]: ours });
        add("openapi-typescript", { [`generateMs, ${count} operations`]: theirs });
      }
    }
    return { date: new Date().toISOString(), node: process.version, cpus: os.cpus(), results };
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

await runScript(import.meta.url, main);
