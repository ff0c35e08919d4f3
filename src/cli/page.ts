// The page and the table in which a person looks at the clips of a batch: text, without any input.
import { createHash } from "node:crypto";
import { counted } from "./text.js";

/** What the page shows of a clip. */
export interface PageClip {
  id: string;
  state: "left" | "creating" | "created" | "saved" | "failed" | "uncertain";
  /** What is said. */
  text?: string;
  taskId?: string;
  reason?: string;
  /** Tasks that were paid in addition. */
  extraTaskIds?: string[];
}

/** Whether a person has to do something. */
export function needsPerson({ state, reason, extraTaskIds = [] }: PageClip): boolean {
  if (state === "uncertain" || state === "failed") return true;
  // A video that could not be saved, or a task that was paid for nothing.
  return extraTaskIds.length > 0 || (state === "created" && reason !== undefined);
}

/** What a person reads for each state. */
const STATES: Record<PageClip["state"], string> = {
  uncertain: "Uncertain: a task may exist and be billed",
  failed: "Failed",
  saved: "Saved",
  created: "Task created, video not saved yet",
  creating: "Task being created",
  left: "Not started",
};

/** A page that needs no server, runs no script and loads nothing but videos beside it. */
export function pageOf(title: string, clips: PageClip[]): string {
  const forPerson = clips.filter(needsPerson);
  const others = clips.filter((clip) => !needsPerson(clip));
  const saved = others.filter(({ state }) => state === "saved");
  const open = others.filter(({ state }) => state !== "saved");
  // First what may have been paid without a video.
  forPerson.sort((one, other) => urgency(one) - urgency(other));
  const hash = createHash("sha256").update(STYLE).digest("base64");
  // In some browsers a page on a disk has no origin, so that 'self' alone would forbid its videos.
  const policy = `default-src 'none'; style-src 'sha256-${hash}'; media-src 'self' file:; base-uri 'none'; form-action 'none'`;
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(title)}</title>
<style>${STYLE}</style>
<header>
<h1>${escape(title)}</h1>
<p>${summaryOf(clips)}</p>
</header>
<main>
${section("Needs you", forPerson)}${section("Saved", saved)}${section("Not done yet", open)}</main>
</html>
`;
}

/** A table of all clips for a spreadsheet or a program. */
export function tableOf(clips: PageClip[]): string {
  const rows = clips.map(({ id, state, taskId = "", reason = "" }) => {
    const file = state === "saved" ? fileOf(id) : "";
    return [id, state, taskId, file, reason].map(cell).join(",");
  });
  const text = ["id,state,task_id,file,reason", ...rows, ""].join("\n");
  // Excel reads other letters than those of ASCII only with a byte order mark.
  return /^[\0-\x7F]*$/.test(text) ? text : `\uFEFF${text}`;
}

const fileOf = (id: string): string => `${encodeURIComponent(id)}.mp4`;

function urgency({ state }: PageClip): number {
  if (state === "uncertain") return 0;
  return state === "failed" ? 1 : 2;
}

/** How many clips are in which state, without the states that none is in. */
export function summaryOf(clips: PageClip[], all = counted(clips.length, "clip")): string {
  const counts = Object.keys(STATES).map((state) => ({
    state,
    count: clips.filter((clip) => clip.state === state).length,
  }));
  const given = counts.filter(({ count }) => count > 0);
  return [all, ...given.map(({ state, count }) => `${count} ${state}`)].join(" · ");
}

function section(title: string, clips: PageClip[]): string {
  if (clips.length === 0) return "";
  return `<section>\n<h2>${title} (${clips.length})</h2>\n<ul>\n${clips.map(item).join("")}</ul>\n</section>\n`;
}

function item({ id, state, text, taskId, reason, extraTaskIds = [] }: PageClip): string {
  const file = fileOf(id);
  const video = `<video controls preload="none" playsinline src="${file}"></video>\n`;
  const lines = [
    `<h3>${escape(id)}</h3>`,
    `<p class="state">${STATES[state]}</p>`,
    text && `<p class="text" dir="auto">${escape(text)}</p>`,
    reason && `<p class="reason" dir="auto">${escape(reason)}</p>`,
    taskId && `<p class="task">Task <code>${escape(taskId)}</code></p>`,
    ...extraTaskIds.map(
      (extra) => `<p class="task">Paid in addition: task <code>${escape(extra)}</code></p>`,
    ),
    state === "saved" && `<p><a href="${file}">${file}</a></p>`,
  ];
  const words = lines.filter((line) => line).join("\n");
  return `<li class="${state}">\n${state === "saved" ? video : ""}${words}\n</li>\n`;
}

const escape = (text: string): string =>
  text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&#39;");

function cell(text: string): string {
  // A spreadsheet would run a text that starts like a formula.
  const plain = /^[=+@]|^-(?!\w+$)/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
}

const STYLE = `
:root { color-scheme: light dark; --line: #8884; --card: #8881; --warn: #b42318; }
@media (prefers-color-scheme: dark) { :root { --warn: #ff8a7a; } }
* { box-sizing: border-box; margin: 0; }
body { font: 16px/1.5 system-ui, "PingFang SC", "Microsoft YaHei", sans-serif; }
header, main { max-width: 1280px; margin: auto; padding: 24px 24px 0; }
h1 { font-size: 1.5rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 8px 0 12px; }
h3 { font-size: 1rem; overflow-wrap: anywhere; }
ul { list-style: none; padding: 0; margin-bottom: 24px; display: grid; gap: 16px;
  grid-template-columns: repeat(auto-fill, minmax(min(280px, 100%), 1fr)); }
li { padding: 12px; border: 1px solid var(--line); border-radius: 8px; background: var(--card);
  content-visibility: auto; contain-intrinsic-size: auto 320px; min-width: 0; }
li.uncertain, li.failed { border-left: 4px solid var(--warn); }
video { width: 100%; aspect-ratio: 16 / 9; background: #000; border-radius: 4px; margin-bottom: 8px; }
p { overflow-wrap: anywhere; }
code { font: 0.9em ui-monospace, Consolas, monospace; }
.state, .task { color: GrayText; font-size: 0.875rem; }
.uncertain .state, .failed .state { color: var(--warn); font-weight: 600; }
.text { margin: 4px 0; }
@media (max-width: 480px) { header, main { padding: 16px 16px 0; } }
`;
