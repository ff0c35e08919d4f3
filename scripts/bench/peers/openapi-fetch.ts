// npm install openapi-fetch@0.17.0
// It has no timeout, so the caller writes one, as for fetch.
import createClient from "openapi-fetch";
import { KEY, PATH, type Peer, request, TASK } from "../peer.js";
import type { paths } from "../../../generated/schema.js";

export const connect: Peer["connect"] = (baseUrl) => {
  const client = createClient<paths>({ baseUrl, headers: { authorization: `Bearer ${KEY}` } });
  const within = async <T>(call: (signal: AbortSignal) => Promise<T>): Promise<T> => {
    const controller = new AbortController();
    const timer = setTimeout(() => controller.abort(), 60_000);
    return call(controller.signal).finally(() => clearTimeout(timer));
  };
  return {
    create: () =>
      within(async (signal) => (await client.POST(PATH, { body: request, signal })).data),
    get: () =>
      within(async (signal) => {
        const query = { params: { path: { task_id: TASK } }, signal };
        return (await client.GET(`${PATH}/{task_id}`, query)).data;
      }),
  };
};
