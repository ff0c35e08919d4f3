// npm install ky@2.1.0
import ky from "ky";
import { KEY, PATH, type Peer, request, TASK } from "../peer.js";

export const connect: Peer["connect"] = (baseUrl) => {
  const client = ky.create({ baseUrl, headers: { authorization: `Bearer ${KEY}` } });
  return {
    create: () => client.post(PATH, { json: request }).json(),
    get: () => client.get(`${PATH}/${TASK}`).json(),
  };
};
