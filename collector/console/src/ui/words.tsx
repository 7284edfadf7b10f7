/** How the API's own words look. A word this page does not know is shown as it came. */
import type { ReactNode } from "react";
import { Badge } from "./parts.tsx";

/** Strictest first, as verdicts are chosen. */
export const EFFECTS = ["kill", "deny", "would-deny", "audit", "allow"] as const;
export const CLASSES = [
  "file",
  "exec",
  "network",
  "syscall",
  "capability",
  "device",
  "mount",
  "namespace",
  "ptrace",
  "signal",
  "bpf",
  "module",
  "credential",
  "keyring",
  "ioUring",
] as const;

type Look = { readonly tone: "bad" | "warn" | "good" | "info" | "quiet"; readonly strong?: boolean };

const LOOKS: Readonly<Record<string, Look>> = {
  kill: { tone: "bad", strong: true },
  deny: { tone: "bad" },
  "would-deny": { tone: "warn" },
  audit: { tone: "info" },
  allow: { tone: "quiet" },
  enforcing: { tone: "good" },
  permissive: { tone: "warn" },
  enforced: { tone: "good" },
  observed: { tone: "warn" },
  none: { tone: "bad" },
  closed: { tone: "good" },
  open: { tone: "bad", strong: true },
  "open-boot": { tone: "bad", strong: true },
  attached: { tone: "good" },
  absent: { tone: "warn" },
  refused: { tone: "bad" },
  critical: { tone: "bad", strong: true },
  high: { tone: "bad" },
  medium: { tone: "warn" },
  low: { tone: "info" },
};

const UNKNOWN: Look = { tone: "quiet" };

export function Word({ children }: { children: string }): ReactNode {
  const look = (Object.hasOwn(LOOKS, children) ? LOOKS[children] : undefined) ?? UNKNOWN;
  return <Badge tone={look.tone} strong={look.strong ?? false}>{children || "not said"}</Badge>;
}

const ERRNO: Readonly<Record<number, string>> = { 1: "EPERM", 12: "ENOMEM", 13: "EACCES", 16: "EBUSY", 36: "ENAMETOOLONG" };

/** What the hook returned, as the refused program saw it. */
export function verdict(value: number): string {
  if (value === 0) return "0 (let through)";
  const name = ERRNO[-value];
  return name ? `${value} (${name})` : String(value);
}

/** Where gates stand, in a sentence. */
export function gate(state: string): string {
  if (state === "closed") return "closed: policies are enforced";
  if (state === "open") return "open: switched off, nothing is enforced";
  if (state === "open-boot") return "open: ringfence=off on the kernel command line";
  return "not reported yet";
}
