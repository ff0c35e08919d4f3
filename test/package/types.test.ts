// The packed tarball as npm, publint, Are The Types Wrong and the supported compilers see it.
import { cp, mkdir, readFile, symlink } from "node:fs/promises";
import path from "node:path";
import { expect, inject, it } from "vitest";
import { install, root, run } from "../../scripts/pack.js";
import { BULLMQ_VERSIONS, installBullMq } from "../fixtures/bullmq.js";
import { compile, compileMistakes } from "../fixtures/tsc.js";
import { consumer } from "./consumer.js";

const TYPESCRIPTS = ["5.4.5", "5.9.3", "6.0.3", "7.0.2"];
const MODULES = ["nodenext", "esnext --moduleResolution bundler"];
const PUBLINT = "0.3.25";
const ATTW = "0.18.5";

const tarball = inject("tarball");

it("is installed as three packages without an install script", async () => {
  const lock = path.join(consumer, "node_modules", ".package-lock.json");
  const { packages } = JSON.parse(await readFile(lock, "utf8")) as { packages: object };
  expect(Object.keys(packages)).toEqual([
    "node_modules/kling-lip-sync",
    "node_modules/openapi-fetch",
    "node_modules/openapi-typescript-helpers",
  ]);
  expect(JSON.stringify(packages)).not.toContain("hasInstallScript");
});

it("gets no suggestion from publint", async () => {
  const cli = path.join(await install("publint", PUBLINT), "src", "cli.js");
  const { stdout } = await run(process.execPath, [cli, "run", tarball, "--strict"]);
  expect(stdout).toContain("All good!");
});

it("has no problem for Are The Types Wrong", async () => {
  const cli = path.join(await install("@arethetypeswrong/cli", ATTW), "dist", "index.js");
  const flags = ["--profile", "esm-only", "--no-definitely-typed", "--format", "ascii"];
  await run(process.execPath, [cli, tarball, ...flags]);
});

it.each(TYPESCRIPTS)("compiles with TypeScript %s, which says what is wrong", async (version) => {
  const tsc = path.join(await install("typescript", version), "bin", "tsc");
  for (const module of MODULES) {
    await compile(tsc, consumer, "consumer.ts", module);
    const inexact = ["--exactOptionalPropertyTypes", "false"];
    await compile(tsc, consumer, "consumer.ts", module, ...inexact);
  }
  // TypeScript 5.8 was the first to know that Node's require loads ES modules.
  if (!version.startsWith("5.4.")) await compile(tsc, consumer, "required.cts", "nodenext");
  await compileMistakes(tsc, consumer);
});

it.each(BULLMQ_VERSIONS)(
  "compiles with BullMQ %s: a queue, a worker, a settled job",
  async (version) => {
    const folder = path.join(consumer, `bullmq-${version}`);
    await mkdir(path.join(folder, "node_modules"), { recursive: true });
    await cp(path.join(consumer, "fleet.ts"), path.join(folder, "fleet.ts"));
    const link = path.join(folder, "node_modules", "bullmq");
    await symlink(await installBullMq(version), link, "junction");
    const tsc = path.join(root, "node_modules", "typescript", "bin", "tsc");
    // The types of BullMQ need those of Node, which are not this library's to check.
    await compile(tsc, folder, "fleet.ts", "nodenext", "--skipLibCheck", "true");
  },
);
