// The entry kling-lip-sync/bullmq: the processor of a BullMQ worker (processor.ts), and what a person
// or a callback does to its jobs (settle.ts). It does not import BullMQ; job.ts has the few methods
// that are used, which versions 5 and 6 have.
//
// A job is claimed between two proofs of its lock, its task is created with one request, and its id
// is stored. Whatever is uncertain is parked for a person. Eight rules keep that true while workers
// freeze, die and wake up late, because BullMQ writes data and progress without asking for a lock:
//
// 1. Data is written only under a proven lock, or by a settle that has an id.
// 2. An id goes to the job's log, then its progress, then (after a proof) its data, so that a worker
//    that wakes up late cannot replace a newer id. If one of the three fails, the job cannot be
//    retried, and its reason has the id.
// 3. A run creates only if neither data nor progress names a task, and there is no claim, or the
//    claim is denied by its name: { noTask: true } writes that name into progress, and never data,
//    so that it cannot take away the claim of a worker that has begun since. A run without an id
//    takes over the task that progress names, under a proof.
// 4. After an uncertain create, the reason goes into the note and the job is delayed by 0; the next
//    run takes over what a callback has brought meanwhile, or parks.
// 5. { noTask: true } is refused if data, progress or log names a task. A settle writes its row of
//    the log before it retries the job, so that one that failed halfway can be repeated.
// 6. A callback asks the gateway for its task, then writes log and progress, and never data. Then it
//    retries a parked job and promotes a delayed one; while the job is changing, it looks again.
// 7. A failed job is never deleted: each run first sets `removeOnFail` to false in the job that
//    BullMQ holds in memory, which wins over the worker's own option. A job without a note is then
//    refused if its option could delete something.
// 8. After an uncertain create, or a refusal that every request would share, this process creates
//    nothing for a while, measured by a clock that cannot be set. After an uncertain one it then
//    creates one task at a time, until one is accepted or refused. No time that comes from a note, an
//    option or a response delays a job for longer than is documented.
export type { LipSyncJob, LipSyncJobData, LipSyncNote, LipSyncQueue } from "./job.js";
export { lipSyncProcessor, type LipSyncProcessorOptions } from "./processor.js";
export { isParked, receiveLipSyncCallback, settleLipSyncJob } from "./settle.js";
export type { Found } from "../found.js";
