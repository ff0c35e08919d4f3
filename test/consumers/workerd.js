// Usage: node workerd.js MINIFLARE-FOLDER BUNDLED-WORKER
import { createRequire } from "node:module";

const [, , library, worker] = process.argv;
const { Miniflare } = createRequire(import.meta.url)(library);
// Without `cf: false` it asks the network where it is.
const miniflare = new Miniflare({
  cf: false,
  compatibilityDate: "2026-01-01",
  modules: true,
  scriptPath: worker,
});
const init = { method: "POST", body: process.env.SCENARIO };
const response = await miniflare.dispatchFetch("http://worker.invalid/", init);
console.log(await response.text());
await miniflare.dispose();
