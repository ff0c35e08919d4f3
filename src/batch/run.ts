// Runs a batch: creates one task at a time, and polls and saves those that exist side by side.
import type { LipSyncClient } from "../client.js";
import { ConnectionError } from "../errors.js";
import { mayPass } from "../outcome.js";
import { isDead, isOwn } from "./claim.js";
import type { LipSyncClip, LipSyncClipCounts, LipSyncClipState } from "./clip.js";
import { createTask, findTask, type Outcome } from "./create.js";
import { finishTask } from "./finish.js";
import { failureOf, stageOf } from "./fold.js";
import { createPace, MOST_UNCERTAIN } from "./pace.js";
import { checkPlan, type Clips, type Plan, planBatch } from "./plan.js";
import type { LipSyncBatchOptions, LipSyncBatchStop } from "./options.js";
import { countClips, messageOf, openSession, type Session } from "./session.js";

/** What a batch ended with: its counts, and what a person has to look at. */
export interface LipSyncBatchReport extends LipSyncClipCounts {
  /** Why nothing more was created; `undefined` if the batch came to its end. */
  stop: LipSyncBatchStop | undefined;
  /**
   * The clips that need a person: failed, uncertain, with more than one task, or with a task whose
   * video could not be saved.
   */
  problems: LipSyncClipState[];
}

/**
 * Creates a task (billed) for each clip that has none, and saves the videos as `<id>.mp4`. Call it
 * again with the same folder to continue after any stop or crash: no clip is created twice, and no
 * task is lost. Any number of processes may run on one folder of a local disk.
 *
 * All clips are checked before anything is sent. The requests of clips that are not created yet are
 * held in memory.
 *
 * @param clips - an iterable or async iterable, read once
 * @throws InvalidRequestError - clips are invalid, or do not fit to what the folder has; the message
 *   lists them
 * @throws ConfigurationError - an option is invalid
 */
export async function runLipSyncBatch(
  client: LipSyncClient,
  clips: Iterable<LipSyncClip> | AsyncIterable<LipSyncClip>,
  options: LipSyncBatchOptions,
): Promise<LipSyncBatchReport> {
  const session = openSession(client, options);
  try {
    const plan = await planBatchOf(session, clips);
    session.start();
    await runPlan(session, plan);
    const failure = session.failure();
    if (failure) throw failure.error;
    return reportOf(session);
  } finally {
    session.close();
  }
}

async function planBatchOf({ journal, folder, retryFailed }: Session, clips: Clips): Promise<Plan> {
  const plan = await planBatch(journal, folder, clips, retryFailed);
  checkPlan(plan);
  return plan;
}

/** The longest time until the journal is read again. */
const LONGEST_TICK_MS = 1000;
/** A task of another process is left to it for so many intervals, and then polled as rarely. */
const PATIENCE = 6;
/** The id of a task that cannot exist: no gateway makes ids like this. */
const NO_TASK_ID = "kling-lip-sync-check";

