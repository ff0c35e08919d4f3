// Prism, a server that others wrote and that validates by generated/openapi.yaml: what it accepts of the
// packed client, and what it refuses of others.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { pathToFileURL } from "node:url";
import type * as Library from "../../src/index.js";
import { placesIn } from "../spec/generate.js";
import { install, ProgramError } from "./pack.js";
import { listen } from "./places.js";

export const PRISM = "5.16.0";

const START_TIMEOUT_MS = 60_000;
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

/** Bodies that a client in another language may send; the document says nothing against them. */
const ALLOWED: Record<string, unknown> = {
  "a text with fields of the audio": { input: { video_id, ...atUrl, ...speech } },
  "an audio with fields of the text": { input: { video_id, ...speech, ...atUrl } },
  "an audio with a blank text": { input: { video_id, text: "", ...atUrl } },
  "a voice that is not known": { input: { video_id, ...speech, voice_id: "a-voice-of-tomorrow" } },
  "a speed": { input: { video_id, ...speech, voice_speed: 1.5 } },
  "a field that is not known": { input: { video_id, ...speech, seed: 1 }, external_id: "1" },
};

const REFUSED: Record<string, unknown> = {
  "no input": {},
  "fields beside input": { video_id, ...speech },
  "both videos": { input: { video_id, video_url, ...speech } },
  "no video": { input: speech },
  "an empty video_id": { input: { video_id: "", ...speech } },
  "a blank video_id": { input: { video_id: "\u3000", ...speech } },
  "a video_url beside an empty video_id": { input: { video_id: "", video_url, ...speech } },
  "a blank video_url": { input: { video_url: " ", ...speech } },
  "a relative video_url": { input: { video_url: "/speaker.mp4", ...speech } },
  "a video_url without a scheme": { input: { video_url: "media.example/speaker.mp4", ...speech } },
  "no mode": { input: { video_id, ...speech, mode: undefined } },
  "an unknown mode": { input: { video_id, ...speech, mode: "text" } },
  "no text": { input: { video_id, ...speech, text: undefined } },
  "an empty text": { input: { video_id, ...speech, text: "" } },
  "a blank text": { input: { video_id, ...speech, text: " \n" } },
  "no voice": { input: { video_id, ...speech, voice_id: undefined } },
  "a blank voice": { input: { video_id, ...speech, voice_id: " " } },
  "no language": { input: { video_id, ...speech, voice_language: undefined } },
  "an unknown language": { input: { video_id, ...speech, voice_language: "fr" } },
  "a speed out of range": { input: { video_id, ...speech, voice_speed: 3 } },
  "no audio_type": { input: { video_id, ...atUrl, audio_type: undefined } },
  "an unknown audio_type": { input: { video_id, ...atUrl, audio_type: "base64" } },
  "no audio_url": { input: { video_id, ...atUrl, audio_url: undefined } },
  "the audio of the other type": { input: { video_id, ...atUrl, audio_type: "file" } },
  "a relative audio_url": { input: { video_id, ...atUrl, audio_url: "speech.mp3" } },
  "no audio_file": { input: { video_id, ...inFile, audio_file: undefined } },
  "an empty audio_file": { input: { video_id, ...inFile, audio_file: "" } },
  "an audio_file with a data: prefix": {
    input: { video_id, ...inFile, audio_file: `data:audio/mpeg;base64,${inFile.audio_file}` },
  },
  "a relative callback_url": { input: { video_id, ...speech }, callback_url: "/kling" },
  "a blank callback_url": { input: { video_id, ...speech }, callback_url: "" },
};

/**
 * Starts Prism with a Node that it supports, and sends it what the packed library in a folder makes of
 * every kind of request, and what others may send. Resolves with what was found.
 */
export async function agreesWithPrism(node: string, library: string): Promise<string> {
  const cli = path.join(await install("@stoplight/prism-cli", PRISM), "dist", "index.js");
  const prism = await startPrism(node, cli);
  try {
    const entry = pathToFileURL(path.join(library, "dist", "index.js")).href;
    const { createLipSyncClient } = (await import(entry)) as typeof Library;
    const client = createLipSyncClient({ apiKey: API_KEY, baseUrl: prism.url, maxRetries: 0 });
    const requests = requestsOfAllKinds();
    for (const request of requests) {
      const { task_id } = await client.create(request);
      assert.equal((await client.get(task_id)).task_status, "succeed");
    }
    for (const [what, body] of Object.entries(ALLOWED)) {
      assert.equal(await statusOf(prism.url, body), 200, what);
    }
    for (const [what, body] of Object.entries(REFUSED)) {
      assert.equal(await statusOf(prism.url, body), 422, what);
    }
    const refused = Object.keys(REFUSED).length;
    return `ok: accepts ${requests.length} requests of the client, refuses ${refused} wrong bodies`;
  } finally {
    await prism.stop();
  }
}

function requestsOfAllKinds(): Library.LipSyncRequest[] {
  const inputs = [speech, atUrl, inFile].flatMap((mode) => [
    { video_id, ...mode },
    { video_url, ...mode },
  ]);
  return inputs.flatMap((input) => [{ input }, { input, callback_url }]);
}

async function statusOf(url: string, body: unknown): Promise<number> {
  const response = await fetch(`${url}/kling/v1/videos/lip-sync`, {
    method: "POST",
    headers: { authorization: `Bearer ${API_KEY}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  await response.text();
  return response.status;
}

async function startPrism(node: string, cli: string) {
  // A port that was free a moment ago.
  const { url, close } = await listen(() => undefined);
  close();
  const { hostname, port } = new URL(url);
  const document = path.join(placesIn().generated, "openapi.yaml");
  const args = [cli, "mock", document, "--host", hostname, "--port", port];
  const child = spawn(node, args, { stdio: ["ignore", "pipe", "pipe"] });
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  };
  try {
    await listening(child);
  } catch (error) {
    await stop();
    throw error;
  }
  return { url, stop };
}

/** Waits until Prism says that it listens. */
function listening(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let said = "";
    const fail = () => {
      clearTimeout(timer);
      reject(new ProgramError(`Prism does not start: ${said}`));
    };
    const timer = setTimeout(fail, START_TIMEOUT_MS);
    const read = (chunk: Buffer) => {
      said += chunk.toString();
      if (!said.includes("Prism is listening")) return;
      clearTimeout(timer);
      resolve();
    };
    child.stdout?.on("data", read);
    child.stderr?.on("data", read);
    child.once("error", fail);
    child.once("exit", fail);
  });
}
