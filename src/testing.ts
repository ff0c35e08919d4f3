// A gateway in memory, for tests; published as kling-lip-sync/testing.
import { isRecord, parseJson } from "./json.js";
import type { LipSyncTask } from "./task.js";
import { LIP_SYNC_PATH } from "./wire.js";

/** How the fake gateway behaves. All options may be absent or `undefined`. */
export interface FakeGatewayOptions {
  /** The key that it accepts; default `"fake-gateway-key"`. */
  apiKey?: string | undefined;
  /** With which poll a task is done; the polls before answer `processing`; default 2. */
  polls?: number | undefined;
  /** Lets tasks end as `failed`, with this as their `task_status_msg`. */
  failWith?: string | undefined;
}

/** What the fake gateway was asked. */
export interface ReceivedRequest {
  /** Such as `"POST"`. */
  method: string;
  /** The path with its query, percent-encoded as it came. */
  path: string;
  /** The body as parsed JSON, as text where it is none, `undefined` where there was none. */
  body: unknown;
}

/**
 * A gateway in the memory of the process, for tests: `createLipSyncClient(createFakeGateway())`.
 * It costs nothing, needs no network and runs wherever `fetch` does.
 */
export interface FakeGateway {
  /** An origin that leads nowhere; the client's option of the same name. */
  baseUrl: string;
  /** The key that it accepts; the client's option of the same name. */
  apiKey: string;
  /** Answers as the gateway does, whatever the origin. */
  fetch: typeof globalThis.fetch;
  /** Every request, in the order in which they came. */
  received: ReceivedRequest[];
  /**
   * Every task by its id, as it was last returned. A task that you set or change here is what the
   * next query returns; after that it goes on as any other.
   */
  tasks: Map<string, LipSyncTask>;
  /** Gives the next requests these answers, in order: a `Response`, or an `Error` to fail with. */
  answerNext(...answers: (Response | Error)[]): void;
}

/**
 * Makes a fake gateway. It checks the key (401 with 1001 or 1002), the request (400 with 1201) and
 * the id (404 with 1203), and takes a task from `submitted` over `processing` to its end.
 */
export function createFakeGateway(options: FakeGatewayOptions = {}): FakeGateway {
  const { apiKey = "fake-gateway-key", polls = 2, failWith } = options;
  const received: ReceivedRequest[] = [];
  const tasks = new Map<string, LipSyncTask>();
  const polled = new Map<string, number>();
  /** The tasks as the gateway itself last left them. */
  const stored = new Map<string, { task: LipSyncTask; json: string }>();
  const planned: (Response | Error)[] = [];
  let requests = 0;
  let created = 0;

  function answer(status: number, code: number, message: string, data?: unknown): Response {
    return Response.json({ code, message, request_id: `request-${requests}`, data }, { status });
  }

  function create(body: unknown): Response {
    const problem = problemOf(body);
    if (problem) return answer(400, 1201, problem);
    const now = Date.now();
    created += 1;
    const task_id = `task-${created}`;
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
    const isPending = task.task_status === "submitted" || task.task_status === "processing";
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
    if (failWith !== undefined) return { task_status: "failed", task_status_msg: failWith };
    const url = `https://fake-gateway.invalid/${taskId}.mp4`;
    return {
      task_status: "succeed",
      task_result: { videos: [{ id: `video-of-${taskId}`, url, duration: "5.041" }] },
    };
  }

  return {
    baseUrl: "https://fake-gateway.invalid",
    apiKey,
    received,
    tasks,
    answerNext(...answers) {
      planned.push(...answers);
    },
    async fetch(input, init) {
      const request = new Request(input, init);
      request.signal.throwIfAborted();
      const { pathname, search } = new URL(request.url);
      const body = parse(await request.text());
      requests += 1;
      received.push({ method: request.method, path: pathname + search, body });

      const next = planned.shift();
      // Known by its shape: in Jest, an Error may be of another realm.
      if (next && "ok" in next) return next;
      if (next) throw next;

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

/** What Kling would refuse about the body of a `create`. */
function problemOf(body: unknown): string | undefined {
  const input = isRecord(body) ? body["input"] : undefined;
  if (!isRecord(input)) return "input is missing";
  const has = (field: string) => typeof input[field] === "string" && input[field].trim() !== "";
  if (has("video_id") === has("video_url")) return "give either video_id or video_url";
  const { mode, audio_type: audioType } = input;
  const isText = mode === "text2video";
  if (!isText && mode !== "audio2video") return "mode is neither text2video nor audio2video";
  if (!isText && audioType !== "file" && audioType !== "url") {
    return "audio_type is neither file nor url";
  }
  const needed = isText ? ["text", "voice_id", "voice_language"] : [`audio_${String(audioType)}`];
  const missing = needed.find((field) => !has(field));
  return missing && `${missing} is missing`;
}

function parse(text: string): unknown {
  if (text === "") return undefined;
  const json = parseJson(text);
  return json === undefined ? text : json;
}
