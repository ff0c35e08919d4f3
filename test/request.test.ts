import { describe, expect, expectTypeOf, it } from "vitest";
import type { paths } from "../generated/schema.js";
import {
  createLipSyncClient,
  InvalidRequestError,
  type LipSyncClient,
  type LipSyncRequest,
} from "../src/index.js";
import { createFakeGateway } from "../src/testing.js";

type Create = LipSyncClient["create"];
const speech = { text: "你好", voice_id: "girlfriend_1_speech02", voice_language: "zh" } as const;
const text = { mode: "text2video", ...speech } as const;
const audio = { mode: "audio2video" } as const;

/** Creates with what TypeScript would not let pass, and returns the body that the server saw. */
async function sent(request: unknown): Promise<unknown> {
  const gateway = createFakeGateway();
  gateway.answerNext(Response.json({ code: 0, data: { task_id: "t", task_status: "submitted" } }));
  await createLipSyncClient(gateway).create(request as LipSyncRequest);
  return gateway.received[0]?.body;
}

async function refusal(request: unknown): Promise<InvalidRequestError> {
  const gateway = createFakeGateway();
  const error: unknown = await createLipSyncClient(gateway)
    .create(request as LipSyncRequest)
    .catch((error: unknown) => error);
  expect(error).toBeInstanceOf(InvalidRequestError);
  expect(gateway.received).toEqual([]);
  expect((error as InvalidRequestError).mayHaveCreatedTask).toBe(false);
  return error as InvalidRequestError;
}

const compiles = (check: (create: Create) => void) => {
  expect(check).toBeTypeOf("function");
};

describe("the either/or rule", () => {
  it("takes a video_id", async () => {
    const request: LipSyncRequest = { input: { video_id: "v", ...text } };
    await expect(sent(request)).resolves.toEqual(request);
  });

  it("takes a video_url", async () => {
    const request: LipSyncRequest = { input: { video_url: "https://a.example/v.mp4", ...text } };
    await expect(sent(request)).resolves.toEqual(request);
  });

  it("takes one of them beside an explicit undefined", async () => {
    const request: LipSyncRequest = { input: { video_id: "v", video_url: undefined, ...text } };
    await expect(sent(request)).resolves.toEqual({ input: { video_id: "v", ...text } });
  });

  it.each([[""], [" \t"], ["\u3000"], ["\u00a0\ufeff"], [null], [undefined]])(
    "leaves %j out of the body where the other one is given",
    async (blank) => {
      const input = { video_id: "v", ...text };
      await expect(sent({ input: { ...input, video_url: blank } })).resolves.toEqual({ input });
      const other = { video_url: "https://a.example/v.mp4", ...text };
      await expect(sent({ input: { ...other, video_id: blank } })).resolves.toEqual({
        input: other,
      });
    },
  );

  it("refuses both", async () => {
    const error = await refusal({ input: { video_id: "v", video_url: "u", ...text } });
    expect(error.field).toBe("input.video_url");
    expect(error.message).toBe("Give either input.video_id or input.video_url, not both.");
    compiles((create) => {
      // @ts-expect-error -- both videos
      void create({ input: { video_id: "v", video_url: "u", ...text } });
      // @ts-expect-error -- both, from variables
      void create({ input: { video_id: String(1), video_url: String(2), ...text } });
    });
  });

  it.each([[{}], [{ video_id: "" }], [{ video_id: null, video_url: "\u3000" }]])(
    "refuses neither: %j",
    async (video) => {
      const error = await refusal({ input: { ...video, ...text } });
      expect(error.field).toBe("input.video_url");
      expect(error.message).toContain("either input.video_id or input.video_url");
      compiles((create) => {
        // @ts-expect-error -- neither video
        void create({ input: { ...text } });
        // @ts-expect-error -- both undefined
        void create({ input: { video_id: undefined, video_url: undefined, ...text } });
        // @ts-expect-error -- null is not a video
        void create({ input: { video_id: null, ...text } });
      });
    },
  );

  it.each([
    [5],
    [NaN],
    [true],
    [["v"]],
    [{ id: "v" }],
    [Symbol("v")],
    [() => "v"],
    [new String("v")],
  ])("refuses %o, which is not a string", async (video) => {
    const error = await refusal({ input: { video_id: video, video_url: "u", ...text } });
    expect(error.field).toBe("input.video_id");
    expect((await refusal({ input: { video_url: video, ...text } })).field).toBe("input.video_url");
    compiles((create) => {
      // @ts-expect-error -- not a string
      void create({ input: { video_id: 5, ...text } });
    });
  });

  it("works on frozen input and never changes the caller's object", async () => {
    const input = Object.freeze({ video_id: "v", video_url: " ", ...text });
    const request = Object.freeze({ input });
    await expect(sent(request)).resolves.toEqual({ input: { video_id: "v", ...text } });
    expect(input.video_url).toBe(" ");
  });
});

