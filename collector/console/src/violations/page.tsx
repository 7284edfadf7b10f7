/** Violations as they happen: filter, hold still, look into one. */
import { useMemo, useState, type ReactNode } from "react";
import { KEPT_MOST, policies, violations } from "../feed.ts";
import { href, navigate, useRoute } from "../router.ts";
import { useStore } from "../store.ts";
import { count, duration, plural } from "../ui/format.ts";
import { visible } from "../ui/hostile.ts";
import { Button, Problem, Title } from "../ui/parts.tsx";
import { CLASSES, EFFECTS } from "../ui/words.tsx";
import type { Kept, Row } from "./buffer.ts";
import { delays } from "./delays.ts";
import { Details } from "./details.tsx";
import { FIELDS, filterOf, isEmpty, matches, type Filter } from "./filter.ts";
import { useOlder } from "./older.ts";
import { ViolationTable } from "./table.tsx";

export function ViolationsPage(): ReactNode {
  const { query } = useRoute();
  const filter = useMemo(() => filterOf(query), [query]);
  const id = query.get("id") ?? "";
  const now = useStore(violations);
  const [seen] = useState(() => now.rows.at(-1)?.number ?? 0);
  const hold = useHold(now);
  const live = useMemo(() => select(hold.kept.rows, filter), [hold.kept, filter]);
  const older = useOlder(filter, hold.kept.rows, hold.held);
  const rows = useMemo(() => [...live, ...older.rows], [live, older.rows]);
  const known = useMemo(() => rows.find((row) => row.violation.id === id), [rows, id]);
  return (
    <div className={`page violations-page ${id ? "with-details" : ""}`}>
      <div className="title-row">
        <Title tab="Violations">Violations</Title>
        <Account kept={hold.kept} rows={live.length} older={older.rows.length} filter={filter} />
        <DelayLine />
      </div>
      <div className="tools">
        <Filters filter={filter} kept={hold.kept} />
        <div className="actions">
          <Holding hold={hold} fresh={hold.held ? newer(now, hold.kept, filter) : 0} />
          {hold.held && <Button why={older.why} onClick={older.load}>Load older</Button>}
        </div>
      </div>
      <Problem>{older.error}</Problem>
      <ViolationTable
        rows={rows}
        selected={id}
        seen={seen}
        linkTo={(to) => href(["violations"], { ...filter, id: to })}
        onAway={hold.setAway}
      />
      {rows.length === 0 && <Empty filter={filter} received={now.received} />}
      {id && <Details id={id} known={known} closeTo={href(["violations"], { ...filter })} />}
    </div>
  );
}

/** Newest first. */
function select(rows: readonly Row[], filter: Filter): Row[] {
  const kept = isEmpty(filter) ? [...rows] : rows.filter((row) => matches(filter, row.violation));
  return kept.reverse();
}

function newer(now: Kept, held: Kept, filter: Filter): number {
  const last = held.rows.at(-1)?.number ?? 0;
  return now.rows.filter((row) => row.number > last && matches(filter, row.violation)).length;
}

interface Hold {
  readonly kept: Kept;
  readonly held: boolean;
  readonly paused: boolean;
  readonly pause: () => void;
  readonly resume: () => void;
  readonly setAway: (away: boolean) => void;
}

/** The list stands still while it is paused or scrolled; what arrives meanwhile is kept and counted. */
function useHold(now: Kept): Hold {
  const [held, setHeld] = useState<Kept | null>(null);
  const [paused, setPaused] = useState(false);
  const hold = (): void => setHeld((old) => old ?? violations.get());
  return {
    kept: held ?? now,
    held: held !== null,
    paused,
    pause: () => {
      setPaused(true);
      hold();
    },
    resume: () => {
      setPaused(false);
      setHeld(null);
      document.querySelector(".scroller")?.scrollTo(0, 0);
    },
    setAway: (away) => {
      if (away) hold();
      else if (!paused) setHeld(null);
    },
  };
}

