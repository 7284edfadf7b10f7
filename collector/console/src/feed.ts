/**
 * What the collector says now: its nodes, their policies and the violations, followed live from sign-in to sign-out.
 *
 * Lives outside React, so that changing routes neither loses nor repeats anything.
 */
import { getNodes, getPolicies, getViolations, reason } from "./api/client.ts";
import { list, Malformed, type Reader } from "./api/parse.ts";
import type { ServerEvent } from "./api/sse.ts";
import { openStream, type Link } from "./api/stream.ts";
import { readLost, readNode, readViolation, type Node, type Policy } from "./api/types.ts";
import { store } from "./store.ts";
import { Buffer, EMPTY, type Kept } from "./violations/buffer.ts";

/** Violations kept in memory; the details of a 4,096-byte name are about 10 KB. */
export const KEPT_MOST = 2000;
const HISTORY = 500;
/** The page rests after drawing for twice as long as it took, within these bounds: quick when little happens, at hand when much does. */
const SHORTEST_REST_MS = 10;
const LONGEST_REST_MS = 250;
/** Hits change with every violation: they are fetched again this often, while they can be seen. */
const HITS_MS = 2000;

export interface LinkState {
  readonly link: Link;
  readonly detail: string;
}

/** A list as it was last fetched; null before the first answer. */
export interface Fetched<T> {
  readonly items: readonly T[] | null;
  readonly error: string;
}

export const link = store<LinkState>({ link: "connecting", detail: "" });
export const violations = store<Kept>(EMPTY);
export const nodes = store<Fetched<Node>>({ items: null, error: "" });
export const policies = store<Fetched<Policy>>({ items: null, error: "" });
/** What arrived and made no sense; shown, since nothing may be silent. */
export const trouble = store("");

/** Follow the collector; the returned function stops and forgets. */
export function follow(): () => void {
  const feed = new Feed();
  return () => feed.stop();
}

class Feed {
  readonly #buffer = new Buffer(KEPT_MOST);
  readonly #stopped = new AbortController();
  readonly #close: () => void;
  readonly #hits: ReturnType<typeof setInterval>;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** When the next drawing may begin; for ever away while one is under way. */
  #rested = 0;
  #waiting = false;
  #history = false;
  #dirty = false;
  #fetching: Promise<void> | null = null;
  #again = false;
  /** Nodes that reported while their list was being fetched: they are newer than the list. */
  readonly #reported = new Map<string, Node>();

  constructor() {
    this.#close = openStream("events", {
      onLink: (state, detail) => {
        if (link.get().link !== state || link.get().detail !== detail) link.set({ link: state, detail });
      },
      onEvents: (events) => events.forEach((event) => this.#take(event)),
    });
    this.#hits = setInterval(() => this.#refreshHits(), HITS_MS);
  }

  stop(): void {
    this.#stopped.abort();
    this.#close();
    clearInterval(this.#hits);
    clearTimeout(this.#timer);
    violations.set(EMPTY);
    nodes.set({ items: null, error: "" });
    policies.set({ items: null, error: "" });
    trouble.set("");
  }

  #take({ event, data }: ServerEvent): void {
    try {
      if (event === "hello") this.#welcome();
      else if (event === "violations") this.#add(read(list(readViolation), data, event));
      else if (event === "lost") this.#lose(read(readLost, data, event).count);
      else if (event === "node") this.#report(read(readNode, data, event));
      else if (event === "policies") this.#fetchPolicies();
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      trouble.set(reason(error));
    }
  }

  /** The stream is open: fetch what is older than it. In this order nothing falls in between. */
  #welcome(): void {
    void this.#fetchNodes();
    this.#fetchPolicies();
    if (!this.#history) void this.#fetchHistory();
  }

  #add(arrived: Parameters<Buffer["add"]>[0]): void {
    this.#buffer.add(arrived, Date.now());
    this.#dirty = true;
    this.#draw();
  }

  #lose(count: number): void {
    this.#buffer.lose(count);
    this.#draw();
  }

  #report(node: Node): void {
    this.#reported.set(node.name, node);
    const known = nodes.get().items;
    if (known) nodes.set({ items: merge(known, [node]), error: "" });
  }

  #draw(): void {
    this.#waiting = true;
    if (this.#timer !== undefined || this.#rested === Infinity) return;
    const wait = Math.max(0, this.#rested - performance.now());
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#waiting = false;
      const begun = performance.now();
      violations.set(this.#buffer.kept());
      // Runs when what was set has been drawn; until then nothing else is.
      this.#rested = Infinity;
      setTimeout(() => this.#rest(begun));
    }, wait);
  }

  #rest(begun: number): void {
    const now = performance.now();
    this.#rested = now + Math.min(LONGEST_REST_MS, Math.max(SHORTEST_REST_MS, 2 * (now - begun)));
    if (this.#waiting) this.#draw();
  }

  #refreshHits(): void {
    if (!this.#dirty || document.hidden || link.get().link !== "live") return;
    this.#dirty = false;
    this.#fetchPolicies();
  }

  async #fetchHistory(): Promise<void> {
    await this.#fetch(async (signal) => {
      const page = await getViolations(new URLSearchParams({ limit: String(HISTORY) }), signal);
      if (signal.aborted) return;
      this.#history = true;
      this.#buffer.addOlder(page.violations);
      this.#draw();
    }, trouble.set);
  }

  async #fetchNodes(): Promise<void> {
    this.#reported.clear();
    await this.#fetch(
      async (signal) => {
        const items = await getNodes(signal);
        if (!signal.aborted) nodes.set({ items: merge(items, [...this.#reported.values()]), error: "" });
      },
      (error) => nodes.set({ ...nodes.get(), error }),
    );
  }

  /** One fetch at a time, and one more if something changed meanwhile: an old answer never replaces a newer one. */
  #fetchPolicies(): void {
    this.#again = this.#fetching !== null;
    this.#fetching ??= this.#policiesOnce().finally(() => {
      this.#fetching = null;
      if (this.#again && !this.#stopped.signal.aborted) this.#fetchPolicies();
    });
  }

  async #policiesOnce(): Promise<void> {
    await this.#fetch(
      async (signal) => {
        const items = await getPolicies(signal);
        if (!signal.aborted) policies.set({ items, error: "" });
      },
      (error) => policies.set({ ...policies.get(), error }),
    );
  }

  async #fetch(work: (signal: AbortSignal) => Promise<void>, failed: (error: string) => void): Promise<void> {
    const { signal } = this.#stopped;
    await work(signal).catch((error: unknown) => {
      if (!signal.aborted) failed(reason(error));
    });
  }
}

function read<T>(reader: Reader<T>, data: string, event: string): T {
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch {
    throw new Malformed(`${event}: not JSON`);
  }
  return reader(value, event);
}

/** `newer` replaces what has the same name; by name. */
function merge(known: readonly Node[], newer: readonly Node[]): Node[] {
  const all = new Map([...known, ...newer].map((node) => [node.name, node]));
  return [...all.values()].sort((one, other) => (one.name < other.name ? -1 : 1));
}
