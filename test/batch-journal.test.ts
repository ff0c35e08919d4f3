import fs from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { BatchEvent, Clip } from "../src/batch/fold.js";
import { type Journal, openJournal, syncFolder } from "../src/batch/journal.js";
import { temporaryFolders } from "./fixtures/scripts.js";

const newFolder = temporaryFolders();
let folder: string;
let file: string;
const journals: Journal[] = [];

beforeEach(async () => {
  folder = await newFolder();
  file = path.join(folder, "journal.jsonl");
});
afterEach(() => {
  vi.restoreAllMocks();
  for (const journal of journals.splice(0)) journal.close();
});

/** A process with the journal of the folder. */
function open(at = folder) {
  const changed: Clip[] = [];
  const unreadable: number[] = [];
  const journal = openJournal(at, {
    onChange: (clip) => changed.push(clip),
    onUnreadable: (line) => unreadable.push(line),
  });
  journals.push(journal);
  return { journal, changed, unreadable };
}

const claim = (id: string, name = "p"): BatchEvent => ({
  event: "claim",
  id,
  claim: name,
  at: 1,
  host: "h",
  pid: 1,
  sha256: "0",
});
const UNSYNCED = { isSynced: false };

describe("append", () => {
  it("creates the folder and the file, and folds what it reads back", async () => {
    const { journal, changed } = open(path.join(await newFolder(), "new", "folder"));
    journal.read();
    expect(journal.exists()).toBe(false);
    journal.append(claim("a"), UNSYNCED);
    expect(journal.exists()).toBe(true);
    expect(journal.get("A").claim?.claim).toBe("p");
    expect(changed).toEqual([journal.get("a")]);
    expect(journal.counts).toMatchObject({ claimed: 1, left: 0 });
  });

  it("writes a line with one write, and syncs it if it has to last", () => {
    const calls: string[] = [];
    const { writeSync, fsyncSync } = fs;
    vi.spyOn(fs, "writeSync").mockImplementation(((fd: number, bytes: Buffer) => {
      calls.push("write");
      return writeSync(fd, bytes);
    }) as typeof fs.writeSync);
    vi.spyOn(fs, "fsyncSync").mockImplementation((fd) => {
      calls.push(fs.fstatSync(fd).isDirectory() ? "sync folder" : "sync file");
      fsyncSync(fd);
    });
    const { journal } = open();
    journal.append(claim("a"), { isSynced: true });
    journal.append({ event: "free", id: "a", claim: "p" }, UNSYNCED);
    expect(calls).toEqual(["sync folder", "write", "sync file", "write"]);
  });

  it("folds the lines of other processes before its own", () => {
    const one = open().journal;
    const other = open().journal;
    one.append(claim("a", "p"), UNSYNCED);
    other.append(claim("a", "q"), UNSYNCED);
    one.read();
    expect([one.get("a").claim?.claim, other.get("a").claim?.claim]).toEqual(["p", "p"]);
  });

  it("appends a line again that somebody's torn line has spoiled", () => {
    fs.writeFileSync(file, `{"event":"clai`);
    const { journal, unreadable } = open();
    journal.append(claim("a"), UNSYNCED);
    expect(journal.get("a").isClaimed).toBe(true);
    expect(unreadable).toEqual([1]);
    expect(fs.readFileSync(file, "utf8").split("\n")).toHaveLength(3);
  });

  it("does not make a torn line whole, even if only its end is missing", () => {
    fs.writeFileSync(file, JSON.stringify(claim("a", "torn")));
    const { journal } = open();
    journal.append(claim("a", "p"), UNSYNCED);
    expect(journal.get("a").claim?.claim).toBe("p");
  });

  it("makes the line of a task whole, if only its end is missing", () => {
    fs.writeFileSync(
      file,
      `${JSON.stringify(claim("a", "p"))}\n${JSON.stringify({ event: "task", id: "a", claim: "p", taskId: "paid-1" })}`,
    );
    const { journal } = open();
    journal.append({ event: "no task", id: "a", claim: "p" }, UNSYNCED);
    expect(journal.get("a").task?.id).toBe("paid-1");
  });

  it("throws if the disk takes a part of the line, which then is void", () => {
    const { writeSync } = fs;
    const { journal } = open();
    vi.spyOn(fs, "writeSync").mockImplementationOnce(((fd: number, bytes: Buffer) =>
      writeSync(fd, bytes.subarray(0, -1))) as typeof fs.writeSync);
    expect(() => {
      journal.append(claim("a", "p"), UNSYNCED);
    }).toThrow(/^The disk took \d+ of \d+ bytes of a line: it is full\.$/);
    journal.append(claim("a", "q"), UNSYNCED);
    expect(journal.get("a").claim?.claim).toBe("q");
  });

  it("throws what the disk says", () => {
    const { journal } = open();
    vi.spyOn(fs, "writeSync").mockImplementationOnce(() => {
      throw new Error("ENOSPC: no space left on device, write");
    });
    expect(() => {
      journal.append(claim("a"), UNSYNCED);
    }).toThrow("ENOSPC");
    expect(journal.has("a")).toBe(false);
  });

  it("gives up when each of its lines is spoiled", () => {
    const { journal } = open();
    journal.append(claim("b"), UNSYNCED);
    const { writeSync } = fs;
    vi.spyOn(fs, "writeSync").mockImplementation(((fd: number, bytes: Buffer) => {
      fs.appendFileSync(file, "{");
      return writeSync(fd, bytes);
    }) as typeof fs.writeSync);
    expect(() => {
      journal.append(claim("a"), UNSYNCED);
    }).toThrow("journal.jsonl did not take a line: other processes spoil it.");
  });

  it("opens the journal that another process has created since", () => {
    const late = open().journal;
    late.read();
    open().journal.append(claim("a", "p"), UNSYNCED);
    late.append(claim("a", "q"), UNSYNCED);
    expect(late.get("a").claim?.claim).toBe("p");
  });
});

