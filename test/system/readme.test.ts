import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { build } from "esbuild";
import ts from "typescript";
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { parse } from "yaml";
import { serve } from "../../scripts/demo.js";
import * as library from "../../src/index.js";
import type { LipSyncClient, LipSyncRequest } from "../../src/index.js";
import { createFakeGateway, type FakeGateway } from "../../src/testing.js";

// Processes and the compiler are slow on a machine that is busy.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });

const project = fileURLToPath(new URL("../..", import.meta.url));
const read = (file: string) => readFile(path.join(project, file), "utf8");

const sources = {
  "kling-lip-sync": path.join(project, "src", "index.ts"),
  "kling-lip-sync/testing": path.join(project, "src", "testing.ts"),
};
let loaded = 0;
const environment = { apiKey: "KLING_API_KEY", baseUrl: "KLING_BASE_URL" };

const readme = await read("README.md");
const chinese = await read("README.zh-CN.md");
const lines = readme.split("\n");

const request: LipSyncRequest = {
  input: {
    video_url: "https://media.example/speaker.mp4",
    mode: "audio2video",
    audio_type: "url",
    audio_url: "https://media.example/speech.mp3",
  },
};

describe("the README's code", () => {
  it("begins before line 12", () => {
    expect(lines.indexOf("```ts") + 1).toBeGreaterThan(0);
    expect(lines.indexOf("```ts") + 1).toBeLessThan(12);
  });

  it("prints the URL of the video as its first block does it", async () => {
    const gateway = createFakeGateway({ polls: 1 });
    const { stdout } = await run(blockAt(0), gateway);
    expect(stdout).toBe("https://fake-gateway.invalid/task-1.mp4\n");
    expect(gateway.received.map(({ method }) => method)).toEqual(["POST", "GET"]);
    expect(gateway.received[0]?.body).toHaveProperty("input.video_url");
  });

  it("prints a video without a key as the block below the installation does it", async () => {
    const { stdout } = await run(blockAt(1), createFakeGateway());
    expect(stdout).toBe("processing\nsucceed\nhttps://fake-gateway.invalid/task-1.mp4\n");
  });

  it("tests the reader's code as the block about testing does it", async () => {
    const block = blocks().find((block) => block.includes("kling-lip-sync/testing"));
    const { stderr } = await run(block ?? "", createFakeGateway());
    expect(stderr).toBe("");
  });

  it("gives the two command lines for a checkout", () => {
    expect(lines).toContain("npm ci && npm run demo");
    expect(lines).toContain("npm ci && npm test");
  });
});

describe("what the compiler says", () => {
  let program: ts.Program;
  beforeAll(() => {
    program = compile();
  });

  it("is nothing about every block", () => {
    expect(blocks().length).toBeGreaterThan(5);
    const found = blocks().flatMap((_, index) => diagnostics(program, fileOf(index)));
    expect(found.map(textOf)).toEqual([]);
  });

  it("is what the README quotes where a block shows a compile error", () => {
    const claims = blocks().flatMap((block, index) => claimsOf(block, index));
    expect(claims.length).toBeGreaterThanOrEqual(4);
    for (const { file, line, text } of claims) {
      const said = diagnostics(program, file).filter((one) => lineOf(one) === line + 1);
      expect(said.map(textOf).join("\n")).toContain(text);
    }
  });

  it.each(["LipSyncClientOptions", "RequestOptions", "WaitOptions"])(
    "names every option of %s that the table lists, and no other",
    (name) => {
      expect(columnOf(tableBelow(`### ${name}`), 0)).toEqual(propertiesOf(program, name));
    },
  );

  it("names every property that the table of errors lists", () => {
    for (const [name = "", , carried = ""] of tableBelow("### The errors").map(plain)) {
      const words = carried.split("such as")[0]?.match(/\w+/g) ?? [];
      const own = propertiesOf(program, name).filter((property) => property !== "name");
      for (const property of own) expect(words, name).toContain(property);
    }
  });
});

