// Compiled, not run: a file that is compiled to CommonJS.
import { createLipSyncClient } from "kling-lip-sync";
import { createFakeGateway } from "kling-lip-sync/testing";

export const client = createLipSyncClient(createFakeGateway());
