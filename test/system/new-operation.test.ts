import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";
import ts from "typescript";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { generate } from "../../scripts/generate.js";
import type { LipSyncClientOptions, LipSyncTask } from "../../src/index.js";

// The compiler, and what turns a document into types, are slow on a machine that is busy.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const project = fileURLToPath(new URL("../..", import.meta.url));
const read = (...names: string[]) => readFile(path.join(project, ...names), "utf8");

/** A second pair of operations, as gateways publish it. */
const OPERATIONS = `  /kling/v1/videos/advanced-lip-sync:
    post:
      summary: 对口型
      requestBody:
        content:
          application/json:
            schema:
              type: object
              properties:
                session_id:
                  type: string
                  description: From the recognition of faces.
                face_choose:
                  type: array
                  items:
                    type: object
                    properties:
                      face_id: { type: string }
                      audio_id: { type: string }
                      sound_file: { type: string }
                      sound_start_time: { type: integer }
                      sound_end_time: { type: integer }
                    required: [face_id, sound_start_time, sound_end_time]
                callback_url: { type: string }
              required: [session_id, face_choose]
      responses:
        '200': { description: '', content: { application/json: { schema: { type: object, properties: {} } } }, headers: {} }
      security: []
  /kling/v1/videos/advanced-lip-sync/{id}:
    get:
      parameters:
        - { name: id, in: path, required: true, schema: { type: string } }
      responses:
        '200': { description: '' }
      security: []
`;

const USAGE = `import type { paths } from "./generated/schema.js";
import { createLipSyncClient, type LipSyncTask } from "./src/index.js";

type Advanced = paths["/kling/v1/videos/advanced-lip-sync"]["post"];
type Query = paths["/kling/v1/videos/advanced-lip-sync/{id}"]["get"];
export type Body = NonNullable<Advanced["requestBody"]>["content"]["application/json"];
export const parameters: Query["parameters"]["path"] = { id: "1" };

const client = createLipSyncClient();
const face = { face_id: "0", audio_id: "1", sound_start_time: 0, sound_end_time: 5000 };
export const task: Promise<LipSyncTask> = client.createAdvanced({
  session_id: "1",
  face_choose: [face],
});
// @ts-expect-error: session_id is missing
void client.createAdvanced({ face_choose: [face] });
// @ts-expect-error: a number is no face
void client.createAdvanced({ session_id: "1", face_choose: [1] });
`;

let folder = "";
let schema = "";
beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), "operation-"));
  const published = await read("spec", "lip-sync.yaml");
  const page = published.replace("\ncomponents:\n", `\n${OPERATIONS}components:\n`);
  const overlay = { file: "overlay.yaml", text: await read("spec", "overlay.yaml") };
  const files = await generate({ file: "page.yaml", text: page }, overlay);
  schema = files.get("schema.ts") ?? "";

  await cp(path.join(project, "src"), path.join(folder, "src"), { recursive: true });
  await mkdir(path.join(folder, "generated"));
  await writeFile(path.join(folder, "generated", "schema.ts"), schema);
  await writeFile(path.join(folder, "package.json"), '{ "type": "module" }');
  await symlink(path.join(project, "node_modules"), path.join(folder, "node_modules"));
  await writeFile(path.join(folder, "src", "client.ts"), await clientWithMethod());
  await writeFile(path.join(folder, "usage.ts"), USAGE);
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

/** The client with the code of CONTRIBUTING.md where that says it goes. */
async function clientWithMethod(): Promise<string> {
  const client = await read("src", "client.ts");
  const insert = (before: string, text: string, at: string) => {
    expect(at.split(before)).toHaveLength(2);
    return at.replace(before, () => text + before);
  };
  const declaration =
    'createAdvanced(\n    body: NonNullable<paths["/kling/v1/videos/advanced-lip-sync"]["post"]["requestBody"]>' +
    '["content"]["application/json"],\n    options?: RequestOptions,\n  ): Promise<LipSyncTask>;\n  ';
  const withBlock = insert("  return {\n    async create(", await block(), client);
  const withEntry = insert("    get,\n", "    createAdvanced,\n", withBlock);
  return insert("wait(taskId: string, options?: WaitOptions)", declaration, withEntry);
}

async function block(): Promise<string> {
  const [, section = ""] = (await read("CONTRIBUTING.md")).split("\n## Adding an operation\n");
  return /```ts\n([^]+?)```\n/.exec(section)?.[1] ?? "";
}

describe("an operation that is new in the document", () => {
  it("has its types without an edit", () => {
    expect(schema).toContain('"/kling/v1/videos/advanced-lip-sync": {');
    expect(schema).toContain('"/kling/v1/videos/advanced-lip-sync/{id}": {');
    expect(schema).toContain("face_choose: {");
    expect(schema).toContain("session_id: string;");
  });

  it("gets its method by the ten lines of CONTRIBUTING.md, which compile", async () => {
    const lines = (await block()).split("\n").filter((line) => line.trim() !== "");
    expect(lines.length).toBeGreaterThan(0);
    expect(lines.length).toBeLessThanOrEqual(10);

    const file = ts.readConfigFile(path.join(project, "tsconfig.json"), (name) =>
      ts.sys.readFile(name),
    );
    const { compilerOptions } = file.config as { compilerOptions: object };
    const { options } = ts.convertCompilerOptionsFromJson(
      { ...compilerOptions, types: [] },
      folder,
    );
    const program = ts.createProgram([path.join(folder, "usage.ts")], options);
    const said = ts.getPreEmitDiagnostics(program).map(({ messageText }) => messageText);
    expect(said).toEqual([]);
  });

  it("is called with the key, repeated where it was refused, and never where it may be billed", async () => {
    const outfile = path.join(folder, "client.js");
    const entryPoints = [path.join(folder, "src", "index.ts")];
    await build({ entryPoints, outfile, bundle: true, format: "esm", logLevel: "silent" });
    const { createLipSyncClient } = (await import(pathToFileURL(outfile).href)) as {
      createLipSyncClient: (options: LipSyncClientOptions) => {
        createAdvanced: (body: object) => Promise<LipSyncTask>;
      };
    };
    const task = { task_id: "1", task_status: "submitted", created_at: 1, updated_at: 1 };
    const answers = [
      Response.json({ code: 1303 }, { status: 429, headers: { "retry-after": "0" } }),
      Response.json({ code: 0, message: "SUCCEED", request_id: "1", data: task }),
      new Response("", { status: 500 }),
    ];
    const sent: { url: unknown; init: RequestInit | undefined }[] = [];
    const { createAdvanced } = createLipSyncClient({
      apiKey: "key",
      baseUrl: "https://gateway.example",
      fetch: (url, init) => {
        sent.push({ url, init });
        return Promise.resolve(answers.shift() ?? Response.error());
      },
    });
    const body = { session_id: "1", face_choose: [] };
    await expect(createAdvanced(body)).resolves.toEqual(task);
    await expect(createAdvanced(body)).rejects.toMatchObject({ mayHaveCreatedTask: true });
    expect(sent).toHaveLength(3);
    for (const { url, init } of sent) {
      expect(url).toBe("https://gateway.example/kling/v1/videos/advanced-lip-sync");
      expect(init).toMatchObject({ method: "POST", body: JSON.stringify(body) });
      expect(new Headers(init?.headers).get("authorization")).toBe("Bearer key");
    }
  });
});
