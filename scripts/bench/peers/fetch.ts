// Nothing to install. The timeout is written by hand, as a caller has to.
import { KEY, PATH, type Peer, request, TASK } from "../peer.js";

export const connect: Peer["connect"] = (baseUrl) => {
  const headers = { authorization: `Bearer ${KEY}`, "content-type": "application/json" };
  const call = async (path: string, init: RequestInit): Promise<unknown> => {
    const controller = new AbortController();
    const timer = setTimeout(() => controller.abort(), 60_000);
    try {
      const response = await fetch(baseUrl + path, { ...init, headers, signal: controller.signal });
      if (!response.ok) throw new Error(String(response.status));
      return await response.json();
    } finally {
      clearTimeout(timer);
    }
  };
  return {
    create: () => call(PATH, { method: "POST", body: JSON.stringify(request) }),
    get: () => call(`${PATH}/${TASK}`, { method: "GET" }),
  };
};
