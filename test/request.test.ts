import { expect, expectTypeOf, describe, it } from "vitest";
import {
  InvalidRequestError,
  type LipSyncClient,
  type LipSyncRequest,
  parseLipSyncRequest,
} from "../src/index.js";
import type { RequestInput } from "../src/wire.js";
import { baseUrl, endpoint, errorOf, setUp } from "./fixtures/client.js";

const speech = { text: "你好", voice_id: "girlfriend_1_speech02", voice_language: "zh" } as const;
const text = { mode: "text2video", ...speech } as const;
const audio = { mode: "audio2video" } as const;
const video_url = "https://a.example/v.mp4";
const audio_url = "https://a.example/a.mp3";

/** Creates with what TypeScript would not let pass, and returns the body that fetch was given. */
async function sentBody(request: unknown): Promise<unknown> {
  const { client, sent } = setUp();
  await client.create(request as LipSyncRequest);
  return JSON.parse(sent[0]?.init.body as string);
}

/** The error for a request that is refused; nothing was sent. */
async function refusal(request: unknown): Promise<InvalidRequestError> {
  const { client, sent } = setUp();
  const error = await errorOf(client.create(request as LipSyncRequest), InvalidRequestError);
  expect(sent).toEqual([]);
  expect(error.mayHaveCreatedTask).toBe(false);
  return error;
}

const fieldOf = async (input: object) => (await refusal({ input })).field;

const compiles = (check: (create: LipSyncClient["create"]) => void) => {
  expect(check).toBeTypeOf("function");
};

describe("a valid request", () => {
  const valid = { video_id: "v", ...text };
  const absent = { voice_speed: undefined, task_id: undefined };
  const optional = { voice_speed: 1.2, task_id: "parent" };

  it.each<[string, LipSyncRequest]>([
    ["video_id", { input: { video_id: "v", ...text } }],
    ["video_url", { input: { video_url, ...text } }],
    ["the other video as undefined", { input: { video_id: "v", video_url: undefined, ...text } }],
    ["optional fields as undefined", { input: { ...valid, ...absent }, callback_url: undefined }],
    ["every optional field", { input: { ...valid, ...optional }, callback_url: "https://a.b" }],
    ["audio_url", { input: { video_id: "v", ...audio, audio_type: "url", audio_url } }],
    ["audio_file", { input: { video_id: "v", ...audio, audio_type: "file", audio_file: "AAAA" } }],
  ])("with %s is sent as JSON has it", async (_, request) => {
    await expect(sentBody(request)).resolves.toEqual(JSON.parse(JSON.stringify(request)));
  });

  it.each([
    ["mode", { input: { video_id: "v", mode: "song2video", melody: [1, 2] }, priority: 1 }],
    ["audio_type", { input: { video_id: "v", ...audio, audio_type: "stream", audio_stream: "s" } }],
  ])("may have an unknown %s and unknown fields, for the server to judge", async (_, request) => {
    await expect(sentBody(request)).resolves.toEqual(request);
  });

  it("is not changed, and may be frozen", async () => {
    const input = Object.freeze({ video_id: "v", video_url: " ", ...text });
    await expect(sentBody(Object.freeze({ input }))).resolves.toEqual({
      input: { video_id: "v", ...text },
    });
    expect(input.video_url).toBe(" ");
  });

  it("has no any, and the fields of the generated document", () => {
    type Input = LipSyncRequest["input"];
    expectTypeOf<Input>().not.toBeAny();
    expectTypeOf<Input["mode"]>().toEqualTypeOf<RequestInput["mode"]>();
    expectTypeOf<Input["task_id"]>().toEqualTypeOf<string | undefined>();
    type Speed = Extract<Input, { mode: "text2video" }>["voice_speed"];
    expectTypeOf<Speed>().toEqualTypeOf<number | undefined>();
    expectTypeOf<LipSyncRequest["callback_url"]>().toEqualTypeOf<string | undefined>();
  });
});

