// A program that creates one task, in the bundles of the common bundlers: none is larger than promised.
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { expect, it } from "vitest";
import { BUDGETS } from "../../scripts/budget.js";
import { install, run } from "../../scripts/pack.js";
import { bundle, consumer } from "./consumer.js";

const VITE = "8.3.8";
const WEBPACK = "5.112.2";
const WEBPACK_CLI = "webpack-cli@7.3.1";

function expectSmall(code: string): void {
  expect(code).toContain("/kling/v1/videos/lip-sync");
  expect(gzipSync(code, { level: 9 }).byteLength).toBeLessThanOrEqual(BUDGETS.bundleBytes);
}

it("is small in a bundle of esbuild", async () => {
  expectSmall(await bundle("bundled.js"));
});

it("is small in a bundle of Vite", async () => {
  const vite = path.join(await install("vite", VITE), "bin", "vite.js");
  await run(process.execPath, [vite, "build"], { cwd: consumer });
  const assets = path.join(consumer, "vite", "assets");
  const files = await readdir(assets);
  expect(files).toHaveLength(1);
  expectSmall(await readFile(path.join(assets, files[0] ?? ""), "utf8"));
});

it("is small in a bundle of webpack", async () => {
  const folder = await install("webpack", WEBPACK, WEBPACK_CLI);
  const webpack = path.join(folder, "bin", "webpack.js");
  const args = ["--mode", "production", "--entry", "./bundled.js", "--output-path", "webpack"];
  await run(process.execPath, [webpack, ...args], { cwd: consumer });
  expectSmall(await readFile(path.join(consumer, "webpack", "main.js"), "utf8"));
});
