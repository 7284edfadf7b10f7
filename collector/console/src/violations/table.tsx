/**
 * The list itself: only the rows that can be seen are in the document, so that 1,000 violations a second cost what 40 rows cost.
 */
import { useLayoutEffect, useRef, useState, type FocusEvent, type ReactNode } from "react";
import { clockOrDay } from "../ui/format.ts";
import { Fit, Link, Name } from "../ui/parts.tsx";
import { Word } from "../ui/words.tsx";
import type { Row } from "./buffer.ts";
import { useDelays } from "./delays.ts";

/** As in styles.css. */
const ROW_PX = 26;
const OVERSCAN = 8;
/** Names are cut for the list at this length; the width cuts them further. */
const LONGEST = 240;

interface Props {
  /** Newest first. */
  readonly rows: readonly Row[];
  readonly selected: string;
  readonly linkTo: (id: string) => string;
  /** Called when the list is being read further down (scrolled, or walked through by keyboard), or no longer. */
  readonly onAway: (away: boolean) => void;
  /** Rows with a number above this one have not been seen yet; their delay is measured. */
  readonly seen: number;
}

export function ViolationTable({ rows, selected, linkTo, onAway, seen }: Props): ReactNode {
  const { box, first, visible, onScroll, focusing } = useWindow(rows.length, onAway);
  const window = rows.slice(first, first + visible);
  useDelays(window, seen);
  return (
    <div className="scroller" ref={box} onScroll={onScroll} {...focusing} role="region" aria-label="List of violations" tabIndex={0}>
      <table aria-rowcount={rows.length + 1} className="violations">
        <Head />
        <tbody>
          <Spacer rows={first} />
          {window.map((row, at) => (
            <ViolationRow
              // By place, not by violation: elements stay where they are and only their text changes. Making or moving
              // rows in a table lays all of it out again, which at 1,000 a second was most of the work.
              key={at}
              row={row}
              index={first + at + 2}
              to={linkTo(row.violation.id)}
              selected={row.violation.id === selected}
            />
          ))}
          <Spacer rows={rows.length - first - window.length} />
        </tbody>
      </table>
    </div>
  );
}

function Head(): ReactNode {
  return (
    <thead>
      <tr aria-rowindex={1}>
        <th scope="col" className="c-time">Time</th>
        <th scope="col" className="c-effect">Effect</th>
        <th scope="col" className="c-rule">Policy / rule</th>
        <th scope="col" className="c-class">Class</th>
        <th scope="col" className="c-object">Object</th>
        <th scope="col" className="c-exe">Program</th>
        <th scope="col" className="c-node">Node</th>
        <th scope="col" className="c-workload">Workload</th>
        <th scope="col" className="c-id">Id</th>
      </tr>
    </thead>
  );
}

interface RowProps {
  readonly row: Row;
  readonly index: number;
  readonly to: string;
  readonly selected: boolean;
}

function ViolationRow({ row: { violation: v, at }, index, to, selected }: RowProps): ReactNode {
  return (
    <tr aria-rowindex={index} aria-current={selected || undefined} onClick={(event) => openRow(event.currentTarget, event.target)}>
      <td className="c-time">{clockOrDay(at, Date.now())}</td>
      <td className="c-effect"><Word>{v.effect}</Word></td>
      <td className="c-rule"><Name text={`${v.policy} / ${v.rule}`} most={LONGEST} /></td>
      <td className="c-class">{v.class} <span className="quiet">{v.operations.join(" ")}</span></td>
      <td className="c-object">
        <Link to={to}><Fit text={v.object} most={LONGEST} /></Link>
      </td>
      <td className="c-exe"><Program exe={v.exe} comm={v.comm} /></td>
      <td className="c-node"><Name text={v.node} most={LONGEST} /></td>
      <td className="c-workload"><Fit text={v.workload || v.cgroup} most={LONGEST} /></td>
      <td className="c-id"><Fit text={v.id} most={LONGEST} /></td>
    </tr>
  );
}

/** The executable; where the kernel's hooks cannot tell it, the name that the process has given itself, and that it is one. */
function Program({ exe, comm }: { exe: string; comm: string }): ReactNode {
  if (exe) return <Fit text={exe} most={LONGEST} />;
  return <><span className="quiet">command</span> <Name text={comm} most={LONGEST} /></>;
}

/** A press anywhere on a row is a press on its link; text that was just selected is left alone. */
function openRow(row: HTMLTableRowElement, target: EventTarget): void {
  if (target instanceof Element && target.closest("a")) return;
  if (getSelection()?.isCollapsed !== false) row.querySelector("a")?.click();
}

/** Stands for the rows that are not in the document. */
function Spacer({ rows }: { rows: number }): ReactNode {
  return rows > 0 ? <tr aria-hidden style={{ height: rows * ROW_PX }}><td /></tr> : null;
}

function useWindow(rows: number, onAway: (away: boolean) => void) {
  const box = useRef<HTMLDivElement>(null);
  const [{ top, height }, setBox] = useState({ top: 0, height: 600 });
  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    const observer = new ResizeObserver(() => setBox((old) => ({ ...old, height: element.clientHeight })));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  const onScroll = (): void => {
    const now = box.current?.scrollTop ?? 0;
    onAway(now > 0);
    setBox((old) => ({ ...old, top: now }));
  };
  // A row that has the keyboard's focus must not become another one under it.
  const focusing = {
    onFocus: ({ target }: FocusEvent) => target !== box.current && target.matches(":focus-visible") && onAway(true),
    onBlur: ({ relatedTarget }: FocusEvent) =>
      (relatedTarget instanceof Element && box.current?.contains(relatedTarget)) || onAway((box.current?.scrollTop ?? 0) > 0),
  };
  const first = Math.max(0, Math.min(Math.floor(top / ROW_PX) - OVERSCAN, rows - 1));
  return { box, first, visible: Math.ceil(height / ROW_PX) + 2 * OVERSCAN, onScroll, focusing };
}
