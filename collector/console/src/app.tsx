/** The frame around every page: sign-in, navigation, and how the link to the collector is. */
import { Component, useEffect, type ReactNode } from "react";
import { follow, link, nodes, policies, trouble, violations } from "./feed.ts";
import { NodesPage } from "./nodes/page.tsx";
import { PoliciesPage } from "./policies/page.tsx";
import { href, navigate, useRoute } from "./router.ts";
import { signOut, useSession } from "./session.ts";
import { SignIn } from "./signin.tsx";
import { useStore } from "./store.ts";
import { count } from "./ui/format.ts";
import { Badge, Button, Link, Problem, Title } from "./ui/parts.tsx";
import { ViolationsPage } from "./violations/page.tsx";

export function App(): ReactNode {
  const { token, refused } = useSession();
  return token === null ? <SignIn refused={refused} /> : <SignedIn key={token} />;
}

function SignedIn(): ReactNode {
  const { segments } = useRoute();
  useEffect(follow, []);
  return (
    <>
      <a className="skip" href="#main">Skip to the content</a>
      <header className="bar">
        <span className="brand">Ringfence</span>
        <Navigation current={segments[0] ?? ""} />
        <LinkBadge />
        <Button onClick={() => signOut()}>Sign out</Button>
      </header>
      <main id="main" tabIndex={-1}>
        <Problem>{useStore(trouble)}</Problem>
        <Caught key={segments.join("/")}>
          <Page segments={segments} />
        </Caught>
      </main>
    </>
  );
}

function Page({ segments }: { segments: readonly string[] }): ReactNode {
  const [page, ...rest] = segments;
  useEffect(() => {
    if (page === undefined) navigate(href(["violations"]), { replace: true });
  }, [page]);
  if (page === "policies") return <PoliciesPage segments={rest} />;
  if (page === "violations") return <ViolationsPage />;
  if (page === "nodes") return <NodesPage name={rest[0]} />;
  return page === undefined ? null : <Missing />;
}

function Missing(): ReactNode {
  return (
    <div className="page">
      <Title tab="Not found">There is no such page</Title>
      <p>What exists: policies, violations and nodes, above.</p>
    </div>
  );
}

function Navigation({ current }: { current: string }): ReactNode {
  const counts: readonly (readonly [string, string, number | undefined])[] = [
    ["violations", "Violations", useStore(violations).received],
    ["policies", "Policies", useStore(policies).items?.length],
    ["nodes", "Nodes", useStore(nodes).items?.length],
  ];
  return (
    <nav aria-label="Pages">
      {counts.map(([page, label, items]) => (
        <Link key={page} to={href([page])} aria-current={page === current ? "page" : undefined}>
          {label} {items !== undefined && <span className="count">{count(items)}</span>}
        </Link>
      ))}
    </nav>
  );
}

function LinkBadge(): ReactNode {
  const { link: state, detail } = useStore(link);
  const tone = state === "live" ? "good" : state === "connecting" ? "info" : "bad";
  const word = state === "waiting" ? "not connected" : state;
  return (
    <span role="status" className="link-state" aria-label="Link to the collector">
      <Badge tone={tone}>{word}</Badge>
      {detail && <span className="why">{detail}; trying again</span>}
    </span>
  );
}

/** An error of this page is said, not a blank window. */
class Caught extends Component<{ children: ReactNode }, { error: string }> {
  override state = { error: "" };

  static getDerivedStateFromError(error: unknown): { error: string } {
    return { error: String(error) };
  }

  override render(): ReactNode {
    if (!this.state.error) return this.props.children;
    return <Problem>This page has failed: {this.state.error}. Reload it; the collector and the nodes are not affected.</Problem>;
  }
}