describe("exactly one video", () => {
  it("is what TypeScript asks for", () => {
    compiles((create) => {
      // @ts-expect-error -- both videos
      void create({ input: { video_id: "v", video_url: "u", ...text } });
      // @ts-expect-error -- both, from variables
      void create({ input: { video_id: String(1), video_url: String(2), ...text } });
      // @ts-expect-error -- neither video
      void create({ input: { ...text } });
      // @ts-expect-error -- both undefined
      void create({ input: { video_id: undefined, video_url: undefined, ...text } });
      // @ts-expect-error -- null is not a video
      void create({ input: { video_id: null, ...text } });
      // @ts-expect-error -- not a string
      void create({ input: { video_id: 5, ...text } });
    });
  });

  it.each([
    { video_id: "v", video_url },
    { video_id: "v", video_url: "v.mp4" },
  ])("is asked for where there are two: %j", async (video) => {
    const error = await refusal({ input: { ...video, ...text } });
    const message = "Give input.video_id or input.video_url, not both.";
    expect(error).toMatchObject({ field: "input.video_url", message });
  });

  it.each([{}, { video_id: "" }, { video_id: null, video_url: "\u3000" }])(
    "is asked for where there is none: %j",
    async (video) => {
      const error = await refusal({ input: { ...video, ...text } });
      const message = "The video is missing: give input.video_id or input.video_url.";
      expect(error).toMatchObject({ field: "input.video_url", message });
    },
  );

  it.each(["", " \t", "\u3000", "\u00a0\ufeff", null, undefined])(
    "is sent without the other one, which is %j",
    async (blank) => {
      const [byId, byUrl] = [
        { video_id: "v", ...text },
        { video_url, ...text },
      ];
      expect(await sentBody({ input: { ...byId, video_url: blank } })).toEqual({ input: byId });
      expect(await sentBody({ input: { ...byUrl, video_id: blank } })).toEqual({ input: byUrl });
    },
  );

  it("is a string", async () => {
    for (const video of [5, true, ["v"], { id: "v" }, Promise.resolve("v")]) {
      expect(await fieldOf({ video_id: video, ...text })).toBe("input.video_id");
      expect(await fieldOf({ video_url: video, ...text })).toBe("input.video_url");
    }
  });

  it("is absent where JSON has nothing for it", async () => {
    for (const video of [Symbol("v"), () => "v"]) {
      expect(await fieldOf({ video_url: video, ...text })).toBe("input.video_url");
      const sent = await sentBody({ input: { video_id: video, video_url, ...text } });
      expect(sent).toEqual({ input: { video_url, ...text } });
    }
  });
});

describe("the fields of a mode", () => {
  it("are what TypeScript asks for", () => {
    const { voice_id, voice_language } = speech;
    compiles((create) => {
      // @ts-expect-error -- no input
      void create({});
      // @ts-expect-error -- no mode
      void create({ input: { video_id: "v", ...speech } });
      // @ts-expect-error -- no such mode
      void create({ input: { video_id: "v", ...speech, mode: "sing" } });
      // @ts-expect-error -- no text
      void create({ input: { video_id: "v", mode: "text2video", voice_id, voice_language } });
      // @ts-expect-error -- no voice_id
      void create({ input: { video_id: "v", mode: "text2video", text: "t", voice_language } });
      // @ts-expect-error -- no voice_language
      void create({ input: { video_id: "v", mode: "text2video", text: "t", voice_id } });
      // @ts-expect-error -- camelCase
      void create({ input: { video_id: "v", ...text, voiceLanguage: "zh" } });
      // @ts-expect-error -- not a language
      void create({ input: { video_id: "v", ...text, voice_language: "fr" } });
      // @ts-expect-error -- a field of the other mode
      void create({ input: { video_id: "v", ...text, audio_url: "u" } });
      // @ts-expect-error -- no audio_type
      void create({ input: { video_id: "v", ...audio, audio_url: "u" } });
      // @ts-expect-error -- no audio_url
      void create({ input: { video_id: "v", ...audio, audio_type: "url" } });
      // @ts-expect-error -- the field of the other audio_type
      void create({ input: { video_id: "v", ...audio, audio_type: "file", audio_url: "u" } });
    });
  });

  const url = { audio_type: "url", audio_url };
  const file = { audio_type: "file", audio_file: "AAAA" };

  it.each([
    ["mode", text],
    ["text", text],
    ["voice_id", text],
    ["voice_language", text],
    ["audio_type", { ...audio, ...url }],
    ["audio_url", { ...audio, ...url, audio_file: "AAAA" }],
    ["audio_file", { ...audio, ...file, audio_url }],
  ])("need a text as their %s", async (field, input) => {
    for (const blank of [undefined, null, "", "\u3000", 5]) {
      const error = await refusal({ input: { video_id: "v", ...input, [field]: blank } });
      const why = blank === 5 ? /^input\.\w+ (?:is not|must be) / : /^input\.\w+ is missing\.$/;
      expect([error.field, error.message]).toEqual([`input.${field}`, expect.stringMatching(why)]);
    }
  });
});

