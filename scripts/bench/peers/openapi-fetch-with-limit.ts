import createClient from "openapi-fetch";
import { type Connect, KEY, PATH, request, TASK } from "../peer.js";
import type { paths } from "../../../generated/schema.js";

export const connect: Connect = (baseUrl) => {
  const client = createClient<paths>({ baseUrl, headers: { authorization: `Bearer ${KEY}` } });
  const path = { task_id: TASK };
  const within = async <T>(call: (signal: AbortSignal) => Promise<T>): Promise<T> => {
    const controller = new AbortController();
    const timer = setTimeout(() => {
      controller.abort();
    }, 60_000);
    return call(controller.signal).finally(() => {
      clearTimeout(timer);
    });
  };
  return {
    create: () =>
      within(async (signal) => (await client.POST(PATH, { body: request, signal })).data),
    get: () =>
      within(
        async (signal) =>
          (await client.GET(`${PATH}/{task_id}`, { params: { path }, signal })).data,
      ),
  };
};
