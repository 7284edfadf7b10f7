/**
 * Where the page is: the address bar holds it, so that it can be bookmarked, shared and gone back from.
 *
 * A few routes do not need a library: a path split into segments, a query, and the browser's own history.
 */
import { useMemo, useSyncExternalStore } from "react";

export interface Route {
  /** The path's decoded segments: `/nodes/web-1` is `["nodes", "web-1"]`. */
  readonly segments: readonly string[];
  readonly query: URLSearchParams;
}

export function parseRoute(pathname: string, search: string): Route {
  return { segments: pathname.split("/").filter(Boolean).map(decode), query: new URLSearchParams(search) };
}

/** A path from segments and query values; empty values are left out. */
export function href(segments: readonly string[], query: Record<string, string> = {}): string {
  const kept = Object.entries(query).filter(([, value]) => value !== "");
  const search = new URLSearchParams(kept).toString();
  return `/${segments.map(encodeURIComponent).join("/")}${search && `?${search}`}`;
}

export function navigate(to: string, { replace = false } = {}): void {
  if (replace) history.replaceState(null, "", to);
  else history.pushState(null, "", to);
  dispatchEvent(new Event(CHANGED));
}

export function useRoute(): Route {
  const key = useSyncExternalStore(subscribe, () => location.pathname + "\n" + location.search);
  return useMemo(() => {
    const [pathname = "/", search = ""] = key.split("\n");
    return parseRoute(pathname, search);
  }, [key]);
}

const CHANGED = "ringfence:navigated";

function subscribe(listener: () => void): () => void {
  addEventListener("popstate", listener);
  addEventListener(CHANGED, listener);
  return () => {
    removeEventListener("popstate", listener);
    removeEventListener(CHANGED, listener);
  };
}

/** A segment that is not valid percent-encoding stands for itself: an address typed by hand must not break the page. */
function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
