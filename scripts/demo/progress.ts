// What is seen while the demo waits: a line that is redrawn where the terminal can do that.
import yoctoSpinner from "yocto-spinner";

type Outcome = "success" | "error";

/** Status and elapsed time: a spinner where the terminal can show one, else a line a status. */
export function showTask() {
  let status = "asking the gateway";
  const seconds = stopwatch();
  const line = () => `${seconds()} s  ${status}`;
  const end = startSpinner(line);
  return {
    update(next: string) {
      status = next;
      if (!end) console.log(line());
    },
    end: (outcome: Outcome) => end?.(outcome),
  };
}

/** Bytes and elapsed time: a spinner where the terminal can show one, else a line at the end. */
export function showDownload() {
  let size = "asking for the video";
  const seconds = stopwatch();
  const line = () => `${seconds()} s  ${size}`;
  const end = startSpinner(line);
  return {
    update(bytes: number, total: number | undefined) {
      size = sizeOf(bytes, total);
    },
    end(outcome: Outcome) {
      if (end) end(outcome);
      else if (outcome === "success") console.log(line());
    },
  };
}

/** Shows a line until the function that it returns is called; undefined where it cannot be redrawn. */
function startSpinner(line: () => string): ((outcome: Outcome) => void) | undefined {
  // Elsewhere yocto-spinner would print a line for every frame.
  const isAnimated =
    process.stdout.isTTY && process.env["TERM"] !== "dumb" && !("CI" in process.env);
  if (!isAnimated) return undefined;
  const spinner = yoctoSpinner({ stream: process.stdout, handleSignals: false }).start(line());
  const timer = setInterval(() => (spinner.text = line()), 100);
  return (outcome) => {
    clearInterval(timer);
    spinner[outcome](line());
  };
}

function sizeOf(bytes: number, total: number | undefined): string {
  const count = (number: number) => number.toLocaleString("en");
  if (!total) return `${count(bytes)} bytes`;
  const percent = Math.floor((bytes / total) * 100);
  return `${count(bytes)} / ${count(total)} bytes (${percent} %)`;
}

function stopwatch(): () => string {
  const startedAt = performance.now();
  return () => ((performance.now() - startedAt) / 1000).toFixed(1);
}
