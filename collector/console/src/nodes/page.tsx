/** Nodes: who is connected, what each can enforce, and whether its counts add up. */
import type { ReactNode } from "react";
import type { Account, Hook, Hop, Level, Node } from "../api/types.ts";
import { nodes } from "../feed.ts";
import { href } from "../router.ts";
import { useStore } from "../store.ts";
import { bytes, count, plural } from "../ui/format.ts";
import { Badge, Fact, Link, Moment, Name, Problem, Title } from "../ui/parts.tsx";
import { gate, Word } from "../ui/words.tsx";

export function NodesPage({ name }: { name: string | undefined }): ReactNode {
  const { items, error } = useStore(nodes);
  const chosen = name ?? (items?.length === 1 ? items[0]?.name : undefined);
  const node = items?.find((one) => one.name === chosen);
  return (
    <div className="page">
      <div className="title-row">
        <Title tab="Nodes">Nodes</Title>
        {items && <p className="account">{plural(items.filter((one) => one.connected).length, "node")} connected of {count(items.length)}</p>}
      </div>
      <Problem>{error}</Problem>
      {items?.length === 0 && <p className="empty">No node has ever connected.</p>}
      {items && items.length > 0 && <NodeTable nodes={items} chosen={chosen} />}
      {node && <NodeDetail node={node} />}
      {items && name !== undefined && !node && <Problem>No node of the name {name} has ever connected.</Problem>}
    </div>
  );
}

