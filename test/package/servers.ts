// The servers that test/consumers/scenario.js calls: a gateway, and ways to fail.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { text as readText } from "node:stream/consumers";
import { onTestFinished } from "vitest";
import { createFakeGateway } from "../../src/testing.js";
import { serve } from "../fixtures/gateway.js";
import { closedPort, closeServer, listen } from "../fixtures/servers.js";

/** Starts all servers; they end with the test. `dropped` counts the POSTs that got no response. */
export async function startServers() {
  const gateway = createFakeGateway();
  const served = await serve(gateway);
  onTestFinished(served.close);
  let stalled = 0;
  const dropped = { atDropping: 0, atLeaving: 0 };

  const broken = await start((_, response) => {
    response.writeHead(500).end("<h1>Internal server error</h1>");
  });
  /** A POST gets half of a response. Anything else gets the number of connections that wait for more. */
  const stalling = await start(({ method }, response) => {
    if (method !== "POST") return void response.end(String(stalled));
    stalled += 1;
    response.on("close", () => (stalled -= 1));
    response.write('{"code":');
  });
  const dropping = await start(({ method }, response) => {
    if (method !== "POST") return void response.end("not dropped");
    dropped.atDropping += 1;
    response.destroy();
  });
  const leaving = await start(({ method }, response) => {
    if (method !== "POST") return void response.end("still here");
    dropped.atLeaving += 1;
    leaving.close();
  });
  const urls = {
    gateway: served.baseUrl,
    broken: broken.url,
    stalling: stalling.url,
    /** Closes the connection. */
    dropping: dropping.url,
    /** Closes the connection and the port. */
    leaving: leaving.url,
    refused: `http://127.0.0.1:${await closedPort()}`,
    // A label of a name has at most 63 characters, so no name server is asked for this one.
    unknownHost: `http://${"a".repeat(64)}.invalid`,
  };
  return { scenario: JSON.stringify({ apiKey: gateway.apiKey, ...urls }), dropped };
}

/** Starts a server that reads a request, then responds. It ends with the test. */
export async function start(
  respond: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<{ url: string; close: () => void }> {
  const server = createServer((request, response) => {
    readText(request).then(
      () => {
        respond(request, response);
      },
      () => response.destroy(),
    );
  });
  const url = `http://127.0.0.1:${await listen(server)}`;
  const close = () => {
    closeServer(server);
  };
  onTestFinished(close);
  return { url, close };
}
