import { createFalClient } from "@fal-ai/client";
import { type Answer, type Connect, KEY, PATH, request, TASK } from "../peer.js";

/** Has its own host, its own path for a query, and a key that is no bearer. */
export const connect: Connect = () => {
  const client = createFalClient({ credentials: KEY });
  const endpoint = PATH.slice(1);
  return {
    create: () => client.queue.submit(endpoint, { input: request }),
    get: () => client.queue.status(endpoint, { requestId: TASK }),
    wait: () => client.queue.subscribeToStatus(endpoint, { requestId: TASK }),
  };
};

export const answer: Answer = (isDone) => ({ status: isDone ? "COMPLETED" : "IN_PROGRESS" });