function NodeTable({ nodes: items, chosen }: { nodes: readonly Node[]; chosen: string | undefined }): ReactNode {
  return (
    <section className="panel wide roomy" aria-label="All nodes">
      <table>
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">Link</th>
            <th scope="col">Gate</th>
            <th scope="col" className="right">Generation</th>
            <th scope="col" className="right">Policies</th>
            <th scope="col">Levels</th>
            <th scope="col">Accounts</th>
            <th scope="col">Kernel</th>
          </tr>
        </thead>
        <tbody>
          {items.map((node) => (
            <tr key={node.name} aria-current={node.name === chosen || undefined}>
              <th scope="row"><Link to={href(["nodes", node.name])}><Name text={node.name} most={80} /></Link></th>
              <td><Connected node={node} /></td>
              <td><Word>{node.gate}</Word></td>
              <td className="right">{count(node.generation)}</td>
              <td className="right">{count(node.policies.length)}</td>
              <td>{levelWords(node.levels)}</td>
              <td><AddsUp holds={node.balances} /></td>
              <td><Name text={node.kernel} most={60} /></td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function NodeDetail({ node }: { node: Node }): ReactNode {
  return (
    <section className="node" aria-label={`Node ${node.name}`}>
      <h2><Name text={node.name} /></h2>
      <dl className="columns">
        <Fact name="Link"><Connected node={node} /> since <Moment at={node.connected ? node.connected_since : node.last_seen} /></Fact>
        <Fact name="Gate">{gate(node.gate)}{node.gate_until !== null && <> until <Moment at={node.gate_until} /></>}</Fact>
        <Fact name="Generation">{node.generation === 0 ? "0: none, everything is allowed" : count(node.generation)}</Fact>
        <Fact name="Covers">{plural(node.policies.length, "policy", "policies")}, {plural(node.profiles, "profile")}, {plural(node.scopes, "scoped cgroup")}</Fact>
        <Fact name="Kernel"><Name text={node.kernel} /></Fact>
        <Fact name="Boot"><Name text={node.boot_id} /></Fact>
        <Fact name="Agent">
          <Name text={node.version} />, {node.adopted ? "adopted what it found, " : ""}started <Moment at={node.started} />
        </Fact>
        <Fact name="Memory">{bytes(node.resident_bytes)} resident</Fact>
      </dl>
      <Levels levels={node.levels} />
      <Hops hops={node.hops} balances={node.balances} />
      <Store account={node.account} />
      <Undecided reasons={node.undecided} />
      <Hooks hooks={node.hooks} />
    </section>
  );
}

function Connected({ node }: { node: Node }): ReactNode {
  return <Badge tone={node.connected ? "good" : "bad"}>{node.connected ? "connected" : "not connected"}</Badge>;
}

function AddsUp({ holds }: { holds: boolean }): ReactNode {
  return <Badge tone={holds ? "good" : "bad"} strong={!holds}>{holds ? "adds up" : "does not add up"}</Badge>;
}

/** How many classes reach each level; one that has operations of several counts for each of them. */
function levelWords(levels: readonly Level[]): ReactNode {
  if (!levels.length) return <span className="quiet">not reported yet</span>;
  const words = [...new Set(levels.map((level) => level.level))];
  return (
    <span className="levels">
      {words.map((word) => <span key={word}>{levels.filter((level) => level.level === word).length} <Word>{word}</Word></span>)}
    </span>
  );
}

function Levels({ levels }: { levels: readonly Level[] }): ReactNode {
  return (
    <Table
      title="Levels"
      about="what this node can do for each class"
      head={["Class", "Operations", "Level", "Why", "What to do about it"]}
    >
      {levels.map((level) => (
        <tr key={[level.class, ...level.operations].join(" ")}>
          <th scope="row">{level.class}</th>
          <td>{level.operations.length ? <Name text={level.operations.join(", ")} /> : "all"}</td>
          <td><Word>{level.level}</Word></td>
          <td><Name text={level.why} /></td>
          <td><Name text={level.hint} /></td>
        </tr>
      ))}
    </Table>
  );
}

function Hops({ hops, balances }: { hops: readonly Hop[]; balances: boolean }): ReactNode {
  return (
    <Table
      title="Accounts"
      about={<>in = out + pending + dropped, at every hop: <AddsUp holds={balances} /></>}
      head={["Hop", "In", "Out", "Pending", "Dropped", "Sum"]}
      right={[1, 2, 3]}
    >
      {hops.map((hop) => (
        <tr key={hop.hop}>
          <th scope="row">{hop.hop}</th>
          <td className="right">{count(hop.in)}</td>
          <td className="right">{count(hop.out)}</td>
          <td className="right">{count(hop.pending)}</td>
          <td>{reasons(hop.dropped) || "0"}</td>
          <td><AddsUp holds={hop.balances} /></td>
        </tr>
      ))}
    </Table>
  );
}

function Store({ account: a }: { account: Account }): ReactNode {
  return (
    <p className="account">
      This collector received {count(a.received)} events of the node: {count(a.stored)} stored, {count(a.duplicate)} sent twice and stored once,{" "}
      {count(a.rejected)} rejected, {count(a.pending)} pending; {count(a.expired)} of the stored ones have expired.
    </p>
  );
}

function Undecided({ reasons: found }: { reasons: Readonly<Record<string, number>> }): ReactNode {
  const words = reasons(found);
  return <p className="account">Requests that could not be decided: {words || "0"}.</p>;
}

function Hooks({ hooks }: { hooks: readonly Hook[] }): ReactNode {
  return (
    <Table title="Hooks" about="programs in the kernel" head={["Hook", "State", "Detail"]}>
      {hooks.map((hook) => (
        <tr key={hook.name}>
          <th scope="row"><Name text={hook.name} /></th>
          <td><Word>{hook.state}</Word></td>
          <td><Name text={hook.detail} /></td>
        </tr>
      ))}
    </Table>
  );
}

interface TableProps {
  readonly title: string;
  readonly about: ReactNode;
  readonly head: readonly string[];
  readonly right?: readonly number[];
  readonly children: readonly ReactNode[];
}

function Table({ title, about, head, right = [], children }: TableProps): ReactNode {
  return (
    <section className="panel" aria-label={title}>
      <header><h3>{title}</h3><span className="quiet">{about}</span></header>
      {children.length === 0 ? (
        <p className="empty">Not reported yet.</p>
      ) : (
        <div className="wide">
          <table>
            <thead>
              <tr>{head.map((name, at) => <th key={name} scope="col" className={right.includes(at) ? "right" : ""}>{name}</th>)}</tr>
            </thead>
            <tbody>{children}</tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function reasons(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .filter(([, value]) => value > 0)
    .map(([reason, value]) => `${count(value)} ${reason}`)
    .join(", ");
}
