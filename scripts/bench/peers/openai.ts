// npm install openai@7.57.0
import OpenAI from "openai";
import { type Answer, KEY, PATH, type Peer, request, TASK } from "../peer.js";

export const connect: Peer["connect"] = (baseURL) => {
  const client = new OpenAI({ apiKey: KEY, baseURL });
  return {
    create: () => client.post(PATH, { body: request }),
    get: () => client.get(`${PATH}/${TASK}`),
    // It waits for runs of its own API, in the same way for every kind.
    wait: () => client.beta.threads.runs.poll(TASK, { thread_id: "thread-1" }),
  };
};

export const answer: Answer = (isDone) => ({
  id: TASK,
  status: isDone ? "completed" : "in_progress",
});
