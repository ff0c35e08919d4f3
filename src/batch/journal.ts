// The file journal.jsonl of a folder: appends lines, reads them back, and folds them. Everything is
// synchronous, so that nothing of this process comes between a response and its line.
import fs from "node:fs";
import path from "node:path";
import { ConfigurationError } from "../errors.js";
import { property, textOf } from "../json.js";
import {
  type BatchEvent,
  type Clip,
  fold,
  newClip,
  parseEvent,
  type Stage,
  stageOf,
} from "./fold.js";

export const JOURNAL = "journal.jsonl";

const CHUNK_BYTES = 1 << 20;
const NEWLINE = 0x0a;
/** How often a line is appended that somebody's torn line has spoiled. */
const MOST_APPENDS = 10;

/** What a journal tells while it reads. */
export interface Listener {
  onChange: (clip: Clip) => void;
  /** A line cannot be read; otherwise it changes nothing. */
  onUnreadable: (line: number) => void;
}

/** The journal of a folder, as far as it was read. */
export interface Journal {
  /** Whether the file exists. */
  exists: () => boolean;
  /** Whether an id is known, without regard to case. */
  has: (id: string) => boolean;
  /** The clip of an id, without regard to case; one without a line if it is not known. */
  get: (id: string) => Clip;
  /** All clips, in the order of their first lines. */
  clips: () => Iterable<Clip>;
  /** The clips that are claimed, uncertain or created. */
  open: () => Iterable<Clip>;
  counts: Readonly<Record<Stage, number>>;
  /** Counts a clip that may have no line yet. */
  add: (id: string) => void;
  /** Reads and folds what was appended since, by any process. */
  read: () => void;
  /**
   * Appends an event, and returns when it was read back, whole. With `isSynced`, it is on the disk
   * by then. Throws if the disk did not take it.
   */
  append: (event: BatchEvent, options: { isSynced: boolean }) => void;
  close: () => void;
}

