/** The desk: paste a policy, validate it, push it to a node, read what came of it. */
import { useEffect, useMemo, useRef, useState, type ReactNode } from "react";
import { push, reason, validate } from "../api/client.ts";
import type { Node, PushResponse, ValidateResponse } from "../api/types.ts";
import { nodes, policies } from "../feed.ts";
import { href, useRoute } from "../router.ts";
import { useStore } from "../store.ts";
import { count, plural } from "../ui/format.ts";
import { Button, Link, Name, Problem, Title } from "../ui/parts.tsx";
import { Recent } from "../violations/recent.tsx";
import { Diagnostics } from "./diagnostics.tsx";
import { Outcomes } from "./outcomes.tsx";
import { TextArea, type TextHandle } from "./textarea.tsx";

/** A collector takes 10 MB at most; the page says so before it sends. */
const LONGEST = 10_000_000;
/** What was being written outlives a change of route, and ends with the tab. */
const DRAFT = "ringfence.draft";

/** A verdict belongs to the very text that was sent. */
interface Checked {
  readonly text: string;
  readonly response: ValidateResponse;
}

interface Pushed {
  readonly text: string;
  readonly response: PushResponse;
}

export function Editor(): ReactNode {
  const [text, setText] = useDraft();
  const [checked, setChecked] = useState<Checked | null>(null);
  const [pushed, setPushed] = useState<Pushed | null>(null);
  const [busy, setBusy] = useState("");
  const [error, setError] = useState("");
  const [target, targets, setTarget] = useTarget();
  const handle = useRef<TextHandle>(null);
  const current = checked?.text === text ? checked.response : null;

  const attempt = (what: string, work: () => Promise<void>): void => {
    setBusy(what);
    setError("");
    work().catch((problem: unknown) => setError(reason(problem))).finally(() => setBusy(""));
  };
  const doValidate = (): void => attempt("validating …", async () => setChecked({ text, response: await validate(text) }));
  const doPush = (): void =>
    attempt("pushing …", async () => {
      setPushed(null);
      setPushed({ text, response: await push(text, target === EVERY ? null : [target]) });
    });
  const live = useMemo(() => liveIn(pushed), [pushed]);
  const jump = (line: number, column: number): void => handle.current?.jump(line, column);
  const wrong = [...(current?.diagnostics ?? []), ...(pushed?.text === text ? pushed.response.outcomes.flatMap((o) => o.diagnostics) : [])];

  return (
    <div className="page editor">
      <p className="crumbs"><Link to={href(["policies"])}>Policies</Link> / new</p>
      <div className="title-row">
        <Title tab="New policy">New policy</Title>
      </div>
      <div className="desk">
        <TextArea label="Policy text" value={text} onChange={setText} onSubmit={whyNotValidate(text, busy) ? undefined : doValidate} marks={wrong} handle={handle} />
        <div className="beside">
          <div className="actions">
            <Button why={whyNotValidate(text, busy)} onClick={doValidate} kind={current?.valid ? "plain" : "primary"}>Validate</Button>
          </div>
          <div className="actions">
            <Targets value={target} nodes={targets} onChange={setTarget} />
            <Button kind="primary" why={whyNotPush(current, text, target, targets, busy)} onClick={doPush}>Push</Button>
          </div>
          <Problem>{error}</Problem>
          {pushed?.text === text && <Outcomes done="live" response={pushed.response} text={text} onJump={jump} />}
          {current && <Verdict response={current} text={text} onJump={jump} />}
          {live.length > 0 && <Recent policies={live} />}
          {!current && text.trim() === "" && <Help />}
        </div>
      </div>
    </div>
  );
}

/** The names of what was just made live. */
function liveIn(pushed: Pushed | null): readonly string[] {
  const done = pushed?.response.outcomes.filter((outcome) => outcome.result === "done") ?? [];
  return [...new Set(done.flatMap((outcome) => outcome.policies))];
}

