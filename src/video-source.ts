// Exactly one of video_id and video_url, as a type and at run time.
import { InvalidRequestError } from "./errors.js";
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

const MISSING = "The video is missing: give input.video_id or input.video_url.";
const BOTH = "Give input.video_id or input.video_url, not both.";

/** Throws unless an `input` without blank fields has one video. */
export function requireOneVideo(input: object): void {
  const hasId = "video_id" in input;
  const hasUrl = "video_url" in input;
  if (hasId === hasUrl) throw new InvalidRequestError(hasId ? BOTH : MISSING, "input.video_url");
}
