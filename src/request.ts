// The request of `create`: its types, and the same checks at run time.
import { InvalidRequestError } from "./errors.js";
import { checkBase64, checkText, checkUrl, invalidField, toJson } from "./fields.js";
import { isRecord, property } from "./json.js";
import { requireOneVideo, type VideoSource } from "./video-source.js";
import type { RequestBody, RequestInput } from "./wire.js";

type TextField = "text" | "voice_id" | "voice_language";
type AudioField = "audio_type" | "audio_url" | "audio_file";
type ModeField = "mode" | "video_id" | "video_url" | TextField | "voice_speed" | AudioField;

type Needed<Field extends keyof RequestInput> = Required<Pick<RequestInput, Field>>;
type Optional<Fields> = { [Field in keyof Fields]?: Fields[Field] | undefined };

/** Fields of every mode, and new fields of the document. */
interface AnyMode extends Optional<Omit<RequestInput, ModeField>> {
  // The compiler prints this text in its error.
  callback_url?: "put this field beside input" | undefined;
}

/** Mode `text2video`: lip-sync to spoken text. */
export interface TextToVideo
  extends AnyMode, Needed<TextField>, Optional<Pick<RequestInput, "voice_speed">> {
  /** Lip-sync to spoken text. */
  mode: Extract<RequestInput["mode"], "text2video">;
}

/** Mode `audio2video` with the URL of an audio file. */
export interface AudioUrlToVideo extends AnyMode, Needed<"audio_url"> {
  /** Lip-sync to audio. */
  mode: Extract<RequestInput["mode"], "audio2video">;
  /** The audio is in `audio_url`. */
  audio_type: Extract<RequestInput["audio_type"], "url">;
}

/** Mode `audio2video` with an audio file in Base64. */
export interface AudioFileToVideo extends AnyMode, Needed<"audio_file"> {
  /** Lip-sync to audio. */
  mode: Extract<RequestInput["mode"], "audio2video">;
  /** The audio is in `audio_file`. */
  audio_type: Extract<RequestInput["audio_type"], "file">;
}

/** Mode `audio2video`: lip-sync to an audio file (mp3, wav, m4a or aac, at most 5 MB). */
export type AudioToVideo = AudioUrlToVideo | AudioFileToVideo;

// The compiler prints this text in its error.
type Misplaced = {
  [Field in keyof RequestInput]?: "put this field into input" | undefined;
};

/** The request body of `create`: one video, one mode and the fields of that mode. */
export interface LipSyncRequest extends Misplaced {
  /** The video, and the text or audio for it. */
  input: VideoSource & (TextToVideo | AudioToVideo);
  /**
   * Your http(s) URL, to which Kling posts the task on each status change, possibly more than once.
   * Parse the body with `parseTaskCallback`, then call `get`.
   */
  callback_url?: string | undefined;
}

const NO_INPUT = "input is missing: pass { input: { video_url, mode, … } }.";

type Check = (value: unknown, field: string) => void;

/** Every field in the document that is not an object, by its place. */
const CHECKS: Record<`input.${keyof RequestInput}` | "callback_url", Check> = {
  "input.mode": checkText,
  "input.task_id": checkText,
  "input.video_id": checkText,
  "input.video_url": checkUrl,
  "input.text": checkText,
  "input.voice_id": checkText,
  "input.voice_language": checkText,
  "input.voice_speed": () => undefined,
  "input.audio_type": checkText,
  "input.audio_file": checkBase64,
  "input.audio_url": checkUrl,
  callback_url: checkUrl,
};
const PLACES = ["input", ...Object.keys(CHECKS)];

/**
 * Checks a request from outside, such as a form or a row of a file, as `create` does, and returns the
 * JSON that `create` sends for it: a copy without blank optional fields. Nothing is sent.
 *
 * Lengths, unknown modes and languages, and the media are checked by the gateway.
 *
 * @throws InvalidRequestError - not exactly one video, or a field is missing, invalid or misplaced
 */
export const parseLipSyncRequest = (value: unknown): LipSyncRequest =>
  toBody(value) as LipSyncRequest;

/** Checks a request and returns the body to send. */
export function toBody(request: unknown = null): RequestBody {
  const body = toJson(request, PLACES);
  const input = property(body, "input");
  if (!isRecord(body) || !isRecord(input)) throw new InvalidRequestError(NO_INPUT, "input");
  checkNames(body, "");
  checkNames(input, "input.");

  requireOneVideo(input);
  const required = requiredFields(input);
  for (const [place, check] of Object.entries(CHECKS)) {
    const value = place.split(".").reduce<unknown>(property, body);
    if (value !== undefined) check(value, place);
    else if (required.includes(place)) throw invalidField(place, "is missing");
  }
  return body as RequestBody;
}

/** Throws for a field in the wrong place or spelling, such as `voiceSpeed`. */
function checkNames(fields: object, prefix: "" | "input."): void {
  for (const name in fields) {
    const field = prefix + name;
    const place = PLACES.find((place) => plain(place) === plain(name));
    if (place !== undefined && place !== field)
      throw new InvalidRequestError(`There is no ${field}: use request.${place} instead.`, field);
  }
}

/** The name of a field without its place, case, `_` and `-`. */
const plain = (place: string): string => place.toLowerCase().replace(/^input\.|[_-]/g, "");

/** The required fields of a mode; those of an unknown mode are checked by the server. */
function requiredFields({ mode, audio_type: audioType }: Record<string, unknown>): string[] {
  if (mode === "text2video")
    return ["input.mode", "input.text", "input.voice_id", "input.voice_language"];
  if (mode !== "audio2video") return ["input.mode"];
  if (audioType === "url") return ["input.audio_url"];
  return audioType === "file" ? ["input.audio_file"] : ["input.audio_type"];
}

/** Checks that a task id can be part of a path, and returns it without surrounding white space. */
export function checkTaskId(taskId: unknown): string {
  const invalid = (why: string) => new InvalidRequestError(`The task id ${why}.`, "taskId");
  const id = typeof taskId === "string" ? taskId.trim() : "undefined";
  // Also what `${undefined}` and `${promise}` give.
  if (/^(?:undefined|null|\[object \w+\])$/.test(id))
    throw invalid("is not a string: await create, then pass task.task_id");
  // "." and ".." would change the path, an empty id requests the list of tasks, a lone surrogate
  // cannot be encoded, and control characters are invisible.
  const isUnfit = /^\.{0,2}$|[\p{Surrogate}\p{Control}\p{Format}]/u.test(id);
  if (isUnfit) throw invalid("is blank or invalid in a URL");
  return id;
}
