import { expect, test } from "vitest";
import { href, parseRoute } from "./router.ts";

test("an address built from any names is read back as these names", () => {
  const names = ["nodes", "a/b?c#d", "%", "ü\u202e"];
  const url = new URL(href(names, { text: "x&y=z", empty: "" }), "http://localhost");
  const route = parseRoute(url.pathname, url.search);
  expect(route.segments).toEqual(names);
  expect([...route.query]).toEqual([["text", "x&y=z"]]);
});

test("an address that is not valid percent-encoding stands for itself", () => {
  expect(parseRoute("/nodes/%zz", "").segments).toEqual(["nodes", "%zz"]);
});
