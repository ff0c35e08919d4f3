// The command lines, in this process: what is typed, what is sent, what is printed, the exit code.
import { appendFileSync, existsSync, mkdtempSync, readdirSync } from "node:fs";
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { Writable } from "node:stream";
import { afterAll, afterEach, describe, expect, it, test, vi } from "vitest";
import { explain } from "../src/cli/explain.js";
import { statusOf } from "../src/cli/status.js";
import type { Terminal } from "../src/cli/terminal.js";
import { createLipSyncClient, KNOWN_VOICES, TaskTimeoutError } from "../src/index.js";
import type { LipSyncRequest } from "../src/index.js";
import { createFakeGateway, type FakeGatewayOptions } from "../src/testing.js";
import { advanceUntil } from "./fixtures/batch.js";
import { endpoint } from "./fixtures/client.js";
import { request } from "./fixtures/request.js";
import submitted from "./fixtures/submitted.json" with { type: "json" };
import { gatewayEnv, testTerminal } from "./fixtures/terminal.js";

const root = mkdtempSync(path.join(os.tmpdir(), "kling-lip-sync-"));
afterAll(() => {
  rmSync(root, { recursive: true });
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.unstubAllEnvs();
  vi.useRealTimers();
});

const VIDEO = "https://files.example/face.mp4";
const VOICE = ["--voice-id", "genshin_vindi2", "--voice-language", "zh"];
const REQUEST = ["--video-url", VIDEO, "--text", "你好", ...VOICE];
const QUICK = ["--interval", "0.001"];
const HOST = "fake-gateway.invalid";

const AUTHORIZED = { headers: { authorization: "Bearer fake-gateway-key" } };

const matching = (pattern: RegExp): unknown => expect.stringMatching(pattern);
const newFolder = () => mkdtempSync(path.join(root, "case-"));

/** A response that a test gives later. */
function deferred() {
  let resolve: (response: Response) => void = () => undefined;
  const promise = new Promise<Response>((done) => (resolve = done));
  return {
    promise,
    resolve: (response: Response) => {
      resolve(response);
    },
  };
}

/** A terminal, and the gateway that all requests of this process reach. */
function setUp(options: FakeGatewayOptions = {}, given: Partial<Terminal> = {}) {
  const gateway = createFakeGateway({ polls: 1, ...options });
  vi.stubGlobal("fetch", gateway.fetch);
  const terminal = testTerminal(given);
  const posts = () => gateway.received.filter(({ method }) => method === "POST");
  return { gateway, posts, ...terminal, terminal };
}

