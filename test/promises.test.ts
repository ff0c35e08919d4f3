// Each sentence of the README's section on failures, and what shows that it is true.
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
  TaskFailedError,
  TaskTimeoutError,
} from "../src/index.js";
import { createFakeGateway } from "../src/testing.js";
import { answer, failing, hanging, setUp, type Step } from "./fixtures/client.js";
import {
  decide,
  failureRows,
  NEVER_CONNECTED,
  responseRows,
  statuses,
  UNCERTAIN,
} from "./fixtures/decisions.js";
import { request } from "./fixtures/request.js";

const apiKey = "sk-promise/0123456789";

const refused = failing(failureRows[0]?.error());
const broken = failing(new TypeError("fetch failed", { cause: new Error("read ECONNRESET") }));
const timesOf = <T>(count: number, step: () => T) => Array.from({ length: count }, step);
const task = (task_status: string) =>
  answer(200, { code: 0, data: { task_id: "t", task_status, created_at: 1, updated_at: 1 } });

/** Ends a call, the virtual clock running on until it does. */
async function ended<T>(call: Promise<T>): Promise<T> {
  call.catch(() => undefined);
  await vi.advanceTimersByTimeAsync(4_000_000);
  return call;
}

/** The error that a call ends with. */
async function errorOf<T = LipSyncError>(call: Promise<unknown>): Promise<T> {
  const error: unknown = await ended(call).then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(error).toBeInstanceOf(LipSyncError);
  return error as T;
}

/** The error of a create that is sent once. */
async function creating(step: Step): Promise<LipSyncError> {
  const { client, sent } = setUp([step], { apiKey });
  const error = await errorOf(client.create(request, { maxRetries: 0 }));
  expect(sent).toHaveLength(1);
  return error;
}