describe("the fields of a mode", () => {
  it.each(["text", "voice_id", "voice_language"])("text2video needs %s", async (field) => {
    for (const blank of [undefined, null, "", "\u3000", 5]) {
      const error = await refusal({ input: { video_id: "v", ...text, [field]: blank } });
      expect(error.field).toBe(`input.${field}`);
      expect(error.message).toContain(`input.${field}`);
    }
    compiles((create) => {
      const { voice_id, voice_language } = speech;
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
    });
  });

  it("audio2video needs an audio_type and its field", async () => {
    const video = { video_id: "v", ...audio };
    expect((await refusal({ input: video })).field).toBe("input.audio_type");
    const url = { ...video, audio_type: "url" };
    expect((await refusal({ input: url })).field).toBe("input.audio_url");
    const file = { ...video, audio_type: "file" };
    expect((await refusal({ input: { ...file, audio_url: "u" } })).field).toBe("input.audio_file");
    compiles((create) => {
      // @ts-expect-error -- no audio_type
      void create({ input: { video_id: "v", ...audio, audio_url: "u" } });
      // @ts-expect-error -- no audio_url
      void create({ input: { video_id: "v", ...audio, audio_type: "url" } });
      // @ts-expect-error -- the field of the other audio_type
      void create({ input: { video_id: "v", ...audio, audio_type: "file", audio_url: "u" } });
    });
  });

  it("audio2video takes a URL or a file", async () => {
    const url: LipSyncRequest = {
      input: { video_id: "v", ...audio, audio_type: "url", audio_url: "https://a.example/a.mp3" },
    };
    const file: LipSyncRequest = {
      input: { video_id: "v", ...audio, audio_type: "file", audio_file: "AAAA" },
    };
    await expect(sent(url)).resolves.toEqual(url);
    await expect(sent(file)).resolves.toEqual(file);
  });

  it("a mode is always needed", async () => {
    expect((await refusal({ input: { video_id: "v", ...speech } })).field).toBe("input.mode");
    compiles((create) => {
      // @ts-expect-error -- no mode
      void create({ input: { video_id: "v", ...speech } });
      // @ts-expect-error -- no such mode
      void create({ input: { video_id: "v", ...speech, mode: "sing" } });
    });
  });

  it("an unknown mode, an unknown audio_type and unknown fields pass for the server to judge", async () => {
    const mode = { input: { video_id: "v", mode: "song2video", melody: [1, 2] }, priority: 1 };
    await expect(sent(mode)).resolves.toEqual(mode);
    const type = { input: { video_id: "v", ...audio, audio_type: "stream", audio_stream: "s" } };
    await expect(sent(type)).resolves.toEqual(type);
  });

  it("optional fields accept an explicit undefined, which is not sent", async () => {
    const request: LipSyncRequest = {
      input: { video_id: "v", ...text, voice_speed: undefined, task_id: undefined },
      callback_url: undefined,
    };
    await expect(sent(request)).resolves.toEqual({ input: { video_id: "v", ...text } });
    const full: LipSyncRequest = {
      input: { video_id: "v", ...text, voice_speed: 1.2, task_id: "parent" },
      callback_url: "https://me.example/hook",
    };
    await expect(sent(full)).resolves.toEqual(full);
  });
});

