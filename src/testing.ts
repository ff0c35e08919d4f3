// An in-memory gateway for tests; published as kling-lip-sync/testing.
import { isRecord, parseJson, textOf } from "./json.js";
import type { LipSyncRequest } from "./request.js";
import { asTask, isDone, isSucceeded, type LipSyncTask } from "./task.js";
import { LIP_SYNC_PATH } from "./wire.js";

const BASE_URL = "https://fake-gateway.invalid";
/** The first bytes of an MP4 file: the box with the file type. */
const VIDEO = "\0\0\0\x14ftypisom\0\0\x02\0isom";
const TEXT_FIELDS = ["text", "voice_id", "voice_language", "voice_speed"];
const AUDIO_FIELDS = ["audio_type", "audio_file", "audio_url"];

/** Options of `createFakeGateway`; `undefined` means the default. */
export interface FakeGatewayOptions {
  /** The API key that it accepts; default `"fake-gateway-key"`. */
  apiKey?: string | undefined;
  /** Which poll finds a task done; earlier polls return `processing`; default 2. */
  polls?: number | undefined;
  /**
   * Makes tasks fail with this `task_status_msg`. A function is called for each request; if it
   * returns `undefined`, the task succeeds.
   */
  failWith?: string | ((request: LipSyncRequest) => string | undefined) | undefined;
  /** With this many unfinished tasks, it rejects a create with 429 and 1303; default `Infinity`. */
  maxParallelTasks?: number | undefined;
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
  /** All requests, in order of arrival. */
  received: ReceivedRequest[];
  /**
   * All tasks by id, as last returned. If you set or change one, the next poll returns it as it is;
   * after that, it continues like any other.
   */
  tasks: Map<string, LipSyncTask>;
  /**
   * Queues responses for the next requests: a `Response`, an `Error` to fail with, or a promise of
   * either. With a promise that never settles, the gateway hangs.
   */
  answerNext(...answers: FakeAnswer[]): void;
}

/** A response or failure for `answerNext`. */
export type FakeAnswer = Response | Error | Promise<Response | Error>;

/**
 * Creates a fake gateway. Tasks go from `submitted` through `processing` to `succeed` or `failed`.
 * It rejects:
 *
 * - a missing or wrong key: 401 with code 1001 or 1002
 * - an unknown task id: 404 with 1203
 * - a create beyond `maxParallelTasks`: 429 with 1303
 * - a request without exactly one video, a known mode, all fields that the mode requires and none of
 *   the other mode, `zh` or `en`, and a speed from 0.8 to 2: 400 with 1201
 *
 * It checks neither media nor the length of a text.
 */
export function createFakeGateway(options: FakeGatewayOptions = {}): FakeGateway {
  const { apiKey = "fake-gateway-key", polls = 2, failWith, maxParallelTasks = Infinity } = options;
  const received: ReceivedRequest[] = [];
  const tasks = new Map<string, LipSyncTask>();
  const polled = new Map<string, number>();
  /** The tasks as the gateway itself last stored them. */
  const stored = new Map<string, { task: LipSyncTask; json: string }>();
  /** Why tasks will fail. */
  const failures = new Map<string, string | undefined>();
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
    const now = Date.now();
    created += 1;
    const task_id = `task-${created}`;
    const isFixed = typeof failWith !== "function";
    failures.set(task_id, isFixed ? failWith : failWith(body as LipSyncRequest));
    const times = { created_at: now, updated_at: now };
    return answer(
      200,
      0,
      "SUCCEED",
      store(task_id, { task_id, task_status: "submitted", ...times }),
    );
  }

  function query(taskId: string): Response {
    const task = tasks.get(taskId);
    if (!task) return answer(404, 1203, "task not found");
    const count = (polled.get(taskId) ?? 0) + 1;
    polled.set(taskId, count);
    const left = stored.get(taskId);
    const isSetByTest = left?.task !== task || left.json !== JSON.stringify(task);
    const isPending = !["succeed", "failed"].includes(settled(task).task_status);
    if (isSetByTest || !isPending) return answer(200, 0, "SUCCEED", store(taskId, task));
    const next = { ...task, ...progress(taskId, count), updated_at: Date.now() };
    return answer(200, 0, "SUCCEED", store(taskId, next));
  }

  function store(taskId: string, task: LipSyncTask): LipSyncTask {
    tasks.set(taskId, task);
    stored.set(taskId, { task, json: JSON.stringify(task) });
    return task;
  }

  function progress(taskId: string, count: number): Partial<LipSyncTask> {
    if (count < polls) return { task_status: "processing" };
    // For a task that a test set, no function was called.
    const all = typeof failWith === "string" ? failWith : undefined;
    const task_status_msg = failures.has(taskId) ? failures.get(taskId) : all;
    if (task_status_msg !== undefined) return { task_status: "failed", task_status_msg };
    const url = `${BASE_URL}/${taskId}.mp4`;
    return {
      task_status: "succeed",
      task_result: { videos: [{ id: `video-of-${taskId}`, url, duration: "5.041" }] },
    };
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

      const next = await untilAbort(planned.shift(), init?.signal ?? request.signal);
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
      if (request.method === "GET" && id) return query(decodeURIComponent(id));
      return answer(404, 1202, "no such operation");
    },
  };
}

/** A task in Kling's words; a test may have used another gateway's. */
const settled = (task: LipSyncTask): LipSyncTask => asTask(task) ?? task;

/** The id of the task whose video has this path, or an empty string. */
function videoOf(pathname: string): string {
  return /^\/([^/]+)\.mp4$/.exec(pathname)?.[1] ?? "";
}

/** What was planned, unless the caller aborts first. */
async function untilAbort(planned: FakeAnswer | undefined, signal: AbortSignal) {
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener("abort", () => {
      reject(signal.reason);
    });
  });
  return await Promise.race([planned, aborted]);
}

/** Why Kling would reject the body of a `create`. */
function problemOf(body: unknown): string | undefined {
  const input = isRecord(body) ? body["input"] : undefined;
  if (!isRecord(input)) return "input is missing";
  const has = (field: string) => textOf(input[field]) !== undefined;
  if (has("video_id") === has("video_url")) return "give either video_id or video_url";
  const { mode, audio_type: audioType, voice_language: language, voice_speed: speed = 1 } = input;
  const isText = mode === "text2video";
  if (!isText && mode !== "audio2video") return "mode is neither text2video nor audio2video";
  const foreign = (isText ? AUDIO_FIELDS : TEXT_FIELDS).find((field) => field in input);
  if (foreign) return `${foreign} is a field of the other mode`;
  if (!isText && audioType !== "file" && audioType !== "url") {
    return "audio_type is neither file nor url";
  }
  const needed = isText ? ["text", "voice_id", "voice_language"] : [`audio_${String(audioType)}`];
  const missing = needed.find((field) => !has(field));
  if (missing) return `${missing} is missing`;
  if (isText && language !== "zh" && language !== "en")
    return "voice_language is neither zh nor en";
  const isSpeed = typeof speed === "number" && speed >= 0.8 && speed <= 2;
  return isSpeed ? undefined : "voice_speed must be from 0.8 to 2";
}

function parse(text: string): unknown {
  if (text === "") return undefined;
  const json = parseJson(text);
  return json === undefined ? text : json;
}