/** The error of a wait, and when it polled. */
async function waiting(timeoutMs: number, ...steps: Step[]) {
  const { client, sent } = setUp([...steps, ...timesOf(200, () => task("processing"))]);
  const error = await errorOf<TaskTimeoutError>(client.wait("t", { timeoutMs }));
  return { error, at: sent.map(({ at }) => at) };
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, "random").mockReturnValue(0.5);
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const promises: Record<string, () => Promise<void>> = {
  "All extend `LipSyncError`.": () => everyClass(),

  "`ApiError.code` is Kling's code as a number, also where it came as a numeric string, or else the gateway's word.":
    async () => {
      for (const row of responseRows) {
        expect(await creating(answer(row.status, row.body))).toMatchObject({ code: row.code });
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
    const { error } = await waiting(15_000, task("submitted"));
    expect(error.task).toMatchObject({ task_status: "processing" });
  },

  "It is absent if no poll was answered.": async () => {
    const { error } = await waiting(9, hanging);
    expect(error).toBeInstanceOf(TaskTimeoutError);
    expect(error.task).toBeUndefined();
  },

  "`TaskTimeoutError.cause` is the error of the last poll that ended, if it failed.": async () => {
    const { error } = await waiting(15_000, answer(502), hanging);
    expect(error.cause).toMatchObject({ status: 502 });
    expect((await waiting(15_000, answer(502))).error.cause).toBeUndefined();
  },

  "Every one of these errors has `mayHaveCreatedTask`.": () => everyClass(),

  "Only `create` can set it to `true`.": async () => {
    for (const step of [() => answer(500), () => answer(200, "<html>"), () => broken]) {
      expect((await creating(step())).mayHaveCreatedTask).toBe(true);
      const get = setUp([step()]).client.get("t", { maxRetries: 0 });
      expect((await errorOf(get)).mayHaveCreatedTask).toBe(false);
    }
  },

  "`false`: this call created no task.": () => losing("before"),
  "Calling `create` again cannot pay twice.": () => losing("before"),
  "`true`: this call may have created one.": () => losing("after"),
  "Look for it at the gateway, in its console or its list of tasks, before you call `create` again.":
    () => losing("after"),

  "It is `false` in three cases:": async () => {
    await nothingSent();
    expect((await creating(refused)).mayHaveCreatedTask).toBe(false);
    expect((await creating(answer(400))).mayHaveCreatedTask).toBe(false);
  },

  "Nothing was sent.": () => nothingSent(),

  "The connection was certainly never made.": async () => {
    for (const row of failureRows) {
      const isCertain = row.in === "fetch" && row.repeatsCreate === NEVER_CONNECTED.repeatsCreate;
      if (!isCertain) continue;
      const error = await creating(failing(row.error()));
      expect(error).toMatchObject({ name: "ConnectionError", mayHaveCreatedTask: false });
    }
  },

  "The server refused.": () => refusedByRule(),
  "That is a Kling code from 1000 to 1999 at any status, a 3xx except 303, or a 4xx except 408.":
    () => refusedByRule(),
  "Every other answer without a task, and every connection that broke, is `true`.": async () => {
    await refusedByRule();
    for (const step of [broken, hanging]) {
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
      const error = await creating(failing(new TypeError("Failed to fetch")));
      expect(error.mayHaveCreatedTask).toBe(true);
    },

  "`create` and `get` repeat at most `maxRetries` times.": async () => {
    for (const maxRetries of [0, 1, 3]) {
      const { client, sent } = setUp(timesOf(9, () => answer(429)));
      await errorOf(client.create(request, { maxRetries }));
      await errorOf(client.get("t", { maxRetries }));
      expect(sent).toHaveLength(2 * (maxRetries + 1));
    }
  },

  "The pause is what `Retry-After` says, in seconds or as a date.": async () => {
    vi.setSystemTime(Date.UTC(2026, 0, 1));
    const date = new Date(Date.now() + 5000).toUTCString();
    const { client, sent } = setUp([
      answer(429, "", { "retry-after": date }),
      answer(429, "", { "retry-after": "7" }),
    ]);
    await ended(client.create(request));
    expect(sent.map(({ at }) => at)).toEqual([0, 5000, 12_000]);
  },

  "A `Retry-After` above 60 s is not slept: the error is thrown.": async () => {
    const { client, sent } = setUp([answer(429, "", { "retry-after": "61" })]);
    await expect(client.create(request)).rejects.toBeInstanceOf(ApiError);
    expect(sent).toHaveLength(1);
  },

  "Without a `Retry-After`, the pause is 1 s plus a random part of at most 1, 2, 4, … and in the end 60 s.":
    async () => {
      vi.mocked(Math.random).mockReturnValue(0.999_999);
      const { client, sent } = setUp(timesOf(9, () => answer(429)));
      await ended(client.create(request, { maxRetries: 9 }));
      const pauses = sent.slice(1).map(({ at }, index) => at - (sent[index]?.at ?? 0));
      const seconds = pauses.map((pauseMs) => Math.ceil(pauseMs / 1000));
      expect(seconds).toEqual([2, 3, 5, 9, 17, 33, 61, 61, 61]);
    },

  "An attempt whose time was over before its request was handed to `fetch`, because the key function was slow, sent nothing.":
    () => slowKey(),
  "It is repeated, also by `create`.": () => slowKey(),

  "Each attempt of one `create` sends the same body.": async () => {
    const { client, sent } = setUp([answer(429), refused]);
    const changing = structuredClone(request);
    const created = client.create(changing);
    Object.assign(changing.input, { text: "changed" });
    await ended(created);
    expect(sent.map(({ init }) => init.body)).toEqual(timesOf(3, () => JSON.stringify(request)));
  },

  "`wait` does not count its polls.": async () => {
    const { at } = await waiting(1_800_000, ...timesOf(200, () => broken));
    expect(at.length).toBeGreaterThan(150);
  },

  "What `get` may repeat, it waits out until its own limit.": async () => {
    for (const row of responseRows) {
      const { at } = await waiting(50_000, ...timesOf(9, () => answer(row.status, row.body)));
      expect([row.name, at.length]).toEqual([row.name, row.repeatsGet ? 5 : 1]);
    }
    for (const step of [broken, refused]) {
      expect((await waiting(50_000, ...timesOf(9, () => step))).at).toHaveLength(5);
    }
  },

  "There, `Retry-After` only makes the pause longer.": async () => {
    const [short, long] = ["1", "100"].map((text) => answer(503, "", { "retry-after": text }));
    const { at } = await waiting(115_000, short ?? broken, long ?? broken);
    expect(at).toEqual([0, 10_500, 110_500]);
  },

  "`wait` ends at once on what waiting does not mend, such as 401, 403, 404 or an account in arrears.":
    async () => {
      for (const step of [answer(401), answer(403), answer(404), answer(429, { code: 1101 })]) {
        const { error, at } = await waiting(50_000, step);
        expect(error).toBeInstanceOf(ApiError);
        expect(at).toEqual([0]);
      }
    },

  "`timeoutMs` of the client or of a call limits one attempt, not the call.": () => attempts(),
  "With two repeats, a call may take three times as long, and the pauses.": () => attempts(),

  "`timeoutMs` of `wait` limits the whole wait, a hanging poll included.": async () => {
    const start = Date.now();
    let took = 0;
    const { client } = setUp([hanging]);
    const waited = client.wait("t", { timeoutMs: 30_000 }).finally(() => {
      took = Date.now() - start;
    });
    expect(await errorOf(waited)).toBeInstanceOf(TaskTimeoutError);
    expect(took).toBe(30_000);
  },

  "A limit of 2³¹ ms (25 days) or more is no limit.": async () => {
    for (const timeoutMs of [2 ** 31, Infinity]) {
      const controller = new AbortController();
      const { client, sent } = setUp([hanging]);
      const call = client.get("t", { timeoutMs, signal: controller.signal });
      call.catch(() => undefined);
      await vi.advanceTimersByTimeAsync(100);
      expect(sent).toHaveLength(1);
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
    const { client, sent } = setUp();
    await expect(client.create(request, { signal: AbortSignal.abort("no") })).rejects.toBe("no");
    expect(sent).toEqual([]);
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
      const echo = `bad ${apiKey}`;
      const told = await creating(answer(401, { message: echo }, { "x-echo": echo }));
      expect(told).toMatchObject({ body: '{"message":"bad ***"}' });
      expect(told.message).toContain("bad ***");
      expect(told instanceof ApiError && told.headers.get("x-echo")).toBe("bad ***");
      const cut = await creating(failing(new Error(echo)));
      expect(cut.cause).toMatchObject({ message: "bad ***" });
      for (const error of [told, cut]) {
        expect(inspect(error, { depth: null, showHidden: true })).not.toContain(apiKey);
      }
    },

  "The spellings of JSON and of URLs are found, too.": async () => {
    const spelled = `${JSON.stringify(apiKey).replace("/", "\\/")} ${encodeURIComponent(apiKey)}`;
    expect(await creating(answer(401, spelled))).toMatchObject({ body: '"***" ***' });
  },

  "A key shorter than six characters is not looked for.": async () => {
    const { client } = setUp([answer(401, "a short text")], { apiKey: "short" });
    expect(await errorOf(client.get("t"))).toMatchObject({ body: "a short text" });
  },

  "What your key function throws reaches you as it is.": async () => {
    const boom = { no: "key" };
    const { client } = setUp([], { apiKey: () => Promise.reject<string>(boom) });
    await expect(client.create(request)).rejects.toBe(boom);
  },
};

async function everyClass() {
  const errors = [
    [() => createLipSyncClient().get("t"), ConfigurationError, false],
    [() => setUp().client.get(""), InvalidRequestError, false],
    [() => setUp([answer(500)]).client.create(request), ApiError, true],
    [() => setUp([broken]).client.create(request), ConnectionError, true],
    [() => setUp([task("failed")]).client.wait("t"), TaskFailedError, false],
    [() => setUp().client.wait("t", { timeoutMs: 1 }), TaskTimeoutError, false],
  ] as const;
  for (const [call, type, mayHaveCreatedTask] of errors) {
    const error = await errorOf(call());
    expect(error).toBeInstanceOf(type);
    expect(error).toMatchObject({ name: type.name, mayHaveCreatedTask });
  }
}

/** A response is lost before or after the gateway took the request. */
async function losing(when: "before" | "after") {
  const gateway = createFakeGateway();
  const client = createLipSyncClient({
    ...gateway,
    maxRetries: 0,
    fetch: async (url, init) => {
      if (when === "after") await gateway.fetch(url, init);
      return Promise.reject(when === "after" ? new TypeError("cut off") : failureRows[0]?.error());
    },
  });
  const { mayHaveCreatedTask } = await errorOf(client.create(request));
  expect([gateway.tasks.size, mayHaveCreatedTask]).toEqual(
    when === "after" ? [1, UNCERTAIN.mayHaveCreatedTask] : [0, NEVER_CONNECTED.mayHaveCreatedTask],
  );
}

async function nothingSent() {
  const { client, sent } = setUp([], { apiKey: () => new Promise<string>(() => undefined) });
  const invalid = await errorOf(client.create({} as never));
  const slow = await errorOf(client.create(request, { maxRetries: 0 }));
  expect([invalid, slow].map((error) => error.mayHaveCreatedTask)).toEqual([false, false]);
  expect(sent).toEqual([]);
}

async function refusedByRule() {
  for (const status of statuses) {
    const isBare = status === 204 || status === 304;
    for (const code of isBare ? [undefined] : [undefined, 999, 1000, 1999, 2000]) {
      const error = await creating(answer(status, isBare ? "" : { code }));
      const { mayHaveCreatedTask } = decide({ status, code });
      expect([status, code, error.mayHaveCreatedTask]).toEqual([status, code, mayHaveCreatedTask]);
    }
  }
}

async function slowKey() {
  const gateway = createFakeGateway();
  const keys: (string | Promise<string>)[] = [new Promise(() => undefined), gateway.apiKey];
  const client = createLipSyncClient({ ...gateway, apiKey: () => keys.shift() ?? "" });
  const created = client.create(request, { timeoutMs: 1000 });
  await vi.advanceTimersByTimeAsync(1000);
  expect(gateway.received).toEqual([]);
  await expect(ended(created)).resolves.toMatchObject({ task_id: "task-1" });
  expect(gateway.tasks.size).toBe(1);
}

async function attempts() {
  const { client, sent } = setUp(timesOf(3, () => hanging));
  const error = await errorOf(client.get("t", { timeoutMs: 10_000 }));
  expect(error.message).toContain("10000 ms");
  expect(sent.map(({ at }) => at)).toEqual([0, 11_500, 23_500]);
}

async function aborted() {
  for (const reason of [new Error("mine"), "text", 0, null, false]) {
    const controller = new AbortController();
    const call = setUp([hanging]).client.create(request, { signal: controller.signal });
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
