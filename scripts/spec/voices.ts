// docs/voices.md and generated/voices.ts, from the data in spec/voices.yaml.
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

/** The page as Markdown, without a header. */
export function voicesPage({ sources, voices }: Voices): string {
  const idsFor = (language: string) => voices.filter((voice) => voice.language === language);
  const section = (title: string, language: string) => [
    `## ${title} (\`${language}\`)`,
    "",
    "| `voice_id` | Name | Languages | Sources | Disputed |",
    "| --- | --- | --- | --- | --- |",
    ...idsFor(language)
      .sort(byNumberOfSources)
      .map((voice) => rowOf(voice, voices)),
    "",
  ];
  return [
    "# Voices",
    "",
    "In mode `text2video`, `voice_id` is the voice that speaks the text, and `voice_language` is its " +
      "language.",
    "",
    `- ${new Set(voices.map(({ id }) => id)).size} ids are known: ${idsFor("en").length} for ` +
      `English (\`en\`), ${idsFor("zh").length} for Chinese (\`zh\`). Use an id with a language ` +
      "that is listed for it.",
    "- The set is open. Your editor completes the known ids, but every string is sent as it is, and " +
      "the server decides whether it is valid.",
    "- The published page has no list. These ids were collected from the public projects " +
      `[below](#sources), which probably all go back to one table of Kling's. Some may no longer be ` +
      "valid. “Sources” counts the projects that support a row.",
    "- `girlfriend_1_speech02`, the voice of the published page's example, is known for Chinese only.",
    "",
    ...section("English", "en"),
    ...section("Chinese", "zh"),
    "## Sources",
    "",
    ...sources.map((source) => `- ${source}`),
    "",
  ].join("\n");
}

function byNumberOfSources(one: Voice, other: Voice): number {
  return other.sources - one.sources;
}

function rowOf(voice: Voice, voices: Voice[]): string {
  const { id, name, nameInEnglish, sources, disputed = "" } = voice;
  const languages = voices.filter((other) => other.id === id).map(({ language }) => language);
  const cells = [
    `\`${id}\``,
    nameInEnglish === undefined ? name : `${name} (${nameInEnglish})`,
    languages.map((language) => `\`${language}\``).join(", "),
    String(sources),
    disputed,
  ];
  return `| ${cells.join(" | ")} |`;
}
