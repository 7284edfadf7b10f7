/** The latest few violations of some policies, beside where they are pushed: whether the fence holds is seen at once. */
import { useMemo, useState, type ReactNode } from "react";
import { violations } from "../feed.ts";
import { href } from "../router.ts";
import { useStore } from "../store.ts";
import { clockOrDay, duration } from "../ui/format.ts";
import { Fit, Link, Name } from "../ui/parts.tsx";
import { Word } from "../ui/words.tsx";
import type { Row } from "./buffer.ts";
import { delayOf, delays, useDelays } from "./delays.ts";

const MOST = 10;

export function Recent({ policies: names }: { policies: readonly string[] }): ReactNode {
  const kept = useStore(violations);
  const [seen] = useState(() => kept.rows.at(-1)?.number ?? 0);
  const rows = useMemo(
    () => kept.rows.filter(({ violation }) => names.includes(violation.policy)).slice(-MOST).reverse(),
    [kept, names],
  );
  useDelays(rows, seen);
  useStore(delays);
  return (
    <section className="panel" aria-label="Latest violations">
      <header>
        <h2>Latest violations</h2>
        {names.map((name) => <Link key={name} to={href(["violations"], { policy: name })}>all of <Name text={name} most={80} /></Link>)}
      </header>
      {rows.length === 0 ? <p className="empty">None yet. They appear here as they happen.</p> : <RecentTable rows={rows} />}
    </section>
  );
}

function RecentTable({ rows }: { rows: readonly Row[] }): ReactNode {
  return (
    <table className="violations recent">
      <thead>
        <tr>
          <th scope="col" className="c-time">Time</th>
          <th scope="col" className="c-effect">Effect</th>
          <th scope="col" className="c-rule">Rule</th>
          <th scope="col" className="c-object">Object</th>
          <th scope="col" className="c-delay right">Visible after</th>
        </tr>
      </thead>
      <tbody>{rows.map((row) => <RecentRow key={row.violation.id} row={row} />)}</tbody>
    </table>
  );
}

function RecentRow({ row: { violation: v, at } }: { row: Row }): ReactNode {
  const delay = delayOf(v.id);
  return (
    <tr>
      <td className="c-time">{clockOrDay(at, Date.now())}</td>
      <td className="c-effect"><Word>{v.effect}</Word></td>
      <td className="c-rule"><Name text={v.rule} most={80} /></td>
      <td className="c-object"><Link to={href(["violations"], { id: v.id })}><Fit text={v.object} most={240} /></Link></td>
      <td className="c-delay right">{delay === undefined ? "" : duration(delay)}</td>
    </tr>
  );
}
