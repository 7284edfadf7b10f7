/** A text with numbered lines. Only the numbers in view are drawn, so that a policy of a hundred thousand lines is no burden. */
import { useImperativeHandle, useLayoutEffect, useMemo, useRef, useState, type KeyboardEvent, type ReactNode, type Ref } from "react";
import type { Diagnostic } from "../api/types.ts";
import { offsetOf } from "./excerpt.ts";

/** As in styles.css. */
const LINE_PX = 20;

export interface TextHandle {
  /** Put the cursor there and bring it into view. */
  readonly jump: (line: number, column: number) => void;
}

interface Props {
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
  /** Control and Enter. */
  readonly onSubmit: (() => void) | undefined;
  readonly marks: readonly Diagnostic[];
  readonly handle: Ref<TextHandle>;
}

export function TextArea({ label, value, onChange, onSubmit, marks, handle }: Props): ReactNode {
  const area = useRef<HTMLTextAreaElement>(null);
  const [top, setTop] = useState(0);
  const height = useHeight(area);
  const lines = useMemo(() => value.split("\n").length, [value]);
  useImperativeHandle(handle, () => ({ jump: (line, column) => area.current && jump(area.current, line, column) }));
  const keys = (event: KeyboardEvent): void => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) onSubmit?.();
  };
  return (
    <div className="text-area">
      <Gutter top={top} height={height} lines={lines} marks={marks} />
      <textarea
        ref={area}
        aria-label={label}
        value={value}
        onChange={(event) => onChange(event.target.value)}
        onKeyDown={keys}
        onScroll={(event) => setTop(event.currentTarget.scrollTop)}
        wrap="off"
        spellCheck={false}
        autoCapitalize="off"
        autoComplete="off"
        placeholder={PLACEHOLDER}
      />
    </div>
  );
}

const PLACEHOLDER = `apiVersion: ringfence.dev/v1
kind: Policy
metadata: {name: web}
spec:
  scope:
    - unit: nginx.service
  mode: enforcing
  rules:
    - id: secrets
      file: {paths: ["/etc/shadow"], operations: [read, write]}
      action: deny`;

interface GutterProps {
  readonly top: number;
  readonly height: number;
  readonly lines: number;
  readonly marks: readonly Diagnostic[];
}

/** For the eyes only: the diagnostics say the line in words. */
function Gutter({ top, height, lines, marks }: GutterProps): ReactNode {
  const first = Math.floor(top / LINE_PX);
  const shown = Math.min(lines - first, Math.ceil(height / LINE_PX) + 1);
  const severity = new Map(marks.map((mark) => [mark.line, mark.severity]));
  return (
    <div className="gutter" aria-hidden>
      <div style={{ transform: `translateY(${first * LINE_PX - top}px)` }}>
        {Array.from({ length: Math.max(0, shown) }, (_, at) => first + at + 1).map((line) => (
          <div key={line} className={severity.has(line) ? `mark ${severity.get(line) === "error" ? "bad" : "warn"}` : ""}>{line}</div>
        ))}
      </div>
    </div>
  );
}

function jump(area: HTMLTextAreaElement, line: number, column: number): void {
  const at = offsetOf(area.value, line, column);
  area.focus({ preventScroll: true });
  area.setSelectionRange(at, at);
  area.scrollTop = Math.max(0, (line - 1) * LINE_PX - area.clientHeight / 2);
}

function useHeight(area: { current: HTMLElement | null }): number {
  const [height, setHeight] = useState(0);
  useLayoutEffect(() => {
    const element = area.current;
    if (!element) return;
    const observer = new ResizeObserver(() => setHeight(element.clientHeight));
    observer.observe(element);
    return () => observer.disconnect();
  }, [area]);
  return height;
}
