// Prism, a server that others wrote and that validates by generated/openapi.yaml: what it accepts of the
// packed client and of others, and what it refuses.
import { type ChildProcess, spawn } from "node:child_process";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { install } from "../../scripts/pack.js";
import { placesIn } from "../../scripts/spec/generate.js";
import type * as Library from "../../src/index.js";
import { closedPort } from "../fixtures/servers.js";
import { consumer, installNode } from "./consumer.js";

const PRISM = "5.16.0";
const API_KEY = "a-key-of-nobody";

const speech = {
  mode: "text2video",
  text: "The weather is fine today.",
  voice_id: "oversea_male1",
  voice_language: "en",
} as const;
const atUrl = {
  mode: "audio2video",
  audio_type: "url",
  audio_url: "https://media.example/speech.mp3",
} as const;
const inFile = { mode: "audio2video", audio_type: "file", audio_file: "SUQzBAAAAAAA" } as const;
const video_id = "de1b86d9-8e40-4f1c-a6a5-6459f8eb42f2";
const video_url = "https://media.example/speaker.mp4";
const callback_url = "https://site.example/kling?job=1";

/** Bodies that a client in another language may send, and that the document does not forbid. */
const ALLOWED: Record<string, unknown> = {
  "a text with fields of the audio": { input: { video_id, ...atUrl, ...speech } },
  "an audio with fields of the text": { input: { video_id, ...speech, ...atUrl } },
  "an audio with a blank text": { input: { video_id, text: "", ...atUrl } },
  "a voice that is not known": { input: { video_id, ...speech, voice_id: "a-voice-of-tomorrow" } },
  "a speed": { input: { video_id, ...speech, voice_speed: 1.5 } },
  "a field that is not known": { input: { video_id, ...speech, seed: 1 }, external_id: "1" },
};

const REFUSED: Record<string, unknown> = {
  "fields beside input": { video_id, ...speech },
  "both videos": { input: { video_id, video_url, ...speech } },
  "no video": { input: speech },
  "a blank video_id": { input: { video_id: "\u3000", ...speech } },
  "a relative video_url": { input: { video_url: "/speaker.mp4", ...speech } },
  "no mode": { input: { video_id, ...speech, mode: undefined } },
  "no text": { input: { video_id, ...speech, text: undefined } },
  "a blank text": { input: { video_id, ...speech, text: " \n" } },
  "an unknown language": { input: { video_id, ...speech, voice_language: "fr" } },
  "a speed out of range": { input: { video_id, ...speech, voice_speed: 3 } },
  "no audio_type": { input: { video_id, ...atUrl, audio_type: undefined } },
  "the audio of the other type": { input: { video_id, ...atUrl, audio_type: "file" } },
  "an audio_file with a data: prefix": {
    input: { video_id, ...inFile, audio_file: `data:audio/mpeg;base64,${inFile.audio_file}` },
  },
  "a relative callback_url": { input: { video_id, ...speech }, callback_url: "/kling" },
};

let baseUrl: string;
let prism: ChildProcess;

beforeAll(async () => {
  const cli = path.join(await install("@stoplight/prism-cli", PRISM), "dist", "index.js");
  // Prism needs Node 24.18.
  const node = await installNode("24.21.0");
  const document = path.join(placesIn().generated, "openapi.yaml");
  const port = await closedPort();
  baseUrl = `http://127.0.0.1:${port}`;
  const args = [cli, "mock", document, "--host", "127.0.0.1", "--port", String(port)];
  prism = spawn(node, args, { stdio: ["ignore", "pipe", "inherit"] });
  await new Promise<void>((resolve, reject) => {
    let printed = "";
    prism.stdout?.on("data", (chunk: Buffer) => {
      printed += chunk.toString();
      if (printed.includes("Prism is listening")) resolve();
    });
    prism.once("exit", () => {
      reject(new Error(`Prism does not start: ${printed}`));
    });
  });
});

afterAll(() => {
  prism.kill("SIGKILL");
});

async function statusOf(body: unknown): Promise<number> {
  const response = await fetch(`${baseUrl}/kling/v1/videos/lip-sync`, {
    method: "POST",
    headers: { authorization: `Bearer ${API_KEY}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  await response.text();
  return response.status;
}

describe("a server that validates by the corrected document", () => {
  it("accepts every kind of request of the packed client", async () => {
    const entry = path.join(consumer, "node_modules", "kling-lip-sync", "dist", "index.js");
    const library = (await import(/* @vite-ignore */ pathToFileURL(entry).href)) as typeof Library;
    const client = library.createLipSyncClient({ apiKey: API_KEY, baseUrl, maxRetries: 0 });
    for (const source of [{ video_id }, { video_url }]) {
      for (const mode of [speech, atUrl, inFile]) {
        for (const callback of [{}, { callback_url }]) {
          const { task_id } = await client.create({ input: { ...source, ...mode }, ...callback });
          expect((await client.get(task_id)).task_status).toBe("succeed");
        }
      }
    }
  });

  it.each(Object.entries(ALLOWED))("accepts %s", async (_, body) => {
    expect(await statusOf(body)).toBe(200);
  });

  it.each(Object.entries(REFUSED))("refuses %s", async (_, body) => {
    expect(await statusOf(body)).toBe(422);
  });
});