describe("the README's tables", () => {
  it("give the options the code's defaults", async () => {
    const limits = await limitsIn("src/client.ts");
    expect(defaultsOf("LipSyncClientOptions")).toEqual({
      ...environment,
      ...limits,
      fetch: "globalThis.fetch",
    });
    expect(Object.keys(limits)).toEqual(["timeoutMs", "maxRetries"]);

    const ofClient = Object.keys(limits).map((option) => [option, "the client's"] as const);
    expect(defaultsOf("RequestOptions")).toEqual({
      signal: "none",
      ...Object.fromEntries(ofClient),
    });

    expect(defaultsOf("WaitOptions")).toEqual({
      ...(await limitsIn("src/wait.ts")),
      signal: "none",
      onUpdate: "none",
    });
  });

  it("list the corrections as spec/overlay.yaml does, each with its evidence", async () => {
    const overlay = parse(await read("spec/overlay.yaml")) as { actions: { "x-id": string }[] };
    const rows = tableBelow("## Corrections to the published page");
    expect(columnOf(rows, 0)).toEqual(overlay.actions.map((action) => action["x-id"]));
    expect(headOf("## Corrections to the published page")).toEqual([
      "Correction",
      "Page says",
      "True is",
      "Evidence",
    ]);
    for (const row of rows) {
      expect(row[0]).toMatch(/^`.+`$/);
      expect(row.filter((cell) => cell !== "")).toHaveLength(4);
    }
  });

  it("list every field of the request's input", async () => {
    const document: unknown = parse(await read("generated/openapi.yaml"));
    const place = ["paths", "/kling/v1/videos/lip-sync", "post", "requestBody", "content"];
    const body = at(document, [...place, "application/json", "schema"]);
    const fields = Object.keys(at(body, ["properties", "input", "properties"]) ?? {});
    expect(fields).toContain("video_url");
    expect(columnOf(tableBelow("## The request"), 0).sort()).toEqual(fields.sort());
  });

  it("list every error class under LipSyncError", () => {
    const classes = Object.entries(library).flatMap(([name, value]) =>
      Object.prototype.isPrototypeOf.call(library.LipSyncError, value) ? [name] : [],
    );
    expect(classes.length).toBeGreaterThan(0);
    expect(columnOf(tableBelow("### The errors"), 0).sort()).toEqual(classes.sort());
  });
});

