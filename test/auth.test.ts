import { afterEach, beforeEach, describe, expect, expectTypeOf, it, vi } from "vitest";
import { type ApiKey, ConfigurationError, createLipSyncClient } from "../src/index.js";
import { answer, errorOf, type Sent, setUp } from "./fixtures/client.js";
import { request } from "./fixtures/request.js";

beforeEach(() => vi.stubEnv("KLING_API_KEY", undefined));
afterEach(() => vi.unstubAllEnvs());

const authorizations = (sent: Sent[]) =>
  sent.map(({ init }) => new Headers(init.headers).get("authorization"));

describe("a key", () => {
  it.each([
    ["sk-abcdef", "sk-abcdef"],
    ["Bearer sk-abcdef", "sk-abcdef"],
    ["bearer   sk-abcdef", "sk-abcdef"],
    ["  sk-abcdef\n", "sk-abcdef"],
    ["bearer-sk-abcdef", "bearer-sk-abcdef"],
    ["sk-bearer", "sk-bearer"],
    ["{{sk}}-abcdef", "{{sk}}-abcdef"],
    ["sk-{{abcdef}}", "sk-{{abcdef}}"],
    ["sk-<abc>", "sk-<abc>"],
    ["sk-a'b", "sk-a'b"],
    ["sk...abcdef", "sk...abcdef"],
    ["nullsk", "nullsk"],
  ])("of %j is sent as %j, from a function as well", async (apiKey, token) => {
    for (const given of [apiKey, () => apiKey, () => Promise.resolve(apiKey)]) {
      const { client, sent } = setUp([], { apiKey: given });
      await client.get("t");
      expect(authorizations(sent)).toEqual([`Bearer ${token}`]);
    }
  });

  it.each([
    ["is missing", ["", "   ", "Bearer ", null]],
    ["is a placeholder", ["{{YOUR_API_KEY}}", "Bearer {{YOUR_API_KEY}}", "${KLING_API_KEY}"]],
    ["is a placeholder", ["<your key>", "Bearer <token>", "sk-...", "undefined", "Bearer null"]],
    ["is in quotes", ['"sk-abcdef"', "'sk-abcdef'", "`sk-abcdef`", '"sk-abcdef', 'sk-abcdef"']],
    ["is in quotes", ['"Bearer sk-abcdef"', 'Bearer "sk-abcdef"', ' "sk-abcdef"\n', '""']],
    ["has a space or is not ASCII", ["sk-abc\ndef", "sk-密钥", "sk abc"]],
    ["is not a string", [5]],
  ])(
    "that %s is refused without its text, and both ways to give one are named",
    async (why, keys) => {
      for (const key of keys) {
        const apiKey = key as string;
        expect(() => createLipSyncClient({ apiKey })).toThrow(ConfigurationError);
        const { client, sent } = setUp([], { apiKey: () => apiKey });
        const { message } = await errorOf(client.create(request), ConfigurationError);
        expect(() => createLipSyncClient({ apiKey })).toThrow(message);
        expect(message).toContain(`The API key ${why}`);
        expect(message).toMatch(/\bapiKey\b.+\bKLING_API_KEY\b/);
        expect(message).not.toContain("sk-");
        expect(sent).toEqual([]);
      }
    },
  );

  it("is taken from KLING_API_KEY, as it is at the call", async () => {
    const { client, sent } = setUp([], { apiKey: undefined });
    vi.stubEnv("KLING_API_KEY", "from-the-environment");
    await client.get("t");
    expect(authorizations(sent)).toEqual(["Bearer from-the-environment"]);
  });

  it("comes from its function before each attempt", async () => {
    const keys = ["first-key", Promise.resolve("second-key"), "Bearer third-key"];
    const apiKey: ApiKey = () => keys.shift() ?? "";
    const { client, sent } = setUp([answer(429, "", { "retry-after": "0" })], { apiKey });
    await client.get("t");
    await client.get("t");
    const tokens = ["first-key", "second-key", "third-key"];
    expect(authorizations(sent)).toEqual(tokens.map((token) => `Bearer ${token}`));
    expectTypeOf<() => Promise<string>>().toExtend<ApiKey>();
  });

  it.each([[new Error("no key today")], [{ no: "key" }], [undefined]])(
    "is not sent where its function throws, and that passes through: %j",
    async (boom) => {
      const { client, sent } = setUp([], { apiKey: () => Promise.reject(boom) });
      await expect(client.create(request)).rejects.toBe(boom);
      await expect(client.wait("t")).rejects.toBe(boom);
      expect(sent).toEqual([]);
    },
  );
});
