// An in-memory gateway for tests; published as kling-lip-sync/testing.
import { parseJson, property } from "./json.js";
import type { LipSyncRequest } from "./request.js";
import { asTask, isDone, isSucceeded, type LipSyncTask } from "./task.js";
import { refusedConnection, resetConnection } from "./testing/failures.js";
import { problemOf } from "./testing/problem.js";
import { LONGEST_TIMER_MS } from "./time.js";
import { LIP_SYNC_PATH } from "./wire.js";

const BASE_URL = "https://fake-gateway.invalid";
/** The first bytes of an MP4 file: the box with the file type. */
const VIDEO = "\0\0\0\x14ftypisom\0\0\x02\0isom";
/** How much of `durationMs` passes before a task is `processing`. */
const SUBMITTED_SHARE = 1 / 4;

/** Options of `createFakeGateway`; `undefined` means the default. */
export interface FakeGatewayOptions {
  /** The API key that it accepts; default `"fake-gateway-key"`. */
  apiKey?: string | undefined;
  /** Which poll finds a task done; earlier polls return `processing`; default 2. */
  polls?: number | undefined;
  /**
   * Makes tasks progress by time instead of by polls: they are `processing` after a quarter of these
   * milliseconds, and done after all of them, polled or not.
   */
  durationMs?: number | undefined;
  /**
   * Makes tasks fail with this `task_status_msg`. A function is called for each request; if it
   * returns `undefined`, the task succeeds.
   */
  failWith?: string | ((request: LipSyncRequest) => string | undefined) | undefined;
  /** With this many unfinished tasks, it rejects a create with 429 and 1303; default `Infinity`. */
  maxParallelTasks?: number | undefined;
  /**
   * Called on each status change of a task whose request has a `callback_url`, with that URL and what
   * Kling posts to it. If it throws or rejects, nothing happens.
   */
  onCallback?: ((url: string, task: LipSyncTask) => unknown) | undefined;
}

/** A request that the fake gateway received. */
export interface ReceivedRequest {
  /** The HTTP method, such as `"POST"`. */
  method: string;
  /** Path and query, percent-encoded as received. */
  path: string;
  /** The parsed JSON body; its text if it is not JSON; `undefined` if there was none. */
  body: unknown;
}

/**
 * An in-memory gateway for tests: `createLipSyncClient(createFakeGateway())`. It costs nothing,
 * needs no network and runs wherever `fetch` does.
 */
export interface FakeGateway {
  /** An origin that does not exist. */
  baseUrl: string;
  /** The API key that it accepts. */
  apiKey: string;
  /** Responds as the gateway does, whatever the origin. The URL of a video returns a few bytes. */
  fetch: typeof globalThis.fetch;
  /** All requests, in order, including those that `answerNext` lets fail. */
  received: ReceivedRequest[];
  /**
   * All tasks by id, as last returned. If you set or change one, the next poll returns it as it is;
   * after that, it continues like any other.
   */
  tasks: Map<string, LipSyncTask>;
  /**
   * Queues what happens to the next requests: a `Response`, an `Error` to fail with, a promise of
   * either, or a failure.
   *
   * - `"refused"`: the connection is refused, so that nothing is sent
   * - `"reset"`: the connection is reset before the response
   * - `"hang"`: no response until the request is aborted
   */
  answerNext(...answers: FakeAnswer[]): void;
}

/** A response or failure for `answerNext`. */
export type FakeAnswer =
  Response | Error | Promise<Response | Error> | "refused" | "reset" | "hang";

/**
 * Creates a fake gateway. Tasks go from `submitted` through `processing` to `succeed` or `failed`.
 * It rejects:
 *
 * - a missing or wrong key: 401 with code 1001 or 1002
 * - an unknown task id: 404 with 1203
 * - a create beyond `maxParallelTasks`: 429 with 1303
 * - a request that `create` of the client would not send, or without a known mode, `zh` or `en` and a
 *   speed from 0.8 to 2, or with a field of the other mode: 400 with 1201
 *
 * It checks neither media nor the length of a text.
 */
