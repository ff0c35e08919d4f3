// What a file in peers/ exports, and the request and response that are the same for all of them.

/** The same task, created and queried once. */
export interface Client {
  create: () => Promise<unknown>;
  get: () => Promise<unknown>;
  /** Waits until the task is done, with the default options. */
  wait?: () => Promise<unknown>;
}

/** A task in the form that the client's own wait understands. */
export type Answer = (isDone: boolean) => unknown;

export interface Peer {
  connect: (baseUrl: string) => Client;
  answer?: Answer;
}

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

/** What the gateway sends. */
export const gatewayAnswer = (isDone: boolean) => {
  const task = { task_id: TASK, created_at: 1722769557708, updated_at: 1722769557708 };
  const videos = [{ id: "video-1", url: "https://media.example/1.mp4", duration: "5.1" }];
  const data = isDone
    ? { ...task, task_status: "succeed", task_result: { videos } }
    : { ...task, task_status: "processing" };
  return { code: 0, message: "SUCCEED", request_id: "request-1", data };
};
