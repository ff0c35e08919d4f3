// Files as the scripts read and write them: decoded strictly, written whole or not at all.
import { randomUUID } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";

/** The text of a file, and the name that messages use for it. */
export interface Source {
  file: string;
  text: string;
}

/** @throws Error - the file cannot be read, or is not UTF-8 */
export async function readSource(file: string): Promise<Source> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Error(`${file} cannot be read (${code ?? String(error)}).`);
  }
  return decode(file, bytes);
}

/** Decodes UTF-8 and drops a byte order mark. */
export function decode(file: string, bytes: Uint8Array): Source {
  try {
    return { file, text: new TextDecoder("utf-8", { fatal: true }).decode(bytes) };
  } catch {
    throw new Error(`${file} is not UTF-8 text.`);
  }
}

/** Writes a temporary file and renames it, so that a reader or a crash never sees half a file. */
export async function replaceFile(file: string, text: string): Promise<void> {
  const temporary = `${file}.${randomUUID()}.tmp`;
  try {
    await writeFile(temporary, text);
    await rename(temporary, file);
  } finally {
    await rm(temporary, { force: true });
  }
}

/** Writes the files that differ from those in the folder and returns their names. */
export async function writeFiles(files: Map<string, string>, folder: string): Promise<string[]> {
  const stale = await staleFiles(files, folder);
  await mkdir(folder, { recursive: true });
  for (const name of stale) await replaceFile(path.join(folder, name), files.get(name) ?? "");
  return stale;
}

/** The names of the files that are missing in the folder or have another text there. */
export async function staleFiles(files: Map<string, string>, folder: string): Promise<string[]> {
  const stale: string[] = [];
  for (const [name, text] of files) {
    const present = await readFile(path.join(folder, name), "utf8").catch(() => undefined);
    if (present !== text) stale.push(name);
  }
  return stale;
}