interface VerdictProps {
  readonly response: ValidateResponse;
  readonly text: string;
  readonly onJump: (line: number, column: number) => void;
}

function Verdict({ response, text, onJump }: VerdictProps): ReactNode {
  const errors = response.diagnostics.filter((one) => one.severity === "error").length;
  const warnings = response.diagnostics.length - errors;
  return (
    <section className="panel" aria-label="Diagnostics">
      <p role="status" className={response.valid ? "verdict good-text" : "verdict bad-text"}>
        {response.valid ? "Valid" : "Not valid"}: {plural(errors, "error")}, {plural(warnings, "warning")}
        {response.valid && <> in {response.policies.map((name, at) => <span key={name}>{at > 0 && ", "}<Name text={name} most={80} /></span>)}</>}
      </p>
      <Diagnostics diagnostics={response.diagnostics} text={text} onJump={onJump} />
    </section>
  );
}

function Help(): ReactNode {
  return (
    <p className="empty">
      Paste a policy, or several with <code>---</code> between them. Validating changes nothing; pushing makes all of it live on the node in one
      generation, or none of it.
    </p>
  );
}

const EVERY = "";

function Targets({ value, nodes: targets, onChange }: { value: string; nodes: readonly Node[]; onChange: (name: string) => void }): ReactNode {
  const connected = targets.filter((node) => node.connected).length;
  return (
    <label>
      Node
      <select value={value} onChange={(event) => onChange(event.target.value)}>
        {targets.map((node) => (
          <option key={node.name} value={node.name} disabled={!node.connected}>{node.name}{node.connected ? "" : " (not connected)"}</option>
        ))}
        {connected !== 1 && <option value={EVERY}>every connected node ({count(connected)})</option>}
      </select>
    </label>
  );
}

/** The node that was chosen, else the one in the address, else the first that is connected. */
function useTarget(): [string, readonly Node[], (name: string) => void] {
  const { query } = useRoute();
  const targets = useStore(nodes).items ?? [];
  const [chosen, setChosen] = useState<string | null>(query.get("node"));
  const fallback = targets.find((node) => node.connected)?.name ?? EVERY;
  const known = chosen === EVERY || targets.some((node) => node.name === chosen);
  return [chosen !== null && known ? chosen : fallback, targets, setChosen];
}

function useDraft(): [string, (text: string) => void] {
  const { query } = useRoute();
  const [from, node] = [query.get("from"), query.get("node")];
  const source = useStore(policies).items?.find((policy) => policy.name === from && policy.node === node)?.yaml;
  const [text, setText] = useState(() => (from === null ? (sessionStorage.getItem(DRAFT) ?? "") : (source ?? "")));
  const begun = useRef(text !== "");
  useEffect(() => {
    // The policy to start from may arrive after the page; it never replaces what was typed.
    if (begun.current || source === undefined) return;
    begun.current = true;
    setText(source);
  }, [source]);
  const change = (value: string): void => {
    begun.current = true;
    setText(value);
    keepDraft(value);
  };
  return [text, change];
}

/** A draft too large to keep is not kept: the page works on. */
function keepDraft(text: string): void {
  try {
    sessionStorage.setItem(DRAFT, text);
  } catch {
    sessionStorage.removeItem(DRAFT);
  }
}

function whyNotValidate(text: string, busy: string): string {
  if (busy) return busy;
  if (text.trim() === "") return "paste a policy first";
  return text.length > LONGEST ? "the text is longer than 10 MB" : "";
}

function whyNotPush(current: ValidateResponse | null, text: string, target: string, targets: readonly Node[], busy: string): string {
  if (busy) return busy;
  if (text.trim() === "") return "paste a policy first";
  if (!targets.some((node) => node.connected)) return "no node is connected";
  if (target !== EVERY && !targets.find((node) => node.name === target)?.connected) return "the node is not connected";
  if (!current) return "validate this text first";
  return current.valid ? "" : "mend the errors first";
}
