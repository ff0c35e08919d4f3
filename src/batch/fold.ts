// What a clip is, by its lines in the journal: pure functions that know no time, disk or process.
import { isRecord, parseJson, textOf } from "../json.js";
import { isClipId } from "./clip.js";

/** An event of a clip: one line of the journal. */
export type BatchEvent =
  /** A process is about to create the task. */
  | ({ event: "claim"; id: string } & Claim)
  /** The gateway gave an id. */
  | { event: "task"; id: string; claim: string; taskId: string }
  /** It is certain that the claim created no task. */
  | { event: "free"; id: string; claim: string }
  /** The claim may have created a task; its failed response may name one. */
  | { event: "uncertain"; id: string; claim: string; reason: string; taskId?: string }
  /** The gateway refused the request. */
  | { event: "refused"; id: string; claim: string; reason: string }
  | { event: "failed"; id: string; taskId: string; reason: string }
  | { event: "saved"; id: string; taskId: string }
  /** A person found the task. */
  | { event: "found"; id: string; taskId: string }
  /** A person found that the claim created no task. */
  | { event: "no task"; id: string; claim: string }
  /** A failed clip may be created anew; `of` is the task, or the refused claim, that failed. */
  | { event: "again"; id: string; of: string };

/** Who is about to create the task of a clip. */
export interface Claim {
  /** The random name of the claim. */
  claim: string;
  /** Unix milliseconds. */
  at: number;
  host: string;
  pid: number;
  /** The SHA-256 of the request. */
  sha256: string;
  /** The beginning of its text. */
  text?: string;
}

/** What the lines of a clip add up to. */
export interface Clip {
  readonly id: string;
  /** The claim that had the clip last. */
  readonly claim: Claim | undefined;
  /** Whether that claim still has it. */
  readonly isClaimed: boolean;
  /** How the create of that claim failed. */
  readonly problem: Problem | undefined;
  readonly task: Task | undefined;
  /** More tasks of the clip. */
  readonly extraTaskIds: readonly string[];
  /** Tasks that failed before a person said "again". */
  readonly pastTaskIds: readonly string[];
}

interface Problem {
  isRefused: boolean;
  reason: string;
  /** A task that the failed response names. */
  taskId: string | undefined;
}

export interface Task {
  id: string;
  /** A person may have been wrong, and can correct it. */
  isFromPerson: boolean;
  end: "saved" | "failed" | undefined;
  reason: string | undefined;
}

/** Where a clip is. Whether the owner of a claim still lives is another question. */
export type Stage = "left" | "claimed" | "uncertain" | "created" | "saved" | "failed";

export function stageOf({ task, isClaimed, problem }: Clip): Stage {
  if (task) return task.end ?? "created";
  if (!isClaimed) return "left";
  if (!problem) return "claimed";
  return problem.isRefused ? "failed" : "uncertain";
}

const NONE: readonly string[] = [];

/** A clip without a line. */
export const newClip = (id: string): Clip => ({
  id,
  claim: undefined,
  isClaimed: false,
  problem: undefined,
  task: undefined,
  extraTaskIds: NONE,
  pastTaskIds: NONE,
});

/** What failed, by the name that "again" has to give. */
export const failureOf = ({ task, claim }: Clip): string | undefined => task?.id ?? claim?.claim;

/** The clip after one more line. */
export function fold(clip: Clip, event: BatchEvent): Clip {
  switch (event.event) {
    case "claim":
      // A claim on a clip that was taken is void for ever.
      if (stageOf(clip) !== "left") return clip;
      return { ...clip, claim: claimOf(event), isClaimed: true, problem: undefined };
    case "task":
      return withCreated(clip, event.taskId);
    case "free":
    case "no task":
      return isCurrent(clip, event.claim)
        ? { ...clip, isClaimed: false, problem: undefined }
        : clip;
    case "uncertain":
    case "refused":
      return isCurrent(clip, event.claim) ? { ...clip, problem: problemOf(event) } : clip;
    case "failed":
      return withEnd(clip, event.taskId, "failed", event.reason);
    case "saved":
      return withEnd(clip, event.taskId, "saved", undefined);
    case "found":
      return withFound(clip, event.taskId);
    case "again":
      return stageOf(clip) === "failed" && failureOf(clip) === event.of ? withoutTask(clip) : clip;
  }
}

