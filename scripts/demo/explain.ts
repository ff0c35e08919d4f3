// What an error means for whoever ran the demo: the words, above all on money, and the exit code.
import {
  ConfigurationError,
  InvalidRequestError,
  LipSyncError,
  TaskFailedError,
} from "../../src/index.js";
import { messageOf, oneLine, shellWord } from "./text.js";

/** What was typed cannot be run. */
export class UsageError extends Error {}

/** Ctrl-C. */
export class Stopped extends Error {}

/** How far a run came. */
export interface RunState {
  /** The real gateway's host; absent for the fake gateway. */
  host?: string;
  /** The task to wait for; absent until it is created. */
  taskId?: string;
  /** The finished video; absent until the task is done. */
  videoUrl?: string;
  /** The file to save the video to, as it was typed. */
  save?: string | undefined;
}

/** What an error means for who ran the demo. */
export function explain(error: unknown, { host, taskId, videoUrl, save }: RunState): string {
  const message = messageOf(error);
  if (isMistake(error)) return `Nothing was sent: ${message}`;
  if (host === undefined) {
    return error instanceof Stopped
      ? "Stopped, and the fake gateway and its task with it; nothing was billed."
      : message;
  }
  const look = `A task may have been created and billed: look at ${host} before you run this again.`;
  if (taskId === undefined) {
    if (error instanceof Stopped) return `Stopped before the response. ${look}`;
    const isSure = error instanceof LipSyncError && !error.mayHaveCreatedTask;
    return `${message}\n${isSure ? "No task was created." : look}`;
  }
  const id = oneLine(taskId);
  const saving = save === undefined ? "" : ` --save ${shellWord(save)}`;
  const command = `npm run demo -- --task-id ${shellWord(id)}${saving}`;
  if (videoUrl !== undefined) {
    const what = error instanceof Stopped ? "Stopped; the video was not saved." : message;
    return `${what}\nIt is at ${oneLine(videoUrl)}\nTo fetch it again, unbilled: ${command}`;
  }
  const resume = `To wait for it again, unbilled: ${command}`;
  if (error instanceof TaskFailedError) return `Task ${id} failed: ${message}`;
  if (error instanceof Stopped) return `Stopped; task ${id} goes on.\n${resume}`;
  return `${message}\n${resume}`;
}

export function exitCodeOf(error: unknown): number {
  if (error instanceof Stopped) return 130;
  return isMistake(error) ? 2 : 1;
}

function isMistake(error: unknown): boolean {
  const types = [UsageError, ConfigurationError, InvalidRequestError];
  return types.some((type) => error instanceof type);
}
