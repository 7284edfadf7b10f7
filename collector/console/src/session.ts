/**
 * The bearer token: from the address's fragment into this tab's memory, and nowhere else.
 *
 * A fragment is never sent to a server, and it is removed before anything else runs, so that it stays out of history,
 * bookmarks and screenshots. sessionStorage ends with the tab.
 */
import { useSyncExternalStore } from "react";

const KEY = "ringfence.token";
const listeners = new Set<() => void>();
let refused = false;

/** The token of a fragment such as `#token=abc`, or null. */
export function tokenOfFragment(fragment: string): string | null {
  const token = new URLSearchParams(fragment.replace(/^#/, "")).get("token")?.trim();
  return token ? token : null;
}

/** Called before the first render, and whenever the fragment changes. */
export function adoptFragment(): void {
  const token = tokenOfFragment(location.hash);
  if (token === null) return;
  history.replaceState(null, "", location.pathname + location.search);
  signIn(token);
}

export function token(): string | null {
  return sessionStorage.getItem(KEY);
}

export function signIn(value: string): void {
  refused = false;
  sessionStorage.setItem(KEY, value.trim());
  notify();
}

/** Forget the token; `wasRefused` makes the sign-in form say that the collector did not accept it. */
export function signOut({ wasRefused = false } = {}): void {
  refused = wasRefused;
  sessionStorage.removeItem(KEY);
  notify();
}

export function useSession(): { token: string | null; refused: boolean } {
  return { token: useSyncExternalStore(subscribe, token), refused: useSyncExternalStore(subscribe, () => refused) };
}

function notify(): void {
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}