describe("an optional field", () => {
  it.each(["", " ", "\u3000", null, undefined])("that is %j is left out", async (blank) => {
    const audio = { audio_type: blank, audio_url: blank, audio_file: blank };
    const optional = { ...audio, task_id: blank, voice_speed: blank };
    const given = { input: { video_id: "v", ...text, ...optional }, callback_url: blank };
    expect(await sentBody(given)).toEqual({ input: { video_id: "v", ...text } });
  });

  it("that the library does not know is sent even if it is blank", async () => {
    const given = { input: { video_id: "v", ...text, seed: null }, note: "" };
    expect(await sentBody(given)).toEqual(given);
  });

  it("is a string where it has one", async () => {
    expect(await fieldOf({ video_id: "v", ...text, task_id: 5 })).toBe("input.task_id");
    expect(await fieldOf({ video_id: "v", ...text, audio_type: ["url"] })).toBe("input.audio_type");
  });
});

describe("a field in the wrong place", () => {
  const input = { video_id: "v", ...text };

  it.each(["mode", "video_id", "task_id", "text", "voice_speed", "audio_url", "audio_file"])(
    "is refused with the right place: %s beside input",
    async (field) => {
      const error = await refusal({ input, [field]: "x" });
      const message = `There is no ${field}: use request.input.${field} instead.`;
      expect(error).toMatchObject({ field, message });
    },
  );

  it.each(["callback_url", "callbackUrl"])(
    "is refused with the right place: input.%s",
    async (name) => {
      const error = await refusal({ input: { ...input, [name]: "https://a.example" } });
      const message = `There is no input.${name}: use request.callback_url instead.`;
      expect(error).toMatchObject({ field: `input.${name}`, message });
    },
  );

  it.each([
    ["voiceSpeed", "voice_speed"],
    ["videoUrl", "video_url"],
    ["videoURL", "video_url"],
    ["VoiceId", "voice_id"],
    ["voiceid", "voice_id"],
    ["taskId", "task_id"],
    ["audio-url", "audio_url"],
    ["Mode", "mode"],
  ])("is refused where it is misspelled: input.%s", async (name, field) => {
    const error = await refusal({ input: { ...input, [name]: "x" } });
    const message = `There is no input.${name}: use request.input.${field} instead.`;
    expect(error).toMatchObject({ field: `input.${name}`, message });
  });

  it.each([
    ["callbackUrl", "callback_url"],
    ["callbackURL", "callback_url"],
    ["Input", "input"],
    ["videoUrl", "input.video_url"],
    ["voiceSpeed", "input.voice_speed"],
  ])("is refused where it is misspelled: %s beside input", async (name, place) => {
    const error = await refusal({ input, [name]: "x" });
    const message = `There is no ${name}: use request.${place} instead.`;
    expect(error).toMatchObject({ field: name, message });
  });

  it("does not compile, also from a variable, and the compiler says where to put it", () => {
    const url: string = "https://a.example";
    const inside = { ...input, callback_url: url };
    const outside = { input, voice_speed: 1 };
    compiles((create) => {
      // @ts-expect-error -- put this field beside input
      void create({ input: inside });
      // @ts-expect-error -- put this field into input
      void create(outside);
    });
  });
});

