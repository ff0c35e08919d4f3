// What an error means for whoever typed the command: the words, above all on money, and the exit code.
import { ConfigurationError, InvalidRequestError, mayHaveCreatedTask } from "../index.js";
import { TaskFailedError, TaskTimeoutError } from "../index.js";
import { EXIT_CODES, Stopped, UsageError } from "./terminal.js";
import { messageOf, oneLine, shellWord } from "./text.js";

/** How far a run came. */
export interface RunState {
  /** The host of the gateway; absent for the fake gateway of `demo`. */
  host?: string;
  /** The task to wait for; absent until it is created. */
  taskId?: string;
  /** The finished video; absent until the task is done. */
  videoUrl?: string;
  /** The file to save the video to, as it was typed. */
  save?: string | undefined;
}

/** What an error means; `command` is what to type before a subcommand. */
export function explain(error: unknown, state: RunState, command: string): string {
  const { host, taskId, videoUrl } = state;
  const message = messageOf(error);
  if (isMistake(error)) return `Nothing was sent: ${message}`;
  if (host === undefined) {
    if (!(error instanceof Stopped)) return message;
    return "Stopped, and the fake gateway and its task with it; nothing was billed.";
  }
  if (taskId === undefined) return explainCreate(error, host);
  if (videoUrl !== undefined)
    return explainDownload(error, { ...state, taskId, videoUrl }, command);

  const id = oneLine(taskId);
  if (error instanceof TaskFailedError) return `Task ${id} failed: ${message}`;
  const resume = `To wait for it again, free of charge: ${waitCommand({ ...state, taskId }, command)}`;
  if (error instanceof Stopped) return `Stopped; task ${id} goes on.\n${resume}`;
  return `${message}${lastPoll(error)}\n${resume}`;
}

export function exitCodeOf(error: unknown): number {
  if (error instanceof Stopped) return EXIT_CODES.stopped;
  return isMistake(error) ? EXIT_CODES.wrongUse : EXIT_CODES.needsPerson;
}

function explainCreate(error: unknown, host: string): string {
  if (error instanceof Stopped) return "Stopped. No task was created.";
  const message = messageOf(error);
  if (!mayHaveCreatedTask(error)) return `${message}\nNo task was created.`;
  return `${message}\nA task may have been created and billed: look at ${host} before you run this again.`;
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

function lastPoll(error: unknown): string {
  if (!(error instanceof TaskTimeoutError) || error.cause === undefined) return "";
  return ` The last poll failed: ${messageOf(error.cause)}`;
}

function isMistake(error: unknown): boolean {
  const types = [UsageError, ConfigurationError, InvalidRequestError];
  return types.some((type) => error instanceof type);
}
