// The flags and the environment: what was typed becomes a request, or a usage error that says why not.
import { createReadStream } from "node:fs";
import { buffer } from "node:stream/consumers";
import { parseArgs } from "node:util";
import type { AudioToVideo, LipSyncRequest, TextToVideo, VideoSource } from "../../src/index.js";
import { UsageError } from "./explain.js";
import { messageOf, oneLine } from "./text.js";

const STRING = { type: "string" } as const;
const BOOLEAN = { type: "boolean" } as const;
const REQUEST_FLAGS = {
  "video-url": STRING,
  "video-id": STRING,
  text: STRING,
  "voice-id": STRING,
  "voice-language": STRING,
  "audio-url": STRING,
  "audio-file": STRING,
};
const FLAGS = {
  ...REQUEST_FLAGS,
  "task-id": STRING,
  save: STRING,
  check: BOOLEAN,
  help: BOOLEAN,
};

/** The flags of a request. */
type RequestFlags = Partial<Record<keyof typeof REQUEST_FLAGS, string | undefined>>;

/** What was typed. */
export interface Flags extends RequestFlags {
  "task-id"?: string | undefined;
  save?: string | undefined;
  check?: boolean | undefined;
  help?: boolean | undefined;
}

const TEXT_FLAGS = ["text", "voice-id", "voice-language"] as const;
/** The kinds of audio; a request has one of them. */
const AUDIO = [TEXT_FLAGS, ["audio-url"], ["audio-file"]] as const;
const LARGEST_AUDIO_BYTES = 5 * 1024 * 1024;

export function readFlags(args: string[], env: NodeJS.ProcessEnv): Flags {
  const kept = Object.keys(FLAGS)
    // npm has these two itself, and they may be set in its configuration.
    .filter((name) => name !== "save" && name !== "help")
    .find((name) => env[`npm_config_${name.replaceAll("-", "_")}`] !== undefined);
  if (kept) throw new UsageError(`npm took --${kept}: write npm run demo -- --${kept} …`);
  try {
    return parseArgs({ args, options: FLAGS }).values;
  } catch (error) {
    throw new UsageError(`${messageOf(error).replace(/\.$/, "")}. See npm run demo -- --help`);
  }
}

/** The gateway of the environment. */
export function readGateway(env: NodeJS.ProcessEnv): { baseUrl: string; apiKey: string } {
  const missing = ["KLING_BASE_URL", "KLING_API_KEY"].filter((name) => !env[name]?.trim());
  if (missing.length > 0) {
    throw new UsageError(`flags need a real gateway; not set: ${missing.join(", ")}.`);
  }
  const { KLING_BASE_URL: baseUrl = "", KLING_API_KEY: apiKey = "" } = env;
  return { baseUrl, apiKey };
}

/** What the flags ask for: a task to take up, or a request. */
export async function startOf(flags: Flags): Promise<LipSyncRequest | { taskId: string }> {
  const taskId = flags["task-id"];
  if (taskId !== undefined) {
    const other = Object.keys(flags).find((name) => name !== "task-id" && name !== "save");
    if (other) throw new UsageError(`--task-id waits for a task that exists, without --${other}.`);
    return { taskId };
  }
  checkRequest(flags);
  const { "video-url": video_url = "", "video-id": video_id = "" } = flags;
  const source: VideoSource = isGiven(flags, "video-url") ? { video_url } : { video_id };
  return { input: { ...source, ...(await audioOf(flags)) } };
}

/** Throws unless there is one video and one audio. */
function checkRequest(flags: RequestFlags): void {
  const hasVideoUrl = isGiven(flags, "video-url");
  const hasVideoId = isGiven(flags, "video-id");
  if (hasVideoUrl && hasVideoId) {
    throw new UsageError("--video-url and --video-id are both given; give one.");
  }
  const given = AUDIO.flatMap((names) => names.find((name) => isGiven(flags, name)) ?? []);
  if (given.length > 1) {
    throw new UsageError(
      `--${given.join(" and --")} are given; give one kind of audio: --text with --voice-id and --voice-language, or --audio-url, or --audio-file.`,
    );
  }
  const missing: string[] = [];
  if (!hasVideoUrl && !hasVideoId) missing.push("--video-url or --video-id");
  if (given.length === 0) {
    missing.push("--audio-url or --audio-file or --text with --voice-id and --voice-language");
  } else if (!isGiven(flags, "audio-url") && !isGiven(flags, "audio-file")) {
    missing.push(...TEXT_FLAGS.filter((name) => !isGiven(flags, name)).map((name) => `--${name}`));
  }
  if (missing.length > 0) throw new UsageError(`missing: ${missing.join(", ")}.`);
}

async function audioOf(flags: RequestFlags): Promise<TextToVideo | AudioToVideo> {
  const { "audio-url": audio_url = "", "audio-file": file = "" } = flags;
  if (isGiven(flags, "audio-url")) return { mode: "audio2video", audio_type: "url", audio_url };
  if (isGiven(flags, "audio-file")) {
    const audio_file = (await readAudio(file)).toString("base64");
    return { mode: "audio2video", audio_type: "file", audio_file };
  }
  const { text = "", "voice-id": voice_id = "", "voice-language": voice_language = "" } = flags;
  return {
    mode: "text2video",
    text,
    voice_id,
    // Which languages there are is for the gateway to decide.
    voice_language: voice_language as TextToVideo["voice_language"],
  };
}

/** Reads an audio file, and of a larger one no more than shows that it is too large. */
async function readAudio(file: string): Promise<Buffer> {
  let bytes: Buffer;
  try {
    bytes = await buffer(createReadStream(file, { end: LARGEST_AUDIO_BYTES }));
  } catch (error) {
    throw new UsageError(`--audio-file cannot be read: ${messageOf(error)}.`);
  }
  const name = oneLine(file);
  if (bytes.length === 0) throw new UsageError(`--audio-file is empty: ${name}`);
  if (bytes.length <= LARGEST_AUDIO_BYTES) return bytes;
  throw new UsageError(`--audio-file is larger than 5 MB: ${name}; use a shorter or smaller file.`);
}

/** A blank value counts as none, so that a shell's variable may be empty. */
function isGiven(flags: RequestFlags, name: keyof RequestFlags): boolean {
  return Boolean(flags[name]?.trim());
}
