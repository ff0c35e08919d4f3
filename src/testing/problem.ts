// Why Kling would reject the body of a `create`.
import { property } from "../json.js";
import { parseLipSyncRequest } from "../request.js";

const TEXT_FIELDS = ["text", "voice_id", "voice_language", "voice_speed"];
const AUDIO_FIELDS = ["audio_type", "audio_file", "audio_url"];

/** The first problem of a request, or `undefined`. */
export function problemOf(body: unknown): string | undefined {
  try {
    parseLipSyncRequest(body);
  } catch (error) {
    return String(property(error, "message"));
  }
  const field = (name: string) => property(property(body, "input"), name);

  const isText = field("mode") === "text2video";
  const isAudio = field("mode") === "audio2video";
  if (!isText && !isAudio) return "mode is neither text2video nor audio2video";

  const foreignFields = isText ? AUDIO_FIELDS : TEXT_FIELDS;
  const foreign = foreignFields.find((name) => field(name) !== undefined);
  if (foreign) return `${foreign} is a field of the other mode`;

  const isType = field("audio_type") === "file" || field("audio_type") === "url";
  if (isAudio && !isType) return "audio_type is neither file nor url";

  const isLanguage = field("voice_language") === "zh" || field("voice_language") === "en";
  if (isText && !isLanguage) return "voice_language is neither zh nor en";

  const speed = field("voice_speed");
  if (speed === undefined) return undefined;
  const isSpeed = typeof speed === "number" && speed >= 0.8 && speed <= 2;
  return isSpeed ? undefined : "voice_speed must be from 0.8 to 2";
}
