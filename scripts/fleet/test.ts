// npm run test:fleet: the processor for BullMQ with real workers and a real Redis, which are killed.
import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { parseArgs } from "node:util";
import type { Plugin } from "esbuild";
import { npmInstall, root } from "../package/pack.js";
import { runScript } from "../run-script.js";
import { closeTest, limitTest } from "./calm.js";
import { bundleWorker } from "./crew.js";
import { removeFolder, temporaryFolder } from "./leavings.js";
import { type KillResult, killTest } from "./kill.js";
import { NoRedisError, startRedis } from "./redis.js";
import { STEPS } from "./trace.js";

const USAGE = `Usage: [SEED=n] npm run test:fleet -- [options]

Starts redis-server, a fake gateway and worker processes, and kills them while jobs are being
created: no job gets two tasks, and none is lost. Takes about three minutes. A seed repeats the
random numbers of the test, not its timing; SEED=n runs the kill test with this one alone.

Options:
  --without-second-fence  Run the kill test only, with a processor that does not prove its lock
                          again before it creates. The test has to fail.
  --help                  Show this help.
`;

const SEEDS = [1, 2, 3];
const TEST_TIMEOUT_MS = 180_000;
const JOBS = 200;
const JOBS_OF_A_VERSION = 20;
/** The oldest BullMQ, the newest 5 and the newest 6, which does not bring ioredis. */
const VERSIONS: Record<string, string[]> = {
  "5.0.0": [],
  "5.81.5": [],
  "6.7.0": ["ioredis@5.11.1"],
};

/** Resolves with the lines to print; a test that fails throws. */
type Test = () => Promise<string[]>;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      "without-second-fence": { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  if (!(await hasRedis())) return 0;
  const folder = temporaryFolder("fleet");
  try {
    const plugins = values["without-second-fence"] ? [withoutSecondFence] : [];
    const program = await bundleWorker(folder, ...plugins);
    const seed = process.env["SEED"];
    const isWhole = plugins.length === 0 && seed === undefined;
    const kills = killTests(program, seed === undefined ? SEEDS : [Number(seed)], isWhole);
    return await runTests(isWhole ? [...kills, ...otherTests(program, folder)] : kills);
  } finally {
    removeFolder(folder);
  }
}

/** Whether there is a redis-server. Under CI there has to be one. */
async function hasRedis(): Promise<boolean> {
  try {
    await (await startRedis()).stop();
    return true;
  } catch (error) {
    if (!(error instanceof NoRedisError) || process.env["CI"]) throw error;
    console.warn(`${error.message}\n\nSKIPPED: nothing was tested.`);
    return false;
  }
}

async function runTests(tests: Test[]): Promise<number> {
  let failures = 0;
  for (const test of tests) {
    // What still runs would hold up this process.
    const timer = setTimeout(() => {
      console.log(`FAILED: a test was not done after ${TEST_TIMEOUT_MS} ms; the rest is left out.`);
      process.exit(1);
    }, TEST_TIMEOUT_MS);
    try {
      for (const line of await test()) console.log(`ok: ${line}`);
    } catch (error) {
      failures += 1;
      console.log(`FAILED: ${error instanceof Error ? error.message : String(error)}`);
    } finally {
      clearTimeout(timer);
    }
  }
  return failures > 0 ? 1 : 0;
}

function killTests(program: string, seeds: number[], isWhole: boolean): Test[] {
  const results: KillResult[] = [];
  const runs = seeds.map((seed): Test => async () => {
    const options = { seed, program, folder: root, jobCount: JOBS };
    const result = await named(`seed ${seed}`, () => killTest(options));
    results.push(result);
    const parked = sum(result.parked.values());
    return [
      `seed ${seed}: ${figures(result)}`,
      `seed ${seed}: ${parked} parked jobs were retried without settling; nothing was created`,
    ];
  });
  const total: Test = () => {
    const counts = STEPS.map((step) => {
      const count = sum(results.map(({ freezes }) => freezes[step]));
      assert(count > 0, `no worker froze before "${step}"`);
      return `${count} before "${step}"`;
    });
    return Promise.resolve([`workers froze past their lock at every step: ${counts.join(", ")}`]);
  };
  return isWhole ? [...runs, total] : runs;
}

function otherTests(program: string, folder: string): Test[] {
  const versions = Object.entries(VERSIONS).map(([version, companions]): Test => async () => {
    const own = path.join(folder, version);
    await mkdir(own);
    await writeFile(path.join(own, "package.json"), "{}");
    const packages = [`bullmq@${version}`, ...companions];
    await npmInstall(own, "--ignore-scripts", "--prefer-offline", ...packages);
    const options = { seed: 1, program, folder: own, jobCount: JOBS_OF_A_VERSION };
    const result = await named(`BullMQ ${version}`, () => killTest(options));
    return [`BullMQ ${version}: ${figures(result)}`];
  });
  return [
    async () => [await limitTest(program, root)],
    async () => [await closeTest(program, root)],
    ...versions,
  ];
}

/** Says in an error which test it is of. */
async function named<Result>(name: string, test: () => Promise<Result>): Promise<Result> {
  try {
    return await test();
  } catch (error) {
    throw new Error(`${name}: ${String(error)}`, { cause: error });
  }
}

function figures(result: KillResult): string {
  const { jobs, kills, freezes, faults, parked, parkedWithTask, seconds } = result;
  const parkedCount = sum(parked.values());
  const causes = [...parked].map(([cause, count]) => `${count} by ${cause}`);
  return [
    `${jobs} jobs, ${kills} kills, ${sum(Object.values(freezes))} freezes, ${faults} faults`,
    `none with two tasks, none lost, ${jobs - parkedCount} completed`,
    `${parkedCount} parked (${causes.join(", ")}), ${parkedWithTask} of them with a task`,
    `after settling all completed with one task; ${seconds.toFixed(0)} s`,
  ].join("; ");
}

const sum = (numbers: Iterable<number>): number => [...numbers].reduce((a, b) => a + b, 0);

/** Bundles a processor that does not prove its lock again between the claim and the creation. */
const withoutSecondFence: Plugin = {
  name: "without second fence",
  setup(build) {
    build.onLoad({ filter: /[\\/]src[\\/]bullmq\.ts$/ }, async ({ path: file }) => {
      const text = await readFile(file, "utf8");
      const fence = "    await proveLock(job, token);\n    const task = await client.create(";
      assert.equal(text.split(fence).length, 2, "src/bullmq.ts has no second fence.");
      return {
        contents: text.replace(fence, "    const task = await client.create("),
        loader: "ts",
      };
    });
  },
};

await runScript(import.meta.url, main);
