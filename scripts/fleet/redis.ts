// A redis-server of one's own: on a free loopback port, in a temporary folder, and one may kill it.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { endWithUs, removeFolder, temporaryFolder } from "./leavings.js";

export interface RedisServer {
  port: number;
  url: string;
  /** Kills it with SIGKILL; what it has stored stays. */
  kill(): Promise<void>;
  /** Starts it again on the same port, with what it had stored. */
  restart(): Promise<void>;
  /** Stops it, and removes what it had stored. */
  stop(): Promise<void>;
}

/** redis-server is not in PATH. */
export class NoRedisError extends Error {
  constructor() {
    const lines = [
      "redis-server is not in PATH. Install it:",
      "  Debian: apt-get install redis-server",
      "  macOS:  brew install redis",
      "  Docker: docker run -p 6379:6379 redis redis-server --appendfsync always --appendonly yes",
      "          (for npm run fleet, with REDIS_URL=redis://127.0.0.1:6379)",
    ];
    super(lines.join("\n"));
  }
}

const START_TIMEOUT_MS = 20_000;

/**
 * Starts a redis-server that stores every command before it answers.
 *
 * @param options.appendonly - `false` stores nothing; default `true`
 * @throws NoRedisError - redis-server is not in PATH
 */
export async function startRedis({ appendonly = true } = {}): Promise<RedisServer> {
  const port = await freePort();
  const folder = temporaryFolder("redis");
  const settings = {
    bind: "127.0.0.1",
    port: String(port),
    dir: folder,
    save: "",
    appendonly: appendonly ? "yes" : "no",
    appendfsync: "always",
    "maxmemory-policy": "noeviction",
  };
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
  let server: ChildProcess | undefined;

  async function start(): Promise<void> {
    const started = spawn("redis-server", args, { stdio: "ignore" });
    server = started;
    endWithUs(started);
    await once(started, "spawn").catch((error: unknown) => {
      throw (error as NodeJS.ErrnoException).code === "ENOENT" ? new NoRedisError() : error;
    });
    const end = Date.now() + START_TIMEOUT_MS;
    while (!(await answers(port))) {
      if (Date.now() > end) throw new Error("redis-server does not answer.");
      await sleep(20);
    }
  }

  async function end(signal: NodeJS.Signals): Promise<void> {
    if (server === undefined || server.exitCode !== null || server.signalCode !== null) return;
    const exited = once(server, "exit");
    server.kill(signal);
    await exited;
  }

  async function stop(): Promise<void> {
    await end("SIGTERM");
    removeFolder(folder);
  }

  try {
    await start();
  } catch (error) {
    // Where there is no program, there is nothing to end.
    if (error instanceof NoRedisError) server = undefined;
    await stop();
    throw error;
  }
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    kill: () => end("SIGKILL"),
    restart: start,
    stop,
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("There is no free port.");
  return address.port;
}

/** Whether the server on this port answers PING, and has read what it stored. */
async function answers(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    socket.write("PING\r\n");
    const [answer] = (await once(socket, "data")) as [Buffer];
    return answer.toString().startsWith("+PONG");
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
