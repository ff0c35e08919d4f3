import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text as readText } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import yoctoSpinner from "yocto-spinner";
import {
  ConfigurationError,
  createLipSyncClient,
  InvalidRequestError,
  type LipSyncClient,
  LipSyncError,
  type LipSyncRequest,
  TaskFailedError,
  TaskTimeoutError,
  type TextToVideo,
  type VideoSource,
} from "../src/index.js";
import { createFakeGateway, type FakeGateway } from "../src/testing.js";

const USAGE = `Usage: npm run demo -- [flags]

Creates a lip-sync task, shows how far it is and prints the URL of the video.

Without flags it runs against a fake gateway on this machine: no key, no network, nothing billed.
With flags it calls the gateway of the environment, and creating a task there is billed.

  --video-url URL        the video, an .mp4 or .mov, or
  --video-id ID          the video, one that Kling made
  --text TEXT            what the mouth says
  --voice-id ID          the voice
  --voice-language LANG  zh or en
  --task-id ID           instead of all these: wait for a task that exists; nothing is billed
  --help                 this text

Environment, needed with flags:
  KLING_BASE_URL         the gateway's origin, such as https://gateway.example
  KLING_API_KEY          its key, which is never printed

Exit codes: 0 the video is there; 1 the gateway or the task failed; 2 a mistake, nothing was sent;
130 stopped with Ctrl-C (a task that was created goes on).

Examples:
  npm run demo
  npm run demo -- --video-url https://files.example/face.mp4 --text "你好" \\
    --voice-id genshin_vindi2 --voice-language zh
  npm run demo -- --task-id 123456`;

const STRING = { type: "string" } as const;
const FLAGS = {
  "video-url": STRING,
  "video-id": STRING,
  text: STRING,
  "voice-id": STRING,
  "voice-language": STRING,
  "task-id": STRING,
};

type Flags = Partial<Record<keyof typeof FLAGS, string | undefined>>;

/** What was typed cannot be run. */
class UsageError extends Error {}

/** Ctrl-C. */
class Stopped extends Error {}

/** One run, and how far it came. */
interface Run {
  client: LipSyncClient;
  /** The real gateway's host; absent for the fake gateway. */
  host?: string;
  /** The task to wait for; absent until it is created. */
  taskId?: string;
  intervalMs?: number;
}

/** The main job: create a task, unless one is taken up, wait for it and print the video's URL. */
async function lipSync(run: Run, start: LipSyncRequest | { taskId: string }): Promise<number> {
  const { client, intervalMs } = run;
  const stop = new AbortController();
  const { signal } = stop;
  const interrupt = () => {
    stop.abort(new Stopped());
  };
  process.on("SIGINT", interrupt);
  const progress = showProgress();
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
    for (const { url } of task.task_result.videos) console.log(`Video: ${oneLine(url)}`);
    return 0;
  } catch (error) {
    progress.end("error");
    console.error(explain(error, run));
    return exitCodeOf(error);
  } finally {
    process.off("SIGINT", interrupt);
  }
}

/** Status and elapsed time: a spinner where the terminal can show one, else a line a status. */
function showProgress() {
  const startedAt = performance.now();
  let status = "asking the gateway";
  const line = () => `${((performance.now() - startedAt) / 1000).toFixed(1)} s  ${status}`;
  // Elsewhere yocto-spinner would print a line for every frame.
  const isAnimated =
    process.stdout.isTTY && process.env["TERM"] !== "dumb" && !("CI" in process.env);
  const spinner = isAnimated
    ? yoctoSpinner({ stream: process.stdout, handleSignals: false }).start(line())
    : undefined;
  const timer = spinner && setInterval(() => (spinner.text = line()), 100);
  return {
    update(next: string) {
      status = next;
      if (!spinner) console.log(line());
    },
    end(outcome: "success" | "error") {
      clearInterval(timer);
      spinner?.[outcome](line());
    },
  };
}

/** What an error means for who ran the demo. */
export function explain(error: unknown, { host, taskId }: Partial<Run>): string {
  const message = messageOf(error);
  if (isMistake(error)) return `Nothing was sent: ${message}`;
  if (host === undefined) {
    return error instanceof Stopped
      ? "Stopped, and the fake gateway and its task with it; nothing was billed."
      : message;
  }
  const look = `A task may have been created and billed: look at ${host} before you run this again.`;
  if (taskId === undefined) {
    if (error instanceof Stopped) return `Stopped before the answer. ${look}`;
    const isSure = error instanceof LipSyncError && !error.mayHaveCreatedTask;
    return `${message}\n${isSure ? "No task was created." : look}`;
  }
  const id = oneLine(taskId);
  const resume = `To wait for it again, unbilled: npm run demo -- --task-id ${id}`;
  if (error instanceof TaskFailedError) return `Task ${id} failed: ${message}`;
  if (error instanceof Stopped) return `Stopped; task ${id} goes on.\n${resume}`;
  const problem = error instanceof TaskTimeoutError ? error.cause : undefined;
  const last = problem === undefined ? "" : ` The last poll failed: ${messageOf(problem)}`;
  return `${message}${last}\n${resume}`;
}

