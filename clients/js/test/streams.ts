// The browser's EventSource and WebSocket, connected to the simulated service.

import { claimsOf } from "../src/service.js";
import { HEARTBEAT, LATENCY, RETRY, type Service } from "./service.js";
import { Subscriber } from "./subscriber.js";

/** As browsers have it: comes back by itself after a broken connection, and stays closed after a refusal. */
export class FakeEventSource extends Subscriber {
  readonly CONNECTING = 0;
  readonly OPEN = 1;
  readonly CLOSED = 2;
  readyState = 0;
  withCredentials = false;
  onopen: (() => void) | null = null;
  onerror: (() => void) | null = null;

  constructor(service: Service, address: string) {
    super(service);
    this.address = new URL(address, location.href);
    service.sources.add(this);
    this.#connect();
  }

  get isOpen(): boolean {
    return this.readyState === 1;
  }

  close(): void {
    this.readyState = 2;
    this.service.sources.delete(this);
  }

  break(): void {
    if (this.readyState === 2 || this.isDead) return;
    this.readyState = 0;
    this.onerror?.();
    if (this.readyState === 0) setTimeout(() => this.#connect(), RETRY);
  }

  send(event: string, data: unknown, id?: number | string): void {
    if (this.readyState !== 1 || this.isDead) return;
    if (id !== undefined) this.lastEventId = String(id);
    const message = new Event(event) as MessageEvent;
    Object.assign(message, { data: JSON.stringify(data), lastEventId: this.lastEventId });
    this.dispatchEvent(message);
  }

  #connect(): void {
    if (this.readyState === 2) return;
    setTimeout(() => this.#arrive(), LATENCY);
  }

  #arrive(): void {
    const { service } = this;
    if (service.isSilent) this.isDead = true;
    if (this.readyState === 2 || this.isDead) return;
    if (!service.isUp || !service.isReachable) return this.break();
    if (service.streams === "hanging") return;
    const isMissing = !service.rosters && this.address.searchParams.has("roster");
    if (isMissing || service.streams !== "on" || !service.allows(this.address.searchParams.get("access_token"))) {
      this.close();
      this.onerror?.();
      return;
    }
    service.opened += 1;
    this.readyState = 1;
    this.onopen?.();
    if (service.isCuttingAtOnce) return this.break();
    this.begin();
  }
}

/** As browsers have it: a closed one stays closed, and a code tells why. */
export class FakeWebSocket extends Subscriber {
  readyState = 0;
  onopen: (() => void) | null = null;
  onmessage: ((message: { data: string }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  /** What the page has sent. */
  readonly received: Record<string, unknown>[] = [];
  #hasBegun = false;
  /** Of the token that was shown first. */
  #identity: unknown;

  constructor(service: Service, address: string) {
    super(service);
    if (!/^wss?:/.test(address)) throw new SyntaxError(`${address} is no address of a WebSocket`);
    this.address = new URL(address);
    service.sockets.add(this);
    setTimeout(() => this.#arrive(), LATENCY);
  }

  get isOpen(): boolean {
    return this.readyState === 1 && this.#hasBegun;
  }

  close(code = 1005, reason = ""): void {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.service.sockets.delete(this);
    this.onclose?.({ code, reason });
  }

  break(): void {
    if (!this.isDead) this.close(1006);
  }

  /** From the page to the service, if there is only a text. Otherwise from the service to the page. */
  send(event: string, data?: unknown, id?: number | string): void {
    if (data === undefined) return this.#receive(JSON.parse(event) as Record<string, unknown>);
    if (this.readyState !== 1 || this.isDead) return;
    this.onmessage?.({ data: JSON.stringify({ event, ...(id !== undefined && { id: String(id) }), data }) });
  }

  #arrive(): void {
    const { service } = this;
    if (service.isSilent || service.streams === "hanging") this.isDead = true;
    if (this.readyState === 3 || this.isDead) return;
    if (!service.isUp || !service.isReachable || service.streams === "off") return this.close(1006);
    service.opened += 1;
    this.readyState = 1;
    this.onopen?.();
    // As the service does for every connection that has nothing to be sent yet.
    if (!service.rosters && this.address.searchParams.has("roster")) return this.close(4404, "there is no roster here");
    if (service.tokens) this.send("heartbeat", { t: Date.now(), every: HEARTBEAT });
    else this.#begin();
  }

  #begin(): void {
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    this.begin();
  }

  #receive(message: Record<string, unknown>): void {
    this.received.push(message);
    const { token } = message;
    // The heartbeat is on its way before the first token arrives.
    if (typeof token === "string") return void setTimeout(() => this.#take(token));
    for (const room of (message["unwatch"] ?? []) as string[]) this.unwatch(room);
    for (const room of (message["watch"] ?? []) as string[]) this.watch(room);
    this.#answer();
  }

  #take(token: string): void {
    if (this.readyState !== 1 || this.isDead) return;
    const { sub: identity } = claimsOf(token) as { sub?: string };
    if (!this.#hasBegun) {
      if (this.service.isBusy) return this.close(4503, "come back");
      if (!this.service.allows(token)) return this.close(4401, "show a token");
      this.#identity = identity;
      this.#answer();
      return this.#begin();
    }
    if (identity !== this.#identity) return this.send("error", { status: 403, detail: "of another identity" });
    this.#answer();
  }

  #answer(): void {
    if (this.readyState === 1 && !this.isDead)
      this.onmessage?.({ data: JSON.stringify({ event: "watching", rooms: this.watched }) });
  }
}
