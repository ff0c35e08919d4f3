import { createLipSyncClient } from "kling-lip-sync";
import { type Connect, KEY, request, TASK } from "../peer.js";

export const connect: Connect = (baseUrl) => {
  const client = createLipSyncClient({ apiKey: KEY, baseUrl });
  return {
    create: () => client.create(request),
    get: () => client.get(TASK),
    wait: () => client.wait(TASK),
  };
};
