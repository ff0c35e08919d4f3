// Creates the task of one clip: claim, one request, and a line that says what came of it.
import { property, textOf } from "../json.js";
import { verdictOf } from "../outcome.js";
import { newClaim } from "./claim.js";
import type { LipSyncClip } from "./clip.js";
import { failureOf, stageOf } from "./fold.js";
import { messageOf, type Session } from "./session.js";

/** What came of a create. */
export type Outcome =
  | { kind: "created" | "refused" | "taken" }
  | { kind: "again" | "account" | "uncertain" | "disk"; error: unknown };

/** A process that was frozen for so long since its claim may not send any more. */
const LONGEST_CLAIM_MS = 60_000;

/** Creates the task of a clip that is free, or that failed and may be created again. */
export async function createTask(
  session: Session,
  { id, request }: LipSyncClip,
  failure: string | undefined,
): Promise<Outcome> {
  const { client, journal } = session;
  const claim = newClaim(request);
  const free = { event: "free", id, claim: claim.claim } as const;
  const has = () => {
    const clip = journal.get(id);
    return clip.isClaimed && clip.claim?.claim === claim.claim;
  };
  const startedAt = performance.now();
  try {
    journal.read();
    const known = journal.get(id);
    const isAgain = stageOf(known) === "failed" && failureOf(known) === failure;
    if (isAgain && failure !== undefined)
      journal.append({ event: "again", id, of: failure }, { isSynced: true });
    if (stageOf(journal.get(id)) !== "left") return { kind: "taken" };
    journal.append({ event: "claim", id, ...claim }, { isSynced: true });
    if (!has()) return { kind: "taken" };
    // Somebody may have settled the clip while this process was frozen.
    journal.read();
  } catch (error) {
    // The claim may be in the file, although it was not synced.
    session.refresh();
    if (has()) await session.keep(free);
    return { kind: "disk", error };
  }
  if (!has()) return { kind: "taken" };
  const elapsedMs = Math.max(performance.now() - startedAt, Date.now() - claim.at);
  const isLate = elapsedMs > LONGEST_CLAIM_MS;
  if (isLate || journal.get(id).task) {
    await session.keep(free);
    return { kind: "taken" };
  }

  try {
    const { task_id: taskId } = await client.create(request, { maxRetries: 0 });
    await session.keep({ event: "task", id, claim: claim.claim, taskId });
    return { kind: "created" };
  } catch (error) {
    return await endCreate(session, free, error);
  }
}

/** What comes of a failed create. */
async function endCreate(
  session: Session,
  free: { event: "free"; id: string; claim: string },
  error: unknown,
): Promise<Outcome> {
  const { id, claim } = free;
  const kind = verdictOf(error);
  const reason = messageOf(error);
  if (kind === "refused") {
    await session.keep({ event: "refused", id, claim, reason });
    return { kind };
  }
  if (kind !== "uncertain") {
    await session.keep(free);
    return { kind, error };
  }
  const taskId = textOf(property(error, "taskId"));
  const named = taskId === undefined ? {} : { taskId };
  await session.keep({ event: "uncertain", id, claim, reason, ...named });
  const isFound = taskId !== undefined && (await findTask(session, id, claim, taskId));
  return isFound ? { kind: "created" } : { kind, error };
}

/** Asks for a task that the response of a failed create names, and keeps it if it exists. */
export async function findTask(
  session: Session,
  id: string,
  claim: string,
  taskId: string,
): Promise<boolean> {
  try {
    await session.client.get(taskId, { signal: session.ending });
  } catch {
    // It stays uncertain, and the next run asks again.
    return false;
  }
  await session.keep({ event: "task", id, claim, taskId });
  return true;
}
