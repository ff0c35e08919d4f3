// kling-lip-sync batch: makes the videos of a file of clips; typing the same line again continues.
import { constants, existsSync } from "node:fs";
import { access, mkdir } from "node:fs/promises";
import path from "node:path";
import { Command } from "commander";
import {
  type LipSyncBatchReport,
  type LipSyncBatchUpdate,
  type LipSyncClipState,
  readLipSyncBatch,
  runLipSyncBatch,
} from "../batch/index.js";
import { type CheckedFile, checkClips, type Clip, readClips } from "./clips.js";
import { connect } from "./connection.js";
import { addFieldFlags, count, type Done, fieldsOf, milliseconds, positive } from "./flags.js";
import { type BatchProgress, showBatch } from "./progress.js";
import { type Fields, inTypedNames, readAudio } from "./request.js";
import { writeReview } from "./review.js";
import { EXIT_CODES, type Terminal, UsageError } from "./terminal.js";
import { counted, messageOf, oneLine, shellWord } from "./text.js";

interface BatchFlags {
  folder?: string;
  parallel?: number;
  interval?: number;
  pause?: number;
  limit?: number;
  retryFailed?: boolean;
  dryRun?: boolean;
  yes?: boolean;
  json?: boolean;
}

const HELP = `
FILE is CSV or JSON lines, in UTF-8.
  CSV: columns id and those of the flags, such as video_url and voice_id; audio_file is a path
       from the folder of the file. Other columns are not used.
  JSON lines: {"id":"clip-1","request":{"input":{…}}}, with the request as it is sent.
A flag such as --voice-id fills what a row leaves out. The videos are saved as <id>.mp4.`;

export function batchCommand(terminal: Terminal, done: Done): Command {
  const command = new Command("batch")
    .description("make the videos of a file of clips (billed); type the same line to continue")
    .argument("<file>", "the clips, one a line: CSV or JSON lines")
    .option("--folder <dir>", "where the videos go; default: the name of the file without its end")
    .option("--parallel <number>", "how many tasks run at the same time; default 5", count)
    .option("--interval <seconds>", "delay between two polls of a task; default 10", positive)
    .option("--pause <seconds>", "pause after an uncertain create; default 60", positive)
    .option("--limit <number>", "only the first clips of the file: a trial to look at", count)
    .option("--retry-failed", "make clips again whose task failed (billed)")
    .option("--dry-run", "check the file, show three requests, and send nothing")
    .option("--yes", "do not ask before tasks are billed")
    .option("--json", "print the report as JSON")
    .addHelpText("after", HELP);
  addFieldFlags(command).action(async (file: string, flags: BatchFlags) => {
    done(await batch(terminal, file, flags));
  });
  return command;
}

async function batch(terminal: Terminal, file: string, flags: BatchFlags): Promise<number> {
  const { json, limit = Infinity } = flags;
  const shown = json ? { ...terminal, print: terminal.warn } : terminal;
  const { print, ask, signal } = shown;
  const defaults = await defaultsOf(flags);
  const checked = await checkClips(file, defaults);
  const ids = checked.ids.slice(0, limit);
  const folder = flags.folder ?? folderOf(file);
  const toBill = billed(ids, await statesIn(folder), flags.retryFailed ?? false);
  sayColumns(checked, print);
  if (flags.dryRun) {
    for (const line of planOf(checked, ids.length, toBill)) print(line);
    return EXIT_CODES.done;
  }

  const { client, host } = connect(terminal);
  await checkFolder(folder);
  const price = `${tasks(toBill)} will be billed at ${host}.`;
  const isAsked = toBill > 0 && !flags.yes && ask !== undefined;
  if (!isAsked) print(price);
  if (isAsked && !(await ask(`${price} Go on?`))) {
    print("Nothing was sent.");
    return EXIT_CODES.stopped;
  }
  const watch = watcher(shown);
  let report: LipSyncBatchReport;
  try {
    report = await runLipSyncBatch(client, first(readClips(file, defaults), ids.length), {
      folder,
      parallel: flags.parallel,
      intervalMs: milliseconds(flags.interval, 1000),
      pauseMs: milliseconds(flags.pause, 1000),
      retryFailed: flags.retryFailed,
      signal,
      onUpdate: watch.onUpdate,
    });
  } finally {
    watch.end();
  }
  const page = await writeReview(folder, inOrderOf(ids, await statesIn(folder)));
  for (const line of endOf(report, { folder, page, limit, all: checked.ids.length, terminal })) {
    print(line);
  }
  if (json) terminal.print(JSON.stringify(report));
  return exitCodeOf(report);
}

/** Makes the folder, before anybody is asked for money that could not be spent well. */
async function checkFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
    await access(folder, constants.W_OK);
  } catch (error) {
    throw new UsageError(`${oneLine(folder)} cannot be written to: ${messageOf(error)}`);
  }
}

/** What the flags fill in, as it is sent. */
async function defaultsOf(flags: BatchFlags): Promise<Fields> {
  try {
    return await readAudio(fieldsOf(flags));
  } catch (error) {
    throw inTypedNames(error, "flags");
  }
}

/** The first clips of a file. */
async function* first(clips: AsyncIterable<Clip>, limit: number): AsyncGenerator<Clip> {
  let left = limit;
  for await (const clip of clips) {
    yield clip;
    left -= 1;
    if (left === 0) return;
  }
}

