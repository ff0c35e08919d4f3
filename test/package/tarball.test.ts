// The packed tarball: its files, its types without any other package, its entries and its command.
import { cp } from "node:fs/promises";
import path from "node:path";
import { beforeAll, expect, inject, it } from "vitest";
import { root, run } from "../../scripts/pack.js";
import { problemsOf, unpack } from "../../scripts/release-check.js";
import { readProject, temporaryFolders } from "../fixtures/scripts.js";
import { compile } from "../fixtures/tsc.js";
import { consumer } from "./consumer.js";

const tsc = path.join(root, "node_modules", "typescript", "bin", "tsc");
const newFolder = temporaryFolders();
/** The folder with nothing but the unpacked tarball. */
let folder: string;
let texts: Map<string, string>;

beforeAll(async () => {
  folder = await newFolder();
  texts = await unpack(inject("tarball"), folder);
});

it("has what a release needs, and nothing else", () => {
  // It is built in a folder beside the consumer.
  expect(problemsOf(texts, [root, path.dirname(consumer)])).toEqual([]);
});

it("has no openapi-fetch, no any and no empty record in its types", () => {
  const declarations = [...texts.keys()].filter((file) => file.endsWith(".d.ts"));
  expect(declarations.length).toBeGreaterThan(10);
  for (const file of declarations) {
    const types = texts.get(file)?.replace(/\/\*.*?\*\//gs, "");
    expect(types, file).not.toMatch(/openapi-fetch|Record<string, never>|[:<|&] any\b/);
  }
});

it("has types that need no other package", async () => {
  const target = path.join(folder, "node_modules", "kling-lip-sync");
  await cp(path.join(folder, "package"), target, { recursive: true });
  await cp(path.join(consumer, "consumer.ts"), path.join(folder, "consumer.ts"));
  await compile(tsc, folder, "consumer.ts", "esnext --moduleResolution bundler");
});

it("is not found by the module resolution of Node 10", async () => {
  const module = "commonjs --moduleResolution node10";
  const compiled = compile(tsc, consumer, "required.cts", module);
  await expect(compiled).rejects.toThrow("TS2307: Cannot find module 'kling-lip-sync' or");
});

it("has the copyright notice of each package in the command", () => {
  const notices = texts.get("dist/cli/LICENSES.txt") ?? "";
  for (const name of ["commander", "csv-parse", "yocto-spinner"]) {
    expect(notices).toMatch(new RegExp(`^${name}: Copyright `, "m"));
  }
  expect(notices).toContain("../../LICENSE");
  expect(texts.get("LICENSE")).toContain("Permission is hereby granted");
});

it("has each class of an error once, so that all entries throw the same", () => {
  const bundles = [...texts.keys()].filter((file) => /^dist\/[^/]+\.js$/.test(file));
  const code = bundles.map((file) => texts.get(file)).join("\n");
  const names = [...code.matchAll(/\bname ?= ?"(\w+Error)"/g)].map(([, name]) => name);
  expect(names).toContain("ApiError");
  expect(new Set(names).size).toBe(names.length);
});

it("runs imported and required, with the same classes from every entry", async () => {
  const { version } = JSON.parse(await readProject("package.json")) as { version: string };
  const { stdout } = await run(process.execPath, ["entries.js"], { cwd: consumer });
  expect(JSON.parse(stdout)).toEqual({
    video: "https://fake-gateway.invalid/task-1.mp4",
    version,
    isErrorOfBoth: true,
    isErrorOfJob: true,
    isErrorOfBatch: true,
    hasSameExports: true,
  });
});

it("has a command that runs", async () => {
  const command = path.join(consumer, "node_modules", ".bin", "kling-lip-sync");
  const { stdout } = await run(command, ["demo"], { cwd: await newFolder() });
  expect(stdout).toMatch(/^Saved: .+\.mp4/m);
});
