/** Each sentence of the README's section on failures, and what shows that it is true. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { inspect } from "node:util";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  ApiError,
  ConfigurationError,
  ConnectionError,
  createLipSyncClient,
  InvalidRequestError,
  LipSyncError,
  type LipSyncRequest,
  TaskFailedError,
  TaskTimeoutError,
} from "../src/index.js";
import { createFakeGateway } from "../src/testing.js";

const key = "sk-promise/0123456789";
const request: LipSyncRequest = {
  input: {
    video_id: "v",
    mode: "text2video",
    text: "t",
    voice_id: "v",
    voice_language: "zh",
  },
};
const task = { task_id: "t", task_status: "processing", created_at: 1, updated_at: 1 };

type Step = Response | Error | "hang";

/** A client whose fetch takes these steps in turn, and then answers with a task. */
function setUp(...steps: Step[]) {
  const bodies: unknown[] = [];
  const at: number[] = [];
  const start = Date.now();
  const client = createLipSyncClient({
    baseUrl: "https://gateway.example",
    apiKey: key,
    fetch: (_, init) => {
      bodies.push(init?.body);
      at.push(Date.now() - start);
      const step = steps.shift() ?? Response.json({ code: 0, data: task });
      if (step === "hang") return new Promise(() => undefined);
      return step instanceof Error ? Promise.reject(step) : Promise.resolve(step);
    },
  });
  return { client, bodies, at };
}

const answer = (status: number, body: unknown = "", headers: HeadersInit = {}) =>
  new Response(typeof body === "string" ? body : JSON.stringify(body), { status, headers });
const never = () =>
  new TypeError("fetch failed", {
    cause: Object.assign(new Error("refused"), { code: "ECONNREFUSED", syscall: "connect" }),
  });
const broken = () => new TypeError("fetch failed", { cause: new Error("read ECONNRESET") });

/** The error that a call ends with, the virtual clock running on until it does. */
async function errorOf<T = LipSyncError>(call: Promise<unknown>): Promise<T> {
  const ended = call.then(
    () => {
      throw new Error("it did not fail");
    },
    (error: unknown) => error as T,
  );
  await vi.advanceTimersByTimeAsync(4_000_000);
  return ended;
}

