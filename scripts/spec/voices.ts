// The pages of the voices and generated/voices.ts, from the data in spec/voices.yaml.
import type { Source } from "../files.js";
import { type Json, parseYaml } from "./document.js";

/** A voice in one of its languages; spec/voices.yaml says what each field means. */
export interface Voice {
  id: string;
  language: "en" | "zh";
  name: string;
  nameInEnglish?: string;
  sources: number;
  disputed?: string;
  disputedInChinese?: string;
}

/** The content of spec/voices.yaml. */
export interface Voices {
  sources: string[];
  voices: Voice[];
}

/** @throws Error - the text is not valid YAML */
export function parseVoices(source: Source): Voices {
  return parseYaml(source) as Json & Voices;
}

/** The module as TypeScript, without a header. */
export function voicesModule({ voices }: Voices): string {
  const rows = voices.map(({ id, language, name }) => {
    const [voice_id, voice_language] = [JSON.stringify(id), JSON.stringify(language)];
    return `  { voice_id: ${voice_id}, voice_language: ${voice_language}, name: ${JSON.stringify(name)} },\n`;
  });
  return [
    "/**\n * The voices that are known, each with a language that it speaks and its name. The set is open:\n",
    " * the server decides whether another id is valid. Source: docs/voices.md.\n */\n",
    "export const KNOWN_VOICES: readonly {\n",
    "  readonly voice_id: string;\n",
    '  readonly voice_language: "zh" | "en";\n',
    "  readonly name: string;\n",
    "}[] = [\n",
    ...rows,
    "];\n",
  ].join("");
}

/** What a page says in its language. */
const WORDS = {
  en: {
    title: "Voices",
    otherPage: "[中文](voices.zh-CN.md)",
    languages: { en: "English (`en`)", zh: "Chinese (`zh`)" },
    columns: "| `voice_id` | Name | Sources |",
    intro: (ids: number, english: number, chinese: number) => [
      "In mode `text2video`, `voice_id` is the voice that speaks the text, and `voice_language` is its language.",
      "",
      `- ${ids} ids are known: ${english} for English (\`en\`), ${chinese} for Chinese (\`zh\`). Use an id with a language that is listed for it.`,
      "- The set is open. Your editor completes the known ids, but every string is sent as it is, and the server decides whether it is valid.",
      "- The published page has no list. These ids were collected from the public projects [below](#sources), which probably all go back to one table of Kling's. Some may no longer be valid. “Sources” counts the projects that support a row.",
      "- `girlfriend_1_speech02`, the voice of the published page's example, is known for Chinese only.",
    ],
  },
  zh: {
    title: "音色",
    otherPage: "[English](voices.md)",
    languages: { en: "英语（`en`）", zh: "中文（`zh`）" },
    columns: "| `voice_id` | 名称 | 来源数 |",
    intro: (ids: number, english: number, chinese: number) => [
      "在 `text2video` 模式下，`voice_id` 是念文本的音色，`voice_language` 是它的语言。",
      "",
      `- 目前已知 ${ids} 个 id：英语（\`en\`）${english} 个，中文（\`zh\`）${chinese} 个。请按表中列出的语言使用。`,
      "- 也可以用其他 id。编辑器会补全已知的 id，但任何字符串都会原样发送，是否有效由服务端判断。",
      "- 公开文档里没有音色表。这些 id 收集自[几个](voices.md#sources)公开项目，这些项目的数据很可能都出自可灵的同一张表，有些 id 可能已经失效。“来源数”是收录这一行的项目数。",
      "- 公开文档的示例音色 `girlfriend_1_speech02`，已知只支持中文。",
    ],
  },
} as const;

type Language = keyof typeof WORDS;

/** The page in a language as Markdown, without a header. The voices of that language come first. */
export function voicesPage({ sources, voices }: Voices, language: Language): string {
  const words = WORDS[language];
  const voicesOf = (spoken: Language) => voices.filter((voice) => voice.language === spoken);
  const section = (spoken: Language) => [
    `## ${words.languages[spoken]}`,
    "",
    words.columns,
    "| --- | --- | --- |",
    ...voicesOf(spoken)
      .sort(byNumberOfSources)
      .map((voice) => rowOf(voice, language)),
    "",
  ];
  const ids = new Set(voices.map(({ id }) => id)).size;
  return [
    `# ${words.title}`,
    "",
    words.otherPage,
    "",
    ...words.intro(ids, voicesOf("en").length, voicesOf("zh").length),
    "",
    ...section(language),
    ...section(language === "en" ? "zh" : "en"),
    ...(language === "en" ? ["## Sources", "", ...sources.map((source) => `- ${source}`), ""] : []),
  ].join("\n");
}

function byNumberOfSources(one: Voice, other: Voice): number {
  return other.sources - one.sources;
}

function rowOf(voice: Voice, language: Language): string {
  const { id, name, nameInEnglish, sources } = voice;
  const meaning = language === "en" ? nameInEnglish : undefined;
  const disputed = language === "en" ? voice.disputed : voice.disputedInChinese;
  const notes = [meaning, disputed].filter((note) => note !== undefined);
  const named = notes.length > 0 ? `${name} (${notes.join("; ")})` : name;
  return `| \`${id}\` | ${named} | ${sources} |`;
}