describe("the README's recipe", () => {
  let gateway: FakeGateway;
  let sent: RequestInit[];
  beforeEach(() => {
    gateway = createFakeGateway({ polls: 1 });
    sent = [];
    vi.stubEnv(environment.apiKey, gateway.apiKey);
    vi.stubEnv(environment.baseUrl, gateway.baseUrl);
    vi.stubGlobal("fetch", (url: string, init: RequestInit) => {
      sent.push(init);
      return gateway.fetch(url, init);
    });
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    vi.unstubAllGlobals();
    vi.restoreAllMocks();
  });

  const posts = () => gateway.received.filter(({ method }) => method === "POST").length;

  describe("for Next.js", () => {
    interface Route {
      POST: (request: Request) => Promise<Response>;
      GET: (request: Request) => Promise<Response>;
    }
    const url = "https://site.example/api/lip-sync";

    it("loads without a key, and reads it at each call", async () => {
      vi.stubEnv(environment.apiKey, undefined);
      vi.stubEnv(environment.baseUrl, undefined);
      const route = await load<Route>("### In a Next.js route handler");
      const call = route.GET(new Request(`${url}?task_id=task-1`));
      await expect(call).rejects.toHaveProperty("name", "ConfigurationError");
    });

    it("creates a task and says how far it is, past every cache", async () => {
      const { POST, GET } = await load<Route>("### In a Next.js route handler");
      const body = JSON.stringify({
        video_url: "https://media.example/speaker.mp4",
        audio_url: "https://media.example/speech.mp3",
      });
      const created = await POST(new Request(url, { method: "POST", body }));
      expect(created.status).toBe(202);
      expect(await created.json()).toEqual({ task_id: "task-1" });
      expect(gateway.received[0]?.body).toEqual(request);

      const asked = await GET(new Request(`${url}?task_id=task-1`));
      expect(await asked.json()).toEqual({
        task_status: "succeed",
        url: "https://fake-gateway.invalid/task-1.mp4",
      });
      expect(sent.map(({ cache }) => cache)).toEqual(["no-store", "no-store"]);
    });

    it("sends nothing for a request without both URLs", async () => {
      const { POST } = await load<Route>("### In a Next.js route handler");
      const refused = await POST(new Request(url, { method: "POST", body: "{}" }));
      expect([refused.status, sent]).toEqual([400, []]);
    });
  });

  describe("for a queue worker", () => {
    interface Jobs {
      taskIdOf(job: string): Promise<string | undefined>;
      claim(job: string): Promise<boolean>;
      release(job: string): Promise<void>;
      storeTaskId(job: string, taskId: string): Promise<void>;
    }
    let work: (jobs: Jobs, job: string, request: LipSyncRequest) => Promise<string>;
    let taskIds: Map<string, string>;
    let claimed: Set<string>;
    let jobs: Jobs;
    beforeEach(async () => {
      ({ work } = await load<{ work: typeof work }>("### In a queue worker"));
      taskIds = new Map();
      claimed = new Set();
      jobs = {
        taskIdOf: (job) => Promise.resolve(taskIds.get(job)),
        claim: (job) => Promise.resolve(!claimed.has(job) && !!claimed.add(job)),
        release: (job) => Promise.resolve(void claimed.delete(job)),
        storeTaskId: (job, taskId) => Promise.resolve(void taskIds.set(job, taskId)),
      };
    });

    const video = "https://fake-gateway.invalid/task-1.mp4";

    it("creates one task for a job that is handed out twice at once, and again later", async () => {
      const both = await Promise.allSettled([
        work(jobs, "job", request),
        work(jobs, "job", request),
      ]);
      expect(both.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
      await expect(work(jobs, "job", request)).resolves.toBe(video);
      expect([posts(), gateway.tasks.size]).toEqual([1, 1]);
    });

    it("resumes by the id after a crash while it waited", async () => {
      const { createLipSyncClient } = library;
      const { task_id } = await createLipSyncClient(gateway).create(request);
      claimed.add("job");
      taskIds.set("job", task_id);
      await expect(work(jobs, "job", request)).resolves.toBe(video);
      expect(posts()).toBe(1);
    });

    it("never creates again after a crash between the creation and the storing", async () => {
      jobs.storeTaskId = () => Promise.reject(new Error("the database is gone"));
      await expect(work(jobs, "job", request)).rejects.toThrow("the database is gone");
      await expect(work(jobs, "job", request)).rejects.toThrow("a task may exist");
      expect([posts(), gateway.tasks.size]).toEqual([1, 1]);
    });

    it("lets the job be created again only where it is certain that no task was", async () => {
      gateway.answerNext(Response.json({ code: 1201 }, { status: 400 }));
      await expect(work(jobs, "job", request)).rejects.toHaveProperty("status", 400);
      await expect(work(jobs, "job", request)).resolves.toBe(video);
      expect(posts()).toBe(2);

      gateway.answerNext(new Response(null, { status: 502 }));
      await expect(work(jobs, "other", request)).rejects.toHaveProperty("status", 502);
      await expect(work(jobs, "other", request)).rejects.toThrow("a task may exist");
      expect(posts()).toBe(3);
    });

    it("fails in the same way at each run of a task that failed, and creates nothing", async () => {
      const failing = createFakeGateway({ polls: 1, failWith: "no face found" });
      vi.stubGlobal("fetch", failing.fetch);
      for (let run = 0; run < 2; run++) {
        await expect(work(jobs, "job", request)).rejects.toThrow("no face found");
      }
      expect(failing.tasks.size).toBe(1);
    });
  });

  describe.each([
    {
      name: "Hono",
      heading: "### A callback in Hono",
      answerOf: async (onCallback: (context: unknown) => Promise<Response>, body: string) => {
        const raw = new Request("https://site.example/kling", { method: "POST", body });
        return (await onCallback({ req: { raw } })).status;
      },
    },
    {
      name: "Express",
      heading: "### A callback in Express",
      answerOf: async (onCallback: (...two: unknown[]) => Promise<unknown>, body: string) => {
        const sendStatus = vi.fn();
        await onCallback({ body }, { sendStatus });
        expect(sendStatus).toHaveBeenCalledOnce();
        return sendStatus.mock.lastCall?.[0] as unknown;
      },
    },
  ])("for a callback in $name", ({ heading, answerOf }) => {
    it("asks for a task that it knows, and refuses everything else", async () => {
      const log = vi.spyOn(console, "log").mockReturnValue();
      const { onCallback, known } = await load<{
        onCallback: () => Promise<Response>;
        known: Set<string>;
      }>(heading);
      const task = await library.createLipSyncClient(gateway).create(request);
      const hint = JSON.stringify(task);

      expect(await answerOf(onCallback, hint)).toBe(404);
      expect(await answerOf(onCallback, "nothing that Kling sends")).toBe(400);
      expect(gateway.received).toHaveLength(1);

      known.add(task.task_id);
      expect(await answerOf(onCallback, hint)).toBe(204);
      expect(log.mock.calls).toEqual([["task-1", "succeed"]]);

      gateway.answerNext(new Response(null, { status: 401 }));
      expect(await answerOf(onCallback, hint)).toBe(500);
    });
  });

  it("for a proxy hands undici's agent to undici's fetch", async () => {
    const dispatchers: unknown[] = [];
    class EnvHttpProxyAgent {
      readonly isProxy = true;
    }
    const { createProxiedClient } = await load<{
      createProxiedClient: (undici: object) => LipSyncClient;
    }>("### Through a proxy");
    const client = createProxiedClient({
      EnvHttpProxyAgent,
      fetch: (url: string, { dispatcher, ...init }: RequestInit & { dispatcher: unknown }) => {
        dispatchers.push(dispatcher);
        return gateway.fetch(url, init);
      },
    });
    await client.wait((await client.create(request)).task_id);
    expect(dispatchers).toEqual([expect.any(EnvHttpProxyAgent), dispatchers[0]]);
    expect(sent).toEqual([]);
  });

  it("for a fetch of one's own logs every attempt, and never the key or the body", async () => {
    const log = vi.spyOn(console, "log").mockReturnValue();
    const { client } = await load<{ client: LipSyncClient }>("### A `fetch` of your own");
    await client.create(request);
    gateway.answerNext(new TypeError("fetch failed"), new Response(null, { status: 503 }));
    await client.get("task-1", { maxRetries: 0 }).catch(() => undefined);
    await client.wait("task-1", { intervalMs: 0 });

    const url = "https://fake-gateway.invalid/kling/v1/videos/lip-sync";
    const time = expect.stringMatching(/^\d+ ms$/) as unknown;
    expect(log.mock.calls).toEqual([
      ["POST", url, 200, time],
      ["GET", `${url}/task-1`, "TypeError", time],
      ["GET", `${url}/task-1`, 503, time],
      ["GET", `${url}/task-1`, 200, time],
    ]);
    const said = JSON.stringify(log.mock.calls);
    expect(said).not.toContain(gateway.apiKey);
    expect(said).not.toContain("media.example");
  });

  it("for a key that changes uses the new key from the next attempt on", async () => {
    const folder = await mkdtemp(path.join(tmpdir(), "kling-lip-sync-key-"));
    const file = path.join(folder, "key");
    vi.stubEnv("KLING_API_KEY_FILE", file);
    try {
      const { client } = await load<{ client: LipSyncClient }>("### A key that changes");
      await writeFile(file, "an-old-key\n");
      await expect(client.create(request)).rejects.toMatchObject({
        status: 401,
        mayHaveCreatedTask: false,
      });
      expect(posts()).toBe(1);
      await writeFile(file, `${gateway.apiKey}\n`);
      await expect(client.create(request)).resolves.toHaveProperty("task_id", "task-1");
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe.each([
  { name: "README.md", text: readme, other: "README.zh-CN.md" },
  { name: "README.zh-CN.md", text: chinese, other: "README.md" },
])("the links of $name", ({ text, other }) => {
  it("lead to headings that exist", () => {
    const anchors = headingsOf(text).map(({ title }) =>
      title
        .toLowerCase()
        .replace(/[^\p{L}\p{N}_\- ]/gu, "")
        .replaceAll(" ", "-"),
    );
    expect(new Set(anchors).size).toBe(anchors.length);
    const targets = [...text.matchAll(/\]\(#([^)]+)\)/g)].map(([, target]) => target);
    expect(targets.length).toBeGreaterThan(10);
    for (const target of targets) expect(anchors).toContain(target);
  });

  it("begin with the other language", () => {
    expect(/\[([^\]]+)\]\(([^)]+)\)/.exec(text)?.slice(1)).toEqual([other, other]);
  });

  it("list every chapter in the contents", () => {
    const chapters = headingsOf(text).filter(({ level }) => level === 2);
    const listed = [...text.matchAll(/^- \[([^\]]+)\]\(#[^)]+\)$/gm)].map(([, title]) => title);
    expect(listed).toEqual(chapters.map(({ title }) => title).slice(0, -1));
  });
});

describe("README.zh-CN.md, in step with README.md,", () => {
  it("has the same blocks of code", () => {
    expect(codeOf(chinese)).toEqual(codeOf(readme));
    expect(codeOf(readme).length).toBe(readme.match(/^```\w+$/gm)?.length);
  });

  it("has the same levels of headings, in the same order", () => {
    const levels = (text: string) => headingsOf(text).map(({ level }) => level);
    expect(levels(chinese)).toEqual(levels(readme));
  });

  it("keeps the headings that are names of types", () => {
    const names = (text: string) =>
      headingsOf(text).flatMap(({ title }) => /^\w+Options$/.exec(title) ?? []);
    expect(names(chinese)).toEqual(names(readme));
    expect(names(readme)).toHaveLength(3);
  });

  it("has the same tables: rows, columns, and the code and numbers in each row", () => {
    const [ours, theirs] = [tablesOf(readme), tablesOf(chinese)];
    expect(theirs.map(shapeOf)).toEqual(ours.map(shapeOf));
    for (const [index, table] of ours.entries()) {
      const other = theirs[index] ?? [];
      expect(other.map((row) => spansOf(row[0] ?? ""))).toEqual(
        table.map((row) => spansOf(row[0] ?? "")),
      );
      expect(other.map((row) => spansOf(row.join("|")).sort())).toEqual(
        table.map((row) => spansOf(row.join("|")).sort()),
      );
      expect(other.map((row) => numbersOf(row.join("|")))).toEqual(
        table.map((row) => numbersOf(row.join("|"))),
      );
    }
  });

  it("has the same lists in each section, and names the same code and numbers", () => {
    const shape = (text: string) =>
      sectionsOf(text).map((section) => ({
        items: section.match(/^(?:-|\d+\.) /gm)?.length ?? 0,
        code: [...new Set(spansOf(section))].sort(),
        numbers: numbersOf(section),
      }));
    expect(shape(chinese)).toEqual(shape(readme));
  });

  it("says yes and no where README.md does", () => {
    const words: Record<string, string> = { yes: "是", no: "否", "**no**": "**否**" };
    const answersOf = (text: string) =>
      tablesOf(text).flatMap((table) => table.map(([, ...cells]) => cells));
    const ours = answersOf(readme);
    const theirs = answersOf(chinese);
    const expected = ours.map((row, index) =>
      row.map((cell, column) => words[cell] ?? theirs[index]?.[column]),
    );
    expect(ours.flat().filter((cell) => cell in words)).toHaveLength(12);
    expect(theirs).toEqual(expected);
  });
});

/** The headings of a README below its title. */
function headingsOf(text: string): { level: number; title: string }[] {
  const prose = withoutCode(text);
  return [...prose.matchAll(/^(##+) (.+)$/gm)].map(([, marks = "", title = ""]) => {
    return { level: marks.length, title };
  });
}

function withoutCode(text: string): string {
  return text.replace(/^```\w+\n.*?^```$/gms, "");
}

/** What stands below each heading, without the blocks of code and without the tables. */
function sectionsOf(text: string): string[] {
  return withoutCode(text)
    .replace(/^\|.*$/gm, "")
    .split(/^##+ .+$/m);
}

/** Every block of code with its language. */
function codeOf(text: string): string[] {
  return [...text.matchAll(/^```(?:ts|sh)\n.*?^```$/gms)].map(([block]) => block);
}

/** The words that are set as code. */
function spansOf(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, code = ""]) => code);
}

/** The numbers in a text, each once. */
function numbersOf(text: string): string[] {
  return [...new Set(text.match(/\d+(?:\.\d+)*/g))].sort();
}

function tablesOf(text: string): string[][][] {
  const tables = withoutCode(text).match(/(?:^\|.*\n)+/gm) ?? [];
  return tables.map((table) => table.trim().split("\n").map(cellsOf));
}

function shapeOf(table: string[][]): number[] {
  return table.map((row) => row.length);
}

/** Bundles the block below a heading with the library, and loads it into this process. */
async function load<Module>(heading: string): Promise<Module> {
  const part = readme.split(`${heading}\n`)[1] ?? "";
  const contents = /^```ts\n(.*?)^```$/ms.exec(part)?.[1] ?? "";
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: project, loader: "ts" },
    alias: sources,
    bundle: true,
    platform: "node",
    format: "esm",
    write: false,
  });
  // The number makes each a module of its own.
  const code = `${outputFiles[0]?.text ?? ""}\n// ${++loaded}`;
  const url = `data:text/javascript;base64,${Buffer.from(code).toString("base64")}`;
  return (await import(/* @vite-ignore */ url)) as Module;
}

/** What a document has at a place, as far down as it goes. */
function at(document: unknown, place: string[]): object | undefined {
  return place.reduce<unknown>(
    (node, key) => Reflect.get(Object(node) as object, key),
    document,
  ) as object | undefined;
}

/** The TypeScript blocks, from the first to the last. */
function blocks(): string[] {
  return [...readme.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, block = ""]) => block);
}

function blockAt(index: number): string {
  return blocks()[index] ?? "";
}

/** Runs a block in a process of its own that knows the gateway from its environment. */
async function run(
  block: string,
  gateway: FakeGateway,
): Promise<{ stdout: string; stderr: string }> {
  const code = block.replace(/from "(kling-lip-sync.*?)"/g, (_, name: keyof typeof sources) => {
    return `from ${JSON.stringify(pathToFileURL(sources[name]).href)}`;
  });
  const folder = await mkdtemp(path.join(tmpdir(), "kling-lip-sync-readme-"));
  const { baseUrl, close } = await serve(gateway);
  try {
    const file = path.join(folder, "block.mts");
    await writeFile(file, code);
    const env = {
      PATH: process.env["PATH"],
      [environment.apiKey]: gateway.apiKey,
      [environment.baseUrl]: baseUrl,
    };
    const options = { cwd: project, env, timeout: 10_000 };
    return await promisify(execFile)(process.execPath, ["--import", "tsx", file], options);
  } finally {
    close();
    await rm(folder, { recursive: true });
  }
}

/** All blocks as files, and again without `@ts-expect-error`, so that the compiler speaks. */
function compile(): ts.Program {
  const paths = Object.fromEntries(Object.entries(sources).map(([name, file]) => [name, [file]]));
  const config = { extends: "./tsconfig.json", compilerOptions: { paths }, files: [] };
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, project);
  expect(options).toMatchObject({
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
  });

  const files = new Map(
    blocks().flatMap((block, index) => [
      [fileOf(index), block],
      [fileOf(index, "spoken"), block.replaceAll("// @ts-expect-error", "//")],
    ]),
  );
  const host = ts.createCompilerHost(options);
  const fileExists = host.fileExists.bind(host);
  const getSourceFile = host.getSourceFile.bind(host);
  host.fileExists = (file) => files.has(path.normalize(file)) || fileExists(file);
  host.getSourceFile = (file, how, ...rest) => {
    const text = files.get(path.normalize(file));
    if (text === undefined) return getSourceFile(file, how, ...rest);
    return ts.createSourceFile(file, text, how);
  };
  return ts.createProgram([...files.keys(), ...Object.values(sources)], options, host);
}

function fileOf(index: number, variant = "as-it-stands"): string {
  return path.join(project, "test", `readme-block-${index}-${variant}.mts`);
}

function diagnostics(program: ts.Program, file: string): readonly ts.Diagnostic[] {
  const source = program.getSourceFile(file);
  if (!source) throw new Error(`The compiler has not read ${file}.`);
  return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)];
}

function textOf(diagnostic: ts.Diagnostic): string {
  return ts.flattenDiagnosticMessageText(diagnostic.messageText, "\n");
}

function lineOf({ file, start = 0 }: ts.Diagnostic): number | undefined {
  return file?.getLineAndCharacterOfPosition(start).line;
}

/** Where a block quotes the compiler, and what. */
function claimsOf(block: string, index: number) {
  return block.split("\n").flatMap((text, line) => {
    const quoted = /^\s*\/\/ @ts-expect-error (.+)$/.exec(text)?.[1];
    return quoted === undefined ? [] : [{ file: fileOf(index, "spoken"), line, text: quoted }];
  });
}

/** The properties that a type of the library declares itself. */
function propertiesOf(program: ts.Program, name: string): string[] {
  const checker = program.getTypeChecker();
  const index = program.getSourceFile(sources["kling-lip-sync"]);
  const module = index && checker.getSymbolAtLocation(index);
  const exported = module && checker.getExportsOfModule(module).find((one) => one.name === name);
  if (!exported) throw new Error(`${name} is not exported.`);
  const symbol = checker.getAliasedSymbol(exported);
  return [...(symbol.members?.values() ?? [])]
    .filter(({ flags }) => flags & ts.SymbolFlags.Property)
    .map((property) => property.name);
}

/** The cells of the first table below a heading, its head first. */
function wholeTableBelow(heading: string): string[][] {
  const start = lines.indexOf(heading);
  if (start < 0) throw new Error(`The README has no heading ${heading}.`);
  const first = lines.findIndex((line, index) => index > start && line.startsWith("|"));
  const end = lines.findIndex((line, index) => index > first && !line.startsWith("|"));
  return lines.slice(first, end).map(cellsOf);
}

function cellsOf(line: string): string[] {
  const cells = line.split("|").slice(1, -1);
  return cells.map((cell) => cell.trim());
}

function headOf(heading: string): string[] | undefined {
  return wholeTableBelow(heading)[0];
}

function tableBelow(heading: string): string[][] {
  return wholeTableBelow(heading).slice(2);
}

function columnOf(rows: string[][], column: number): string[] {
  return rows.map((row) => plain(row)[column] ?? "");
}

function plain(row: string[]): string[] {
  return row.map((cell) => cell.replaceAll("`", ""));
}

function defaultsOf(name: string): Record<string, string> {
  const rows = wholeTableBelow(`### ${name}`);
  const column = rows[0]?.indexOf("Default") ?? -1;
  return Object.fromEntries(
    rows.slice(2).map((row) => [plain(row)[0] ?? "", plain(row)[column] ?? ""]),
  );
}

/** The numbers that a file of the code falls back to where an option is absent, as written there. */
async function limitsIn(file: string): Promise<Record<string, string>> {
  const found = (await read(file)).matchAll(/checkNumber\("(\w+)", options\.\1, ([\d_]+)\)/g);
  return Object.fromEntries([...found].map(([, name = "", fallback = ""]) => [name, fallback]));
}
