// npm run bench: measures this library and the clients in peers/, in turns, and prints the medians.
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { text as readText } from "node:stream/consumers";
import { parseArgs } from "node:util";
import { replaceFile } from "../files.js";
import { install, npmInstall, pack } from "../package/pack.js";
import { listen } from "../package/places.js";
import { runScript } from "../run-script.js";
import * as measure from "./measure.js";
import { gatewayAnswer } from "./peer.js";

const USAGE = `Usage: npm run bench -- [options]

Measures what this library and other clients cost, and prints the medians. Takes about ten minutes.
The first run installs the other clients under node_modules/.cache.

Options:
  --quick      One short round, which shows that it works, not how fast.
  --json FILE  Write every round's figures to FILE.
  --help       Show this help.
`;

const OURS = "kling-lip-sync";

/** How long the tasks take for which each client waits. They do not all end right at a poll. */
const TASKS_S = Array.from({ length: 15 }, (_, n) => Math.min(60 + 61.3 * n, 900));
const FULL = { rounds: 9, ms: 400, imports: 7, operations: [10, 100, 1000], tasksS: TASKS_S };
const QUICK = { rounds: 1, ms: 100, imports: 2, operations: [10], tasksS: [121.3] };
const WAITS = 10_000;

/** Every round's value of each peer, by what was measured. */
type Results = Record<string, Record<string, number[]>>;

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
  const temporary = await mkdtemp(path.join(os.tmpdir(), "kling-lip-sync-bench-"));
  try {
    const { installations, packages } = await installAll(temporary);
    const results = await measureAll(installations, temporary, values.quick ? QUICK : FULL);
    console.table(mediansOf(results));
    const { platform, versions } = process;
    const machine = { node: versions.node, platform, cpus: os.cpus().map(({ model }) => model) };
    const json = { date: new Date().toISOString(), ...machine, packages, results };
    if (values.json) await replaceFile(values.json, `${JSON.stringify(json, null, 2)}\n`);
    return 0;
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** Installs this library from its tarball, and the package that a peer's file names in a comment. */
async function installAll(temporary: string) {
  const { filename, version: ownVersion } = await pack(temporary);
  const own = path.join(temporary, "own");
  await npmInstall(own, filename);
  const installations = new Map<string, measure.Installation>();
  const packages: Record<string, string> = { [OURS]: ownVersion };
  const peers = path.join(import.meta.dirname, "peers");
  for (const file of await readdir(peers)) {
    const peer = path.basename(file, ".ts");
    const text = await readFile(path.join(peers, file), "utf8");
    const [, name, version] = /^\/\/ npm install (.+)@(.+)$/m.exec(text) ?? [];
    let folder = own;
    if (name !== undefined && version !== undefined) {
      packages[peer] = version;
      folder = path.join(await install(name, version), "..", "..");
    }
    const installation = await measure.prepare(folder, peer);
    await measure.runTask(installation, "check");
    installations.set(peer, installation);
  }
  return { installations, packages };
}

async function measureAll(
  installations: Map<string, measure.Installation>,
  temporary: string,
  { rounds, ms, imports, operations, tasksS }: typeof FULL,
): Promise<Results> {
  const results: Results = {};
  const add = (peer: string, figures: Record<string, number>) => {
    for (const [name, value] of Object.entries(figures)) {
      const byPeer = (results[name] ??= {});
      (byPeer[peer] ??= []).push(value);
    }
  };

  // These are the same in each round.
  for (const [peer, installation] of installations) {
    add(peer, await measure.bundleSize(installation));
    if (peer !== "fetch") add(peer, await measure.installedSize(installation));
    add(peer, await measure.typeInstantiations(installation));
    add(peer, await measure.runTask(installation, "polls", ...tasksS));
  }

  const turns = [...installations];
  const gateway = await listen(async (response) => {
    await readText(response.req);
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(gatewayAnswer(false)));
  });
  const port = Number(new URL(gateway.url).port);
  try {
    for (let round = 1; round <= rounds; round++) {
      console.error(`Round ${round} of ${rounds}`);
      // Each round starts with another peer, and every second one runs backwards.
      turns.push(...turns.splice(0, 1));
      for (const [peer, installation] of round % 2 === 0 ? [...turns].reverse() : turns) {
        if (peer !== "fetch") add(peer, await measure.importTime(installation, imports));
        add(peer, await measure.runTask(installation, "cpu", ms));
        for (const parallel of [1, 64]) {
          const args = [port, parallel, 2 * ms];
          add(peer, await measure.runTask(installation, "throughput", ...args));
        }
        if (peer === OURS) add(peer, await measure.runTask(installation, "waits", WAITS));
      }
      for (const n of operations) {
        const { ours, theirs } = await measure.generatorTime(temporary, n);
        add(OURS, { [`generateMs, ${n} operations`]: ours });
        add("openapi-typescript", { [`generateMs, ${n} operations`]: theirs });
      }
    }
  } finally {
    gateway.close();
  }
  return results;
}

/** The median of each peer's rounds, rounded. There is an odd number of rounds. */
export function mediansOf(results: Results): Record<string, Record<string, number>> {
  const medianOf = (values: number[]) => {
    const median = [...values].sort((a, b) => a - b)[(values.length - 1) / 2] ?? NaN;
    return median < 100 ? Number(median.toFixed(1)) : Math.round(median);
  };
  const medians: Record<string, Record<string, number>> = {};
  for (const [name, byPeer] of Object.entries(results)) {
    const peers = Object.entries(byPeer).map(([peer, values]) => [peer, medianOf(values)]);
    medians[name] = Object.fromEntries(peers) as Record<string, number>;
  }
  return medians;
}

await runScript(import.meta.url, main);