const creating = async (...steps: Step[]) => {
  const { client, bodies } = setUp(...steps);
  const error = await errorOf(client.create(request, { maxRetries: 0 }));
  expect(bodies).toHaveLength(1);
  return error;
};

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, "random").mockReturnValue(0.5);
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const promises: Record<string, () => Promise<void>> = {
  "All extend `LipSyncError`.": () => {
    const classes = [
      ConfigurationError,
      InvalidRequestError,
      ApiError,
      ConnectionError,
      TaskFailedError,
      TaskTimeoutError,
    ];
    for (const { prototype } of classes) expect(prototype).toBeInstanceOf(LipSyncError);
    return Promise.resolve();
  },

  "`ApiError.code` is Kling's code as a number, also where it came as a numeric string, or else the gateway's word.":
    async () => {
      for (const [code, kept] of [
        [1201, 1201],
        ["1201", 1201],
        ["insert_task_failed", "insert_task_failed"],
      ]) {
        expect(await creating(answer(400, { code }))).toMatchObject({ code: kept });
      }
    },

  "`ApiError.requestId` is the answer's `request_id`, else its header `x-request-id`.":
    async () => {
      const headers = { "x-request-id": "header" };
      const both = await creating(answer(400, { request_id: "body" }, headers));
      expect(both).toMatchObject({ requestId: "body" });
      expect(await creating(answer(400, "", headers))).toMatchObject({ requestId: "header" });
    },

  "The message of an `ApiError` names method, path and status, and the code and the request id where there are any.":
    async () => {
      const { message } = await creating(answer(400, { code: 1201, request_id: "r-1" }));
      expect(message).toContain("POST /kling/v1/videos/lip-sync answered 400, code 1201");
      expect(message).toContain("request id r-1");
      expect((await creating(answer(400))).message).not.toMatch(/code|request id/);
    },

  "`TaskTimeoutError.task` is the task as it was last answered.": async () => {
    const { client } = setUp(answer(200, { code: 0, data: { ...task, task_status: "submitted" } }));
    const error = await errorOf<TaskTimeoutError>(client.wait("t", { timeoutMs: 15_000 }));
    expect(error.task).toEqual(task);
  },

  "It is absent if no poll was answered.": async () => {
    const error = await errorOf<TaskTimeoutError>(setUp("hang").client.wait("t", { timeoutMs: 9 }));
    expect(error).toBeInstanceOf(TaskTimeoutError);
    expect(error.task).toBeUndefined();
  },

  "`TaskTimeoutError.cause` is the error of the last poll that ended, if it failed.": async () => {
    const { client } = setUp(answer(502), "hang");
    const error = await errorOf<TaskTimeoutError>(client.wait("t", { timeoutMs: 15_000 }));
    expect(error.cause).toMatchObject({ status: 502 });
    const fine = await errorOf<TaskTimeoutError>(setUp().client.wait("t", { timeoutMs: 5 }));
    expect(fine.cause).toBeUndefined();
  },

  "Every one of these errors has `mayHaveCreatedTask`.": async () => {
    const failed = { ...task, task_status: "failed" };
    const errors = [
      await errorOf(createLipSyncClient().get("t")),
      await errorOf(setUp().client.get("")),
      await creating(answer(500)),
      await creating(broken()),
      await errorOf(setUp(answer(200, { code: 0, data: failed })).client.wait("t")),
      await errorOf(setUp().client.wait("t")),
    ];
    expect(errors.map((error) => [error.name, error.mayHaveCreatedTask])).toEqual([
      ["ConfigurationError", false],
      ["InvalidRequestError", false],
      ["ApiError", true],
      ["ConnectionError", true],
      ["TaskFailedError", false],
      ["TaskTimeoutError", false],
    ]);
  },

  "Only `create` can set it to `true`.": async () => {
    const steps = [() => answer(500), () => answer(200, "<html>"), broken, () => "hang" as const];
    for (const step of steps) {
      expect((await creating(step())).mayHaveCreatedTask).toBe(true);
      const get = setUp(step()).client.get("t", { maxRetries: 0 });
      expect((await errorOf(get)).mayHaveCreatedTask).toBe(false);
    }
  },

  "`false`: this call created no task.": () => neverBehind(),
  "Calling `create` again cannot pay twice.": () => neverBehind(),
  "`true`: this call may have created one.": () => behind(),
  "Look for it at the gateway, in its console or its list of tasks, before you call `create` again.":
    () => behind(),

  "It is `false` in three cases:": async () => {
    expect((await errorOf(setUp().client.create({} as never))).mayHaveCreatedTask).toBe(false);
    expect((await creating(never())).mayHaveCreatedTask).toBe(false);
    expect((await creating(answer(400))).mayHaveCreatedTask).toBe(false);
  },

  "Nothing was sent.": async () => {
    const { client, bodies } = setUp();
    const invalid = await errorOf(client.create({} as never));
    const apiKey = () => new Promise<string>(() => undefined);
    const hanging = createLipSyncClient({ baseUrl: "https://gateway.example", apiKey });
    const slow = await errorOf(hanging.create(request, { maxRetries: 0 }));
    expect([invalid, slow].map((error) => error.mayHaveCreatedTask)).toEqual([false, false]);
    expect(bodies).toEqual([]);
  },

  "The connection was certainly never made.": async () => {
    expect(await creating(never())).toMatchObject({
      name: "ConnectionError",
      mayHaveCreatedTask: false,
    });
  },

  "The server refused.": async () => {
    expect((await creating(answer(401, { code: 1002 }))).mayHaveCreatedTask).toBe(false);
  },

  "That is a Kling code from 1000 to 1999 at any status, a 3xx except 303, or a 4xx except 408.":
    async () => {
      for (const status of [200, 400, 500, 503]) {
        for (const [code, isOpen] of [
          [999, status !== 400],
          [1000, false],
          [1999, false],
          [2000, status !== 400],
        ] as const) {
          const error = await creating(answer(status, { code }));
          expect([status, code, error.mayHaveCreatedTask]).toEqual([status, code, isOpen]);
        }
      }
      for (const status of [301, 302, 303, 304, 307, 308, 400, 404, 408, 413, 429, 499]) {
        const { mayHaveCreatedTask } = await creating(new Response(null, { status }));
        expect([status, mayHaveCreatedTask]).toEqual([status, status === 303 || status === 408]);
      }
    },

  "Every other answer without a task, and every connection that broke, is `true`.": async () => {
    const answers = [answer(200), answer(200, "null"), answer(200, { code: 0 }), answer(599)];
    for (const step of [...answers, broken(), "hang" as const]) {
      expect((await creating(step)).mayHaveCreatedTask).toBe(true);
    }
  },

  "A 5xx is, since a gateway can answer 500 after Kling took the task.": async () => {
    const late = answer(500, { code: "insert_task_failed", message: "", data: null });
    expect((await creating(late)).mayHaveCreatedTask).toBe(true);
  },

  "So is a 200 with a web page in it.": async () => {
    expect((await creating(answer(200, "<!doctype html>"))).mayHaveCreatedTask).toBe(true);
  },

  "Where a runtime does not say that the connection was never made, it is not certain.":
    async () => {
      expect((await creating(new TypeError("Failed to fetch"))).mayHaveCreatedTask).toBe(true);
    },

  "`create` and `get` repeat at most `maxRetries` times.": async () => {
    for (const maxRetries of [0, 1, 3]) {
      const steps = () => Array.from({ length: 9 }, () => answer(429));
      const [create, get] = [setUp(...steps()), setUp(...steps())];
      await errorOf(create.client.create(request, { maxRetries }));
      await errorOf(get.client.get("t", { maxRetries }));
      expect([create.at.length, get.at.length]).toEqual([maxRetries + 1, maxRetries + 1]);
    }
  },

  "The pause is what `Retry-After` says, in seconds or as a date.": async () => {
    const date = new Date(Math.ceil(Date.now() / 1000) * 1000 + 5000);
    vi.setSystemTime(date.getTime() - 5000);
    const { client, at } = setUp(
      answer(429, "", { "retry-after": date.toUTCString() }),
      answer(429, "", { "retry-after": "7" }),
    );
    const created = client.create(request);
    await vi.advanceTimersByTimeAsync(60_000);
    await expect(created).resolves.toEqual(task);
    expect(at).toEqual([0, 5000, 12_000]);
  },

  "A `Retry-After` above 60 s is not slept: the error is thrown.": async () => {
    const { client, at } = setUp(answer(429, "", { "retry-after": "61" }));
    await expect(client.create(request)).rejects.toBeInstanceOf(ApiError);
    expect(at).toEqual([0]);
  },

  "Without a `Retry-After`, the pause is 1 s plus a random part of at most 1, 2, 4, … and in the end 60 s.":
    async () => {
      vi.mocked(Math.random).mockReturnValue(0.999_999);
      const { client, at } = setUp(...Array.from({ length: 9 }, () => answer(429)));
      const created = client.create(request, { maxRetries: 9 });
      await vi.advanceTimersByTimeAsync(600_000);
      await created;
      const pauses = at.slice(1).map((time, index) => Math.ceil((time - (at[index] ?? 0)) / 1000));
      expect(pauses).toEqual([2, 3, 5, 9, 17, 33, 61, 61, 61]);
    },

  "An attempt whose time was over before its request was handed to `fetch`, because the key function was slow, sent nothing.":
    () => slowKey(),
  "It is repeated, also by `create`.": () => slowKey(),

  "Each attempt of one `create` sends the same body.": async () => {
    const { client, bodies } = setUp(answer(429), never());
    const changing = structuredClone(request);
    const created = client.create(changing);
    Object.assign(changing.input, { text: "changed" });
    await vi.advanceTimersByTimeAsync(60_000);
    await created;
    expect(new Set(bodies)).toEqual(new Set([JSON.stringify(request)]));
    expect(bodies).toHaveLength(3);
  },

  "`wait` does not count its polls.": async () => {
    const { client, at } = setUp(...Array.from({ length: 100 }, broken));
    await errorOf(client.wait("t", { timeoutMs: 1_800_000 }));
    expect(at.length).toBeGreaterThan(150);
  },

  "What `get` may repeat, it waits out until its own limit.": async () => {
    const may: (() => Step)[] = [
      () => answer(429),
      () => answer(503),
      () => answer(408),
      broken,
      never,
    ];
    for (const step of may) {
      const { client, at } = setUp(...Array.from({ length: 9 }, step));
      const error = await errorOf(client.wait("t", { timeoutMs: 50_000 }));
      expect(error).toBeInstanceOf(TaskTimeoutError);
      expect(at).toHaveLength(5);
    }
  },

  "There, `Retry-After` only makes the pause longer.": async () => {
    const { client, at } = setUp(
      answer(503, "", { "retry-after": "1" }),
      answer(503, "", { "retry-after": "100" }),
    );
    await errorOf(client.wait("t", { timeoutMs: 115_000 }));
    expect(at).toEqual([0, 10_500, 110_500]);
  },

  "`wait` ends at once on what waiting does not mend, such as 401, 403, 404 or an account in arrears.":
    async () => {
      for (const step of [answer(401), answer(403), answer(404), answer(429, { code: 1101 })]) {
        const { client, at } = setUp(step);
        await expect(client.wait("t")).rejects.toBeInstanceOf(ApiError);
        expect(at).toEqual([0]);
      }
    },

  "`timeoutMs` of the client or of a call limits one attempt, not the call.": () => attempts(),
  "With two repeats, a call may take three times as long, and the pauses.": () => attempts(),

  "`timeoutMs` of `wait` limits the whole wait, a hanging poll included.": async () => {
    const { client } = setUp("hang");
    const start = Date.now();
    let took = 0;
    const waited = client.wait("t", { timeoutMs: 30_000 }).catch((error: unknown) => {
      took = Date.now() - start;
      throw error;
    });
    expect(await errorOf(waited)).toBeInstanceOf(TaskTimeoutError);
    expect(took).toBe(30_000);
  },

  "A limit of 2³¹ ms (25 days) or more is no limit.": async () => {
    for (const timeoutMs of [2 ** 31, Infinity]) {
      const controller = new AbortController();
      const { client } = setUp("hang");
      const call = client.get("t", { timeoutMs, signal: controller.signal });
      call.catch(() => undefined);
      expect(vi.getTimerCount()).toBe(0);
      controller.abort("enough");
      await expect(call).rejects.toBe("enough");
    }
  },

  "An abort rejects at once with `signal.reason`, whatever that is.": () => aborted(),
  "It is not wrapped, so it has no `mayHaveCreatedTask`.": () => aborted(),
  "An aborted `create` may have created a task.": () => abortedAfterCreation(),
  "Treat it as `mayHaveCreatedTask: true`.": () => abortedAfterCreation(),

  "If the signal was aborted before the call, nothing is sent.": async () => {
    const { client, at } = setUp();
    await expect(client.create(request, { signal: AbortSignal.abort("no") })).rejects.toBe("no");
    expect(at).toEqual([]);
  },

  "An aborted `wait` leaves the task as it is.": () => abortedWait(),
  "Nothing is cancelled at Kling.": () => abortedWait(),

  "A redirect is never followed.": () => redirected(),
  "Following could turn the POST into a GET, or send it and the body elsewhere.": () =>
    redirected(),
  "It is an `ApiError` whose message names the location, where there is one that the runtime shows.":
    () => redirected(),
  "If the gateway is there, change `baseUrl`.": () => redirected(),

  "Browsers hide where a redirect leads: there, `status` is 0, and for `create`, `mayHaveCreatedTask` is `true`.":
    async () => {
      const error = await creating(Response.error());
      expect(error).toMatchObject({ name: "ApiError", status: 0, mayHaveCreatedTask: true });
    },

  "The key is taken out of all that an error keeps: message, answer, headers and cause have `***` in its place.":
    async () => {
      const echo = `bad ${key}`;
      const told = await creating(answer(401, { message: echo }, { "x-echo": echo }));
      expect(told).toMatchObject({ body: '{"message":"bad ***"}' });
      expect(told.message).toContain("bad ***");
      expect(told instanceof ApiError && told.headers.get("x-echo")).toBe("bad ***");
      const cut = await creating(new Error(echo));
      expect(cut.cause).toMatchObject({ message: "bad ***" });
      for (const error of [told, cut]) {
        expect(inspect(error, { depth: null, showHidden: true })).not.toContain(key);
      }
    },

  "The spellings of JSON and of URLs are found, too.": async () => {
    const spelled = `${JSON.stringify(key).replace("/", "\\/")} ${encodeURIComponent(key)}`;
    expect(await creating(answer(401, spelled))).toMatchObject({ body: '"***" ***' });
  },

  "A key shorter than six characters is not looked for.": async () => {
    const client = createLipSyncClient({
      baseUrl: "https://gateway.example",
      apiKey: "short",
      fetch: () => Promise.resolve(answer(401, "a short text")),
    });
    expect(await errorOf(client.get("t"))).toMatchObject({ body: "a short text" });
  },

  "What your key function throws reaches you as it is.": async () => {
    const boom = { no: "key" };
    const apiKey = () => Promise.reject<string>(boom);
    const client = createLipSyncClient({ baseUrl: "https://gateway.example", apiKey });
    await expect(client.create(request)).rejects.toBe(boom);
  },
};

