// kling-lip-sync get: the task as it is now, free of charge.
import { Command } from "commander";
import { connect } from "./connection.js";
import type { Done } from "./flags.js";
import { explained, type Run } from "./task.js";
import type { Terminal } from "./terminal.js";
import { oneLine } from "./text.js";

export function getCommand(terminal: Terminal, done: Done): Command {
  return new Command("get")
    .description("show a task as it is now (free of charge)")
    .argument("<task-id>", "id of the task")
    .option("--json", "print the task as JSON")
    .action(async (taskId: string, { json }: { json?: boolean }) => {
      done(await get(terminal, taskId, json));
    });
}

async function get(terminal: Terminal, taskId: string, json?: boolean): Promise<number> {
  const { client, host } = connect(terminal);
  const run: Run = { client, host, terminal, taskId, json };
  return explained(run, async () => {
    const task = await client.get(taskId, { signal: terminal.signal });
    if (json) return task;
    const { task_id, task_status, task_status_msg: reason, task_result } = task;
    terminal.print(`Task ${oneLine(task_id)}: ${oneLine(task_status)}`);
    if (reason) terminal.print(`Reason: ${oneLine(reason)}`);
    const videos = Array.isArray(task_result?.videos) ? task_result.videos : [];
    for (const { url } of videos) terminal.print(`Video: ${oneLine(url)}`);
    return task;
  });
}
