import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test, vi } from "vitest";
import { demo, explain, serve } from "../../scripts/demo.js";
import { TaskTimeoutError } from "../../src/index.js";
import { createFakeGateway, type FakeGateway, type FakeGatewayOptions } from "../../src/testing.js";

vi.setConfig({ testTimeout: 30_000 });

const KEY = "a-key-that-nobody-may-see";
const PATH = "/kling/v1/videos/lip-sync";
const VIDEO = ["--video-url", "https://files.example/face.mp4"];
const TEXT = ["--text", "你好"];
const VOICE = ["--voice-id", "genshin_vindi2", "--voice-language", "zh"];
const FLAGS = [...VIDEO, ...TEXT, ...VOICE];
const FAKE = /^Fake gateway on this machine, nothing is billed; .*npm run demo -- --help\n/;
const servers: { close: () => void }[] = [];

afterAll(() => {
  for (const { close } of servers) close();
});

describe.concurrent("as a process of its own, the demo", () => {
  test("takes a task to its video without flags, and ends", async () => {
    const { output, exitCode } = await spawned([]).ended;
    const line = (status: string) => `\\d+\\.\\d s {2}${status}\n`;
    const lines = `Task task-1 is created: submitted\n(${line("processing")}){4}${line("succeed")}`;
    const video = "Video: https://fake-gateway.invalid/task-1.mp4\n";
    expect(output).toMatch(new RegExp(`${FAKE.source}${lines}${video}$`));
    expect(exitCode).toBe(0);
  });

  test("leaves the gateway of the environment alone without flags", async () => {
    const { gateway, env } = await served();
    const { output, exitCode } = await spawned([], env).ended;
    expect(output).toMatch(FAKE);
    expect(output).not.toContain(KEY);
    expect({ exitCode, received: gateway.received }).toEqual({ exitCode: 0, received: [] });
  });

  test("ignores a key alone, and Ctrl-C ends the fake gateway's task", async () => {
    const child = spawned([], { KLING_API_KEY: KEY });
    await child.prints("processing");
    child.interrupt();
    const { output, exitCode } = await child.ended;
    expect(output).toContain("nothing was billed.\n");
    expect(output).not.toContain("--task-id");
    expect(exitCode).toBe(130);
  });

  test("creates one task at the gateway of the environment and prints its video", async () => {
    const { gateway, env } = await served({ polls: 1 });
    const { output, exitCode } = await spawned(FLAGS, env).ended;
    const { host } = new URL(env.KLING_BASE_URL);
    expect(output.split("\n")).toEqual([
      `Creating a task at ${host}; this is billed.`,
      "Task task-1 is created: submitted",
      expect.stringMatching(/^\d+\.\d s {2}succeed$/) as unknown,
      "Video: https://fake-gateway.invalid/task-1.mp4",
      "",
    ]);
    expect(exitCode).toBe(0);
    const input = {
      video_url: "https://files.example/face.mp4",
      mode: "text2video",
      text: "你好",
      voice_id: "genshin_vindi2",
      voice_language: "zh",
    };
    expect(gateway.received).toEqual([
      { method: "POST", path: PATH, body: { input } },
      { method: "GET", path: `${PATH}/task-1`, body: undefined },
    ]);
  });

  test("says on Ctrl-C which task goes on and how to resume", async () => {
    const { gateway, env } = await served({ polls: 99 });
    const child = spawned(FLAGS, env);
    await child.prints("processing");
    child.interrupt();
    const { output, exitCode } = await child.ended;
    expect(output).toMatch(/^Stopped; task task-1 goes on\.\n.*npm run demo -- --task-id task-1$/m);
    expect(exitCode).toBe(130);
    expect(gateway.received.filter(({ method }) => method === "POST")).toHaveLength(1);
  });

  test("says on Ctrl-C before the answer that a task may have been created", async () => {
    let onPost = () => {};
    const posted = new Promise<void>((resolve) => (onPost = resolve));
    const { env } = await served({}, () => () => {
      onPost();
      return new Promise(() => {});
    });
    const child = spawned(FLAGS, env);
    await posted;
    child.interrupt();
    const { output, exitCode } = await child.ended;
    expect(output).toContain("Stopped before the answer. A task may have been created and billed");
    expect(exitCode).toBe(130);
  });

  test("ends with 2 and one line on a mistake", async () => {
    const { output, exitCode } = await spawned(["--task-id", "1"]).ended;
    expect(output).toMatch(/^Nothing was sent: .*not set: KLING_BASE_URL, KLING_API_KEY\.\n$/);
    expect(exitCode).toBe(2);
  });
});

