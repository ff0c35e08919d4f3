// Every public name, one a line.
export { createLipSyncClient } from "./client.js";
export type { LipSyncClient } from "./client.js";
export type { LipSyncClientOptions } from "./client.js";
export type { RequestOptions } from "./client.js";
export type { WaitOptions } from "./wait.js";
export type { ApiKey } from "./auth.js";

export type { LipSyncRequest } from "./request.js";
export type { VideoSource } from "./video-source.js";
export type { TextToVideo } from "./request.js";
export type { AudioToVideo } from "./request.js";
export type { AudioUrlToVideo } from "./request.js";
export type { AudioFileToVideo } from "./request.js";

export type { LipSyncTask } from "./task.js";
export type { LipSyncTaskStatus } from "./task.js";
export type { LipSyncVideo } from "./task.js";
export type { SucceededLipSyncTask } from "./task.js";

export { parseLipSyncRequest } from "./request.js";
export { parseTaskCallback } from "./callback.js";

export { mayHaveCreatedTask } from "./errors.js";
export { LipSyncError } from "./errors.js";
export { ConfigurationError } from "./errors.js";
export { InvalidRequestError } from "./errors.js";
export { ApiError } from "./errors.js";
export { ConnectionError } from "./errors.js";
export { TaskFailedError } from "./errors.js";
export { TaskTimeoutError } from "./errors.js";

export { KNOWN_VOICES } from "../generated/voices.js";
export type { VoiceId } from "./wire.js";
