import axios from "axios";
import { type Connect, KEY, PATH, request, TASK } from "../peer.js";

export const connect: Connect = (baseURL) => {
  // By default it has Node's http, which takes no stub.
  const headers = { authorization: `Bearer ${KEY}` };
  const client = axios.create({ baseURL, headers, adapter: "fetch" });
  return {
    create: async () => (await client.post<unknown>(PATH, request)).data,
    get: async () => (await client.get<unknown>(`${PATH}/${TASK}`)).data,
  };
};