describe("with flags, the demo", () => {
  test("explains itself", async () => {
    const { output, exitCode } = await called(["--help"]);
    expect(output).toMatch(/^Usage: npm run demo -- /);
    const flags = [...FLAGS, "--video-id", "--task-id"].filter((flag) => flag.startsWith("--"));
    for (const flag of flags) expect(output).toContain(`  ${flag} `);
    expect(output).toMatch(/KLING_BASE_URL.*KLING_API_KEY.*Exit codes.*130.*npm run demo -- /s);
    expect(exitCode).toBe(0);
  });

  test("says that the call is billed before anything arrives", async () => {
    const log = vi.spyOn(console, "log");
    let printed: unknown[] = [];
    const { env } = await served({ polls: 1 }, (gateway) => (input, init) => {
      if (init?.method === "POST") printed = log.mock.calls.flat();
      return gateway.fetch(input, init);
    });
    await called(FLAGS, env);
    const { host } = new URL(env.KLING_BASE_URL);
    expect(printed).toEqual([`Creating a task at ${host}; this is billed.`]);
  });

  test("sends the id of a video, and a language that it does not know", async () => {
    const { gateway, env } = await served({ polls: 1 });
    const voice = ["--voice-id", "7", "--voice-language", "ja"];
    await called(["--video-id", "video-7", "--video-url", "", ...TEXT, ...voice], env);
    expect(gateway.received[0]?.body).toEqual({
      input: {
        video_id: "video-7",
        mode: "text2video",
        text: "你好",
        voice_id: "7",
        voice_language: "ja",
      },
    });
  });

  test("waits for a task that exists and creates none", async () => {
    const { gateway, env } = await served();
    const videos = [{ url: "https://fake-gateway.invalid/old-1.mp4" }];
    const times = { created_at: 1, updated_at: 2 };
    const done = { task_id: "old-1", task_status: "succeed", task_result: { videos }, ...times };
    gateway.tasks.set("old-1", done);
    const { output, exitCode } = await called(["--task-id", "old-1"], env);
    expect(output).toMatch(/^Waiting for task old-1 at 127\.0\.0\.1:\d+; this is not billed\.$/m);
    expect(output).toContain("Video: https://fake-gateway.invalid/old-1.mp4\n");
    expect(exitCode).toBe(0);
    expect(gateway.received).toEqual([{ method: "GET", path: `${PATH}/old-1`, body: undefined }]);
  });

  test("prints neither a refused key nor a doubt about the task", async () => {
    const { gateway, env } = await served();
    const { output, exitCode } = await called(FLAGS, { ...env, KLING_API_KEY: "a-wrong-key" });
    expect(output).toContain("answered 401, code 1002");
    expect(output).toContain("\nNo task was created.\n");
    expect(output).not.toContain("a-wrong-key");
    expect(exitCode).toBe(1);
    expect(gateway.received).toHaveLength(1);
  });

  test("says of a connection that broke off that a task may have been created", async () => {
    const { gateway, env } = await served();
    gateway.answerNext(new Error("broken off"));
    const { output, exitCode } = await called(FLAGS, env);
    expect(output).toContain("\nA task may have been created and billed: look at 127.0.0.1:");
    expect(exitCode).toBe(1);
    expect(gateway.received).toHaveLength(1);
  });

  test("prints why a task failed, in one line whatever it holds", async () => {
    const { env } = await served({ polls: 1, failWith: "no face\n\u001B[2Jfound" });
    const { output, exitCode } = await called(FLAGS, env);
    expect(output).toContain("\nTask task-1 failed: no face [2Jfound\n");
    expect(output).not.toContain("--task-id");
    expect(exitCode).toBe(1);
  });

  test("prints an error that waiting does not mend, and how to resume", async () => {
    const { env } = await served({}, (gateway) => async (input, init) => {
      if (init?.method === "POST") return gateway.fetch(input, init);
      return Response.json({ code: 1103, message: "no right" }, { status: 403 });
    });
    const { output, exitCode } = await called(FLAGS, env);
    expect(output).toMatch(/answered 403, code 1103: no right\n.*npm run demo -- --task-id task-1/);
    expect(exitCode).toBe(1);
  });
});

