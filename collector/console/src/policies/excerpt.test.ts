import { expect, test } from "vitest";
import { excerpt, offsetOf } from "./excerpt.ts";

const TEXT = "kind: Policy\n  exec: {operations: [exce]}\n😀 : 1\n";

test("the mark stands under the column", () => {
  expect(excerpt(TEXT.split("\n"), 2, 22)).toBe("2 |   exec: {operations: [exce]}\n  |                      ^");
});

test("the mark stays under the column behind characters that are spelled out", () => {
  expect(excerpt(["a\u202eb"], 1, 3)).toBe("1 | a\\u{202e}b\n  |          ^");
});

test("a long line is cut around the mark", () => {
  const cut = excerpt(["x".repeat(5000) + "!" + "y".repeat(5000)], 1, 5001);
  const [line = "", mark = ""] = cut.split("\n");
  expect(line.length).toBeLessThan(90);
  expect(line[mark.indexOf("^")]).toBe("!");
});

test("a position outside the text has no excerpt", () => {
  expect(excerpt(["a"], 0, 0)).toBe("");
  expect(excerpt(["a"], 9, 1)).toBe("");
});

test.each([
  [1, 1, 0],
  [2, 3, 15],
  [3, 2, TEXT.indexOf("😀") + 2],
  [3, 99, TEXT.length - 1],
  [99, 1, TEXT.length],
])("line %d column %d is at %d", (line, column, offset) => expect(offsetOf(TEXT, line, column)).toBe(offset));
