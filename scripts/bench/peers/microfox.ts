import { createRequire } from "node:module";
import type * as microfox from "@microfox/kling-ai";
import { type Connect, KEY, request, TASK } from "../peer.js";

// Its ES module fails at the first call: it takes names from jsonwebtoken that this does not have.
const require = createRequire(import.meta.url);
const { createKlingaiSDK } = require("@microfox/kling-ai") as typeof microfox;

/** Has Kling's own host, and a token that it signs. It sends `{}` for every lip-sync. */
export const connect: Connect = () => {
  const client = createKlingaiSDK({ accessKey: KEY, secretKey: KEY });
  return {
    create: () => client.lipSync(request),
    get: () => client.queryLipSyncTask(TASK),
  };
};
