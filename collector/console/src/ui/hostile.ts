/**
 * Names written by attackers, made safe to look at.
 *
 * React never makes markup of text, so `<script>` is harmless by itself. What remains are characters that change how the text
 * around them reads: controls, bidirectional overrides, and characters that are not seen at all. They are spelled out.
 */

export interface Segment {
  readonly text: string;
  /** True where `text` spells out a character that was not shown as it is. */
  readonly escaped: boolean;
}

/*
 * Cc controls, Cf format characters (bidirectional overrides, zero width, tags), Zl and Zp separators, Cs half surrogates, Co private use,
 * Cn unassigned; and what looks like nothing but belongs to none of these: Hangul fillers, the braille blank, variation selectors.
 */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}\p{Cn}\u115f\u1160\u3164\uffa0\u2800\u{fe00}-\u{fe0f}\u{e0100}-\u{e01ef}]/u;
const SPLIT = new RegExp(`(${UNSEEN.source})`, "u");

/** `text` cut where characters had to be spelled out; joined it reads on one line, left to right. */
export function segments(text: string): readonly Segment[] {
  if (!UNSEEN.test(text)) return [{ text, escaped: false }];
  return text
    .split(SPLIT)
    .map((part, at) => (at % 2 ? { text: spell(part), escaped: true } : { text: part, escaped: false }))
    .filter((segment) => segment.text !== "");
}

export function visible(text: string): string {
  return text.replaceAll(new RegExp(UNSEEN, "gu"), spell);
}

/** Text with line breaks kept, such as a policy: everything else is spelled out as in `visible`. */
export function visibleLines(text: string): string {
  return text.split("\n").map((line) => visible(line.replaceAll("\t", "    "))).join("\n");
}

/** At most `most` characters, cut in the middle: a path's beginning and its end both tell something. */
export function shorten(text: string, most: number): string {
  if (text.length <= most) return text;
  const tail = Math.floor(most / 2);
  return `${text.slice(0, most - tail - 1)}…${text.slice(-tail)}`;
}

/** The last component of a path or an id if it is short, else the last characters: joined they are `text`. */
export function splitTail(text: string): [string, string] {
  const characters = [...text];
  const last = characters.findLastIndex((character, at) => at > 0 && "/:".includes(character) && at < characters.length - 1);
  const from = last > 0 && characters.length - last <= TAIL ? last : characters.length - TAIL;
  return characters.length <= TAIL ? ["", text] : [characters.slice(0, from).join(""), characters.slice(from).join("")];
}

const TAIL = 18;

function spell(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
}