describe("create", () => {
  it("says that it is billed, creates one task, and saves its video", async () => {
    const { run, printed, warned, gateway } = setUp();
    const file = path.join(newFolder(), "video.mp4");
    expect(await run("create", ...REQUEST, ...QUICK, "--save", file)).toBe(0);
    expect(printed).toEqual([
      `Creating a task at ${HOST}; this is billed.`,
      "Task task-1 is created: submitted",
      matching(/^\d\.\d s {2}succeed$/),
      `Video: https://${HOST}/task-1.mp4`,
      `Saved: ${file} (20 bytes)`,
    ]);
    expect(warned).toEqual([]);
    expect(readFileSync(file, "latin1")).toContain("ftypisom");
    const speech = { text: "你好", voice_id: "genshin_vindi2", voice_language: "zh" };
    const input = { video_url: VIDEO, mode: "text2video", ...speech };
    expect(gateway.received[0]?.body).toEqual({ input });
    expect(gateway.received.map(({ method }) => method)).toEqual(["POST", "GET", "GET"]);
  });

  it("sends an audio file in Base64", async () => {
    const { run, posts } = setUp();
    const file = path.join(newFolder(), "a.mp3");
    writeFileSync(file, "audio");
    const flags = ["--video-id", "7", "--audio-file", file, "--text", ""];
    expect(await run("create", ...flags, "--no-wait")).toBe(0);
    const audio = { audio_type: "file", audio_file: Buffer.from("audio").toString("base64") };
    const input = { video_id: "7", mode: "audio2video", ...audio, text: undefined };
    expect(posts()[0]?.body).toEqual({ input });
  });

  it("prints only JSON to standard output with --json", async () => {
    const { run, printed, warned } = setUp();
    expect(await run("create", ...REQUEST, ...QUICK, "--json")).toBe(0);
    const [json = "", ...others] = printed;
    expect(JSON.parse(json)).toMatchObject({ task_id: "task-1", task_status: "succeed" });
    expect(others).toEqual([]);
    expect(warned[0]).toBe(`Creating a task at ${HOST}; this is billed.`);
  });

  it("does not wait with --no-wait, and says how to", async () => {
    const { run, printed, gateway } = setUp();
    expect(await run("create", ...REQUEST, "--no-wait")).toBe(0);
    expect(printed.at(-1)).toBe("To wait for it: kling-lip-sync wait task-1");
    expect(gateway.received).toHaveLength(1);
  });

  it("keeps the id of a task whose create was sent before Ctrl-C", async () => {
    const { terminal, run, stop, gateway, warned } = setUp();
    const created = deferred();
    gateway.answerNext(created.promise);
    const exitCode = run("create", ...REQUEST);
    await vi.waitFor(() => {
      expect(gateway.received).toHaveLength(1);
    });
    stop();
    created.resolve(Response.json(submitted));
    expect(await exitCode).toBe(130);
    const id = submitted.data.task_id;
    expect(terminal.printed).toContain(`Task ${id} is created: submitted`);
    expect(warned).toEqual([
      matching(/^Stopping as soon as the gateway has responded/),
      `Stopped; task ${id} goes on.\nTo wait for it again, free of charge: kling-lip-sync wait ${id}`,
    ]);
  });

  it("creates nothing after Ctrl-C", async () => {
    const { run, stop, gateway, warned } = setUp();
    stop();
    expect(await run("create", ...REQUEST)).toBe(130);
    expect(warned).toEqual(["Stopped. No task was created."]);
    expect(gateway.received).toEqual([]);
  });

  it("says after Ctrl-C and a refused create that there is no task", async () => {
    const { run, stop, gateway, warned } = setUp();
    const refusal = Response.json({ code: 1201, message: "no" }, { status: 400 });
    const answered = deferred();
    gateway.answerNext(answered.promise);
    const exitCode = run("create", ...REQUEST);
    await vi.waitFor(() => {
      expect(gateway.received).toHaveLength(1);
    });
    stop();
    answered.resolve(refusal);
    expect(await exitCode).toBe(130);
    expect(warned.at(-1)).toBe("Stopped. No task was created.");
  });

  const refusedPoll = [
    Response.json(submitted),
    Response.json({ code: 1103, message: "no right" }, { status: 403 }),
  ];

  test.for<[string, FakeGatewayOptions, (Response | Error)[], says: RegExp]>([
    ["a refused key", { apiKey: "other" }, [], /401, code 1002.*\nNo task was created\.$/s],
    [
      "a broken connection",
      {},
      [new Error("cut")],
      /\nA task may have been created and billed: look at fake-gateway/,
    ],
    [
      "a task in an error",
      {},
      [Response.json({ code: 5000, data: { task_id: "t-7" } }, { status: 500 })],
      /\nTo wait for that task, free of charge: kling-lip-sync wait t-7$/,
    ],
    ["a failed task", { failWith: "no face\n\u001B[2J" }, [], /^Task task-1 failed: no face \[2J$/],
    [
      "a refused poll",
      {},
      refusedPoll,
      /no right\nTo wait for it again, free of charge: kling-lip-sync wait \w+$/,
    ],
  ])("says what %s means, and ends with 1", async ([, options, answers, says]) => {
    const { run, warned, gateway } = setUp(options);
    gateway.answerNext(...answers);
    expect(await run("create", ...REQUEST, ...QUICK)).toBe(1);
    expect(warned).toEqual([matching(says)]);
  });

  test.for<[what: string, args: string[], env: NodeJS.ProcessEnv, says: RegExp]>([
    ["no gateway", REQUEST, {}, /not set: KLING_BASE_URL, KLING_API_KEY\.$/],
    ["a blank key", REQUEST, { ...gatewayEnv, KLING_API_KEY: " " }, /not set: KLING_API_KEY\.$/],
    [
      "a base URL that cannot work",
      REQUEST,
      { ...gatewayEnv, KLING_BASE_URL: "https://a.example/v1" },
      /\/v1/,
    ],
    ["a key that cannot work", REQUEST, { ...gatewayEnv, KLING_API_KEY: "é" }, /ASCII/],
    ["no video", ["--text", "x", ...VOICE], gatewayEnv, /give --video-id or --video-url\.$/],
    ["no voice", ["--video-id", "7", "--text", "x"], gatewayEnv, /--voice-id is missing\.$/],
    [
      "two videos",
      [...REQUEST, "--video-id", "7"],
      gatewayEnv,
      /--video-id does not go with --video-url/,
    ],
    [
      "no audio file",
      ["--video-id", "7", "--audio-file", "no"],
      gatewayEnv,
      /--audio-file does not exist: no/,
    ],
    [
      "--save and --no-wait",
      [...REQUEST, "--no-wait", "--save", "a"],
      gatewayEnv,
      /leave out --no-wait/,
    ],
    ["a blank file", [...REQUEST, "--save", " "], gatewayEnv, /the name of a file\.$/],
    ["a folder to save to", [...REQUEST, "--save", "no/"], gatewayEnv, /not of a folder\.$/],
    [
      "no folder to save in",
      [...REQUEST, "--save", "no/a"],
      gatewayEnv,
      /a folder that exists, not no\.$/,
    ],
    [
      "an existing file",
      [...REQUEST, "--save", "LICENSE"],
      gatewayEnv,
      /does not overwrite a file, and LICENSE exists/,
    ],
    [
      "too long a name",
      [...REQUEST, "--save", "v".repeat(999)],
      gatewayEnv,
      /cannot create the file: ENAMETOOLONG/,
    ],
    ["a folder that is a file", [...REQUEST, "--save", "LICENSE/a"], gatewayEnv, /not LICENSE\.$/],
  ])("sends nothing with %s, and ends with 2", async ([, args, env, says]) => {
    const { run, warned, gateway } = setUp({}, { env });
    expect(await run("create", ...args)).toBe(2);
    expect(warned).toEqual([matching(/^Nothing was sent: /)]);
    expect(warned).toEqual([matching(says)]);
    expect(gateway.received).toEqual([]);
  });

  it("sends nothing if the folder of the video cannot be written to", async () => {
    const { run, warned } = setUp();
    vi.spyOn(fs, "access").mockRejectedValueOnce(new Error("EACCES: permission denied"));
    expect(await run("create", ...REQUEST, "--save", "new.mp4")).toBe(2);
    expect(warned).toEqual([
      matching(/--save cannot write to the folder: EACCES: permission denied\.$/),
    ]);
  });
});

describe("wait", () => {
  it("creates nothing, and saves the first video of a task", async () => {
    const { run, printed, gateway } = setUp();
    const videos = [1, 2].map((nth) => ({
      id: "v",
      url: `https://${HOST}/old-${nth}.mp4`,
      duration: "5",
    }));
    const task = { ...submitted.data, task_status: "succeed", task_result: { videos } } as const;
    for (const id of ["old", "old-1"]) gateway.tasks.set(id, { ...task, task_id: id });
    const file = path.join(newFolder(), "video.mp4");
    expect(await run("wait", "old", "--save", file, "--timeout", "1")).toBe(0);
    expect(printed.slice(-4)).toEqual([
      ...videos.map(({ url }) => `Video: ${url}`),
      `Saved: ${file} (20 bytes)`,
      "Only the first video is saved.",
    ]);
    expect(gateway.received.map(({ method }) => method)).toEqual(["GET", "GET"]);
  });

  it("says where the video is that cannot be saved, and how to fetch it again", async () => {
    const { run, warned, gateway } = setUp();
    const folder = newFolder();
    const file = path.join(folder, "it's.mp4");
    await run("create", ...REQUEST, "--no-wait");
    gateway.answerNext(
      ...[await gateway.fetch(`https://${HOST}${endpoint}/task-1`, AUTHORIZED)],
      new Response("", { status: 403 }),
    );
    expect(await run("wait", "task-1", "--save", file)).toBe(1);
    const command = `kling-lip-sync wait task-1 --save '${file.replace("'", `'\\''`)}'`;
    expect(warned).toEqual([
      `The video was not saved: its server returned 403.\nIt is at https://${HOST}/task-1.mp4\nTo fetch it again, free of charge: ${command}`,
    ]);
    expect(readdirSync(folder)).toEqual([]);
  });

  it("draws how much of a video has come, and says it at the end", async () => {
    vi.stubEnv("CI", undefined);
    let drawn = "";
    const screen = new Writable({
      write: (piece: Buffer, _, done) => {
        drawn += piece.toString();
        done();
      },
    });
    const moves = { isTTY: true, cursorTo: vi.fn(), moveCursor: vi.fn(), clearLine: vi.fn() };
    const { run, gateway, printed, warned } = setUp({}, { screen: Object.assign(screen, moves) });
    await run("create", ...REQUEST, "--no-wait");
    const polled = await gateway.fetch(`https://${HOST}${endpoint}/task-1`, AUTHORIZED);
    gateway.answerNext(
      polled,
      new Response("video", { headers: { "content-type": "video/mp4", "content-length": "5" } }),
    );
    const file = path.join(newFolder(), "a.mp4");
    expect([await run("wait", "task-1", "--save", file), warned]).toEqual([0, []]);
    expect(printed.at(-1)).toBe(`Saved: ${file} (5 bytes)`);
    expect(drawn).toContain("asking for the video");
  });

  it("stops on Ctrl-C in a download", async () => {
    const { run, stop, warned, gateway } = setUp();
    await run("create", ...REQUEST, "--no-wait");
    const polled = await gateway.fetch(`https://${HOST}${endpoint}/task-1`, AUTHORIZED);
    gateway.answerNext(polled, "hang");
    const exitCode = run("wait", "task-1", "--save", path.join(newFolder(), "a.mp4"));
    await vi.waitFor(() => {
      expect(gateway.received.at(-1)?.path).toBe("/task-1.mp4");
    });
    stop();
    expect(await exitCode).toBe(130);
    expect(warned[0]).toMatch(/^Stopped; the video was not saved\.\nIt is at /);
  });

  it("refuses an id that is blank", async () => {
    const { run, warned } = setUp();
    expect(await run("wait", " ", "--json")).toBe(2);
    expect(warned.at(-1)).toMatch(/^Nothing was sent: The task id is blank/);
  });
});

