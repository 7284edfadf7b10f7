import { expect, test } from "vitest";
import { Buffer } from "./buffer.ts";
import { filterOf, matches, queryOf } from "./filter.ts";
import { violation, violations } from "./samples.ts";

const numbers = (buffer: Buffer): number[] => buffer.kept().rows.map((row) => Number(row.violation.id.split("v")[1]));

test("only the newest are kept, and every one is counted", () => {
  const buffer = new Buffer(5);
  for (let at = 0; at < 103; at++) buffer.add([violation(at)], 0);
  expect(numbers(buffer)).toEqual([98, 99, 100, 101, 102]);
  expect(buffer.kept().received).toBe(103);
});

test("a violation that comes twice is one violation", () => {
  const buffer = new Buffer(5);
  expect(buffer.add([violation(1), violation(2)], 0)).toHaveLength(2);
  expect(buffer.add([violation(2), violation(3)], 0)).toHaveLength(1);
  expect(numbers(buffer)).toEqual([1, 2, 3]);
  expect(buffer.kept().received).toBe(3);
});

test("history goes before what came live, without doubling it", () => {
  const buffer = new Buffer(10);
  buffer.add(violations(7, 9), 0);
  buffer.addOlder(violations(4, 8).reverse());
  expect(numbers(buffer)).toEqual([4, 5, 6, 7, 8]);
  expect(buffer.kept().received).toBe(5);
});

test("the memory of ids is bounded as the rows are", () => {
  const buffer = new Buffer(2);
  buffer.add(violations(0, 100), 0);
  expect(buffer.add([violation(99)], 0)).toHaveLength(0);
  expect(buffer.add([violation(0)], 0)).toHaveLength(1);
});

test("losses are added up", () => {
  const buffer = new Buffer(2);
  buffer.lose(3);
  buffer.lose(4);
  expect(buffer.kept()).toEqual({ rows: [], received: 0, lost: 7 });
});

test("nanoseconds keep their milliseconds", () => {
  const buffer = new Buffer(1);
  buffer.add([violation(1, { unix_ns: "1764000000123456789" })], 0);
  expect(buffer.kept().rows[0]?.at).toBeCloseTo(1764000000123.456, 3);
});

test.each([
  ["policy=web", true],
  ["policy=we", false],
  ["effect=deny&class=file", true],
  ["effect=kill", false],
  ["text=shad", true],
  ["text=bin/cat", true],
  ["text=demo", false],
])("the filter %s keeps the sample: %s", (query, kept) => {
  const filter = filterOf(new URLSearchParams(query));
  expect(matches(filter, violation(1))).toBe(kept);
  expect(queryOf(filter).toString()).toBe(new URLSearchParams(query).toString());
});
