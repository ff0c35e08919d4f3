// The entry kling-lip-sync/batch (Node): creates the videos of many clips in a folder, any number of
// processes at a time. The folder has the videos and one file that only grows, journal.jsonl.
//
// 1. An event is one line, appended with one write. What a clip is, its lines say, in their order
//    (fold.ts). Nothing is overwritten, so no late, frozen or killed process can take anything back.
// 2. After every append, the new bytes are read back. A line that is not whole is appended again.
// 3. A claim before the POST has the clip if the clip was free at that line; otherwise it is void for
//    ever. A claim, a task id and what a person says are synced to the disk.
// 4. A clip that has a task is not created again, whichever claim the task names, unless the task
//    failed and a person said so. A second task id is kept, and shown.
// 5. A claim without an outcome is never free: after two minutes it is uncertain, and a person settles
//    it. That is derived when it is read, and never written.
// 6. Creates go one at a time, with one request each; tasks are polled side by side.
export type { LipSyncClip, LipSyncClipCounts, LipSyncClipState } from "./clip.js";
export { type LipSyncBatchReport, runLipSyncBatch } from "./run.js";
export type { LipSyncBatchOptions, LipSyncBatchStop, LipSyncBatchUpdate } from "./options.js";
export { type LipSyncSettleOptions, readLipSyncBatch, settleLipSyncClip } from "./settle.js";
export type { Found } from "../found.js";
