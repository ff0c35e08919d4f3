// npm run demo: as a process, and called in this process against a fake gateway on loopback.
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs/promises";
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { afterAll, afterEach, describe, expect, test, vi } from "vitest";
import { demo, explain, serve } from "../../scripts/demo.js";
import { checkGateway } from "../../scripts/demo/check.js";
import { TaskTimeoutError } from "../../src/index.js";
import { createFakeGateway, type FakeGateway, type FakeGatewayOptions } from "../../src/testing.js";
import { endpoint } from "../fixtures/client.js";
import { project, temporaryFolders } from "../fixtures/scripts.js";
import submitted from "../fixtures/submitted.json" with { type: "json" };
import succeed from "../fixtures/succeed.json" with { type: "json" };

vi.setConfig({ testTimeout: 30_000 });

const KEY = "a-key-that-nobody-may-see";
const VIDEO = ["--video-url", "https://files.example/face.mp4"];
const TEXT = ["--text", "你好"];
const VOICE = ["--voice-id", "genshin_vindi2", "--voice-language", "zh"];
const FLAGS = [...VIDEO, ...TEXT, ...VOICE];
const TOO_LARGE = 5 * 1024 * 1024 + 1;
const NOTHING = { KLING_BASE_URL: undefined, KLING_API_KEY: undefined };
const servers: { close: () => void }[] = [];
const newFolder = temporaryFolders();

afterEach(() => vi.restoreAllMocks());
afterAll(() => {
  for (const { close } of servers) close();
});

