// What the program batcher.ts shares with the tests that start it.
import type { LipSyncClip } from "../../src/batch/index.js";

/** The steps of a clip, in their order. */
export const BATCH_STEPS = [
  "before the claim",
  "claimed",
  "synced",
  "send",
  "sent",
  "stored",
  "download",
  "saved",
] as const;
export type BatchStep = (typeof BATCH_STEPS)[number];

/** What the program reads from the environment, as JSON in `BATCHER`. */
export interface BatcherSettings {
  baseUrl: string;
  apiKey: string;
  folder: string;
  ids: string[];
  intervalMs: number;
  pauseMs: number;
  /** The client's timeout for one attempt. */
  attemptMs: number;
  /** Where the program breaks: at which occurrence of a step, and how. */
  breakAt?: { step: BatchStep; time: number; how: "SIGKILL" | "SIGSTOP" } | undefined;
  /** From which event on the disk is full, until there is a file `<folder>.room`. */
  fullAt?: "claim" | "task" | "free" | undefined;
  /** Default 4. */
  parallel?: number;
  /** So many clips in place of `ids`. */
  count?: number;
  /** What it takes for its own pid. */
  pid?: number | undefined;
  /** How long each write of a line takes, before it begins. */
  slowWriteMs?: number | undefined;
}

/** A clip whose text is its id. */
export function clipOf(id: string): LipSyncClip {
  const voice = { voice_id: "genshin_vindi2", voice_language: "zh" } as const;
  return { id, request: { input: { video_id: "v", mode: "text2video", text: id, ...voice } } };
}
