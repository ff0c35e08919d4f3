// kling-lip-sync wait: waits for a task that exists, free of charge, and saves its video.
import { Command } from "commander";
import { connect } from "./connection.js";
import { addWaitFlags, type Done, type WaitFlags, waitOptions } from "./flags.js";
import { checkNewFile } from "./save.js";
import { explained, finishTask, type Run } from "./task.js";
import type { Terminal } from "./terminal.js";
import { oneLine } from "./text.js";

export function waitCommand(terminal: Terminal, done: Done): Command {
  const command = new Command("wait")
    .description("wait for a task that exists (free of charge) and print the URL of its video")
    .argument("<task-id>", "id of the task");
  addWaitFlags(command).action(async (taskId: string, flags: WaitFlags) => {
    done(await wait(terminal, taskId, flags));
  });
  return command;
}

async function wait(terminal: Terminal, taskId: string, flags: WaitFlags): Promise<number> {
  const { save, json } = flags;
  if (save !== undefined) await checkNewFile(save);
  const { client, host } = connect(terminal);
  const run: Run = { client, host, terminal, ...waitOptions(flags) };
  const show = json ? terminal.warn : terminal.print;
  show(`Waiting for task ${oneLine(taskId)} at ${host}; this is not billed.`);
  return explained(run, () => finishTask(run, taskId));
}
