import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Server, Socket } from "node:net";

/** One request as it arrived: the head, then the body to its end. */
export interface Received {
  method: string;
  path: string;
  authorization: string | undefined;
  body: Buffer;
  socket: Socket;
  /** Resolves when the connection that carried it is closed. */
  closed: Promise<unknown>;
}

/** What a place does with a request; it may also write to `received.socket` itself. */
export type Reaction = (response: ServerResponse, received: Received) => void;

/** A base URL of its own, and what was asked for under it. */
export interface Place {
  baseUrl: string;
  received: Received[];
  /** Resolves with the nth request, counted from 1. */
  request(nth: number): Promise<Received>;
}

export interface FaultServer {
  /** A new place on the server; several can be used at the same time. */
  place(react: Reaction): Place;
  close(): Promise<void>;
}

interface Slot extends Place {
  react: Reaction;
  waiting: Map<number, (received: Received) => void>;
}

/** A server on the loopback interface whose every place misbehaves in its own way. */
export async function startFaultServer(): Promise<FaultServer> {
  const slots: Slot[] = [];
  const closings = new WeakMap<Socket, Promise<unknown>>();
  const server = createServer((request, response) => {
    void (async () => {
      const slot = slots[Number(/^\/place-(\d+)\//.exec(request.url ?? "")?.[1])];
      const received = await receive(request, closings);
      if (!slot) throw new Error(`Nothing is at ${received.path}.`);
      slot.received.push(received);
      slot.waiting.get(slot.received.length)?.(received);
      slot.react(response, received);
    })().catch(() => request.socket.destroy());
  });
  // The client closes what is idle, so that no request meets a connection that just ends.
  server.keepAliveTimeout = 0;
  server.on("connection", (socket: Socket) => {
    // What a fault does to a connection is seen by the client; here it is no error.
    socket.on("error", () => undefined);
    closings.set(socket, new Promise((resolve) => socket.once("close", resolve)));
  });
  const port = await listen(server);

  return {
    place(react) {
      const slot: Slot = {
        baseUrl: `http://127.0.0.1:${port}/place-${slots.length}`,
        received: [],
        request: (nth) =>
          new Promise((resolve) => {
            const received = slot.received[nth - 1];
            if (received) resolve(received);
            else slot.waiting.set(nth, resolve);
          }),
        react,
        waiting: new Map(),
      };
      slots.push(slot);
      return slot;
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

async function receive(
  request: IncomingMessage,
  closings: WeakMap<Socket, Promise<unknown>>,
): Promise<Received> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return {
    method: request.method ?? "",
    path: (request.url ?? "").replace(/^\/place-\d+/, ""),
    authorization: request.headers.authorization,
    body: Buffer.concat(chunks),
    socket: request.socket,
    closed: closings.get(request.socket) ?? Promise.resolve(),
  };
}

/** A server below HTTP: what it does with each connection, and how many there were. */
export interface TcpServer {
  port: number;
  sockets: Socket[];
  /** Resolves when every connection so far is closed. */
  closed(): Promise<void>;
  close(): Promise<void>;
}

export async function startTcpServer(react: (socket: Socket) => void): Promise<TcpServer> {
  const sockets: Socket[] = [];
  const closings: Promise<unknown>[] = [];
  const server = createTcpServer((socket) => {
    socket.on("error", () => undefined);
    sockets.push(socket);
    closings.push(new Promise((resolve) => socket.once("close", resolve)));
    react(socket);
  });
  const port = await listen(server);
  return {
    port,
    sockets,
    async closed() {
      await Promise.all(closings);
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

/** A port at which nobody listens any more. */
export async function closedPort(): Promise<number> {
  const server = createTcpServer();
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
