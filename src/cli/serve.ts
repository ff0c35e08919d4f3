// A fake gateway as a server on this machine, which has the videos, too.
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text as readText } from "node:stream/consumers";
import type { FakeGateway } from "../testing.js";
import type { Served } from "./terminal.js";

/** Serves a fake gateway on a port of this machine; what it fails with breaks the connection. */
export async function serve(gateway: FakeGateway, port: number): Promise<Served> {
  const server = createServer((request, response) => {
    const answer = async () => {
      const { method = "", url = "", headers } = request;
      const body = (await readText(request)) || null;
      const authorization = headers.authorization ?? "";
      const answered = await gateway.fetch(baseUrl + url, {
        method,
        body,
        headers: { authorization },
      });
      const bytes = Buffer.from(await answered.arrayBuffer());
      response.writeHead(answered.status, Object.fromEntries(answered.headers));
      // The videos are at this server, and not at an origin that does not exist.
      response.end(bytes.toString("latin1").replaceAll(gateway.baseUrl, baseUrl), "latin1");
    };
    answer().catch(() => response.destroy());
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { baseUrl, close };
}
