// The either/or rule: exactly one of video_id and video_url.
import { InvalidRequestError } from "./errors.js";
import { textOf } from "./json.js";
import type { RequestInput } from "./wire.js";

// A text as a type, because the compiler prints it; the names below it prints, too.
type NotBoth = "give either video_id or video_url, not both";

interface VideoIdUnlessVideoUrl {
  /** The id of a video that Kling made, at most 30 days ago. */
  video_id: NonNullable<RequestInput["video_id"]>;
  video_url?: NotBoth | undefined;
}

interface VideoUrlUnlessVideoId {
  /** The URL of your video: .mp4 or .mov, at most 100 MB, 720p or 1080p, 2 to 60 s. */
  video_url: NonNullable<RequestInput["video_url"]>;
  video_id?: NotBoth | undefined;
}

/** The video to lip-sync: exactly one of `video_id` and `video_url`. */
export type VideoSource = VideoIdUnlessVideoUrl | VideoUrlUnlessVideoId;

/** Removes the blank one of the two from `input`; throws unless exactly one is left. */
export function settleVideoSource(input: Record<string, unknown>): void {
  for (const field of ["video_id", "video_url"]) {
    // Absent is what is undefined, null or blank text, full-width blanks included.
    const isText = typeof (input[field] ?? "") === "string";
    if (isText && textOf(input[field]) === undefined) Reflect.deleteProperty(input, field);
    else requireText(input, field);
  }
  const hasId = "video_id" in input;
  const hasUrl = "video_url" in input;
  if (hasId && hasUrl) throw invalid("Give either input.video_id or input.video_url, not both.");
  if (!hasId && !hasUrl) throw invalid("Give a video: either input.video_id or input.video_url.");
}

const invalid = (message: string) => new InvalidRequestError(message, "input.video_url");

export function requireText(input: Record<string, unknown>, field: string): void {
  if (textOf(input[field]) !== undefined) return;
  throw new InvalidRequestError(`input.${field} must be a string with text.`, `input.${field}`);
}
