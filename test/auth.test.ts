import { afterEach, beforeEach, describe, expect, expectTypeOf, it, vi } from "vitest";
import { type ApiKey, ConfigurationError, createLipSyncClient } from "../src/index.js";

const seen: { url: string; authorization: string | null }[] = [];
const fetch = (url: string | URL | Request, init?: RequestInit) => {
  const authorization = new Headers(init?.headers).get("authorization");
  seen.push({ url: url instanceof Request ? url.url : String(url), authorization });
  const data = { task_id: "t", task_status: "submitted", created_at: 1, updated_at: 1 };
  return Promise.resolve(Response.json({ code: 0, message: "SUCCEED", data }));
};
const baseUrl = "https://gateway.example";

beforeEach(() => {
  seen.length = 0;
  vi.stubEnv("KLING_API_KEY", undefined);
  vi.stubEnv("KLING_BASE_URL", undefined);
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.unstubAllGlobals();
});

async function errorOf(run: () => unknown): Promise<ConfigurationError> {
  try {
    await run();
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigurationError);
    return error as ConfigurationError;
  }
  throw new Error("nothing was thrown");
}

describe("the key", () => {
  it.each([
    ["sk-abcdef", "Bearer sk-abcdef"],
    ["Bearer sk-abcdef", "Bearer sk-abcdef"],
    ["bearer   sk-abcdef", "Bearer sk-abcdef"],
    ["  sk-abcdef\n", "Bearer sk-abcdef"],
    ["bearer-sk-abcdef", "Bearer bearer-sk-abcdef"],
    ["sk-bearer", "Bearer sk-bearer"],
    ["{{sk}}-abcdef", "Bearer {{sk}}-abcdef"],
    ["sk-{{abcdef}}", "Bearer sk-{{abcdef}}"],
  ])("%j is sent as %j", async (apiKey, authorization) => {
    await createLipSyncClient({ apiKey, baseUrl, fetch }).get("t");
    expect(seen).toMatchObject([{ authorization }]);
  });

  it.each([
    ["", "is empty"],
    ["   ", "is empty"],
    ["Bearer ", "is empty"],
    ["{{YOUR_API_KEY}}", "is the placeholder"],
    ["Bearer {{YOUR_API_KEY}}", "is the placeholder"],
    ["sk-abc\ndef", "character that an HTTP header cannot hold"],
    ["sk-密钥", "character that an HTTP header cannot hold"],
    ["sk abc", "character that an HTTP header cannot hold"],
    [5, "is missing, or is no string"],
    [null, "is missing, or is no string"],
  ])("%j is refused at construction, and both ways to give one are named", async (key, why) => {
    const error = await errorOf(() =>
      createLipSyncClient({ apiKey: key as string, baseUrl, fetch }),
    );
    expect(error.message).toContain(why);
    expect(error.message).toContain("apiKey");
    expect(error.message).toContain("KLING_API_KEY");
    expect(error.message).not.toContain("sk-");
    expect(error.mayHaveCreatedTask).toBe(false);
  });

  it("may be absent until the first call, so that a build without it loads the module", async () => {
    const client = createLipSyncClient({ baseUrl, fetch });
    const error = await errorOf(() => client.get("t"));
    expect(error.message).toContain("is missing");
    expect(seen).toEqual([]);
  });

  it("is taken from KLING_API_KEY, as it is at the call", async () => {
    const client = createLipSyncClient({ apiKey: process.env["NOT_SET"], baseUrl, fetch });
    vi.stubEnv("KLING_API_KEY", "from-the-environment");
    await client.get("t");
    expect(seen).toMatchObject([{ authorization: "Bearer from-the-environment" }]);
  });

  it("may come from a function, which is asked before every attempt", async () => {
    const keys = ["first-key", Promise.resolve("second-key"), "Bearer third-key"];
    const apiKey: ApiKey = () => keys.shift() ?? "";
    const client = createLipSyncClient({ apiKey, baseUrl, fetch });
    await client.get("t");
    await client.get("t");
    await client.get("t");
    expect(seen.map(({ authorization }) => authorization)).toEqual([
      "Bearer first-key",
      "Bearer second-key",
      "Bearer third-key",
    ]);
    expect((await errorOf(() => client.get("t"))).message).toContain("is empty");
    expectTypeOf<() => Promise<string>>().toExtend<ApiKey>();
  });

  it("passes through what its function throws", async () => {
    const boom = new Error("no key today");
    const apiKey = () => Promise.reject(boom);
    await expect(createLipSyncClient({ apiKey, baseUrl, fetch }).get("t")).rejects.toBe(boom);
    expect(seen).toEqual([]);
  });
});

