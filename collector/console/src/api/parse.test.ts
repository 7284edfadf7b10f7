import { expect, test } from "vitest";
import { list, Malformed, number, or, record, table, text } from "./parse.ts";

const rule = record<{ id: string; hits: number }>({ id: text, hits: or(number, 0) });

test("a value of the right shape passes, with what is unknown left out", () => {
  expect(rule({ id: "a", hits: "12", extra: true }, "rule")).toEqual({ id: "a", hits: 12 });
});

test("what is missing takes its default", () => {
  expect(rule({ id: "a" }, "rule")).toEqual({ id: "a", hits: 0 });
  expect(rule({ id: "a", hits: null }, "rule")).toEqual({ id: "a", hits: 0 });
});

test("an error says where, what was wanted and what was found", () => {
  expect(() => list(rule)([{ id: "a" }, { id: 7 }], "rules")).toThrow(new Malformed("rules[1].id: expected text, found 7"));
  expect(() => rule(null, "rule")).toThrow("rule: expected an object, found null");
  expect(() => number("", "n")).toThrow(Malformed);
});

test("a key that names the prototype is a key like any other", () => {
  const read = table(number)(JSON.parse('{"__proto__": 1}'), "dropped");
  expect(Object.keys(read)).toEqual(["__proto__"]);
  expect(Object.getPrototypeOf(read)).toBe(Object.prototype);
});
