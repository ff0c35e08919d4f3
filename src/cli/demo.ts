// kling-lip-sync demo: the main job over HTTP against a fake gateway, without key, network or money.
import { mkdtemp } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { Command } from "commander";
import { createLipSyncClient, type LipSyncRequest } from "../index.js";
import { createFakeGateway } from "../testing.js";
import type { Done } from "./flags.js";
import { checkNewFile } from "./save.js";
import { createTask, explained, finishTask, type Run } from "./task.js";
import { EXIT_CODES, type Terminal } from "./terminal.js";

const REQUEST: LipSyncRequest = {
  input: {
    mode: "text2video",
    video_url: "https://files.example/face.mp4",
    text: "你好",
    voice_id: "genshin_vindi2",
    voice_language: "zh",
  },
};
const DURATION_MS = 3000;
const INTERVAL_MS = 500;

export function demoCommand(terminal: Terminal, done: Done): Command {
  return new Command("demo")
    .description("make a video at a fake gateway on this machine: no key, no network, not billed")
    .option("--save <file>", "where to save its stub of a video; default: a temporary folder")
    .action(async ({ save }: { save?: string }) => {
      done(await demo(terminal, save));
    });
}

async function demo(terminal: Terminal, save: string | undefined): Promise<number> {
  const { print, command } = terminal;
  if (save !== undefined) await checkNewFile(save);
  const gateway = createFakeGateway({ durationMs: DURATION_MS });
  const { baseUrl, close } = await terminal.serve(gateway, 0);
  try {
    print(`Fake gateway at ${baseUrl}; nothing is billed.`);
    const client = createLipSyncClient({ baseUrl, apiKey: gateway.apiKey });
    const file = save ?? path.join(await temporaryFolder(), "demo.mp4");
    const run: Run = { client, terminal, isFake: true, save: file, intervalMs: INTERVAL_MS };
    const exitCode = await explained(run, async () => {
      const task = await createTask(run, REQUEST);
      return finishTask(run, task.task_id, task.task_status);
    });
    if (exitCode !== EXIT_CODES.done) return exitCode;
    print("Next, with your gateway's URL and key, free of charge:");
    print(`  KLING_BASE_URL=https://… KLING_API_KEY=… ${command} check`);
    return exitCode;
  } finally {
    close();
  }
}

const temporaryFolder = (): Promise<string> => mkdtemp(path.join(os.tmpdir(), "kling-lip-sync-"));
