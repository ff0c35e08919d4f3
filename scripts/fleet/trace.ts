// What happened to the jobs of a fleet while they were claimed, so that a job that was parked can be
// explained.

/** The steps of a claim, each named after the command that comes next. */
export const STEPS = ["prove", "claim", "prove again", "create", "store", "release"] as const;
export type Step = (typeof STEPS)[number];

/** A worker that is killed at one of these may leave a claim behind. */
export const CLAIMED: readonly Step[] = STEPS.slice(1);

/** What a worker writes: a line `EVENT<tab>JOB`; of an error, what it says in place of the job. */
export type WorkerEvent = Step | "ready" | "frozen" | "lock lost" | "left" | "error";

/** The steps at which jobs are, in one worker. */
export type OpenJobs = Map<string, Step>;

/** Why a job may be parked, the plainest reason first. */
export const CAUSES = [
  "a fault of the gateway",
  "a kill",
  "a freeze",
  "the end of Redis",
  "a late worker",
] as const;
export type Cause = (typeof CAUSES)[number];

export interface Trace {
  /** The plainest reason why a job may be parked. */
  causeOf(job: string): Cause | undefined;
  explain(job: string, cause: Cause): void;
  /** Explains the jobs that are at one of these steps. */
  explainAll(jobs: OpenJobs, cause: Cause, steps?: readonly Step[]): void;
}

export function createTrace(): Trace {
  const found = new Map<string, Set<Cause>>();
  const explain = (job: string, cause: Cause) => {
    found.set(job, new Set(found.get(job)).add(cause));
  };
  return {
    causeOf: (job) => CAUSES.find((cause) => found.get(job)?.has(cause)),
    explain,
    explainAll(jobs, cause, steps = STEPS) {
      for (const [job, step] of jobs) if (steps.includes(step)) explain(job, cause);
    },
  };
}
