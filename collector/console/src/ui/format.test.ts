import { expect, test } from "vitest";
import { bytes, clockOrDay, count, duration, moment, plural } from "./format.ts";

test.each([
  [0.42, "0.4 ms"],
  [9.96, "10 ms"],
  [38.4, "38 ms"],
  [1254, "1.25 s"],
  [180_000, "3 min"],
  [-3, "-3 ms"],
])("%d ms reads %s", (ms, shown) => expect(duration(ms)).toBe(shown));

test("counts have thousands marked and nouns in number", () => {
  expect(count(12345)).toBe("12,345");
  expect(plural(1, "rule")).toBe("1 rule");
  expect(plural(0, "policy", "policies")).toBe("0 policies");
  expect(bytes(32_900_000)).toBe("31.4 MiB");
});

test("a time of another day says which", () => {
  const at = new Date(2026, 10, 22, 14, 3, 9, 412).getTime();
  expect(clockOrDay(at, at + 1000)).toBe("14:03:09.412");
  expect(clockOrDay(at, at + 86_400_000)).toBe("11-22 14:03:09");
  expect(moment(at)).toMatch(/^2026-11-22 14:03:09 [+-]\d\d:\d\d$/);
});