describe("get", () => {
  it("shows a task, and the reason of a failed one", async () => {
    const { run, printed } = setUp({ failWith: "no face" });
    await run("create", ...REQUEST, "--no-wait");
    expect(await run("get", "task-1")).toBe(0);
    expect(printed.slice(-2)).toEqual(["Task task-1: failed", "Reason: no face"]);
  });

  it("says what was created where its id cannot be asked for", async () => {
    const { run, warned, gateway } = setUp();
    const data = { task_id: "..", task_status: "submitted" };
    gateway.answerNext(Response.json({ code: 0, data }));
    expect(await run("create", ...REQUEST)).toBe(1);
    expect(warned.join()).toContain("The task id is blank or invalid in a URL.");
    expect(warned.join()).not.toContain("Nothing was sent");
  });

  it("shows a task whose videos are no list", async () => {
    const { run, printed, gateway } = setUp();
    const data = { task_id: "t", task_status: "succeed", task_result: { videos: {} } };
    gateway.answerNext(Response.json({ code: 0, data }));
    expect(await run("get", "t")).toBe(0);
    expect(printed).toEqual(["Task t: succeed"]);
  });

  it("shows the videos, or the task as JSON", async () => {
    const { run, printed } = setUp();
    await run("create", ...REQUEST, "--no-wait");
    expect(await run("get", "task-1")).toBe(0);
    expect(printed.slice(-2)).toEqual([
      "Task task-1: succeed",
      `Video: https://${HOST}/task-1.mp4`,
    ]);
    expect(await run("get", "task-1", "--json")).toBe(0);
    expect(JSON.parse(printed.at(-1) ?? "")).toMatchObject({ task_id: "task-1" });
  });
});

