// Processes of a batch are killed and frozen, and its disk and its gateway fail: no clip is created
// twice, none is lost, and what is uncertain is what nobody can know.
import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import {
  type Found,
  type LipSyncClipState,
  readLipSyncBatch,
  settleLipSyncClip,
} from "../../src/batch/index.js";
import { createFakeGateway } from "../../src/testing.js";
import { type Fault, serve, type ServeOptions } from "../fixtures/gateway.js";
import { chanceOf } from "../fixtures/random.js";
import { project, temporaryFolders } from "../fixtures/scripts.js";
import { sha256Of } from "../../src/batch/claim.js";
import { BATCH_STEPS, type BatcherSettings, clipOf } from "./batcher-settings.js";
import { type Batcher, bundleBatcher, startBatcher } from "./batchers.js";

const ATTEMPT_MS = 1500;

const newFolder = temporaryFolders();
let program: string;
beforeAll(async () => {
  program = await bundleBatcher(await newFolder());
});

/** A folder, a gateway, and how to start a process with both. */
async function newBatch(ids: string[], options: ServeOptions = {}) {
  const gateway = createFakeGateway({ polls: 2 });
  const server = await serve(gateway, { tooLateMs: ATTEMPT_MS + 300, ...options });
  onTestFinished(server.close);
  const folder = path.join(await newFolder(), "batch");
  const journal = path.join(folder, "journal.jsonl");
  let seen = Buffer.alloc(0);

  return {
    folder,
    start: (more: Partial<BatcherSettings> = {}, command = [process.execPath, program]): Batcher =>
      startBatcher(command, {
        baseUrl: server.baseUrl,
        apiKey: gateway.apiKey,
        folder,
        ids,
        intervalMs: 100,
        pauseMs: 100,
        attemptMs: ATTEMPT_MS,
        ...more,
      }),
    tasksOf: server.tasksOf,
    states: () => readLipSyncBatch(folder),
    /** The ids of the clips in a state. */
    in: async (state: LipSyncClipState["state"]) =>
      (await readLipSyncBatch(folder)).filter((clip) => clip.state === state).map(({ id }) => id),
    /** What a person finds at the gateway. */
    foundFor(id: string): Found {
      const [taskId] = server.tasksOf(id);
      return taskId === undefined ? { noTask: true } : { taskId };
    },
    settle: (id: string, found: Found) =>
      inTwoMinutes(() => settleLipSyncClip(folder, id, found, { force: true })),
    /** The journal has all that it had, and more. */
    checkJournal() {
      if (!fs.existsSync(journal)) return;
      const now = fs.readFileSync(journal);
      expect(now.subarray(0, seen.length).equals(seen), "the journal only grows").toBe(true);
      seen = now;
    },
    /** Each clip has one task and its video. */
    async expectNoneTwiceNoneLost() {
      this.checkJournal();
      const states = await readLipSyncBatch(folder);
      expect(states.map(({ id }) => id).sort()).toEqual([...ids].sort());
      for (const { id, ...clip } of states) {
        const [taskId, ...more] = server.tasksOf(id);
        expect({ id, more, ...clip }).toMatchObject({ id, more: [], state: "saved", taskId });
        expect(clip).not.toHaveProperty("extraTaskIds");
        expect(fs.existsSync(path.join(folder, `${id}.mp4`)), `${id}.mp4`).toBe(true);
      }
    },
  };
}

/** A claim is taken for dead after two minutes, if its process may live. */
async function inTwoMinutes(act: () => Promise<void>): Promise<void> {
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 121_000 });
  try {
    await act();
  } finally {
    vi.useRealTimers();
  }
}

