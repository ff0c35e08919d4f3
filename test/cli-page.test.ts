import { createHash } from "node:crypto";
import { describe, expect, it, test } from "vitest";
import { needsPerson, type PageClip, pageOf, summaryOf, tableOf } from "../src/cli/page.js";

const saved = (id: string, text = "hello"): PageClip => ({ id, state: "saved", taskId: "t", text });

describe("the page of a batch", () => {
  it("shows what needs a person first, and there what may have been paid for nothing", () => {
    const page = pageOf("clips", [
      saved("a"),
      { id: "b", state: "left" },
      { id: "c", state: "failed", reason: "no face" },
      { ...saved("d"), extraTaskIds: ["task-9"] },
      { id: "e", state: "uncertain" },
      { id: "f", state: "created", taskId: "t", reason: "disk full" },
      { id: "g", state: "created", taskId: "t" },
    ]);
    const headings = [...page.matchAll(/<h[23]>(.+?)<\/h[23]>/g)].map(([, text]) => text);
    expect(headings).toEqual([
      ...["Needs you (4)", "e", "c", "d", "f", "Saved (1)", "a", "Not done yet (2)", "b", "g"],
    ]);
    expect(page).toContain("Paid in addition: task <code>task-9</code>");
  });

  it("loads nothing but the videos beside it, and those only when they are played", () => {
    const failed: PageClip = { id: "c", state: "failed" };
    const page = pageOf("clips", [saved("a-1"), saved("b"), failed]);
    const sources = [...page.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, address]) => address);
    expect(new Set(sources)).toEqual(new Set(["a-1.mp4", "b.mp4"]));
    expect(page.match(/<video/g)).toHaveLength(2);
    expect(page.match(/preload="none"/g)).toHaveLength(2);
    expect(page).not.toContain("<script");
  });

  it("has a policy that forbids the network, and allows its own style by its hash", () => {
    const page = pageOf("clips", []);
    const [, style = ""] = /<style>([^]*)<\/style>/.exec(page) ?? [];
    const hash = createHash("sha256").update(style).digest("base64");
    const policy = /Content-Security-Policy" content="([^"]+)"/.exec(page)?.[1];
    expect(policy).toContain("default-src 'none'; ");
    expect(policy).toContain(`style-src 'sha256-${hash}'; `);
    expect(page).not.toContain("<section>");
  });

  it("escapes what it shows", () => {
    const text = `<script>alert("1")</script> & 'x'`;
    const page = pageOf(text, [{ id: "a", state: "failed", text, reason: text, taskId: text }]);
    const escaped = "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#39;x&#39;";
    expect(page).not.toContain("<script");
    expect(page.split(escaped)).toHaveLength(6);
  });
});

describe("the table of a batch", () => {
  it("has a row for each clip, and the file of those that are saved", () => {
    const failed: PageClip = { id: "b", state: "failed", taskId: "t2", reason: 'no "face", sorry' };
    expect(tableOf([saved("a"), failed, { id: "c", state: "left" }])).toBe(
      'id,state,task_id,file,reason\na,saved,t,a.mp4,\nb,failed,t2,,"no ""face"", sorry"\nc,left,,,\n',
    );
  });

  it("has a byte order mark only where Excel needs it", () => {
    const table = tableOf([{ id: "a", state: "failed", reason: "没有人脸" }]);
    expect(table).toBe("\uFEFFid,state,task_id,file,reason\na,failed,,,没有人脸\n");
  });

  test.for([
    ["=1+1", "'=1+1"],
    ["@x", "'@x"],
    ["-1+1", "'-1+1"],
    ["a\nb", '"a\nb"'],
  ])("keeps %j from being a formula or a new row", ([reason = "", cell]) => {
    expect(tableOf([{ id: "-1", state: "failed", reason }])).toContain(`\n-1,failed,,,${cell}\n`);
  });
});

describe("the counts of a batch", () => {
  it("leave out the states that no clip is in", () => {
    expect(summaryOf([saved("a"), saved("b"), { id: "c", state: "uncertain" }])).toBe(
      "3 clips · 1 uncertain · 2 saved",
    );
  });

  it("know which clips need a person", () => {
    const states = ["left", "creating", "created", "saved", "failed", "uncertain"] as const;
    const needing = states.filter((state) => needsPerson({ id: "a", state }));
    expect(needing).toEqual(["failed", "uncertain"]);
  });
});
