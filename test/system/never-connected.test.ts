import { createServer as createHttpServer } from "node:http";
import { createServer } from "node:net";
import { ProxyAgent, fetch as undiciFetch } from "undici";
import { expect, it } from "vitest";
import { ConnectionError, createLipSyncClient } from "../../src/index.js";
import { apiKey, errorOf } from "../fixtures/client.js";
import { request } from "../fixtures/request.js";
import { listen } from "../fixtures/servers.js";

it("a connection that ends in the TLS handshake is certain: no task was created", async () => {
  const server = createServer((socket) => socket.on("error", () => undefined).end());
  const baseUrl = `https://127.0.0.1:${await listen(server)}`;
  const client = createLipSyncClient({ apiKey, baseUrl, maxRetries: 0 });
  const error = await errorOf(client.create(request), ConnectionError);
  expect(error.message).toContain("before secure TLS connection was established");
  expect(error.mayHaveCreatedTask).toBe(false);
  server.close();
});

it("a proxy that refuses the tunnel is certain, too", async () => {
  const proxy = createHttpServer();
  proxy.on("connect", (_, socket) => {
    socket.end("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
  });
  const dispatcher = new ProxyAgent(`http://127.0.0.1:${await listen(proxy)}`);
  const client = createLipSyncClient({
    apiKey,
    baseUrl: "https://gateway.invalid",
    maxRetries: 0,
    fetch: (url, init) => undiciFetch(url, { ...init, dispatcher }),
  });
  const error = await errorOf(client.create(request), ConnectionError);
  expect(error.message).toContain("Proxy response (407)");
  expect(error.mayHaveCreatedTask).toBe(false);
  await dispatcher.close();
  proxy.close();
});
