/** Lines, columns and offsets of a text. Lines and columns count from 1; columns count characters, not UTF-16 units. */
import { visible } from "../ui/hostile.ts";

const WIDTH = 72;

/** The line with a mark under the column, as compilers print it; "" if there is no such line. */
export function excerpt(lines: readonly string[], line: number, column: number): string {
  const text = lines[line - 1];
  if (line < 1 || text === undefined) return "";
  const characters = [...text];
  // A long line is shown around the mark.
  const from = characters.length <= WIDTH ? 0 : Math.max(0, Math.min(column - 1, characters.length) - WIDTH / 2);
  const before = (from > 0 ? "…" : "") + shown(characters.slice(from, Math.max(from, column - 1)).join(""));
  const after = shown(characters.slice(Math.max(from, column - 1), from + WIDTH).join(""));
  const gutter = String(line);
  const mark = column > 0 ? `\n${" ".repeat(gutter.length)} | ${" ".repeat([...before].length)}^` : "";
  return `${gutter} | ${before}${after}${mark}`;
}

/** Where (line, column) is in the text, in UTF-16 units as a textarea counts; the end of the line if the column is past it. */
export function offsetOf(text: string, line: number, column: number): number {
  let start = 0;
  for (let at = 1; at < line; at++) {
    const next = text.indexOf("\n", start);
    if (next < 0) return text.length;
    start = next + 1;
  }
  const end = text.indexOf("\n", start);
  const characters = [...text.slice(start, end < 0 ? text.length : end)];
  return start + characters.slice(0, Math.max(0, column - 1)).join("").length;
}

function shown(text: string): string {
  return visible(text.replaceAll("\t", " "));
}
