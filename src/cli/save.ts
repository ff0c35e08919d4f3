// --save: whether the file can be created, found out before anything is sent or billed.
import fs from "node:fs/promises";
import { constants } from "node:fs";
import path from "node:path";
import { UsageError } from "./terminal.js";
import { messageOf, oneLine } from "./text.js";

/** Throws a usage error unless the file can be created, as far as one can know before it is. */
export async function checkNewFile(file: string): Promise<void> {
  const name = oneLine(file);
  if (name === "") throw new UsageError("--save needs the name of a file.");
  if (/[\\/]$/.test(file))
    throw new UsageError("--save needs the name of a file, not of a folder.");
  const folder = path.dirname(file);
  const isFolder = await fs.stat(folder).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
  if (!isFolder) throw new UsageError(`--save needs a folder that exists, not ${oneLine(folder)}.`);
  try {
    await fs.access(folder, constants.W_OK);
  } catch (error) {
    throw new UsageError(`--save cannot write to the folder: ${messageOf(error)}.`);
  }
  let isTaken = true;
  try {
    // A link that leads nowhere is there, too.
    await fs.lstat(file);
  } catch (error) {
    const isAbsent = error instanceof Error && "code" in error && error.code === "ENOENT";
    if (!isAbsent) throw new UsageError(`--save cannot create the file: ${messageOf(error)}.`);
    isTaken = false;
  }
  if (isTaken) throw new UsageError(`--save does not overwrite a file, and ${name} exists.`);
}
