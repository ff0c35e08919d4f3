// A redis-server of one's own: on a free loopback port, in a temporary folder, and it can be killed.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { TestContext } from "vitest";
import { closedPort } from "../fixtures/servers.js";
import { requireRedis } from "../fixtures/tools.js";

export interface RedisServer {
  port: number;
  /** Kills it with SIGKILL; what it has stored stays. */
  kill(): Promise<void>;
  /** Starts it again on the same port, with what it had stored. */
  restart(): Promise<void>;
}

/** Starts a redis-server that stores every command before it responds. It ends with the test. */
export async function startRedis(test: TestContext, folder: string): Promise<RedisServer> {
  const program = requireRedis(test);
  const port = await closedPort();
  const settings = {
    bind: "127.0.0.1",
    port: String(port),
    dir: folder,
    save: "",
    appendonly: "yes",
    appendfsync: "always",
    "maxmemory-policy": "noeviction",
  };
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
  let server: ChildProcess | undefined;

  async function restart(): Promise<void> {
    const started = spawn(program, args, { stdio: ["ignore", "pipe", "ignore"] });
    server = started;
    const printed: string[] = [];
    for await (const line of createInterface(started.stdout)) {
      printed.push(line);
      if (!line.includes("Ready to accept connections")) continue;
      // What it prints later is read, too, or it would wait for a reader.
      started.stdout.resume();
      return;
    }
    throw new Error(`redis-server did not start:\n${printed.join("\n")}`);
  }

  async function kill(): Promise<void> {
    if (server === undefined || server.exitCode !== null || server.signalCode !== null) return;
    const exited = once(server, "exit");
    server.kill("SIGKILL");
    await exited;
  }

  test.onTestFinished(kill);
  await restart();
  return { port, kill, restart };
}
