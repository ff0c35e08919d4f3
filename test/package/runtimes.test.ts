// test/consumers/scenario.js with the packed library in every runtime: a task, an abort, and the ways in
// which a connection fails.
import { cp, mkdir, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { install, run } from "../../scripts/pack.js";
import { below } from "../fixtures/markdown.js";
import { requireChromium } from "../fixtures/tools.js";
import { bundle, consumer, installNode, NODE_VERSIONS } from "./consumer.js";
import { start, startServers } from "./servers.js";

/** The older one resends a POST by itself on a connection that was used before, unless told not to. */
const BUN_VERSIONS = ["1.3.5", "1.4.5"];
const DENO = "2.9.6";
const JEST = "30.5.2";
const COMMONJS_PLUGIN = "7.29.14";
const MINIFLARE = "4.20260730.0";
const PLAYWRIGHT = "1.65.1";

/** How a create without a connection ended. */
interface NoConnection {
  name: string;
  mayHaveCreatedTask: boolean;
  attempts: number;
  /** What fetch threw, and the cause of the client's error, each as a line. */
  thrown: string;
  cause: string;
}

type Report = Record<"refused" | "unknownHost", NoConnection>;

interface Runtime {
  /** Its errors say when a connection was never made. */
  saysNeverConnected?: boolean;
  /** It does not resend a POST by itself when the connection broke. */
  sendsOnce?: boolean;
  env?: NodeJS.ProcessEnv;
}

/** Runs a program that runs the scenario, and compares the report that it prints. */
async function expectScenario(
  program: string,
  args: string[],
  { saysNeverConnected = true, sendsOnce = true, env = {} }: Runtime = {},
): Promise<void> {
  const { scenario, dropped } = await startServers();
  const quiet = { DENO_NO_UPDATE_CHECK: "1", DO_NOT_TRACK: "1" };
  const variables = { ...quiet, ...env, SCENARIO: scenario };
  const { stdout } = await run(program, args, { cwd: consumer, env: variables });
  const { refused, unknownHost, ...others } = JSON.parse(stdout) as Report;
  expect(others).toEqual({
    video: "https://fake-gateway.invalid/task-1.mp4",
    abort: "rejects with the signal's reason",
    apiError: { isApiError: true, status: 500, mayHaveCreatedTask: true },
    dropped: { name: "ConnectionError", mayHaveCreatedTask: true },
    droppedForGood: { name: "ConnectionError", mayHaveCreatedTask: true },
    connectionsLeft: 0,
  });
  if (sendsOnce) expect(dropped).toEqual({ atDropping: 1, atLeaving: 1 });
  for (const { thrown, ...ended } of [refused, unknownHost]) {
    expect(ended).toEqual({
      name: "ConnectionError",
      mayHaveCreatedTask: !saysNeverConnected,
      attempts: saysNeverConnected ? 2 : 1,
      cause: thrown,
    });
  }
  if (saysNeverConnected) expect(refused.cause).toMatch(/refused/i);
}

/** Runs the scenario with the library imported, then required. */
async function expectBoth(program: string, flags: string[] = []): Promise<void> {
  await expectScenario(program, [...flags, "import.js"]);
  await expectScenario(program, [...flags, "require.cjs"]);
}

it("runs in this version of Node, imported and required", async () => {
  await expectBoth(process.execPath);
});

it.each(NODE_VERSIONS)("runs in Node %s, imported and required", async (version) => {
  await expectBoth(await installNode(version));
});

it.each(BUN_VERSIONS)("runs in Bun %s, imported and required", async (version) => {
  const machine = process.arch === "arm64" ? "aarch64" : process.arch;
  const folder = await install(`@oven/bun-${process.platform}-${machine}`, version);
  await expectBoth(path.join(folder, "bin", "bun"));
});

it("runs in Deno, imported and required", async () => {
  const library = process.platform === "linux" ? "-glibc" : "";
  const folder = await install(`@deno/${process.platform}-${process.arch}${library}`, DENO);
  const flags = ["run", "--no-lock", "--allow-net", "--allow-env", "--allow-read"];
  await expectBoth(path.join(folder, "deno"), flags);
});

describe("in Jest, whose errors are of another realm", () => {
  async function expectInJest(folder: string, flags: string[], env = {}): Promise<void> {
    const jest = path.join(await install("jest", JEST), "bin", "jest.js");
    const cache = `--cacheDirectory=${path.join(folder, "jest")}`;
    const args = [jest, ...flags, `--rootDir=${folder}`, "scenario.test.js", cache];
    await expectScenario(process.execPath, args, { env });
  }

  it("runs as an ES module", async () => {
    const env = { NODE_OPTIONS: "--experimental-vm-modules --no-warnings" };
    await expectInJest(consumer, [], env);
  });

  it("runs as CommonJS with the configuration of docs/testing.md", async () => {
    const page = below("## Jest in CommonJS", "docs/testing.md");
    const [, config = ""] = /^```js\n(.*?)^```$/ms.exec(page) ?? [];
    const name = "@babel/plugin-transform-modules-commonjs";
    const plugin = await install(name, COMMONJS_PLUGIN);
    await mkdir(path.join(consumer, "node_modules", "@babel"));
    await symlink(plugin, path.join(consumer, "node_modules", name), "junction");
    const folder = path.join(consumer, "commonjs");
    await mkdir(folder);
    await writeFile(path.join(folder, "package.json"), "{}");
    await writeFile(path.join(folder, "jest.config.js"), config);
    for (const file of ["scenario.js", "scenario.test.js"]) {
      await cp(path.join(consumer, file), path.join(folder, file));
    }
    await expectInJest(folder, ["--config", path.join(folder, "jest.config.js")]);
  });
});

it("runs in workerd, which does not say that a connection was refused", async () => {
  const miniflare = await install("miniflare", MINIFLARE);
  await bundle("worker.js");
  // Miniflare needs Node 22.
  const node = await installNode("22.23.3");
  const args = ["workerd.js", miniflare, "esbuild/worker.js"];
  await expectScenario(node, args, { saysNeverConnected: false });
});

it("runs in Chromium, which does not say so either, and may send a POST twice", async (test) => {
  const chromium = requireChromium(test);
  const playwright = await install("playwright-core", PLAYWRIGHT);
  const code = await bundle("page.js");
  const { url } = await start((_, response) => {
    response.setHeader("content-type", "text/html; charset=utf-8");
    response.end(`<!doctype html><title>A page</title><script type="module">${code}</script>`);
  });
  const args = ["browser.js", playwright, chromium, url];
  await expectScenario(process.execPath, args, { saysNeverConnected: false, sendsOnce: false });
});