describe("check", () => {
  it("says whether the gateway works, also as JSON", async () => {
    const { run, printed } = setUp();
    expect(await run("check")).toBe(0);
    expect(printed).toEqual([matching(/^Good: /)]);
    expect(await run("check", "--json")).toBe(0);
    expect(JSON.parse(printed[1] ?? "")).toEqual({ isGood: true, line: printed[0] });
  });

  it("ends with 1 for a key that is refused", async () => {
    const { run, warned } = setUp({ apiKey: "another" });
    expect(await run("check")).toBe(1);
    expect(warned).toEqual([matching(/^Key refused: /)]);
  });

  it("stops on Ctrl-C", async () => {
    const { run, stop, warned } = setUp();
    stop();
    expect(await run("check")).toBe(130);
    expect(warned).toEqual(["Stopped; nothing was created."]);
  });
});

describe("voices", () => {
  it("lists the known voices, also as JSON", async () => {
    const { run, printed } = setUp();
    expect(await run("voices")).toBe(0);
    expect(printed).toHaveLength(KNOWN_VOICES.length);
    expect(printed).toContain("uk_boy1                     en  Bud");
    expect(await run("voices", "--json")).toBe(0);
    expect(JSON.parse(printed.at(-1) ?? "")).toEqual(KNOWN_VOICES);
  });
});

/** Runs the clock as fast as the work allows. */
async function hurried<Value>(work: Promise<Value>): Promise<Value> {
  const state = { isDone: false };
  void work.finally(() => (state.isDone = true));
  while (!state.isDone) {
    await vi.advanceTimersByTimeAsync(500);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return work;
}

const fakeClock = () =>
  vi.useFakeTimers({
    toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "Date", "performance"],
  });

describe("demo", () => {
  it("needs no gateway, saves its stub of a video, and names the next command", async () => {
    const fake = createFakeGateway();
    const serve: Terminal["serve"] = (gateway) => {
      vi.stubGlobal("fetch", gateway.fetch);
      return Promise.resolve({ baseUrl: fake.baseUrl, close: () => undefined });
    };
    const { run, printed } = setUp({}, { env: {}, serve });
    const file = path.join(newFolder(), "demo.mp4");
    fakeClock();
    expect(await hurried(run("demo", "--save", file))).toBe(0);
    expect(printed[0]).toMatch(/^Fake gateway at https:.+; nothing is billed\.$/);
    expect(printed.slice(-3)).toEqual([
      `Saved: ${file} (20 bytes)`,
      "Next, with your gateway's URL and key, free of charge:",
      "  KLING_BASE_URL=https://… KLING_API_KEY=… kling-lip-sync check",
    ]);
    expect(await hurried(run("demo"))).toBe(0);
    expect(printed.slice(-3)[0]).toMatch(/^Saved: .+kling-lip-sync-.+demo\.mp4/);
  });

  it("says on Ctrl-C that nothing was billed", async () => {
    const { run, stop, printed, warned } = setUp();
    stop();
    expect(await run("demo")).toBe(130);
    expect(printed.join("\n")).not.toContain("Next");
    expect(warned.at(-1)).toMatch(/^Stopped, and the fake gateway .+ nothing was billed\.$/);
  });
});

