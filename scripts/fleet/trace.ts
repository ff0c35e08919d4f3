// What was done to each job of a fleet while it was claimed, so that a job that was parked can be
// explained.

/** The steps of a claim, each named after the command that comes next. */
export const STEPS = ["prove", "claim", "prove again", "create", "store", "release"] as const;
export type Step = (typeof STEPS)[number];

/** What a worker writes: a line `EVENT<tab>JOB`; of an error, what it says in place of the job. */
export type WorkerEvent = Step | "ready" | "frozen" | "lock lost" | "left" | "error";

/** The steps at which jobs are, in one worker. */
export type OpenJobs = Map<string, Step>;

export interface Trace {
  /** Why a job may be parked; each says what happened and at which step. */
  reasonsOf(job: string): string[];
  explain(job: string, reason: string): void;
  /** Says that something happened to all jobs that are at a step. */
  explainAll(jobs: OpenJobs, what: string, steps?: readonly Step[]): void;
}

/** A worker that ends at one of these leaves a claim behind; before, there is none. */
export const CLAIMED: readonly Step[] = STEPS.slice(1);

export function createTrace(): Trace {
  const reasons = new Map<string, string[]>();
  const explain = (job: string, reason: string) => {
    reasons.set(job, [...(reasons.get(job) ?? []), reason]);
  };
  return {
    reasonsOf: (job) => reasons.get(job) ?? [],
    explain,
    explainAll(jobs, what, steps = STEPS) {
      for (const [job, step] of jobs)
        if (steps.includes(step)) explain(job, `${what} at "${step}"`);
    },
  };
}
