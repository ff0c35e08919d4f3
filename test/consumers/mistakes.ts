// The four commonest mistakes, one statement each, in the order in which scripts/runtimes.ts has them.
import type { LipSyncClient } from "kling-lip-sync";
declare const { create }: LipSyncClient;

void create({
  input: {
    video_id: "v",
    video_url: "u",
    mode: "text2video",
    text: "t",
    voice_id: "v",
    voice_language: "zh",
  },
});
void create({ input: { mode: "text2video", text: "t", voice_id: "v", voice_language: "zh" } });
void create({ input: { video_id: "v", mode: "text2video", voice_id: "v", voice_language: "zh" } });
void create({
  input: { video_id: "v", mode: "text2video", text: "t", voice_id: "v", voiceLanguage: "zh" },
});