function exitCodeOf(error: unknown): number {
  if (error instanceof Stopped) return 130;
  return isMistake(error) ? 2 : 1;
}

function isMistake(error: unknown): boolean {
  const types = [UsageError, ConfigurationError, InvalidRequestError];
  return types.some((type) => error instanceof type);
}

function messageOf(error: unknown): string {
  return oneLine(error instanceof Error ? error.message : String(error));
}

/** What a server wrote, without what would move a terminal's cursor. */
function oneLine(text: string): string {
  return text.replace(/[\s\p{Cc}]+/gu, " ").trim();
}

function parseFlags(
  args: string[],
  env: NodeJS.ProcessEnv,
): Flags & { help?: boolean | undefined } {
  const kept = Object.keys(FLAGS).find(
    (name) => env[`npm_config_${name.replaceAll("-", "_")}`] !== undefined,
  );
  if (kept) throw new UsageError(`npm took --${kept}: write npm run demo -- --${kept} …`);
  try {
    return parseArgs({ args, options: { ...FLAGS, help: { type: "boolean" } } }).values;
  } catch (error) {
    throw new UsageError(`${messageOf(error).replace(/\.$/, "")}. See npm run demo -- --help`);
  }
}

/** What the flags ask for: a task to take up, or a request. */
function startOf(flags: Flags): LipSyncRequest | { taskId: string } {
  const { "task-id": taskId, ...others } = flags;
  if (taskId !== undefined) {
    const other = Object.keys(others)[0];
    if (other) throw new UsageError(`--task-id waits for a task that exists, without --${other}.`);
    return { taskId };
  }
  const isGiven = (name: keyof Flags) => Boolean(flags[name]?.trim());
  if (isGiven("video-url") && isGiven("video-id")) {
    throw new UsageError("--video-url and --video-id are both given; give one.");
  }
  const missing = (["text", "voice-id", "voice-language"] as const)
    .filter((name) => !isGiven(name))
    .map((name) => `--${name}`);
  if (!isGiven("video-url") && !isGiven("video-id")) missing.unshift("--video-url or --video-id");
  if (missing.length > 0) throw new UsageError(`missing: ${missing.join(", ")}.`);
  const { "video-url": video_url = "", "video-id": video_id = "" } = flags;
  const { text = "", "voice-id": voice_id = "", "voice-language": voice_language = "" } = flags;
  const source: VideoSource = isGiven("video-url") ? { video_url } : { video_id };
  return {
    input: {
      ...source,
      mode: "text2video",
      text,
      voice_id,
      // Which languages there are is for the gateway to decide.
      voice_language: voice_language as TextToVideo["voice_language"],
    },
  };
}

async function runReal(flags: Flags, env: NodeJS.ProcessEnv): Promise<number> {
  const start = startOf(flags);
  const missing = ["KLING_BASE_URL", "KLING_API_KEY"].filter((name) => !env[name]?.trim());
  if (missing.length > 0) {
    throw new UsageError(`flags need a real gateway; not set: ${missing.join(", ")}.`);
  }
  const { KLING_BASE_URL: baseUrl = "", KLING_API_KEY: apiKey } = env;
  const client = createLipSyncClient({ baseUrl, apiKey });
  const { host } = new URL(baseUrl);
  console.log(
    "taskId" in start
      ? `Waiting for task ${oneLine(start.taskId)} at ${host}; this is not billed.`
      : `Creating a task at ${host}; this is billed.`,
  );
  return lipSync({ client, host }, start);
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

async function runFake(): Promise<number> {
  console.log(
    "Fake gateway on this machine, nothing is billed; for a real one: npm run demo -- --help",
  );
  const gateway = createFakeGateway({ polls: 5 });
  const { baseUrl, close } = await serve(gateway);
  try {
    const client = createLipSyncClient({ baseUrl, apiKey: gateway.apiKey });
    return await lipSync({ client, intervalMs: 800 }, FAKE_REQUEST);
  } finally {
    close();
  }
}

/** Serves a fake gateway on a port of this machine; what it fails with breaks the connection. */
export async function serve(gateway: FakeGateway): Promise<{ baseUrl: string; close: () => void }> {
  const server = createServer((request, response) => {
    const answer = async () => {
      const { method = "", url = "", headers } = request;
      const body = (await readText(request)) || null;
      const authorization = headers.authorization ?? "";
      const init = { method, body, headers: { authorization } };
      const answered = await gateway.fetch(baseUrl + url, init);
      response.writeHead(answered.status, Object.fromEntries(answered.headers));
      response.end(await answered.text());
    };
    answer().catch(() => response.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { baseUrl, close };
}

/** Runs the demo and resolves with its exit code. */
export async function demo(args: string[], env: NodeJS.ProcessEnv): Promise<number> {
  try {
    const { help, ...flags } = parseFlags(args, env);
    if (!help) return await (Object.keys(flags).length === 0 ? runFake() : runReal(flags, env));
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
