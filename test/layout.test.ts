import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";

const src = path.join(import.meta.dirname, "..", "src");
const names = readdirSync(src, { recursive: true, encoding: "utf8" });
const files = new Map(
  names
    .filter((name) => name.endsWith(".ts"))
    .map((name) => [name, readFileSync(path.join(src, name), "utf8")]),
);

/** The files of src/ that a file imports, types included. */
function importsOf(name: string): string[] {
  const found = [...(files.get(name) ?? "").matchAll(/from "(\.[\w/.-]+)\.js"/g)];
  return found.map(([, target = ""]) => path.join(path.dirname(name), `${target}.ts`));
}

/** The ways from a file back to itself. */
function circlesFrom(name: string, way: string[] = [name]): string[] {
  return importsOf(way.at(-1) ?? "").flatMap((next) => {
    if (next === name) return [[...way, next].join(" -> ")];
    return way.includes(next) ? [] : circlesFrom(name, [...way, next]);
  });
}

describe("src/", () => {
  it.each([...files.keys()])("%s is in no circle of imports", (name) => {
    expect(circlesFrom(name)).toEqual([]);
  });

  it.each([...files])("%s says first what the room is for", (_, text) => {
    expect(text).toMatch(/^\/\/ \S.{20,}/);
  });

  it("imports openapi-fetch in one file", () => {
    const importing = [...files].filter(([, text]) => text.includes('from "openapi-fetch"'));
    expect(importing.map(([name]) => name)).toEqual(["client.ts"]);
  });
});
