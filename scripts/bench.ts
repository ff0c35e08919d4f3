import { mkdtemp, readFile, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { isDeepStrictEqual, parseArgs } from "node:util";
import * as measure from "./bench/measure.js";
import { KEY, PATH, request, TASK } from "./bench/peer.js";
import { type Figures, type Language, OURS, report, withTables } from "./bench/report.js";
import { replaceFile } from "./files.js";
import { install, npmInstall, pack, root } from "./pack.js";
import { runScript } from "./run-script.js";

const USAGE = `Usage: npm run bench -- [options]

Measures what this library costs, beside its parts and beside what others use instead, and prints it
as Markdown. Takes some ten minutes; the first time, the others are installed.

  --quick       one short round: to see that it works, not how fast
  --markdown    write it into README.md and README.zh-CN.md
  --help        this text
`;

/** The name in the table, the file in bench/peers/, and the package. */
const PEERS = [
  { name: OURS, peer: OURS },
  { name: "`fetch`", peer: "fetch" },
  { name: "`fetch` with a time limit", peer: "fetch-with-limit" },
  { name: "openapi-fetch", peer: "openapi-fetch", version: "0.17.0" },
  { name: "openapi-fetch with a time limit", peer: "openapi-fetch-with-limit" },
  { name: "ky", peer: "ky", version: "2.1.0" },
  { name: "axios", peer: "axios", version: "1.21.1" },
  { name: "replicate", peer: "replicate", version: "1.4.0" },
  { name: "@fal-ai/client", peer: "fal", version: "1.10.1" },
  { name: "@runwayml/sdk", peer: "runway", version: "4.20.1" },
  { name: "openai", peer: "openai", version: "7.57.0" },
  { name: "@microfox/kling-ai", peer: "microfox", version: "1.2.0" },
  { name: "kling-api", peer: "kling-api", version: "1.0.0" },
] as const;

/** What these send instead, since they have hosts, paths or keys of their own. */
const SENDS_ITS_OWN = new Set(["fal", "microfox", "kling-api"]);
/** What these import cannot be bundled for a browser, or compiled without the types of Node. */
const NEED_NODE = new Set(["microfox", "kling-api"]);
const NAMES: string[] = PEERS.map(({ peer }) => peer);
const PACKAGES: Map<string, string> = new Map(
  PEERS.flatMap((entry) =>
    entry.peer === OURS || "version" in entry ? [[entry.peer, entry.name]] : [],
  ),
);
const POLLING = [OURS, "replicate", "fal", "runway", "openai", "kling-api"];
const THROUGHPUT = new Set(NAMES.slice(0, 5));

/** Tasks of 60 to 900 s, which do not all end when somebody asks. */
const TASKS_S = [
  60, 121.3, 182.6, 243.9, 305.2, 366.5, 427.8, 489.1, 550.4, 611.7, 673, 734.3, 795.6, 856.9, 900,
];

const LANGUAGES = ["en", "zh"] as const;

const FULL = {
  rounds: 9,
  ms: 400,
  imports: 7,
  operations: [10, 100, 1000],
  counted: NAMES.filter((peer) => !NEED_NODE.has(peer)),
  tasks: TASKS_S,
};
const QUICK = {
  rounds: 1,
  ms: 100,
  imports: 2,
  operations: [10],
  counted: [OURS, "openapi-fetch"],
  tasks: [121.3],
};

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      quick: { type: "boolean", default: false },
      markdown: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  if (values.quick && values.markdown) throw new Error("A quick run is nothing to publish.");
  for (const language of LANGUAGES) withTables(await readFile(readmeIn(language), "utf8"), "");
  const temporary = await mkdtemp(path.join(os.tmpdir(), "kling-lip-sync-bench-"));
  try {
    const places = await prepare(temporary);
    for (const place of places.values()) await expectSane(place);
    const figures = await measureAll(places, temporary, values.quick);
    console.log(report(figures, [...PEERS], "en"));
    for (const language of values.markdown ? LANGUAGES : []) await publish(figures, language);
    return 0;
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** Installs every peer into a folder of its own, and ours from the tarball. */
async function prepare(temporary: string): Promise<Map<string, measure.Place>> {
  const places = new Map<string, measure.Place>();
  const { filename } = await pack(temporary);
  const own = path.join(temporary, "own");
  await npmInstall(own, filename);
  let folder = own;
  for (const entry of PEERS) {
    if ("version" in entry) {
      const modules = path.dirname(await install(entry.name, entry.version));
      folder = path.dirname(entry.name.startsWith("@") ? path.dirname(modules) : modules);
    }
    places.set(entry.peer, await measure.place(folder, entry.peer));
  }
  return places;
}

/** Every peer sends the same request and gives the same answer, or is known not to. */
async function expectSane(place: measure.Place): Promise<void> {
  const { sent, isAnswered } = await measure.sends(place);
  const [post, get] = sent;
  const wanted = [`POST ${PATH}`, `GET ${PATH}/${TASK}`];
  const found = sent.map(({ method, url }) => `${method} ${new URL(url).pathname}`);
  const isSame =
    sent.length === 2 &&
    isDeepStrictEqual(found, wanted) &&
    isDeepStrictEqual(post?.body, request) &&
    get?.body === undefined &&
    post?.type?.startsWith("application/json") === true &&
    sent.every(({ key }) => key);
  if (isAnswered && isSame !== SENDS_ITS_OWN.has(place.peer)) return;
  const what = JSON.stringify({ sent, isAnswered }).replaceAll(KEY, "***");
  throw new Error(`${place.peer} is not measured with the same request and answer: ${what}`);
}

async function measureAll(
  places: Map<string, measure.Place>,
  temporary: string,
  isQuick: boolean,
): Promise<Figures> {
  const figures: Figures = new Map();
  const add = (peer: string, found: Record<string, number>) => {
    for (const [what, value] of Object.entries(found)) {
      const all = figures.get(what) ?? new Map<string, number[]>();
      figures.set(what, all.set(peer, [...(all.get(peer) ?? []), value]));
    }
  };
  const placeOf = (peer: string) => places.get(peer) as measure.Place;
  const { rounds, ms, imports, operations, counted, tasks } = isQuick ? QUICK : FULL;

  // What is the same in each round.
  for (const [peer, place] of places) {
    if (!NEED_NODE.has(peer)) add(peer, { bundle: await measure.bundleBytes(place) });
    if (PACKAGES.has(peer)) add(peer, await measure.installed(place));
    if (counted.includes(peer)) add(peer, { instantiations: measure.instantiations(place) });
  }
  for (const peer of POLLING) add(peer, await measure.polls(placeOf(peer), tasks));
  const [asked, noticed] = [figures.get("requests"), figures.get("delay")];
  const isLess = (of: typeof asked, peer: string) =>
    Number(of?.get(peer)?.[0]) < Number(of?.get(OURS)?.[0]);
  const better = POLLING.filter((peer) => isLess(asked, peer) && isLess(noticed, peer));
  add(OURS, { "better at both": better.length });
  await measure.writeOneLine(placeOf(OURS));

  const documents = new Map<number, string>();
  for (const n of operations) documents.set(n, await measure.writeDocument(temporary, n));
  const gateway = await measure.startGateway(placeOf(OURS));
  try {
    for (let round = 1; round <= rounds; round++) {
      console.error(`Round ${round} of ${rounds}.`);
      // Another one begins each round, and every second goes backwards.
      const turns = [...NAMES.slice(round), ...NAMES.slice(0, round)];
      for (const peer of round % 2 === 0 ? turns.reverse() : turns) {
        const place = placeOf(peer);
        const name = PACKAGES.get(peer);
        if (name !== undefined)
          add(peer, { import: measure.importMs(place.folder, name, imports) });
        add(peer, await measure.cpu(place, ms));
        if (!THROUGHPUT.has(peer)) continue;
        for (const atOnce of [1, 64]) {
          const perSecond = await measure.throughput(place, gateway.url, atOnce, 2 * ms);
          add(peer, { [`throughput ${atOnce}`]: perSecond });
        }
      }
      add("one-line", { import: measure.importMs(placeOf(OURS).folder, "one-line", imports) });
      add(OURS, await measure.waits(placeOf(OURS), 10_000));
      for (const [n, file] of documents) {
        const { ours, theirs } = await measure.generatorMs(file);
        add(OURS, { [`generate ${n}`]: ours });
        add("openapi-typescript", { [`generate ${n}`]: theirs });
      }
    }
  } finally {
    gateway.stop();
  }
  return figures;
}

function readmeIn(language: Language): string {
  return path.join(root, language === "en" ? "README.md" : "README.zh-CN.md");
}

/** Writes the tables into a README. */
async function publish(figures: Figures, language: Language): Promise<void> {
  const file = readmeIn(language);
  const tables = `${conditions(language)}\n\n${report(figures, [...PEERS], language)}`;
  await replaceFile(file, withTables(await readFile(file, "utf8"), tables));
}

/** When, where and with what it was measured. */
function conditions(language: Language): string {
  const date = new Date().toISOString().slice(0, 10);
  const versions = PEERS.flatMap((entry) =>
    "version" in entry ? `${entry.name} ${entry.version}` : [],
  );
  const machine = `Node ${process.versions.node}, ${process.platform}, ${os.cpus().length} × ${os.cpus()[0]?.model.trim() ?? ""}`;
  return language === "en"
    ? `Measured on ${date}: ${machine}; ${versions.join(", ")}.`
    : `测于 ${date}：${machine}；${versions.join("、")}。`;
}

await runScript(import.meta.url, main);
