/** The figures of each peer, one a round, by what was measured. */
export type Figures = Map<string, Map<string, number[]>>;

/** English, and Chinese for README.zh-CN.md. */
export type Language = "en" | "zh";
type Words = Record<Language, string>;

/** A peer and its name in the tables. */
export interface Named {
  name: string;
  peer: string;
}

export const OURS = "kling-lip-sync";
const WITH_LIMIT = "openapi-fetch-with-limit";

/** A figure in its unit, with the decimals that it deserves. */
type Unit = (value: number) => string;

const kilobytes: Unit = (bytes) => `${(bytes / 1000).toFixed(1)} kB`;
const milliseconds: Unit = (ms) => `${ms.toFixed(1)} ms`;
const seconds: Unit = (ms) => `${(ms / 1000).toFixed(1)} s`;
const microseconds: Unit = (us) => `${us.toFixed(0)} µs`;
const whole: Unit = (value) => Math.round(value).toLocaleString("en-US");
const wholeKilobytes: Unit = (bytes) => `${whole(bytes / 1000)} kB`;
const percent: Unit = (value) => `${value.toFixed(1)} %`;

/** A figure of ours with its target: a ratio to its floor, or a value. */
interface Target {
  figure: string;
  unit: Unit;
  en: string;
  zh: string;
  floor?: string;
  target: string;
  isMet: (median: number, ratio: number) => boolean;
  /** What stands in the way of a target that is missed; `{figure peer}` is what was measured. */
  reason?: Words;
}

const atMost = (limit: number) => (median: number) => median <= limit;
const ratioAtMost = (limit: number) => (_: number, ratio: number) => ratio <= limit;
const ratioAtLeast = (limit: number) => (_: number, ratio: number) => ratio >= limit;

/** Timed apart, since these are parts of one process. */
const GENERATOR_REASON: Words = {
  en: "timed apart, for 1,000 operations: tsx takes 0.5 s to start and 0.5 s more than Node does to load the compiler, YAML takes 1.5 s to be read and written, and what was made is type-checked before it is written, which takes 0.9 s. openapi-typescript's own command line reads YAML in a tenth of the time, corrects and checks nothing, and writes no document.",
  zh: "单独计时，1,000 个操作：tsx 启动 0.5 秒，经它加载编译器比 Node 多 0.5 秒；读写 YAML 1.5 秒；生成的类型在写入之前要经过类型检查，0.9 秒。openapi-typescript 自己的命令行读 YAML 只要十分之一的时间，不修正、不检查，也不写出文档。",
};

