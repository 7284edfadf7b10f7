/**
 * The violations this page remembers: the newest ones, bounded, each once, with an honest account of the rest.
 *
 * `received = kept + forgotten`, where doubles (a resumed stream repeats some) are not counted at all.
 */
import { milliseconds, type Violation } from "../api/types.ts";

export interface Row {
  readonly violation: Violation;
  /** When it happened; milliseconds since 1970, by the node's clock. */
  readonly at: number;
  /** When it reached this page, by the browser's clock; null for history that was fetched. */
  readonly received: number | null;
  /** Counts what this page received, from 1; history that was fetched counts down from 0. */
  readonly number: number;
}

export interface Kept {
  /** Oldest first. */
  readonly rows: readonly Row[];
  readonly received: number;
  /** What the collector could not send to this page; it is in the store. */
  readonly lost: number;
}

export const EMPTY: Kept = { rows: [], received: 0, lost: 0 };

export class Buffer {
  #rows: Row[] = [];
  readonly #ids = new Set<string>();
  readonly #most: number;
  #first = 0;
  #last = 0;
  #lost = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** Violations that just happened, oldest first; tells which rows are new. */
  add(violations: readonly Violation[], now: number): Row[] {
    const rows = this.#fresh(violations).map((violation) => row(violation, ++this.#last, now));
    this.#rows.push(...rows);
    // Trimmed in large steps: moving the array for each violation would cost more than the violation.
    if (this.#rows.length > 2 * this.#most) this.#trim();
    return rows;
  }

  /** Violations from before those that are kept, newest first, as the collector's pages have them. */
  addOlder(violations: readonly Violation[]): void {
    const rows = this.#fresh(violations).map((violation) => row(violation, this.#first--, null));
    this.#rows.unshift(...rows.reverse());
    this.#trim();
  }

  lose(count: number): void {
    this.#lost += count;
  }

  kept(): Kept {
    return { rows: this.#rows.slice(-this.#most), received: this.#last - this.#first, lost: this.#lost };
  }

  #fresh(violations: readonly Violation[]): Violation[] {
    return violations.filter(({ id }) => !this.#ids.has(id) && this.#ids.add(id));
  }

  #trim(): void {
    for (const { violation } of this.#rows.splice(0, Math.max(0, this.#rows.length - this.#most)))
      this.#ids.delete(violation.id);
  }
}

export function row(violation: Violation, number: number, received: number | null): Row {
  return { violation, at: milliseconds(violation.unix_ns), received, number };
}
