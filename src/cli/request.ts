// The fields of a request as they are typed: flags, columns of a CSV, or a line of JSON.
import { readFile, stat } from "node:fs/promises";
import path from "node:path";
import { InvalidRequestError, type LipSyncRequest, parseLipSyncRequest } from "../index.js";
import { isRecord } from "../json.js";
import { oneLine } from "./text.js";

/** Each field that can be typed, and what the help says about it. */
export const FIELDS = {
  video_url: "URL of your video: .mp4 or .mov, at most 100 MB, 2 to 60 s",
  video_id: "in place of a URL: id of a video that Kling made",
  task_id: "id of the task that made that video, if the gateway needs it",
  text: "what to say, at most 120 characters",
  voice_id: "voice of the text (known ones: subcommand voices)",
  voice_language: "language of the voice: zh or en",
  voice_speed: "speed of the voice, 0.8 to 2",
  audio_url: "in place of a text: URL of an audio file",
  audio_file: "in place of a text: audio file on this machine, at most 5 MB",
  callback_url: "your URL, to which Kling posts the task",
};

/** Fields by their name on the wire; a blank one counts as absent. */
export type Fields = Record<string, unknown>;

/** The fields with which another one cannot be combined. */
const RIVALS: Record<string, string[]> = {
  video_url: ["video_id"],
  video_id: ["video_url"],
  text: ["audio_url", "audio_file"],
  audio_url: ["audio_file", "text", "voice_id", "voice_language", "voice_speed"],
  audio_file: ["audio_url", "text", "voice_id", "voice_language", "voice_speed"],
};
const LARGEST_AUDIO_BYTES = 5 * 1024 * 1024;
/** Stands for the bytes of an audio file where they do not matter. */
const ANY_AUDIO = "AAAA";

/** The request of flags or of a row, whose fields stand side by side. */
export function draftOf({ callback_url, ...input }: Fields): Fields {
  return { input, callback_url };
}

/**
 * Completes and checks a request. `defaults` fill the fields that it leaves out, unless they do not
 * go with those that it has. The mode and the type of the audio follow from the other fields.
 *
 * @throws InvalidRequestError - a field is missing, invalid, or does not go with another one
 */
export function completeRequest(draft: Fields, defaults: Fields = {}): LipSyncRequest {
  const { callback_url: callbackUrl, ...given } = defaults;
  if (!isRecord(draft["input"])) return parseLipSyncRequest(draft);
  const input = withDefaults(draft["input"], given);
  refuseRivals(input);
  const speed = input["voice_speed"];
  if (typeof speed === "string" && isGiven(speed)) input["voice_speed"] = numberOf(speed);
  const outer = withDefaults(draft, { callback_url: callbackUrl });
  return parseLipSyncRequest({ ...outer, input: withDefaults(input, modeOf(input)) });
}

/** Replaces the path in `audio_file`, which starts at the folder, by that file in Base64. */
export async function readAudio(fields: Fields, folder = ""): Promise<Fields> {
  const file = await checkAudio(fields, folder);
  return file === undefined ? fields : { ...fields, audio_file: await readFile(file, "base64") };
}

/** Checks the file in `audio_file` without reading it, and puts a few bytes in its place. */
export async function skipAudio(fields: Fields, folder = ""): Promise<Fields> {
  const file = await checkAudio(fields, folder);
  return file === undefined ? fields : { ...fields, audio_file: ANY_AUDIO };
}

/** The error for a field: its message starts with the name of the field. */
export const invalidField = (field: string, why: string): InvalidRequestError =>
  new InvalidRequestError(`${field} ${why}.`, field);

async function checkAudio(fields: Fields, folder: string): Promise<string | undefined> {
  const typed = fields["audio_file"];
  if (typeof typed !== "string" || !isGiven(typed)) return undefined;
  const invalid = (why: string) => invalidField("input.audio_file", `${why}: ${oneLine(typed)}`);
  const file = path.resolve(folder, typed);
  const found = await stat(file).catch(() => undefined);
  if (!found) throw invalid("does not exist");
  if (!found.isFile()) throw invalid("is not a file");
  if (found.size === 0) throw invalid("is empty");
  if (found.size > LARGEST_AUDIO_BYTES) throw invalid("is larger than 5 MB");
  return file;
}

/** Says `--voice-id` or `voice_id` in place of `input.voice_id`, as the field was typed. */
export function inTypedNames(error: unknown, typed: "flags" | "columns"): unknown {
  if (!(error instanceof InvalidRequestError)) return error;
  const nameOf = (field: string) => (typed === "flags" ? `--${field.replaceAll("_", "-")}` : field);
  const message = error.message.replace(/\binput\.(\w+)/g, (_, field: string) => nameOf(field));
  return new InvalidRequestError(message, error.field.replace(/^input\./, ""));
}

/** A blank value counts as none, so that a shell's variable or a cell may be empty. */
const isGiven = (value: unknown): boolean =>
  typeof value === "string" ? value.trim() !== "" : value !== undefined && value !== null;

function withDefaults(given: Fields, defaults: Fields): Fields {
  const names = Object.keys(given).filter((name) => isGiven(given[name]));
  const taken = [...names, ...names.flatMap((name) => RIVALS[name] ?? [])];
  const used = Object.entries(defaults).filter(([name]) => !taken.includes(name));
  return { ...given, ...Object.fromEntries(used) };
}

function refuseRivals(input: Fields): void {
  for (const [name, rivals] of Object.entries(RIVALS)) {
    if (!isGiven(input[name])) continue;
    const rival = rivals.find((rival) => isGiven(input[rival]));
    if (rival)
      throw invalidField(`input.${rival}`, `does not go with input.${name}: leave one out`);
  }
}

/** The mode of these fields, and the type of the audio. */
function modeOf(input: Fields): Fields {
  if (isGiven(input["audio_url"])) return { mode: "audio2video", audio_type: "url" };
  if (isGiven(input["audio_file"])) return { mode: "audio2video", audio_type: "file" };
  if (isGiven(input["text"])) return { mode: "text2video" };
  if (isGiven(input["mode"])) return {};
  const message = "The audio is missing: give input.text, input.audio_url or input.audio_file.";
  throw new InvalidRequestError(message, "input.text");
}

function numberOf(text: string): number {
  const number = Number(text);
  if (Number.isNaN(number)) throw invalidField("input.voice_speed", `is not a number: ${text}`);
  return number;
}
