import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, it } from "vitest";
import { clipsOf, setUpBatch } from "./fixtures/batch.js";
import { temporaryFolders } from "./fixtures/scripts.js";

const newFolder = temporaryFolders();

it("creates a task for each clip and saves its video", async () => {
  const batch = setUpBatch(await newFolder());
  const report = await batch.run(clipsOf("a", "b"));
  expect(report).toEqual({
    saved: 2,
    running: 0,
    failed: 0,
    uncertain: 0,
    left: 0,
    stop: undefined,
    problems: [],
  });
  expect(batch.posts()).toEqual(["a", "b"]);
  expect(readdirSync(batch.folder).sort()).toEqual(["a.mp4", "b.mp4", "journal.jsonl"]);
  expect(readFileSync(path.join(batch.folder, "a.mp4"), "latin1")).toContain("ftyp");
  expect(batch.events().filter((line) => line.endsWith(" a"))).toEqual([
    "claim a",
    "task a",
    "saved a",
  ]);
});
