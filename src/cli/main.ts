// The program kling-lip-sync: the process that a command runs in.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline/promises";
import { parseJson, property } from "../json.js";
import { runCommand } from "./program.js";
import { serve } from "./serve.js";
import { Stopped, type Terminal } from "./terminal.js";

const stop = new AbortController();
const onStop = () => {
  stop.abort(new Stopped());
};
// A create that was sent must end, so that the id of its task is not lost.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, onStop);
// The terminal, or what reads the output, was closed.
for (const stream of [process.stdout, process.stderr]) stream.on("error", onStop);

const { stdin, stdout, stderr, env } = process;
const isScreen = stderr.isTTY && env["TERM"] !== "dumb" && !("CI" in env);

async function ask(question: string): Promise<boolean> {
  const lines = createInterface({ input: stdin, output: stderr });
  const answer = new Promise<string>((resolve, reject) => {
    // While it reads a line, the terminal sends no signal for Ctrl-C, and Ctrl-D ends the input.
    lines.on("SIGINT", onStop).on("close", () => {
      resolve("");
    });
    lines.question(`${question} [y/N] `, { signal: stop.signal }).then(resolve, reject);
  });
  try {
    return /^\s*y(?:es)?\s*$/i.test(await answer);
  } catch {
    throw stop.signal.reason;
  } finally {
    lines.close();
  }
}

/** The version of the package, whose file is as far from src/cli/ as from dist/cli/. */
function version(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return String(property(parseJson(text), "version"));
}

const terminal: Terminal = {
  env,
  version: version(),
  command: import.meta.url.endsWith(".ts") ? "npx tsx src/cli/main.ts" : "npx kling-lip-sync",
  print: (line) => stdout.write(`${line}\n`),
  warn: (line) => stderr.write(`${line}\n`),
  screen: isScreen ? stderr : undefined,
  ask: stdin.isTTY && stderr.isTTY ? ask : undefined,
  serve,
  signal: stop.signal,
};

process.exitCode = await runCommand(process.argv.slice(2), terminal);
