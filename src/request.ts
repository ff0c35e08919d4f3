// The request of `create`: its types, and the same checks at run time.
import { InvalidRequestError } from "./errors.js";
import { checkText } from "./field.js";
import { isRecord, property } from "./json.js";
import { settleVideoSource, type VideoSource } from "./video-source.js";
import type { RequestBody, RequestInput } from "./wire.js";

type TextField = "text" | "voice_id" | "voice_language";
type AudioField = "audio_type" | "audio_url" | "audio_file";
type ModeField = "mode" | "video_id" | "video_url" | TextField | "voice_speed" | AudioField;

type Needed<Field extends keyof RequestInput> = Required<Pick<RequestInput, Field>>;
type Optional<Fields> = { [Field in keyof Fields]?: Fields[Field] | undefined };

/** Fields of every mode, and new fields of the document. */
interface AnyMode extends Optional<Omit<RequestInput, ModeField>> {}

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
  [Field in "mode" | "video_id" | "video_url"]?: "put this field into input" | undefined;
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

const NO_INPUT = "input is missing: pass { input: { … } }.";

/**
 * Checks a request and returns the body to send: a JSON copy without a blank video field. What only
 * the server can check, such as an unknown mode or field, is passed on.
 */
export function toBody(request: unknown): RequestBody {
  const body = toJson(request);
  const input = property(body, "input");
  if (!isRecord(body) || !isRecord(input)) throw new InvalidRequestError(NO_INPUT, "input");
  settleVideoSource(input);
  const given = ["video_url", "audio_url", "audio_file"].filter(
    (field) => input[field] !== undefined,
  );
  for (const field of ["mode", ...requiredFields(input), ...given])
    checkText(input[field], `input.${field}`);
  if ("callback_url" in body) checkText(body["callback_url"], "callback_url");
  return body as RequestBody;
}

/** A JSON copy: exactly what is sent. */
function toJson(request: unknown): unknown {
  try {
    return JSON.parse(JSON.stringify(request));
  } catch (error) {
    const why = String(property(error, "message"));
    throw new InvalidRequestError(`The request is not JSON: ${why}`, "input");
  }
}

/** The required fields of a mode; those of an unknown mode are checked by the server. */
function requiredFields({ mode, audio_type: audioType }: Record<string, unknown>): string[] {
  if (mode === "text2video") return ["text", "voice_id", "voice_language"];
  if (mode !== "audio2video") return [];
  return audioType === "url" || audioType === "file" ? [`audio_${audioType}`] : ["audio_type"];
}

/** Checks that a task id can be part of a path. */
export function checkTaskId(taskId: unknown): string {
  if (typeof taskId !== "string") throw badTaskId("is not a string; pass task.task_id");
  // "." and ".." would change the path, an empty id requests the list of tasks, and a lone surrogate
  // cannot be encoded.
  const isUnfit = /^\s*\.{0,2}\s*$|\p{Surrogate}/u.test(taskId);
  if (isUnfit) throw badTaskId("is blank or invalid in a URL");
  return taskId;
}

const badTaskId = (why: string) => new InvalidRequestError(`The task id ${why}.`, "taskId");