/** Opens the journal of a folder. Neither is created before the first append. */
export function openJournal(folder: string, { onChange, onUnreadable }: Listener): Journal {
  const file = path.join(folder, JOURNAL);
  const clips = new Map<string, Clip>();
  const open = new Map<string, Clip>();
  const counts = { left: 0, claimed: 0, uncertain: 0, created: 0, saved: 0, failed: 0 };
  const chunk = Buffer.alloc(CHUNK_BYTES);
  let fd: number | undefined;
  let canAppend = false;
  let position = 0;
  let lines = 0;
  /** The beginning of a line whose end was not read yet. */
  let rest = Buffer.alloc(0);

  function put(clip: Clip): void {
    const key = clip.id.toLowerCase();
    const before = clips.get(key);
    if (before) counts[stageOf(before)] -= 1;
    const stage = stageOf(clip);
    counts[stage] += 1;
    clips.set(key, clip);
    if (stage === "claimed" || stage === "uncertain" || stage === "created") open.set(key, clip);
    else open.delete(key);
  }

  function foldLine(line: string): void {
    lines += 1;
    if (line === "") return;
    const event = parseEvent(line);
    if (!event) {
      onUnreadable(lines);
      return;
    }
    const before = clips.get(event.id.toLowerCase());
    const after = fold(before ?? newClip(event.id), event);
    if (after === before) return;
    put(after);
    onChange(after);
  }

  /** Reads to the end of the file. Returns whether a line is among the new ones. */
  function readOn(wanted?: string): boolean {
    if (fd === undefined) openToRead();
    if (fd === undefined) return false;
    checkFile(fd);
    let isFound = false;
    for (;;) {
      const length = fs.readSync(fd, chunk, 0, CHUNK_BYTES, position);
      if (length === 0) return isFound;
      position += length;
      let start = 0;
      for (;;) {
        const end = chunk.indexOf(NEWLINE, start);
        // Beyond the length, the chunk has what was read before.
        if (end === -1 || end >= length) break;
        const line = endLine(chunk.subarray(start, end));
        start = end + 1;
        if (line === wanted) isFound = true;
        foldLine(line);
      }
      rest = Buffer.concat([rest, chunk.subarray(start, length)]);
    }
  }

  /** The text of a line, of which this is the last part. */
  function endLine(end: Buffer): string {
    if (rest.length === 0) return end.toString();
    const line = Buffer.concat([rest, end]).toString();
    rest = Buffer.alloc(0);
    return line;
  }

  function openToRead(): void {
    try {
      fd = fs.openSync(file, "r");
    } catch (error) {
      if (property(error, "code") !== "ENOENT") throw error;
    }
  }

  function openToAppend(): number {
    if (fd !== undefined && canAppend) return fd;
    const isNew = fd === undefined;
    if (isNew) fs.mkdirSync(folder, { recursive: true });
    const { O_RDWR, O_APPEND, O_CREAT } = fs.constants;
    const opened = fs.openSync(file, isNew ? O_RDWR | O_APPEND | O_CREAT : O_RDWR | O_APPEND);
    if (fd !== undefined) fs.closeSync(fd);
    fd = opened;
    canAppend = true;
    if (isNew) syncFolder(folder);
    return fd;
  }

  /** Whoever takes the journal away would let everything be paid again. */
  function checkFile(fd: number): void {
    const ours = fs.fstatSync(fd);
    const theirs = fs.statSync(file, { throwIfNoEntry: false });
    const isSame = theirs !== undefined && theirs.ino === ours.ino && theirs.dev === ours.dev;
    if (isSame && ours.size >= position) return;
    throw new ConfigurationError(
      `${JOURNAL} was moved, replaced or shortened while it was in use. Put it back as it was, then run the batch again.`,
    );
  }

  function append(event: BatchEvent, isSynced: boolean): void {
    const line = JSON.stringify({ at: Date.now(), ...event });
    const fd = openToAppend();
    readOn();
    // A torn claim is void. A line with an id that lacks only its end is made whole.
    const last = parseEvent(rest.toString());
    const hasId = last !== undefined && "taskId" in last;
    const bytes = Buffer.from(hasId ? `\n${line}\n` : `${line}\n`);
    for (let appends = 0; appends < MOST_APPENDS; appends++) {
      const written = fs.writeSync(fd, bytes);
      if (written !== bytes.length)
        throw new Error(`The disk took ${written} of ${bytes.length} bytes of a line: it is full.`);
      if (isSynced) fs.fsyncSync(fd);
      // A torn line of somebody who was killed may stand before it; then it ends with our newline.
      if (readOn(line)) return;
    }
    throw new Error(`${JOURNAL} did not take a line: other processes spoil it.`);
  }

  return {
    exists: () => fs.existsSync(file),
    has: (id) => clips.has(id.toLowerCase()),
    get: (id) => clips.get(id.toLowerCase()) ?? newClip(id),
    clips: () => clips.values(),
    open: () => open.values(),
    counts,
    add(id) {
      if (!clips.has(id.toLowerCase())) put(newClip(id));
    },
    read() {
      readOn();
    },
    append(event, { isSynced }) {
      append(event, isSynced);
    },
    close() {
      if (fd !== undefined) fs.closeSync(fd);
      fd = undefined;
    },
  };
}

/** Returns the path of a folder, or throws if it is not one. */
export function checkFolder(folder: unknown): string {
  const given = textOf(folder);
  if (given !== undefined) return given;
  throw new ConfigurationError("The folder is missing: pass the path of the folder of the batch.");
}

/** A file whose name is not on the disk is lost with it. Windows cannot open a folder. */
export function syncFolder(folder: string): void {
  let fd: number | undefined;
  try {
    fd = fs.openSync(folder, "r");
    fs.fsyncSync(fd);
  } catch (error) {
    if (!["EISDIR", "EPERM", "EACCES", "EINVAL"].includes(String(property(error, "code"))))
      throw error;
  } finally {
    if (fd !== undefined) fs.closeSync(fd);
  }
}
