/**
 * The collector's nouns, field for field as its OpenAPI description has them (`GET /api/v1/openapi.json`; a test compares the two),
 * and a reader for each. Fields that the page does not show are left out.
 *
 * Text from nodes arrives printable; the page does not rely on it. 64-bit times are text.
 */
import { flag, list, number, or, record, table, text } from "./parse.ts";

export interface Violation {
  readonly id: string;
  readonly node: string;
  readonly unix_ns: string;
  readonly generation: number;
  readonly policy: string;
  readonly rule: string;
  readonly class: string;
  readonly operations: readonly string[];
  readonly effect: string;
  readonly reason: string;
  readonly verdict: number;
  readonly object: string;
  readonly exe: string;
  readonly comm: string;
  readonly tgid: number;
  readonly tid: number;
  readonly uid: number;
  readonly gid: number;
  readonly cgroup: string;
  readonly workload: string;
  readonly severity: string;
  readonly message: string;
  readonly flags: readonly string[];
}

export interface ViolationPage {
  readonly violations: readonly Violation[];
  readonly next: string | null;
}

export interface Hop {
  readonly hop: string;
  readonly in: number;
  readonly out: number;
  readonly pending: number;
  readonly dropped: Readonly<Record<string, number>>;
  readonly balances: boolean;
}

export interface Level {
  readonly class: string;
  /** Those it is about; empty: all of the class. */
  readonly operations: readonly string[];
  readonly level: string;
  readonly why: string;
  readonly hint: string;
}

export interface Hook {
  readonly name: string;
  readonly state: string;
  readonly detail: string;
}

export interface Account {
  readonly received: number;
  readonly stored: number;
  readonly duplicate: number;
  readonly rejected: number;
  readonly pending: number;
  readonly expired: number;
}

export interface Node {
  readonly name: string;
  readonly connected: boolean;
  readonly connected_since: string | null;
  readonly last_seen: string | null;
  readonly boot_id: string;
  readonly version: string;
  readonly kernel: string;
  readonly generation: number;
  readonly gate: string;
  readonly gate_until: string | null;
  readonly started: string | null;
  readonly adopted: boolean;
  readonly resident_bytes: number;
  readonly policies: readonly string[];
  readonly profiles: number;
  readonly scopes: number;
  readonly levels: readonly Level[];
  readonly hooks: readonly Hook[];
  readonly undecided: Readonly<Record<string, number>>;
  readonly hops: readonly Hop[];
  readonly balances: boolean;
  readonly account: Account;
}

export interface Rule {
  readonly id: string;
  readonly class: string;
  readonly action: string;
  readonly severity: string;
  readonly level: string;
  readonly hits: number;
  readonly is_default: boolean;
}

export interface Policy {
  readonly node: string;
  readonly name: string;
  readonly mode: string;
  readonly digest: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly rules: readonly Rule[];
  readonly cgroups: readonly string[];
  readonly cgroup_count: number;
  readonly yaml: string;
  readonly pushed: string | null;
  readonly reverts: string | null;
}

export interface Diagnostic {
  readonly severity: string;
  readonly code: string;
  readonly message: string;
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly hint: string;
  readonly policy: string;
  readonly rule: string;
  readonly found: string;
  readonly required: string;
}

export interface ValidateResponse {
  readonly valid: boolean;
  readonly policies: readonly string[];
  readonly diagnostics: readonly Diagnostic[];
}

export interface Outcome {
  readonly node: string;
  readonly result: string;
  readonly error: string;
  readonly diagnostics: readonly Diagnostic[];
  readonly generation: number;
  readonly enforced_after_ns: number;
  readonly rules_enforced: number;
  readonly rules_observed: number;
  readonly unchanged: boolean;
  readonly policies: readonly string[];
  readonly round_trip_ms: number;
}

export interface PushResponse {
  readonly ok: boolean;
  readonly outcomes: readonly Outcome[];
}

const maybe = or(text, null);

export const readViolation = record<Violation>({
  id: text,
  node: text,
  unix_ns: text,
  generation: number,
  policy: text,
  rule: text,
  class: text,
  operations: list(text),
  effect: text,
  reason: text,
  verdict: number,
  object: text,
  exe: text,
  comm: text,
  tgid: number,
  tid: number,
  uid: number,
  gid: number,
  cgroup: text,
  workload: text,
  severity: text,
  message: text,
  flags: list(text),
});

export const readViolationPage = record<ViolationPage>({ violations: list(readViolation), next: maybe });

const readHop = record<Hop>({
  hop: text,
  in: number,
  out: number,
  pending: number,
  dropped: table(number),
  balances: flag,
});

const readAccount = record<Account>({
  received: number,
  stored: number,
  duplicate: number,
  rejected: number,
  pending: number,
  expired: number,
});

export const readNode = record<Node>({
  name: text,
  connected: flag,
  connected_since: maybe,
  last_seen: maybe,
  boot_id: text,
  version: text,
  kernel: text,
  generation: number,
  gate: text,
  gate_until: maybe,
  started: maybe,
  adopted: flag,
  resident_bytes: number,
  policies: list(text),
  profiles: number,
  scopes: number,
  levels: list(record<Level>({ class: text, operations: list(text), level: text, why: text, hint: text })),
  hooks: list(record<Hook>({ name: text, state: text, detail: text })),
  undecided: table(number),
  hops: list(readHop),
  balances: flag,
  account: readAccount,
});

const readRule = record<Rule>({
  id: text,
  class: text,
  action: text,
  severity: text,
  level: text,
  hits: number,
  is_default: flag,
});

export const readPolicy = record<Policy>({
  node: text,
  name: text,
  mode: text,
  digest: text,
  labels: table(text),
  annotations: table(text),
  rules: list(readRule),
  cgroups: list(text),
  cgroup_count: number,
  yaml: text,
  pushed: maybe,
  reverts: maybe,
});

const readDiagnostic = record<Diagnostic>({
  severity: text,
  code: text,
  message: text,
  file: text,
  line: number,
  column: number,
  hint: text,
  policy: text,
  rule: text,
  found: text,
  required: text,
});

export const readValidate = record<ValidateResponse>({
  valid: flag,
  policies: list(text),
  diagnostics: list(readDiagnostic),
});

const readOutcome = record<Outcome>({
  node: text,
  result: text,
  error: text,
  diagnostics: list(readDiagnostic),
  generation: number,
  enforced_after_ns: number,
  rules_enforced: number,
  rules_observed: number,
  unchanged: flag,
  policies: list(text),
  round_trip_ms: number,
});

export const readPush = record<PushResponse>({ ok: flag, outcomes: list(readOutcome) });
export const readNodes = record<{ nodes: readonly Node[] }>({ nodes: list(readNode) });
export const readPolicies = record<{ policies: readonly Policy[] }>({ policies: list(readPolicy) });
export const readLost = record<{ count: number }>({ count: number });

/** Milliseconds since 1970, with what is below a millisecond as a fraction. */
export function milliseconds(unixNs: string): number {
  return Number(BigInt(/^-?\d+$/.test(unixNs) ? unixNs : "0") / 1000n) / 1000;
}
