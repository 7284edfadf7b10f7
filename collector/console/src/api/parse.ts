/**
 * What arrives is looked at before it is believed: each reader returns a value of the type it names or throws `Malformed`, which says
 * where and what. A field that is missing takes a default where one is harmless, so that a page survives a collector one version older.
 */

export class Malformed extends Error {
  override readonly name = "Malformed";
}

export type Reader<T> = (value: unknown, path: string) => T;

export const text: Reader<string> = (value, path) => (typeof value === "string" ? value : fail(path, "text", value));

export const flag: Reader<boolean> = (value, path) => (typeof value === "boolean" ? value : fail(path, "true or false", value));

/** 64-bit numbers may come as text: JSON numbers end at 2^53. */
export const number: Reader<number> = (value, path) => {
  const parsed = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  return typeof parsed === "number" && Number.isFinite(parsed) ? parsed : fail(path, "a number", value);
};

export function list<T>(reader: Reader<T>): Reader<readonly T[]> {
  return (value, path) =>
    Array.isArray(value) ? value.map((item, at) => reader(item, `${path}[${at}]`)) : fail(path, "a list", value);
}

export function table<T>(reader: Reader<T>): Reader<Readonly<Record<string, T>>> {
  return (value, path) =>
    isObject(value)
      ? Object.fromEntries(Object.entries(value).map(([key, item]) => [key, reader(item, `${path}.${key}`)]))
      : fail(path, "an object", value);
}

/** Absent and null are `fallback`. */
export function or<T, F>(reader: Reader<T>, fallback: F): Reader<T | F> {
  return (value, path) => (value === undefined || value === null ? fallback : reader(value, path));
}

type Shape<T> = { readonly [K in keyof T]: Reader<T[K]> };

/** Fields that are not named are ignored. */
export function record<T extends object>(shape: Shape<T>): Reader<T> {
  const fields = Object.entries(shape) as [string, Reader<unknown>][];
  return (value, path) => {
    if (!isObject(value)) return fail(path, "an object", value);
    return Object.fromEntries(fields.map(([key, reader]) => [key, reader(value[key], `${path}.${key}`)])) as T;
  };
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function fail(path: string, wanted: string, found: unknown): never {
  const shown = found === undefined ? "nothing" : JSON.stringify(found).slice(0, 60);
  throw new Malformed(`${path}: expected ${wanted}, found ${shown}`);
}
