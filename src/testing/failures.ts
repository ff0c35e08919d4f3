// Failed connections, as the errors of Node's fetch describe them.

/** Nothing listens on the port, so nothing was sent. */
export function refusedConnection(): TypeError {
  const address = { address: "127.0.0.1", port: 443 };
  const details = { errno: -111, code: "ECONNREFUSED", syscall: "connect", ...address };
  const cause = Object.assign(new Error("connect ECONNREFUSED 127.0.0.1:443"), details);
  return new TypeError("fetch failed", { cause });
}

/** The connection was closed before the response came. */
export function resetConnection(): TypeError {
  const details = { errno: -104, code: "ECONNRESET", syscall: "read" };
  const cause = Object.assign(new Error("read ECONNRESET"), details);
  return new TypeError("fetch failed", { cause });
}
