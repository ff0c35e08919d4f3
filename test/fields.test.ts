import { describe, expect, it } from "vitest";
import { InvalidRequestError } from "../src/index.js";
import { checkBase64, checkText, checkUrl } from "../src/fields.js";

/** Why a check refuses a value; `undefined` if it does not. */
function refusalOf(check: (value: unknown, field: string) => void, value: unknown) {
  try {
    check(value, "the.field");
    return undefined;
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidRequestError);
    const { field, message } = error as InvalidRequestError;
    expect(field).toBe("the.field");
    expect(message).toMatch(/^the\.field .+\.$/);
    return message.slice("the.field ".length, -1);
  }
}

describe("a text", () => {
  it("is a string", () => {
    const check: typeof checkText = checkText;
    expect(refusalOf(check, "你好😀")).toBeUndefined();
    for (const value of [5, true, null, undefined, ["t"], { text: "t" }]) {
      expect(refusalOf(check, value)).toBe("is not a string");
    }
  });
});

describe("a URL", () => {
  it.each([
    "https://a.example/v.mp4",
    "HTTP://a",
    "http://127.0.0.1:8080/v.mp4?a=b&c=%20#d",
    "https://例子.测试/视频.mp4",
    "https://a.example/{id}",
  ])("may be %s", (value) => {
    expect(refusalOf(checkUrl, value)).toBeUndefined();
  });

  const noUpload = "must be an http(s) URL: there is no upload";
  const space = "has line breaks or spaces: remove them";
  const invalid = "is not a valid URL";

  it.each<[string, unknown[]]>([
    [noUpload, ["/home/me/v.mp4", "./v.mp4", "v.mp4", "C:\\v.mp4", "~/v.mp4", "\\\\host\\v.mp4"]],
    [noUpload, ["file:///v.mp4", "blob:https://a.example/1", "data:video/mp4;base64,AAAA"]],
    [noUpload, ["gs://bucket/v.mp4", "s3://bucket/v.mp4", "ftp://a.example/v.mp4"]],
    [noUpload, ["a.example/v.mp4", "//a/v", "https:", "https:a", "https:/a/v.mp4", "not a URL"]],
    [noUpload, [5, ["https://a.example"], {}, new Uint8Array(1), new Blob(["v"])]],
    [space, ["https://a.example/my video.mp4", "https://a.example/v.mp4\n", " https://a.example"]],
    [
      space,
      ["https://a.example/\u3000v.mp4", "https://a.example/a\r\nb", "https://a.example/\u00a0"],
    ],
    [invalid, ["https://[", "https://", "https:///v.mp4", "https://a:port/", "http://%zz/"]],
  ])("that %s is refused: %j", (why, values) => {
    for (const value of values) expect([value, refusalOf(checkUrl, value)]).toEqual([value, why]);
  });
});

describe("Base64", () => {
  it.each(["AAAA", "AAA=", "AA==", "AAA", "+/+/"])("may be %s", (value) => {
    expect(refusalOf(checkBase64, value)).toBeUndefined();
  });

  it("may be a file of 5 MB", () => {
    expect(refusalOf(checkBase64, "A".repeat(7_000_000))).toBeUndefined();
  });

  const bytes = 'must be Base64 text, not bytes: pass buffer.toString("base64")';
  const prefix = 'starts with "data:": pass only what follows "base64,"';
  const space = "has line breaks or spaces: remove them";
  const urlSafe = 'is URL-safe Base64: replace "-" with "+" and "_" with "/"';
  const invalid = 'is not Base64: try readFile(path, "base64")';
  const buffer = Buffer.from("a");

  it.each<[string, unknown[]]>([
    [bytes, [buffer, buffer.toJSON(), { 0: 1, 1: 2 }, new Uint8Array(1), new ArrayBuffer(1), {}]],
    [prefix, ["data:audio/mp3;base64,AAAA", " DATA:;base64,AAAA"]],
    [space, ["AAAA\n", "AAAA\r\nAAAA", "AA AA", "\tAAAA"]],
    [urlSafe, ["AA-_", "-AAA", "A_A=", "A+-="]],
    [invalid, ["speech.mp3", "https://a.example/a.mp3", "AA=A", "AAAA===", "=", "é"]],
    ["is not a string", [5, true]],
  ])("that %s is refused: %j", (why, values) => {
    for (const value of values) expect(refusalOf(checkBase64, value)).toBe(why);
  });
});
