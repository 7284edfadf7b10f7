/** The pieces every page is made of. */
import { useEffect, useId, useRef, type ComponentProps, type MouseEvent, type ReactNode } from "react";
import { navigate } from "../router.ts";
import { moment } from "./format.ts";
import { segments, shorten, splitTail, visible } from "./hostile.ts";

/** A name that an attacker may have written; `most` characters are shown, all of them without it. */
export function Name({ text, most }: { text: string; most?: number }): ReactNode {
  const parts = segments(most === undefined ? text : shorten(text, most));
  return (
    <bdi className="name" dir="ltr">
      {parts.map(({ text: part, escaped }, at) => (escaped ? <span key={at} className="escaped">{part}</span> : part))}
    </bdi>
  );
}

/** A name on one line: where it does not fit, its beginning gives way and its end, which tells names apart, stays. */
export function Fit({ text, most }: { text: string; most: number }): ReactNode {
  const [head, tail] = splitTail(shorten(text, most));
  return (
    <span className="fit">
      {head && <span className="head"><Name text={head} /></span>}
      <span className="tail"><Name text={tail} /></span>
    </span>
  );
}

type Tone = "bad" | "warn" | "good" | "info" | "quiet";

/** A word that stands out. The colour repeats what the word says and is never all there is. */
export function Badge({ tone, strong, children }: { tone: Tone; strong?: boolean; children: ReactNode }): ReactNode {
  return <span className={`badge ${tone} ${strong ? "strong" : ""}`}>{children}</span>;
}

interface ButtonProps extends Omit<ComponentProps<"button">, "disabled"> {
  /** Why it cannot be pressed now; shown beside it and read with it. Empty: it can. */
  readonly why?: string;
  readonly kind?: "primary" | "danger" | "plain";
}

/** A button that says why it is disabled. It can still be reached, or nobody would hear why. */
export function Button({ why = "", kind = "plain", children, onClick, ...rest }: ButtonProps): ReactNode {
  const reason = useId();
  const press = why ? undefined : onClick;
  return (
    <span className="button-with-reason">
      <button
        type="button"
        className={`button ${kind}`}
        aria-disabled={why ? true : undefined}
        aria-describedby={why ? reason : undefined}
        onClick={press}
        {...rest}
      >
        {children}
      </button>
      {why && <span id={reason} className="why">{why}</span>}
    </span>
  );
}

/** A link inside the page; with a modifier key the browser does what it always does. */
export function Link({ to, replace = false, onClick, ...rest }: { to: string; replace?: boolean } & ComponentProps<"a">): ReactNode {
  const follow = (event: MouseEvent<HTMLAnchorElement>): void => {
    onClick?.(event);
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    navigate(to, { replace });
  };
  return <a {...rest} href={to} onClick={follow} />;
}

export function Fact({ name, children }: { name: string; children: ReactNode }): ReactNode {
  return (
    <div className="fact">
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** A moment as RFC 3339 text from the collector, in the reader's zone. */
export function Moment({ at }: { at: string | null }): ReactNode {
  if (at === null) return <span className="quiet">never</span>;
  const ms = Date.parse(at);
  return <time dateTime={at}>{Number.isNaN(ms) ? at : moment(ms)}</time>;
}

/** What went wrong, announced when it appears. */
export function Problem({ children }: { children: ReactNode }): ReactNode {
  return children ? <p role="alert" className="problem">{children}</p> : null;
}

interface ConfirmProps {
  readonly title: string;
  readonly action: string;
  readonly why?: string;
  readonly onConfirm: () => void;
  readonly onCancel: () => void;
  readonly children: ReactNode;
}

/** Asks before something that cannot be taken back; Escape and the first focus are on the safe side. */
export function Confirm({ title, action, why = "", onConfirm, onCancel, children }: ConfirmProps): ReactNode {
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useId();
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} aria-labelledby={heading} onClose={onCancel}>
      <h2 id={heading}>{title}</h2>
      {children}
      <div className="actions">
        <Button onClick={onCancel}>Cancel</Button>
        <Button kind="danger" why={why} onClick={onConfirm}>{action}</Button>
      </div>
    </dialog>
  );
}

/** The page's name in its heading and in the tab. */
export function Title({ children, tab }: { children: ReactNode; tab: string }): ReactNode {
  useEffect(() => {
    document.title = `${visible(tab)} · Ringfence`;
  }, [tab]);
  return <h1>{children}</h1>;
}
