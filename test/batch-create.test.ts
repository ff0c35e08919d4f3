// One create of a batch: what is read, written and synced around its request, in which order.
import fs from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createTask } from "../src/batch/create.js";
import { settleLipSyncClip } from "../src/batch/index.js";
import { openSession, type Session } from "../src/batch/session.js";
import { createLipSyncClient } from "../src/index.js";
import { createFakeGateway } from "../src/testing.js";
import { clipOf, eventsIn, linesIn } from "./fixtures/batch.js";
import { temporaryFolders } from "./fixtures/scripts.js";

const newFolder = temporaryFolders();
let folder: string;
const sessions: Session[] = [];

beforeEach(async () => {
  folder = await newFolder();
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
  for (const session of sessions.splice(0)) session.close();
});

/** A process with a gateway of its own, and what it sends. */
function newProcess(onPost: () => void = () => undefined) {
  const gateway = createFakeGateway();
  const client = createLipSyncClient({
    ...gateway,
    fetch: (url, init) => {
      if (init.method === "POST") onPost();
      return gateway.fetch(url, init);
    },
  });
  const warnings: string[] = [];
  const session = openSession(client, {
    folder,
    onUpdate: (update) => {
      if (update.type === "warning") warnings.push(update.message);
    },
  });
  sessions.push(session);
  const create = (id = "a", failure?: string) => createTask(session, clipOf(id), failure);
  const posts = () => gateway.received.filter(({ method }) => method === "POST").length;
  return { gateway, session, create, posts, warnings };
}

const { writeSync, fsyncSync } = fs;

/** Appends a line as another process does. */
function appendLine(event: object): void {
  fs.appendFileSync(path.join(folder, "journal.jsonl"), `${JSON.stringify(event)}\n`);
}

/** Does something before the next write of an event; the write may then be changed. */
function beforeWrite(event: string, act: (write: () => number) => number): void {
  const spy = vi.spyOn(fs, "writeSync").mockImplementation(((fd: number, bytes: Buffer) => {
    const write = () => writeSync(fd, bytes);
    if (!bytes.includes(`"event":"${event}"`)) return write();
    spy.mockRestore();
    return act(write);
  }) as typeof fs.writeSync);
}

it("claims, looks and syncs before the request, and syncs the id after it", async () => {
  const calls: string[] = [];
  const { create } = newProcess(() => calls.push("POST"));
  vi.spyOn(fs, "writeSync").mockImplementation(((fd: number, bytes: Buffer) => {
    calls.push(/"event":"(\w+)"/.exec(bytes.toString())?.[1] ?? "");
    return writeSync(fd, bytes);
  }) as typeof fs.writeSync);
  vi.spyOn(fs, "fsyncSync").mockImplementation((fd) => {
    calls.push(fs.fstatSync(fd).isDirectory() ? "sync folder" : "sync");
    fsyncSync(fd);
  });
  expect(await create()).toEqual({ kind: "created" });
  expect(calls).toEqual(["sync folder", "claim", "sync", "POST", "task", "sync"]);
  appendLine({ event: "failed", id: "a", taskId: "task-1", reason: "no face" });
  calls.length = 0;
  expect(await create("a", "task-1")).toEqual({ kind: "created" });
  expect(calls).toEqual(["again", "sync", "claim", "sync", "POST", "task", "sync"]);
});

it("sends one request if two processes look before either has written", async () => {
  const one = newProcess();
  const other = newProcess();
  let outcome: unknown;
  // The write is so slow that the other process looks, claims and sends meanwhile.
  beforeWrite("claim", (write) => {
    outcome = other.create();
    return write();
  });
  expect(await one.create()).toEqual({ kind: "taken" });
  expect(await outcome).toEqual({ kind: "created" });
  expect([one.posts(), other.posts()]).toEqual([0, 1]);
  expect(eventsIn(folder)).toEqual(["claim a", "claim a", "task a"]);
});

it("sends nothing if a person freed the clip after its claim was read back", async () => {
  const { create, posts, session } = newProcess();
  const { append } = session.journal;
  session.journal.append = (event, options) => {
    append(event, options);
    if (event.event === "claim") appendLine({ event: "no task", id: "a", claim: event.claim });
  };
  expect(await create()).toEqual({ kind: "taken" });
  expect(posts()).toBe(0);
  expect(eventsIn(folder)).toEqual(["claim a", "no task a"]);
});

