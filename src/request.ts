import type { paths } from "../generated/schema.js";
import { InvalidRequestError } from "./errors.js";
import { isRecord } from "./task.js";
import { requireString, settleVideoSource, type VideoSource } from "./video-source.js";

/** The request body as the document has it; its `input` has every field of every mode. */
type GeneratedBody =
  paths["/kling/v1/videos/lip-sync"]["post"]["requestBody"]["content"]["application/json"];
export type GeneratedInput = GeneratedBody["input"];

type TextField = "text" | "voice_id" | "voice_language";
type AudioField = "audio_type" | "audio_url" | "audio_file";
type ModeField = "mode" | "video_id" | "video_url" | TextField | "voice_speed" | AudioField;

type Needed<Field extends keyof GeneratedInput> = Required<Pick<GeneratedInput, Field>>;
type Optional<Fields> = { [Field in keyof Fields]?: Fields[Field] | undefined };

/** What every mode takes; a field that is new in the document appears here. */
interface AnyMode extends Optional<Omit<GeneratedInput, ModeField>> {}

/** The mouth says a text. */
export interface TextToVideo
  extends AnyMode, Needed<TextField>, Optional<Pick<GeneratedInput, "voice_speed">> {
  mode: Extract<GeneratedInput["mode"], "text2video">;
}

/** The mouth says what a sound file at a URL says. */
export interface AudioUrlToVideo extends AnyMode, Needed<"audio_url"> {
  mode: Extract<GeneratedInput["mode"], "audio2video">;
  audio_type: Extract<GeneratedInput["audio_type"], "url">;
}

/** The mouth says what a sound file in Base64 says. */
export interface AudioFileToVideo extends AnyMode, Needed<"audio_file"> {
  mode: Extract<GeneratedInput["mode"], "audio2video">;
  audio_type: Extract<GeneratedInput["audio_type"], "file">;
}

/** The mouth says a sound file, at most 5 MB of mp3, wav, m4a or aac. */
export type AudioToVideo = AudioUrlToVideo | AudioFileToVideo;

/** What `create` sends, spelled as on the wire: one video, one mode, and the fields of that mode. */
export interface LipSyncRequest {
  /** Which video, and what it says. */
  input: VideoSource & (TextToVideo | AudioToVideo);
  /**
   * An http(s) URL of yours to which the bare task is posted on every change of status, possibly
   * more than once and without a signature. Read it with `parseTaskCallback`, then confirm it with
   * `get`.
   */
  callback_url?: string | undefined;
}

/**
 * The body to send, checked as it will be on the wire, blank video fields left out. What only the
 * server can judge, such as an unknown mode or field, passes.
 */
export function toBody(request: unknown): GeneratedBody {
  // Also as it was given, since JSON has no word for a symbol or NaN.
  if (isRecord(request) && isRecord(request["input"])) settleVideoSource({ ...request["input"] });
  const body = toJson(request);
  const input = isRecord(body) ? body["input"] : undefined;
  if (!isRecord(input)) throw new InvalidRequestError("The request has no `input`.", "input");
  settleVideoSource(input);
  requireString(input, "mode");
  for (const field of fieldsOf(input)) requireString(input, field);
  return body as GeneratedBody;
}

/** A copy by way of JSON: what the wire will hold, whatever getters and toJSON do. */
function toJson(request: unknown): unknown {
  try {
    return JSON.parse(JSON.stringify(request) || "null");
  } catch (error) {
    throw new InvalidRequestError(`The request is not JSON: ${String(error)}`, "input");
  }
}

function fieldsOf({ mode, audio_type: audioType }: Record<string, unknown>): string[] {
  if (mode === "text2video") return ["text", "voice_id", "voice_language"];
  if (mode !== "audio2video") return [];
  const isKnown = audioType === "url" || audioType === "file";
  return isKnown ? ["audio_type", `audio_${audioType}`] : ["audio_type"];
}

/** A task id as a part of the path; refuses what cannot be one. */
export function toPathSegment(taskId: unknown): string {
  const refuse = (why: string) => new InvalidRequestError(`The task id ${why}.`, "taskId");
  if (typeof taskId !== "string") throw refuse("is not a string");
  // The URL parser drops "." and climbs at "..", and no id at all asks for the list.
  if (["", ".", ".."].includes(taskId.trim())) throw refuse("is blank or a dot");
  if (/\p{Surrogate}/u.test(taskId)) throw refuse("holds half a character (a lone surrogate)");
  return encodeURIComponent(taskId);
}