/** A fake gateway whose answer to the first request is lost before or after it was taken. */
async function losing(when: "before" | "after", error: Error) {
  const gateway = createFakeGateway();
  const client = createLipSyncClient({
    ...gateway,
    maxRetries: 0,
    fetch: async (url, init) => {
      if (when === "after") await gateway.fetch(url, init);
      throw error;
    },
  });
  const { mayHaveCreatedTask } = await errorOf(client.create(request));
  return { mayHaveCreatedTask, tasks: gateway.tasks.size };
}

async function neverBehind() {
  await expect(losing("before", never())).resolves.toEqual({ mayHaveCreatedTask: false, tasks: 0 });
}

async function behind() {
  await expect(losing("after", broken())).resolves.toEqual({ mayHaveCreatedTask: true, tasks: 1 });
}

async function slowKey() {
  const gateway = createFakeGateway();
  const keys: (string | Promise<string>)[] = [new Promise(() => undefined), gateway.apiKey];
  const client = createLipSyncClient({ ...gateway, apiKey: () => keys.shift() ?? "" });
  const created = client.create(request, { timeoutMs: 1000 });
  await vi.advanceTimersByTimeAsync(1000);
  expect(gateway.received).toEqual([]);
  await vi.advanceTimersByTimeAsync(5000);
  await expect(created).resolves.toMatchObject({ task_id: "task-1" });
  expect(gateway.tasks.size).toBe(1);
}

