import OpenAI from "openai";
import { type Answer, type Connect, KEY, PATH, request, TASK } from "../peer.js";

export const connect: Connect = (baseURL) => {
  const client = new OpenAI({ apiKey: KEY, baseURL });
  return {
    create: () => client.post(PATH, { body: request }),
    get: () => client.get(`${PATH}/${TASK}`),
    wait: () => client.beta.threads.runs.poll(TASK, { thread_id: "thread-1" }),
  };
};

export const answer: Answer = (isDone) => ({
  id: TASK,
  status: isDone ? "completed" : "in_progress",
});
