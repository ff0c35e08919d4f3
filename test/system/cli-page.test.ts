// The page of a batch in a real Chromium, opened from the disk.
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test, vi } from "vitest";
import type { LipSyncClipState } from "../../src/batch/index.js";
import { writeReview } from "../../src/cli/review.js";
import { openPage, silence } from "../fixtures/chromium.js";
import { temporaryFolders } from "../fixtures/scripts.js";
import { requireChromium } from "../fixtures/tools.js";

vi.setConfig({ testTimeout: 60_000 });

const newFolder = temporaryFolders();
const SCRIPT = "<script>document.title = 'run'</script>";

test("the page of 200 clips shows first what needs a person, plays a video, and loads no other", async (test) => {
  const chromium = requireChromium(test);
  const folder = await newFolder();
  const clips = Array.from({ length: 200 }, (_, index): LipSyncClipState => {
    const text = `Text ${index}`;
    return { id: `clip-${index}`, state: "saved", taskId: `task-${index}`, text };
  });
  clips[3] = { id: "clip-3", state: "saved", taskId: "task-3", text: SCRIPT };
  clips[4] = {
    id: "clip-4",
    state: "saved",
    taskId: "task-4",
    text: "今天天气很好，我们去公园吧。",
  };
  clips[150] = { id: "clip-150", state: "failed", taskId: "t", reason: "no face found", text: "A" };
  clips[199] = { id: "clip-199", state: "uncertain", reason: "connection reset", text: "B" };
  const file = pathToFileURL(await writeReview(folder, clips)).href;
  await writeFile(path.join(folder, "clip-0.mp4"), silence());

  const page = await openPage(chromium, file, path.join(folder, "profile"));
  try {
    for (const width of [1280, 390]) {
      await page.load(width);
      const ids = await page.evaluate(
        "[...document.querySelectorAll('h3')].map((h) => h.innerText)",
      );
      expect(ids).toHaveLength(200);
      expect(ids).toEqual(expect.arrayContaining(["clip-199", "clip-150", "clip-0"]));
      expect((ids as string[]).slice(0, 3)).toEqual(["clip-199", "clip-150", "clip-0"]);
      // Nothing is cut off, and nothing scrolls sideways.
      expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(
        width,
      );
      if (process.env["PICTURES"]) {
        const picture = path.join(process.env["PICTURES"], `page-${width}.png`);
        await writeFile(picture, Buffer.from(await page.picture(), "base64"));
      }
    }
    const textOf = (id: string) =>
      page.evaluate(
        `[...document.querySelectorAll('li')].find((li) => li.querySelector('h3').innerText === '${id}').querySelector('.text').innerText`,
      );
    expect(await textOf("clip-3")).toBe(SCRIPT);
    expect(await textOf("clip-4")).toBe("今天天气很好，我们去公园吧。");
    expect(await page.evaluate("document.title")).toBe(path.basename(folder));
    expect(page.requested).toEqual([file, file]);

    const play =
      "const video = document.querySelector('video'); await video.play(); await new Promise((resolve) => (video.ontimeupdate = () => video.currentTime > 0 && resolve())); return video.error";
    expect(await page.evaluate(`(async () => { ${play} })()`)).toBe(null);
    expect(new Set(page.requested)).toEqual(new Set([file, new URL("clip-0.mp4", file).href]));

    // The policy: nothing is sent, whatever somebody would put into the page.
    const send = "fetch('http://127.0.0.1:9/').then(() => 'sent', () => 'refused')";
    expect(await page.evaluate(send)).toBe("refused");
    expect(page.console.join()).toContain("Content Security Policy");
  } finally {
    await page.close();
  }
});
