// How every script starts: the exit code of its main function, and one message for what fails.
import { realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";

/**
 * Runs `main` if the file with this URL is the program that was started, and not imported by
 * another one. An error is printed as its message, without a stack trace, with exit code 1.
 */
export async function runScript(url: string, main: () => Promise<number>): Promise<void> {
  const started = process.argv[1];
  if (started === undefined || realpathSync(started) !== fileURLToPath(url)) return;
  try {
    process.exitCode = await main();
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    process.exitCode = 1;
  }
}
