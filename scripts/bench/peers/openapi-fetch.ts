// npm install openapi-fetch@0.17.0
import createClient from "openapi-fetch";
import { KEY, PATH, type Peer, request, TASK } from "../peer.js";
import { withTimeout } from "../timeout.js";
import type { paths } from "../../../generated/schema.js";

export const connect: Peer["connect"] = (baseUrl) => {
  const client = createClient<paths>({ baseUrl, headers: { authorization: `Bearer ${KEY}` } });
  return {
    create: () =>
      withTimeout(async (signal) => (await client.POST(PATH, { body: request, signal })).data),
    get: () =>
      withTimeout(async (signal) => {
        const query = { params: { path: { task_id: TASK } }, signal };
        return (await client.GET(`${PATH}/{task_id}`, query)).data;
      }),
  };
};