describe("an invalid field", () => {
  const file = { video_id: "v", ...audio, audio_type: "file" };
  const fields: [string, (given: unknown) => object][] = [
    ["input.video_url", (given) => ({ input: { video_url: given, ...text } })],
    [
      "input.audio_url",
      (given) => ({ input: { video_id: "v", ...audio, audio_type: "url", audio_url: given } }),
    ],
    ["callback_url", (given) => ({ input: { video_id: "v", ...text }, callback_url: given })],
  ];

  it.each(fields)(
    "%s is rejected unless it is an http(s) URL, and the message says how to fix it",
    async (field, request) => {
      for (const [value, why] of [
        ["./v.mp4", "there is no upload"],
        ["https://a.example/my video.mp4", "has line breaks or spaces"],
        ["https://[", "is not a valid URL"],
      ]) {
        const error = await refusal(request(value));
        expect(error).toMatchObject({
          field,
          message: expect.stringContaining(`${why}`) as unknown,
        });
      }
    },
  );

  it("input.audio_file is rejected if it is bytes, and the message says how to fix it", async () => {
    const error = await refusal({ input: { ...file, audio_file: Buffer.from("a") } });
    expect(error).toMatchObject({ field: "input.audio_file" });
    expect(error.message).toContain('not bytes: pass buffer.toString("base64")');
  });

  it.each([
    ["input.voice_speed", { input: { video_id: "v", ...text, voice_speed: NaN } }],
    ["input.voice_speed", { input: { video_id: "v", ...text, voice_speed: -Infinity } }],
    ["input.video_id", { input: { video_id: NaN, video_url, ...text } }],
    ["input.seeds.1", { input: { video_id: "v", ...text, seeds: [1, Infinity] } }],
    ["priority", { input: { video_id: "v", ...text }, priority: NaN }],
  ])("is rejected if it is NaN or Infinity: %s", async (field, request) => {
    const error = await refusal(request);
    expect(error.field).toBe(field);
    expect(error.message).toMatch(/ is -?(?:NaN|Infinity), which JSON cannot express\.$/);
  });

  it.each([
    ["input.text", { input: { video_id: "v", ...text, text: "好\ud83d" } }],
    ["input.video_id", { input: { video_id: "\ude00", ...text } }],
    ["input.voice_id", { input: { video_id: "v", ...text, voice_id: "\ude00\ud83d" } }],
    ["input.extra.note", { input: { video_id: "v", ...text, extra: { note: "\ud83d!" } } }],
    ["callback_url", { input: { video_id: "v", ...text }, callback_url: "https://a/\ud83d" }],
  ])("is rejected if it has a lone surrogate, half an emoji: %s", async (field, request) => {
    const error = await refusal(request);
    expect(error.field).toBe(field);
    expect(error.message).toContain("has half an emoji");
  });

  it("is not meant by a length, an unknown voice or a speed, which the server judges", async () => {
    const long = "很长".repeat(1000);
    const odd = { text: long, voice_id: "nobody", voice_language: "fr", voice_speed: 99 };
    const input = { mode: "text2video", ...odd, video_url: "http://a.example:8080/v.avi?q={a}#😀" };
    const request = { input, callback_url: "HTTP://a" };
    expect(await sentBody(request)).toEqual(request);
  });

  it("is rejected if it belongs to the other mode, too", async () => {
    const both = { video_id: "v", ...text, audio_type: "url", audio_url: "a.mp3" };
    expect(await fieldOf(both)).toBe("input.audio_url");
    const sent = { input: { ...both, audio_url } };
    expect(await sentBody(sent)).toEqual(sent);
  });

  it("outside of input does not compile, and the compiler says where to put it", () => {
    compiles((create) => {
      // @ts-expect-error -- put this field into input
      void create({ video_url, ...text });
      const flat = { video_url, ...text };
      // @ts-expect-error -- input is missing
      void create(flat);
    });
  });
});

