// Prints what a consumer sees of the entries of the package: imported, required, and together.
import { createRequire } from "node:module";
import * as library from "kling-lip-sync";
import { readLipSyncBatch } from "kling-lip-sync/batch";
import { lipSyncProcessor } from "kling-lip-sync/bullmq";
import { createFakeGateway } from "kling-lip-sync/testing";

const require = createRequire(import.meta.url);
const required = require("kling-lip-sync");
const gateway = require("kling-lip-sync/testing").createFakeGateway({ polls: 1 });

const input = { video_url: "https://media.example/face.mp4", mode: "audio2video" };
const audio = { audio_type: "url", audio_url: "https://media.example/speech.mp3" };
const client = required.createLipSyncClient(gateway);
const { task_id } = await client.create({ input: { ...input, ...audio } });
const task = await client.wait(task_id);

const stranger = library.createLipSyncClient({ ...createFakeGateway(), apiKey: "another-key" });
const error = await stranger.get("task-1").catch((caught) => caught);

const data = { input: {}, task: { claimedAt: 0, id: task_id } };
const job = { id: "1", data, opts: {}, progress: {}, extendLock: () => Promise.resolve(1) };
const errorOfJob = await lipSyncProcessor(stranger)(job, "token").catch((caught) => caught);

const errorOfBatch = await readLipSyncBatch("").catch((caught) => caught);

console.log(
  JSON.stringify({
    video: task.task_result.videos[0].url,
    version: require("kling-lip-sync/package.json").version,
    isErrorOfBoth: error instanceof library.ApiError && error instanceof required.ApiError,
    isErrorOfJob: errorOfJob instanceof library.ApiError,
    isErrorOfBatch: errorOfBatch instanceof library.ConfigurationError,
    hasSameExports: Object.keys(library).every((name) => library[name] === required[name]),
  }),
);
