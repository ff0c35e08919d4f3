// Compiled, not run: what must compile with every supported TypeScript, and what must not. What the
// compiler prints is in mistakes.ts.
import { ApiError, createLipSyncClient, parseTaskCallback } from "kling-lip-sync";
import type {
  LipSyncRequest,
  LipSyncTask,
  SucceededLipSyncTask,
  VideoSource,
} from "kling-lip-sync";
import { type LipSyncClipState, readLipSyncBatch } from "kling-lip-sync/batch";
import { lipSyncProcessor } from "kling-lip-sync/bullmq";
import { createFakeGateway, type FakeGateway } from "kling-lip-sync/testing";

const gateway: FakeGateway = createFakeGateway({ polls: 1, failWith: undefined });
const client = createLipSyncClient(gateway);
createLipSyncClient({ apiKey: undefined, baseUrl: undefined, fetch, maxRetries: 0 });
createLipSyncClient({ apiKey: () => Promise.resolve("key") });

const speech = { mode: "text2video", text: "t", voice_id: "v", voice_language: "zh" } as const;
const sound = { mode: "audio2video", audio_type: "url", audio_url: "u" } as const;
const byId: VideoSource = { video_id: "v" };
const request: LipSyncRequest = { input: { ...byId, ...speech }, callback_url: undefined };

export async function video(signal: AbortSignal): Promise<string> {
  const task: LipSyncTask = await client.create(request, { signal });
  await client.create({ input: { video_url: "u", ...sound } }, { signal: undefined });
  await client.create({ input: { video_url: "u", video_id: undefined, ...speech } });
  const done: SucceededLipSyncTask = await client.wait(task.task_id, { intervalMs: 1 });
  return done.task_result.videos[0].url;
}

export async function uncertainClips(folder: string): Promise<LipSyncClipState[]> {
  const clips = await readLipSyncBatch(folder);
  return clips.filter(({ state }) => state === "uncertain");
}

export const processor = lipSyncProcessor(client, { intervalMs: undefined });

export function codeOf(error: unknown): number | string | undefined {
  return error instanceof ApiError && error.mayHaveCreatedTask ? error.code : undefined;
}

// @ts-expect-error -- both, through a variable
export const spread: VideoSource = { ...byId, video_url: "u" };
// @ts-expect-error -- an empty source
export const empty: VideoSource = {};
// @ts-expect-error -- null is not absent
export const nothing: VideoSource = { video_id: "v", video_url: null };
// @ts-expect-error -- a field of the other mode
export const noText: LipSyncRequest = { input: { video_id: "v", ...sound, mode: "text2video" } };
// @ts-expect-error -- a status is a string; `any` would pass this
export const status: number = parseTaskCallback("{}").task_status;
