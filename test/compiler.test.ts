import path from "node:path";
import ts from "typescript";
import { beforeAll, describe, expect, it } from "vitest";

const root = path.join(import.meta.dirname, "..");
const text = `mode: "text2video", text: "t", voice_id: "v", voice_language: "zh"`;

const mistakes = {
  both: `create({ input: { video_id: "v", video_url: "u", ${text} } });`,
  neither: `create({ input: { ${text} } });`,
  noText: `create({ input: { video_id: "v", mode: "text2video", voice_id: "v", voice_language: "zh" } });`,
  camelCase: `create({ input: { video_id: "v", mode: "text2video", text: "t", voice_id: "v", voiceLanguage: "zh" } });`,
  noAudio: `create({ input: { video_url: "u", mode: "audio2video", audio_type: "url" } });`,
  noCheck: `wait("t").then((task) => task.task_result.videos[1].url);`,
  fine: `create({ input: { video_url: "u", ${text} } }); wait("t").then((task) => task.task_result.videos[0].url);`,
};

/** The last line that the compiler says about each mistake: the one that people read. */
let lastLine: Record<string, string>;

beforeAll(() => {
  const { config } = ts.readConfigFile(path.join(root, "tsconfig.json"), (file) =>
    ts.sys.readFile(file),
  ) as { config: { compilerOptions: object } };
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, root);
  const sources = new Map(
    Object.entries(mistakes).map(([name, code]) => [
      path.join(root, "test", `${name}.virtual.ts`),
      `import type { LipSyncClient } from "../src/index.js";\n` +
        `declare const { create, wait }: LipSyncClient;\n${code}`,
    ]),
  );
  const host = ts.createCompilerHost(options);
  const disk = ts.createCompilerHost(options);
  host.fileExists = (file) => sources.has(file) || disk.fileExists(file);
  host.readFile = (file) => sources.get(file) ?? disk.readFile(file);
  host.getSourceFile = (file, target, ...rest) => {
    const code = sources.get(file);
    return code === undefined
      ? disk.getSourceFile(file, target, ...rest)
      : ts.createSourceFile(file, code, target);
  };
  const program = ts.createProgram([...sources.keys()], options, host);
  lastLine = Object.fromEntries(
    [...sources.keys()].map((file) => {
      const diagnostics = program.getSemanticDiagnostics(program.getSourceFile(file));
      const lines = diagnostics.flatMap(({ messageText }) =>
        ts.flattenDiagnosticMessageText(messageText, "\n").split("\n"),
      );
      return [path.basename(file, ".virtual.ts"), lines.at(-1)?.trim() ?? ""];
    }),
  );
}, 60_000);

describe("the compiler's last line says what to do", () => {
  it("about both video fields", () => {
    expect(lastLine["both"]).toBe(
      `Type '"u"' is not assignable to type '"give either video_id or video_url, not both"'.`,
    );
  });

  it("about neither of them", () => {
    expect(lastLine["neither"]).toMatch(/^Property 'video_url' is missing in type/);
    expect(lastLine["neither"]).toMatch(/but required in type 'VideoUrlUnlessVideoId'\.$/);
  });

  it("about a missing text", () => {
    expect(lastLine["noText"]).toMatch(/^Property 'text' is missing in type/);
    expect(lastLine["noText"]).toMatch(/but required in type 'TextToVideo'\.$/);
  });

  it("about camelCase", () => {
    expect(lastLine["camelCase"]).toMatch(/'voiceLanguage' does not exist in type/);
    expect(lastLine["camelCase"]).toMatch(/Did you mean to write 'voice_language'\?$/);
  });

  it("about a missing audio_url", () => {
    expect(lastLine["noAudio"]).toMatch(/^Property 'audio_url' is missing in type/);
    expect(lastLine["noAudio"]).toMatch(/but required in type 'AudioUrlToVideo'\.$/);
  });

  it("about a second video, which may not be there", () => {
    expect(lastLine["noCheck"]).toBe("Object is possibly 'undefined'.");
  });

  it("and nothing about what is right", () => {
    expect(lastLine["fine"]).toBe("");
  });
});
