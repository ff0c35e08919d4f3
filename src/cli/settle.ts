// kling-lip-sync settle: what a person found at the gateway about an uncertain clip.
import { Command } from "commander";
import { type Found, settleLipSyncClip } from "../batch/index.js";
import { isUnknownTask } from "../outcome.js";
import { connect } from "./connection.js";
import type { Done } from "./flags.js";
import { EXIT_CODES, type Terminal, UsageError } from "./terminal.js";
import { oneLine } from "./text.js";

interface SettleFlags {
  taskId?: string;
  /** Unless `--no-task` is given. */
  task: boolean;
  force?: boolean;
}

export function settleCommand(terminal: Terminal, done: Done): Command {
  return new Command("settle")
    .description("say what you found at the gateway about a clip that is uncertain")
    .argument("<folder>", "folder of the batch")
    .argument("<clip>", "id of the clip")
    .option("--task-id <id>", "its task, whose video the next run saves")
    .option("--no-task", "it is certain that it has no task: the next run creates one (billed)")
    .option("--force", "although a process of that number still runs: you know that it is another")
    .action(async (folder: string, clip: string, flags: SettleFlags) => {
      const found = foundOf(flags);
      await settleLipSyncClip(folder, clip, found, { force: flags.force });
      terminal.print(
        "taskId" in found
          ? `${clip} has the task ${oneLine(found.taskId)} now; run the batch again to save its video.`
          : `${clip} has no task; run the batch again to create one, which is billed.`,
      );
      if ("taskId" in found && (await isUnknown(terminal, found.taskId)))
        terminal.warn("The gateway does not know this task. If the id is wrong, settle it again.");
      done(EXIT_CODES.done);
    });
}

/** Whether the gateway knows no such task; asked free of charge, if the environment has a gateway. */
async function isUnknown(terminal: Terminal, taskId: string): Promise<boolean> {
  const { env, signal } = terminal;
  if (!env["KLING_BASE_URL"] || !env["KLING_API_KEY"]) return false;
  try {
    await connect(terminal).client.get(taskId, { maxRetries: 0, timeoutMs: 10_000, signal });
    return false;
  } catch (error) {
    return isUnknownTask(error);
  }
}

function foundOf({ taskId, task }: SettleFlags): Found {
  if (taskId !== undefined && task) return { taskId };
  if (taskId === undefined && !task) return { noTask: true };
  throw new UsageError("say what you found: either --task-id ID or --no-task.");
}
