// npm install replicate@1.4.0
import Replicate from "replicate";
import type { Prediction } from "replicate";
import { type Answer, KEY, PATH, type Peer, request, TASK } from "../peer.js";

export const connect: Peer["connect"] = (baseUrl) => {
  const client = new Replicate({ auth: KEY, baseUrl });
  return {
    create: async () => (await client.request(PATH, { method: "POST", data: request })).json(),
    get: async () => (await client.request(`${PATH}/${TASK}`, { method: "GET" })).json(),
    wait: () => client.wait(answer(false) as Prediction, {}),
  };
};

export const answer: Answer = (isDone) => ({
  id: TASK,
  status: isDone ? "succeeded" : "processing",
});