function Holding({ hold, fresh }: { hold: Hold; fresh: number }): ReactNode {
  const more = fresh >= KEPT_MOST ? "more than " : "";
  return (
    <>
      <span role="status" className="why">
        {hold.held && `${hold.paused ? "Paused" : "Held while you read"}: ${more}${plural(fresh, "newer one", "newer ones")} waiting`}
      </span>
      {hold.held ? (
        <Button kind="primary" onClick={hold.resume}>Resume</Button>
      ) : (
        <Button onClick={hold.pause}>Pause</Button>
      )}
    </>
  );
}

interface AccountProps {
  readonly kept: Kept;
  readonly rows: number;
  readonly older: number;
  readonly filter: Filter;
}

/** What is shown of what there was, and what never came. */
function Account({ kept, rows, older, filter }: AccountProps): ReactNode {
  const shown = isEmpty(filter) ? `the last ${count(rows)}` : `${count(rows)} that match among the last ${count(kept.rows.length)}`;
  return (
    <p className="account" aria-label="Account of what is shown">
      Showing {shown} of {count(kept.received)} received{older > 0 && `, and ${count(older)} older`}; lost to this page:{" "}
      <span className={kept.lost ? "bad-text" : ""}>{count(kept.lost)}</span>
      {kept.lost > 0 && " (they are in the store)"}
    </p>
  );
}

function DelayLine(): ReactNode {
  const { median, p99, count: measured } = useStore(delays);
  if (median === null || p99 === null) return null;
  return (
    <p className="account" title="From the node's clock to the frame that showed it, by this browser's clock">
      Visible after {duration(median)} (median), {duration(p99)} (p99) over {plural(measured, "violation")}
    </p>
  );
}

function Empty({ filter, received }: { filter: Filter; received: number }): ReactNode {
  const words = isEmpty(filter) && received === 0 ? "No violation yet. They appear here as they happen." : "Nothing that is kept matches this filter.";
  return <p className="empty">{words}</p>;
}

function Filters({ filter, kept }: { filter: Filter; kept: Kept }): ReactNode {
  const { query } = useRoute();
  const live = useStore(policies).items;
  const names = useMemo(
    () => [...new Set([...(live ?? []).map((policy) => policy.name), ...kept.rows.map((row) => row.violation.policy)])].sort(),
    [live, kept],
  );
  const change = (name: string, value: string): void =>
    navigate(href(["violations"], { ...Object.fromEntries(query), [name]: value }), { replace: true });
  return (
    <form className="filters" role="search" aria-label="Filter" onSubmit={(event) => event.preventDefault()}>
      <Choice label="Policy" value={filter.policy} options={names} onChange={(value) => change("policy", value)} />
      <Choice label="Effect" value={filter.effect} options={EFFECTS} onChange={(value) => change("effect", value)} />
      <Choice label="Class" value={filter.class} options={CLASSES} onChange={(value) => change("class", value)} />
      <TextFilter value={filter.text} onChange={(value) => change("text", value)} />
      {!isEmpty(filter) && <Button onClick={() => navigate(href(["violations"], without(query)), { replace: true })}>Clear</Button>}
    </form>
  );
}

function without(query: URLSearchParams): Record<string, string> {
  return Object.fromEntries([...query].filter(([name]) => !(FIELDS as readonly string[]).includes(name)));
}

interface ChoiceProps {
  readonly label: string;
  readonly value: string;
  readonly options: readonly string[];
  readonly onChange: (value: string) => void;
}

function Choice({ label, value, options, onChange }: ChoiceProps): ReactNode {
  const all = value === "" || options.includes(value) ? options : [value, ...options];
  return (
    <label>
      {label}
      <select value={value} onChange={(event) => onChange(event.target.value)}>
        <option value="">any</option>
        {all.map((option) => <option key={option} value={option}>{visible(option)}</option>)}
      </select>
    </label>
  );
}

function TextFilter({ value, onChange }: { value: string; onChange: (value: string) => void }): ReactNode {
  return (
    <label>
      Object or program contains
      <input type="search" value={value} spellCheck={false} onChange={(event) => onChange(event.target.value)} />
    </label>
  );
}
