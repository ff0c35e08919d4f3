// Checks all clips before anything is sent, and keeps those that have no video yet.
import { existsSync, readdirSync } from "node:fs";
import { InvalidRequestError } from "../errors.js";
import { property } from "../json.js";
import { parseLipSyncRequest } from "../request.js";
import { sha256Of } from "./claim.js";
import { isClipId, type LipSyncClip } from "./clip.js";
import { type Clip, failureOf, stageOf } from "./fold.js";
import type { Journal } from "./journal.js";
import { messageOf } from "./session.js";

/** What is wrong with a clip. */
export interface ClipProblem {
  /** Its place among the clips, counted from 0. */
  index: number;
  id: string | undefined;
  message: string;
}

/** What a batch has to do. */
export interface Plan {
  problems: ClipProblem[];
  /** The clips that have no task, or whose task is not known to be there, by their id. */
  pending: Map<string, LipSyncClip>;
  /** The failed clips to create again, and what failed. */
  again: Map<string, string>;
}

export type Clips = Iterable<LipSyncClip> | AsyncIterable<LipSyncClip>;

/** Reads the journal and all clips. Nothing is sent or written. */
export async function planBatch(
  journal: Journal,
  folder: string,
  clips: Clips,
  retryFailed: boolean,
): Promise<Plan> {
  journal.read();
  const strays = straysOf(journal, folder);
  const seen = new Set<string>();
  const plan: Plan = { problems: [], pending: new Map(), again: new Map() };
  let index = -1;
  for await (const given of clips) {
    index += 1;
    const id = property(given, "id");
    try {
      const clip = checkClip(given, seen);
      const known = journal.get(clip.id);
      checkKnown(clip, known, strays);
      journal.add(clip.id);
      const stage = stageOf(known);
      const failure = failureOf(known);
      if (stage === "failed" && retryFailed && failure !== undefined)
        plan.again.set(clip.id, failure);
      const isPending = ["left", "claimed", "uncertain"].includes(stage) || plan.again.has(clip.id);
      if (isPending) plan.pending.set(clip.id, clip);
    } catch (error) {
      const name = typeof id === "string" ? id : undefined;
      plan.problems.push({ index, id: name, message: messageOf(error) });
    }
  }
  return plan;
}

/** The clip with the JSON of its request. */
function checkClip(given: unknown, seen: Set<string>): LipSyncClip {
  const id = property(given, "id");
  if (!isClipId(id)) {
    throw new InvalidRequestError(
      "The id is missing or invalid: use letters, digits, - and _, at most 100.",
      "id",
    );
  }
  const key = id.toLowerCase();
  if (seen.has(key)) {
    throw new InvalidRequestError(
      `There is another clip ${id}: ids must be unique, without regard to case.`,
      "id",
    );
  }
  seen.add(key);
  return { id, request: parseLipSyncRequest(property(given, "request")) };
}

function checkKnown({ id, request }: LipSyncClip, known: Clip, strays: Set<string>): void {
  if (strays.has(id.toLowerCase())) {
    throw new InvalidRequestError(
      `The folder has ${id}.mp4, but its journal has no clip ${id}. Put the journal back, or move the video away if you want to pay for it again.`,
      "id",
    );
  }
  if (known.id !== id) {
    throw new InvalidRequestError(
      `The folder has a clip ${known.id}, which differs from ${id} only in case.`,
      "id",
    );
  }
  const stage = stageOf(known);
  if (stage === "left" || stage === "failed") return;
  if (known.claim === undefined || known.claim.sha256 === sha256Of(request)) return;
  throw new InvalidRequestError(
    `Clip ${id} was created with another request. Change its request back to continue, or use a new id for a new video, which is billed.`,
    "request",
  );
}

/** The videos of a folder that no line of its journal accounts for, in lower case. */
function straysOf(journal: Journal, folder: string): Set<string> {
  const strays = new Set<string>();
  for (const name of existsSync(folder) ? readdirSync(folder) : []) {
    const id = /^(.+)\.mp4$/i.exec(name)?.[1]?.toLowerCase();
    if (id !== undefined && !journal.has(id)) strays.add(id);
  }
  return strays;
}

const MOST_LISTED = 20;

/** Throws one error that lists the problems. */
export function checkPlan({ problems }: Plan): void {
  if (problems.length === 0) return;
  const listed = problems.slice(0, MOST_LISTED).map(lineOf);
  const more = problems.length - listed.length;
  if (more > 0) listed.push(`and ${more} more`);
  throw new InvalidRequestError(
    `Nothing was sent, because clips are invalid (${problems.length}):\n${listed.join("\n")}`,
    "clips",
  );
}

function lineOf({ index, id, message }: ClipProblem): string {
  return id === undefined
    ? `clip at index ${index}: ${message}`
    : `clip ${JSON.stringify(id)} at index ${index}: ${message}`;
}
