/** Calls to the collector. Every failure is a `Refused`, with words that can be shown to the person who asked. */
import { signOut, token } from "../session.ts";
import { visible } from "../ui/hostile.ts";
import { isObject, Malformed, type Reader } from "./parse.ts";
import {
  readNodes,
  readPolicies,
  readPush,
  readValidate,
  readViolation,
  readViolationPage,
  type Node,
  type Policy,
  type PushResponse,
  type ValidateResponse,
  type Violation,
  type ViolationPage,
} from "./types.ts";

export class Refused extends Error {
  override readonly name = "Refused";
  /** The HTTP status; 0 if there was no answer. */
  readonly status: number;

  constructor(message: string, status: number) {
    super(message);
    this.status = status;
  }
}

/** What is told to the person for anything that was thrown. */
export function reason(error: unknown): string {
  if (error instanceof Refused) return visible(error.message);
  if (error instanceof Malformed) return visible(`the collector's answer was not understood: ${error.message}`);
  return visible(`an error of this page: ${String(error)}`);
}

export function getNodes(signal?: AbortSignal): Promise<readonly Node[]> {
  return call("GET", "nodes", readNodes, { signal }).then((answer) => answer.nodes);
}

export function getPolicies(signal?: AbortSignal): Promise<readonly Policy[]> {
  return call("GET", "policies", readPolicies, { signal }).then((answer) => answer.policies);
}

export function getViolations(query: URLSearchParams, signal?: AbortSignal): Promise<ViolationPage> {
  return call("GET", `violations?${query}`, readViolationPage, { signal });
}

export function getViolation(id: string, signal?: AbortSignal): Promise<Violation> {
  return call("GET", `violations/${encodeURIComponent(id)}`, readViolation, { signal });
}

export function validate(yaml: string): Promise<ValidateResponse> {
  return call("POST", "policies/validate", readValidate, { body: { documents: [document(yaml)] } });
}

export function push(yaml: string, nodes: readonly string[] | null): Promise<PushResponse> {
  return call("POST", "policies/push", readPush, { body: { documents: [document(yaml)], nodes } });
}

export function remove(name: string, node: string): Promise<PushResponse> {
  const query = new URLSearchParams({ node });
  return call("DELETE", `policies/${encodeURIComponent(name)}?${query}`, readPush, {});
}

/** A request with the bearer header; the answer's status has been looked at. */
export async function request(path: string, init: RequestInit, headers: Record<string, string> = {}): Promise<Response> {
  const all = { ...headers, Authorization: `Bearer ${token() ?? ""}` };
  const answer = await fetch(`/api/v1/${path}`, { ...init, headers: all, cache: "no-store" }).catch((error: unknown) => {
    if (init.signal?.aborted) throw error;
    throw new Refused("the collector cannot be reached", 0);
  });
  if (answer.ok) return answer;
  if (answer.status === 401) signOut({ wasRefused: true });
  throw new Refused(await detail(answer), answer.status);
}

interface Options {
  readonly body?: unknown;
  readonly signal?: AbortSignal | undefined;
}

async function call<T>(method: string, path: string, reader: Reader<T>, { body, signal }: Options): Promise<T> {
  const init: RequestInit = { method, signal: signal ?? null };
  if (body !== undefined) init.body = JSON.stringify(body);
  const answer = await request(path, init, body === undefined ? {} : { "Content-Type": "application/json" });
  const value: unknown = await answer.json().catch(() => undefined);
  return reader(value, path.split("?")[0] ?? path);
}

/** The name is what diagnostics refer to: the text has none of its own. */
function document(yaml: string): { file: string; yaml: string } {
  return { file: "policy.yaml", yaml };
}

async function detail(answer: Response): Promise<string> {
  const body: unknown = await answer.json().catch(() => undefined);
  const said = isObject(body) && typeof body["detail"] === "string" ? body["detail"] : answer.statusText;
  return `the collector answered ${answer.status}: ${said || "no reason given"}`;
}
