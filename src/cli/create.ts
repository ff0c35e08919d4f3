// kling-lip-sync create: one video, from its request to its URL or file.
import { Command } from "commander";
import { connect } from "./connection.js";
import { addFieldFlags, addWaitFlags, type Done, fieldsOf, type WaitFlags } from "./flags.js";
import { waitOptions } from "./flags.js";
import { completeRequest, draftOf, inTypedNames, readAudio } from "./request.js";
import { checkNewFile } from "./save.js";
import { createTask, explained, finishTask, type Run } from "./task.js";
import { type Terminal, UsageError } from "./terminal.js";
import { shellWord } from "./text.js";

interface CreateFlags extends WaitFlags {
  wait: boolean;
}

export function createCommand(terminal: Terminal, done: Done): Command {
  const command = new Command("create")
    .description("create one video (billed), wait for it and print its URL")
    .option("--no-wait", "print the id of the task and do not wait for its video");
  addWaitFlags(addFieldFlags(command)).action(async (flags: CreateFlags) => {
    done(await create(terminal, flags));
  });
  return command;
}

async function create(terminal: Terminal, flags: CreateFlags): Promise<number> {
  const { save, json, wait } = flags;
  if (!wait && save !== undefined)
    throw new UsageError("--save needs to wait: leave out --no-wait.");
  const request = await requestOf(flags);
  if (save !== undefined) await checkNewFile(save);
  const { client, host } = connect(terminal);
  const run: Run = { client, host, terminal, ...waitOptions(flags) };
  const show = json ? terminal.warn : terminal.print;
  show(`Creating a task at ${host}; this is billed.`);
  return explained(run, async () => {
    const task = await createTask(run, request);
    if (wait) return finishTask(run, task.task_id, task.task_status);
    show(`To wait for it: ${terminal.command} wait ${shellWord(task.task_id)}`);
    return task;
  });
}

async function requestOf(flags: CreateFlags) {
  try {
    return completeRequest(draftOf(await readAudio(fieldsOf(flags))));
  } catch (error) {
    throw inTypedNames(error, "flags");
  }
}
