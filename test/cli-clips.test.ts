import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it, test } from "vitest";
import { checkClips, type Clip, readClips } from "../src/cli/clips.js";
import { completeRequest, draftOf, type Fields, inTypedNames } from "../src/cli/request.js";

const folder = mkdtempSync(path.join(os.tmpdir(), "kling-lip-sync-"));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const VOICE = { voice_id: "v", voice_language: "zh" };
let files = 0;

function fileOf(content: string | Buffer): string {
  files += 1;
  const file = path.join(folder, `clips-${files}`);
  writeFileSync(file, content);
  return file;
}

/** The mistakes of a file, without its name. */
async function mistakesOf(content: string | Buffer, defaults: Fields = VOICE): Promise<string[]> {
  const file = fileOf(content);
  const error: unknown = await checkClips(file, defaults).catch((error: unknown) => error);
  const lines = error instanceof Error ? error.message.replaceAll(file, "FILE").split("\n") : [];
  const [first, ...others] = lines;
  return first?.startsWith("mistakes in FILE") ? others : lines;
}

async function clipsOf(content: string | Buffer, defaults: Fields = VOICE) {
  const file = fileOf(content);
  const checked = await checkClips(file, defaults);
  const clips: Clip[] = [];
  for await (const clip of readClips(file, defaults)) clips.push(clip);
  return { ...checked, clips };
}

const spoken = (text: string, video_url = "https://a.example/1.mp4") => ({
  input: { video_url, mode: "text2video", text, ...VOICE },
});

describe("a file of clips", () => {
  const csv =
    "id,video_url,text\nA,https://a.example/1.mp4,hello\nb-2,https://a.example/1.mp4,你好\n";
  const json = [
    { id: "A", request: { input: { video_url: "https://a.example/1.mp4", text: "hello" } } },
    { id: "b-2", request: { input: { video_url: "https://a.example/1.mp4", text: "你好" } } },
  ].map((clip) => JSON.stringify(clip));
  const clips = [
    { id: "A", request: spoken("hello") },
    { id: "b-2", request: spoken("你好") },
  ];

  test.for([
    ["CSV", csv],
    ["CSV from Excel", `\uFEFF${csv.replaceAll("\n", "\r\n")}`],
    ["CSV with blank lines and rows", csv.replace("b-2", "\n,,\n\nb-2")],
    ["CSV without a last line break", csv.trimEnd()],
    [
      "CSV with a column that is blank",
      csv.replace(/$/gm, ",").replace("text,", "text,audio_file"),
    ],
    ["JSON lines", json.join("\n")],
    ["JSON lines below a blank line", `\n\n${json.join("\n")}`],
    ["JSON lines from Windows", `\uFEFF${json.join("\r\n\r\n")}\r\n`],
  ] as const)("has the same clips as %s", async ([, content]) => {
    const read = await clipsOf(content);
    expect(read).toEqual({ ids: ["A", "b-2"], examples: clips, clips, otherColumns: [] });
  });

  it("keeps commas, quotes and line breaks of a quoted cell", async () => {
    const { clips } = await clipsOf(
      'id,text,video_url\n1,"He said ""hi"",\r\nthen left",https://a.example/1.mp4',
    );
    expect(clips[0]?.request).toEqual(spoken('He said "hi",\nthen left'));
  });

  it("names each column once that it does not use", async () => {
    const rows = "id,Title,text,,owner,video_url\n1,t,x,,me,https://a.example/1.mp4\n";
    expect((await clipsOf(rows)).otherColumns).toEqual(["Title", "owner"]);
    const line = (id: string) =>
      `{"owner":1,"id":"${id}","request":${JSON.stringify(spoken("x"))}}`;
    expect((await clipsOf(`${line("1")}\n${line("2")}`)).otherColumns).toEqual(["owner"]);
  });

  it("reads an audio file, whose path starts at the folder of the CSV", async () => {
    writeFileSync(path.join(folder, "a.mp3"), "audio");
    const { examples, clips } = await clipsOf("id,video_id,audio_file\n1,7,a.mp3\n");
    const requestWith = (audio_file: string) => ({
      input: { video_id: "7", mode: "audio2video", audio_type: "file", audio_file },
    });
    expect(clips[0]?.request).toEqual(requestWith(Buffer.from("audio").toString("base64")));
    expect(examples[0]?.request).toEqual(requestWith("AAAA"));
  });

  it("is read a piece at a time, also where a character is cut in two", async () => {
    const text = "你".repeat(100_000);
    const { clips } = await clipsOf(`id,video_url,text\nA,https://a.example/1.mp4,x${text}\n`);
    expect(clips[0]?.request).toEqual(spoken(`x${text}`));
  });
});

