// A worker is frozen before each step of a run in turn; another one goes on, a person settles the job by
// what the gateway has, and then the first one wakes up.
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { isParked, lipSyncProcessor, settleLipSyncJob } from "../src/bullmq/index.js";
import { createLipSyncClient } from "../src/index.js";
import { createFakeGateway, type FakeAnswer } from "../src/testing.js";
import { createFakeQueue, type StoredJob } from "./fixtures/fake-queue.js";
import { request } from "./fixtures/request.js";

const NOW = Date.UTC(2026, 0, 1);
beforeEach(() => {
  vi.useFakeTimers({ now: NOW, toFake: ["Date", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

interface Scenario {
  /** The job before the run that freezes. */
  job?: Partial<StoredJob>;
  /** Whether the gateway already has the task `task-1` of the job. */
  hasTask?: boolean;
  /** What the gateway responds first. */
  answer?: () => FakeAnswer;
  /** The steps of the run. */
  steps: number;
}

const claim = { claim: "c-1", claimedAt: NOW };
const scenarios: [string, Scenario][] = [
  ["creates", { steps: 7 }],
  [
    "loses the response of its create",
    { hasTask: true, answer: () => new Response("", { status: 502 }), steps: 6 },
  ],
  [
    "reads an id in the response of a failed create",
    {
      hasTask: true,
      answer: () => Response.json({ task_id: "task-1" }, { status: 500 }),
      steps: 7,
    },
  ],
  [
    "is refused for now",
    { answer: () => Response.json({ code: 1303 }, { status: 429 }), steps: 6 },
  ],
  [
    "takes over the task that progress names",
    {
      job: { data: { ...request, task: claim }, progress: { task_id: "task-1" } },
      hasTask: true,
      steps: 4,
    },
  ],
  [
    "polls",
    { job: { data: { ...request, task: { ...claim, id: "task-1" } } }, hasTask: true, steps: 2 },
  ],
];

/** Freezes the run before a step; resolves with what became of the job, once everyone is done. */
async function freezeBefore(index: number, { job, hasTask, answer }: Scenario) {
  const gateway = createFakeGateway({ polls: 3 });
  const client = createLipSyncClient(gateway);
  const { stored, hooks, queue, snapshot, work } = createFakeQueue(job);
  const [run, otherRun] = [1, 2].map(() => lipSyncProcessor(client, { graceMs: 1000 })) as [
    ReturnType<typeof lipSyncProcessor>,
    ReturnType<typeof lipSyncProcessor>,
  ];
  if (hasTask) await client.create(request);
  if (answer) gateway.answerNext(answer());

  let freeze = () => {};
  let thaw = () => {};
  const isFrozen = new Promise<void>((resolve) => (freeze = resolve));
  const isThawed = new Promise<void>((resolve) => (thaw = resolve));
  let steps = 0;
  hooks.before = async () => {
    steps += 1;
    if (steps !== index + 1) return;
    freeze();
    await isThawed;
  };
  const late = work(run);
  await isFrozen;
  hooks.before = () => undefined;
  stored.lock = undefined;

  /** Runs of the other worker, each when it is due. */
  async function goOn(): Promise<void> {
    for (let runs = 0; runs < 9 && !/completed|failed/.test(stored.state); runs++) {
      vi.advanceTimersByTime(10_000);
      await work(otherRun);
    }
  }
  await goOn();
  if (isParked(snapshot())) {
    const [taskId] = gateway.tasks.keys();
    const found = taskId === undefined ? { noTask: true as const } : { taskId };
    await settleLipSyncJob(queue, "7", found);
    await work(otherRun);
  }
  thaw();
  await late;
  await goOn();
  return { stored, tasks: gateway.tasks };
}

it.each(
  scenarios.flatMap(([what, scenario]) =>
    Array.from({ length: scenario.steps }, (_, index) => ({ what, index, scenario })),
  ),
)("frozen before step $index of a run that $what: one task, and its video", async (given) => {
  const { stored, tasks } = await freezeBefore(given.index, given.scenario);
  expect([...tasks.keys()]).toEqual(["task-1"]);
  expect(stored.state).toBe("completed");
  // A claim that is written late may have replaced the data.
  expect(stored.progress).toMatchObject({ task_id: "task-1" });
  expect(stored.returnvalue).toMatchObject({ task_id: "task-1", task_status: "succeed" });
});
