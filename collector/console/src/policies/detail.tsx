/** One policy on one node: its rules and what they caught, its text, and how to be rid of it. */
import { useState, type ReactNode } from "react";
import { reason, remove } from "../api/client.ts";
import type { Policy, PushResponse, Rule } from "../api/types.ts";
import { nodes, policies } from "../feed.ts";
import { href } from "../router.ts";
import { useStore } from "../store.ts";
import { count, plural } from "../ui/format.ts";
import { visibleLines } from "../ui/hostile.ts";
import { Button, Confirm, Fact, Link, Moment, Name, Problem, Title } from "../ui/parts.tsx";
import { Word } from "../ui/words.tsx";
import { Outcomes } from "./outcomes.tsx";
import { hits } from "./page.tsx";

export function PolicyDetail({ node, name }: { node: string; name: string }): ReactNode {
  const live = useStore(policies);
  const [deleted, setDeleted] = useState<PushResponse | null>(null);
  const policy = live.items?.find((one) => one.node === node && one.name === name);
  return (
    <div className="page">
      <p className="crumbs"><Link to={href(["policies"])}>Policies</Link> / <Name text={node} /></p>
      <div className="title-row">
        <Title tab={name}><Name text={name} most={120} /></Title>
        {policy && <Word>{policy.mode}</Word>}
        {policy && <Actions policy={policy} onDeleted={setDeleted} />}
      </div>
      <Problem>{live.error}</Problem>
      {deleted && <Outcomes done="deleted" response={deleted} />}
      {policy ? <Body policy={policy} /> : live.items && <p className="empty">This node has no policy of this name{deleted && " any more"}.</p>}
    </div>
  );
}

function Body({ policy }: { policy: Policy }): ReactNode {
  return (
    <>
      <dl className="columns">
        <Fact name="Node"><Link to={href(["nodes", policy.node])}><Name text={policy.node} /></Link></Fact>
        <Fact name="Pushed"><Moment at={policy.pushed} /></Fact>
        {policy.reverts !== null && <Fact name="Reverts unless confirmed by"><Moment at={policy.reverts} /></Fact>}
        <Fact name="Digest"><span className="mono"><Name text={policy.digest} /></span></Fact>
        {Object.entries({ ...policy.labels, ...policy.annotations }).map(([key, value]) => (
          <Fact key={key} name={key}><Name text={value} /></Fact>
        ))}
      </dl>
      <section className="panel" aria-label="Rules">
        <header>
          <h2>Rules</h2>
          <span className="quiet">{plural(hits(policy), "hit")}, exact from the kernel's counters ·{" "}
            <Link to={href(["violations"], { policy: policy.name })}>violations of this policy</Link>
          </span>
        </header>
        <Rules rules={policy.rules} />
      </section>
      <section className="panel" aria-label="Scope">
        <header><h2>Scope</h2><span className="quiet">{plural(policy.cgroup_count, "cgroup")} on this node</span></header>
        {policy.cgroup_count === 0 && <p className="empty">It applies to nothing on this node now.</p>}
        <ul className="plain mono">{policy.cgroups.map((cgroup) => <li key={cgroup}><Name text={cgroup} /></li>)}</ul>
        {policy.cgroup_count > policy.cgroups.length && <p className="empty">The first {count(policy.cgroups.length)} are listed.</p>}
      </section>
      <section className="panel" aria-label="Text">
        <header><h2>Text</h2><span className="quiet">as it was pushed</span></header>
        <pre className="yaml" tabIndex={0} aria-label="Policy text">{visibleLines(policy.yaml)}</pre>
      </section>
    </>
  );
}

function Rules({ rules }: { rules: readonly Rule[] }): ReactNode {
  return (
    <div className="wide">
      <table>
        <thead>
          <tr>
            <th scope="col">Rule</th>
            <th scope="col">Class</th>
            <th scope="col">Action</th>
            <th scope="col">Severity</th>
            <th scope="col">Level</th>
            <th scope="col" className="right">Hits</th>
          </tr>
        </thead>
        <tbody>
          {rules.map((rule) => (
            <tr key={rule.id} className={rule.is_default ? "quiet" : ""}>
              <th scope="row"><Name text={rule.is_default ? `default for ${rule.class}` : rule.id} most={120} /></th>
              <td>{rule.class}</td>
              <td><Word>{rule.action}</Word></td>
              <td>{rule.severity}</td>
              <td><Word>{rule.level}</Word></td>
              <td className="right">{count(rule.hits)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Actions({ policy, onDeleted }: { policy: Policy; onDeleted: (response: PushResponse) => void }): ReactNode {
  const [asking, setAsking] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState("");
  const node = useStore(nodes).items?.find((one) => one.name === policy.node);
  const why = node?.connected ? "" : "the node is not connected";
  const confirmed = (): void => {
    setBusy(true);
    setError("");
    remove(policy.name, policy.node)
      .then(onDeleted, (problem: unknown) => setError(reason(problem)))
      .finally(() => {
        setBusy(false);
        setAsking(false);
      });
  };
  return (
    <div className="actions">
      <Link to={href(["policies", "new"], { node: policy.node, from: policy.name })} className="button plain">Edit and push</Link>
      <Button kind="danger" why={why} onClick={() => setAsking(true)}>Delete …</Button>
      <Problem>{error}</Problem>
      {asking && (
        <Confirm
          title="Delete this policy?"
          action="Delete"
          why={busy ? "deleting …" : ""}
          onConfirm={confirmed}
          onCancel={() => setAsking(false)}
        >
          <p>
            <strong><Name text={policy.name} most={120} /></strong> goes from <strong><Name text={policy.node} most={120} /></strong> and
            is not enforced there from that moment on: {plural(policy.rules.filter((rule) => !rule.is_default).length, "rule")} less for{" "}
            {plural(policy.cgroup_count, "cgroup")}.
          </p>
        </Confirm>
      )}
    </div>
  );
}
