import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { expect, it } from "vitest";
import { chartsOf, mediansOf } from "../scripts/bench/report.js";
import { writeFiles } from "../scripts/files.js";

it("has the median of every round, with decimals only where they tell something", () => {
  const results = {
    importMs: { "kling-lip-sync": [5.04, 9, 7.26], ky: [60.31] },
    installedBytes: { ky: [452_253] },
  };
  expect(mediansOf(results)).toEqual({
    importMs: { "kling-lip-sync": 7.3, ky: 60.3 },
    installedBytes: { ky: 452_253 },
  });
});

it("draws the same chart of the same figures, for light and for dark pages", async () => {
  const sizes = { "kling-lip-sync": 7876, fetch: 512, "openapi-fetch": 2910, openai: 86_611 };
  const medians = { bundleBytes: { ...sizes, ky: 9204, replicate: 7390 } };
  const folder = await mkdtemp(path.join(os.tmpdir(), "kling-lip-sync-bench-"));
  try {
    await writeFiles(chartsOf(medians), folder);
    expect(await writeFiles(chartsOf(medians), folder)).toEqual([]);
    const names = await readdir(folder);
    expect(names.sort()).toEqual(["benchmarks-dark.svg", "benchmarks-light.svg"]);
    for (const name of names) {
      const svg = await readFile(path.join(folder, name), "utf8");
      const texts = [...svg.matchAll(/<text [^>]*>([^<]+)<\/text>/g)].map(([, text]) => text);
      const peers = ["kling-lip-sync", "fetch", "openapi-fetch", "ky", "replicate", "openai"];
      expect(texts).toEqual(expect.arrayContaining(peers));
      expect(texts).toEqual(expect.arrayContaining(["7.9", "0.5", "2.9", "9.2", "7.4", "86.6"]));
      expect(svg).not.toMatch(/<script|<style|href=|url\(/);
      expect(svg.length).toBeLessThan(8000);
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});
