// Claims: how this process makes one, and whether the owner of another may still send.
import { createHash, randomUUID } from "node:crypto";
import os from "node:os";
import { isRecord, property, textOf } from "../json.js";
import type { LipSyncRequest } from "../request.js";
import type { LipSyncClipState } from "./clip.js";
import { type Claim, type Clip, stageOf } from "./fold.js";

/** This process. In a container, the next one may have its host and its pid. */
const PROCESS = randomUUID();

/** A claim without an outcome may still get one for so long. */
const FRESH_MS = 120_000;
const LONGEST_TEXT = 80;

export function newClaim(request: LipSyncRequest): Claim {
  const text = textOf(property(request.input, "text"));
  const claim = {
    claim: `${PROCESS}/${randomUUID()}`,
    at: Date.now(),
    host: os.hostname(),
    pid: process.pid,
    sha256: sha256Of(request),
  };
  if (text === undefined) return claim;
  // By characters: half an emoji is not one.
  return { ...claim, text: Array.from(text).slice(0, LONGEST_TEXT).join("") };
}

/** The same for the same fields, in whatever order. */
export function sha256Of(request: LipSyncRequest): string {
  const sorted = JSON.stringify(request, (_, value: unknown) =>
    isRecord(value) ? Object.fromEntries(Object.entries(value).sort(byName)) : value,
  );
  return createHash("sha256").update(sorted).digest("hex");
}

const byName = ([a]: [string, unknown], [b]: [string, unknown]) => (a < b ? -1 : 1);

export const isOwn = ({ claim }: Claim): boolean => claim.startsWith(PROCESS);

/** Whether the owner of a claim certainly does not run any more. A dead pid says so only here. */
export function isDead(claim: Claim): boolean {
  if (claim.host !== os.hostname() || isOwn(claim)) return false;
  if (claim.pid === process.pid) return true;
  try {
    process.kill(claim.pid, 0);
    return false;
  } catch (error) {
    // A process of another user lives.
    return property(error, "code") !== "EPERM";
  }
}

/** Whether a process with the id of the claim's owner runs on this machine. */
export const isOnThisHost = (claim: Claim): boolean =>
  claim.host === os.hostname() && !isDead(claim);

/** Whether a claim without an outcome will get none. A living pid never prolongs that. */
export const isStale = (claim: Claim): boolean =>
  Math.abs(Date.now() - claim.at) >= FRESH_MS || isDead(claim);

/** The clip as its caller sees it. */
export function stateOf(clip: Clip): LipSyncClipState {
  const { id, claim, task, extraTaskIds } = clip;
  const stage = stageOf(clip);
  const state: LipSyncClipState = { id, state: stage === "claimed" ? "creating" : stage };
  if (stage === "claimed" && claim && isStale(claim)) {
    state.state = "uncertain";
    state.reason = `Process ${claim.pid} on ${claim.host} was creating its task, and did not say what came of it.`;
  }
  const reason = reasonOf(clip);
  if (reason !== undefined) state.reason = reason;
  if (task) state.taskId = task.id;
  if (claim) state.askedAt = claim.at;
  if (extraTaskIds.length > 0) state.extraTaskIds = [...extraTaskIds];
  if (claim?.text !== undefined) state.text = claim.text;
  return state;
}

/** Why it failed, or why it is uncertain. */
function reasonOf({ task, problem }: Clip): string | undefined {
  if (task) return task.reason;
  if (problem?.taskId === undefined) return problem?.reason;
  return `The response names task ${problem.taskId}. ${problem.reason}`;
}
