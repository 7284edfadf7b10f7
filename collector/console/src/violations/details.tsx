/** Everything about one violation, with names in full. */
import { useEffect, useState, type ReactNode } from "react";
import { getViolation, reason } from "../api/client.ts";
import type { Violation } from "../api/types.ts";
import { href } from "../router.ts";
import { useStore } from "../store.ts";
import { duration, instant } from "../ui/format.ts";
import { Fact, Link, Name, Problem } from "../ui/parts.tsx";
import { verdict, Word } from "../ui/words.tsx";
import { row, type Row } from "./buffer.ts";
import { delayOf, delays } from "./delays.ts";

export function Details({ id, known, closeTo }: { id: string; known: Row | undefined; closeTo: string }): ReactNode {
  const [fetched, error] = useFetched(id, known !== undefined);
  const found = known ?? fetched;
  return (
    <aside className="details" aria-label="Details of the violation">
      <header>
        <h2>Violation</h2>
        <Link to={closeTo} className="button plain">Close</Link>
      </header>
      <Problem>{error}</Problem>
      {found && <Facts row={found} />}
      {!found && !error && <p className="quiet">Asking the collector …</p>}
    </aside>
  );
}

function Facts({ row: { violation: v, at, received } }: { row: Row }): ReactNode {
  useStore(delays);
  return (
    <>
      <p className="lead">
        <Word>{v.effect}</Word> {v.class} {v.operations.join(", ")} <Name text={v.object} />
      </p>
      {v.message && <p><Name text={v.message} /></p>}
      <dl>
        <Fact name="Time">{instant(at)}</Fact>
        <Fact name="Policy">
          <Link to={href(["policies", v.node, v.policy])}><Name text={v.policy} /></Link>
        </Fact>
        <Fact name="Rule"><Name text={v.rule} /></Fact>
        <Fact name="Severity"><Word>{v.severity}</Word></Fact>
        <Fact name="Verdict">{verdict(v.verdict)}</Fact>
        <Fact name="Reason">{v.reason}</Fact>
        <Fact name="Generation">{v.generation}</Fact>
      </dl>
      <h3>Who</h3>
      <dl>
        <Fact name="Program"><Name text={v.exe || "not known"} /></Fact>
        <Fact name="Command"><Name text={v.comm} /></Fact>
        <Fact name="Process">{v.tgid}{v.tid !== v.tgid && `, thread ${v.tid}`}</Fact>
        <Fact name="User, group">{v.uid}, {v.gid}</Fact>
        <Fact name="Workload"><Name text={v.workload || "none"} /></Fact>
        <Fact name="Cgroup"><Name text={v.cgroup} /></Fact>
        <Fact name="Node"><Link to={href(["nodes", v.node])}><Name text={v.node} /></Link></Fact>
      </dl>
      <h3>Account</h3>
      <dl>
        <Fact name="Id"><Name text={v.id} /></Fact>
        {v.flags.length > 0 && <Fact name="Incomplete">{flagWords(v)}</Fact>}
        <Fact name="Reached this page">{received === null ? "from the store" : `after ${duration(received - at)}`}</Fact>
        <Fact name="Visible here">{visibleAfter(v.id)}</Fact>
      </dl>
      <p className="quiet">Delays are between the node's clock and this browser's.</p>
    </>
  );
}

function visibleAfter(id: string): string {
  const delay = delayOf(id);
  return delay === undefined ? "not measured" : `after ${duration(delay)}`;
}

const FLAGS: Readonly<Record<string, string>> = {
  "path-incomplete": "the object's name",
  "exe-incomplete": "the program's name",
  seeded: "the program was running before the agent; its ancestors are not known",
};

function flagWords({ flags }: Violation): string {
  return flags.map((flag) => FLAGS[flag] ?? flag).join("; ");
}

/** A violation that this page does not keep (any more): an address can be older than the page. */
function useFetched(id: string, known: boolean): [Row | undefined, string] {
  const [state, setState] = useState<{ id: string; row?: Row; error: string }>({ id: "", error: "" });
  useEffect(() => {
    if (known) return;
    const stop = new AbortController();
    getViolation(id, stop.signal).then(
      (violation) => setState({ id, row: row(violation, 0, null), error: "" }),
      (error: unknown) => stop.signal.aborted || setState({ id, error: reason(error) }),
    );
    return () => stop.abort();
  }, [id, known]);
  return state.id === id ? [state.row, state.error] : [undefined, ""];
}
