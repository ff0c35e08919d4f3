import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const run = promisify(execFile);
const root = path.join(import.meta.dirname, "..");

/** A folder with nothing but the unpacked tarball in its node_modules. */
let consumer: string;
let files: string[];

beforeAll(async () => {
  consumer = await mkdtemp(path.join(os.tmpdir(), "kling-lip-sync-consumer-"));
  await run("npm", ["pack", "--silent", "--pack-destination", consumer], { cwd: root });
  const tarball = (await readdir(consumer)).find((name) => name.endsWith(".tgz")) ?? "";
  const modules = path.join(consumer, "node_modules");
  await mkdir(modules);
  await run("tar", ["-xzf", path.join(consumer, tarball), "-C", modules]);
  await cp(path.join(modules, "package"), path.join(modules, "kling-lip-sync"), {
    recursive: true,
  });
  await rm(path.join(modules, "package"), { recursive: true });
  files = await readdir(path.join(modules, "kling-lip-sync"), { recursive: true });
  await writeFile(path.join(consumer, "package.json"), '{ "type": "module" }');
}, 60_000);

afterAll(async () => {
  await rm(consumer, { recursive: true, force: true });
});

describe("the packed tarball", () => {
  it("holds the library and its documents, and no test, script or spec", () => {
    const top = new Set(files.map((file) => file.split(path.sep)[0]));
    const wanted = [
      "CHANGELOG.md",
      "LICENSE",
      "README.md",
      "dist",
      "generated",
      "package.json",
      "src",
    ];
    for (const name of wanted) expect(top).toContain(name);
    for (const name of ["test", "scripts", "spec", "node_modules"]) expect(top).not.toContain(name);
    expect(files.filter((file) => file.startsWith("generated"))).toEqual([
      "generated",
      path.join("generated", "schema.ts"),
    ]);
  });

  it("says nothing of openapi-fetch, of any, or of an empty record in its declarations", async () => {
    const declarations = files.filter((file) => file.endsWith(".d.ts"));
    expect(declarations.length).toBeGreaterThan(10);
    for (const file of declarations) {
      const text = await readFile(
        path.join(consumer, "node_modules", "kling-lip-sync", file),
        "utf8",
      );
      expect(text, file).not.toMatch(/openapi-fetch|Record<string, never>|[:<|&] any\b/);
    }
  });

  it("type-checks in a consumer that has no other package and skips no library", async () => {
    await writeFile(
      path.join(consumer, "consumer.ts"),
      `import { createLipSyncClient, parseTaskCallback, type LipSyncTask } from "kling-lip-sync";
import { createFakeGateway } from "kling-lip-sync/testing";
const client = createLipSyncClient(createFakeGateway());
const request = { mode: "text2video", text: "t", voice_id: "v", voice_language: "zh" } as const;
const task: LipSyncTask = await client.create({ input: { video_id: "v", ...request } });
export const url: string = (await client.wait(task.task_id)).task_result.videos[0].url;
parseTaskCallback(task);
// @ts-expect-error -- both
await client.create({ input: { video_id: "v", video_url: "u", ...request } });
// @ts-expect-error -- neither
await client.create({ input: { ...request } });
// @ts-expect-error -- an any would pass this
const wrong: number = url;
export { wrong };
`,
    );
    const tsc = path.join(root, "node_modules", "typescript", "bin", "tsc");
    const options = "--noEmit --strict --exactOptionalPropertyTypes --noUncheckedIndexedAccess";
    const files = ["--skipLibCheck", "false", "--target", "es2022", "consumer.ts"];
    for (const resolution of ["--module nodenext", "--module esnext --moduleResolution bundler"]) {
      const args = [tsc, ...options.split(" "), ...resolution.split(" "), ...files];
      const { stdout } = await run(process.execPath, args, { cwd: consumer }).catch(
        (error: unknown) => error as { stdout: string },
      );
      expect(stdout).toBe("");
    }
  }, 60_000);

  it.each([
    ["compiles in a CommonJS file", "nodenext", ""],
    ["is not found by the resolution of Node 10", "commonjs --moduleResolution node10", "TS2307"],
  ])(
    "%s",
    async (_, module, mistake) => {
      const file =
        'import { createLipSyncClient } from "kling-lip-sync";\ncreateLipSyncClient();\n';
      await writeFile(path.join(consumer, "required.cts"), file);
      const tsc = path.join(root, "node_modules", "typescript", "bin", "tsc");
      const flags = `--noEmit --strict --target es2022 --module ${module} required.cts`.split(" ");
      const compiling = run(process.execPath, [tsc, ...flags], { cwd: consumer });
      if (mistake === "") await expect(compiling).resolves.toMatchObject({ stdout: "" });
      else
        await expect(compiling).rejects.toHaveProperty("stdout", expect.stringContaining(mistake));
    },
    60_000,
  );

  it("runs from import and from require, and shows its package.json", async () => {
    for (const name of ["openapi-fetch", "openapi-typescript-helpers"]) {
      const modules = path.join("node_modules", name);
      await cp(path.join(root, modules), path.join(consumer, modules), { recursive: true });
    }
    const main = `const client = createLipSyncClient(createFakeGateway({ polls: 1 }));
      const input = { video_id: "v", mode: "text2video", text: "t", voice_id: "v", voice_language: "zh" };
      client.create({ input }).then(({ task_id }) => client.wait(task_id)).then((task) => {
        console.log(task.task_result.videos[0].url, version);
      });`;
    const esm = `import { createLipSyncClient } from "kling-lip-sync";
      import { createFakeGateway } from "kling-lip-sync/testing";
      import { createRequire } from "node:module";
      const { version } = createRequire(import.meta.url)("kling-lip-sync/package.json");`;
    const cjs = `const { createLipSyncClient } = require("kling-lip-sync");
      const { createFakeGateway } = require("kling-lip-sync/testing");
      const { version } = require("kling-lip-sync/package.json");`;
    await writeFile(path.join(consumer, "run.mjs"), `${esm}\n${main}`);
    await writeFile(path.join(consumer, "run.cjs"), `${cjs}\n${main}`);
    const { version } = JSON.parse(await readFile(path.join(root, "package.json"), "utf8")) as {
      version: string;
    };
    for (const file of ["run.mjs", "run.cjs"]) {
      const { stdout } = await run(process.execPath, [file], { cwd: consumer });
      expect(stdout.trim()).toBe(`https://fake-gateway.invalid/task-1.mp4 ${version}`);
    }
  }, 60_000);
});
