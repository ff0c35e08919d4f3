// npm run fleet: 200 clips, four workers that are killed all the time, and what comes of it.
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { SingleBar } from "cli-progress";
import { bundleWorker, type Member, startMember } from "./fleet/crew.js";
import { type Gateway, serveGateway } from "./fleet/gateway.js";
import { type LipSyncQueue, openQueue, requestOf } from "./fleet/queue.js";
import { startRedis } from "./fleet/redis.js";
import { createTrace } from "./fleet/trace.js";
import { runScript } from "./run-script.js";

const CLIPS = 200;
const WORKERS = 4;
const KILL_EVERY_MS = 500;
const PARALLEL_TASKS = 40;

const INTRODUCTION = `${CLIPS} clips, ${WORKERS} workers, a fake gateway that runs ${PARALLEL_TASKS} tasks at once.
Twice a second a worker is killed with SIGKILL, and another one starts. Nothing is billed.
`;

const folder = path.join(import.meta.dirname, "..");

async function main(): Promise<number> {
  const given = process.env["REDIS_URL"];
  const server = given === undefined ? await startRedis() : undefined;
  const redisPort = server?.port ?? portOf(given ?? "");
  const gateway = await serveGateway({ polls: 3, maxParallelTasks: PARALLEL_TASKS });
  const name = `lip-sync-fleet-${process.pid}`;
  const queue = openQueue(folder, redisPort, name);
  const temporary = await mkdtemp(path.join(os.tmpdir(), "kling-lip-sync-fleet-"));
  const crew: Member[] = [];

  async function cleanUp(): Promise<void> {
    await Promise.all(crew.map((member) => member.kill()));
    gateway.close();
    if (server === undefined) await queue.obliterate({ force: true });
    await queue.disconnect();
    await server?.stop();
    await rm(temporary, { recursive: true, force: true });
  }

  process.once("SIGINT", () => {
    void cleanUp().finally(() => process.exit(130));
  });
  try {
    console.log(INTRODUCTION);
    const clips = Array.from({ length: CLIPS }, (_, index) => `clip ${index + 1}`);
    await queue.addBulk(
      clips.map((clip) => ({ name: clip, data: requestOf(clip), opts: { attempts: 5 } })),
    );
    const program = await bundleWorker(temporary);
    const start = () => startMember(program, settingsOf(redisPort, name, gateway), createTrace());
    for (let count = 0; count < WORKERS; count++) crew.push(start());
    const startedAt = performance.now();
    const { kills, parked } = await watch(queue, gateway, crew, start);
    const seconds = (performance.now() - startedAt) / 1000;
    return report(clips, gateway, await queue.getCompletedCount(), parked, kills, seconds);
  } finally {
    await cleanUp();
  }
}

/** The port of a Redis that runs already. Workers that are killed belong on this machine only. */
function portOf(url: string): number {
  const { protocol, hostname, port } = new URL(url);
  const isHere = ["127.0.0.1", "localhost", "[::1]"].includes(hostname);
  if (protocol === "redis:" && isHere) return Number(port || 6379);
  throw new Error(`REDIS_URL has to be a Redis on this machine, such as redis://127.0.0.1:6379.`);
}

function settingsOf(redisPort: number, queue: string, { baseUrl, apiKey }: Gateway) {
  const times = { intervalMs: 500, pauseMs: 500, graceMs: 6000, lockMs: 1500, stalledMs: 1000 };
  return { redisPort, queue, baseUrl, apiKey, concurrency: 3, attemptMs: 3000, folder, ...times };
}

/** Kills and replaces workers until every clip is done or parked. */
async function watch(
  queue: LipSyncQueue,
  gateway: Gateway,
  crew: Member[],
  start: () => Member,
): Promise<{ kills: number; parked: number }> {
  const bar = new SingleBar({
    format:
      "[{bar}] {value}/{total} done · {submitted} submitted · {running} running · {parked} parked · {kills} kills",
    noTTYOutput: true,
    notTTYSchedule: 2000,
  });
  let kills = 0;
  let parked = 0;
  bar.start(CLIPS, 0, { submitted: 0, running: 0, parked, kills });
  for (;;) {
    const { completed = 0, failed = 0, ...left } = await queue.getJobCounts();
    parked = failed;
    const submitted = gateway.taskCount();
    const running = Math.max(0, submitted - completed);
    bar.update(completed, { submitted, running, parked, kills });
    if (completed + failed === CLIPS) break;
    if (Object.values(left).every((count) => count === 0)) break;
    const ready = crew.filter(({ isReady }) => isReady);
    const victim = ready[Math.floor(Math.random() * ready.length)];
    if (victim) {
      await victim.kill();
      crew.splice(crew.indexOf(victim), 1, start());
      kills += 1;
    }
    await sleep(KILL_EVERY_MS);
  }
  bar.stop();
  return { kills, parked };
}

/** Prints the table; the exit code is 1 if a promise was broken. */
function report(
  clips: string[],
  gateway: Gateway,
  done: number,
  parked: number,
  kills: number,
  seconds: number,
): number {
  const twice = clips.filter((clip) => gateway.tasksOf(clip).length > 1).length;
  const lost = clips.length - done - parked;
  const rows: [string, number | string, string][] = [
    ["clips", clips.length, `${done} done`],
    ["tasks at the gateway", gateway.taskCount(), ""],
    ["created twice", twice, ""],
    ["lost", lost, ""],
    ["parked", parked, "a kill hit their create; a person settles them (docs/fleet.md)"],
    ["kills", kills, ""],
    ["seconds", seconds.toFixed(1), ""],
  ];
  console.log();
  for (const [name, value, remark] of rows) {
    console.log(`${name.padEnd(22)}${String(value).padStart(6)}  ${remark}`.trimEnd());
  }
  return twice === 0 && lost === 0 ? 0 : 1;
}

await runScript(import.meta.url, main);
