/** Violations for unit tests. */
import type { Violation } from "../api/types.ts";

export function violation(number: number, more: Partial<Violation> = {}): Violation {
  return {
    id: `web-1:4f1c09aa:v${number}`,
    node: "web-1",
    unix_ns: String(1_700_000_000_000_000_000n + BigInt(number) * 1_000_000n),
    generation: 3,
    policy: "web",
    rule: "secrets",
    class: "file",
    operations: ["read"],
    effect: "deny",
    reason: "decided",
    verdict: -1,
    object: "/etc/shadow",
    exe: "/usr/bin/cat",
    comm: "cat",
    tgid: 100,
    tid: 100,
    uid: 33,
    gid: 33,
    cgroup: "/demo",
    workload: "",
    severity: "high",
    message: "",
    flags: [],
    ...more,
  };
}

export function violations(from: number, to: number): Violation[] {
  return Array.from({ length: to - from }, (_, at) => violation(from + at));
}
