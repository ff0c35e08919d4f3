// The documentation comments of everything that is published, checked against the code.
import ts from "typescript";
import { describe, expect, it } from "vitest";
import { compileLibrary, defaultIn, type Name } from "../fixtures/compiler.js";
import { readProject } from "../fixtures/scripts.js";

const { checker, published, members, errors } = compileLibrary();
const options = members.filter(({ name }) => /^\w+Options\./.test(name));
const callables = [
  ...published.filter(({ symbol }) => symbol.flags & ts.SymbolFlags.Function),
  ...members.filter(({ symbol }) => symbol.flags & ts.SymbolFlags.Method),
].filter(({ name }) => !/^LipSync(?:Job|Queue)\./.test(name)); // BullMQ documents its own methods

/** What each can end with, an abort and the caller's own errors apart. */
const ofAnyCall = ["ApiError", "ConfigurationError", "InvalidRequestError"];
const errorsOf = {
  createLipSyncClient: ["ConfigurationError"],
  parseTaskCallback: ["InvalidRequestError"],
  lipSyncProcessor: ["ConfigurationError"],
  settleLipSyncJob: ["InvalidRequestError"],
  runLipSyncBatch: ["ConfigurationError", "InvalidRequestError"],
  readLipSyncBatch: ["ConfigurationError", "InvalidRequestError"],
  settleLipSyncClip: ["ConfigurationError", "InvalidRequestError"],
  receiveLipSyncCallback: [...ofAnyCall, "ConnectionError"].sort(),
  "LipSyncClient.create": [...ofAnyCall, "ConnectionError"].sort(),
  "LipSyncClient.get": [...ofAnyCall, "ConnectionError"].sort(),
  "LipSyncClient.wait": [...ofAnyCall, "TaskFailedError", "TaskTimeoutError"],
};

/** What the code falls back to where a number is absent, as it is written there. */
const defaultsInCode: Record<string, string> = {
  ...(await numbersIn("LipSyncClientOptions", "client.ts")),
  ...(await numbersIn("WaitOptions", "wait.ts")),
  ...(await numbersIn("FakeGatewayOptions", "testing.ts")),
  ...(await numbersIn("LipSyncBatchOptions", "batch/session.ts")),
  ...(await numbersIn("LipSyncProcessorOptions", "bullmq/processor.ts")),
};

describe("the documentation comment", () => {
  it("is on every exported name and every member", () => {
    const documented = [...published, ...members.filter((member) => !isKnown(member))];
    const some = ["ApiKey", "FakeGatewayOptions.polls", "RequestOptions.signal"];
    const methods = ["LipSyncClient.create", "FakeGateway.answerNext"];
    const names = documented.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining([...some, ...methods]));
    expect(documented.filter(({ doc }) => doc === "").map(({ name }) => name)).toEqual([]);
  });

  const withDefault = options.filter(isNumber).filter(({ name }) => !name.endsWith(".durationMs"));

  it.each(withDefault)("of $name says the default of the code", ({ name, doc }) => {
    expect(defaultIn(doc)).toBe(defaultsInCode[name] ?? "the client's");
  });

  it("says that creating a task is billed", () => {
    expect(callables.find(({ name }) => name === "LipSyncClient.create")?.doc).toContain("billed");
  });

  it("has a @throws with a reason for every error, and nowhere else", () => {
    const tagged = callables.map(({ name, symbol }) => {
      const tags = symbol.getJsDocTags(checker).filter((tag) => tag.name === "throws");
      const texts = tags.map((tag) => ts.displayPartsToString(tag.text));
      const classes = texts.map((text) => /^(\w+) - \S/.exec(text)?.[1] ?? "no reason");
      return [name, classes.sort()] as const;
    });
    const throwing = tagged.filter(([, classes]) => classes.length > 0);
    expect(Object.fromEntries(throwing)).toEqual(errorsOf);
  });

  it("has a @throws for each error of the library somewhere", () => {
    const named = new Set(Object.values(errorsOf).flat());
    expect(errors.filter((name) => !named.has(name))).toEqual(["LipSyncError"]);
  });
});

async function numbersIn(type: string, file: string): Promise<Record<string, string>> {
  const text = await readProject("src", file);
  const checked = text.matchAll(/check(?:Number|Time)\("(\w+)", ([\d_]+), options\.\1\)/g);
  const destructured = text.matchAll(/\b(\w+) = (Infinity|[\d_]+)[,} ]/g);
  const found = [...checked, ...destructured];
  return Object.fromEntries(found.map(([, name = "", number = ""]) => [`${type}.${name}`, number]));
}

/** What readers know from BullMQ, from `Error`, from the states of a clip, or from the type that a member narrows. */
function isKnown({ name }: Name): boolean {
  return /^LipSync(?:Job|Queue)\.|Error\.(?:name|__constructor)$|^Succeeded/.test(name);
}

function isNumber({ symbol }: Name): boolean {
  return /\bnumber\b/.test(checker.typeToString(checker.getTypeOfSymbol(symbol)));
}
