// Polls a task that exists until it is done, and saves its video.
import path from "node:path";
import { downloadVideo } from "../download.js";
import { property } from "../json.js";
import { isUnknownTask, verdictOf } from "../outcome.js";
import { type Clip, stageOf } from "./fold.js";
import { messageOf, type Session } from "./session.js";
import { syncFolder } from "./journal.js";

/** How often a task is asked for another URL of its video. */
const MOST_URLS = 3;

/** Never rejects: what goes wrong is told, and the next run continues. */
export async function finishTask(
  session: Session,
  clip: Clip,
  taskId: string,
  intervalMs: number,
): Promise<void> {
  const { client, timeoutMs, ending } = session;
  for (let urls = 1; ; urls++) {
    let url: string;
    try {
      const task = await client.wait(taskId, { intervalMs, timeoutMs, signal: ending });
      url = task.task_result.videos[0].url;
    } catch (error) {
      if (ending.aborted) return;
      await endPoll(session, clip, taskId, error);
      return;
    }
    if (isSaved(session, clip)) return;
    try {
      await save(session, clip, url);
    } catch (error) {
      if (ending.aborted) return;
      const isServer = property(error, "name") === "DownloadError";
      if (isServer && urls < MOST_URLS) continue;
      if (!isServer) session.haltForDisk(error);
      session.giveUp(clip, error);
      return;
    }
    await session.keep({ event: "saved", id: clip.id, taskId });
    return;
  }
}

async function endPoll(session: Session, clip: Clip, taskId: string, error: unknown) {
  if (property(error, "name") === "TaskFailedError") {
    await session.keep({ event: "failed", id: clip.id, taskId, reason: messageOf(error) });
    return;
  }
  const isAccount = !isUnknownTask(error) && verdictOf(error) === "account";
  if (isAccount) {
    session.halt({ cause: "account", reason: messageOf(error) });
    session.refusePolls();
  }
  session.giveUp(clip, error);
}

/** Another process may have been faster. */
function isSaved(session: Session, { id }: Clip): boolean {
  session.refresh();
  return stageOf(session.journal.get(id)) === "saved";
}

async function save({ folder, fetch, ending }: Session, { id }: Clip, url: string): Promise<void> {
  const file = path.join(folder, `${id}.mp4`);
  await downloadVideo({ url, file, overwrite: true, fetch, signal: ending });
  syncFolder(folder);
}