export function createFakeGateway(options: FakeGatewayOptions = {}): FakeGateway {
  const { apiKey = "fake-gateway-key", polls = 2, durationMs, failWith } = options;
  const { maxParallelTasks = Infinity, onCallback } = options;
  const received: ReceivedRequest[] = [];
  const tasks = new Map<string, LipSyncTask>();
  const states = new Map<string, State>();
  const planned: FakeAnswer[] = [];
  let requests = 0;
  let created = 0;

  function answer(status: number, code: number, message: string, data?: unknown): Response {
    return Response.json({ code, message, request_id: `request-${requests}`, data }, { status });
  }

  function create(body: unknown): Response {
    const problem = problemOf(body);
    if (problem) return answer(400, 1201, problem);
    const running = [...tasks.values()].filter((task) => !isDone(settled(task))).length;
    if (running >= maxParallelTasks) return answer(429, 1303, "too many parallel tasks");
    const request = body as LipSyncRequest;
    const now = Date.now();
    created += 1;
    const task_id = `task-${created}`;
    states.set(task_id, {
      ...newState(),
      failure: typeof failWith === "function" ? failWith(request) : failWith,
      callbackUrl: request.callback_url,
    });
    const times = { created_at: now, updated_at: now };
    const task = store(task_id, { task_id, task_status: "submitted", ...times });
    startTimers(task_id);
    return answer(200, 0, "SUCCEED", task);
  }

  function query(taskId: string): Response {
    const task = tasks.get(taskId);
    if (!task) return answer(404, 1203, "task not found");
    const state = stateOf(taskId);
    state.polls += 1;
    if (isSetByTest(taskId, task)) {
      store(taskId, task);
      startTimers(taskId);
    } else if (durationMs === undefined && !isOver(task)) {
      move(taskId, task, state.polls < polls ? { task_status: "processing" } : end(taskId));
    }
    return answer(200, 0, "SUCCEED", tasks.get(taskId));
  }

  /** With `durationMs`, moves the task on by time, from now. */
  function startTimers(taskId: string): void {
    if (durationMs === undefined) return;
    const state = stateOf(taskId);
    for (const timer of state.timers) clearTimeout(timer);
    const step = (next: Partial<LipSyncTask>) => () => {
      const task = tasks.get(taskId);
      // What a test has set stays until it is polled.
      if (task && !isSetByTest(taskId, task) && !isOver(task)) move(taskId, task, next);
    };
    state.timers = [
      startTimer(durationMs * SUBMITTED_SHARE, step({ task_status: "processing" })),
      startTimer(durationMs, step(end(taskId))),
    ];
  }

  function move(taskId: string, task: LipSyncTask, next: Partial<LipSyncTask>): void {
    const moved = store(taskId, { ...task, ...next, updated_at: Date.now() });
    const { callbackUrl } = stateOf(taskId);
    if (!callbackUrl || moved.task_status === task.task_status) return;
    const callBack = async () => {
      await onCallback?.(callbackUrl, { ...moved });
    };
    callBack().catch(() => undefined);
  }

  /** How the task ends. */
  function end(taskId: string): Partial<LipSyncTask> {
    const { failure } = stateOf(taskId);
    if (failure !== undefined) return { task_status: "failed", task_status_msg: failure };
    const url = `${BASE_URL}/${encodeURIComponent(taskId)}.mp4`;
    return {
      task_status: "succeed",
      task_result: { videos: [{ id: `video-of-${taskId}`, url, duration: "5.041" }] },
    };
  }

  function stateOf(taskId: string): State {
    // For a task that a test set, no function is called.
    const failure = typeof failWith === "string" ? failWith : undefined;
    const state = states.get(taskId) ?? { ...newState(), failure };
    states.set(taskId, state);
    return state;
  }

  function store(taskId: string, task: LipSyncTask): LipSyncTask {
    tasks.set(taskId, task);
    stateOf(taskId).stored = { task, json: JSON.stringify(task) };
    return task;
  }

  function isSetByTest(taskId: string, task: LipSyncTask): boolean {
    const { stored } = stateOf(taskId);
    return stored?.task !== task || stored.json !== JSON.stringify(task);
  }

  return {
    baseUrl: BASE_URL,
    apiKey,
    received,
    tasks,
    answerNext(...answers) {
      planned.push(...answers);
      // A promise may reject before its request arrives.
      for (const answer of answers) Promise.resolve(answer).catch(() => undefined);
    },
    async fetch(input, init) {
      const request = new Request(input, init);
      request.signal.throwIfAborted();
      const { pathname, search } = new URL(request.url);
      const body = parse(await request.text());
      requests += 1;
      received.push({ method: request.method, path: pathname + search, body });

      const next = await untilAbort(resultOf(planned.shift()), init?.signal ?? request.signal);
      // Checked by shape, because in Jest an Error may come from another realm.
      if (next && "ok" in next) return next;
      if (next) throw next;
      const owner = tasks.get(videoOf(pathname));
      const isVideo = request.method === "GET" && owner && isSucceeded(settled(owner));
      if (isVideo) return new Response(VIDEO, { headers: { "content-type": "video/mp4" } });

      const key = /^Bearer\s+(.+)$/.exec(request.headers.get("authorization") ?? "")?.[1];
      if (!key) return answer(401, 1001, "authorization is empty");
      if (key !== apiKey) return answer(401, 1002, "authorization is invalid");
      if (request.method === "POST" && pathname === LIP_SYNC_PATH) return create(body);
      const id = pathname.startsWith(`${LIP_SYNC_PATH}/`)
        ? pathname.slice(LIP_SYNC_PATH.length + 1)
        : "";
      if (request.method === "GET" && id) return query(decode(id));
      return answer(404, 1202, "no such operation");
    },
  };
}

