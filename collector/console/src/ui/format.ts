/** Times, counts and durations as people read them. Times are in the reader's own zone, as tools beside this one show them. */

const two = (value: number): string => String(value).padStart(2, "0");

/** `14:03:09.412` in local time; milliseconds since 1970 in. */
export function clock(unixMs: number): string {
  const at = new Date(unixMs);
  const whole = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  return `${whole}.${String(at.getMilliseconds()).padStart(3, "0")}`;
}

/** As `clock`, but `11-22 14:03:09` for another day than `now`'s. */
export function clockOrDay(unixMs: number, now: number): string {
  const at = new Date(unixMs);
  const today = at.toDateString() === new Date(now).toDateString();
  return today ? clock(unixMs) : `${day(at).slice(5)} ${clock(unixMs).slice(0, 8)}`;
}

/** `2026-11-23 14:03:09.412 +01:00`. */
export function instant(unixMs: number): string {
  const at = new Date(unixMs);
  return `${day(at)} ${clock(unixMs)} ${zone(at)}`;
}

/** `2026-11-23 14:03:09 +01:00`. */
export function moment(unixMs: number): string {
  const at = new Date(unixMs);
  return `${day(at)} ${clock(unixMs).slice(0, 8)} ${zone(at)}`;
}

function day(at: Date): string {
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}

function zone(at: Date): string {
  const offset = -at.getTimezoneOffset();
  return `${offset < 0 ? "-" : "+"}${two(Math.floor(Math.abs(offset) / 60))}:${two(Math.abs(offset) % 60)}`;
}

/** `12,345`, the same in every locale: the numbers are compared with those of a terminal. */
export function count(value: number): string {
  return value.toLocaleString("en-US");
}

/** `0.4 ms`, `38 ms`, `1.25 s`, `3 min`: three figures at most. */
export function duration(ms: number): string {
  if (ms < 0) return `-${duration(-ms)}`;
  if (ms < 10) return `${round(ms, 1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${round(ms / 1000, 2)} s`;
  return `${Math.round(ms / 60_000)} min`;
}

/** `1 rule`, `2 rules`. */
export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** `31.4 MiB`. */
export function bytes(value: number): string {
  return value < 1024 * 1024 ? `${round(value / 1024, 1)} KiB` : `${round(value / (1024 * 1024), 1)} MiB`;
}

function round(value: number, digits: number): string {
  return String(Number(value.toFixed(digits)));
}