describe("gateway", () => {
  it("serves tasks, prints each request and callback, and ends with Ctrl-C", async () => {
    let answer = fetch;
    let port = -1;
    const serve: Terminal["serve"] = (gateway, given) => {
      answer = gateway.fetch;
      port = given;
      return Promise.resolve({ baseUrl: "http://127.0.0.1:1", close });
    };
    const close = vi.fn();
    const { run, stop, printed, warned } = setUp({}, { serve });
    const posted: string[] = [];
    const receive = (url: string, { body }: { body: string }) => {
      posted.push(body);
      if (url.endsWith("/broken")) return Promise.reject(new Error("cut"));
      return Promise.resolve(new Response());
    };
    vi.stubGlobal("fetch", receive);
    fakeClock();
    const flags = ["--port", "0", "--key", "k", "--duration", "1"];
    const exitCode = run("gateway", ...flags, "--max-parallel", "2");
    const create = (callback_url: string) => {
      const input = {
        video_id: "7",
        mode: "text2video",
        text: "x",
        voice_id: "v",
        voice_language: "zh",
      };
      const body = JSON.stringify({ input, callback_url });
      const headers = { authorization: "Bearer k" };
      return answer(`http://127.0.0.1:1${endpoint}`, { method: "POST", headers, body });
    };
    await create("https://a.example/hook");
    await create("https://a.example/broken");
    await vi.advanceTimersByTimeAsync(1000);
    expect(posted).toHaveLength(4);
    expect(close).not.toHaveBeenCalled();
    stop();
    expect(await exitCode).toBe(0);
    expect(close).toHaveBeenCalledOnce();
    expect(port).toBe(0);
    expect(printed.slice(1)).toEqual([
      "  export KLING_BASE_URL=http://127.0.0.1:1 KLING_API_KEY=k",
      "  kling-lip-sync check",
      `POST ${endpoint}: 200`,
      `POST ${endpoint}: 200`,
      "Callback of task-1 (processing) to https://a.example/hook: 200",
      "Callback of task-1 (succeed) to https://a.example/hook: 200",
    ]);
    expect(warned[0]).toBe(
      "Callback of task-2 (processing) to https://a.example/broken failed: cut",
    );
    expect(posted.join()).toContain('"url":"http://127.0.0.1:1/task-1.mp4"');
  });

  it("refuses a port that is none", async () => {
    const { run, warned } = setUp();
    expect(await run("gateway", "--port", "x")).toBe(2);
    expect(await run("gateway", "--port", "1.5")).toBe(2);
    expect(warned.join()).toContain("It must be a number above 0.");
    expect(warned.join()).toContain("It must be a whole number from 1.");
  });
});

const CSV_HEADER = "id,video_url,text,owner";
const csvOf = (ids: string[]) =>
  `${[CSV_HEADER, ...ids.map((id) => `${id},${VIDEO},Say ${id},me`)].join("\n")}\n`;

/** A batch in a new folder, and what is in its folder of videos. */
function batchOf(ids: string[], options: FakeGatewayOptions = {}, given: Partial<Terminal> = {}) {
  const test = setUp(options, given);
  const root = newFolder();
  const file = path.join(root, "clips.csv");
  const folder = path.join(root, "clips");
  writeFileSync(file, csvOf(ids));
  const batch = (...flags: string[]) => test.run("batch", file, ...VOICE, ...QUICK, ...flags);
  const read = (name: string) => readFileSync(path.join(folder, name), "utf8");
  return { ...test, file, folder, batch, read };
}

