// Compiled, not run: the global fetch, with the types of a browser, of Node or of Bun.
import { createLipSyncClient } from "kling-lip-sync";

createLipSyncClient({ fetch });
createLipSyncClient({ fetch: globalThis.fetch });
createLipSyncClient({ fetch: (url, init) => fetch(url, init) });
createLipSyncClient({ fetch: async (url, init) => fetch(url, { ...init, cache: "no-store" }) });
createLipSyncClient({
  fetch: async (url: string | URL | Request, init?: RequestInit) => fetch(url, init),
});
createLipSyncClient({ fetch: () => Promise.resolve(new Response("{}")) });
const text = () => Promise.resolve("{}");
createLipSyncClient({ fetch: () => Promise.resolve({ status: 200, headers: {}, text }) });

// @ts-expect-error -- a response without a body
createLipSyncClient({ fetch: () => Promise.resolve({ status: 200, headers: {} }) });
// @ts-expect-error -- a request is not what the client passes
createLipSyncClient({ fetch: (request: Request) => fetch(request) });
