import { type Connect, KEY, PATH, request, TASK } from "../peer.js";

export const connect: Connect = (baseUrl) => {
  const headers = { authorization: `Bearer ${KEY}`, "content-type": "application/json" };
  const call = async (path: string, init: RequestInit): Promise<unknown> => {
    const response = await fetch(baseUrl + path, { ...init, headers });
    if (!response.ok) throw new Error(String(response.status));
    return response.json();
  };
  return {
    create: () => call(PATH, { method: "POST", body: JSON.stringify(request) }),
    get: () => call(`${PATH}/${TASK}`, { method: "GET" }),
  };
};
