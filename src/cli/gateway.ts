// kling-lip-sync gateway: the fake gateway on a port of this machine, for trying out what calls one.
import { Command } from "commander";
import { createFakeGateway } from "../testing.js";
import { onAbort } from "../time.js";
import { count, type Done, milliseconds, positive } from "./flags.js";
import { EXIT_CODES, type Terminal } from "./terminal.js";
import { messageOf, oneLine } from "./text.js";

interface GatewayFlags {
  port: number;
  duration: number;
  key?: string;
  failWith?: string;
  maxParallel?: number;
}

const PORT = 8787;
const DURATION_S = 20;

export function gatewayCommand(terminal: Terminal, done: Done): Command {
  return new Command("gateway")
    .description("run a fake gateway on this machine, where nothing is billed, until Ctrl-C")
    .option("--port <number>", "its port; 0 takes a free one", port, PORT)
    .option("--duration <seconds>", "how long a task takes", positive, DURATION_S)
    .option("--key <key>", "the API key that it accepts")
    .option("--fail-with <reason>", "let all tasks fail with this reason")
    .option("--max-parallel <number>", "refuse a create beyond this many unfinished tasks", count)
    .action(async (flags: GatewayFlags) => {
      done(await gateway(terminal, flags));
    });
}

async function gateway(terminal: Terminal, flags: GatewayFlags): Promise<number> {
  const { print, warn, signal } = terminal;
  const fake = createFakeGateway({
    apiKey: flags.key,
    durationMs: milliseconds(flags.duration, 1000),
    failWith: flags.failWith,
    maxParallelTasks: flags.maxParallel,
    async onCallback(url, task) {
      const body = JSON.stringify(task).replaceAll(fake.baseUrl, baseUrl);
      const headers = { "content-type": "application/json; charset=utf-8" };
      const { task_id: taskId, task_status: status } = task;
      try {
        const response = await fetch(url, { method: "POST", headers, body, signal });
        print(`Callback of ${taskId} (${status}) to ${oneLine(url)}: ${response.status}`);
      } catch (error) {
        warn(`Callback of ${taskId} (${status}) to ${oneLine(url)} failed: ${messageOf(error)}`);
      }
    },
  });
  const shown = async (...call: Parameters<typeof fetch>) => {
    const response = await fake.fetch(...call);
    for (const { method, path } of fake.received.slice(-1)) {
      print(`${method} ${path}: ${response.status}`);
    }
    return response;
  };
  const { baseUrl, close } = await terminal.serve({ ...fake, fetch: shown }, flags.port);
  print("Fake gateway; nothing is billed, and its videos are a few bytes. In another terminal:");
  print(`  export KLING_BASE_URL=${baseUrl} KLING_API_KEY=${fake.apiKey}`);
  print(`  ${terminal.command} check`);
  await new Promise<void>((resolve) => {
    onAbort(signal, () => {
      resolve();
    });
  });
  close();
  return EXIT_CODES.done;
}

function port(text: string): number {
  return text === "0" ? 0 : count(text);
}