const TARGETS: Target[] = [
  {
    figure: "bundle",
    unit: kilobytes,
    en: "Bundle: import the client, create one task; minified, gzip",
    zh: "打包体积：导入客户端并创建一个任务；压缩，gzip",
    floor: "openapi-fetch",
    target: "≤ 6.0 kB",
    isMet: atMost(6000),
    reason: {
      en: "openapi-fetch cannot be imported in part, and is {bundle openapi-fetch} of it with its caller. The rest reads answers within bounds, decides what may be repeated, takes the key out of errors and ends calls in time; none of that is left out to be smaller.",
      zh: "其中 openapi-fetch 无法只导入一部分，连同调用它的代码是 {bundle openapi-fetch}。其余的代码负责有上限地读取响应、判断什么可以重试、从错误里去掉密钥、按时结束调用；不会为了更小而省掉它们。",
    },
  },
  {
    figure: "packages",
    unit: whole,
    en: "Installed: packages",
    zh: "安装：包的数量",
    target: "3",
    isMet: atMost(3),
  },
  {
    figure: "installed",
    unit: wholeKilobytes,
    en: "Installed: size",
    zh: "安装：大小",
    floor: "openapi-fetch",
    target: "< 500 kB",
    isMet: atMost(500_000),
  },
  {
    figure: "import",
    unit: milliseconds,
    en: "Import in a new process",
    zh: "在新进程里 import",
    floor: "openapi-fetch",
    target: "≤ 1.3 ×",
    isMet: ratioAtMost(1.3),
    reason: {
      en: "a second package has to be found and a second file to be read. A package of one line that does nothing but import openapi-fetch takes {import one-line}.",
      zh: "要多找一个包，多读一个文件。一个只有一行、只导入 openapi-fetch 的包就需要 {import one-line}。",
    },
  },
  {
    figure: "post",
    unit: microseconds,
    en: "CPU of a POST whose `fetch` answers at once",
    zh: "一次 POST 的 CPU，`fetch` 立即返回",
    floor: WITH_LIMIT,
    target: "≤ 1.2 ×",
    isMet: ratioAtMost(1.2),
  },
  {
    figure: "get",
    unit: microseconds,
    en: "CPU of a GET whose `fetch` answers at once",
    zh: "一次 GET 的 CPU，`fetch` 立即返回",
    floor: WITH_LIMIT,
    target: "≤ 1.2 ×",
    isMet: ratioAtMost(1.2),
  },
  ...[1, 64].map((atOnce): Target => ({
    figure: `throughput ${atOnce}`,
    unit: whole,
    en: `Calls a second at a server on the machine, ${atOnce} at once`,
    zh: `每秒调用次数，本机服务器，同时 ${atOnce} 个`,
    floor: WITH_LIMIT,
    target: "≥ 1.0 ×",
    isMet: ratioAtLeast(1),
  })),
  {
    figure: "instantiations",
    unit: whole,
    en: "Type instantiations of a file that calls it, above an empty file",
    zh: "调用它的一个文件的类型实例化次数，减去空文件",
    floor: "openapi-fetch",
    target: "≤ 500",
    isMet: atMost(500),
  },
  {
    figure: "heap",
    unit: (bytes) => `${whole(bytes)} B`,
    en: "Heap of each of 10,000 sleeping `wait`s",
    zh: "10,000 个休眠的 `wait`，每个占用的堆",
    target: "≤ 4,096 B",
    isMet: atMost(4096),
  },
  {
    figure: "idle",
    unit: percent,
    en: "CPU of one core that these 10,000 take while they sleep",
    zh: "这 10,000 个休眠时占用的单核 CPU",
    target: "≤ 2 %",
    isMet: atMost(2),
  },
  {
    figure: "better at both",
    unit: whole,
    en: "Waiting: others that send fewer requests and notice the end sooner",
    zh: "等待：请求更少、又更早发现任务结束的其他库",
    target: "0",
    isMet: atMost(0),
  },
  ...[10, 100, 1000].map((operations): Target => ({
    figure: `generate ${operations}`,
    unit: seconds,
    en: `\`npm run generate\` for ${whole(operations)} operations`,
    zh: `\`npm run generate\`，${whole(operations)} 个操作`,
    floor: "openapi-typescript",
    target: operations < 100 ? "–" : "≤ 1.5 ×",
    isMet: ratioAtMost(operations < 100 ? Infinity : 1.5),
    reason:
      operations < 1000
        ? { en: "as for 1,000 operations.", zh: "同 1,000 个操作。" }
        : GENERATOR_REASON,
  })),
];

/** What everybody is compared by. */
const COLUMNS: (Words & { figure: string; unit: Unit })[] = [
  { figure: "bundle", unit: kilobytes, en: "Bundle", zh: "打包体积" },
  { figure: "packages", unit: whole, en: "Packages", zh: "包" },
  { figure: "installed", unit: wholeKilobytes, en: "Installed", zh: "安装大小" },
  { figure: "import", unit: milliseconds, en: "Import", zh: "import" },
  { figure: "post", unit: microseconds, en: "POST", zh: "POST" },
  { figure: "get", unit: microseconds, en: "GET", zh: "GET" },
  { figure: "instantiations", unit: whole, en: "Instantiations", zh: "类型实例化" },
];

