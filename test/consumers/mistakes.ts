// The commonest mistakes. Above each statement is the last line that the compiler prints for it, which
// is the one that people read; `…` stands for anything.
import type { LipSyncClient } from "kling-lip-sync";
declare const { create, wait }: LipSyncClient;

const speech = { mode: "text2video", text: "t", voice_id: "v", voice_language: "zh" } as const;

// Type '"u"' is not assignable to type '"give either video_id or video_url, not both"'.
void create({ input: { video_id: "v", video_url: "u", ...speech } });

// Type '"u"' is not assignable to type '"put this field into input"'.
void create({ video_url: "u" });

// Type '"https://a.example"' is not assignable to type '"put this field beside input"'.
void create({ input: { video_id: "v", callback_url: "https://a.example", ...speech } });

// Property 'video_url' is missing … but required in type 'VideoUrlUnlessVideoId'.
void create({ input: { ...speech } });

// Property 'text' is missing … but required in type 'TextToVideo'.
void create({ input: { video_id: "v", mode: "text2video", voice_id: "v", voice_language: "zh" } });

// Property 'audio_url' is missing … but required in type 'AudioUrlToVideo'.
void create({ input: { video_url: "u", mode: "audio2video", audio_type: "url" } });

// Object literal may only specify known properties, … Did you mean to write 'voice_language'?
void create({
  input: { video_id: "v", mode: "text2video", text: "t", voice_id: "v", voiceLanguage: "zh" },
});

// Object is possibly 'undefined'.
void wait("t").then((task) => task.task_result.videos[1].url);