describe("batch", () => {
  it("says what will be billed, saves all clips, and writes the page and the table", async () => {
    const { batch, printed, warned, folder, read, posts, file } = batchOf(["a", "b"]);
    expect(await batch()).toBe(0);
    expect(printed.map((line) => line.replace(/^\d\d:\d\d/, "TIME"))).toEqual([
      "Columns that are not used: owner",
      `2 tasks will be billed at ${HOST}.`,
      "TIME  0/2 saved, 0 running, 2 left",
      "TIME  2/2 saved, 0 running, 0 left",
      `Look at the videos: ${path.join(folder, "index.html")}`,
      `All 2 clips are saved in ${folder}.`,
    ]);
    expect(warned).toEqual([]);
    expect(posts().map(({ body }) => body)).toMatchObject([
      { input: { text: "Say a", voice_language: "zh" } },
      { input: { text: "Say b" } },
    ]);
    expect(read("results.csv")).toContain("a,saved,task-1,a.mp4,\nb,saved,task-2,b.mp4,\n");
    expect(read("index.html")).toContain("Say a");
    expect(file).toContain("clips.csv");
  });

  it("makes a trial of the first clips, then the rest, and nothing twice", async () => {
    const { batch, printed, posts, read } = batchOf(["c", "b", "a"]);
    expect(await batch("--limit", "1")).toBe(0);
    expect(printed.at(-1)).toBe(
      "1 of 1 clips are saved, of 3 in the file. For the rest, leave out --limit.",
    );
    expect(await batch("--limit", "1")).toBe(0);
    expect(printed).toContain(`0 tasks will be billed at ${HOST}.`);
    expect(await batch()).toBe(0);
    expect(printed).toContain(`2 tasks will be billed at ${HOST}.`);
    expect(posts()).toHaveLength(3);
    expect(read("results.csv").match(/^[abc],/gm)).toEqual(["c,", "b,", "a,"]);
  });

  it("asks once on a terminal, and sends nothing without a yes", async () => {
    const asked: string[] = [];
    let answer = false;
    const ask = (question: string) => Promise.resolve(asked.push(question) > 0 && answer);
    const { batch, printed, gateway } = batchOf(["a"], {}, { ask });
    expect(await batch()).toBe(130);
    expect(printed).toEqual(["Columns that are not used: owner", "Nothing was sent."]);
    expect(gateway.received).toEqual([]);
    expect(asked).toEqual([`1 task will be billed at ${HOST}. Go on?`]);
    answer = true;
    expect(await batch()).toBe(0);
    expect(await batch()).toBe(0);
    expect(await batch("--yes")).toBe(0);
    expect(asked).toHaveLength(2);
  });

  it("shows three requests with --dry-run, without a gateway, and sends nothing", async () => {
    const { run, printed, gateway, file } = batchOf([], {}, { env: {} });
    const folder = path.dirname(file);
    writeFileSync(path.join(folder, "a.mp3"), "audio");
    writeFileSync(
      file,
      `id,video_id,audio_file\n${[1, 2, 3, 4].map((id) => `${id},7,a.mp3\n`).join("")}`,
    );
    expect(await run("batch", file, "--dry-run")).toBe(0);
    expect(printed).toHaveLength(5);
    expect(printed[0]).toMatch(/^1: \{"input":.+"audio_file":"the audio file in Base64"/);
    expect(printed.slice(3)).toEqual([
      "… and 1 more.",
      "4 tasks would be billed; nothing was sent.",
    ]);
    expect(gateway.received).toEqual([]);
    expect(existsSync(path.join(folder, "clips"))).toBe(false);
  });

  it("shows only the requests of a trial with --dry-run and --limit", async () => {
    const { batch, printed } = batchOf(["a", "b"]);
    expect(await batch("--dry-run", "--limit", "1")).toBe(0);
    expect(printed.slice(1)).toEqual([
      matching(/^a: /),
      "1 task would be billed; nothing was sent.",
    ]);
  });

  it("tells all mistakes of a file, and sends nothing", async () => {
    const { batch, warned, gateway, file } = batchOf(["a", "a", "!"]);
    expect(await batch()).toBe(2);
    expect(warned).toEqual([
      `Nothing was sent: mistakes in ${file} (2):\n${file}:3: id a is also in line 2.\n${file}:4: id must be 1 to 100 letters, digits, - and _.\nColumns that are not used: owner`,
    ]);
    expect(await batch("--audio-file", "none.mp3")).toBe(2);
    expect(warned.at(-1)).toContain("--audio-file does not exist: none.mp3.");
    expect(gateway.received).toEqual([]);
  });

  it("says that a clip has another request now, and sends nothing", async () => {
    const { batch, warned, posts, file } = batchOf(["a"]);
    expect(await batch()).toBe(0);
    writeFileSync(file, csvOf(["a"]).replace("Say a", "Say b"));
    expect(await batch()).toBe(2);
    expect(warned).toEqual([matching(/^Nothing was sent/)]);
    expect(posts()).toHaveLength(1);
  });

  it("says what to do about failed clips, and makes them again with --retry-failed", async () => {
    let isFailing = true;
    const failWith = ({ input }: LipSyncRequest) =>
      isFailing && "text" in input && input.text === "Say b" ? "no face" : undefined;
    const { batch, printed, posts, folder, run } = batchOf(["a", "b"], { failWith });
    expect(await batch()).toBe(1);
    expect(printed.slice(-2)).toEqual([
      `Look at the videos: ${path.join(folder, "index.html")}`,
      `1 of 2 clips are saved. To be looked at: 1. What to do: kling-lip-sync status ${folder}`,
    ]);
    printed.length = 0;
    expect(await run("status", folder)).toBe(1);
    expect(printed).toEqual([
      "2 clips begun · 1 failed · 1 saved",
      "",
      matching(/^b: failed, asked \d{4}-\d\d-\d\d \d\d:\d\d:\d\d, task task-2$/),
      '  "Say b"',
      "  no face",
      `  To make it again (billed): kling-lip-sync batch FILE --folder ${folder} --retry-failed`,
    ]);
    isFailing = false;
    expect(await batch()).toBe(1);
    expect(printed).toContain(`0 tasks will be billed at ${HOST}.`);
    expect(await batch("--retry-failed")).toBe(0);
    expect(printed).toContain(`1 task will be billed at ${HOST}.`);
    expect(posts()).toHaveLength(3);
    expect(await run("status", folder)).toBe(0);
  });

  it("says once that nothing more is created, and why", async () => {
    const { batch, printed, warned, posts } = batchOf(["a", "b"], { apiKey: "another" });
    expect(await batch()).toBe(1);
    expect(printed.filter((line) => line.includes("No new tasks;"))).toEqual([
      matching(/ finished and saved\. .*1002/),
    ]);
    expect(printed.at(-1)).toMatch(
      /^0 of 2 clips are saved\. Mend the account first; .+: kling-lip-sync check$/,
    );
    expect(posts()).toHaveLength(1);
    expect(warned).toEqual([]);
  });

  it("counts the clips of another file that are left in its folder", async () => {
    const { batch, printed, gateway, file } = batchOf(["a"]);
    gateway.answerNext(Response.json({ code: 1102, message: "no credit" }, { status: 429 }));
    expect(await batch()).toBe(1);
    writeFileSync(file, csvOf(["b"]));
    expect(await batch()).toBe(1);
    expect(printed.at(-1)).toBe("1 of 2 clips are saved. To continue, type the same line again.");
  });

  it("says that its folder cannot be written to, before it asks for money", async () => {
    const { batch, printed, warned, gateway, file } = batchOf(["a"]);
    expect(await batch("--folder", path.join(file, "videos"))).toBe(2);
    expect(warned).toEqual([matching(/^Nothing was sent: .+ cannot be written to: ENOTDIR/)]);
    expect(printed).toEqual(["Columns that are not used: owner"]);
    expect(gateway.received).toEqual([]);
  });

  it("says once that the gateway cannot be reached, and goes on", async () => {
    const { batch, printed, gateway } = batchOf(["a", "b"]);
    gateway.answerNext("refused", "refused");
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    expect(await advanceUntil(batch())).toBe(0);
    expect(printed.filter((line) => line.includes("cannot be reached"))).toEqual([
      matching(/the batch goes on as soon as it can\. POST .+ECONNREFUSED/),
    ]);
  });

  it("says once that the gateway takes no more for now, and goes on", async () => {
    const { batch, printed, gateway } = batchOf(["a", "b"]);
    const busy = () =>
      Response.json(
        { code: 1303, message: "busy" },
        { status: 429, headers: { "retry-after": "0" } },
      );
    gateway.answerNext(busy(), busy());
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    expect(await advanceUntil(batch())).toBe(0);
    expect(printed.filter((line) => line.includes("takes no more for now"))).toHaveLength(1);
  });

  it("leaves an uncertain clip to a person, and finishes it when it is settled", async () => {
    const { batch, printed, gateway, folder, run, read } = batchOf(["a", "b"]);
    gateway.answerNext("reset");
    expect(await batch("--pause", "0.01")).toBe(1);
    expect(printed.join("\n")).toMatch(/No new task for 1 s: .+reset/i);
    expect(read("results.csv")).toMatch(/a,uncertain,,,.+\nb,saved,task-1,b\.mp4,\n/);
    printed.length = 0;
    expect(await run("status", folder)).toBe(1);
    expect(printed.slice(-3)).toEqual([
      "  Look for its task at the gateway, then type one of:",
      `    kling-lip-sync settle ${folder} a --task-id ID`,
      `    kling-lip-sync settle ${folder} a --no-task`,
    ]);
    expect(await run("settle", folder, "a", "--no-task")).toBe(0);
    expect(printed.at(-1)).toBe(
      "a has no task; run the batch again to create one, which is billed.",
    );
    expect(await batch()).toBe(0);
    expect(await run("status", folder, "--json")).toBe(0);
    expect(JSON.parse(printed.at(-1) ?? "")).toMatchObject([
      { id: "a", state: "saved", taskId: "task-2" },
      { id: "b", state: "saved", taskId: "task-1" },
    ]);
    expect(printed.at(-1)).not.toContain("Say a");
  }, 30_000);

  it("stops on Ctrl-C, and continues with the same line", async () => {
    const { batch, stop, printed, warned, gateway, folder, run, file } = batchOf(["a", "b"]);
    const answered = deferred();
    gateway.answerNext(answered.promise);
    const exitCode = batch();
    await vi.waitFor(() => {
      expect(gateway.received).toHaveLength(1);
    });
    stop();
    answered.resolve(Response.json(submitted));
    expect(await exitCode).toBe(130);
    expect(printed.at(-1)).toBe(
      "Stopped. 0 of 2 clips are saved, 1 running at the gateway. To continue, type the same line again.",
    );
    expect(printed.join("\n")).toContain("Stopping: a create that was sent is finished");
    expect(warned).toEqual([]);
    gateway.tasks.set(submitted.data.task_id, { ...submitted.data, task_status: "submitted" });
    const next = testTerminal();
    expect(await next.run("batch", file, ...VOICE, ...QUICK, "--json")).toBe(0);
    expect(JSON.parse(next.printed.join())).toMatchObject({ saved: 2, left: 0 });
    expect(await run("review", folder)).toBe(0);
    expect(printed.at(-1)).toBe(
      `Open this page to look at the videos: ${path.join(folder, "index.html")}`,
    );
  });

  it("shows what the journal does not read, and clips that another file has", async () => {
    const { batch, file, folder, warned, read } = batchOf(["a"]);
    expect(await batch()).toBe(0);
    appendFileSync(path.join(folder, "journal.jsonl"), "torn\n");
    writeFileSync(file, csvOf(["b"]));
    expect(await batch()).toBe(0);
    expect(warned).toEqual([matching(/journal\.jsonl:\d/)]);
    expect(read("results.csv").match(/^[ab],/gm)).toEqual(["b,", "a,"]);
  });

  it("puts the videos of a file without an end beside it", async () => {
    const { run, folder, file } = batchOf(["a"]);
    const plain = file.replace(".csv", "");
    renameSync(file, plain);
    expect(await run("batch", plain, ...VOICE, ...QUICK)).toBe(0);
    expect(existsSync(`${folder}-videos/a.mp4`)).toBe(true);
  });
});

describe("status", () => {
  it("says what to do about each clip that needs a person, and shortens a reason", () => {
    const lines = statusOf(
      "my clips",
      [
        { id: "a", state: "created", taskId: "1", reason: "x".repeat(300) },
        { id: "b", state: "saved", taskId: "2", extraTaskIds: ["3"] },
        { id: "c", state: "uncertain" },
      ],
      "k",
    );
    expect(lines).toEqual([
      "3 clips begun · 1 uncertain · 1 saved · 1 created",
      ...["", "a: created, task 1", `  ${"x".repeat(200)}…`],
      "  To save it (free of charge), run the batch again.",
      ...["", "b: saved, task 2", "  paid in addition: task 3"],
      ...["", "c: uncertain, no task id"],
      "  Look for its task at the gateway, then type one of:",
      "    k settle 'my clips' c --task-id ID",
      "    k settle 'my clips' c --no-task",
    ]);
  });
});

describe("settle", () => {
  test.for([[[]], [["--no-task", "--task-id", "7"]]])(
    "sends nothing with %j",
    async ([flags = []]) => {
      const { run, warned } = setUp();
      expect(await run("settle", "none", "a", ...flags)).toBe(2);
      expect(warned).toEqual([
        "Nothing was sent: say what you found: either --task-id ID or --no-task.",
      ]);
    },
  );

  it("gives an uncertain clip its task", async () => {
    const { batch, gateway, folder, run, printed, warned } = batchOf(["a"]);
    gateway.answerNext("reset");
    await batch("--pause", "0.01");
    expect(await run("settle", folder, "a", "--task-id", "7")).toBe(0);
    expect(printed.at(-1)).toBe("a has the task 7 now; run the batch again to save its video.");
    expect(warned.at(-1)).toMatch(/^The gateway does not know this task\./);
    expect(await run("status", folder)).toBe(1);
    expect(printed.at(-1)).toMatch(/^To continue, run the batch again;/);
    const { task_id } = await createLipSyncClient(gateway).create(request);
    warned.length = 0;
    expect(await run("settle", folder, "a", "--task-id", task_id)).toBe(0);
    const elsewhere = testTerminal({ env: {} });
    expect(await elsewhere.run("settle", folder, "a", "--task-id", "8")).toBe(0);
    expect([...warned, ...elsewhere.warned]).toEqual([]);
    expect(await batch()).toBe(1);
    expect(printed.at(-2)).toMatch(/^a is not saved: /);
    expect(await run("settle", folder, "a", "--no-task")).toBe(2);
    expect(warned.at(-1)).toContain("has task 8, which a person gave.");
  }, 30_000);

  it("says that a folder has no batch", async () => {
    const { run, warned } = setUp();
    expect(await run("status", newFolder())).toBe(2);
    expect(warned).toEqual([matching(/journal/)]);
  });
});

describe("what is typed", () => {
  it("has help with exit codes, and a version", async () => {
    const { run, printed, warned } = setUp();
    expect(await run("--help")).toBe(0);
    expect(printed.join("\n")).toMatch(
      /KLING_BASE_URL.+Exit codes:\n {2}0 .+\n {2}1 .+\n {2}2 .+\n {2}130 /s,
    );
    expect(await run("--version")).toBe(0);
    expect(printed.at(-1)).toBe("1.2.3");
    expect(warned).toEqual([]);
  });

  it("has a description of every subcommand, argument and flag in its help", async () => {
    const { run, printed } = setUp();
    await run("--help");
    const list = printed.splice(0).join("\n");
    const names = [...list.matchAll(/^ {2}([a-z]+) /gm)].map(([, name = ""]) => name);
    expect(names).toHaveLength(12);
    for (const name of names.slice(0, -1)) {
      await run(name, "--help");
      const help = printed.splice(0).join("\n");
      expect(help).toMatch(/^Usage: .+\n\n[a-z]/);
      const terms = help.match(/^ {2}(?:-.+|[a-z-]+(?: {2}.+)?)$/gm) ?? [];
      expect(terms.filter((term) => !/\S {2,}\S/.test(term))).toEqual([]);
      const [usage = ""] = help.split("\n");
      for (const [, argument = ""] of usage.matchAll(/<([a-z-]+)>/g))
        expect(help).toMatch(new RegExp(`^ {2}${argument} {2,}\\S`, "m"));
    }
  });

  test.for<[args: string[], says: string, command: string]>([
    [["creat"], "error: unknown command 'creat'", ""],
    [["create", "--speed", "2"], "error: unknown option '--speed'", "create "],
    [["batch"], "error: missing required argument 'file'", "batch "],
    [["batch", "f", "--parallel", "0"], "It must be a number above 0.", "batch "],
    [["get", "1", "2"], "error: too many arguments", "get "],
  ])("ends with 2 for %j", async ([args, says, command]) => {
    const { run, warned } = setUp();
    expect(await run(...args)).toBe(2);
    expect(warned.join("\n")).toContain(says);
    expect(warned.at(-1)).toBe(`See kling-lip-sync ${command}--help`);
  });
});

describe("an error", () => {
  const about = { host: "a.example", taskId: "t-1" };

  test.for<[what: string, error: unknown, says: string]>([
    [
      "a timeout",
      new TaskTimeoutError("t-1", 5, undefined, undefined),
      "Task t-1 was not done after 5 ms (unknown).",
    ],
    [
      "its last poll",
      new TaskTimeoutError("t-1", 5, undefined, new Error("cut")),
      "(unknown). The last poll failed: cut",
    ],
  ])("says %s and how to wait again", ([, error, says]) => {
    const lines = explain(error, about, "k");
    expect(lines).toContain(`${says}\nTo wait for it again, free of charge: k wait t-1`);
  });

  it("of the fake gateway, or of nothing that was sent, is its message", () => {
    expect(explain("what?", { isFake: true }, "k")).toBe("what?");
    expect(explain(new Error("what?"), {}, "k")).toBe("what?");
  });
});
