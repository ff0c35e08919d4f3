// Exactly one of video_id and video_url, as a type and at run time.
import { InvalidRequestError } from "./errors.js";
import { checkText } from "./field.js";
import type { RequestInput } from "./wire.js";

// The compiler prints this text in its errors, and the names of the interfaces below.
type NotBoth = "give either video_id or video_url, not both";

interface VideoIdUnlessVideoUrl {
  /** The id of a video that Kling generated at most 30 days ago. */
  video_id: NonNullable<RequestInput["video_id"]>;
  video_url?: NotBoth | undefined;
}

interface VideoUrlUnlessVideoId {
  /** The URL of a video: .mp4 or .mov, at most 100 MB, 720p or 1080p, 2 to 60 s. */
  video_url: NonNullable<RequestInput["video_url"]>;
  video_id?: NotBoth | undefined;
}

/** The video to lip-sync: exactly one of `video_id` and `video_url`. */
export type VideoSource = VideoIdUnlessVideoUrl | VideoUrlUnlessVideoId;

const NOT_ONE = "Give exactly one of input.video_id and input.video_url.";

/** Removes a blank field from `input`; throws unless exactly one of the two is left. */
export function settleVideoSource(input: Record<string, unknown>): void {
  for (const field of ["video_id", "video_url"]) {
    const value = input[field] ?? "";
    if (typeof value !== "string") checkText(value, `input.${field}`);
    // undefined, null and blank strings count as missing, full-width spaces included.
    else if (value.trim() === "") input[field] = undefined;
  }
  const hasOne = (input["video_id"] === undefined) !== (input["video_url"] === undefined);
  if (!hasOne) throw new InvalidRequestError(NOT_ONE, "input.video_url");
}
