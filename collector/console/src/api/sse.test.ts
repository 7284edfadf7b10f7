import { expect, test } from "vitest";
import { EventParser, type ServerEvent } from "./sse.ts";

const feed = (text: string, size: number): ServerEvent[] => {
  const parser = new EventParser();
  const events: ServerEvent[] = [];
  for (let at = 0; at < text.length; at += size) events.push(...parser.push(text.slice(at, at + size)));
  return events;
};

const STREAM = ': ping\r\n\r\nid: 7\r\nevent: violations\r\ndata: [1,\r\ndata: 2]\r\n\r\ndata:x\n\n: only a comment\n\nid: 8\ndata:  two\n\n';

test("events are the same however the stream is cut into chunks", () => {
  const whole = [
    { event: "violations", data: "[1,\n2]", id: "7" },
    { event: "message", data: "x", id: "7" },
    { event: "message", data: " two", id: "8" },
  ];
  for (let size = 1; size <= STREAM.length; size++) expect(feed(STREAM, size)).toEqual(whole);
});

test("an event that was not finished by an empty line is not delivered", () => {
  expect(feed("data: half\n", 100)).toEqual([]);
});

test("an id without data moves the point to resume from", () => {
  expect(feed("id: 41\n\ndata: a\n\n", 3)).toEqual([{ event: "message", data: "a", id: "41" }]);
});
