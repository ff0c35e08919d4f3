import { createLipSyncClient } from "kling-lip-sync";

/** What a bundler is given: the client, and one task. */
globalThis.lipSync = (options, request) => createLipSyncClient(options).create(request);