describe("the base URL", () => {
  const path = "/kling/v1/videos/lip-sync/t";
  it.each([
    ["https://gateway.example", `https://gateway.example${path}`],
    ["https://gateway.example///", `https://gateway.example${path}`],
    [" HTTP://Gateway.Example:8080/ ", `http://gateway.example:8080${path}`],
    ["https://gateway.example/proxy/", `https://gateway.example/proxy${path}`],
    ["https://gateway.example/v1beta", `https://gateway.example/v1beta${path}`],
    ["https://gateway.example/{task_id}", `https://gateway.example/%7Btask_id%7D${path}`],
  ])("%j leads to %s", async (given, url) => {
    await createLipSyncClient({ apiKey: "sk-abcdef", baseUrl: given, fetch }).get("t");
    expect(seen).toMatchObject([{ url }]);
  });

  it.each([
    ["", "is not an absolute http(s) URL"],
    ["gateway.example", "is not an absolute http(s) URL"],
    ["/kling", "is not an absolute http(s) URL"],
    ["ftp://gateway.example", "is not an absolute http(s) URL"],
    ["https://", "is not an absolute http(s) URL"],
    ["http:gateway.example", "is not an absolute http(s) URL"],
    [5, "is not an absolute http(s) URL"],
    [null, "is missing"],
    ["https://gateway.example/v1", "ends in /v1"],
    ["https://gateway.example/V1/", "ends in /V1"],
    ["https://gateway.example/kling/", "ends in /kling"],
    ["https://gateway.example/kling/v1", "ends in /v1"],
    ["https://gateway.example/kling/v1/videos", "ends in /videos"],
    ["https://gateway.example/kling/v1/videos/lip-sync", "ends in /lip-sync"],
    ["https://gateway.example/?key=sk-abc", "has a query"],
    ["https://gateway.example/#top", "has a fragment"],
    ["https://user:sk-abc@gateway.example", "holds credentials"],
    ["https://user@gateway.example", "holds credentials"],
    ["https://:sk-abc@gateway.example", "holds credentials"],
    ["ftp://gateway.example/https://", "is not an absolute http(s) URL"],
  ])("%j is refused at construction with the reason", async (given, why) => {
    const error = await errorOf(() =>
      createLipSyncClient({ apiKey: "sk-abcdef", baseUrl: given as string, fetch }),
    );
    expect(error.message).toContain(why);
    expect(error.message).toContain("KLING_BASE_URL");
    expect(error.message).not.toContain("sk-");
  });

  it("is taken from KLING_BASE_URL, as it is at the call", async () => {
    const client = createLipSyncClient({ apiKey: "sk-abcdef", fetch });
    expect((await errorOf(() => client.get("t"))).message).toContain("The base URL is missing");
    vi.stubEnv("KLING_BASE_URL", "https://from.example");
    await client.get("t");
    expect(seen).toMatchObject([{ url: `https://from.example${path}` }]);
  });

  it("and the key are reported as missing where there is no process", async () => {
    const client = createLipSyncClient({ fetch });
    vi.stubGlobal("process", undefined);
    const error = await client.get("t").catch((error: unknown) => error);
    vi.stubGlobal("process", {});
    const other = await client.get("t").catch((error: unknown) => error);
    vi.unstubAllGlobals();
    expect(error).toBeInstanceOf(ConfigurationError);
    expect(other).toBeInstanceOf(ConfigurationError);
  });
});