describe("a process that was frozen after its claim", () => {
  it("sends nothing after a minute, and frees the clip", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const { create, posts } = newProcess();
    beforeWrite("claim", (write) => {
      vi.setSystemTime(Date.now() + 61_000);
      return write();
    });
    expect(await create()).toEqual({ kind: "taken" });
    expect(posts()).toBe(0);
    expect(eventsIn(folder)).toEqual(["claim a", "free a"]);
  });

  it("adds its task to the clip that somebody else was given by force", async () => {
    const late = newProcess(() => {
      const claim = linesIn(folder)[0]?.["claim"];
      appendLine({ event: "no task", id: "a", claim });
      appendLine({ event: "task", id: "a", claim: "other", taskId: "task-of-other" });
    });
    expect(await late.create()).toEqual({ kind: "created" });
    expect(late.session.journal.get("a")).toMatchObject({
      task: { id: "task-of-other" },
      extraTaskIds: ["task-1"],
    });
  });

  it("sends nothing if the clip has a task by now", async () => {
    const { create, posts, session } = newProcess();
    session.journal.append(
      { event: "task", id: "a", claim: "c", taskId: "1" },
      { isSynced: false },
    );
    expect(await create()).toEqual({ kind: "taken" });
    // A task that comes between the claim and the request.
    beforeWrite("claim", (write) => {
      const written = write();
      appendLine({ event: "task", id: "b", claim: "c", taskId: "2" });
      return written;
    });
    expect(await create("b")).toEqual({ kind: "taken" });
    expect(posts()).toBe(0);
    expect(eventsIn(folder).slice(1)).toEqual(["claim b", "task b", "free b"]);
  });
});

describe("a full disk", () => {
  const full = () => {
    throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
  };

  it("before the claim: sends nothing", async () => {
    const { create, posts } = newProcess();
    beforeWrite("claim", full);
    expect(await create()).toMatchObject({ kind: "disk" });
    expect([posts(), fs.readFileSync(path.join(folder, "journal.jsonl"), "utf8")]).toEqual([0, ""]);
  });

  it("in the middle of the claim: sends nothing, and the clip stays free", async () => {
    const { create, posts } = newProcess();
    vi.spyOn(fs, "writeSync").mockImplementationOnce(((fd: number, bytes: Buffer) =>
      writeSync(fd, bytes.subarray(0, 50))) as typeof fs.writeSync);
    expect(await create()).toMatchObject({ kind: "disk" });
    expect(posts()).toBe(0);
    expect(await create()).toEqual({ kind: "created" });
  });

  it("when the claim is synced: sends nothing, and frees the clip", async () => {
    const { create, posts } = newProcess();
    await create("b");
    vi.spyOn(fs, "fsyncSync").mockImplementationOnce(() => {
      throw new Error("EIO: i/o error, fsync");
    });
    expect(await create()).toMatchObject({ kind: "disk" });
    expect(posts()).toBe(1);
    expect(eventsIn(folder).slice(2)).toEqual(["claim a", "free a"]);
  });

  it("after the request: says the id at once, and stores it when there is space", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { create, warnings, session } = newProcess();
    beforeWrite("task", () => {
      beforeWrite("task", full);
      return full();
    });
    const creating = create();
    await vi.waitFor(() => {
      expect(warnings).toHaveLength(1);
    });
    expect(warnings[0]).toContain("Task task-1 of clip a exists, but its id could not be stored.");
    expect(session.isWriting()).toBe(true);
    expect(session.stop()).toMatchObject({ cause: "disk" });
    await vi.advanceTimersByTimeAsync(2500);
    expect(await creating).toEqual({ kind: "created" });
    expect(session.isWriting()).toBe(false);
    expect([eventsIn(folder), warnings]).toEqual([["claim a", "task a"], [expect.any(String)]]);
  });

  it("after a request that was refused: frees the clip when there is space", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { create, gateway, session, warnings } = newProcess();
    gateway.answerNext("refused");
    beforeWrite("free", full);
    const creating = create();
    await vi.waitFor(() => {
      expect(session.isWriting()).toBe(true);
    });
    await vi.advanceTimersByTimeAsync(1000);
    expect(await creating).toMatchObject({ kind: "again" });
    expect([eventsIn(folder), warnings]).toEqual([["claim a", "free a"], []]);
  });

  it("after the request, to the end of the run: the clip has its task in the report", async () => {
    const { create, session } = newProcess();
    vi.spyOn(fs, "writeSync").mockImplementation(((fd: number, bytes: Buffer) =>
      bytes.includes('"event":"task"') ? full() : writeSync(fd, bytes)) as typeof fs.writeSync);
    const creating = create();
    await vi.waitFor(() => {
      expect(session.isWriting()).toBe(true);
    });
    session.fail(new Error("The run ends."));
    await creating;
    expect(session.isWriting()).toBe(false);
    expect(session.stateOf(session.journal.get("a")).reason).toContain(
      "Task task-1 of clip a exists",
    );
  });
});

