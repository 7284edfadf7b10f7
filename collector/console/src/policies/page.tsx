/** Policies: what each node has live, one of them in full, and the desk where a new one is written. */
import type { ReactNode } from "react";
import type { Node, Policy } from "../api/types.ts";
import { nodes, policies } from "../feed.ts";
import { href } from "../router.ts";
import { useStore } from "../store.ts";
import { count, plural } from "../ui/format.ts";
import { Link, Moment, Name, Problem, Title } from "../ui/parts.tsx";
import { Word } from "../ui/words.tsx";
import { PolicyDetail } from "./detail.tsx";
import { Editor } from "./editor.tsx";

export function PoliciesPage({ segments }: { segments: readonly string[] }): ReactNode {
  const [first, name] = segments;
  if (first === "new" && name === undefined) return <Editor />;
  if (first !== undefined && name !== undefined) return <PolicyDetail node={first} name={name} />;
  return <PolicyLists />;
}

function PolicyLists(): ReactNode {
  const live = useStore(policies);
  const known = useStore(nodes);
  return (
    <div className="page">
      <div className="title-row">
        <Title tab="Policies">Policies</Title>
        <Link to={href(["policies", "new"])} className="button primary">New policy</Link>
      </div>
      <Problem>{live.error || known.error}</Problem>
      {known.items?.length === 0 && <p className="empty">No node has ever connected. A policy needs one to be enforced on.</p>}
      {known.items?.map((node) => (
        <NodePolicies key={node.name} node={node} policies={live.items?.filter((policy) => policy.node === node.name) ?? null} />
      ))}
    </div>
  );
}

function NodePolicies({ node, policies: live }: { node: Node; policies: readonly Policy[] | null }): ReactNode {
  return (
    <section className="panel" aria-label={`Policies of ${node.name}`}>
      <header>
        <h2><Link to={href(["nodes", node.name])}><Name text={node.name} /></Link></h2>
        <span className="quiet">
          generation {count(node.generation)} · {node.connected ? "connected" : "not connected: as it last reported"}
        </span>
        {node.gate.startsWith("open") && <>gate <Word>{node.gate}</Word></>}
      </header>
      {live?.length === 0 && <p className="empty">No policy: nothing is enforced on this node.</p>}
      {live !== null && live.length > 0 && <PolicyTable policies={live} />}
    </section>
  );
}

function PolicyTable({ policies: live }: { policies: readonly Policy[] }): ReactNode {
  return (
    <div className="wide roomy">
      <table>
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">Mode</th>
            <th scope="col">Rules</th>
            <th scope="col" className="right">Hits</th>
            <th scope="col">Scope</th>
            <th scope="col">Digest</th>
            <th scope="col">Pushed</th>
          </tr>
        </thead>
        <tbody>{live.map((policy) => <PolicyRow key={policy.name} policy={policy} />)}</tbody>
      </table>
    </div>
  );
}

function PolicyRow({ policy }: { policy: Policy }): ReactNode {
  return (
    <tr>
      <th scope="row"><Link to={href(["policies", policy.node, policy.name])}><Name text={policy.name} most={80} /></Link></th>
      <td><Word>{policy.mode}</Word></td>
      <td>{ruleWords(policy)}</td>
      <td className="right">{count(hits(policy))}</td>
      <td>{plural(policy.cgroup_count, "cgroup")}</td>
      <td className="mono">{shortDigest(policy.digest)}</td>
      <td>
        <Moment at={policy.pushed} />
        {policy.reverts !== null && <span className="why"> reverts unless confirmed by <Moment at={policy.reverts} /></span>}
      </td>
    </tr>
  );
}

export function hits(policy: Policy): number {
  return policy.rules.reduce((sum, rule) => sum + rule.hits, 0);
}

/** `4 enforced, 1 observed`; defaults are not rules of their own. */
export function ruleWords(policy: Policy): string {
  const rules = policy.rules.filter((rule) => !rule.is_default);
  const observed = rules.filter((rule) => rule.level === "observed").length;
  return `${count(rules.length - observed)} enforced${observed ? `, ${count(observed)} observed` : ""}`;
}

function shortDigest(digest: string): string {
  return digest.replace(/^sha256:/, "").slice(0, 12);
}
