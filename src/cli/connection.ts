// Which gateway is called: the one of the environment. The key is not a flag, which others could see.
import { createLipSyncClient, type LipSyncClient } from "../index.js";
import { type Terminal, UsageError } from "./terminal.js";

/** A gateway to call. */
export interface Connection {
  client: LipSyncClient;
  baseUrl: string;
  apiKey: string;
  host: string;
}

/** The gateway of the environment, which is not called yet. */
export function connect({ env, signal }: Terminal): Connection {
  const missing = ["KLING_BASE_URL", "KLING_API_KEY"].filter((name) => !env[name]?.trim());
  if (missing.length > 0) {
    throw new UsageError(`this calls a gateway; not set: ${missing.join(", ")}.`);
  }
  const { KLING_BASE_URL: baseUrl = "", KLING_API_KEY: apiKey = "" } = env;
  // Checks the key and the base URL now, before anything is asked or read.
  createLipSyncClient({ baseUrl, apiKey });
  const keyUnlessStopped = () => {
    signal.throwIfAborted();
    return apiKey;
  };
  const client = createLipSyncClient({ baseUrl, apiKey: keyUnlessStopped });
  return { client, baseUrl, apiKey, host: new URL(baseUrl.trim()).host };
}
