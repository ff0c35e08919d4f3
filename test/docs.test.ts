/** The documentation comments of everything that is published, checked against the code. */
import { readFileSync } from "node:fs";
import path from "node:path";
import ts from "typescript";
import { describe, expect, it } from "vitest";
import * as library from "../src/index.js";

const project = path.join(import.meta.dirname, "..");
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

  it.each(callables.filter(({ throws }) => throws.length > 0))(
    "of $name has a @throws with a reason for every error that its code can end with",
    ({ symbol, name, throws }) => {
      const tags = symbol.getJsDocTags(checker).filter((tag) => tag.name === "throws");
      const texts = tags.map((tag) => ts.displayPartsToString(tag.text));
      const stated = texts.map((text) => /^(\w+) - \S/.exec(text)?.[1]);
      const waitedOut = name === "LipSyncClient.wait" ? ["ConnectionError"] : [];
      expect(stated.sort()).toEqual(throws.filter((error) => !waitedOut.includes(error)).sort());
    },
  );

  it("is checked for @throws at everything that throws", () => {
    const thrown = callables.flatMap(({ throws }) => throws);
    const classes = Object.values(library).filter(isError).map(nameOf);
    expect(classes.filter((name) => !thrown.includes(name))).toEqual(["LipSyncError"]);
  });
});

/** What the code falls back to where a number is absent, as it is written there. */
const defaultsInCode = numbersIn({
  LipSyncClientOptions: ["client.ts", /limitOf\("(\w+)", options\.\1, ([\d_]+)\)/g],
  WaitOptions: ["wait.ts", /limitOf\("(\w+)", options\.\1, ([\d_]+)\)/g],
  FakeGatewayOptions: ["testing.ts", /\b(polls) = (\d+)/g],
});

function numbersIn(places: Record<string, [file: string, fallback: RegExp]>) {
  const found = Object.entries(places).flatMap(([type, [file, fallback]]) => {
    const text = readFileSync(path.join(sources, file), "utf8");
    return [...text.matchAll(fallback)].map(([, name = "", number]) => [`${type}.${name}`, number]);
  });
  return Object.fromEntries(found) as Record<string, string>;
}

/** A function or method that is published, and the library's errors that it can end with. */
interface Callable {
  name: string;
  symbol: ts.Symbol;
  throws: string[];
}

/** The exported functions, and the methods of what they return. */
function callablesOf(symbols: ts.Symbol[]): Callable[] {
  const functions = symbols.flatMap((symbol) => {
    const declaration = symbol.valueDeclaration;
    return declaration && ts.isFunctionDeclaration(declaration) ? [{ symbol, declaration }] : [];
  });
  return functions.flatMap(({ symbol, declaration }) => {
    const methods = declaration.type ? methodsOf(declaration.type) : [];
    const object = returnedObject(declaration);
    return [
      { name: symbol.name, symbol, throws: errorsIn(declaration) },
      ...methods.map(({ type, method }) => {
        const code = object && checker.getTypeAtLocation(object).getProperty(method.name);
        const body = code && implementationOf(code);
        if (!body) throw new Error(`The code of ${type.name}.${method.name} is not found.`);
        return { name: `${type.name}.${method.name}`, symbol: method, throws: errorsIn(body) };
      }),
    ];
  });
}

/** The methods of a type of this library; its properties that are functions are not among them. */
function methodsOf(node: ts.TypeNode): { type: ts.Symbol; method: ts.Symbol }[] {
  const type = checker.getTypeFromTypeNode(node).symbol as ts.Symbol | undefined;
  if (!type?.declarations?.every(isOurs)) return [];
  const members = membersOf(type).filter(({ flags }) => flags & ts.SymbolFlags.Method);
  return members.map((method) => ({ type, method }));
}

function returnedObject(declaration: ts.FunctionDeclaration): ts.Expression | undefined {
  const statement = declaration.body?.statements.find(ts.isReturnStatement);
  return statement?.expression;
}

/** The code behind a name: a function, a method, an arrow function in a constant, or `{ name }`. */
function implementationOf(symbol: ts.Symbol): ts.Node | undefined {
  const declaration = symbol.valueDeclaration;
  if (!declaration || !isOurs(declaration)) return undefined;
  if (ts.isShorthandPropertyAssignment(declaration)) {
    const value = checker.getShorthandAssignmentValueSymbol(declaration);
    return value && implementationOf(value);
  }
  if (ts.isFunctionDeclaration(declaration) || ts.isMethodDeclaration(declaration)) {
    return declaration;
  }
  const value = ts.isVariableDeclaration(declaration) ? declaration.initializer : undefined;
  return value && ts.isArrowFunction(value) ? value : undefined;
}

/**
 * The errors of the library that are made in a function, in what it calls by name, and in what it
 * passes on. What it only returns, such as a method, runs later and is looked at by itself.
 */
function errorsIn(code: ts.Node, seen = new Set<ts.Node>()): string[] {
  if (seen.has(code)) return [];
  seen.add(code);
  const errors = new Set<string>();
  const add = (node: ts.Node) => {
    for (const error of errorsIn(node, seen)) errors.add(error);
  };
  const follow = (name: ts.Node) => {
    const symbol = checker.getSymbolAtLocation(name);
    const target = symbol && implementationOf(resolve(symbol));
    if (target) add(target);
  };
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) || ts.isNewExpression(node)) {
      const made = ts.isNewExpression(node) ? node.expression.getText() : "";
      if (isError(Reflect.get(library, made))) errors.add(made);
      for (const part of [node.expression, ...(node.arguments ?? [])]) {
        if (ts.isArrowFunction(part)) add(part);
        else if (ts.isIdentifier(part)) follow(part);
        else if (ts.isObjectLiteralExpression(part)) part.properties.forEach(passOn);
      }
    }
    if (node === code || !ts.isFunctionLike(node)) ts.forEachChild(node, visit);
  };
  const passOn = (property: ts.ObjectLiteralElementLike) => {
    if (ts.isShorthandPropertyAssignment(property)) {
      const value = checker.getShorthandAssignmentValueSymbol(property);
      const target = value && implementationOf(value);
      if (target) add(target);
    }
  };
  visit(code);
  return [...errors];
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
