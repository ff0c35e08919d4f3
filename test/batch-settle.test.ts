import { mkdirSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Found, readLipSyncBatch, settleLipSyncClip } from "../src/batch/index.js";
import { newClaim, sha256Of } from "../src/batch/claim.js";
import type { BatchEvent } from "../src/batch/fold.js";
import { readBatch } from "../src/batch/settle.js";
import { ConfigurationError, InvalidRequestError } from "../src/index.js";
import { eventsIn } from "./fixtures/batch.js";
import { errorOf } from "./fixtures/client.js";
import { request } from "./fixtures/request.js";
import { temporaryFolders } from "./fixtures/scripts.js";

const newFolder = temporaryFolders();
let folder: string;
beforeEach(async () => {
  folder = await newFolder();
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

/** A claim of a process that this machine does not know. */
const claimOf = (id: string, more: object = {}): BatchEvent => ({
  event: "claim",
  id,
  ...newClaim(request),
  claim: `claim-of-${id}`,
  host: "another-host",
  ...more,
});
/** A claim of a process on this machine. */
const OTHER_PID = process.ppid;
const here = { host: os.hostname(), pid: OTHER_PID };
const MINUTES_MS = 60_000;
const old = { at: Date.now() - 2 * MINUTES_MS };
const uncertain = (id: string): BatchEvent => ({
  event: "uncertain",
  id,
  claim: `claim-of-${id}`,
  reason: "It broke.",
});
const task = (id: string, taskId = `task-of-${id}`): BatchEvent => ({
  event: "task",
  id,
  claim: `claim-of-${id}`,
  taskId,
});

function write(...events: (BatchEvent | string)[]): void {
  const lines = events.map((event) => (typeof event === "string" ? event : JSON.stringify(event)));
  writeFileSync(path.join(folder, "journal.jsonl"), `${lines.join("\n")}\n`);
}

async function stateOf(id: string): Promise<string> {
  const { state, taskId = "" } =
    (await readLipSyncBatch(folder)).find((clip) => clip.id === id) ?? {};
  return `${state} ${taskId}`.trim();
}

const settle = (id: string, found: Found, force?: boolean) =>
  settleLipSyncClip(folder, id, found, { force });

/** The error of a refused settle, which wrote nothing. */
async function errorOfSettle(id: string, found: Found, force?: boolean) {
  const before = eventsIn(folder);
  const error = await errorOf(settle(id, found, force), InvalidRequestError);
  expect(eventsIn(folder)).toEqual(before);
  return error;
}

const refusalOf = async (...settled: Parameters<typeof errorOfSettle>) =>
  (await errorOfSettle(...settled)).message;

describe("reading a batch", () => {
  it("gives the state of each clip, in the order of their first lines", async () => {
    const claim = claimOf("a", { text: "Hello" });
    const failed: BatchEvent = {
      event: "failed",
      id: "d",
      taskId: "task-of-d",
      reason: "No face.",
    };
    const at = old.at;
    write(
      ...[
        claim,
        task("a"),
        task("a", "task-2"),
        { event: "saved", id: "a", taskId: "task-of-a" } as const,
      ],
      ...[claimOf("b"), claimOf("c", old), claimOf("d", old), task("d"), failed],
      ...[claimOf("e", old), { ...uncertain("e"), taskId: "task-7" } as BatchEvent],
      ...[
        claimOf("f", old),
        { event: "refused", id: "f", claim: "claim-of-f", reason: "No." } as const,
      ],
      ...[claimOf("g", old), { event: "free", id: "g", claim: "claim-of-g" } as const],
    );
    const askedAt: unknown = expect.any(Number);
    const text = "今天天气很好";
    expect(await readLipSyncBatch(folder)).toEqual([
      {
        id: "a",
        state: "saved",
        taskId: "task-of-a",
        extraTaskIds: ["task-2"],
        askedAt,
        text: "Hello",
      },
      { id: "b", state: "creating", askedAt, text },
      {
        id: "c",
        state: "uncertain",
        askedAt: at,
        text,
        reason: `Process ${process.pid} on another-host was creating its task, and did not say what came of it.`,
      },
      { id: "d", state: "failed", taskId: "task-of-d", reason: "No face.", askedAt: at, text },
      {
        id: "e",
        state: "uncertain",
        reason: "The response names task task-7. It broke.",
        askedAt: at,
        text,
      },
      { id: "f", state: "failed", reason: "No.", askedAt: at, text },
      { id: "g", state: "left", askedAt: at, text },
    ]);
  });

  it("names the lines that cannot be read", async () => {
    write(claimOf("a"), "{", task("a"));
    expect((await readBatch(folder)).unreadable).toEqual([2]);
    expect(await stateOf("a")).toBe("created task-of-a");
  });

  it("rejects for a folder without a journal", async () => {
    const error = await errorOf(readLipSyncBatch(folder), InvalidRequestError);
    expect(error.field).toBe("folder");
    expect(error.message).toBe(
      `There is no ${path.join(folder, "journal.jsonl")}. Check the folder, or run a batch first.`,
    );
    mkdirSync(path.join(folder, "journal.jsonl"));
    await expect(readLipSyncBatch(folder)).rejects.toThrow("EISDIR");
    await errorOf(readLipSyncBatch(" "), ConfigurationError);
  });
});

describe("a claim without an outcome", () => {
  it.each<[string, object, string]>([
    ["is creating on another machine for two minutes", {}, "creating"],
    ["is uncertain after two minutes", old, "uncertain"],
    ["is uncertain if its time is in the future", { at: Date.now() + 3 * MINUTES_MS }, "uncertain"],
    ["is creating while its process lives", here, "creating"],
    [
      "is uncertain after two minutes, although its process lives",
      { ...here, ...old },
      "uncertain",
    ],
    ["is uncertain if it has the pid of this process", { ...here, pid: process.pid }, "uncertain"],
    [
      "is creating if it is of this process",
      { claim: newClaim(request).claim, ...here },
      "creating",
    ],
  ])("%s", async (_, claim, expected) => {
    write(claimOf("a", claim));
    expect(await stateOf("a")).toBe(expected);
  });

  it.each([
    ["uncertain if its process is dead", "ESRCH", "uncertain"],
    ["creating if its process is another user's", "EPERM", "creating"],
  ])("is %s", async (_, code, expected) => {
    vi.spyOn(process, "kill").mockImplementation(() => {
      throw Object.assign(new Error(code), { code });
    });
    write(claimOf("a", here));
    expect(await stateOf("a")).toBe(expected);
  });
});

describe("settling a clip with the id of its task", () => {
  it.each<[string, (BatchEvent | string)[]]>([
    ["that is uncertain", [claimOf("a"), uncertain("a")]],
    ["that is being created", [claimOf("a")]],
    ["that was freed", [claimOf("a"), { event: "free", id: "a", claim: "claim-of-a" }]],
    [
      "that was refused",
      [claimOf("a"), { event: "refused", id: "a", claim: "claim-of-a", reason: "r" }],
    ],
    ["whose id was wrong", [claimOf("a"), { event: "found", id: "a", taskId: "wrong" }]],
    ["that has this task", [claimOf("a"), task("a", "task-1")]],
  ])("%s", async (_, events) => {
    write(...events);
    await settle("a", { taskId: " task-1 " });
    expect(await stateOf("a")).toBe("created task-1");
    await settleLipSyncClip(folder, "A", { taskId: "task-1" });
    expect(await stateOf("a")).toBe("created task-1");
  });

  it("is refused if the gateway gave it a task", async () => {
    write(claimOf("a"), task("a"));
    expect(await refusalOf("a", { taskId: "task-1" })).toBe(
      "Clip a has task task-of-a, which the gateway created for it. Run the batch to save its video.",
    );
  });

  it("is refused if the task is another clip's", async () => {
    write(claimOf("a"), claimOf("b"), task("b"));
    expect(await refusalOf("a", { taskId: "task-of-b" })).toBe(
      "Task task-of-b is the task of clip b, so it cannot be that of clip a.",
    );
  });

  it("says so if the gateway gave it a task at the same time", async () => {
    write(claimOf("a"));
    const { stringify } = JSON;
    const spy = vi.spyOn(JSON, "stringify").mockImplementation((value: unknown) => {
      spy.mockRestore();
      write(claimOf("a"), task("a"));
      return stringify(value);
    });
    const error = await errorOf(settle("a", { taskId: "task-1" }), InvalidRequestError);
    expect(error.message).toContain("Clip a has task task-of-a");
  });
});

describe("settling a clip with { noTask: true }", () => {
  it("frees an uncertain clip, although the process that created it lives", async () => {
    write(claimOf("a", here), uncertain("a"));
    await settle("a", { noTask: true });
    expect(await stateOf("a")).toBe("left");
    expect(eventsIn(folder)).toEqual(["claim a", "uncertain a", "no task a"]);
  });

  it("frees a clip whose process stopped while it created its task", async () => {
    write(claimOf("a", old), claimOf("b", { ...here, pid: process.pid }));
    await settle("a", { noTask: true });
    await settle("b", { noTask: true });
    expect([await stateOf("a"), await stateOf("b")]).toEqual(["left", "left"]);
  });

  it.each([false, true])("is refused during a create, with force: %s", async (force) => {
    write(claimOf("a"));
    expect(await refusalOf("a", { noTask: true }, force)).toBe(
      "Clip a is being created right now. Wait two minutes, then look again.",
    );
  });

  it("is refused while its process may still send, except by force", async () => {
    write(claimOf("a", { ...here, ...old }));
    expect(await refusalOf("a", { noTask: true })).toBe(
      `Process ${OTHER_PID} was creating clip a, and a process with this id is running, which may still send the request. End it first, or pass force if it is another program.`,
    );
    await settle("a", { noTask: true }, true);
    expect(await stateOf("a")).toBe("left");
  });

  it("is refused if it has a task", async () => {
    write(claimOf("a"), task("a"));
    expect(await refusalOf("a", { noTask: true })).toContain("Clip a has task task-of-a");
  });

  it("is refused if nothing is uncertain", async () => {
    write(
      ...[claimOf("a"), { event: "free", id: "a", claim: "claim-of-a" } as const],
      ...[claimOf("b"), { event: "refused", id: "b", claim: "claim-of-b", reason: "r" } as const],
    );
    expect(await refusalOf("a", { noTask: true })).toBe(
      "Nothing is uncertain about clip a: it is left.",
    );
    expect(await refusalOf("b", { noTask: true })).toBe(
      "Nothing is uncertain about clip b: it is failed.",
    );
  });

  it("says so if the gateway gave it a task at the same time", async () => {
    write(claimOf("a"), uncertain("a"));
    const { stringify } = JSON;
    const spy = vi.spyOn(JSON, "stringify").mockImplementation((value: unknown) => {
      spy.mockRestore();
      write(claimOf("a"), uncertain("a"), task("a"));
      return stringify(value);
    });
    const error = await errorOf(settle("a", { noTask: true }), InvalidRequestError);
    expect(error.message).toContain("Clip a has task task-of-a");
  });
});

it.each([
  ["nothing was found", {}, "found", "Say what you found"],
  ["two things were found", { taskId: "1", noTask: true }, "found", "Say what you found"],
  ["there is no such clip", { taskId: "1" }, "id", "The folder has no clip b. Check its spelling."],
])("a settle is refused if %s", async (_, found, field, message) => {
  write(claimOf("a"));
  const error = await errorOfSettle("b", found as Found);
  expect(error.field).toBe(field);
  expect(error.message).toContain(message);
});

it("a request has the same SHA-256 in whatever order its fields are", () => {
  const { input } = request;
  const reversed = { input: Object.fromEntries(Object.entries(input).reverse()) };
  expect(sha256Of(reversed as typeof request)).toBe(sha256Of(request));
  const { input: other } = { input: { ...input, text: "another" } };
  expect(sha256Of({ input: other })).not.toBe(sha256Of(request));
});

it("the label of a claim is the beginning of the text, and does not divide an emoji", () => {
  const text = "🙂".repeat(100);
  expect(newClaim({ input: { ...request.input, text } }).text).toBe("🙂".repeat(80));
  const audio = {
    mode: "audio2video",
    audio_type: "url",
    audio_url: "https://a.example/a",
  } as const;
  expect(newClaim({ input: { video_id: "v", ...audio } })).not.toHaveProperty("text");
});
