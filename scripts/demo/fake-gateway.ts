// A fake gateway as a server on this machine.
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text as readText } from "node:stream/consumers";
import type { FakeGateway } from "../../src/testing.js";

/** Serves a fake gateway on a port of this machine; what it fails with breaks the connection. */
export async function serve(gateway: FakeGateway): Promise<{ baseUrl: string; close: () => void }> {
  const server = createServer((request, response) => {
    const answer = async () => {
      const { method = "", url = "", headers } = request;
      const body = (await readText(request)) || null;
      const authorization = headers.authorization ?? "";
      const init = { method, body, headers: { authorization } };
      const answered = await gateway.fetch(baseUrl + url, init);
      response.writeHead(answered.status, Object.fromEntries(answered.headers));
      response.end(Buffer.from(await answered.arrayBuffer()));
    };
    answer().catch(() => response.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { baseUrl, close };
}
