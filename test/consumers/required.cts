// Compiled, not run: a file that is compiled to CommonJS.
import { createLipSyncClient } from "kling-lip-sync";
import { lipSyncProcessor } from "kling-lip-sync/bullmq";
import { createFakeGateway } from "kling-lip-sync/testing";

export const client = createLipSyncClient(createFakeGateway());
export const processor = lipSyncProcessor(client);
