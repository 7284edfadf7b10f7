/** Which violations to look at. The address bar holds it; the collector's own pages take the same names. */
import type { Violation } from "../api/types.ts";

export interface Filter {
  readonly policy: string;
  readonly effect: string;
  readonly class: string;
  readonly text: string;
}

export const FIELDS = ["policy", "effect", "class", "text"] as const;

export function filterOf(query: URLSearchParams): Filter {
  const value = (name: string): string => query.get(name) ?? "";
  return { policy: value("policy"), effect: value("effect"), class: value("class"), text: value("text") };
}

export function isEmpty(filter: Filter): boolean {
  return FIELDS.every((field) => filter[field] === "");
}

/** Query parameters for the collector, which decides as `matches` does. */
export function queryOf(filter: Filter): URLSearchParams {
  return new URLSearchParams(FIELDS.filter((field) => filter[field] !== "").map((field) => [field, filter[field]]));
}

export function matches(filter: Filter, violation: Violation): boolean {
  return (
    (filter.policy === "" || violation.policy === filter.policy) &&
    (filter.effect === "" || violation.effect === filter.effect) &&
    (filter.class === "" || violation.class === filter.class) &&
    (filter.text === "" || contains(violation, filter.text))
  );
}

function contains({ object, exe, comm }: Violation, text: string): boolean {
  return object.includes(text) || exe.includes(text) || comm.includes(text);
}
