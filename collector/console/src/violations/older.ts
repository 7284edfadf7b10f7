/** Violations from the collector's store that are older than those this page keeps, fetched when asked for. */
import { useEffect, useState } from "react";
import { getViolations, reason } from "../api/client.ts";
import type { ViolationPage } from "../api/types.ts";
import { row, type Row } from "./buffer.ts";
import { queryOf, type Filter } from "./filter.ts";

const PAGE = 500;
/** The list is for looking, not for exporting: past this the filter should narrow. */
const MOST = 5000;

export interface Older {
  /** Newest first. */
  readonly rows: readonly Row[];
  readonly error: string;
  /** Why none can be loaded now. */
  readonly why: string;
  readonly load: () => void;
}

interface State {
  readonly rows: readonly Row[];
  readonly cursor: string | null;
  readonly asked: boolean;
  readonly busy: boolean;
  readonly error: string;
}

const NONE: State = { rows: [], cursor: null, asked: false, busy: false, error: "" };

/** Older pages belong to a list that stands still: they go when it moves on or the filter changes. */
export function useOlder(filter: Filter, kept: readonly Row[], held: boolean): Older {
  const [state, setState] = useState(NONE);
  useEffect(() => setState(NONE), [filter, held]);
  const load = (): void => {
    setState((old) => ({ ...old, busy: true, error: "" }));
    getViolations(queryFor(filter, kept, state)).then(
      (page) => setState((old) => (old.busy ? add(old, page, kept) : old)),
      (error: unknown) => setState((old) => ({ ...old, busy: false, error: reason(error) })),
    );
  };
  return { rows: state.rows, error: state.error, why: whyNot(state), load };
}

function whyNot(state: State): string {
  if (state.busy) return "loading …";
  if (state.asked && state.cursor === null) return "there are none";
  return state.rows.length >= MOST ? "narrow the filter instead" : "";
}

function queryFor(filter: Filter, kept: readonly Row[], { cursor }: State): URLSearchParams {
  const query = queryOf(filter);
  query.set("limit", String(PAGE));
  if (cursor !== null) query.set("cursor", cursor);
  else if (kept[0]) query.set("until", until(kept[0].at));
  return query;
}

/** RFC 3339, a millisecond later than the oldest row: what lies in between is known by its id. */
function until(ms: number): string {
  return new Date(Math.floor(ms) + 1).toISOString();
}

function add(old: State, page: ViolationPage, kept: readonly Row[]): State {
  const known = new Set([...kept, ...old.rows].map(({ violation }) => violation.id));
  const fresh = page.violations.filter(({ id }) => !known.has(id)).map((violation) => row(violation, 0, null));
  return { rows: [...old.rows, ...fresh], cursor: page.next, asked: true, busy: false, error: "" };
}
