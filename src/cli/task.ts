// One task on the terminal: creates it, shows its progress, and saves its video.
import path from "node:path";
import { downloadVideo } from "../download.js";
import {
  type LipSyncClient,
  type LipSyncRequest,
  type LipSyncTask,
  mayHaveCreatedTask,
  type SucceededLipSyncTask,
} from "../index.js";
import { onAbort } from "../time.js";
import { exitCodeOf, explain, type RunState } from "./explain.js";
import { showStatus } from "./progress.js";
import { EXIT_CODES, Stopped, type Terminal } from "./terminal.js";
import { oneLine } from "./text.js";

/** One run, and how far it came. */
export interface Run extends RunState {
  client: LipSyncClient;
  terminal: Terminal;
  /** Whether the task is printed as JSON. */
  json?: boolean | undefined;
  intervalMs?: number | undefined;
  timeoutMs?: number | undefined;
}

/** Does the work of a run, and says what an error means for the task; resolves with the exit code. */
export async function explained(run: Run, work: () => Promise<LipSyncTask>): Promise<number> {
  const { terminal } = run;
  try {
    const task = await work();
    if (run.json) terminal.print(JSON.stringify(task));
    return EXIT_CODES.done;
  } catch (error) {
    terminal.warn(explain(error, run, terminal.command));
    return exitCodeOf(error, run);
  }
}

/** Creates a task. Ctrl-C does not interrupt the request, because its response has the id. */
export async function createTask(run: Run, request: LipSyncRequest): Promise<LipSyncTask> {
  const { signal, warn } = run.terminal;
  const stopListening = onAbort(signal, () => {
    warn("Stopping as soon as the gateway has responded, so that the id of the task is not lost.");
  });
  let task: LipSyncTask;
  try {
    task = await run.client.create(request);
  } catch (error) {
    // After a failure that may have created a task, this matters more than the Ctrl-C.
    if (signal.aborted && !mayHaveCreatedTask(error)) throw new Stopped();
    throw error;
  } finally {
    stopListening();
  }
  run.wasSent = true;
  run.taskId = task.task_id;
  output(run).print(`Task ${oneLine(task.task_id)} is created: ${oneLine(task.task_status)}`);
  return task;
}

/** Waits for the task of a run, prints the URLs of its videos, and saves the first one. */
export async function finishTask(
  run: Run,
  taskId: string,
  first = "waiting",
): Promise<SucceededLipSyncTask> {
  const { client, save, intervalMs, timeoutMs } = run;
  const { signal } = run.terminal;
  const shown = output(run);
  run.taskId = taskId;
  const progress = showStatus(shown, first);
  let task: SucceededLipSyncTask;
  try {
    task = await client.wait(taskId, {
      signal,
      intervalMs,
      timeoutMs,
      onUpdate: ({ task_status }) => {
        progress.update(oneLine(task_status));
      },
    });
  } finally {
    progress.end();
  }
  const [video, ...others] = task.task_result.videos;
  run.videoUrl = video.url;
  for (const { url } of [video, ...others]) shown.print(`Video: ${oneLine(url)}`);
  if (save !== undefined) await saveVideo(run, video.url, save);
  if (save !== undefined && others.length > 0) shown.print("Only the first video is saved.");
  return task;
}

async function saveVideo(run: Run, url: string, save: string): Promise<void> {
  const shown = output(run);
  const file = path.resolve(save);
  const progress = showStatus(shown, "asking for the video");
  let size = "";
  try {
    await downloadVideo({
      url,
      file,
      overwrite: false,
      fetch: globalThis.fetch,
      signal: run.terminal.signal,
      onProgress(bytes, total) {
        size = sizeOf(bytes, total);
        if (shown.screen) progress.update(size);
      },
    });
  } finally {
    progress.end();
  }
  shown.print(`Saved: ${oneLine(file)} (${size})`);
}

/** Where a person reads; a program reads JSON, and nothing else, from standard output. */
function output({ json, terminal }: Run): Terminal {
  return json ? { ...terminal, print: terminal.warn } : terminal;
}

function sizeOf(bytes: number, total: number | undefined): string {
  const count = (number: number) => number.toLocaleString("en");
  if (!total || bytes === total) return `${count(bytes)} bytes`;
  return `${count(bytes)} of ${count(total)} bytes, ${Math.floor((bytes / total) * 100)} %`;
}
