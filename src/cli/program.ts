// The command line: its subcommands, its help, and the exit code of what was typed.
import { Command, CommanderError } from "commander";
import { batchCommand } from "./batch.js";
import { checkCommand } from "./check.js";
import { createCommand } from "./create.js";
import { demoCommand } from "./demo.js";
import { exitCodeOf, explain } from "./explain.js";
import { gatewayCommand } from "./gateway.js";
import { getCommand } from "./get.js";
import { reviewCommand } from "./review.js";
import { settleCommand } from "./settle.js";
import { statusCommand } from "./status.js";
import { EXIT_CODES, type Terminal } from "./terminal.js";
import { voicesCommand } from "./voices.js";
import { waitCommand } from "./wait.js";

const SUBCOMMANDS = [
  ...[demoCommand, createCommand, waitCommand, getCommand],
  ...[batchCommand, statusCommand, reviewCommand, settleCommand],
  ...[checkCommand, voicesCommand, gatewayCommand],
];

const HELP = `
Environment:
  KLING_BASE_URL  the gateway's origin, such as https://gateway.example
  KLING_API_KEY   its API key, which is never printed

Exit codes:
  0    done: everything is saved, or the gateway works
  1    something needs a person: a task failed, is uncertain or is not done, or the gateway fails
  2    wrong use: invalid flags, file or environment; nothing was sent
  130  stopped, such as with Ctrl-C; tasks that were created go on`;

/** Runs what was typed, and resolves with the exit code. */
export async function runCommand(args: string[], terminal: Terminal): Promise<number> {
  let exitCode: number = EXIT_CODES.done;
  const program = new Command("kling-lip-sync")
    .description("Lip-sync of videos by Kling, through the gateway that you use.")
    .version(terminal.version)
    .addHelpText("after", HELP);
  for (const subcommand of SUBCOMMANDS) {
    program.addCommand(subcommand(terminal, (code) => (exitCode = code)));
  }
  for (const command of [program, ...program.commands]) {
    command
      .exitOverride()
      .showHelpAfterError(
        `See ${terminal.command} ${command === program ? "" : `${command.name()} `}--help`,
      )
      .configureOutput({
        writeOut: (text) => {
          terminal.print(text.trimEnd());
        },
        writeErr: (text) => {
          terminal.warn(text.trimEnd());
        },
      });
  }
  try {
    await program.parseAsync(args, { from: "user" });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) {
      return error.exitCode === 0 ? EXIT_CODES.done : EXIT_CODES.wrongUse;
    }
    terminal.warn(explain(error, {}, terminal.command));
    return exitCodeOf(error, {});
  }
}
