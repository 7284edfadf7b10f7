/**
 * Server-sent events from text, as https://html.spec.whatwg.org/multipage/server-sent-events.html parses them.
 *
 * The browser's own EventSource cannot send an Authorization header; a token in the address would end up in logs.
 */

export interface ServerEvent {
  readonly event: string;
  readonly data: string;
  /** The last id seen so far, "" before the first. */
  readonly id: string;
}

/** Keeps what is unfinished between chunks; never throws, whatever it is fed. */
export class EventParser {
  #rest = "";
  #event = "";
  #data: string[] = [];
  #id = "";

  /** Characters of one event that are kept at most; what is longer is not ours and is thrown away. */
  static readonly LONGEST = 16 * 1024 * 1024;

  constructor(id = "") {
    this.#id = id;
  }

  push(chunk: string): ServerEvent[] {
    const text = this.#rest + chunk;
    // A carriage return at the very end may be half of a CRLF: it waits for the next chunk.
    const whole = text.endsWith("\r") ? text.slice(0, -1) : text;
    const lines = whole.split(/\r\n|\n|\r/);
    this.#rest = (lines.pop() ?? "") + text.slice(whole.length);
    if (this.#rest.length > EventParser.LONGEST) this.#rest = "";
    return lines.flatMap((line) => this.#line(line));
  }

  #line(line: string): ServerEvent[] {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    if (colon === 0) return [];
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "data") this.#data.push(value);
    else if (field === "event") this.#event = value;
    else if (field === "id" && !value.includes("\0")) this.#id = value;
    return [];
  }

  #dispatch(): ServerEvent[] {
    const [event, data] = [this.#event || "message", this.#data];
    this.#event = "";
    this.#data = [];
    return data.length ? [{ event, data: data.join("\n"), id: this.#id }] : [];
  }
}
