/** What is measured of each peer: the same task, created and asked for once. */
export interface Peer {
  create: () => Promise<unknown>;
  get: () => Promise<unknown>;
  /** Waits until the task is done, as it does by default. */
  wait?: () => Promise<unknown>;
}

export type Connect = (baseUrl: string) => Peer;

/** An answer about the task, in the form that the peer's own wait understands. */
export type Answer = (isDone: boolean) => unknown;

// As long as the keys of most gateways.
export const KEY = "sk-0000-this-is-not-a-real-key-0000-0000-0000-0000-000";
export const PATH = "/kling/v1/videos/lip-sync";
export const TASK = "task-1";

export const request = {
  input: {
    video_url: "https://media.example/speaker.mp4",
    mode: "audio2video",
    audio_type: "url",
    audio_url: "https://media.example/speech.mp3",
  },
} as const;

/** What the gateway answers. */
export const answer: Answer = (isDone) => {
  const times = { created_at: 1722769557708, updated_at: 1722769557708 };
  const task = { task_id: TASK, task_status: isDone ? "succeed" : "processing", ...times };
  const videos = [{ id: "video-1", url: "https://media.example/1.mp4", duration: "5.1" }];
  const data = isDone ? { ...task, task_result: { videos } } : task;
  return { code: 0, message: "SUCCEED", request_id: "request-1", data };
};
