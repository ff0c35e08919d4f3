// Servers on this machine that test/consumers/scenario.js calls: a gateway, and ways to fail.
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text as readText } from "node:stream/consumers";
import { createFakeGateway } from "../../src/testing.js";

/** The URLs for the scenario, and the key. */
export interface Places {
  /** A fake gateway. `/broken` answers 500, `/stalled` sends half of a response. */
  origin: string;
  /** A port that was closed. */
  refused: string;
  unknownHost: string;
  /** Reads a POST, then closes the connection. */
  dropping: string;
  /** Reads a POST, then closes the connection and the port. */
  leaving: string;
  apiKey: string;
}

export interface Server {
  url: string;
  close: () => void;
}

/** Starts all servers, and counts the POSTs that were dropped. */
export async function servePlaces(): Promise<{
  places: Places;
  dropped: { atDropping: number; atLeaving: number };
  close: () => void;
}> {
  const gateway = await serveGateway();
  const dropped = { atDropping: 0, atLeaving: 0 };
  const dropping = await listen(async (response) => {
    if (!(await hasPosted(response))) return void response.end("not dropped");
    dropped.atDropping += 1;
    response.destroy();
  });
  const leaving = await listen(async (response) => {
    if (!(await hasPosted(response))) return void response.end("still here");
    dropped.atLeaving += 1;
    leaving.close();
  });
  const refused = await listen(() => undefined);
  refused.close();
  const places = {
    origin: gateway.url,
    refused: refused.url,
    // A label of a name has at most 63 characters, so no name server is asked for this one.
    unknownHost: `http://${"a".repeat(64)}.invalid`,
    dropping: dropping.url,
    leaving: leaving.url,
    apiKey: gateway.apiKey,
  };
  const close = () => {
    for (const server of [gateway, dropping, leaving]) server.close();
  };
  return { places, dropped, close };
}

async function hasPosted({ req: request }: ServerResponse): Promise<boolean> {
  await readText(request);
  return request.method === "POST";
}

async function serveGateway(): Promise<Server & { apiKey: string }> {
  const gateway = createFakeGateway();
  let stalled = 0;
  const server = await listen(async (response) => {
    const { method = "", url = "", headers } = response.req;
    if (url === "/stalled-connections") {
      response.end(String(stalled));
    } else if (url.startsWith("/stalled/")) {
      stalled += 1;
      response.on("close", () => (stalled -= 1));
      response.write('{"code":');
    } else if (url.startsWith("/broken/")) {
      response.writeHead(500).end("<h1>Internal server error</h1>");
    } else {
      const body = (await readText(response.req)) || null;
      const authorization = headers.authorization ?? "";
      const init = { method, body, headers: { authorization } };
      const answer = await gateway.fetch(gateway.baseUrl + url, init);
      response.writeHead(answer.status, { "content-type": "application/json" });
      response.end(await answer.text());
    }
  });
  return { ...server, apiKey: gateway.apiKey };
}

/** Starts a server on a free loopback port, which a page of any origin may call. */
export async function listen(
  answer: (response: ServerResponse) => Promise<void> | void,
): Promise<Server> {
  const server = createServer((request, response) => {
    response.setHeader("access-control-allow-origin", "*");
    response.setHeader("access-control-allow-headers", "authorization, content-type");
    if (request.method === "OPTIONS") return void response.writeHead(204).end();
    Promise.resolve(answer(response)).catch(() => response.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close };
}