describe("a failed create", () => {
  it("frees the clip if it is certain that there is no task", async () => {
    const { create, gateway } = newProcess();
    gateway.answerNext(
      "refused",
      Response.json({ code: 1102, message: "in arrears" }, { status: 429 }),
    );
    expect(await create()).toMatchObject({ kind: "again" });
    expect(await create()).toMatchObject({ kind: "account" });
    expect(eventsIn(folder)).toEqual(["claim a", "free a", "claim a", "free a"]);
  });

  it("fails the clip if its request is refused", async () => {
    const { create, gateway, session } = newProcess();
    gateway.answerNext(Response.json({ code: 1301, message: "not allowed" }, { status: 400 }));
    expect(await create()).toEqual({ kind: "refused" });
    expect(session.stateOf(session.journal.get("a"))).toMatchObject({
      state: "failed",
      reason: expect.stringContaining("not allowed") as unknown,
    });
  });

  it("is uncertain if a task may exist", async () => {
    const { create, gateway } = newProcess();
    gateway.answerNext("reset");
    expect(await create()).toMatchObject({ kind: "uncertain" });
    expect(eventsIn(folder)).toEqual(["claim a", "uncertain a"]);
    expect(await create()).toEqual({ kind: "taken" });
  });

  const named = () =>
    Response.json({ code: "failed", data: { task_id: "task-9" } }, { status: 500 });

  it("asks for the task that its response names, and keeps it if it exists", async () => {
    const { create, gateway } = newProcess();
    gateway.tasks.set("task-9", { task_id: "task-9", task_status: "submitted" } as never);
    gateway.answerNext(named());
    expect(await create()).toEqual({ kind: "created" });
    expect(eventsIn(folder)).toEqual(["claim a", "uncertain a", "task a"]);
  });

  it("stays uncertain if the task that its response names does not exist", async () => {
    const { create, gateway, session } = newProcess();
    gateway.answerNext(named());
    expect(await create()).toMatchObject({ kind: "uncertain" });
    expect(session.stateOf(session.journal.get("a")).reason).toContain(
      "The response names task task-9.",
    );
  });
});

describe("a clip that failed", () => {
  it("is created again only if that failure was to be tried again", async () => {
    const { create, gateway, session, posts } = newProcess();
    gateway.answerNext(Response.json({ code: 1301 }, { status: 400 }));
    await create();
    const failure = session.journal.get("a").claim?.claim;
    expect(await create()).toEqual({ kind: "taken" });
    expect(await create("a", "another failure")).toEqual({ kind: "taken" });
    expect(await create("a", failure)).toEqual({ kind: "created" });
    expect(await create("a", failure)).toEqual({ kind: "taken" });
    expect(posts()).toBe(2);
    expect(eventsIn(folder)).toEqual(["claim a", "refused a", "again a", "claim a", "task a"]);
  });
});

it("a clip that a person freed is created again", async () => {
  const { create, gateway, posts } = newProcess();
  gateway.answerNext("reset");
  await create();
  await settleLipSyncClip(folder, "a", { noTask: true });
  expect(await create()).toEqual({ kind: "created" });
  expect(posts()).toBe(2);
});
