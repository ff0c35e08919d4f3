// Servers on the loopback interface that misbehave in whatever way a test asks for.
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import net, { type AddressInfo, type Server, type Socket } from "node:net";

/** One request as it arrived, with its body to the end. */
export interface Received {
  method: string;
  socket: Socket;
  /** Resolves when the connection that carried it is closed. */
  closed: Promise<unknown>;
}

/** What a place does with a request; it may also write to `received.socket` itself. */
export type Reaction = (response: ServerResponse, received: Received) => void;

/** A server on the loopback interface whose every place misbehaves in its own way. */
export async function startFaultServer() {
  const reactions: Reaction[] = [];
  const arrived: Received[][] = [];
  const waiting = new Map<string, (received: Received) => void>();
  const closings = new WeakMap<Socket, Promise<unknown>>();

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket, method = "", url = "" } = request;
    const closed = closings.get(socket) ?? Promise.resolve();
    await request.resume().toArray();
    const index = Number(/^\/place-(\d+)\//.exec(url)?.[1]);
    const received = { method, socket, closed };
    const count = arrived[index]?.push(received) ?? 0;
    waiting.get(`${index} ${count}`)?.(received);
    reactions[index]?.(response, received);
  }

  const server = createServer((request, response) => {
    handle(request, response).catch(() => request.socket.destroy());
  });
  // The client closes what is idle, so that no request meets a connection that just ends.
  server.keepAliveTimeout = 0;
  server.on("connection", (socket: Socket) => {
    // What a fault does to a connection is seen by the client; here it is not an error.
    socket.on("error", () => undefined);
    closings.set(socket, new Promise((resolve) => socket.once("close", resolve)));
  });
  const port = await listen(server);

  return {
    /** A new place on the server; several can be used at the same time. */
    place(react: Reaction) {
      const index = reactions.push(react) - 1;
      const received = (arrived[index] = [] as Received[]);
      /** Resolves with the nth request, counted from 1. */
      const request = (nth: number) =>
        new Promise<Received>((resolve) => {
          const before = received[nth - 1];
          if (before) resolve(before);
          else waiting.set(`${index} ${nth}`, resolve);
        });
      return { baseUrl: `http://127.0.0.1:${port}/place-${index}`, received, request };
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

/** A server below HTTP: the connections that were made, and what it does with each. */
export async function startTcpServer(react: (socket: Socket) => void) {
  const sockets: Socket[] = [];
  const closings: Promise<unknown>[] = [];
  const server = net.createServer((socket) => {
    socket.on("error", () => undefined);
    sockets.push(socket);
    closings.push(new Promise((resolve) => socket.once("close", resolve)));
    react(socket);
  });
  const port = await listen(server);
  const close = async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, "close");
  };
  /** Resolves when the client has closed every connection. */
  const closed = () => Promise.all(closings);
  return { port, sockets, closed, close };
}

/** A port at which nobody listens any more. */
export async function closedPort(): Promise<number> {
  const server = net.createServer();
  const port = await listen(server);
  server.close();
  await once(server, "close");
  return port;
}

/** Opens a server on a free port of the loopback interface. */
async function listen(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}
