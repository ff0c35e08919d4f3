// The medians of a run's figures, for the terminal and for docs/benchmarks.md.

/** Every round's value of each peer, by what was measured. */
export type Results = Record<string, Record<string, number[]>>;
type Medians = Record<string, Record<string, number>>;

const rounded = (value: number) => Number(value.toFixed(value < 100 ? 1 : 0));

/** The median of each peer's rounds, rounded. There is an odd number of rounds. */
export function mediansOf(results: Results): Medians {
  const medians: Medians = {};
  for (const [measured, byPeer] of Object.entries(results)) {
    const peers = Object.entries(byPeer).map(([peer, values]): [string, number] => {
      const sorted = [...values].sort((a, b) => a - b);
      return [peer, rounded(sorted[(sorted.length - 1) / 2] ?? NaN)];
    });
    medians[measured] = Object.fromEntries(peers);
  }
  return medians;
}
