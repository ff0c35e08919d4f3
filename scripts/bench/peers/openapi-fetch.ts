import createClient from "openapi-fetch";
import { type Connect, KEY, PATH, request, TASK } from "../peer.js";
import type { paths } from "../../../generated/schema.js";

export const connect: Connect = (baseUrl) => {
  const client = createClient<paths>({ baseUrl, headers: { authorization: `Bearer ${KEY}` } });
  const path = { task_id: TASK };
  return {
    create: async () => (await client.POST(PATH, { body: request })).data,
    get: async () => (await client.GET(`${PATH}/{task_id}`, { params: { path } })).data,
  };
};
