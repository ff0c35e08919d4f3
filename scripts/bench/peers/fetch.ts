// Nothing to install.
import { KEY, PATH, type Peer, request, TASK } from "../peer.js";
import { withTimeout } from "../timeout.js";

export const connect: Peer["connect"] = (baseUrl) => {
  const headers = { authorization: `Bearer ${KEY}`, "content-type": "application/json" };
  const call = (path: string, init: RequestInit): Promise<unknown> =>
    withTimeout(async (signal) => {
      const response = await fetch(baseUrl + path, { ...init, headers, signal });
      if (!response.ok) throw new Error(String(response.status));
      return response.json();
    });
  return {
    create: () => call(PATH, { method: "POST", body: JSON.stringify(request) }),
    get: () => call(`${PATH}/${TASK}`, { method: "GET" }),
  };
};