describe("a process is killed", () => {
  const UNCERTAIN = ["claimed", "synced", "send", "sent"];

  it.each(BATCH_STEPS)("at the step: %s", async (step) => {
    const batch = await newBatch(["a", "b", "c"]);
    const breakAt = { step, time: 1, how: "SIGKILL" } as const;
    const killed = batch.start({ breakAt, parallel: 1 });
    const clip = await killed.until("killed");
    await killed.ended;
    batch.checkJournal();
    const report = await batch.start().ended;
    batch.checkJournal();
    const isUncertain = UNCERTAIN.includes(step);
    expect(await batch.in("uncertain")).toEqual(isUncertain ? [clip] : []);
    expect(report).toMatchObject({ saved: isUncertain ? 2 : 3 });
    if (isUncertain) {
      await batch.settle(clip, batch.foundFor(clip));
      await batch.start().ended;
    }
    await batch.expectNoneTwiceNoneLost();
  });
});

describe("a process is frozen, and goes on after a person settled its clip", () => {
  it.each(["claimed", "synced", "sent"] as const)("at the step: %s", async (step) => {
    const batch = await newBatch(["a", "b", "c"]);
    const frozen = batch.start({ breakAt: { step, time: 1, how: "SIGSTOP" } });
    const clip = await frozen.until("frozen");
    await batch.settle(clip, batch.foundFor(clip));
    await batch.start().ended;
    frozen.signal("SIGCONT");
    await frozen.ended;
    await batch.expectNoneTwiceNoneLost();
  });

  it("right before its request, which a person denied by force: both tasks are kept", async () => {
    const batch = await newBatch(["a"]);
    const frozen = batch.start({ breakAt: { step: "send", time: 1, how: "SIGSTOP" } });
    await frozen.until("frozen");
    await batch.settle("a", { noTask: true });
    await batch.start().ended;
    frozen.signal("SIGCONT");
    await frozen.ended;
    const [first = "", second = ""] = batch.tasksOf("a");
    expect(await batch.states()).toMatchObject([
      { state: "saved", taskId: first, extraTaskIds: [second] },
    ]);
  });
});

describe("the disk is full", () => {
  it("before the claim: nothing is sent", async () => {
    const batch = await newBatch(["a", "b"]);
    expect(await batch.start({ fullAt: "claim" }).ended).toMatchObject({
      ...{ left: 2, stop: { cause: "disk" } },
    });
    expect(batch.tasksOf("a")).toEqual([]);
    await batch.start().ended;
    await batch.expectNoneTwiceNoneLost();
  });

  it("after the request: the id is printed, and stored as soon as there is space", async () => {
    const batch = await newBatch(["a", "b"]);
    const process = batch.start({ fullAt: "task" });
    const warning = await process.until("warning");
    expect(warning).toContain(`Task ${batch.tasksOf("a").join()} of clip a exists`);
    fs.writeFileSync(`${batch.folder}.room`, "");
    expect(await process.ended).toMatchObject({ saved: 1, left: 1, stop: { cause: "disk" } });
    await batch.start().ended;
    await batch.expectNoneTwiceNoneLost();
  });

  it("after the request, until the process is stopped: the printed id settles the clip", async () => {
    const batch = await newBatch(["a", "b"]);
    const process = batch.start({ fullAt: "task" });
    const [, taskId = ""] = /^Task (\S+) of clip a/.exec(await process.until("warning")) ?? [];
    process.signal("SIGTERM");
    await process.ended;
    expect(await batch.in("uncertain")).toEqual(["a"]);
    await batch.settle("a", { taskId });
    await batch.start().ended;
    await batch.expectNoneTwiceNoneLost();
  });

  it("after a request that was refused: the clip is free as soon as there is space", async () => {
    let isBusy = true;
    const batch = await newBatch(["a"], { faultOf: () => (isBusy ? "busy" : undefined) });
    const process = batch.start({ fullAt: "free" });
    await process.until("full");
    isBusy = false;
    fs.writeFileSync(`${batch.folder}.room`, "");
    expect(await process.ended).toMatchObject({ left: 1, uncertain: 0, stop: { cause: "disk" } });
    await batch.start().ended;
    await batch.expectNoneTwiceNoneLost();
  });

  it("as the system says it (ulimit): no id is lost", async () => {
    const batch = await newBatch(["a", "b", "c", "d"]);
    // The journal may have one kilobyte: two clips, and then some part of a line.
    const limited = ["bash", "-c", `ulimit -f 1; exec "$0" "$1"`, process.execPath, program];
    const full = batch.start({}, limited);
    const isWaiting = full.until("warning").then(() => {
      full.signal("SIGTERM");
    });
    await Promise.race([full.ended, isWaiting]);
    await full.ended;
    const printed = full.printed.map((line) => /^warning Task (\S+) of clip (\S+)/.exec(line));
    for (const [, taskId = "", id = ""] of printed.flatMap((match) => (match ? [match] : [])))
      await batch.settle(id, { taskId });
    await batch.start().ended;
    expect(await batch.in("uncertain")).toEqual([]);
    await batch.expectNoneTwiceNoneLost();
  });
});

