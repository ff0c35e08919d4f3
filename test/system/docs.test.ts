/** The documentation comments of everything that is published, checked against the code. */
import { readFileSync } from "node:fs";
import path from "node:path";
import ts from "typescript";
import { describe, expect, it } from "vitest";
import * as library from "../../src/index.js";

const project = path.join(import.meta.dirname, "..", "..");
const sources = path.join(project, "src") + path.sep;
const entries = ["index.ts", "testing.ts"].map((name) => path.join(sources, name));
const program = ts.createProgram(entries, optionsOf("tsconfig.json"));
const checker = program.getTypeChecker();

const published = new Map(entries.flatMap(exportsOf).map((symbol) => [symbol.name, symbol]));
const optionTypes = [...published.values()].filter(({ name }) => name.endsWith("Options"));
const optionProperties = optionTypes.flatMap((type) =>
  membersOf(type).map((property) => ({ name: `${type.name}.${property.name}`, property })),
);
const callables = callablesOf([...published.values()]);

/** What each can end with, an abort and the caller's own errors apart. */
const ofAnyCall = ["InvalidRequestError", "ConfigurationError", "ApiError"];
const errorsOf = {
  createLipSyncClient: ["ConfigurationError"],
  parseTaskCallback: ["InvalidRequestError"],
  "LipSyncClient.create": [...ofAnyCall, "ConnectionError"],
  "LipSyncClient.get": [...ofAnyCall, "ConnectionError"],
  "LipSyncClient.wait": [...ofAnyCall, "TaskFailedError", "TaskTimeoutError"],
};

describe("the documentation comment", () => {
  it("is on every exported name", () => {
    expect(published.size).toBeGreaterThan(20);
    expect([...published.values()].filter((one) => docOf(one) === "").map(nameOf)).toEqual([]);
  });

  it("is on every property of the options", () => {
    expect(optionTypes.map(nameOf).sort()).toEqual([
      "FakeGatewayOptions",
      "LipSyncClientOptions",
      "RequestOptions",
      "WaitOptions",
    ]);
    const bare = optionProperties.filter(({ property }) => docOf(property) === "");
    expect(bare.map(nameOf)).toEqual([]);
  });

  it("is on every method", () => {
    expect(callables.map(nameOf)).toEqual(
      expect.arrayContaining(["LipSyncClient.create", "FakeGateway.answerNext"]) as unknown,
    );
    expect(callables.filter(({ symbol }) => docOf(symbol) === "").map(nameOf)).toEqual([]);
  });

  it.each(optionProperties.filter(({ property }) => isNumber(property)))(
    "of the number $name says its default, which is the code's",
    ({ name, property }) => {
      const stated = /default:? (the client's|[\d_]+)/i.exec(docOf(property))?.[1];
      expect(stated).toBe(defaultsInCode[name] ?? "the client's");
    },
  );

  it("says that creating a task is billed", () => {
    const create = callables.find(({ name }) => name === "LipSyncClient.create");
    expect(create && docOf(create.symbol)).toContain("billed");
  });

  it.each(Object.entries(errorsOf))(
    "of %s has a @throws for %j, each with a reason",
    (name, errors) => {
      const callable = callables.find((one) => one.name === name);
      const tags = callable?.symbol.getJsDocTags(checker).filter((tag) => tag.name === "throws");
      const texts = tags?.map((tag) => ts.displayPartsToString(tag.text));
      expect(texts?.map((text) => /^(\w+) - \S/.exec(text)?.[1]).sort()).toEqual(
        [...errors].sort(),
      );
    },
  );

  it("has a @throws for every error of the library, and nowhere else", () => {
    const classes = Object.values(library).filter(isError).map(nameOf);
    const named = new Set(Object.values(errorsOf).flat());
    expect(classes.filter((name) => !named.has(name))).toEqual(["LipSyncError"]);
    const tagged = callables.filter(({ symbol }) =>
      symbol.getJsDocTags(checker).some(({ name }) => name === "throws"),
    );
    expect(tagged.map(nameOf).sort()).toEqual(Object.keys(errorsOf).sort());
  });
});

/** What the code falls back to where a number is absent, as it is written there. */
const defaultsInCode = numbersIn({
  LipSyncClientOptions: ["client.ts", /checkNumber\("(\w+)", options\.\1, ([\d_]+)\)/g],
  WaitOptions: ["wait.ts", /checkNumber\("(\w+)", options\.\1, ([\d_]+)\)/g],
  FakeGatewayOptions: ["testing.ts", /\b(polls) = (\d+)/g],
});

function numbersIn(places: Record<string, [file: string, fallback: RegExp]>) {
  const found = Object.entries(places).flatMap(([type, [file, fallback]]) => {
    const text = readFileSync(path.join(sources, file), "utf8");
    return [...text.matchAll(fallback)].map(([, name = "", number]) => [`${type}.${name}`, number]);
  });
  return Object.fromEntries(found) as Record<string, string>;
}

/** A function or method that is published. */
interface Callable {
  name: string;
  symbol: ts.Symbol;
}

/** The exported functions, and the methods of what they return. */
function callablesOf(symbols: ts.Symbol[]): Callable[] {
  return symbols.flatMap((symbol) => {
    const declaration = symbol.valueDeclaration;
    if (!declaration || !ts.isFunctionDeclaration(declaration)) return [];
    const methods = declaration.type ? methodsOf(declaration.type) : [];
    return [{ name: symbol.name, symbol }, ...methods];
  });
}

/** The methods of a type of this library; its properties that are functions are not among them. */
function methodsOf(node: ts.TypeNode): Callable[] {
  const type = checker.getTypeFromTypeNode(node).symbol as ts.Symbol | undefined;
  if (!type?.declarations?.every(isOurs)) return [];
  const members = membersOf(type).filter(({ flags }) => flags & ts.SymbolFlags.Method);
  return members.map((symbol) => ({ name: `${type.name}.${symbol.name}`, symbol }));
}

function exportsOf(file: string): ts.Symbol[] {
  const source = program.getSourceFile(file);
  const module = source && checker.getSymbolAtLocation(source);
  if (!module) throw new Error(`The compiler has not read ${file}.`);
  return checker.getExportsOfModule(module).map(resolve);
}

function resolve(symbol: ts.Symbol): ts.Symbol {
  return symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
}

function membersOf(type: ts.Symbol): ts.Symbol[] {
  return [...(type.members?.values() ?? [])];
}

function docOf(symbol: ts.Symbol): string {
  return ts.displayPartsToString(symbol.getDocumentationComment(checker)).trim();
}

function isNumber(property: ts.Symbol): boolean {
  return /\bnumber\b/.test(checker.typeToString(checker.getTypeOfSymbol(property)));
}

function isError(value: unknown): value is new () => library.LipSyncError {
  if (typeof value !== "function") return false;
  return value === library.LipSyncError || value.prototype instanceof library.LipSyncError;
}

function isOurs(node: ts.Node): boolean {
  return node.getSourceFile().fileName.startsWith(sources.replaceAll(path.sep, "/"));
}

function nameOf({ name }: { name: string }): string {
  return name;
}

function optionsOf(file: string): ts.CompilerOptions {
  const config = ts.readConfigFile(path.join(project, file), (name) => ts.sys.readFile(name));
  return ts.parseJsonConfigFileContent(config.config, ts.sys, project).options;
}
