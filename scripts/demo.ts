// npm run demo: the main job from the command line, against a fake gateway or a real one.
import path from "node:path";
import { fileURLToPath } from "node:url";
import { createLipSyncClient, type LipSyncClient, type LipSyncRequest } from "../src/index.js";
import { createFakeGateway } from "../src/testing.js";
import { checkAlone, checkGateway } from "./demo/check.js";
import { exitCodeOf, explain, type RunState, Stopped } from "./demo/explain.js";
import { serve } from "./demo/fake-gateway.js";
import { type Flags, readFlags, readGateway, startOf } from "./demo/flags.js";
import { showDownload, showTask } from "./demo/progress.js";
import { checkNewFile, saveVideo } from "./demo/save.js";
import { oneLine } from "./demo/text.js";

export { explain, serve };

const USAGE = `Usage: npm run demo -- [flags]

Creates a lip-sync task, shows its progress and prints the URL of the video.

Without flags it runs against a fake gateway on this machine: no key, no network, nothing billed.
With flags it calls the gateway of the environment, and creating a task there is billed.

The video, one of:
  --video-url URL        the URL of your video, an .mp4 or .mov
  --video-id ID          the id of a video that Kling made

The audio, one of:
  --text TEXT            text that Kling speaks, with
    --voice-id ID          the voice
    --voice-language LANG  its language, zh or en
  --audio-url URL        the URL of an audio file, at most 5 MB of mp3, wav, m4a or aac
  --audio-file FILE      such a file on this machine, sent in Base64

Other flags:
  --task-id ID           wait for a task that exists, without creating one; nothing is billed
  --save FILE            download the video to a new file, never over an existing one;
                         alone, it saves the stub that the fake gateway has for a video
  --check                check base URL, path and key with one request; nothing is billed
  --help                 show this text

Relative paths start at the project folder.

Environment, needed with flags:
  KLING_BASE_URL         the gateway's origin, such as https://gateway.example
  KLING_API_KEY          its API key, which is never printed

Exit codes:
  0    the video is ready, and saved if you asked for it; --check: the gateway works
  1    the gateway, the task or the download failed; --check: it does not work
  2    invalid flags or environment, nothing was sent
  130  stopped with Ctrl-C (a task that was created goes on)

Examples:
  npm run demo
  npm run demo -- --check
  npm run demo -- --video-url https://files.example/face.mp4 --text "你好" \\
    --voice-id genshin_vindi2 --voice-language zh
  npm run demo -- --video-url https://files.example/face.mp4 --audio-file speech.mp3 \\
    --save result.mp4
  npm run demo -- --task-id 123456 --save result.mp4`;

/** One run, and how far it came. */
interface Run extends RunState {
  client: LipSyncClient;
  /** What fetches the video. */
  fetch: typeof globalThis.fetch;
  intervalMs?: number;
}

/** The main job: a task from its creation, unless it exists, to the URL or the file of its video. */
async function lipSync(run: Run, start: LipSyncRequest | { taskId: string }): Promise<number> {
  const stop = new AbortController();
  const interrupt = () => {
    stop.abort(new Stopped());
  };
  process.on("SIGINT", interrupt);
  try {
    const [first, ...others] = await finish(run, start, stop.signal);
    run.videoUrl = first.url;
    for (const { url } of [first, ...others]) console.log(`Video: ${oneLine(url)}`);
    if (run.save !== undefined) await download(run, first.url, run.save, stop.signal);
    if (run.save !== undefined && others.length > 0) console.log("Only the first video is saved.");
    return 0;
  } catch (error) {
    console.error(explain(error, run));
    return exitCodeOf(error);
  } finally {
    process.off("SIGINT", interrupt);
  }
}

/** Creates the task, unless it exists, and waits for its videos. */
async function finish(run: Run, start: LipSyncRequest | { taskId: string }, signal: AbortSignal) {
  const { client, intervalMs } = run;
  const progress = showTask();
  try {
    if ("taskId" in start) {
      run.taskId = start.taskId;
    } else {
      const task = await client.create(start, { signal });
      run.taskId = task.task_id;
      console.log(`Task ${oneLine(task.task_id)} is created: ${oneLine(task.task_status)}`);
    }
    const task = await client.wait(run.taskId, {
      signal,
      intervalMs,
      onUpdate: ({ task_status }) => {
        progress.update(oneLine(task_status));
      },
    });
    progress.end("success");
    return task.task_result.videos;
  } catch (error) {
    progress.end("error");
    throw error;
  }
}

async function download({ fetch }: Run, url: string, file: string, signal: AbortSignal) {
  const progress = showDownload();
  try {
    const onProgress = (bytes: number, total?: number) => {
      progress.update(bytes, total);
    };
    await saveVideo({ url, file, fetch, signal, onProgress });
  } catch (error) {
    progress.end("error");
    throw error;
  }
  progress.end("success");
  console.log(`Saved: ${oneLine(path.resolve(file))}`);
}

async function runReal(flags: Flags, env: NodeJS.ProcessEnv): Promise<number> {
  const start = await startOf(flags);
  const { baseUrl, apiKey } = readGateway(env);
  const client = createLipSyncClient({ baseUrl, apiKey });
  const { host } = new URL(baseUrl);
  console.log(
    "taskId" in start
      ? `Waiting for task ${oneLine(start.taskId)} at ${host}; this is not billed.`
      : `Creating a task at ${host}; this is billed.`,
  );
  return lipSync({ client, host, fetch: globalThis.fetch, save: flags.save }, start);
}

const FAKE_REQUEST: LipSyncRequest = {
  input: {
    mode: "text2video",
    video_url: "https://files.example/face.mp4",
    text: "你好",
    voice_id: "genshin_vindi2",
    voice_language: "zh",
  },
};

async function runFake({ save }: Flags): Promise<number> {
  console.log(
    "Fake gateway on this machine, nothing is billed; for a real one: npm run demo -- --help",
  );
  const gateway = createFakeGateway({ polls: 5 });
  const { baseUrl, close } = await serve(gateway);
  try {
    const client = createLipSyncClient({ baseUrl, apiKey: gateway.apiKey });
    return await lipSync({ client, fetch: gateway.fetch, intervalMs: 800, save }, FAKE_REQUEST);
  } finally {
    close();
  }
}

async function runCheck(flags: Flags, env: NodeJS.ProcessEnv): Promise<number> {
  checkAlone(flags);
  const { isGood, line } = await checkGateway(readGateway(env));
  if (isGood) console.log(line);
  else console.error(line);
  return isGood ? 0 : 1;
}

async function runFlags(flags: Flags, env: NodeJS.ProcessEnv): Promise<number> {
  if (flags.check) return await runCheck(flags, env);
  if (flags.save !== undefined) await checkNewFile(flags.save);
  const hasOthers = Object.keys(flags).some((name) => name !== "save");
  return await (hasOthers ? runReal(flags, env) : runFake(flags));
}

/** Runs the demo and resolves with its exit code. */
export async function demo(args: string[], env: NodeJS.ProcessEnv): Promise<number> {
  try {
    const flags = readFlags(args, env);
    if (!flags.help) return await runFlags(flags, env);
    console.log(USAGE);
    return 0;
  } catch (error) {
    console.error(explain(error, {}));
    return exitCodeOf(error);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.exitCode = await demo(process.argv.slice(2), process.env);
}
