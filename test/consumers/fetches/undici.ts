// Compiled, not run: the fetch of undici.
import { createLipSyncClient } from "kling-lip-sync";
import { fetch, ProxyAgent } from "undici";

const dispatcher = new ProxyAgent("http://proxy.example");
createLipSyncClient({ fetch });
createLipSyncClient({ fetch: (url, init) => fetch(url, init) });
createLipSyncClient({ fetch: async (url, init) => fetch(url, { ...init, dispatcher }) });
