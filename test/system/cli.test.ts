// The command as a process: its server, its signals, a closed output, and a batch of 200 clips.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { serve } from "../../src/cli/serve.js";
import { createFakeGateway, type FakeGatewayOptions } from "../../src/testing.js";
import { project, temporaryFolders } from "../fixtures/scripts.js";

vi.setConfig({ testTimeout: 150_000, hookTimeout: 60_000 });

const newFolder = temporaryFolders();
const closing: (() => void)[] = [];
afterAll(() => {
  for (const close of closing) close();
});

/** As `npm run demo` starts it. */
const SOURCE = [
  ...["--import", import.meta.resolve("tsx")],
  path.join(project, "src", "cli", "main.ts"),
];
const VOICE = ["--voice-id", "v", "--voice-language", "zh"];
const QUICK = [...VOICE, "--interval", "0.05"];

/** A gateway on a port, where a test can hold the response to a create. */
async function served(options: FakeGatewayOptions = {}) {
  const gateway = createFakeGateway(options);
  const server = await serve(gateway, 0);
  closing.push(server.close);
  const env = { KLING_BASE_URL: server.baseUrl, KLING_API_KEY: gateway.apiKey };
  return { gateway, env };
}

/** The command in one file, which starts faster than its source. */
let bundled = "";
beforeAll(async () => {
  const root = await newFolder();
  bundled = path.join(root, "dist", "cli", "main.js");
  await writeFile(path.join(root, "package.json"), '{ "type": "module", "version": "1.2.3" }');
  const require =
    'import { createRequire } from "node:module";\nconst require = createRequire(import.meta.url);';
  await build({
    entryPoints: [path.join(project, "src", "cli", "main.ts")],
    outfile: bundled,
    bundle: true,
    platform: "node",
    format: "esm",
    banner: { js: require },
  });
});

function start(args: string[], env: NodeJS.ProcessEnv, cwd: string, program = [bundled]) {
  const child = spawn(process.execPath, [...program, ...args], {
    cwd,
    env: { ...process.env, KLING_BASE_URL: undefined, KLING_API_KEY: undefined, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  closing.push(() => child.kill("SIGKILL"));
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => (output += text));
  }
  const ended = once(child, "close").then(([exitCode]: unknown[]) => ({ exitCode, output }));
  return { child, ended, output: () => output };
}

/** A response to a create, given when the test says so. */
function heldCreate(gateway: ReturnType<typeof createFakeGateway>) {
  let release: (response: Response) => void = () => undefined;
  gateway.answerNext(new Promise<Response>((resolve) => (release = resolve)));
  const task = { task_id: "held", task_status: "submitted", created_at: 1, updated_at: 1 } as const;
  gateway.tasks.set("held", task);
  return () => {
    release(Response.json({ code: 0, message: "SUCCEED", data: task }));
  };
}

async function csvIn(folder: string, count: number): Promise<string> {
  const rows = Array.from(
    { length: count },
    (_, n) => `c-${n},https://a.example/${n}.mp4,Text ${n}`,
  );
  const file = path.join(folder, "clips.csv");
  await writeFile(file, `\uFEFF${["id,video_url,text", ...rows].join("\r\n")}\r\n`);
  return file;
}

describe("the command as a process", () => {
  test("runs the demo without key and network, and names the next command", async () => {
    const { exitCode, output } = await start(["demo"], {}, await newFolder(), SOURCE).ended;
    expect(output).toMatch(/^Fake gateway at http:.+\nTask task-1 is created: submitted\n/);
    expect(output).toMatch(
      / s {2}processing\n.+ s {2}succeed\nVideo: http:.+\nSaved: .+\.mp4 \(20 bytes\)\n/,
    );
    expect(output).toMatch(/\n {2}KLING_BASE_URL=.+ check\n$/);
    expect(exitCode).toBe(0);
  });

  test.for(["SIGINT", "SIGTERM", "SIGHUP"] as const)(
    "finishes the create of a batch on %s, and the next run creates no second task",
    async (signal) => {
      const folder = await newFolder();
      const { gateway, env } = await served({ durationMs: 50 });
      const release = heldCreate(gateway);
      const args = ["batch", await csvIn(folder, 2), ...QUICK];
      const { child, ended, output } = start(args, env, folder);
      await vi.waitFor(() => {
        expect(gateway.received).toHaveLength(1);
      }, 50_000);
      child.kill(signal);
      await vi.waitFor(() => {
        expect(output()).toContain("Stopping: a create that was sent is finished");
      }, 50_000);
      release();
      expect(await ended).toMatchObject({ exitCode: 130 });
      expect(await readFile(path.join(folder, "clips", "journal.jsonl"), "utf8")).toContain(
        '"taskId":"held"',
      );

      expect(await start(args, env, folder).ended).toMatchObject({ exitCode: 0 });
      const posts = gateway.received.filter(({ method }) => method === "POST");
      expect(posts).toHaveLength(2);
    },
  );

  test("finishes the create of a batch whose output is closed", async () => {
    const folder = await newFolder();
    const { gateway, env } = await served({ durationMs: 50 });
    const release = heldCreate(gateway);
    const args = ["batch", await csvIn(folder, 2), ...QUICK];
    const { child, ended } = start(args, env, folder);
    await vi.waitFor(() => {
      expect(gateway.received).toHaveLength(1);
    }, 50_000);
    child.stdout.destroy();
    child.stderr.destroy();
    // As a terminal does that is closed; what is said about it cannot be written.
    child.kill("SIGHUP");
    release();
    expect((await ended).exitCode).toBe(130);
    expect(await readFile(path.join(folder, "clips", "journal.jsonl"), "utf8")).toContain(
      '"taskId":"held"',
    );
  });

  test("saves 200 clips of a CSV and of JSON lines with the same names and states", async () => {
    const folder = await newFolder();
    const csv = await csvIn(folder, 200);
    const lines = Array.from({ length: 200 }, (_, n) => ({
      id: `c-${n}`,
      request: { input: { video_url: `https://a.example/${n}.mp4`, text: `Text ${n}` } },
    }));
    const jsonl = path.join(folder, "lines.jsonl");
    await writeFile(jsonl, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    const results = [];
    for (const file of [csv, jsonl]) {
      const { gateway, env } = await served({ durationMs: 20 });
      const { ended } = start(["batch", file, ...QUICK, "--parallel", "50"], env, folder);
      expect(await ended).toMatchObject({ exitCode: 0 });
      const videos = file.replace(/\.\w+$/, "");
      const posts = gateway.received.filter(({ method }) => method === "POST");
      results.push({
        files: (await readdir(videos)).sort(),
        table: await readFile(path.join(videos, "results.csv"), "utf8"),
        bodies: posts.map(({ body }) => body),
      });
    }
    expect(results[0]?.files).toHaveLength(203);
    expect(results[1]).toEqual(results[0]);
  });
});