function folderOf(file: string): string {
  const { dir, name, ext } = path.parse(file);
  return path.join(dir, ext === "" ? `${name}-videos` : name);
}

async function statesIn(folder: string): Promise<LipSyncClipState[]> {
  return existsSync(path.join(folder, "journal.jsonl")) ? readLipSyncBatch(folder) : [];
}

/** How many of the clips would be created. */
function billed(ids: string[], states: LipSyncClipState[], retryFailed: boolean): number {
  const stateOf = new Map(states.map(({ id, state }) => [id.toLowerCase(), state]));
  const isBilled = (id: string) => {
    const state = stateOf.get(id.toLowerCase()) ?? "left";
    return state === "left" || (state === "failed" && retryFailed);
  };
  return ids.filter(isBilled).length;
}

const tasks = (count: number): string => counted(count, "task");

function sayColumns({ otherColumns }: CheckedFile, print: Terminal["print"]): void {
  if (otherColumns.length > 0)
    print(`Columns that are not used: ${otherColumns.map(oneLine).join(", ")}`);
}

/** What would be sent and billed. */
function planOf({ examples }: CheckedFile, count: number, toBill: number): string[] {
  const shown = examples.slice(0, count);
  const requests = shown.map(
    ({ id, request }) => `${id}: ${JSON.stringify(request, withoutBytes)}`,
  );
  const more = count - shown.length;
  const rest = more > 0 ? [`… and ${more} more.`] : [];
  return [...requests, ...rest, `${tasks(toBill)} would be billed; nothing was sent.`];
}

const withoutBytes = (name: string, value: unknown): unknown =>
  name === "audio_file" ? "the audio file in Base64" : value;

/** Shows what happens; what repeats is said once. */
function watcher(terminal: Terminal) {
  const said = new Set<string>();
  let progress: BatchProgress | undefined;
  const once = (line: string) => {
    if (!said.has(line)) progress?.note(line);
    said.add(line);
  };
  return {
    onUpdate: (update: LipSyncBatchUpdate) => {
      if (update.type === "checked") progress = showBatch(terminal, update.counts);
      if (update.type === "clip") progress?.update(update.counts);
      if (update.type === "pause" && update.cause === "busy") {
        once("The gateway takes no more for now; the batch goes on as soon as it does.");
      }
      if (update.type === "pause" && update.cause === "unreachable") {
        once(
          `The gateway cannot be reached; the batch goes on as soon as it can. ${oneLine(update.reason)}`,
        );
      }
      if (update.type === "pause" && update.cause === "uncertain") {
        const seconds = Math.ceil(update.pauseMs / 1000);
        progress?.note(`No new task for ${seconds} s: ${oneLine(update.reason)}`);
      }
      if (update.type === "stop" && update.stop.cause === "signal") {
        once("Stopping: a create that was sent is finished, so that no task is lost.");
      }
      if (update.type === "stop" && update.stop.cause !== "signal") {
        once(
          `No new tasks; those that exist are finished and saved. ${oneLine(update.stop.reason)}`,
        );
      }
      if (update.type === "warning") terminal.warn(oneLine(update.message));
    },
    end: () => {
      progress?.end();
    },
  };
}

/** The states of the clips in the order of the file, then those that the file does not have. */
function inOrderOf(ids: string[], states: LipSyncClipState[]): LipSyncClipState[] {
  const rest = new Map(states.map((clip) => [clip.id.toLowerCase(), clip]));
  const ordered = ids.map((id): LipSyncClipState => {
    const clip = rest.get(id.toLowerCase()) ?? { id, state: "left" };
    rest.delete(id.toLowerCase());
    return clip;
  });
  return [...ordered, ...rest.values()];
}

interface End {
  folder: string;
  page: string;
  limit: number;
  all: number;
  terminal: Terminal;
}

/** What is there, and what to do next. */
function endOf(report: LipSyncBatchReport, { folder, page, limit, all, terminal }: End): string[] {
  const { saved, running, failed, uncertain, left, stop, problems } = report;
  const total = saved + running + failed + uncertain + left;
  const look = `Look at the videos: ${oneLine(page)}`;
  const done = `${saved} of ${total} clips are saved`;
  const again = "To continue, type the same line again.";
  if (stop?.cause === "signal")
    return [`Stopped. ${done}, ${running} running at the gateway. ${again}`];
  if (problems.length > 0) {
    const status = `${terminal.command} status ${shellWord(folder)}`;
    const notSaved = problems.filter(({ state, reason }) => state === "created" && reason);
    return [
      look,
      ...notSaved.map(({ id, reason }) => `${id} is not saved: ${messageOf(reason)}`),
      `${done}. To be looked at: ${problems.length}. What to do: ${status}`,
    ];
  }
  if (stop?.cause === "account")
    return [
      look,
      `${done}. Mend the account first; this is free of charge: ${terminal.command} check`,
    ];
  if (saved < total) return [look, `${done}. ${again}`];
  if (limit < all)
    return [look, `${done}, of ${all} in the file. For the rest, leave out --limit.`];
  return [look, `All ${total} clips are saved in ${oneLine(folder)}.`];
}

function exitCodeOf({ stop, running, failed, uncertain, left, problems }: LipSyncBatchReport) {
  if (stop?.cause === "signal") return EXIT_CODES.stopped;
  const open = running + failed + uncertain + left + problems.length;
  return open === 0 ? EXIT_CODES.done : EXIT_CODES.needsPerson;
}