describe("read", () => {
  it("waits for the end of a line", () => {
    const { journal, unreadable } = open();
    const line = JSON.stringify(claim("a"));
    fs.writeFileSync(file, line.slice(0, 9));
    journal.read();
    fs.appendFileSync(file, line.slice(9));
    journal.read();
    expect(journal.has("a")).toBe(false);
    fs.appendFileSync(file, "\n");
    journal.read();
    expect(journal.get("a").isClaimed).toBe(true);
    expect(unreadable).toEqual([]);
  });

  it("reads a character that two reads divide", () => {
    const line = Buffer.from(`${JSON.stringify({ ...claim("a"), text: "你好" })}\n`);
    const at = line.indexOf(Buffer.from("好")) + 1;
    const { journal } = open();
    fs.writeFileSync(file, line.subarray(0, at));
    journal.read();
    fs.appendFileSync(file, line.subarray(at));
    journal.read();
    expect(journal.get("a").claim?.text).toBe("你好");
  });

  it("names the lines that cannot be read, and goes on", () => {
    const line = JSON.stringify(claim("a"));
    fs.writeFileSync(file, `\n{"event":"cl\n${line}\n??\n`);
    const { journal, unreadable } = open();
    journal.read();
    expect(unreadable).toEqual([2, 4]);
    expect(journal.get("a").isClaimed).toBe(true);
  });

  it("reads more than fits into one read", () => {
    const many = Array.from({ length: 20_000 }, (_, index) =>
      JSON.stringify(claim(`clip-${index}`)),
    );
    fs.writeFileSync(file, `${many.join("\n")}\n`);
    const { journal, unreadable } = open();
    journal.read();
    expect([journal.counts.claimed, unreadable]).toEqual([20_000, []]);
  });

  it("throws what the disk says", () => {
    fs.mkdirSync(file);
    expect(() => {
      open().journal.read();
    }).toThrow("EISDIR");
  });

  it("tells nothing of a line that changes nothing", () => {
    const { journal, changed } = open();
    journal.append(claim("a", "p"), UNSYNCED);
    journal.append(claim("a", "q"), UNSYNCED);
    expect(changed).toHaveLength(1);
  });

  it.each([
    [
      "moved",
      () => {
        fs.renameSync(file, `${file}.old`);
      },
    ],
    [
      "replaced",
      () => {
        fs.renameSync(file, `${file}.old`);
        fs.copyFileSync(`${file}.old`, file);
      },
    ],
    [
      "shortened",
      () => {
        fs.truncateSync(file, 3);
      },
    ],
  ])("throws if the journal was %s, and so does append", (_, change) => {
    const { journal } = open();
    journal.append(claim("a"), UNSYNCED);
    change();
    const reason = "journal.jsonl was moved, replaced or shortened while it was in use.";
    expect(() => {
      journal.read();
    }).toThrow(reason);
    const before = fs.existsSync(file) ? fs.readFileSync(file, "utf8") : undefined;
    expect(() => {
      journal.append(claim("b"), UNSYNCED);
    }).toThrow(reason);
    expect(fs.existsSync(file) ? fs.readFileSync(file, "utf8") : undefined).toBe(before);
  });
});

it("counts a clip without a line once", () => {
  const { journal } = open();
  journal.add("a");
  journal.add("A");
  expect(journal.counts.left).toBe(1);
  expect([...journal.clips()].map(({ id }) => id)).toEqual(["a"]);
  expect([...journal.open()]).toEqual([]);
});

describe("syncing a folder", () => {
  const failing = (code: string) => {
    vi.spyOn(fs, "openSync").mockImplementationOnce(() => {
      throw Object.assign(new Error(code), { code });
    });
    return () => {
      syncFolder(folder);
    };
  };

  it("is left out where a folder cannot be opened, as on Windows", () => {
    expect(failing("EPERM")).not.toThrow();
  });

  it("throws what the disk says", () => {
    expect(failing("EIO")).toThrow("EIO");
  });
});