describe.concurrent("as a process of its own, the demo", () => {
  test.for<[what: string, absent: NodeJS.ProcessEnv]>([
    ["nothing", NOTHING],
    ["a key alone", { KLING_BASE_URL: undefined }],
    ["a gateway", {}],
  ])("without flags takes a fake task to its video, with %s in the environment", async (row) => {
    const [, absent] = row;
    const { gateway, env } = await served();
    const { exitCode, output } = await spawned([], { ...env, ...absent }).ended;
    const first = "Fake gateway on this machine, nothing is billed; .*npm run demo -- --help\n";
    const line = (status: string) => `\\d+\\.\\d s {2}${status}\n`;
    const lines = `Task task-1 is created: submitted\n(${line("processing")}){4}${line("succeed")}`;
    const video = "Video: https://fake-gateway.invalid/task-1.mp4\n";
    expect(output).toMatch(new RegExp(`^${first}${lines}${video}$`));
    expect({ exitCode, received: gateway.received }).toEqual({ exitCode: 0, received: [] });
  });

  test("creates one task at the gateway of the environment and prints its video", async () => {
    const { gateway, env, host } = await served({ polls: 1 });
    const { output, exitCode } = await spawned(FLAGS, env).ended;
    expect(output.split("\n")).toEqual([
      `Creating a task at ${host}; this is billed.`,
      "Task task-1 is created: submitted",
      expect.stringMatching(/^\d+\.\d s {2}succeed$/) as unknown,
      "Video: https://fake-gateway.invalid/task-1.mp4",
      "",
    ]);
    expect(exitCode).toBe(0);
    const video = { video_url: "https://files.example/face.mp4", mode: "text2video" };
    const speech = { text: "你好", voice_id: "genshin_vindi2", voice_language: "zh" };
    expect(gateway.received).toEqual([
      { method: "POST", path: endpoint, body: { input: { ...video, ...speech } } },
      { method: "GET", path: `${endpoint}/task-1`, body: undefined },
    ]);
  });

  test.for<[when: string, flags: string[], after: string, says: RegExp]>([
    ["without flags", [], "processing", /\nStopped, and .* with it; nothing was billed\.\n$/],
    ["with a task", FLAGS, "processing", /\nStopped; task task-1 goes on\.\n.*--task-id task-1\n$/],
    ["before the answer", FLAGS, "billed", /\nStopped before .* may have been created and .*\n$/],
  ])("says on Ctrl-C %s what becomes of the task", async ([, flags, after, says]) => {
    const { gateway, env } = await served({ polls: 99 }, (gateway) => async (url, init) => {
      const response = await gateway.fetch(url, init);
      return after === "processing" ? response : new Promise(() => undefined);
    });
    const child = spawned(flags, env);
    const posts = () => gateway.received.filter(({ method }) => method === "POST").length;
    const postsOfRun = flags.length === 0 ? 0 : 1;
    await vi.waitFor(() => {
      expect(child.output()).toContain(after);
      expect(posts()).toBe(postsOfRun);
    }, 20_000);
    child.interrupt();
    const { output, exitCode } = await child.ended;
    expect(output).toMatch(says);
    expect({ exitCode, posts: posts() }).toEqual({ exitCode: 130, posts: postsOfRun });
  });

  test("leaves no file on Ctrl-C in a download, and says how to fetch it again", async () => {
    const { video } = await videoServer((response) => {
      response.writeHead(200, { "content-length": "20" }).write("0123456789");
    });
    const { gateway, env } = await servedWith(video);
    const file = path.join(await newFolder(), "it's.mp4");
    const child = spawned(["--task-id", "old-1", "--save", file], env);
    await vi.waitFor(async () => {
      const [part = ""] = await fs.readdir(path.dirname(file));
      expect((await fs.stat(path.join(path.dirname(file), part))).size).toBe(10);
    }, 20_000);
    child.interrupt();
    const { output, exitCode } = await child.ended;
    const quoted = `'${file.replace("'", `'\\''`)}'`;
    expect(output.split("\n").slice(-4)).toEqual([
      "Stopped; the video was not saved.",
      `It is at ${video}`,
      `To fetch it again, unbilled: npm run demo -- --task-id old-1 --save ${quoted}`,
      "",
    ]);
    expect(await fs.readdir(path.dirname(file))).toEqual([]);
    const posts = gateway.received.filter(({ method }) => method === "POST").length;
    expect({ exitCode, posts }).toEqual({ exitCode: 130, posts: 0 });
  });

  test("saves what the fake gateway has for a video, with --save alone", async () => {
    const { gateway, env } = await served();
    const file = path.join(await newFolder(), "fake.mp4");
    const { output, exitCode } = await spawned(["--save", file], env).ended;
    expect(output).toMatch(/^Fake gateway on this machine, nothing is billed;/);
    expect(output).toMatch(/\nVideo: .+\n\d+\.\d s {2}20 bytes\nSaved: .+fake\.mp4\n$/);
    expect(await fs.readFile(file, "latin1")).toMatch(/ftypisom/);
    expect({ exitCode, received: gateway.received }).toEqual({ exitCode: 0, received: [] });
  });
});

describe("with flags, the demo", () => {
  test("explains itself", async () => {
    const { output, exitCode } = await called(["--help"]);
    expect(output).toMatch(/^Usage: npm run demo -- /);
    const others = ["--video-id", "--audio-url", "--audio-file", "--task-id", "--save", "--check"];
    const flags = [...FLAGS, ...others].filter((flag) => flag.startsWith("--"));
    for (const flag of flags) expect(output).toContain(`  ${flag} `);
    expect(output).toMatch(/KLING_BASE_URL.*KLING_API_KEY.*Exit codes.*130.*npm run demo -- /s);
    expect(exitCode).toBe(0);
  });

  test("says that the call is billed before anything arrives", async () => {
    const log = vi.spyOn(console, "log");
    let printed: unknown[] = [];
    const { env, host } = await served({ polls: 1 }, (gateway) => (input, init) => {
      if (init?.method === "POST") printed = log.mock.calls.flat();
      return gateway.fetch(input, init);
    });
    await called(FLAGS, env);
    expect(printed).toEqual([`Creating a task at ${host}; this is billed.`]);
  });

  test("sends the id of a video, and a language that it does not know", async () => {
    const { gateway, env } = await served({ polls: 1 });
    const voice = ["--voice-id", "7", "--voice-language", "ja"];
    await called(["--video-id", "video-7", "--video-url", "", ...TEXT, ...voice], env);
    const speech = { text: "你好", voice_id: "7", voice_language: "ja" };
    const input = { video_id: "video-7", mode: "text2video", ...speech };
    expect(gateway.received[0]?.body).toEqual({ input });
  });

  test("sends the URL of an audio file", async () => {
    const { gateway, env } = await served({ polls: 1 });
    const url = "https://files.example/speech.mp3";
    // A blank flag counts as none, so that a variable of a shell may be empty.
    const { exitCode } = await called([...VIDEO, "--audio-url", url, "--text", ""], env);
    const video = { video_url: "https://files.example/face.mp4", mode: "audio2video" };
    const input = { ...video, audio_type: "url", audio_url: url };
    expect({ exitCode, body: gateway.received[0]?.body }).toEqual({ exitCode: 0, body: { input } });
  });

  test.for([
    ["small", Buffer.from([0xff, 0xfb, 0x00, 0x80])],
    ["as large as allowed", Buffer.alloc(TOO_LARGE - 1, 7)],
  ] as const)("sends an audio file in Base64 that is %s", async ([, bytes]) => {
    const { gateway, env } = await served({ polls: 1 });
    const file = path.join(await newFolder(), "speech.mp3");
    await fs.writeFile(file, bytes);
    const { exitCode } = await called(["--video-id", "7", "--audio-file", file], env);
    const audio = { audio_type: "file", audio_file: bytes.toString("base64") };
    const input = { video_id: "7", mode: "audio2video", ...audio };
    expect(gateway.received[0]?.body).toEqual({ input });
    expect(exitCode).toBe(0);
  });

  test("waits for a task that exists and creates none", async () => {
    const { gateway, env, host } = await served();
    const task = { ...succeed.data, task_id: "old-1", task_status: "succeed" } as const;
    gateway.tasks.set("old-1", task);
    const { output, exitCode } = await called(["--task-id", "old-1"], env);
    expect(output).toContain(`Waiting for task old-1 at ${host}; this is not billed.\n`);
    expect(output).toContain(`Video: ${task.task_result.videos[0]?.url ?? "none"}\n`);
    expect(exitCode).toBe(0);
    const get = { method: "GET", path: `${endpoint}/old-1`, body: undefined };
    expect(gateway.received).toEqual([get]);
  });

  const failing = { polls: 1, failWith: "no face\n\u001B[2Jfound" };
  const refusal = Response.json({ code: 1103, message: "no right" }, { status: 403 });
  const refusedPoll = [Response.json(submitted), refusal];
  const noTask = /401, code 1002.*\nNo task was created\.\n$/s;
  const doubt = /\nA task may have been created and billed: look at 127\.0\.0\.1:.*\n$/;

  test.for<[string, FakeGatewayOptions, (Response | Error)[], says: RegExp, sends: string]>([
    ["a refused key", { apiKey: "another-key" }, [], noTask, "POST"],
    ["a broken connection", {}, [new Error("broken off")], doubt, "POST"],
    ["a failed task", failing, [], /\nTask task-1 failed: no face \[2Jfound\n$/, "POST GET"],
    ["a refused poll", {}, refusedPoll, /403, code 1103: no right\n.*--task-id \w+\n$/, "POST GET"],
  ])("says what %s means, and ends with 1", async ([, options, answers, says, sends]) => {
    const { gateway, env } = await served(options);
    gateway.answerNext(...answers);
    const { output, exitCode } = await called(FLAGS, env);
    expect(output).toMatch(says);
    expect(output).not.toContain(KEY);
    const sent = gateway.received.map(({ method }) => method).join(" ");
    expect({ exitCode, sent }).toEqual({ exitCode: 1, sent: sends });
  });
});

describe("a mistake sends nothing and is told in one line:", () => {
  test.for<[what: string, flags: string[], env: NodeJS.ProcessEnv, says: string]>([
    ["no gateway", FLAGS, NOTHING, "not set: KLING_BASE_URL, KLING_API_KEY."],
    ["no base URL", FLAGS, { KLING_BASE_URL: undefined }, "not set: KLING_BASE_URL."],
    ["a blank key", FLAGS, { KLING_API_KEY: " " }, "not set: KLING_API_KEY."],
    ["a base URL that cannot work", FLAGS, { KLING_BASE_URL: "https://h.example/v1" }, "/v1"],
    ["a key that cannot work", FLAGS, { KLING_API_KEY: `${KEY}é` }, "has a space or is not ASCII"],
    ["both videos", [...FLAGS, "--video-id", "7"], {}, "--video-url and --video-id are both given"],
    ["no video", [...TEXT, ...VOICE], {}, "missing: --video-url or --video-id."],
    ["no text", [...VIDEO, ...VOICE], {}, "missing: --text."],
    ["a blank text", [...FLAGS, "--text", ""], {}, "missing: --text."],
    ["a video alone", VIDEO, {}, "missing: --audio-url or --audio-file or --text with --voice-id"],
    ["a video and a text", [...VIDEO, ...TEXT], {}, "missing: --voice-id, --voice-language."],
    [
      "two audios",
      [...FLAGS, "--audio-url", "u"],
      {},
      "--text and --audio-url are given; give one",
    ],
    [
      "a voice for audio",
      [...VIDEO, ...VOICE, "--audio-file", "f"],
      {},
      "--voice-id and --audio-f",
    ],
    ["an audio alone", ["--audio-url", "u"], {}, "missing: --video-url or --video-id."],
    ["no audio file", [...VIDEO, "--audio-file", "/none/a.mp3"], {}, "cannot be read: ENOENT"],
    ["a folder as audio", [...VIDEO, "--audio-file", project], {}, "cannot be read: EISDIR"],
    ["an empty audio file", [...VIDEO, "--audio-file", "/dev/null"], {}, "--audio-file is empty"],
    ["a large audio file", [...VIDEO, "--audio-file", "/dev/zero"], {}, "is larger than 5 MB"],
    ["a blank file to save", [...FLAGS, "--save", " "], {}, "--save needs the name of a file."],
    ["a folder to save to", [...FLAGS, "--save", "nowhere/"], {}, "not of a folder."],
    ["an existing file", [...FLAGS, "--save", "package.json"], {}, "overwrite a file, and package"],
    ["an existing file for a task", ["--task-id", "1", "--save", "src"], {}, "and src exists."],
    ["an existing file for the fake", ["--save", "README.md"], {}, "and README.md exists."],
    [
      "no folder to save in",
      [...FLAGS, "--save", "none/v.mp4"],
      {},
      "a folder that exists, not none",
    ],
    [
      "a file as a folder",
      [...FLAGS, "--save", "LICENSE/v"],
      {},
      "a folder that exists, not LICENSE",
    ],
    [
      "too long a name",
      [...FLAGS, "--save", "v".repeat(999)],
      {},
      "cannot create the file: ENAMETOO",
    ],
    [
      "--check with a request",
      ["--check", ...TEXT],
      {},
      "only checks the gateway; leave out --text.",
    ],
    ["--check with --save", ["--check", "--save", "v"], {}, "leave out --save."],
    ["--check without a gateway", ["--check"], NOTHING, "not set: KLING_BASE_URL, KLING_API_KEY."],
    ["--check of a bad base URL", ["--check"], { KLING_BASE_URL: "https://h.example/v1" }, "/v1"],
    ["--check with a value", ["--check=1"], {}, "'--check' does not take an argument. See npm run"],
    ["a check that npm took", [], { npm_config_check: "true" }, "npm run demo -- --check"],
    ["an unknown flag", [...FLAGS, "--speed", "2"], {}, "Unknown option '--speed'. See npm run"],
    ["a flag without its value", ["--task-id"], {}, "'--task-id <value>' argument missing. See"],
    ["a flag in place of a value", ["--text", ...FLAGS], {}, "'--text' argument is ambiguous"],
    ["a word without a flag", ["task-1"], {}, "Unexpected argument 'task-1'"],
    ["--task-id with a request", ["--task-id", "1", ...TEXT], {}, "without --text."],
    ["a blank task id", ["--task-id", ""], {}, "The task id is blank"],
    ["a flag that npm took", [], { npm_config_task_id: "1" }, "npm run demo -- --task-id"],
  ])("%s", async ([, flags, variables, says]) => {
    const { gateway, env } = await served();
    const { errors, output, exitCode } = await called(flags, { ...env, ...variables });
    expect(errors).toMatch(/^Nothing was sent: .+\n$/);
    expect(errors).toContain(says);
    expect(output).not.toContain(KEY);
    expect({ exitCode, received: gateway.received }).toEqual({ exitCode: 2, received: [] });
  });
});

describe("with --save, the demo", () => {
  test("saves the video of a new task, and shows neither server the other's business", async () => {
    const { video, received } = await videoServer((response) => {
      response.writeHead(200, { "content-length": "5" }).end("video");
    });
    const { gateway, env } = await served({ polls: 1 }, (gateway) => async (input, init) => {
      const response = await gateway.fetch(input, init);
      const text = await response.text();
      return new Response(text.replace(/https:[^"]+[.]mp4/, video), response);
    });
    const folder = await newFolder();
    const file = path.join(folder, "result.mp4");
    const { output, exitCode } = await called([...FLAGS, "--save", file], env);
    const [seconds, saved] = output.split("\n").slice(-3);
    expect(seconds).toMatch(/^\d+\.\d s {2}5 \/ 5 bytes \(100 %\)$/);
    expect(saved).toBe(`Saved: ${file}`);
    expect(exitCode).toBe(0);
    expect(await fs.readdir(folder)).toEqual(["result.mp4"]);
    expect(await fs.readFile(file, "utf8")).toBe("video");
    expect(gateway.received.map(({ method }) => method)).toEqual(["POST", "GET"]);
    expect(received).toEqual([expect.objectContaining({ "accept-encoding": "identity" })]);
    expect(JSON.stringify(received)).not.toMatch(new RegExp(`authorization|${KEY}`, "i"));
  });

  test("saves the first video of a task that exists, however long it is", async () => {
    const bytes = Buffer.alloc(3_000_000, "video");
    const { video } = await videoServer((response) => response.end(bytes));
    const { gateway, env } = await servedWith(video, "https://files.example/second.mp4");
    const folder = await newFolder();
    const args = ["--task-id", "old-1", "--save", path.join(folder, "result.mp4")];
    const { output, exitCode } = await called(args, env);
    expect(output).toMatch(/ 3,000,000 \/ 3,000,000 bytes .+\nSaved: .+\nOnly the first .+\n$/);
    expect(bytes.equals(await fs.readFile(path.join(folder, "result.mp4")))).toBe(true);
    expect(gateway.received.map(({ method }) => method)).toEqual(["GET"]);
    expect(exitCode).toBe(0);
  });

  test("says the bytes alone where the server does not say how many come", async () => {
    const { video } = await videoServer((response) => {
      response.write("vi");
      response.end("deo");
    });
    const { env } = await servedWith(video);
    const file = path.join(await newFolder(), "result.mp4");
    const { output } = await called(["--task-id", "old-1", "--save", file], env);
    expect(output).toMatch(/ s {2}5 bytes\nSaved: /);
    expect(await fs.readFile(file, "utf8")).toBe("video");
  });

  test("saves on a file system that has no hard links", async () => {
    const { video } = await videoServer((response) => response.end("video"));
    const { env } = await servedWith(video);
    const folder = await newFolder();
    const file = path.join(folder, "result.mp4");
    const refusal = Object.assign(new Error("not permitted"), { code: "EPERM" });
    vi.spyOn(fs, "link").mockRejectedValueOnce(refusal);
    const { exitCode } = await called(["--task-id", "old-1", "--save", file], env);
    expect(exitCode).toBe(0);
    expect(await fs.readdir(folder)).toEqual(["result.mp4"]);
    expect(await fs.readFile(file, "utf8")).toBe("video");
  });

  test.for([
    ["a hard link", false],
    ["a copy", true],
  ] as const)("does not overwrite a file that comes meanwhile, with %s", async ([, isCopy]) => {
    const folder = await newFolder();
    const file = path.join(folder, "result.mp4");
    const { video } = await videoServer((response) => {
      void fs.writeFile(file, "mine").then(() => response.end("video"));
    });
    const { env } = await servedWith(video);
    if (isCopy) vi.spyOn(fs, "link").mockRejectedValueOnce(new Error("not permitted"));
    const { errors, exitCode } = await called(["--task-id", "old-1", "--save", file], env);
    expect(errors).toContain(`was not saved: ${file} exists by now; save it under another name.\n`);
    expect(exitCode).toBe(1);
    expect(await fs.readdir(folder)).toEqual(["result.mp4"]);
    expect(await fs.readFile(file, "utf8")).toBe("mine");
  });

  const html = { "content-type": "text/html; charset=utf-8" };
  const cutOff = (response: ServerResponse, headers: Record<string, string>) => {
    response.writeHead(200, headers).write("0123456789", () => response.destroy());
  };

  test.for<[string, answer: (response: ServerResponse) => void, says: RegExp]>([
    ["an expired URL", (response) => response.writeHead(403).end(), /: its server returned 403\.$/],
    [
      "a web page",
      (response) => response.writeHead(200, html).end("<p>"),
      / returned text\/html;.+, not a/,
    ],
    ["an empty file", (response) => response.end(), /: its server sent an empty file\.$/],
    ["no answer", (response) => response.destroy(), /: fetch failed: .+\.$/],
    [
      "a download cut off",
      (response) => {
        cutOff(response, { "content-length": "20" });
      },
      /: it was cut off after \d+ of 20 bytes: .+\.$/,
    ],
    [
      "one without a length cut off",
      (response) => {
        cutOff(response, {});
      },
      /: it was cut off after \d+ bytes: .+\.$/,
    ],
  ])("leaves no file after %s, and says how to fetch the video again", async (row) => {
    const [, answer, says] = row;
    const { video } = await videoServer(answer);
    const { gateway, env } = await servedWith(video);
    const folder = await newFolder();
    const file = path.join(folder, "result.mp4");
    const { errors, output, exitCode } = await called(["--task-id", "old-1", "--save", file], env);
    const [what, where, how] = errors.split("\n");
    expect(what).toMatch(/^The video was not saved: /);
    expect(what).toMatch(says);
    expect(where).toBe(`It is at ${video}`);
    expect(how).toBe(`To fetch it again, unbilled: npm run demo -- --task-id old-1 --save ${file}`);
    expect(output).toContain(`Video: ${video}\n`);
    expect(exitCode).toBe(1);
    expect(await fs.readdir(folder)).toEqual([]);
    expect(gateway.received.map(({ method }) => method)).toEqual(["GET"]);
  });

  test("keeps --save in the command that waits for the task again", async () => {
    const { gateway, env } = await served();
    gateway.answerNext(Response.json(submitted), new Response("", { status: 403 }));
    const file = path.join(await newFolder(), "result.mp4");
    const { errors } = await called([...FLAGS, "--save", file], env);
    expect(errors).toMatch(
      /To wait for it again, unbilled: .+ --task-id \w+ --save .+result\.mp4\n$/,
    );
  });
});

describe("with --check, the demo", () => {
  const json = (status: number, body: unknown) => () => Response.json(body, { status });
  const page = (status: number, body: string, type: string) => () =>
    new Response(body, { status, headers: { "content-type": type } });
  const to = (location: string) => () => new Response(null, { status: 301, headers: { location } });
  const newApi = { code: "task_not_exist", message: "task_not_exist", data: null };
  const invalidUrl = { error: { message: "Invalid URL (GET /kling/v1/videos)", code: "" } };
  const nest = { statusCode: 404, message: "Cannot GET /kling/v1/videos", error: "Not Found" };
  const spring = { status: 404, error: "Not Found", path: "/kling/v1/videos" };
  const badKey = { error: { message: `invalid token ${KEY}`, type: "new_api_error" } };
  const oldKey = { code: 1004, message: "authorization expired" };
  const task = { ...succeed.data, task_id: "kling-lip-sync-check" };

  test.for<[what: string, answer: (() => Response) | undefined, says: RegExp, exitCode: number]>([
    ["Kling's unknown task", undefined, /^Good: base URL, path and key work at http:.+billed\./, 0],
    ["Kling's, with status 200", json(200, { code: 1203, message: "none" }), /^Good: /, 0],
    ["new-api's unknown task", json(400, newApi), /^Good: base URL, path and key work/, 0],
    ["another gateway's", json(404, { message: "Task not found" }), /^Good: base URL, path and/, 0],
    [
      "a 404 with bare JSON",
      json(404, {}),
      /^Probably good: .+ returned 404 in JSON, .+: \{\}$/,
      0,
    ],
    ["an OpenAI gateway's 404", json(404, invalidUrl), /^No such path: .+ Invalid URL \(GET/, 1],
    ["Nest's 404", json(404, nest), /^No such path: .+ according to .+ GET .+ Cannot GET/, 1],
    ["FastAPI's 404", json(404, { detail: "Not Found" }), /^No such path: .+"Not Found"/, 1],
    ["Django's 404", json(404, { detail: "Not found." }), /^No such path: .+"Not found\."/, 1],
    ["Spring's 404", json(404, spring), /^No such path: .+ Not Found$/, 1],
    ["Kong's 404", json(404, { message: "no Route matched" }), /^No such path: .+ no Route/, 1],
    ["Kling's unknown operation", json(404, { code: 1202, message: "no" }), /^No such path: /, 1],
    [
      "a 404 in plain text",
      page(404, "404 page not found", "text/plain"),
      /^No such path: .+ JSON/,
      1,
    ],
    [
      "a web page",
      page(200, "<p>Hi", "text/html"),
      /^Wrong base URL: .+ 200 with a web page\. /,
      1,
    ],
    ["a web page's 404", page(404, "<!doctype html>", "text/plain"), /^Wrong .+ 404 with a web/, 1],
    [
      "a login page",
      to("/login"),
      /^Wrong base URL: .+ redirects to http:\/\/127.+\/login\. Set/,
      1,
    ],
    ["another origin", to("https://api.example/x"), /redirects to https:\/\/api\.example\/x\. /, 1],
    [
      "a redirect to nowhere",
      page(302, "", "text/plain"),
      /redirects to a place that it does not/,
      1,
    ],
    ["a refused key", json(401, badKey), /^Key refused: .+ 401: invalid token \*\*\*$/, 1],
    [
      "a key without the right",
      json(403, { code: 1103, message: "no right" }),
      /^Key refused: /,
      1,
    ],
    ["a refused key at 200", json(200, oldKey), /^Key refused: .+ code 1004: authorization/, 1],
    ["a server that fails", page(502, "<html>", "text/html"), /^Unclear: .+ 502: <html>$/, 1],
    ["too many requests", json(429, { message: "slow down" }), /^Unclear: .+ 429: slow down$/, 1],
    ["other JSON", json(200, { ok: true }), /^Unclear: .+ 200: /, 1],
    ["a task", json(200, { code: 0, data: task }), /^Odd: .+ returned a task for the id/, 1],
  ])("sends one GET and prints one line about %s", async ([, answer, says, expected]) => {
    const { gateway, env } = await served();
    if (answer) gateway.answerNext(answer());
    const { output, exitCode } = await called(["--check"], env);
    expect(output).toMatch(/^.+\n$/);
    expect(output.trimEnd()).toMatch(says);
    expect(output).not.toContain(KEY);
    const get = { method: "GET", path: `${endpoint}/kling-lip-sync-check`, body: undefined };
    expect({ exitCode, received: gateway.received }).toEqual({
      exitCode: expected,
      received: [get],
    });
  });

  test("prints one line about a connection that is refused", async () => {
    const { baseUrl, close } = await serve(createFakeGateway());
    close();
    const env = { KLING_BASE_URL: baseUrl, KLING_API_KEY: KEY };
    const { output, exitCode } = await called(["--check"], env);
    expect(output).toMatch(/^Wrong base URL, or .+: 127\.0\.0\.1:\d+ refuses the connection\.\n$/);
    expect(exitCode).toBe(1);
  });

  test("prints one line about a connection that breaks", async () => {
    const { gateway, env } = await served();
    gateway.answerNext(new Error("broken off"));
    const { output, exitCode } = await called(["--check"], env);
    expect(output).toMatch(/^Unclear: .+ fetch failed: .+\n$/);
    expect({ exitCode, sent: gateway.received.length }).toEqual({ exitCode: 1, sent: 1 });
  });

  test.for([
    ["ENOTFOUND", /^Wrong base URL, or no network: the host gateway\.example is not found\.$/],
    ["UND_ERR_CONNECT_TIMEOUT", /^Timeout: gateway\.example cannot be reached\. /],
  ] as const)("has a line for %s", async ([code, says]) => {
    const cause = Object.assign(new Error(code), { code });
    const fetch = () => Promise.reject(new TypeError("fetch failed", { cause }));
    const gateway = { baseUrl: "https://gateway.example/", apiKey: KEY, fetch };
    const { isGood, line } = await checkGateway(gateway);
    expect(line).toMatch(says);
    expect(isGood).toBe(false);
  });

  test("has a line for a gateway that does not answer in time", async () => {
    const { env } = await served({}, () => () => new Promise(() => undefined));
    const gateway = { baseUrl: env.KLING_BASE_URL, apiKey: KEY, timeoutMs: 100 };
    const { isGood, line } = await checkGateway(gateway);
    expect(line).toMatch(/^Timeout: no complete response from 127\.0\.0\.1:\d+ within 0\.1 s\. /);
    expect(isGood).toBe(false);
  });
});

describe("explain", () => {
  test("says after a timeout how to resume, and why the last poll failed", () => {
    const late = "Task task-1 was not done after 5 ms (unknown).";
    const resume = "To wait for it again, unbilled: npm run demo -- --task-id task-1";
    const about = { host: "gateway.example", taskId: "task-1" };
    const explained = (cause?: Error) =>
      explain(new TaskTimeoutError("task-1", 5, undefined, cause), about);
    expect(explained()).toBe(`${late}\n${resume}`);
    const why = "The last poll failed: no network";
    expect(explained(new Error("no network"))).toBe(`${late} ${why}\n${resume}`);
  });

  test("makes no promise where it does not know whether a task was created", () => {
    expect(explain(new Error("what?"), { host: "a.example" })).toMatch(/may have been created/);
    expect(explain("what?", {})).toBe("what?");
  });
});

/** A fake gateway on loopback and the environment that leads to it. */
async function served(
  options: FakeGatewayOptions = {},
  fetchOf: (gateway: FakeGateway) => typeof fetch = ({ fetch }) => fetch,
) {
  const gateway = createFakeGateway({ apiKey: KEY, ...options });
  const server = await serve({ ...gateway, fetch: fetchOf(gateway) });
  servers.push(server);
  const { host } = new URL(server.baseUrl);
  return { gateway, host, env: { KLING_BASE_URL: server.baseUrl, KLING_API_KEY: KEY } };
}

/** A server on loopback that answers for a video, its URL there, and the headers that it saw. */
async function videoServer(answer: (response: ServerResponse) => void) {
  const received: IncomingHttpHeaders[] = [];
  const server = createServer((request, response) => {
    received.push(request.headers);
    answer(response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  servers.push({
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  });
  const { port } = server.address() as AddressInfo;
  return { video: `http://127.0.0.1:${port}/result.mp4`, received };
}

/** A fake gateway on loopback where the task old-1 is done and has videos at these URLs. */
async function servedWith(...urls: string[]) {
  const { gateway, ...rest } = await served();
  const videos = urls.map((url) => ({ id: "v-2", url, duration: "5.041" }));
  const done = { task_id: "old-1", task_status: "succeed", task_result: { videos } } as const;
  gateway.tasks.set("old-1", { ...succeed.data, ...done });
  return { gateway, ...rest };
}

/** Runs the demo in this process. */
async function called(args: string[], env: NodeJS.ProcessEnv = {}) {
  const log = vi.spyOn(console, "log").mockReturnValue();
  const error = vi.spyOn(console, "error").mockReturnValue();
  const exitCode = await demo(args, env);
  const printed = (spy: typeof log) => spy.mock.calls.map((line) => `${line.join(" ")}\n`).join("");
  return { output: printed(log) + printed(error), errors: printed(error), exitCode };
}

/** Runs the demo in a process of its own. */
function spawned(args: string[], env: NodeJS.ProcessEnv = {}) {
  const child = spawn(process.execPath, ["--import", "tsx", "scripts/demo.ts", ...args], {
    cwd: project,
    env: { ...process.env, ...NOTHING, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => (output += text));
  }
  const ended = once(child, "close").then(([exitCode]: unknown[]) => ({ exitCode, output }));
  return { ended, output: () => output, interrupt: () => child.kill("SIGINT") };
}
