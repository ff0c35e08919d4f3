// The packed tarball, as a consumer gets it: its files, its types, its entries.
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compile, compileMistakes, MODULES } from "../../scripts/package/compile.js";
import { pack, root, run } from "../../scripts/package/pack.js";
import { problemsOf, unpack } from "../../scripts/package/release-check.js";

const tsc = path.join(root, "node_modules", "typescript", "bin", "tsc");

let temporary: string;
/** A copy of test/consumers/ with nothing but the package in its node_modules. */
let consumer: string;
let texts: Map<string, string>;

beforeAll(async () => {
  temporary = await mkdtemp(path.join(os.tmpdir(), "kling-lip-sync-package-"));
  texts = await unpack(await pack(temporary), temporary);
  consumer = path.join(temporary, "consumer");
  await cp(path.join(root, "test", "consumers"), consumer, { recursive: true });
  await writeFile(path.join(consumer, "package.json"), '{ "type": "module" }');
  const target = path.join(consumer, "node_modules", "kling-lip-sync");
  await cp(path.join(temporary, "package"), target, { recursive: true });
}, 60_000);

afterAll(async () => {
  await rm(temporary, { recursive: true, force: true });
});

describe("the packed tarball", () => {
  it("has what a release needs, and nothing else", () => {
    expect(problemsOf(texts, [root, temporary])).toEqual([]);
  });

  it("has no openapi-fetch, no any and no empty record in its types", () => {
    const declarations = [...texts.keys()].filter((file) => file.endsWith(".d.ts"));
    expect(declarations.length).toBeGreaterThan(10);
    for (const file of declarations) {
      const types = texts.get(file)?.replace(/\/\*.*?\*\//gs, "");
      expect(types, file).not.toMatch(/openapi-fetch|Record<string, never>|[:<|&] any\b/);
    }
  });

  it.each(MODULES)(
    "type-checks without any other package, libraries included, with --module %s",
    async (module) => {
      await expect(compile(tsc, consumer, "consumer.ts", module)).resolves.toBeUndefined();
    },
    60_000,
  );

  it("makes the compiler's last line say what to do about each common mistake", async () => {
    await expect(compileMistakes(tsc, consumer)).resolves.toHaveLength(6);
  }, 60_000);

  it("compiles in a CommonJS file", async () => {
    await expect(compile(tsc, consumer, "required.cts", "nodenext")).resolves.toBeUndefined();
  }, 60_000);

  it("is not found by the module resolution of Node 10", async () => {
    const module = "commonjs --moduleResolution node10";
    await expect(compile(tsc, consumer, "required.cts", module)).rejects.toThrow("TS2307");
  }, 60_000);

  it("has the code of each source file once, so that all entries have the same classes", () => {
    const bundles = [...texts.keys()].filter((file) => /^dist\/[^/]+\.js$/.test(file));
    const code = bundles.map((file) => texts.get(file)).join("\n");
    // esbuild writes the name of a file above its code.
    const sources = [...code.matchAll(/^\/\/ (src\/\S+\.ts)$/gm)].map(([, file]) => file);
    expect(sources).toContain("src/errors.ts");
    expect(new Set(sources).size).toBe(sources.length);
  });

  it("runs imported and required, with the same classes from every entry", async () => {
    for (const name of ["openapi-fetch", "openapi-typescript-helpers"]) {
      const dependency = path.join("node_modules", name);
      await cp(path.join(root, dependency), path.join(consumer, dependency), { recursive: true });
    }
    const { version } = JSON.parse(await readFile(path.join(root, "package.json"), "utf8")) as {
      version: string;
    };
    const { stdout } = await run(process.execPath, ["entries.js"], { cwd: consumer });
    expect(JSON.parse(stdout)).toEqual({
      video: "https://fake-gateway.invalid/task-1.mp4",
      version,
      isErrorOfBoth: true,
      hasSameExports: true,
    });
  }, 60_000);
});
