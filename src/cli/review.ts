// kling-lip-sync review: writes the page and the table of a batch, to look at its videos.
import { rename, writeFile } from "node:fs/promises";
import path from "node:path";
import { Command } from "commander";
import { type LipSyncClipState, readLipSyncBatch } from "../batch/index.js";
import type { Done } from "./flags.js";
import { pageOf, tableOf } from "./page.js";
import { EXIT_CODES, type Terminal } from "./terminal.js";
import { oneLine } from "./text.js";

export function reviewCommand(terminal: Terminal, done: Done): Command {
  return new Command("review")
    .description("write index.html and results.csv into a batch's folder, to look at its videos")
    .argument("<folder>", "folder of the batch")
    .action(async (folder: string) => {
      const page = await writeReview(folder, await readLipSyncBatch(folder));
      terminal.print(`Open this page to look at the videos: ${oneLine(path.resolve(page))}`);
      done(EXIT_CODES.done);
    });
}

/** Writes the page and the table of these clips, and returns the path of the page. */
export async function writeReview(folder: string, clips: LipSyncClipState[]): Promise<string> {
  const page = path.join(folder, "index.html");
  await replace(page, pageOf(path.basename(path.resolve(folder)), clips));
  await replace(path.join(folder, "results.csv"), tableOf(clips));
  return page;
}

/** Renames a whole file, so that who has the page open never reads half of it. */
async function replace(file: string, text: string): Promise<void> {
  const temporary = `${file}.${process.pid}.part`;
  await writeFile(temporary, text);
  await rename(temporary, file);
}
