/** Problems of a policy, told as a compiler tells them: what, where, the line with a mark under it, and a hint. */
import type { ReactNode } from "react";
import type { Diagnostic } from "../api/types.ts";
import { Badge, Name } from "../ui/parts.tsx";
import { excerpt } from "./excerpt.ts";

interface Props {
  readonly diagnostics: readonly Diagnostic[];
  /** The text that the positions refer to. */
  readonly text: string;
  readonly onJump?: (line: number, column: number) => void;
}

/** A document can be wrong in more places than anyone reads. */
const MOST = 200;

export function Diagnostics({ diagnostics, text, onJump }: Props): ReactNode {
  if (!diagnostics.length) return null;
  const lines = text.split("\n");
  return (
    <>
      <ol className="diagnostics">
        {diagnostics.slice(0, MOST).map((one, at) => (
          <Item key={at} diagnostic={one} lines={lines} {...(onJump && { onJump })} />
        ))}
      </ol>
      {diagnostics.length > MOST && <p className="why">and {diagnostics.length - MOST} more</p>}
    </>
  );
}

interface ItemProps {
  readonly diagnostic: Diagnostic;
  readonly lines: readonly string[];
  readonly onJump?: (line: number, column: number) => void;
}

function Item({ diagnostic: d, lines, onJump }: ItemProps): ReactNode {
  const cut = excerpt(lines, d.line, d.column);
  return (
    <li>
      <p>
        <Badge tone={d.severity === "error" ? "bad" : "warn"}>{d.severity}</Badge> <Name text={d.message} />
      </p>
      {d.line > 0 && <Place diagnostic={d} {...(onJump && { onJump })} />}
      {cut && <pre className="excerpt">{cut}</pre>}
      {d.found && <p className="note"><span>found:</span> <Name text={d.found} /></p>}
      {d.required && <p className="note"><span>required:</span> <Name text={d.required} /></p>}
      {d.hint && <p className="note"><span>hint:</span> <Name text={d.hint} /></p>}
    </li>
  );
}

function Place({ diagnostic: d, onJump }: Omit<ItemProps, "lines">): ReactNode {
  const place = `${d.file}:${d.line}:${d.column}`;
  if (!onJump) return <p className="place mono"><Name text={place} /></p>;
  return (
    <button type="button" className="place mono" onClick={() => onJump(d.line, d.column)}>
      {"--> "}
      <Name text={place} />
      <span className="unseen">: go to line {d.line}, column {d.column}</span>
    </button>
  );
}
