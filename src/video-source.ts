// The either/or rule: exactly one of video_id and video_url.
import { InvalidRequestError } from "./errors.js";
import { checkText } from "./field.js";
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

const NOT_ONE = "Give either input.video_id or input.video_url, not both.";

/** Removes the blank one of the two from `input`; throws unless exactly one is left. */
export function settleVideoSource(input: Record<string, unknown>): void {
  for (const field of ["video_id", "video_url"]) {
    const value = input[field] ?? "";
    if (typeof value !== "string") checkText(value, `input.${field}`);
    // Absent is what is undefined, null or blank text, full-width blanks included.
    else if (value.trim() === "") input[field] = undefined;
  }
  const hasOne = (input["video_id"] === undefined) !== (input["video_url"] === undefined);
  if (!hasOne) throw new InvalidRequestError(NOT_ONE, "input.video_url");
}
