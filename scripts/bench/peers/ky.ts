import ky from "ky";
import { type Connect, KEY, PATH, request, TASK } from "../peer.js";

export const connect: Connect = (baseUrl) => {
  const client = ky.create({ baseUrl, headers: { authorization: `Bearer ${KEY}` } });
  return {
    create: () => client.post(PATH, { json: request }).json(),
    get: () => client.get(`${PATH}/${TASK}`).json(),
  };
};
