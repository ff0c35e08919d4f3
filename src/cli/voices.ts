// kling-lip-sync voices: the voices that are known, for --voice-id and --voice-language.
import { Command } from "commander";
import { KNOWN_VOICES } from "../index.js";
import type { Done } from "./flags.js";
import { EXIT_CODES, type Terminal } from "./terminal.js";

export function voicesCommand(terminal: Terminal, done: Done): Command {
  return new Command("voices")
    .description("list the known voices; your gateway may have more")
    .option("--json", "print them as JSON")
    .action(({ json }: { json?: boolean }) => {
      if (json) terminal.print(JSON.stringify(KNOWN_VOICES));
      else for (const line of table()) terminal.print(line);
      done(EXIT_CODES.done);
    });
}

function table(): string[] {
  const width = Math.max(...KNOWN_VOICES.map(({ voice_id }) => voice_id.length));
  return KNOWN_VOICES.map(
    ({ voice_id, voice_language, name }) => `${voice_id.padEnd(width)}  ${voice_language}  ${name}`,
  );
}
