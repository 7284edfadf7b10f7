/**
 * How long it took from the refused operation until it could be seen on this page.
 *
 * The start is the node's clock and the end the browser's: between two machines their difference is in it, and the page says so.
 */
import { useEffect, useRef } from "react";
import { store } from "../store.ts";
import type { Row } from "./buffer.ts";

export interface Delays {
  /** Milliseconds; null before the first. */
  readonly median: number | null;
  readonly p99: number | null;
  readonly count: number;
}

/** The newest are enough to tell how it goes now. */
const MOST = 500;

export const delays = store<Delays>({ median: null, p99: null, count: 0 });
const byId = new Map<string, number>();

/** Notes when rows were first painted: after the frame that has them, which is when a person can see them. */
export function useDelays(window: readonly Row[], seen: number): void {
  const measured = useRef(seen);
  useEffect(() => {
    const fresh = window.filter((row) => row.number > measured.current);
    if (!fresh.length || document.hidden) return;
    measured.current = Math.max(...fresh.map((row) => row.number));
    requestAnimationFrame(() => setTimeout(() => shown(fresh, Date.now())));
  }, [window]);
}

/** These rows became visible at `now` (milliseconds since 1970). */
function shown(rows: readonly Row[], now: number): void {
  for (const row of rows) byId.set(row.violation.id, now - row.at);
  for (const id of [...byId.keys()].slice(0, Math.max(0, byId.size - MOST))) byId.delete(id);
  const sorted = [...byId.values()].sort((one, other) => one - other);
  delays.set({ median: quantile(sorted, 0.5), p99: quantile(sorted, 0.99), count: sorted.length });
}

export function delayOf(id: string): number | undefined {
  return byId.get(id);
}

/** The smallest value that at least this share of all values does not exceed. */
export function quantile(sorted: readonly number[], share: number): number | null {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? null;
}
