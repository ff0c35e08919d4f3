// Compiles test/consumers/ against the packed package, as a user's project does, with any TypeScript.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { ProgramError, run } from "./pack.js";

export const MODULES = ["nodenext", "esnext --moduleResolution bundler"];

/** Runs tsc on one file. @throws ProgramError - it does not compile */
export async function compile(
  tsc: string,
  folder: string,
  file: string,
  module: string,
  isExact = true,
): Promise<void> {
  const flags =
    "--noEmit --strict --skipLibCheck false --target es2022 --pretty false " +
    `--noUncheckedIndexedAccess --exactOptionalPropertyTypes ${String(isExact)} --module ${module}`;
  await run(process.execPath, [tsc, ...flags.split(" "), file], { cwd: folder });
}

/**
 * Compiles mistakes.ts and returns the last line that the compiler prints for each statement.
 *
 * @throws AssertionError - it is not the line in the comment above the statement
 */
export async function compileMistakes(tsc: string, folder: string): Promise<string[]> {
  const text = await readFile(path.join(folder, "mistakes.ts"), "utf8");
  const expected = [...text.matchAll(/^\/\/ (.+)\nvoid /gm)].map(([, line = ""]) => line);
  let output = "";
  try {
    await compile(tsc, folder, "mistakes.ts", "nodenext");
  } catch (error) {
    if (!(error instanceof ProgramError)) throw error;
    output = error.message;
  }
  const [, ...messages] = output.split(/^mistakes\.ts\(.*?: error TS\d+: /m);
  const lastLines = messages.map((message) => message.trim().split("\n").at(-1)?.trim() ?? "");
  assert.equal(lastLines.length, expected.length, output);
  for (const [index, line] of expected.entries()) {
    const [start = "", end = ""] = line.split(" … ");
    const said = lastLines[index] ?? "";
    assert(said.startsWith(start) && said.endsWith(end), `expected: ${line}\nprinted: ${said}`);
  }
  return lastLines;
}