describe("a request that is not JSON or has no input", () => {
  const circle: Record<string, unknown> = { video_id: "v", ...text };
  circle["self"] = circle;
  const both = { video_id: "v", video_url, ...text };
  const withoutInput = (request: unknown): [unknown, string, string] => [
    request,
    "input",
    "input is missing: pass { input: { video_url, mode, … } }.",
  ];

  it("is refused where a getter throws, whatever it throws", async () => {
    for (const thrown of [new Error("mine"), Object.create(null), undefined]) {
      const get = () => {
        throw thrown;
      };
      const error = await refusal(Object.defineProperty({}, "input", { get, enumerable: true }));
      expect(error).toMatchObject({ name: "InvalidRequestError", field: "input" });
    }
  });

  it.each<[unknown, string, string]>([
    ...[undefined, null, 5, "input", [], {}].map(withoutInput),
    ...[{ input: null }, { input: [] }, { input: "{}" }].map(withoutInput),
    withoutInput({ video_url, ...text }),
    [{ toJSON: () => undefined }, "input", "not JSON"],
    [{ input: circle }, "input", "not JSON: Converting circular structure"],
    [{ input: { video_id: "v", ...text, voice_speed: 1n } }, "input", "not JSON"],
    [{ input: { video_id: "v", ...text, toJSON: () => both } }, "input.video_url", "not both"],
  ])("is refused: %o", async (request, field, message) => {
    const error = await refusal(request);
    expect(error).toMatchObject({ field, message: expect.stringContaining(message) as unknown });
  });
});

describe("a task id", () => {
  it.each([
    ["plain-1", "plain-1"],
    ["a/b", "a%2Fb"],
    ["a?b#c", "a%3Fb%23c"],
    [" a b ", "a%20b"],
    ["T-1\n", "T-1"],
    ["\ufeffT-1\r\n", "T-1"],
    ["\u3000T-1\t", "T-1"],
    ["任务", "%E4%BB%BB%E5%8A%A1"],
    ["%2e%2e", "%252e%252e"],
    ["...", "..."],
    ["$&{task_id}", "%24%26%7Btask_id%7D"],
  ])("%j is asked for as %s", async (id, segment) => {
    const { client, sent } = setUp();
    await client.get(id);
    expect(sent.map(({ url }) => url)).toEqual([`${baseUrl}${endpoint}/${segment}`]);
  });

  const unfit = "is blank or invalid in a URL";
  const notText = "is not a string: await create, then pass task.task_id";
  const promise = Promise.resolve({ task_id: "t" });

  it.each<[unknown, string]>([
    ["", unfit],
    ["\u3000\n", unfit],
    [".", unfit],
    [" .. ", unfit],
    ["\ud800", unfit],
    ["T-1\nT-2", unfit],
    ["T-1\u0000", unfit],
    ["T\u200b-1", unfit],
    [5, notText],
    [null, notText],
    [{ task_id: "t" }, notText],
    [["t"], notText],
    [undefined, notText],
    [promise, notText],
    [String(undefined), notText],
    [String(null), notText],
    ["[object Object]", notText],
    ["[object Promise]", notText],
  ])("%j is refused and nothing is sent", async (id, why) => {
    const { client, sent } = setUp();
    for (const call of [client.get(id as string), client.wait(id as string)]) {
      const error = await errorOf(call, InvalidRequestError);
      expect(error).toMatchObject({ field: "taskId", mayHaveCreatedTask: false });
      expect(error.message).toBe(`The task id ${why}.`);
    }
    expect(sent).toEqual([]);
  });
});

describe("parseLipSyncRequest", () => {
  it("returns what create sends, as a copy", async () => {
    const row = { input: { video_id: "v", video_url: "", ...text, task_id: null }, note: "mine" };
    const request = parseLipSyncRequest(row);
    expectTypeOf(request).toEqualTypeOf<LipSyncRequest>();
    expect(request).toEqual({ input: { video_id: "v", ...text }, note: "mine" });
    expect(await sentBody(row)).toEqual(request);
    expect(row.input.video_url).toBe("");
  });

  it.each([undefined, "{}", { input: { video_url } }, { input: { videoUrl: video_url, ...text } }])(
    "throws what create rejects with: %j",
    async (value) => {
      const error = await refusal(value);
      expect(() => parseLipSyncRequest(value)).toThrow(error);
    },
  );
});