describe("a mistake sends nothing and is told in one line:", () => {
  test.for<[what: string, flags: string[], env: NodeJS.ProcessEnv, says: string]>([
    ["no base URL", FLAGS, { KLING_BASE_URL: undefined }, "not set: KLING_BASE_URL."],
    ["a blank key", FLAGS, { KLING_API_KEY: " " }, "not set: KLING_API_KEY."],
    ["a base URL that cannot work", FLAGS, { KLING_BASE_URL: "https://h.example/v1" }, "/v1"],
    ["a key that cannot work", FLAGS, { KLING_API_KEY: `${KEY}é` }, "has a character"],
    ["both videos", [...FLAGS, "--video-id", "7"], {}, "--video-url and --video-id are both given"],
    ["no video", [...TEXT, ...VOICE], {}, "missing: --video-url or --video-id."],
    ["no text", [...VIDEO, ...VOICE], {}, "missing: --text."],
    ["a blank text", [...FLAGS, "--text", ""], {}, "missing: --text."],
    ["a video alone", VIDEO, {}, "missing: --text, --voice-id, --voice-language."],
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

describe("explain", () => {
  const run = { host: "gateway.example", taskId: "task-1" };

  test("a wait that ran out of time says how to resume", () => {
    expect(explain(new TaskTimeoutError("task-1", 5, undefined, undefined), run)).toBe(
      "Task task-1 was not done after 5 ms (status: unknown); it goes on.\n" +
        "To wait for it again, unbilled: npm run demo -- --task-id task-1",
    );
  });

  test("a wait that ran out of time says why the last poll failed", () => {
    const error = new TaskTimeoutError("task-1", 5, undefined, new Error("no network"));
    expect(explain(error, run)).toContain("it goes on. The last poll failed: no network\n");
  });

  test("an error that does not know whether a task was created is no promise", () => {
    expect(explain(new Error("what?"), { host: run.host })).toMatch(/may have been created/);
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
  return { gateway, env: { KLING_BASE_URL: server.baseUrl, KLING_API_KEY: KEY } };
}

/** Runs the demo in this process. */
async function called(args: string[], env: NodeJS.ProcessEnv = {}) {
  let output = "";
  let errors = "";
  vi.spyOn(console, "log").mockImplementation((line: string) => {
    output += `${line}\n`;
  });
  vi.spyOn(console, "error").mockImplementation((line: string) => {
    output += `${line}\n`;
    errors += `${line}\n`;
  });
  try {
    const exitCode = await demo(args, env);
    return { output, errors, exitCode };
  } finally {
    vi.restoreAllMocks();
  }
}

/** Runs the demo in a process of its own. */
function spawned(args: string[], env: NodeJS.ProcessEnv = {}) {
  const child = spawn(process.execPath, ["--import", "tsx", "scripts/demo.ts", ...args], {
    cwd: fileURLToPath(new URL("../..", import.meta.url)),
    env: { ...process.env, KLING_BASE_URL: undefined, KLING_API_KEY: undefined, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  let onOutput = () => {};
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      onOutput();
    });
  }
  const ended = once(child, "close").then(([exitCode]) => ({
    output,
    exitCode: exitCode as unknown,
  }));
  const prints = (text: string) =>
    new Promise<void>((resolve, reject) => {
      onOutput = () => {
        if (output.includes(text)) resolve();
      };
      onOutput();
      void ended.then(() => {
        reject(new Error(`The demo ended without "${text}":\n${output}`));
      }, reject);
    });
  return { ended, prints, interrupt: () => child.kill("SIGINT") };
}
