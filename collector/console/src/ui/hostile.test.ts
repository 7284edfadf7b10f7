import { expect, test } from "vitest";
import { segments, shorten, splitTail, visible, visibleLines } from "./hostile.ts";

test("what can be read stays as it is, in any script", () => {
  const plain = "/srv/Größe/文件/файл/<script>alert(1)</script> & \"quoted\"";
  expect(visible(plain)).toBe(plain);
});

test.each([
  ["line break", "a\nb", "a\\x0ab"],
  ["escape sequence", "\u001b[31mred", "\\x1b[31mred"],
  ["C1 control", "\u009b1m", "\\x9b1m"],
  ["right-to-left override", "/tmp/\u202egpj.exe", "/tmp/\\u{202e}gpj.exe"],
  ["isolate", "\u2066x\u2069", "\\u{2066}x\\u{2069}"],
  ["zero width", "a\u200bb\ufeff", "a\\u{200b}b\\u{feff}"],
  ["line separator", "a\u2028b", "a\\u{2028}b"],
  ["tag character", "a\u{e0041}", "a\\u{e0041}"],
  ["half a surrogate pair", "a\ud800b", "a\\u{d800}b"],
  ["filler that looks like nothing", "\u3164", "\\u{3164}"],
])("%s is spelled out", (_, text, shown) => {
  expect(visible(text)).toBe(shown);
  expect(segments(text).map((segment) => segment.text).join("")).toBe(shown);
});

test("segments say which part was spelled out", () => {
  expect(segments("a\u202eb")).toEqual([
    { text: "a", escaped: false },
    { text: "\\u{202e}", escaped: true },
    { text: "b", escaped: false },
  ]);
});

test("a text of several lines keeps its line breaks only", () => {
  expect(visibleLines("a\r\n\tb")).toBe("a\\x0d\n    b");
});

test("a long name keeps its beginning and its end", () => {
  expect(shorten("/" + "a".repeat(4000) + "/shadow", 20)).toBe("/aaaaaaaa…aaa/shadow");
  expect(shorten("short", 20)).toBe("short");
});

test.each([
  ["/etc/ssl/private/server.key", ["/etc/ssl/private", "/server.key"]],
  ["web-1:4f1c09aa:v4704", ["web-1:4f1c09aa", ":v4704"]],
  ["/etc/shadow", ["", "/etc/shadow"]],
  ["/srv/" + "x".repeat(40), ["/srv/" + "x".repeat(22), "x".repeat(18)]],
  ["/srv/" + "\u{1f600}".repeat(20), ["/srv/" + "\u{1f600}".repeat(2), "\u{1f600}".repeat(18)]],
])("the tail of %s is what tells it apart", (text, parts) => expect(splitTail(text)).toEqual(parts));
