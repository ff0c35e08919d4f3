// What an editor shows of the public names: a reviewer reads it in test/fixtures/hover.txt.
import path from "node:path";
import ts from "typescript";
import { expect, it } from "vitest";
import { openInEditor } from "../fixtures/compiler.js";
import { project } from "../fixtures/scripts.js";

/** Uses the public API once. The test hovers over every name that the library defines. */
const code = `
import {
  ApiError, ConfigurationError, ConnectionError, createLipSyncClient, InvalidRequestError,
  LipSyncError, parseTaskCallback, TaskFailedError, TaskTimeoutError,
} from "kling-lip-sync";
import type {
  ApiKey, AudioFileToVideo, AudioToVideo, AudioUrlToVideo, LipSyncClient, LipSyncClientOptions,
  LipSyncRequest, LipSyncTask, LipSyncTaskStatus, LipSyncVideo, RequestOptions,
  SucceededLipSyncTask, TextToVideo, VideoSource, WaitOptions,
} from "kling-lip-sync";
import { lipSyncProcessor, settleLipSyncJob } from "kling-lip-sync/bullmq";
import type {
  LipSyncJob, LipSyncJobData, LipSyncNote, LipSyncProcessorOptions,
} from "kling-lip-sync/bullmq";
import { createFakeGateway } from "kling-lip-sync/testing";
import type {
  FakeAnswer, FakeGateway, FakeGatewayOptions, ReceivedRequest,
} from "kling-lip-sync/testing";

export type Types = [
  ApiKey, AudioFileToVideo, AudioToVideo, AudioUrlToVideo, LipSyncClient, LipSyncClientOptions,
  LipSyncRequest, LipSyncTask, LipSyncTaskStatus, LipSyncVideo, RequestOptions,
  SucceededLipSyncTask, TextToVideo, VideoSource, WaitOptions,
  LipSyncJob, LipSyncJobData, LipSyncNote, LipSyncProcessorOptions,
  FakeAnswer, FakeGateway, FakeGatewayOptions, ReceivedRequest,
];
declare const key: ApiKey, text: string, error: unknown;
declare const signal: AbortSignal, job: LipSyncJob, data: LipSyncJobData;

const client = createLipSyncClient({
  apiKey: key, baseUrl: text, fetch: globalThis.fetch, timeoutMs: 1, maxRetries: 1,
});
const speech: LipSyncRequest = {
  input: {
    video_url: text,
    task_id: text,
    mode: "text2video",
    text,
    voice_id: "ai_shatang",
    voice_language: "zh",
    voice_speed: 1,
  },
  callback_url: text,
};
await client.create({
  input: { video_id: text, mode: "audio2video", audio_type: "url", audio_url: text },
});
await client.create({
  input: { video_url: text, mode: "audio2video", audio_type: "file", audio_file: text },
});
const created = await client.create(speech, { signal, timeoutMs: 1, maxRetries: 1 });
const current = await client.get(created.task_id);
void [current.task_status, current.task_status_msg, current.created_at, current.updated_at];
void [current.task_info?.parent_video, current.task_result?.videos, current.final_unit_deduction];
const done = await client.wait(created.task_id, {
  signal, intervalMs: 1, timeoutMs: 1, onUpdate: () => undefined,
});
const [video] = done.task_result.videos;
void [done.task_status, video.id, video.url, video.watermark_url, video.duration];

if (error instanceof LipSyncError) void error.mayHaveCreatedTask;
if (error instanceof ConfigurationError) void error.message;
if (error instanceof InvalidRequestError) void error.field;
if (error instanceof ApiError) {
  void [error.status, error.code, error.requestId, error.headers, error.body, error.taskId];
}
if (error instanceof ConnectionError) void error.cause;
if (error instanceof TaskFailedError) void error.task;
if (error instanceof TaskTimeoutError) void [error.taskId, error.task];
parseTaskCallback(text);

const gateway = createFakeGateway({ apiKey: text, polls: 1, failWith: text, maxParallelTasks: 1 });
void [gateway.baseUrl, gateway.apiKey, gateway.fetch, gateway.tasks];
void gateway.received.map(({ method, path, body }) => [method, path, body]);
gateway.answerNext(Response.json({}));

lipSyncProcessor(client, { intervalMs: 1, pauseMs: 1, graceMs: 1, lockMs: 1, timeoutMs: 1 });
await settleLipSyncJob(job, text);
void [data.task?.claimedAt, data.task?.id];
`;

it("documents every name, and reads well in an editor", { timeout: 30_000 }, async () => {
  const file = path.join(project, "test", "hover-example.mts");
  const editor = openInEditor(file, code);
  expect(editor.getSemanticDiagnostics(file).map(({ messageText }) => messageText)).toEqual([]);
  const all = identifiersIn(editor, file).map((at) => hoverAt(editor, file, at));
  const hovers = [...new Set(all)].filter((hover) => hover !== "");
  expect(hovers.filter((hover) => !hover.includes("\n\n"))).toEqual([]);
  await expect(`${hovers.join("\n\n----\n\n")}\n`).toMatchFileSnapshot("../fixtures/hover.txt");
});

/** Where the names are, outside of imports. */
function identifiersIn(editor: ts.LanguageService, file: string): number[] {
  const found: number[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isIdentifier(node)) found.push(node.getStart());
    if (!ts.isImportDeclaration(node)) ts.forEachChild(node, visit);
  };
  const source = editor.getProgram()?.getSourceFile(file);
  if (source) visit(source);
  return found;
}

/** What an editor shows at a place; empty where the library has not defined the name. */
function hoverAt(editor: ts.LanguageService, file: string, at: number): string {
  const info = editor.getQuickInfoAtPosition(file, at);
  const definitions = editor.getDefinitionAtPosition(file, at) ?? [];
  const isOurs = definitions.some(({ fileName }) =>
    /\/(src|generated)\/[\w-]+\.ts$/.test(fileName),
  );
  if (!info || !isOurs) return "";
  const { displayParts, documentation, tags = [] } = info;
  const text = ts.displayPartsToString;
  const tagged = tags.map((tag) => `@${tag.name} ${text(tag.text)}`.trim()).join("\n");
  return [text(displayParts), text(documentation), tagged].filter((part) => part).join("\n\n");
}
