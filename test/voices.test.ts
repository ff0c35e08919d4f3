import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { generateDocs } from "../scripts/spec/generate.js";
import { parseVoices } from "../scripts/spec/voices.js";
import { readProject } from "./fixtures/scripts.js";

const source = { file: "spec/voices.yaml", text: await readProject("spec", "voices.yaml") };
const { sources, voices } = parseVoices(source);
const ids = [...new Set(voices.map(({ id }) => id))];
const idsFor = (language: string) =>
  voices.filter((voice) => voice.language === language).map(({ id }) => id);

describe("spec/voices.yaml", () => {
  it("has one row for each id and language, in the order of the ids", () => {
    const rows = voices.map(({ id, language }) => `${id.toLowerCase()} ${language}`);
    expect(rows).toEqual([...new Set(rows)].sort());
    expect(new Set(voices.map(({ language }) => language))).toEqual(new Set(["en", "zh"]));
  });

  it.each(voices)("has a name of $id in $language, and no more sources than there are", (voice) => {
    expect(voice.name).toMatch(voice.language === "zh" ? /^\p{Script=Han}+$/u : /^[A-Z]/);
    expect(voice.nameInEnglish !== undefined).toBe(voice.language === "zh");
    expect(voice.sources).toBeGreaterThan(0);
    expect(voice.sources).toBeLessThanOrEqual(sources.length);
  });

  it("has the ids of the schema VoiceId in overlay.yaml", async () => {
    const { actions } = parse(await readProject("spec", "overlay.yaml")) as {
      actions: { "x-id": string; description: string; update: unknown }[];
    };
    const action = actions.find((action) => action["x-id"] === "schemas.VoiceId");
    expect(action?.update).toHaveProperty("VoiceId.anyOf", [
      { type: "string", enum: ids },
      { type: "string" },
    ]);
    expect(action?.description).toContain(`Truth: ${ids.length} ids are known.`);
  });
});

describe.each([
  ["voices.md", "## English (`en`)", "## Chinese (`zh`)"],
  ["voices.zh-CN.md", "## 英语（`en`）", "## 中文（`zh`）"],
])("docs/%s", (name, ...headings) => {
  const page = generateDocs(source).get(name) ?? "";

  it("says that it is generated, and from what", () => {
    expect(page).toMatch(
      /^<!--\nGenerated; do not edit\.\nSources: spec\/voices\.yaml\nCommand: npm run generate\n/,
    );
  });

  it.each([
    [headings[0], "en"],
    [headings[1], "zh"],
  ])("lists below %s every id of the language, the best known first", (heading, language) => {
    const [section = ""] = (page.split(`${heading}\n`)[1] ?? "").split("\n## ");
    const rows = section.split("\n").filter((line) => line.startsWith("| `"));
    const cells = rows.slice(1).map((row) => row.split("|").map((cell) => cell.trim()));
    expect(cells.map(([, id = ""]) => id.slice(1, -1)).sort()).toEqual(idsFor(language).sort());
    const counts = cells.map((row) => Number(row[3]));
    expect(counts).toEqual([...counts].sort((one, other) => other - one));
  });
});

describe("the pages of the voices", () => {
  const pages = generateDocs(source);
  const page = pages.get("voices.md") ?? "";
  const chinese = pages.get("voices.zh-CN.md") ?? "";

  it("show the name, the sources and the dispute of an id", () => {
    expect(page).toContain(
      "| `genshin_kirara` | 元气少女 (Energetic Girl; has the same Chinese name as guanxiaofang-v2) | 7 |",
    );
    expect(page).toContain("| `oversea_male1` | Anchor | 7 |");
    expect(chinese).toContain(
      "| `genshin_kirara` | 元气少女 (与 guanxiaofang-v2 的中文名相同) | 7 |",
    );
  });

  it("begin with the language of the page", () => {
    expect(page.indexOf("## English")).toBeLessThan(page.indexOf("## Chinese"));
    expect(chinese.indexOf("## 中文")).toBeLessThan(chinese.indexOf("## 英语"));
  });

  it("count the ids in their introduction, and warn of the published page's own example", () => {
    const [english, mandarin] = [idsFor("en"), idsFor("zh")];
    const counts = `${english.length} for English (\`en\`), ${mandarin.length} for Chinese`;
    expect(page).toContain(`${ids.length} ids are known: ${counts}`);
    expect(chinese).toContain(
      `目前已知 ${ids.length} 个 id：英语（\`en\`）${english.length} 个，中文（\`zh\`）${mandarin.length} 个`,
    );
    for (const text of [page, chinese]) expect(text).toContain("`girlfriend_1_speech02`");
    expect(english).not.toContain("girlfriend_1_speech02");
    expect(mandarin).toContain("girlfriend_1_speech02");
  });

  it("say in Chinese what is disputed wherever they say it in English", () => {
    for (const { id, disputed, disputedInChinese } of voices) {
      expect(disputedInChinese === undefined, id).toBe(disputed === undefined);
    }
  });
});
