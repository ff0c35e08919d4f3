// This project, as packed.
import { createLipSyncClient } from "kling-lip-sync";
import { KEY, type Peer, request, TASK } from "../peer.js";

export const connect: Peer["connect"] = (baseUrl) => {
  const client = createLipSyncClient({ apiKey: KEY, baseUrl });
  return {
    create: () => client.create(request),
    get: () => client.get(TASK),
    wait: () => client.wait(TASK),
  };
};