describe("a mistake in a file is told with its line:", () => {
  const row = (cells: string) => `id,video_url,text,voice_speed,audio_url\n${cells}\n`;
  const video = "https://a.example/1.mp4";

  test.for<[what: string, content: string | Buffer, says: string[]]>([
    ["no id", row(`,${video},x,,`), ["FILE:2: id must be 1 to 100 letters, digits, - and _."]],
    ["an id that is a path", row(`../a,${video},x,,`), [expect.stringMatching(/^FILE:2: id must/)]],
    [
      "an id that differs in case",
      row(`a,${video},x,,\n\nA,${video},x,,`),
      ["FILE:4: id A is also in line 2."],
    ],
    [
      "several, in rows of several lines",
      row(`a,file.mp4,"x\ny",,\nb,${video},,,\n!,${video},x,fast,`),
      [
        "FILE:2: video_url must be an http(s) URL: there is no upload.",
        "FILE:4: The audio is missing: give text, audio_url or audio_file.",
        "FILE:5: voice_speed is not a number: fast.",
        "FILE:5: id must be 1 to 100 letters, digits, - and _.",
      ],
    ],
    [
      "two kinds of audio",
      row(`a,${video},x,,https://a.example/1.mp3`),
      ["FILE:2: audio_url does not go with text: leave one out."],
    ],
    [
      "a comma without quotes",
      row(`a,${video},Hi, you,,`),
      ["FILE:2: 6 cells for 5 columns: put a text that has a comma in quotes."],
    ],
    [
      "a quote that is not closed",
      row(`a,${video},x,,\nb,${video},"x`),
      [expect.stringMatching(/^FILE:3: Quote Not Closed/)],
    ],
    [
      "a column that looks like a field",
      "id,voiceId,video_url\n",
      ['FILE:1: "voiceId" looks like voice_id: rename or remove it.'],
    ],
    ["a field with a space", "id,Voice ID\n", [expect.stringContaining("looks like voice_id")]],
    ["a field with a place", "id,input.text\n", [expect.stringContaining("looks like text")]],
    ["ID in place of id", "ID,text\n", ['FILE:1: "ID" looks like id: rename or remove it.']],
    ["a column twice", "id,text,text\n", ["FILE:1: the column text is there twice."]],
    [
      "no column of ids",
      "text\nx\n",
      [expect.stringMatching(/^FILE:1: .+ one of them must be id/)],
    ],
    ["semicolons", "id;text\na;x\n", [expect.stringContaining("save the file as CSV with commas")]],
    ["another encoding", Buffer.from("id\n\xC4\xE3", "latin1"), [expect.stringContaining("UTF-8")]],
    [
      "half a character at the end",
      Buffer.from("id\n\xE4", "latin1"),
      [expect.stringContaining("UTF-8")],
    ],
    ["no clips", "id,text\n", ["FILE has no clips."]],
    ["nothing", "", ["FILE has no clips."]],
    [
      "lines that are not clips",
      '{"id":1,"request":{}}\n{"id":\n[]\n{"id":"a","request":[]}',
      [
        expect.stringMatching(/^FILE:1: input is missing/),
        "FILE:1: id must be 1 to 100 letters, digits, - and _.",
        'FILE:2: This is not a JSON object such as {"id":"a","request":{…}}.',
        'FILE:3: This is not a JSON object such as {"id":"a","request":{…}}.',
        'FILE:4: request must be an object: {"input":{…}}.',
      ],
    ],
    [
      "fields of JSON in the wrong place or spelling",
      '{"id":"a","text":"x","request":{}}\n{"id":"b","Request":{}}\n{"id":"c","request":{"input":{"video_id":"7","text":"x","voiceSpeed":1}}}',
      [
        "FILE:1: text must be inside of request.",
        'FILE:2: "Request" looks like request: rename or remove it.',
        expect.stringMatching(/^FILE:3: .+ use request\.input\.voice_speed instead\.$/),
      ],
    ],
  ])("%s", async ([, content, says]) => {
    expect(await mistakesOf(content)).toEqual(says);
  });

  it("a file that is not there", async () => {
    const error = checkClips(path.join(folder, "none"), {});
    await expect(error).rejects.toThrow(/none cannot be read: ENOENT/);
  });

  it("only the first fifty are listed", async () => {
    const rows = Array.from({ length: 60 }, (_, index) => `a${index},${video},x,fast${index},`);
    const mistakes = await mistakesOf(row(rows.join("\n")));
    expect(mistakes).toHaveLength(51);
    expect(mistakes.at(-1)).toBe("… and 10 more.");
  });

  it("only the first ten that are alike are listed", async () => {
    const mistakes = await mistakesOf(row("!,,,,\n".repeat(40)));
    expect(mistakes).toHaveLength(22);
    expect(mistakes[19]).toMatch(/^FILE:11: /);
    expect(mistakes.slice(-2)).toEqual([
      "… and 30 more lines: The audio is missing: give text, audio_url or audio_file.",
      "… and 30 more lines: id must be 1 to 100 letters, digits, - and _.",
    ]);
  });

  it("with the columns that are not used, because one may be a misspelt field", async () => {
    const mistakes = await mistakesOf("id,video_id,texxt\na,7,x\n");
    expect(mistakes).toEqual([
      "FILE:2: The audio is missing: give text, audio_url or audio_file.",
      "Columns that are not used: texxt",
    ]);
  });

  test.for([
    ["does not exist", "none.mp3", ""],
    ["is not a file", ".", ""],
    ["is empty", "empty.mp3", Buffer.alloc(0)],
    ["is larger than 5 MB", "large.mp3", Buffer.alloc(5 * 1024 * 1024 + 1)],
  ] as const)("an audio file that %s", async ([why, name, bytes]) => {
    if (bytes !== "") writeFileSync(path.join(folder, name), bytes);
    const mistakes = await mistakesOf(`id,video_id,audio_file\na,7,${name}\n`);
    expect(mistakes).toEqual([`FILE:2: audio_file ${why}: ${name}.`]);
  });
});

