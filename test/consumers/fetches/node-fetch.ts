// Compiled, not run: the fetch of node-fetch.
import { createLipSyncClient } from "kling-lip-sync";
import fetch from "node-fetch";

createLipSyncClient({ fetch });
createLipSyncClient({ fetch: (url, init) => fetch(url, init) });
createLipSyncClient({ fetch: async (url, init) => fetch(url, { ...init, compress: true }) });
