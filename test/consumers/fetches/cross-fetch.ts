// Compiled, not run: the fetch of cross-fetch.
import { createLipSyncClient } from "kling-lip-sync";
import crossFetch, { fetch } from "cross-fetch";

createLipSyncClient({ fetch });
createLipSyncClient({ fetch: crossFetch });
createLipSyncClient({ fetch: (url, init) => fetch(url, init) });