describe("flags that fill what a row leaves out", () => {
  const complete = (given: Fields, defaults: Fields) => completeRequest(draftOf(given), defaults);
  const video = { video_id: "7" };
  const text = { text: "x", ...VOICE };

  test.for<[what: string, given: Fields, defaults: Fields, input: Fields]>([
    ["an absent field", { ...video, text: "x" }, VOICE, { ...video, mode: "text2video", ...text }],
    [
      "a blank cell",
      { ...video, text: "x", voice_id: " ", voice_speed: "", mode: "" },
      { ...VOICE, voice_speed: "1.5" },
      { ...video, mode: "text2video", ...text, voice_speed: 1.5 },
    ],
    [
      "no field that does not go with the row's audio",
      { ...video, audio_url: "https://a.example/1.mp3" },
      { ...text, audio_file: "AAAA" },
      { ...video, mode: "audio2video", audio_type: "url", audio_url: "https://a.example/1.mp3" },
    ],
    [
      "no text beside the row's audio file",
      { ...video, audio_file: "AAAA" },
      { ...text, voice_speed: 1.5, audio_url: "https://a.example/1.mp3" },
      { ...video, mode: "audio2video", audio_type: "file", audio_file: "AAAA" },
    ],
    [
      "no number that is given",
      { ...video, ...text, voice_speed: 1.2 },
      { voice_speed: 0.8 },
      { ...video, mode: "text2video", ...text, voice_speed: 1.2 },
    ],
    [
      "no other video",
      { video_url: "https://a.example/1.mp4", ...text },
      { video_id: "8", task_id: "t" },
      { video_url: "https://a.example/1.mp4", mode: "text2video", ...text, task_id: "t" },
    ],
    [
      "no mode that is given",
      { ...video, mode: "new", text: "x" },
      {},
      { ...video, mode: "new", text: "x" },
    ],
    ["no mode where nothing says it", { ...video, mode: "new" }, {}, { ...video, mode: "new" }],
  ])("fill %s", ([, given, defaults, input]) => {
    expect(complete(given, defaults)).toEqual({ input });
  });

  it("leave an error of anything else as it is", () => {
    const error = new Error("EIO");
    expect(inTypedNames(error, "flags")).toBe(error);
  });

  it("fill the callback_url beside input", () => {
    const request = complete({ ...video, ...text }, { callback_url: "https://a.example/" });
    expect(request).toMatchObject({ callback_url: "https://a.example/" });
  });
});