it("a process that has the pid of the one that was killed, as in a container, waits for nobody", async () => {
  const batch = await newBatch(["a", "b"]);
  const killed = batch.start({ pid: 7, breakAt: { step: "sent", time: 1, how: "SIGKILL" } });
  await killed.ended;
  const report = await batch.start({ pid: 7 }).ended;
  expect(report).toMatchObject({ saved: 1, uncertain: 1 });
  await batch.settle("a", batch.foundFor("a"));
  await batch.start({ pid: 7 }).ended;
  await batch.expectNoneTwiceNoneLost();
});

it("a living program that has the pid of the one that was killed prolongs nothing", async () => {
  const batch = await newBatch(["a"]);
  await batch.start({ pid: process.pid, breakAt: { step: "sent", time: 1, how: "SIGKILL" } }).ended;
  // For this process, the claim would be its own predecessor's.
  vi.spyOn(process, "pid", "get").mockReturnValue(1);
  expect(await batch.in("creating")).toEqual(["a"]);
  await inTwoMinutes(async () => {
    expect(await batch.in("uncertain")).toEqual(["a"]);
    await expect(settleLipSyncClip(batch.folder, "a", { noTask: true })).rejects.toThrow(
      "a process with this id is running",
    );
  });
  vi.restoreAllMocks();
});

it("100,000 clips, all but ten saved: the first request is sent in ten seconds with 300 MB", async (test) => {
  const COUNT = 100_000;
  const batch = await newBatch([]);
  fs.mkdirSync(batch.folder);
  const lines: object[] = [];
  for (let index = 0; index < COUNT - 10; index++) {
    const { id, request } = clipOf(`clip-${index}`);
    const claim = `${"0".repeat(36)}/${index}`;
    const taskId = `task-of-${"0".repeat(20)}-${index}`;
    const owner = { at: 1, host: "another-host", pid: 1, sha256: sha256Of(request), text: id };
    lines.push({ event: "claim", id, claim, ...owner });
    lines.push({ event: "task", id, claim, taskId }, { event: "saved", id, taskId });
  }
  const text = lines.map((line) => `${JSON.stringify(line)}\n`).join("");
  fs.writeFileSync(path.join(batch.folder, "journal.jsonl"), text);
  const process = batch.start({ count: COUNT });
  const usage = JSON.parse(await process.until("usage")) as { memoryKb: number; cpuMs: number };
  const { memoryKb, cpuMs } = usage;
  await test.annotate(`${Math.round(cpuMs)} ms, ${memoryKb} kB`);
  // Of the processor: other tests may run beside it.
  expect(cpuMs).toBeLessThan(10_000);
  expect(memoryKb).toBeLessThan(300_000);
  expect(await process.ended).toMatchObject({ saved: COUNT, left: 0 });
});

it("three processes whose writes are slow share the clips", async () => {
  const ids = Array.from({ length: 12 }, (_, index) => `clip-${index}`);
  const batch = await newBatch(ids);
  const processes = [1, 2, 3].map(() => batch.start({ slowWriteMs: 30 }));
  for (const { ended } of processes) expect(await ended).toMatchObject({ saved: 12 });
  await batch.expectNoneTwiceNoneLost();
});

