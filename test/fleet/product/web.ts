// web.ts: a page that adds jobs, and the route that receives Kling's callbacks
import { randomUUID } from "node:crypto";
import { Queue } from "bullmq";
import express from "express";
import { createLipSyncClient, InvalidRequestError, type LipSyncRequest } from "kling-lip-sync";
import { receiveLipSyncCallback } from "kling-lip-sync/bullmq";

const { CALLBACK_SECRET, PUBLIC_URL, PORT = "3000", REDIS_PORT = "6379" } = process.env;
if (!CALLBACK_SECRET || !PUBLIC_URL) throw new Error("Set CALLBACK_SECRET and PUBLIC_URL.");

const client = createLipSyncClient();
const connection = { host: "127.0.0.1", port: Number(REDIS_PORT) };
const queue = new Queue<LipSyncRequest>("lip-sync", { connection });
const app = express();

app.get("/", (_, response) => {
  response.send(`<form method="post" action="/clips">
    <input name="video_url" placeholder="https://…/face.mp4"> <input name="text"> <button>Go</button>
  </form>`);
});

app.post("/clips", express.urlencoded(), async (request, response) => {
  const { video_url, text } = request.body as { video_url: string; text: string };
  const voice = { voice_id: "oversea_male1", voice_language: "en" } as const;
  // The job's id brings a callback to its job. Only who knows the secret can post one.
  const jobId = randomUUID();
  const callback_url = `${PUBLIC_URL}/callbacks/${CALLBACK_SECRET}/${jobId}`;
  const data = { input: { video_url, mode: "text2video", text, ...voice }, callback_url } as const;
  const backoff = { type: "exponential", delay: 5000 };
  await queue.add("clip", data, { jobId, attempts: 8, backoff });
  response.redirect(`/clips/${jobId}`);
});

app.get("/clips/:id", async (request, response) => {
  const job = await queue.getJob(request.params.id);
  if (!job) response.sendStatus(404);
  else response.json({ state: await job.getState(), task: job.returnvalue, why: job.failedReason });
});

// Another secret in the path is a 404.
const callbacks = `/callbacks/${CALLBACK_SECRET}`;
app.post(`${callbacks}/:id`, express.text({ type: () => true }), async (request, response) => {
  try {
    await receiveLipSyncCallback(client, queue, request.params.id, request.body);
    response.sendStatus(200);
  } catch (error) {
    // Repeating it would not help. After any other error, Kling may repeat the callback.
    if (!(error instanceof InvalidRequestError)) throw error;
    response.status(400).send(error.message);
  }
});

app.listen(Number(PORT), () => console.log(`Listening on port ${PORT}`));
