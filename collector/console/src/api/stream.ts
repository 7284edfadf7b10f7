/**
 * One connection to the collector's events, kept alive: reconnects with a growing pause and resumes behind the last event it saw.
 */
import { Refused, request } from "./client.ts";
import { EventParser, type ServerEvent } from "./sse.ts";

export type Link = "connecting" | "live" | "waiting";

export interface StreamHandlers {
  readonly onLink: (link: Link, detail: string) => void;
  readonly onEvents: (events: readonly ServerEvent[]) => void;
}

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;
/** The collector says something every 15 s; after three times that the connection is dead even if nobody said so. */
const SILENCE_MS = 45_000;

/** Runs until the returned function is called, or the token is refused. */
export function openStream(path: string, handlers: StreamHandlers): () => void {
  const stop = new AbortController();
  void run(path, handlers, stop.signal);
  return () => stop.abort();
}

async function run(path: string, handlers: StreamHandlers, stop: AbortSignal): Promise<void> {
  let id = "";
  let pause = FIRST_PAUSE_MS;
  while (!stop.aborted) {
    handlers.onLink("connecting", "");
    const why = await readOnce(path, id, stop, (events) => {
      pause = FIRST_PAUSE_MS;
      id = events.at(-1)?.id || id;
      handlers.onLink("live", "");
      handlers.onEvents(events);
    });
    if (stop.aborted || why.status === 401) return;
    handlers.onLink("waiting", why.message);
    await delay(pause, stop);
    pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
  }
}

/** Read one connection to its end; tells why it ended. */
async function readOnce(
  path: string,
  id: string,
  stop: AbortSignal,
  deliver: (events: readonly ServerEvent[]) => void,
): Promise<Refused> {
  const silence = new AbortController();
  const signal = AbortSignal.any([stop, silence.signal]);
  let timer = setTimeout(() => silence.abort(), SILENCE_MS);
  try {
    const headers = { Accept: "text/event-stream", ...(id && { "Last-Event-ID": id }) };
    const answer = await request(path, { signal }, headers);
    const parser = new EventParser(id);
    for await (const chunk of chunks(answer)) {
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), SILENCE_MS);
      const events = parser.push(chunk);
      if (events.length) deliver(events);
    }
    return new Refused("the collector ended the stream", 0);
  } catch (error) {
    if (silence.signal.aborted) return new Refused("the collector has gone silent", 0);
    return error instanceof Refused ? error : new Refused(`the stream broke off: ${String(error)}`, 0);
  } finally {
    clearTimeout(timer);
  }
}

async function* chunks(answer: Response): AsyncGenerator<string> {
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  if (!reader) return;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    // Whoever stops reading ends the connection too: the collector should not go on filling it.
    await reader.cancel().catch(() => undefined);
  }
}

/** Ends early when the stream is no longer wanted, or the machine is online again. */
function delay(ms: number, stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      stop.removeEventListener("abort", end);
      removeEventListener("online", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    stop.addEventListener("abort", end);
    addEventListener("online", end);
  });
}
