// kling-lip-sync status: the counts of a batch, then only what needs a person, and what to type.
import { Command } from "commander";
import { type LipSyncClipState, readLipSyncBatch } from "../batch/index.js";
import type { Done } from "./flags.js";
import { needsPerson, summaryOf } from "./page.js";
import { EXIT_CODES, type Terminal } from "./terminal.js";
import { counted, oneLine, shellWord } from "./text.js";

export function statusCommand(terminal: Terminal, done: Done): Command {
  return new Command("status")
    .description("show the counts of a batch, what needs a person, and what to type")
    .argument("<folder>", "folder of the batch")
    .option("--json", "print the state of every clip as JSON")
    .action(async (folder: string, { json }: { json?: boolean }) => {
      const clips = await readLipSyncBatch(folder);
      if (json) terminal.print(JSON.stringify(clips.map(withoutText)));
      else for (const line of statusOf(folder, clips, terminal.command)) terminal.print(line);
      const isAllSaved = clips.every((clip) => clip.state === "saved" && !needsPerson(clip));
      done(isAllSaved ? EXIT_CODES.done : EXIT_CODES.needsPerson);
    });
}

function withoutText(clip: LipSyncClipState): LipSyncClipState {
  const copy = { ...clip };
  delete copy.text;
  return copy;
}

/** What is shown of a batch. */
export function statusOf(folder: string, clips: LipSyncClipState[], command: string): string[] {
  const problems = clips.filter(needsPerson);
  const lines = problems.flatMap((clip) => ["", ...problemOf(folder, clip, command)]);
  const isOpen = ({ state }: LipSyncClipState) => state === "created" || state === "left";
  if (clips.some((clip) => isOpen(clip) && !needsPerson(clip)))
    lines.push("", "To continue, run the batch again; what has a task is not billed again.");
  // The folder knows nothing of the others in the file.
  return [summaryOf(clips, `${counted(clips.length, "clip")} begun`), ...lines];
}

function problemOf(folder: string, clip: LipSyncClipState, command: string): string[] {
  const { id, state, taskId, reason, text, askedAt, extraTaskIds = [] } = clip;
  const asked = askedAt === undefined ? "" : `, asked ${timeOf(askedAt)}`;
  const task = taskId === undefined ? ", no task id" : `, task ${oneLine(taskId)}`;
  const lines = [`${id}: ${state}${asked}${task}`];
  if (text !== undefined) lines.push(`  "${short(oneLine(text))}"`);
  if (reason !== undefined) lines.push(`  ${short(oneLine(reason))}`);
  for (const extra of extraTaskIds) lines.push(`  paid in addition: task ${oneLine(extra)}`);
  return [...lines, ...adviceOn(clip, shellWord(folder), command)];
}

function adviceOn({ id, state }: LipSyncClipState, folder: string, command: string): string[] {
  if (state === "uncertain") {
    const settle = `${command} settle ${folder} ${id}`;
    return [
      `  Look for its task at the gateway, then type one of:`,
      `    ${settle} --task-id ID`,
      `    ${settle} --no-task`,
    ];
  }
  if (state === "failed")
    return [`  To make it again (billed): ${command} batch FILE --folder ${folder} --retry-failed`];
  return state === "created" ? ["  To save it (free of charge), run the batch again."] : [];
}

const LONGEST_REASON = 200;

const short = (text: string): string =>
  text.length > LONGEST_REASON ? `${text.slice(0, LONGEST_REASON)}…` : text;

/** Local time, in the order in which it sorts. */
const timeOf = (ms: number): string => new Date(ms).toLocaleString("sv-SE");
