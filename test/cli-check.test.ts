import { describe, expect, it, test } from "vitest";
import { checkGateway } from "../src/cli/check.js";
import { createFakeGateway } from "../src/testing.js";
import { endpoint } from "./fixtures/client.js";
import succeed from "./fixtures/succeed.json" with { type: "json" };

const KEY = "a-key-that-nobody-may-see";

describe("check", () => {
  const json = (status: number, body: unknown) => () => Response.json(body, { status });
  const page = (status: number, body: string, type: string) => () =>
    new Response(body, { status, headers: { "content-type": type } });
  const to = (location: string) => () => new Response(null, { status: 301, headers: { location } });
  const newApi = { code: "task_not_exist", message: "task_not_exist", data: null };
  const invalidUrl = { error: { message: "Invalid URL (GET /kling/v1/videos)", code: "" } };
  const nest = { statusCode: 404, message: "Cannot GET /kling/v1/videos", error: "Not Found" };
  const spring = { status: 404, error: "Not Found", path: "/kling/v1/videos" };
  const badKey = { error: { message: `invalid token ${KEY}`, type: "new_api_error" } };
  const oldKey = { code: 1004, message: "authorization expired" };
  const task = { ...succeed.data, task_id: "kling-lip-sync-check" };

  test.for<[what: string, answer: (() => Response) | undefined, says: RegExp, exitCode: number]>([
    [
      "Kling's unknown task",
      undefined,
      /^Good: base URL, path and key work at https:.+billed\./,
      0,
    ],
    ["Kling's, with status 200", json(200, { code: 1203, message: "none" }), /^Good: /, 0],
    ["new-api's unknown task", json(400, newApi), /^Good: base URL, path and key work/, 0],
    ["another gateway's", json(404, { message: "Task not found" }), /^Good: base URL, path and/, 0],
    [
      "a 404 with bare JSON",
      json(404, {}),
      /^Probably good: .+ returned 404 in JSON, .+: \{\}$/,
      0,
    ],
    ["an OpenAI gateway's 404", json(404, invalidUrl), /^No such path: .+ Invalid URL \(GET/, 1],
    ["Nest's 404", json(404, nest), /^No such path: .+ according to .+ GET .+ Cannot GET/, 1],
    ["FastAPI's 404", json(404, { detail: "Not Found" }), /^No such path: .+"Not Found"/, 1],
    ["Django's 404", json(404, { detail: "Not found." }), /^No such path: .+"Not found\."/, 1],
    ["Spring's 404", json(404, spring), /^No such path: .+ Not Found$/, 1],
    ["Kong's 404", json(404, { message: "no Route matched" }), /^No such path: .+ no Route/, 1],
    ["Kling's unknown operation", json(404, { code: 1202, message: "no" }), /^No such path: /, 1],
    [
      "a 404 in plain text",
      page(404, "404 page not found", "text/plain"),
      /^No such path: .+ JSON/,
      1,
    ],
    [
      "a web page",
      page(200, "<p>Hi", "text/html"),
      /^Wrong base URL: .+ 200 with a web page\. /,
      1,
    ],
    ["a web page's 404", page(404, "<!doctype html>", "text/plain"), /^Wrong .+ 404 with a web/, 1],
    [
      "a login page",
      to("/login"),
      /^Wrong base URL: .+ redirects to https:\/\/fake.+\/login\. Set/,
      1,
    ],
    ["another origin", to("https://api.example/x"), /redirects to https:\/\/api\.example\/x\. /, 1],
    [
      "a redirect to nowhere",
      page(302, "", "text/plain"),
      /redirects to a place that it does not/,
      1,
    ],
    ["a refused key", json(401, badKey), /^Key refused: .+ 401: invalid token \*\*\*$/, 1],
    [
      "a key without the right",
      json(403, { code: 1103, message: "no right" }),
      /^Key refused: /,
      1,
    ],
    ["a refused key at 200", json(200, oldKey), /^Key refused: .+ code 1004: authorization/, 1],
    [
      "a 404 without a type",
      () => new Response(null, { status: 404 }),
      /^No such path: .+ JSON/,
      1,
    ],
    ["a redirect that is no URL", to("http://["), /redirects to http:\/\/\[\. /, 1],
    ["a server that fails", page(502, "<html>", "text/html"), /^Unclear: .+ 502: <html>$/, 1],
    ["too many requests", json(429, { message: "slow down" }), /^Unclear: .+ 429: slow down$/, 1],
    ["other JSON", json(200, { ok: true }), /^Unclear: .+ 200: /, 1],
    ["a task", json(200, { code: 0, data: task }), /^Odd: .+ returned a task for the id/, 1],
  ])("sends one GET and has one line about %s", async ([, answer, says, exitCode]) => {
    const gateway = createFakeGateway({ apiKey: KEY });
    if (answer) gateway.answerNext(answer());
    const { baseUrl, fetch } = gateway;
    const { isGood, line } = await checkGateway({ baseUrl, apiKey: KEY, fetch });
    expect(line).toMatch(says);
    expect(line).not.toMatch(new RegExp(`\n|${KEY}`));
    expect(isGood).toBe(exitCode === 0);
    const get = { method: "GET", path: `${endpoint}/kling-lip-sync-check`, body: undefined };
    expect(gateway.received).toEqual([get]);
  });

  test.for([
    ["ENOTFOUND", /^Wrong base URL, or no network: the host gateway\.example is not found\.$/],
    ["ECONNREFUSED", /^Wrong base URL, or the gateway is down: gateway\.example refuses/],
    ["UND_ERR_CONNECT_TIMEOUT", /^Timeout: gateway\.example cannot be reached\. /],
    ["ECONNRESET", /^Unclear: .+ fetch failed: /],
  ] as const)("has a line for %s", async ([code, says]) => {
    const cause = Object.assign(new Error(code), { code });
    const fetch = () => Promise.reject(new TypeError("fetch failed", { cause }));
    const gateway = { baseUrl: "https://gateway.example/", apiKey: KEY, fetch };
    const { isGood, line } = await checkGateway(gateway);
    expect(line).toMatch(says);
    expect(isGood).toBe(false);
  });

  it("has a line for a gateway that does not respond in time", async () => {
    const fetch = () => new Promise<never>(() => undefined);
    const gateway = { baseUrl: "https://gateway.example", apiKey: KEY, fetch, timeoutMs: 20 };
    const { line } = await checkGateway(gateway);
    expect(line).toMatch(/^Timeout: no complete response from gateway\.example within 0\.02 s\. /);
  });
});
