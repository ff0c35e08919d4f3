// What `create` takes: its types, and the same check at run time.
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

/** What every mode takes; a field that is new in the document appears here. */
interface AnyMode extends Optional<Omit<RequestInput, ModeField>> {}

/** Mode `text2video`: the video says a text. */
export interface TextToVideo
  extends AnyMode, Needed<TextField>, Optional<Pick<RequestInput, "voice_speed">> {
  mode: Extract<RequestInput["mode"], "text2video">;
}

/** Mode `audio2video` with the URL of an audio file. */
export interface AudioUrlToVideo extends AnyMode, Needed<"audio_url"> {
  mode: Extract<RequestInput["mode"], "audio2video">;
  audio_type: Extract<RequestInput["audio_type"], "url">;
}

/** Mode `audio2video` with an audio file in Base64. */
export interface AudioFileToVideo extends AnyMode, Needed<"audio_file"> {
  mode: Extract<RequestInput["mode"], "audio2video">;
  audio_type: Extract<RequestInput["audio_type"], "file">;
}

/** Mode `audio2video`: the video says an audio file, at most 5 MB of mp3, wav, m4a or aac. */
export type AudioToVideo = AudioUrlToVideo | AudioFileToVideo;

// A text as a type, because the compiler prints it.
type Misplaced = {
  [Field in "mode" | "video_id" | "video_url"]?: "put this field into input" | undefined;
};

/** The body of `create`, spelled as on the wire: one video, one mode, and the fields of that mode. */
export interface LipSyncRequest extends Misplaced {
  /** The video, and what it says. */
  input: VideoSource & (TextToVideo | AudioToVideo);
  /**
   * An http(s) URL of yours to which the bare task is posted on every change of status, possibly
   * more than once. Read it with `parseTaskCallback`, then confirm it with `get`.
   */
  callback_url?: string | undefined;
}

const NO_INPUT = "input is missing: pass { input: { … } }.";

/**
 * Checks a request and returns the body to send: a copy as JSON has it, without a blank video field.
 * What only the server can judge, such as an unknown mode or field, passes.
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

/** A copy through JSON: what the wire will hold. */
function toJson(request: unknown): unknown {
  try {
    return JSON.parse(JSON.stringify(request));
  } catch (error) {
    const why = String(property(error, "message"));
    throw new InvalidRequestError(`The request is not JSON: ${why}`, "input");
  }
}

/** The fields that a mode requires; those of a mode that is new are the server's to judge. */
function requiredFields({ mode, audio_type: audioType }: Record<string, unknown>): string[] {
  if (mode === "text2video") return ["text", "voice_id", "voice_language"];
  if (mode !== "audio2video") return [];
  return audioType === "url" || audioType === "file" ? [`audio_${audioType}`] : ["audio_type"];
}

/** A task id that can be part of a path. */
export function checkTaskId(taskId: unknown): string {
  if (typeof taskId !== "string") throw badTaskId("is not a string; pass task.task_id");
  // The URL parser drops "." and climbs at "..", no id at all asks for the list, and a lone
  // surrogate cannot be encoded.
  const isUnfit = /^\s*\.{0,2}\s*$|\p{Surrogate}/u.test(taskId);
  if (isUnfit) throw badTaskId("is blank or unfit for a URL");
  return taskId;
}

const badTaskId = (why: string) => new InvalidRequestError(`The task id ${why}.`, "taskId");
