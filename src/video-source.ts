import { InvalidRequestError } from "./errors.js";
import type { GeneratedInput } from "./request.js";
import { textOf } from "./task.js";

// A text as a type, because the compiler prints it; the names below it prints, too.
type NotBoth = "give either video_id or video_url, not both";

interface VideoIdUnlessVideoUrl {
  /** A video that Kling made at most 30 days ago. */
  video_id: NonNullable<GeneratedInput["video_id"]>;
  video_url?: NotBoth | undefined;
}

interface VideoUrlUnlessVideoId {
  /** A video of yours: .mp4 or .mov, at most 100 MB, 720p or 1080p, 2 to 60 s. */
  video_url: NonNullable<GeneratedInput["video_url"]>;
  video_id?: NotBoth | undefined;
}

/** Which video is lip-synced: exactly one of `video_id` and `video_url`. */
export type VideoSource = VideoIdUnlessVideoUrl | VideoUrlUnlessVideoId;

/** Applies the either/or rule at run time and takes the blank one of the two out of `input`. */
export function settleVideoSource(input: Record<string, unknown>): void {
  const given = (["video_id", "video_url"] as const).filter((name) => {
    // Absent is what is undefined, null or blank, full-width blanks included.
    const value = input[name] ?? "";
    if (typeof value === "string" && !value.trim()) return !Reflect.deleteProperty(input, name);
    requireString(input, name);
    return true;
  });
  if (given.length === 1) return;
  throw new InvalidRequestError(
    given.length === 0
      ? "Give a video: either input.video_id or input.video_url."
      : "Give either input.video_id or input.video_url, not both.",
    "input.video_url",
  );
}

export function requireString(input: Record<string, unknown>, name: string): void {
  if (textOf(input[name]) !== undefined) return;
  throw new InvalidRequestError(`input.${name} must be a string with text.`, `input.${name}`);
}
