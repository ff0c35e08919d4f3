// How every script starts: the exit code of its main function, and one message for what fails.
import { realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** What a script does with the words after its name; resolves with the exit code. */
export type Main = (args: string[]) => Promise<number>;

/** Runs `main` if the file with this URL is the program that was started, and not imported. */
export async function runScript(url: string, main: Main): Promise<void> {
  const started = process.argv[1];
  if (started === undefined || realpathSync(started) !== fileURLToPath(url)) return;
  process.exitCode = await runMain(main, process.argv.slice(2));
}

/** Runs `main`. An error is printed as its message, without a stack trace, with exit code 1. */
export async function runMain(main: Main, args: string[]): Promise<number> {
  try {
    return await main(args);
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    return 1;
  }
}
