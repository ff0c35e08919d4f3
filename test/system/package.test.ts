// The packed tarball, as a consumer gets it: its files, its types, its entries.
import { cp, writeFile } from "node:fs/promises";
import path from "node:path";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { pack, root, run } from "../../scripts/pack.js";
import { problemsOf, unpack } from "../../scripts/release-check.js";
import { readProject, temporaryFolders } from "../fixtures/scripts.js";
import { compile, compileMistakes } from "../fixtures/tsc.js";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const tsc = path.join(root, "node_modules", "typescript", "bin", "tsc");

const newFolder = temporaryFolders();
let temporary: string;
/** A copy of test/consumers/ with nothing but the package in its node_modules. */
let consumer: string;
let texts: Map<string, string>;

beforeAll(async () => {
  temporary = await newFolder();
  texts = await unpack(await pack(temporary), temporary);
  consumer = path.join(temporary, "consumer");
  await cp(path.join(root, "test", "consumers"), consumer, { recursive: true });
  await writeFile(path.join(consumer, "package.json"), '{ "type": "module" }');
  const target = path.join(consumer, "node_modules", "kling-lip-sync");
  await cp(path.join(temporary, "package"), target, { recursive: true });
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

  // With older and newer compilers and the other module systems: npm run test:package.
  it("type-checks a consumer without any other package", async () => {
    await expect(compile(tsc, consumer, "consumer.ts", "nodenext")).resolves.toBeUndefined();
  });

  it("makes the compiler's last line say what to do about each common mistake", async () => {
    await expect(compileMistakes(tsc, consumer)).resolves.toHaveLength(8);
  });

  it("is not found by the module resolution of Node 10", async () => {
    const module = "commonjs --moduleResolution node10";
    await expect(compile(tsc, consumer, "required.cts", module)).rejects.toThrow("TS2307");
  });

  it("has each class of an error once, so that all entries throw the same", () => {
    const bundles = [...texts.keys()].filter((file) => /^dist\/[^/]+\.js$/.test(file));
    const code = bundles.map((file) => texts.get(file)).join("\n");
    const names = [...code.matchAll(/\bname = "(\w+Error)"/g)].map(([, name]) => name);
    expect(names).toContain("ApiError");
    expect(new Set(names).size).toBe(names.length);
  });

  it("runs imported and required, with the same classes from every entry", async () => {
    for (const name of ["openapi-fetch", "openapi-typescript-helpers"]) {
      const dependency = path.join("node_modules", name);
      await cp(path.join(root, dependency), path.join(consumer, dependency), { recursive: true });
    }
    const { version } = JSON.parse(await readProject("package.json")) as { version: string };
    const { stdout } = await run(process.execPath, ["entries.js"], { cwd: consumer });
    expect(JSON.parse(stdout)).toEqual({
      video: "https://fake-gateway.invalid/task-1.mp4",
      version,
      isErrorOfBoth: true,
      isErrorOfJob: true,
      hasSameExports: true,
    });
  });
});