async function attempts() {
  const { client, at } = setUp("hang", "hang", "hang");
  const error = errorOf(client.get("t", { timeoutMs: 10_000 }));
  expect(await error).toMatchObject({ message: expect.stringContaining("10000 ms") as string });
  expect(at).toEqual([0, 11_500, 23_500]);
}

async function aborted() {
  for (const reason of [new Error("mine"), "text", 0, null, false]) {
    const { client } = setUp("hang");
    const controller = new AbortController();
    const call = client.create(request, { signal: controller.signal });
    call.catch(() => undefined);
    await vi.advanceTimersByTimeAsync(5);
    controller.abort(reason);
    await expect(call).rejects.toBe(reason);
  }
}

async function abortedAfterCreation() {
  const gateway = createFakeGateway();
  const controller = new AbortController();
  const client = createLipSyncClient({
    ...gateway,
    fetch: async (url, init) => {
      await gateway.fetch(url, init);
      controller.abort("too slow");
      return new Promise(() => undefined);
    },
  });
  await expect(client.create(request, { signal: controller.signal })).rejects.toBe("too slow");
  expect(gateway.tasks.size).toBe(1);
}

async function abortedWait() {
  const gateway = createFakeGateway({ polls: 2 });
  const client = createLipSyncClient(gateway);
  const { task_id } = await client.create(request);
  const controller = new AbortController();
  const waited = client.wait(task_id, { signal: controller.signal });
  waited.catch(() => undefined);
  await vi.advanceTimersByTimeAsync(5);
  controller.abort("enough");
  await expect(waited).rejects.toBe("enough");
  expect(gateway.received.map(({ method }) => method)).toEqual(["POST", "GET"]);
  await expect(client.wait(task_id)).resolves.toMatchObject({ task_status: "succeed" });
}

async function redirected() {
  for (const status of [301, 302, 303, 307, 308]) {
    const location = "https://elsewhere.example/kling";
    const error = await creating(answer(status, "", { location }));
    expect(error).toBeInstanceOf(ApiError);
    expect(error.message).toContain(location);
    expect(error.message).toContain("change baseUrl");
  }
}

describe("What happens when it fails", () => {
  for (const [sentence, holds] of Object.entries(promises)) it(sentence, holds);

  it("has a test for every sentence of the README's section, and for no other", () => {
    const readme = readFileSync(path.join(import.meta.dirname, "..", "README.md"), "utf8");
    const section = readme.split(/^## /m).find((part) => part.startsWith("What happens when"));
    const prose = (section ?? "")
      .replace(/```[\s\S]*?```/g, "")
      .split("\n")
      .slice(1)
      .filter((line) => !/^[|#]/.test(line))
      .join("\n");
    const sentences = prose
      .split(/\n(?:- |\n)/)
      .map((part) => part.replace(/^- /, "").replaceAll("\n", " ").trim())
      .filter((part) => part !== "")
      .flatMap((part) => part.split(/(?<=[.:])\s+(?=[A-Z`])/));
    expect(sentences).toEqual(Object.keys(promises));
  });
});
