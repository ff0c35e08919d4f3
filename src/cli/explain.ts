// What an error means for whoever typed the command: the words, above all on money, and the exit code.
import { ApiError, ConfigurationError, InvalidRequestError } from "../index.js";
import { mayHaveCreatedTask, TaskFailedError } from "../index.js";
import { EXIT_CODES, Stopped, UsageError } from "./terminal.js";
import { messageOf, oneLine, shellWord } from "./text.js";

/** How far a run came. */
export interface RunState {
  /** The host of the gateway; absent until it is called. */
  host?: string;
  /** Whether that is the fake gateway of `demo`. */
  isFake?: boolean;
  /** The task to wait for; absent until it is created. */
  taskId?: string;
  /** Whether a create was sent, which is billed. */
  wasSent?: boolean;
  /** The finished video; absent until the task is done. */
  videoUrl?: string;
  /** The file to save the video to, as it was typed. */
  save?: string | undefined;
}

/** What an error means; `command` is what to type before a subcommand. */
export function explain(error: unknown, state: RunState, command: string): string {
  const { host, isFake, taskId, videoUrl } = state;
  if (isMistake(error, state)) return explainMistake(error);
  const message = messageOf(error);
  if (isFake) {
    if (!(error instanceof Stopped)) return message;
    return "Stopped, and the fake gateway and its task with it; nothing was billed.";
  }
  if (host === undefined)
    return error instanceof Stopped ? "Stopped; nothing was created." : message;
  if (taskId === undefined) return explainCreate(error, { ...state, host }, command);
  if (videoUrl !== undefined)
    return explainDownload(error, { ...state, taskId, videoUrl }, command);

  const id = oneLine(taskId);
  if (error instanceof TaskFailedError) return `Task ${id} failed: ${message}`;
  const resume = `To wait for it again, free of charge: ${waitCommand({ ...state, taskId }, command)}`;
  if (error instanceof Stopped) return `Stopped; task ${id} goes on.\n${resume}`;
  return `${message}\n${resume}`;
}

export function exitCodeOf(error: unknown, state: RunState): number {
  if (error instanceof Stopped) return EXIT_CODES.stopped;
  return isMistake(error, state) ? EXIT_CODES.wrongUse : EXIT_CODES.needsPerson;
}

function explainCreate(
  error: unknown,
  state: RunState & { host: string },
  command: string,
): string {
  if (error instanceof Stopped) return "Stopped. No task was created.";
  const message = messageOf(error);
  if (error instanceof ApiError && error.taskId !== undefined) {
    const wait = waitCommand({ ...state, taskId: error.taskId }, command);
    return `${message}\nTo wait for that task, free of charge: ${wait}`;
  }
  if (!mayHaveCreatedTask(error)) return `${message}\nNo task was created.`;
  return `${message}\nA task may have been created and billed: look at ${state.host} before you run this again.`;
}

function explainDownload(
  error: unknown,
  state: RunState & { taskId: string; videoUrl: string },
  command: string,
): string {
  const what = error instanceof Stopped ? "Stopped; the video was not saved." : messageOf(error);
  const again = `To fetch it again, free of charge: ${waitCommand(state, command)}`;
  return `${what}\nIt is at ${oneLine(state.videoUrl)}\n${again}`;
}

function waitCommand(state: RunState & { taskId: string }, command: string): string {
  const wait = `${command} wait ${shellWord(oneLine(state.taskId))}`;
  return state.save === undefined ? wait : `${wait} --save ${shellWord(state.save)}`;
}

/** A list of mistakes has a line for each. */
function explainMistake({ message }: Error): string {
  const lines = message.split("\n").map(oneLine).join("\n");
  return lines.startsWith("Nothing was sent") ? lines : `Nothing was sent: ${lines}`;
}

/** Whether what was typed is wrong, so that nothing was sent. */
function isMistake(error: unknown, { wasSent }: RunState): error is Error {
  if (wasSent) return false;
  const types = [UsageError, ConfigurationError, InvalidRequestError];
  return types.some((type) => error instanceof type);
}