const POLLING: (Words & { figure: string; unit: Unit })[] = [
  { figure: "requests", unit: whole, en: "Requests a task", zh: "每个任务的请求数" },
  { figure: "delay", unit: (s) => `${s.toFixed(1)} s`, en: "Noticed after", zh: "多久后发现" },
  { figure: "givenUp", unit: whole, en: "Tasks given up", zh: "放弃的任务" },
];

/** The tables as Markdown. */
export function report(figures: Figures, peers: Named[], language: Language): string {
  const say = (words: Words) => words[language];
  const nameOf = (peer: string) => peers.find((one) => one.peer === peer)?.name ?? peer;
  const median = (figure: string, peer: string) => medianOf(figures.get(figure)?.get(peer) ?? []);
  const cell = (figure: string, unit: Unit, peer: string) =>
    withRange(figures.get(figure)?.get(peer) ?? [], unit);

  const misses: string[] = [];
  const targets = TARGETS.filter(({ figure }) => figures.has(figure)).map((row) => {
    const { figure, unit, floor, target } = row;
    const ours = median(figure, OURS);
    const ratio = floor === undefined ? NaN : ours / median(figure, floor);
    const beside = floor === undefined ? "" : `${nameOf(floor)} ${cell(figure, unit, floor)}`;
    const isMet = row.isMet(ours, ratio);
    if (!isMet && row.reason) {
      const reason = say(row.reason).replace(
        /\{(\S+) (\S+)\}/g,
        (_, figure: string, peer: string) => cell(figure, unit, peer),
      );
      misses.push(`- **${say(row)}**${say({ en: ": ", zh: "：" })}${reason}`);
    }
    const times = Number.isNaN(ratio) ? "" : `${ratio.toFixed(2)} ×`;
    const verdict = isMet
      ? target
      : say({ en: `${target}, **missed**`, zh: `${target}，**未达到**` });
    return [say(row), cell(figure, unit, OURS), beside, times, verdict];
  });

  const besides = peers.map(({ name, peer }) => [
    name,
    ...COLUMNS.map(({ figure, unit }) => cell(figure, unit, peer)),
  ]);
  const polling = [...(figures.get("requests")?.keys() ?? [])].map((peer) => [
    nameOf(peer),
    ...POLLING.map(({ figure, unit }) => cell(figure, unit, peer)),
  ]);
  const blank: Words = { en: "", zh: "" };
  const head = (...words: Words[]) => words.map(say);
  return [
    table(
      head(
        { en: "What", zh: "项目" },
        { en: OURS, zh: OURS },
        { en: "Beside", zh: "对照" },
        { en: "Ratio", zh: "比值" },
        { en: "Target", zh: "目标" },
      ),
      targets,
    ),
    ...(misses.length > 0 ? [misses.join("\n")] : []),
    table(head(blank, ...COLUMNS), besides),
    table(head(blank, ...POLLING), polling),
  ].join("\n\n");
}

/** A README with the tables between its two marks. */
export function withTables(readme: string, tables: string): string {
  const marked = /(?<=<!-- bench -->\n).*(?=<!-- \/bench -->)/s;
  if (!marked.test(readme)) throw new Error("A README has no marks for the tables.");
  return readme.replace(marked, () => `\n${tables}\n\n`);
}

function table(head: string[], rows: string[][]): string {
  const lines = [head, head.map(() => "---"), ...rows];
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function medianOf(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return ((sorted[Math.floor(middle)] ?? NaN) + (sorted[Math.ceil(middle)] ?? NaN)) / 2;
}

/** The median, and what it varied between; a dash for what cannot be measured. */
function withRange(values: number[], unit: Unit): string {
  const median = medianOf(values);
  if (Number.isNaN(median)) return "–";
  const [low, high] = [Math.min(...values), Math.max(...values)];
  if (low === high) return unit(median);
  const bare = (value: number) => unit(value).replace(/ \S+$/, "");
  return `${unit(median)} (${bare(low)}–${bare(high)})`;
}