/** What the gateway keeps of a task. */
interface State {
  /** The task as the gateway itself stored it; a test may have changed it or set another one. */
  stored: { task: LipSyncTask; json: string } | undefined;
  polls: number;
  /** Why the task will fail. */
  failure: string | undefined;
  callbackUrl: string | undefined;
  timers: Timer[];
}

type Timer = ReturnType<typeof setTimeout>;

const newState = (): State => ({
  stored: undefined,
  polls: 0,
  failure: undefined,
  callbackUrl: undefined,
  timers: [],
});

/** A timer that does not keep a process alive, where the runtime has such timers. */
function startTimer(delayMs: number, work: () => void): Timer {
  const timer = setTimeout(work, Math.min(delayMs, LONGEST_TIMER_MS));
  const unref = property(timer, "unref");
  if (typeof unref === "function") unref.call(timer);
  return timer;
}

/** A task in Kling's words; a test may have used another gateway's. */
const settled = (task: LipSyncTask): LipSyncTask => asTask(task) ?? task;

const isOver = (task: LipSyncTask): boolean =>
  ["succeed", "failed"].includes(settled(task).task_status);

/** The id of the task whose video has this path, or an empty string. */
function videoOf(pathname: string): string {
  return decode(/^\/([^/]+)\.mp4$/.exec(pathname)?.[1] ?? "");
}

/** Decodes a part of a path; one that is malformed stays as it is. */
function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** What happens to a request: a response, or an error to fail with. */
function resultOf(answer: FakeAnswer | undefined) {
  if (answer === "refused") return refusedConnection();
  if (answer === "reset") return resetConnection();
  if (answer === "hang") return new Promise<never>(() => undefined);
  return answer;
}

/** What was planned, unless the caller aborts first. */
async function untilAbort(planned: ReturnType<typeof resultOf>, signal: AbortSignal) {
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener("abort", () => {
      reject(signal.reason);
    });
  });
  return await Promise.race([planned, aborted]);
}

function parse(text: string): unknown {
  if (text === "") return undefined;
  const json = parseJson(text);
  return json === undefined ? text : json;
}
