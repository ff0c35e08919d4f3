// CONTRIBUTING.md's recipe for a new operation, followed to the letter: it compiles, and its POST is
// sent with all the care that create has.
import { cp, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import ts from "typescript";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { generate } from "../../scripts/spec/generate.js";
import type { LipSyncClientOptions, LipSyncTask } from "../../src/index.js";
import { project, readProject, temporaryFolders } from "../fixtures/scripts.js";
import submitted from "../fixtures/submitted.json" with { type: "json" };

// The compiler, and what turns a document into types, are slow on a machine that is busy.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const newFolder = temporaryFolders();

/** A second operation, as gateways publish it. */
const OPERATION = `  /kling/v1/videos/advanced-lip-sync:
    post:
      requestBody:
        content:
          application/json:
            schema:
              type: object
              properties:
                session_id: { type: string }
                face_choose:
                  type: array
                  items:
                    type: object
                    properties: { face_id: { type: string }, audio_id: { type: string } }
                    required: [face_id]
              required: [session_id, face_choose]
      responses: { '200': { description: '', content: { application/json: { schema: { $ref: '#/components/schemas/LipSyncResponse' } } } } }
      security: []
`;

const USAGE = `import { createLipSyncClient, type LipSyncTask } from "./src/index.js";

const client = createLipSyncClient();
const faces = { face_choose: [{ face_id: "0", audio_id: "1" }] };
export const task: Promise<LipSyncTask> = client.createAdvanced({ session_id: "1", ...faces });
// @ts-expect-error: session_id is missing
void client.createAdvanced(faces);
// @ts-expect-error: a number is not a face
void client.createAdvanced({ session_id: "1", face_choose: [1] });
`;

let folder = "";
let recipe: string[] = [];
beforeAll(async () => {
  folder = await newFolder();
  const published = await readProject("spec", "lip-sync.yaml");
  const page = published.replace("\ncomponents:\n", `\n${OPERATION}components:\n`);
  const overlay = { file: "overlay.yaml", text: await readProject("spec", "overlay.yaml") };
  const files = await generate({ file: "page.yaml", text: page }, overlay);
  const [, section = ""] = (await readProject("CONTRIBUTING.md")).split(
    "\n## Adding an operation\n",
  );
  const blocks = section.split("\n## ")[0]?.matchAll(/```ts\n([^]+?)```\n/g) ?? [];
  recipe = Array.from(blocks, ([, block = ""]) => block);
  const [types = "", declaration = "", method = ""] = recipe;

  await cp(path.join(project, "src"), path.join(folder, "src"), { recursive: true });
  await mkdir(path.join(folder, "generated"));
  await writeFile(path.join(folder, "generated", "schema.ts"), files.get("schema.ts") ?? "");
  const voices = path.join("generated", "voices.ts");
  await cp(path.join(project, voices), path.join(folder, voices));
  await writeFile(path.join(folder, "package.json"), '{ "type": "module" }');
  await writeFile(path.join(folder, "usage.ts"), USAGE);
  await symlink(path.join(project, "node_modules"), path.join(folder, "node_modules"));
  await edit(
    "client.ts",
    [/(?=^\/\*\* A client for the lip-sync endpoint)/m, types],
    [/(?<=^export interface LipSyncClient \{\n)/m, declaration],
    [/(?<=^ {2}return \{\n)/m, method],
  );
});
afterEach(() => vi.unstubAllGlobals());

/** Inserts each text at its one place in a file of the copied source. */
async function edit(file: string, ...insertions: [place: RegExp, text: string][]): Promise<void> {
  const name = path.join(folder, "src", file);
  let source = await readFile(name, "utf8");
  for (const [place, text] of insertions) {
    expect(source).toMatch(place);
    source = source.replace(place, () => text);
  }
  await writeFile(name, source);
}

describe("an operation that is new in the document", () => {
  it("gets its method by the eight lines of CONTRIBUTING.md, which compile", () => {
    const lines = recipe.join("").split("\n");
    expect(recipe).toHaveLength(3);
    expect(lines.filter((line) => line.trim() !== "").length).toBeLessThanOrEqual(8);

    const config = { extends: "./tsconfig.json", compilerOptions: { types: [] }, files: [] };
    const { options } = ts.parseJsonConfigFileContent(config, ts.sys, project);
    const program = ts.createProgram([path.join(folder, "usage.ts")], options);
    const said = ts.getPreEmitDiagnostics(program).map(({ messageText }) => messageText);
    expect(said).toEqual([]);
  });

  it.each(["a string", "a Blob on Deno"])("posts its body as create does: %s", async (as) => {
    const isDeno = as.includes("Deno");
    if (isDeno) vi.stubGlobal("Deno", { version: {} });
    const { init, createAdvanced } = await clientWith(
      Response.json({ code: 1303 }, { status: 429, headers: { "retry-after": "0" } }),
      Response.json(submitted),
    );
    await expect(createAdvanced(body)).resolves.toEqual(submitted.data);

    expect(init).toHaveLength(2);
    for (const sent of init) {
      expect(sent).toMatchObject({ method: "POST", redirect: "manual", keepalive: false });
      const headers = { authorization: "Bearer key", "content-type": "application/json" };
      expect(Object.fromEntries(new Headers(sent.headers))).toEqual(headers);
      expect(sent.body instanceof Blob).toBe(isDeno);
      expect(await new Response(sent.body ?? null).text()).toBe(JSON.stringify(body));
    }
  });

  it.each([
    ["a 5xx", new Response("", { status: 503 })],
    ["a connection that breaks", new TypeError("fetch failed")],
  ])("is not repeated after %s, and says that a task may exist", async (_, step) => {
    const { init, createAdvanced } = await clientWith(step, Response.json(submitted));
    await expect(createAdvanced(body)).rejects.toMatchObject({ mayHaveCreatedTask: true });
    expect(init).toHaveLength(1);
  });
});

const body = { session_id: "1", face_choose: [] };

/** The method of a client whose fetch takes these steps in turn, and what was sent. */
async function clientWith(...steps: (Response | Error)[]) {
  const outfile = path.join(folder, "client.js");
  const entryPoints = [path.join(folder, "src", "index.ts")];
  await build({ entryPoints, outfile, bundle: true, format: "esm", logLevel: "silent" });
  type Client = { createAdvanced: (body: object) => Promise<LipSyncTask> };
  type Library = { createLipSyncClient: (options: LipSyncClientOptions) => Client };
  const { createLipSyncClient } = (await import(pathToFileURL(outfile).href)) as Library;
  const init: RequestInit[] = [];
  const { createAdvanced } = createLipSyncClient({
    apiKey: "key",
    baseUrl: "https://gateway.example",
    fetch: (url, sent) => {
      expect(url).toBe("https://gateway.example/kling/v1/videos/advanced-lip-sync");
      init.push(sent);
      const step = steps.shift();
      return step instanceof Response ? Promise.resolve(step) : Promise.reject(step);
    },
  });
  return { init, createAdvanced };
}