const isCurrent = ({ claim, isClaimed }: Clip, name: string): boolean =>
  isClaimed && claim?.claim === name;

function claimOf({ claim, at, host, pid, sha256, text }: Claim): Claim {
  const known = { claim, at, host, pid, sha256 };
  return text === undefined ? known : { ...known, text };
}

function problemOf(event: BatchEvent & { event: "uncertain" | "refused" }): Problem {
  const taskId = event.event === "uncertain" ? event.taskId : undefined;
  return { isRefused: event.event === "refused", reason: event.reason, taskId };
}

const newTask = (id: string, isFromPerson: boolean): Task => ({
  id,
  isFromPerson,
  end: undefined,
  reason: undefined,
});

/** A task that the gateway created for the clip, whichever claim it was for: it is never dropped. */
function withCreated(clip: Clip, id: string): Clip {
  const { task, extraTaskIds, pastTaskIds } = clip;
  if (pastTaskIds.includes(id) || extraTaskIds.includes(id)) return clip;
  if (!task) return { ...clip, task: newTask(id, false) };
  if (task.id === id) return { ...clip, task: { ...task, isFromPerson: false } };
  return { ...clip, extraTaskIds: [...extraTaskIds, id] };
}

/** A person gives the id of a clip that has none, or corrects what a person said. */
function withFound(clip: Clip, id: string): Clip {
  const { task, extraTaskIds } = clip;
  if (task?.id === id) return clip;
  if (task && !task.isFromPerson) return withCreated(clip, id);
  // One that the gateway gave, too, is not to be corrected away.
  const isFromPerson = !extraTaskIds.includes(id);
  const others = extraTaskIds.filter((extra) => extra !== id);
  return { ...clip, task: newTask(id, isFromPerson), extraTaskIds: others };
}

function withEnd(clip: Clip, id: string, end: Task["end"], reason: string | undefined): Clip {
  // The line with the id may be unreadable.
  const known = clip.task ? clip : withCreated(clip, id);
  const { task } = known;
  // A video that was saved is there, whatever a slower process found.
  if (task?.id !== id || task.end === "saved") return known;
  return { ...known, task: { ...task, end, reason } };
}

/** A failed clip to be created anew, unless another task of it exists. */
function withoutTask(clip: Clip): Clip {
  const { task, extraTaskIds, pastTaskIds } = clip;
  const [next, ...others] = extraTaskIds;
  return {
    ...clip,
    isClaimed: false,
    problem: undefined,
    task: next === undefined ? undefined : newTask(next, false),
    extraTaskIds: others,
    pastTaskIds: task ? [...pastTaskIds, task.id] : pastTaskIds,
  };
}

type Kind = BatchEvent["event"];

/** The texts that each event has beside the id of its clip. */
const TEXTS: Record<Kind, string[]> = {
  claim: ["claim", "host", "sha256"],
  task: ["claim", "taskId"],
  free: ["claim"],
  uncertain: ["claim", "reason"],
  refused: ["claim", "reason"],
  failed: ["taskId", "reason"],
  saved: ["taskId"],
  found: ["taskId"],
  "no task": ["claim"],
  again: ["of"],
};

/** The event of a line, or `undefined` if the line is unreadable. */
export function parseEvent(line: string): BatchEvent | undefined {
  const value = parseJson(line);
  return isEvent(value) ? value : undefined;
}

function isEvent(value: unknown): value is BatchEvent {
  if (!isRecord(value) || !isClipId(value["id"])) return false;
  const kind = Object.keys(TEXTS).find((kind): kind is Kind => kind === value["event"]);
  if (kind === undefined) return false;
  if (kind === "claim" && !(isNumber(value["at"]) && isNumber(value["pid"]))) return false;
  const isTextOrAbsent = (name: string) =>
    value[name] === undefined || typeof value[name] === "string";
  if (!isTextOrAbsent("text") || !isTextOrAbsent("taskId")) return false;
  return TEXTS[kind].every((name) => textOf(value[name]) !== undefined);
}

const isNumber = (value: unknown): boolean => typeof value === "number";