/** Goes on until there is nothing left to do, or to wait for. */
async function runPlan(session: Session, { pending, again }: Plan): Promise<void> {
  const { journal, parallel, intervalMs, pauseMs } = session;
  const pace = createPace(pauseMs);
  /** The tasks that this process polls: whether each takes one of its places. */
  const running = new Map<string, { isPlace: boolean }>();
  /** When a task of another process was first seen. */
  const seenAt = new Map<string, number>();
  /** Uncertain claims whose failed response names a task, and that were asked for it. */
  const asked = new Set<string>();
  let isCreating = false;

  const places = () => [...running.values()].filter(({ isPlace }) => isPlace).length;

  /** Does something in the background, and looks again when it is done. */
  function start(work: Promise<void>, done: () => void): void {
    work.catch(session.fail).finally(() => {
      done();
      session.wake();
    });
  }

  function follow(id: string, isPlace: boolean, work: Promise<void>): void {
    running.set(id, { isPlace });
    start(work, () => {
      running.delete(id);
      pace.taskEnded();
    });
  }

  /** Polls the tasks of this process, of dead ones, and of those that are silent. */
  function followTasks(): void {
    for (const clip of [...journal.open()]) {
      const { id, claim, task, problem } = clip;
      if (running.has(id) || session.troubles.has(id)) continue;
      const isAbandoned = task?.isFromPerson === true || !claim || isOwn(claim) || isDead(claim);
      if (task && isAbandoned && places() < parallel)
        follow(id, true, finishTask(session, clip, task.id, intervalMs));
      if (task && !isAbandoned && isSilent(task.id))
        follow(id, false, finishTask(session, clip, task.id, PATIENCE * intervalMs));
      if (task || !claim || isOwn(claim) || problem?.taskId === undefined) continue;
      if (asked.has(claim.claim) || places() >= parallel) continue;
      asked.add(claim.claim);
      const finding = findTask(session, id, claim.claim, problem.taskId);
      follow(
        id,
        true,
        finding.then(() => undefined),
      );
    }
  }

  function isSilent(taskId: string): boolean {
    const now = performance.now();
    const since = seenAt.get(taskId) ?? now;
    seenAt.set(taskId, since);
    return now - since >= PATIENCE * intervalMs;
  }

  /** The next clip to create; those that are done are forgotten. */
  function nextClip(): LipSyncClip | undefined {
    for (const [id, clip] of pending) {
      const known = journal.get(id);
      const stage = stageOf(known);
      if (stage === "left") return clip;
      if (stage === "failed" && again.get(id) === failureOf(known)) return clip;
      if (stage !== "claimed" && stage !== "uncertain") pending.delete(id);
    }
    return undefined;
  }

  async function createNext(clip: LipSyncClip): Promise<void> {
    if (pace.isDoubtful() && !(await isGatewayBack(session))) {
      const reason = "The gateway does not respond yet.";
      session.tell({ type: "pause", cause: "uncertain", reason, pauseMs: pace.askedInVain() });
      return;
    }
    pace.isBack();
    if (session.isEnding()) return;
    end(await createTask(session, clip, again.get(clip.id)));
  }

  /** What an outcome means for the creates after it. */
  function end(outcome: Outcome): void {
    if (outcome.kind === "created" || outcome.kind === "refused") pace.answered();
    if (!("error" in outcome)) return;
    const { kind, error } = outcome;
    const reason = messageOf(error);
    if (kind === "disk") session.haltForDisk(error);
    if (kind === "account") session.halt({ cause: kind, reason });
    if (kind === "again") {
      const cause = error instanceof ConnectionError ? "unreachable" : "busy";
      session.tell({ type: "pause", cause, reason, pauseMs: pace.refused(error) });
    }
    if (kind !== "uncertain") return;
    const pausedMs = pace.doubted();
    if (pausedMs !== undefined) {
      session.tell({ type: "pause", cause: kind, reason, pauseMs: pausedMs });
      return;
    }
    session.halt({
      cause: kind,
      reason: `It is unknown whether the last ${MOST_UNCERTAIN} creates created a task. ${reason}`,
    });
  }

  /** Whether another process may still give a clip its task, or save its video. */
  function isOthersTurn(): boolean {
    return [...journal.open()].some((clip) => {
      const { state } = session.stateOf(clip);
      return (state === "creating" || state === "created") && !session.troubles.has(clip.id);
    });
  }

  function isOver(): boolean {
    if (isCreating || running.size > 0 || session.isWriting()) return false;
    if (session.stop() || session.isEnding()) return true;
    return nextClip() === undefined && !isOthersTurn();
  }

  for (;;) {
    session.refresh();
    if (!session.isEnding() && !session.arePollsRefused()) followTasks();
    const mayCreate = !isCreating && !session.stop() && !session.isEnding();
    const hasPlace = places() < parallel && pace.leftMs() <= 0;
    const next = mayCreate && hasPlace ? nextClip() : undefined;
    if (next) {
      isCreating = true;
      start(createNext(next), () => {
        isCreating = false;
      });
    }
    if (isOver()) return;
    const tickMs = Math.min(intervalMs, LONGEST_TICK_MS);
    const pausedMs = pace.leftMs();
    await session.sleep(pausedMs > 0 ? Math.min(tickMs, pausedMs) : tickMs);
  }
}

/** Asks for a task that cannot exist, which is free. Any answer but a failure will do. */
async function isGatewayBack({ client, ending }: Session): Promise<boolean> {
  try {
    await client.get(NO_TASK_ID, { maxRetries: 0, signal: ending });
    return true;
  } catch (error) {
    return !mayPass(error);
  }
}

function reportOf(session: Session): LipSyncBatchReport {
  const { journal, troubles } = session;
  const problems: LipSyncClipState[] = [];
  for (const clip of journal.clips()) {
    const state = session.stateOf(clip);
    const isProblem = needsPerson(state) || (troubles.has(clip.id) && stageOf(clip) !== "saved");
    if (isProblem) problems.push(state);
  }
  return { ...countClips(journal), stop: session.stop(), problems };
}

const needsPerson = ({ state, extraTaskIds }: LipSyncClipState): boolean =>
  state === "failed" || state === "uncertain" || extraTaskIds !== undefined;