describe("the request", () => {
  it.each([[undefined], [null], [5], ["input"], [[]], [{}], [{ input: null }], [{ input: [] }]])(
    "%j has no input",
    async (request) => {
      expect(await refusal(request)).toMatchObject({
        field: "input",
        message: "The request has no `input`.",
      });
      compiles((create) => {
        // @ts-expect-error -- no input
        void create({});
      });
    },
  );

  it("is judged by what its JSON is, getters and toJSON included", async () => {
    const both = { video_id: "v", video_url: "u", ...text };
    const sly = { ...both, toJSON: () => ({ video_id: "v", ...text }) };
    expect((await refusal({ input: sly })).field).toBe("input.video_url");
    const hidden = { video_id: "v", ...text, toJSON: () => both };
    expect((await refusal({ input: hidden })).field).toBe("input.video_url");
    expect((await refusal({ toJSON: () => undefined })).field).toBe("input");
  });

  it("that is not JSON is refused", async () => {
    const circle: Record<string, unknown> = { video_id: "v", ...text };
    circle["self"] = circle;
    expect((await refusal({ input: circle })).field).toBe("input");
    expect(
      (await refusal({ input: { video_id: "v", ...text, voice_speed: 1n } })).message,
    ).toContain("not JSON");
  });

  it("has no any, and its fields are those of the generated document", () => {
    type Input = LipSyncRequest["input"];
    type Generated =
      paths["/kling/v1/videos/lip-sync"]["post"]["requestBody"]["content"]["application/json"];
    expectTypeOf<Input>().not.toBeAny();
    expectTypeOf<Input["mode"]>().toEqualTypeOf<Generated["input"]["mode"]>();
    expectTypeOf<Input["task_id"]>().toEqualTypeOf<string | undefined>();
    expectTypeOf<Extract<Input, { mode: "text2video" }>["voice_speed"]>().toEqualTypeOf<
      number | undefined
    >();
    expectTypeOf<LipSyncRequest["callback_url"]>().toEqualTypeOf<string | undefined>();
  });
});

describe("a task id", () => {
  it.each([
    ["plain-1", "plain-1"],
    ["a/b", "a%2Fb"],
    ["a?b#c", "a%3Fb%23c"],
    [" a b ", "%20a%20b%20"],
    ["任务", "%E4%BB%BB%E5%8A%A1"],
    ["%2e%2e", "%252e%252e"],
    ["...", "..."],
    ["$&{task_id}", "%24%26%7Btask_id%7D"],
  ])("%j is asked for as %s", async (id, segment) => {
    const gateway = createFakeGateway();
    gateway.tasks.set(id, { task_id: id, task_status: "failed", created_at: 1, updated_at: 1 });
    await expect(createLipSyncClient(gateway).get(id)).resolves.toMatchObject({ task_id: id });
    expect(gateway.received[0]?.path).toBe(`/kling/v1/videos/lip-sync/${segment}`);
  });

  it.each([[""], [" "], ["\u3000"], ["."], [".."], [" .. "], ["\ud800"], [5], [undefined], [null]])(
    "%j is refused and nothing is sent",
    async (id) => {
      const gateway = createFakeGateway();
      const client = createLipSyncClient(gateway);
      for (const call of [client.get(id as string), client.wait(id as string)]) {
        const error: unknown = await call.catch((error: unknown) => error);
        expect(error).toBeInstanceOf(InvalidRequestError);
        expect(error).toMatchObject({ field: "taskId", mayHaveCreatedTask: false });
        expect(String(error)).toMatch(/The task id (?:is not a string|is blank|holds half)/);
      }
      expect(gateway.received).toEqual([]);
    },
  );
});
