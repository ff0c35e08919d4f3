// docs/wire.md: what it shows is what the client sends and reads.
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { type LipSyncClient, type LipSyncRequest, parseTaskCallback } from "../src/index.js";
import { answer, setUp } from "./fixtures/client.js";

const page = readFileSync(path.join(import.meta.dirname, "..", "docs", "wire.md"), "utf8");
const blocksOf = (kind: string) =>
  [...page.matchAll(new RegExp(`^\`\`\`${kind}\\n(.*?)^\`\`\``, "gms"))].map(
    ([, text = ""]) => text,
  );
const [creating = "", querying = "", posting = ""] = blocksOf("http");
const [body, succeeded, refusal, callback] = blocksOf("json").map((text): unknown =>
  JSON.parse(text),
);
const taskId = "CmJ8DGePZioAAAAAAFIvOQ";

/** The first line of a request, and its headers, without those of HTTP itself. */
function partsOf(http: string) {
  const [line = "", ...headers] = http.trim().split("\n");
  const pairs = headers.map((header) => header.split(": ") as [string, string]);
  const own = Object.fromEntries(pairs.filter(([name]) => name !== "Host"));
  return { line: line.replace(" HTTP/1.1", ""), headers: Object.fromEntries(new Headers(own)) };
}

async function sentBy(call: (client: LipSyncClient) => Promise<unknown>) {
  const { client, sent } = setUp([], { apiKey: "YOUR_KEY" });
  await call(client);
  const [{ url, init } = { url: "", init: {} }] = sent;
  const request = new Request(url, init);
  const line = `${request.method} ${new URL(url).pathname}`;
  return { line, headers: Object.fromEntries(request.headers), text: await request.text() };
}

describe("docs/wire.md", () => {
  it("shows what create sends", async () => {
    const { text, ...sent } = await sentBy((client) => client.create(body as LipSyncRequest));
    expect(sent).toEqual(partsOf(creating));
    expect(JSON.parse(text)).toEqual(body);
  });

  it("shows what get sends", async () => {
    const { text, ...sent } = await sentBy((client) => client.get(taskId));
    expect(sent).toEqual(partsOf(querying));
    expect(text).toBe("");
  });

  it("shows a response that is a finished task", async () => {
    const { client } = setUp([answer(200, succeeded)]);
    const task = { task_id: taskId, task_status: "succeed" };
    await expect(client.wait(taskId)).resolves.toMatchObject(task);
  });

  it("shows an error as Kling sends it", async () => {
    const { client } = setUp([answer(429, refusal)], { maxRetries: 0 });
    const error = { status: 429, code: 1303, requestId: taskId, mayHaveCreatedTask: false };
    await expect(client.create(body as LipSyncRequest)).rejects.toMatchObject(error);
  });

  it("shows a callback that holds a task", () => {
    expect(partsOf(posting).line).toBe("POST /callback?job=clip-7");
    expect(parseTaskCallback(callback)).toMatchObject({ task_id: taskId });
  });
});
