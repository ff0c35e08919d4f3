// README.md: its code runs, compiles and does what it says; its tables say what the code says; its
// links lead somewhere; and README.zh-CN.md has the same structure.
import { readdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { build } from "esbuild";
import ts from "typescript";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { parseDocument, type YAMLMap } from "yaml";
import { serve } from "../../scripts/demo.js";
import { createLipSyncClient, type LipSyncClient, type LipSyncRequest } from "../../src/index.js";
import { createFakeGateway, type FakeGateway } from "../../src/testing.js";
import { compileLibrary, defaultIn, entries } from "../fixtures/compiler.js";
import { request } from "../fixtures/request.js";
import { node, project, readProject, temporaryFolders } from "../fixtures/scripts.js";

// Processes and the compiler are slow on a machine that is busy.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });

const readme = await readProject("README.md");
const chinese = await readProject("README.zh-CN.md");
const lines = readme.split("\n");
const fleet = await readProject("docs", "fleet.md");
const recipes = await readProject("docs", "recipes.md");
const chineseRecipes = await readProject("docs", "recipes.zh-CN.md");
const blocks = [readme, recipes, fleet].flatMap(blocksOf);
const video = "https://fake-gateway.invalid/task-1.mp4";
const temporaryFolder = temporaryFolders();

afterEach(() => {
  vi.unstubAllEnvs();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

describe("the README's code", () => {
  it("begins before line 12", () => {
    expect(lines.slice(0, 11)).toContain("```ts");
  });

  const created = { method: "POST", body: { input: { video_url: expect.any(String) as unknown } } };

  it.each<[string, text: string, prints: string, received: object[]]>([
    ["the video of its first block", readme, `${video}\n`, [created, { method: "GET" }]],
    ["a video without a gateway", below("## Install"), `processing\nsucceed\n${video}\n`, []],
    ["nothing where all assertions are true", below("## Testing your code"), "", []],
  ])("prints %s", async (_, text, prints, received) => {
    const gateway = createFakeGateway({ polls: 1 });
    const { baseUrl, close } = await serve(gateway);
    vi.stubEnv("KLING_API_KEY", gateway.apiKey);
    vi.stubEnv("KLING_BASE_URL", baseUrl);
    const code = Buffer.from(await bundle(blocksOf(text)[0] ?? ""));
    const run = await node(["--input-type=module"], project, code).finally(close);
    expect(run).toEqual({ exitCode: 0, stdout: prints, stderr: "" });
    expect(gateway.received).toMatchObject(received);
  });

  it("gives the two command lines for a checkout", () => {
    expect(lines).toEqual(expect.arrayContaining(["npm ci && npm run demo", "npm ci && npm test"]));
  });
});

const fileOf = (index: number, variant: string) =>
  path.join(project, "test", `readme-block-${index}-${variant}.mts`);

const { program, members, errors } = compileLibrary(
  new Map(
    blocks.flatMap((block, index) => [
      [fileOf(index, "as-it-stands"), block],
      [fileOf(index, "spoken"), block.replaceAll("// @ts-expect-error", "//")],
    ]),
  ),
);

describe("what the compiler says", () => {
  it("is nothing about every block, with the strict options of the project", () => {
    const strict = { exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true };
    expect(program.getCompilerOptions()).toMatchObject({ strict: true, ...strict });
    expect(blocks.length).toBeGreaterThan(5);
    const said = blocks.flatMap((_, index) => diagnosticsOf(fileOf(index, "as-it-stands")));
    expect(said).toEqual([]);
  });

  it("is what the README quotes where a block shows a compile error", () => {
    const said = blocks.flatMap((block, index) =>
      diagnosticsOf(fileOf(index, "spoken")).map(({ line, text }) => {
        return { text, above: block.split("\n")[line - 1] ?? "" };
      }),
    );
    expect(said.length).toBeGreaterThanOrEqual(4);
    for (const { text, above } of said) {
      expect(text).toContain(above.replace("// @ts-expect-error ", ""));
    }
  });
});

describe("the README's tables", () => {
  const membersOf = (type: string) => members.filter(({ name }) => name.startsWith(`${type}.`));

  const optionTypes = ["LipSyncClientOptions", "RequestOptions", "WaitOptions"];

  it.each(optionTypes)("list every option of %s with the default in its comment", (type) => {
    const rows = rowsBelow(`### ${type}`).map(([name, , stated]) => [name, stated]);
    const options = membersOf(type);
    const defaults = options.map(({ symbol, doc }) => [symbol.name, defaultIn(doc) ?? "none"]);
    expect(rows).toEqual(defaults);
  });

  it("list every error class under LipSyncError, with the properties of its own", () => {
    const rows = rowsBelow("### The errors");
    expect(["LipSyncError", ...firstOf(rows)].sort()).toEqual([...errors].sort());
    for (const [error = "", , carried = ""] of rows) {
      const own = membersOf(error).filter(({ symbol }) => symbol.flags & ts.SymbolFlags.Property);
      const names = own.map(({ symbol }) => symbol.name).filter((name) => name !== "name");
      const listed = carried.split("such as")[0]?.match(/\w+/g) ?? [];
      expect(listed, error).toEqual(expect.arrayContaining(names));
    }
  });

  it("list every field of the request's input", async () => {
    const document = parseDocument(await readProject("generated", "openapi.yaml"));
    const post = ["paths", "/kling/v1/videos/lip-sync", "post"];
    const body = [...post, "requestBody", "content", "application/json", "schema"];
    const fields = document.getIn([...body, "properties", "input", "properties"]) as YAMLMap;
    const names = fields.items.map(({ key }) => String(key)).sort();
    expect(firstOf(rowsBelow("## The request")).sort()).toEqual(names);
  });
});

describe("the README's recipe", () => {
  let gateway: FakeGateway;
  let sent: RequestInit[];
  beforeEach(() => {
    gateway = createFakeGateway({ polls: 1 });
    sent = [];
    vi.stubEnv("KLING_API_KEY", gateway.apiKey);
    vi.stubEnv("KLING_BASE_URL", gateway.baseUrl);
    vi.stubGlobal("fetch", (url: string, init: RequestInit) => {
      sent.push(init);
      return gateway.fetch(url, init);
    });
  });

  const posts = () => gateway.received.filter(({ method }) => method === "POST").length;

  describe("for Next.js", () => {
    const heading = "## In a Next.js route handler";
    type Route = Record<"POST" | "GET", (request: Request) => Promise<Response>>;
    const url = "https://site.example/api/lip-sync";
    const asking = new Request(`${url}?task_id=task-1`);
    const post = (body: object) => new Request(url, { method: "POST", body: JSON.stringify(body) });

    it("loads without a key, and reads it at each call", async () => {
      vi.stubEnv("KLING_API_KEY", undefined);
      vi.stubEnv("KLING_BASE_URL", undefined);
      const { GET } = await load<Route>(heading, recipes);
      await expect(GET(asking)).rejects.toHaveProperty("name", "ConfigurationError");
    });

    it("creates a task and says how far it is, past every cache", async () => {
      const { POST, GET } = await load<Route>(heading, recipes);
      const urls = { video_url: "https://media.example/a.mp4", audio_url: "https://a.example" };
      const created = await POST(post(urls));
      expect(created.status).toBe(202);
      expect(await created.json()).toEqual({ task_id: "task-1" });
      const input = { mode: "audio2video", audio_type: "url", ...urls };
      expect(gateway.received[0]?.body).toEqual({ input });

      const asked = await GET(asking);
      expect(await asked.json()).toEqual({ task_status: "succeed", url: video });
      expect(sent.map(({ cache }) => cache)).toEqual(["no-store", "no-store"]);
    });

    const incomplete = [{}, { video_url: "https://a.example" }, { audio_url: "https://a.example" }];

    it.each(incomplete)("sends nothing for a request without both URLs: %j", async (body) => {
      const { POST } = await load<Route>(heading, recipes);
      expect([(await POST(post(body))).status, sent]).toEqual([400, []]);
    });
  });

  describe("for a queue worker", () => {
    type Work = (jobs: object, job: string, request: LipSyncRequest) => Promise<string>;
    let work: Work;
    let jobs: Record<string, (job: string, taskId: string) => Promise<unknown>>;
    beforeEach(async () => {
      ({ work } = await load<{ work: Work }>("## With another queue", fleet));
      const taskIds = new Map<string, string>();
      const claimed = new Set<string>();
      jobs = {
        taskIdOf: (job) => Promise.resolve(taskIds.get(job)),
        claim: (job) => Promise.resolve(!claimed.has(job) && claimed.add(job)),
        release: (job) => Promise.resolve(claimed.delete(job)),
        storeTaskId: (job, taskId) => Promise.resolve(taskIds.set(job, taskId)),
      };
    });

    it("creates one task for a job that is handed out twice at once, and resumes it later", async () => {
      const twice = [work(jobs, "job", request), work(jobs, "job", request)];
      const statuses = (await Promise.allSettled(twice)).map(({ status }) => status);
      expect(statuses.sort()).toEqual(["fulfilled", "rejected"]);
      await expect(work(jobs, "job", request)).resolves.toBe(video);
      expect([posts(), gateway.tasks.size]).toEqual([1, 1]);
    });

    it("never creates again after a crash between the creation and the storing", async () => {
      jobs["storeTaskId"] = () => Promise.reject(new Error("the database is gone"));
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
      await expect(work(jobs, "job", request)).rejects.toThrow("no face found");
      await expect(work(jobs, "job", request)).rejects.toThrow("no face found");
      expect(failing.tasks.size).toBe(1);
    });
  });

  type OnCallback = (...given: unknown[]) => Promise<Response>;

  const statusesOf = {
    Hono: async (onCallback: OnCallback, body: string) => {
      const raw = new Request("https://site.example/kling", { method: "POST", body });
      return [(await onCallback({ req: { raw } })).status];
    },
    Express: async (onCallback: OnCallback, body: string) => {
      const statuses: number[] = [];
      await onCallback({ body }, { sendStatus: (status: number) => statuses.push(status) });
      return statuses;
    },
  };

  const frameworks = ["Hono", "Express"] as const;

  it.each(frameworks)("for a callback in %s asks for a task that it knows", async (framework) => {
    const log = vi.spyOn(console, "log").mockReturnValue();
    type Handler = { onCallback: OnCallback; known: Set<string> };
    const { onCallback, known } = await load<Handler>(`## A callback in ${framework}`, recipes);
    const answersTo = (body: string) => statusesOf[framework](onCallback, body);

    const task = await createLipSyncClient(gateway).create(request);
    const callback = JSON.stringify(task);
    expect(await answersTo(callback)).toEqual([404]);
    expect(await answersTo("nothing that Kling sends")).toEqual([400]);
    expect(gateway.received).toHaveLength(1);

    known.add(task.task_id);
    expect(await answersTo(callback)).toEqual([204]);
    expect(log.mock.calls).toEqual([["task-1", "succeed"]]);

    gateway.answerNext(new Response(null, { status: 401 }));
    expect(await answersTo(callback)).toEqual([500]);
  });

  it("for a proxy hands undici's agent to undici's fetch", async () => {
    const dispatchers: unknown[] = [];
    class EnvHttpProxyAgent extends Object {}
    type Recipe = { createProxiedClient: (undici: object) => LipSyncClient };
    const { createProxiedClient } = await load<Recipe>("## Through a proxy", recipes);
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
    const { client } = await load<{ client: LipSyncClient }>("## A `fetch` of your own", recipes);
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
  });

  it("for a key that changes uses the new key from the next attempt on", async () => {
    const file = path.join(await temporaryFolder(), "key");
    vi.stubEnv("KLING_API_KEY_FILE", file);
    await writeFile(file, "an-old-key\n");
    const { client } = await load<{ client: LipSyncClient }>("## A key that changes", recipes);
    const refusal = { status: 401, mayHaveCreatedTask: false };
    await expect(client.create(request)).rejects.toMatchObject(refusal);
    expect(posts()).toBe(1);
    await writeFile(file, `${gateway.apiKey}\n`);
    await expect(client.create(request)).resolves.toHaveProperty("task_id", "task-1");
  });
});

const docs = (await readdir(path.join(project, "docs"))).map((name) => `docs/${name}`);

it.each(["README.md", "README.zh-CN.md", "CONTRIBUTING.md", "spec/README.md", ...docs])(
  "every link of %s leads to a file and a heading that exist",
  async (page) => {
    const text = withoutCode(await readProject(page));
    const targets = [...text.matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)/g)];
    for (const [link, file = "", anchor] of targets) {
      const target = file === "" ? page : path.join(path.dirname(page), file);
      const headings = anchorsOf(await readProject(target));
      expect(new Set(headings).size).toBe(headings.length);
      if (anchor !== undefined) expect(headings, link).toContain(anchor);
    }
  },
);

/** What GitHub makes of the headings of a page. */
function anchorsOf(text: string): string[] {
  return [...withoutCode(text).matchAll(/^##+ (.+)$/gm)].map(([, title = ""]) => {
    const letters = title.toLowerCase().replace(/[^\p{L}\p{N}_\- ]/gu, "");
    return letters.replaceAll(" ", "-");
  });
}

describe.each([
  ["README.md", readme, "README.zh-CN.md"],
  ["README.zh-CN.md", chinese, "README.md"],
])("the links of %s", (_, text, other) => {
  const headings = [...withoutCode(text).matchAll(/^(##+) (.+)$/gm)];

  it("begin with the other language", () => {
    expect(/\[([^\]]+)\]\(([^)]+)\)/.exec(text)?.slice(1)).toEqual([other, other]);
  });

  it("list every chapter in the contents, apart from the license", () => {
    const chapters = headings.filter(([, marks]) => marks === "##").map(([, , title]) => title);
    const listed = [...text.matchAll(/^- \[([^\]]+)\]\(#[^)]+\)$/gm)].map(([, title]) => title);
    expect(listed).toEqual(chapters.slice(0, -1));
  });
});

it.each([
  ["README.zh-CN.md", chinese, readme],
  ["docs/recipes.zh-CN.md", chineseRecipes, recipes],
])("%s has the headings, blocks, lists and tables of the English page", (_, translated, page) => {
  expect(structureOf(readme)[0]?.level).toBe("#");
  expect(structureOf(translated)).toEqual(structureOf(page));
});

/** What has to be the same in both languages, section by section. */
function structureOf(text: string) {
  return text.split(/^(?=##+ )/m).map((section) => {
    const prose = withoutCode(section);
    return {
      level: /^#+/.exec(section)?.[0],
      type: /^#+ (\w+Options)$/m.exec(section)?.[1],
      blocks: section.match(/^```.*?^```$/gms),
      items: prose.match(/^(?:-|\d+\.) /gm)?.length,
      tables: tablesOf(section).map((rows) => rows.map((row) => row.map(factsOf))),
      prose: factsOf(prose.replace(/^\|.*$/gm, "")),
    };
  });
}

const answers = { yes: "是", no: "否", "**no**": "**否**" };

/** The code and the numbers in a text, each once, and whether a cell of a table says yes or no. */
function factsOf(text: string) {
  const whole = text.replace(/(?<=\d),(?=\d{3})/g, "");
  return {
    code: [...new Set(text.match(/`[^`]+`/g))].sort(),
    numbers: [...new Set(whole.match(/\d+(?:\.\d+)*/g))].sort(),
    answer: Object.entries(answers).find((words) => words.includes(text))?.[0],
  };
}

function blocksOf(text: string): string[] {
  return [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, block = ""]) => block);
}

function withoutCode(text: string): string {
  return text.replace(/^```\w+\n.*?^```$/gms, "");
}

/** The cells of each row of each table; the first row is the head, the second has dashes. */
function tablesOf(text: string): string[][][] {
  const tables = withoutCode(text).match(/(?:^\|.*\n)+/gm) ?? [];
  const cellsOf = (row: string) => row.split(/ *\| */).slice(1, -1);
  return tables.map((table) => table.trim().split("\n").map(cellsOf));
}

/** What stands in a page below a heading. */
function below(heading: string, page = readme): string {
  const [, text] = page.split(`\n${heading}\n`);
  if (text === undefined) throw new Error(`There is no heading ${heading}.`);
  return text;
}

/** The rows of the first table below a heading, without its head and as plain text. */
function rowsBelow(heading: string): string[][] {
  const [, , ...rows] = tablesOf(below(heading))[0] ?? [];
  return rows.map((row) => row.map((cell) => cell.replaceAll("`", "")));
}

function firstOf(rows: string[][]): string[] {
  return rows.map(([cell = ""]) => cell);
}

/** What the compiler says about a file, and about which of its lines. */
function diagnosticsOf(name: string): { line: number; text: string }[] {
  const file = program.getSourceFile(name);
  if (!file) throw new Error(`The compiler has not read ${name}.`);
  return ts.getPreEmitDiagnostics(program, file).map(({ start = 0, messageText }) => ({
    line: file.getLineAndCharacterOfPosition(start).line,
    text: ts.flattenDiagnosticMessageText(messageText, "\n"),
  }));
}

/** A block and the library as one program. */
async function bundle(block: string): Promise<string> {
  const stdin = { contents: block, resolveDir: project, loader: "ts" } as const;
  const options = { alias: entries, bundle: true, platform: "node", format: "esm" } as const;
  const { outputFiles } = await build({ stdin, ...options, write: false });
  return outputFiles[0]?.text ?? "";
}

let loaded = 0;

/** Loads the block below a heading into this process, each time anew. */
async function load<Module>(heading: string, page = readme): Promise<Module> {
  const code = await bundle(blocksOf(below(heading, page))[0] ?? "");
  const numbered = Buffer.from(`${code}\n// ${++loaded}`).toString("base64");
  return (await import(/* @vite-ignore */ `data:text/javascript;base64,${numbered}`)) as Module;
}