it("npx is killed and started again: the first program goes on, and no clip is created twice", async () => {
  const ids = ["a", "b", "c", "d", "e", "f"];
  let createMs = 20;
  const batch = await newBatch(ids, { delayMs: () => createMs });
  const npx = ["npx", "tsx", path.join(project, "test", "fleet", "batcher.ts")];
  const first = batch.start({}, npx);
  const pid = Number(await first.until("ready"));
  await first.until("stored");
  // The first program still creates when the second one is ready.
  createMs = ATTEMPT_MS - 300;
  first.signal("SIGKILL");
  const second = batch.start({}, npx);
  await second.until("ready");
  expect(() => process.kill(pid, 0), "the program that npx started").not.toThrow();
  createMs = 20;
  expect(await second.ended).toMatchObject({ saved: 6 });
  await batch.expectNoneTwiceNoneLost();
});

/** Of 100 creates, how many have which fault. */
const FAULTS: [Fault, number][] = [
  ["dropped", 6],
  ["dropped after", 6],
  ["502", 6],
  ["500 after", 6],
  ["500 with id", 6],
  ["too late", 4],
  ["busy", 12],
  ["402", 3],
];
/** After these, nobody can know whether there is a task. */
const DISTURBING: Fault[] = ["dropped", "dropped after", "502", "500 after", "too late"];
const CLIPS = 40;
const SECONDS = 6;

describe("everything fails at once", () => {
  it.for([1, 2, 3])("none twice, none lost, seed %i", async (seed, test) => {
    const chance = chanceOf(seed);
    const disturbed = new Set<string>();
    let isCalm = false;
    const batch = await newBatch(
      Array.from({ length: CLIPS }, (_, index) => `clip-${index}`),
      {
        delayMs: () => chance.below(60),
        faultOf(id) {
          const fault = isCalm ? undefined : pick(chance.next() * 100);
          if (fault && DISTURBING.includes(fault)) disturbed.add(id);
          return fault;
        },
      },
    );

    /** Keeps one process running: it is killed, or frozen until a person settled its clip. */
    async function keepRunning(): Promise<void> {
      while (!isCalm) {
        const how = chance.pick(["SIGKILL", "SIGKILL", "SIGSTOP", undefined] as const);
        // Between the last look and the request, a wrong "no task" would be paid twice.
        const steps = BATCH_STEPS.filter((step) => how === "SIGKILL" || step !== "send");
        const step = steps[chance.below(steps.length)] ?? "claimed";
        const breakAt = how && { step, time: 1 + chance.below(4), how };
        const process = batch.start({ breakAt });
        const frozen = process.until("frozen").then(async (clip) => {
          await continueLater(process, clip);
        });
        const killed = sleep(600 + chance.below(1500)).then(() => {
          process.signal("SIGKILL");
        });
        await Promise.race([process.ended, frozen, killed]);
        process.signal("SIGKILL");
        await process.ended;
        for (const clip of process.open) disturbed.add(clip);
        batch.checkJournal();
      }
    }

    async function continueLater(process: Batcher, clip: string): Promise<void> {
      const isOpen = process.open.has(clip);
      if (isOpen) await batch.settle(clip, batch.foundFor(clip)).catch(() => undefined);
      await sleep(chance.below(400));
      process.signal("SIGCONT");
      await sleep(chance.below(800));
    }

    const running = [1, 2, 3].map(keepRunning);
    await sleep(SECONDS * 1000);
    isCalm = true;
    await Promise.all(running);

    const report = await batch.start().ended;
    const uncertain = await batch.in("uncertain");
    expect(report).toMatchObject({ running: 0, left: 0, failed: 0, uncertain: uncertain.length });
    for (const id of uncertain) expect(disturbed, id).toContain(id);
    await test.annotate(
      `${disturbed.size} clips were disturbed, ${uncertain.length} are uncertain.`,
    );
    for (const id of uncertain) await batch.settle(id, batch.foundFor(id));
    await batch.start().ended;
    await batch.expectNoneTwiceNoneLost();
  });
});

/** The fault of a share of 100. */
function pick(share: number): Fault | undefined {
  let sum = 0;
  for (const [fault, percent] of FAULTS) {
    sum += percent;
    if (share < sum) return fault;
  }
  return undefined;
}
