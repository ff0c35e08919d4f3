import RunwayML from "@runwayml/sdk";
import { type Answer, type Connect, KEY, PATH, request, TASK } from "../peer.js";

export const connect: Connect = (baseURL) => {
  const client = new RunwayML({ apiKey: KEY, baseURL });
  return {
    create: () => client.post(PATH, { body: request }),
    get: () => client.get(`${PATH}/${TASK}`),
    wait: () => client.tasks.retrieve(TASK).waitForTaskOutput(),
  };
};

export const answer: Answer = (isDone) => ({ id: TASK, status: isDone ? "SUCCEEDED" : "RUNNING" });
