/** What the nodes made of a push or a deletion. */
import type { ReactNode } from "react";
import type { Outcome, PushResponse } from "../api/types.ts";
import { count, duration, plural } from "../ui/format.ts";
import { Badge, Name } from "../ui/parts.tsx";
import { Diagnostics } from "./diagnostics.tsx";

interface Props {
  readonly done: string;
  readonly response: PushResponse;
  readonly onJump?: (line: number, column: number) => void;
  readonly text?: string;
}

export function Outcomes({ done, response, onJump, text = "" }: Props): ReactNode {
  return (
    <section className="panel outcomes" aria-label="Outcome" role="status">
      {response.outcomes.map((outcome) => (
        <article key={outcome.node} aria-label={`Outcome on ${outcome.node}`}>
          <p>
            <Badge tone={outcome.result === "done" ? "good" : "bad"} strong>{outcome.result}</Badge>{" "}
            <strong><Name text={outcome.node} most={80} /></strong>: {words(done, outcome)}
          </p>
          <Diagnostics diagnostics={outcome.diagnostics} text={text} {...(onJump && { onJump })} />
        </article>
      ))}
    </section>
  );
}

function words(done: string, outcome: Outcome): ReactNode {
  if (outcome.result === "done") return doneWords(done, outcome);
  if (outcome.result === "refused") return `refused; nothing changed. ${plural(outcome.diagnostics.length, "reason")}:`;
  if (outcome.result === "timeout") return "no answer in time: whether the node took it is not known, its next report tells.";
  if (outcome.result === "offline") return "the node is not connected; nothing was sent.";
  return <>failed: <Name text={outcome.error || "no reason given"} /></>;
}

function doneWords(done: string, outcome: Outcome): string {
  const generation = `generation ${count(outcome.generation)}`;
  if (outcome.unchanged) return `already live in ${generation}; nothing changed.`;
  const rules = ` ${plural(outcome.rules_enforced, "rule")} enforced, ${count(outcome.rules_observed)} observed;`;
  const after = `${duration(outcome.enforced_after_ns / 1e6)} from ${done === "live" ? "push" : "request"} to enforced`;
  return `${done}, ${generation}:${done === "live" ? rules : ""} ${after}, ${duration(outcome.round_trip_ms)} there and back.`;
}
