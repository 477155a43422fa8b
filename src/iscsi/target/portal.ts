/** A network portal: takes connections, keeps sessions, ends them. RFC 7143, 4.1, 6.3.5 session reinstatement. */
import { createServer, type Server, type Socket } from 'node:net';
import { FormatError } from '../../bytes/errors.ts';
import { type Random, systemRandom } from '../../bytes/random.ts';
import { sameName } from '../names.ts';
import { LoginStatus } from '../pdu.ts';
import { type Begun, Connection, type PortalSide } from './connection.ts';
import { LOGIN_MS, LOGINS_MAX, SESSIONS_MAX, SILENCE_MS } from './limits.ts';
import type { Identity } from './login.ts';
import { Memory } from './memory.ts';
import type { Admission, TargetNode } from './node.ts';
import type { Session } from './session.ts';

export interface PortalOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly nodes: readonly TargetNode[];
  /** How discovery sessions are let in; by default as the first target that admits the initiator. */
  readonly discovery?: (initiatorName: string) => Admission | undefined;
  /** One line about a connection: `10.0.0.7:51234 iqn....: session with iqn...`. */
  readonly log?: (line: string) => void;
  readonly random?: Random;
  /** How long a login may take; default LOGIN_MS. */
  readonly loginMs?: number;
  /** Silence before an initiator is asked whether it lives, and again before it is given up; default SILENCE_MS. */
  readonly silenceMs?: number;
}

/** A session, for status displays. */
export interface SessionStatus {
  readonly initiator: string;
  readonly isid: string;
  readonly address: string;
  /** Undefined: discovery. */
  readonly target: string | undefined;
  readonly since: number;
  readonly commands: number;
  readonly running: number;
  /** Bytes of commands' data held now. */
  readonly dataHeld: number;
}

/** Initiators asked to log out get this long. */
const LOGOUT_SECONDS = 5;
const TSIH_MAX = 0xffff;

export class Portal implements AsyncDisposable {
  readonly #options: PortalOptions;
  readonly #server: Server;
  readonly #connections = new Set<Connection>();
  readonly #ending = new Set<Connection>(); // connection gone, tasks not
  readonly #side: PortalSide;
  #lastTsih = 0;
  #stopping = false;
  #idle: (() => void)[] = [];

  private constructor(options: PortalOptions) {
    this.#options = options;
    const { nodes } = options;
    this.#side = {
      nodes,
      random: options.random ?? systemRandom,
      memory: new Memory(),
      loginMs: options.loginMs ?? LOGIN_MS,
      silenceMs: options.silenceMs ?? SILENCE_MS,
      discovery: options.discovery ?? ((name) => firstAdmission(nodes, name)),
      begin: (connection, identity, isid) => this.#begin(connection, identity, isid),
      peersOf: (connection) => this.#peersOf(connection),
      event: (connection, words) => this.#event(connection, words),
      closed: (connection) => this.#closed(connection),
      released: (connection) => {
        this.#ending.delete(connection);
        this.#tellIdle();
      },
    };
    this.#server = createServer({ pauseOnConnect: true, noDelay: true, keepAlive: true }, (socket) =>
      this.#accept(socket),
    );
  }

  /** Listens. @throws FormatError `io` when it cannot */
  static async open(options: PortalOptions): Promise<Portal> {
    const portal = new Portal(options);
    const server = portal.#server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause: NodeJS.ErrnoException) => {
        const where = `portal ${options.host}:${options.port}`;
        reject(new FormatError('io', where, `cannot listen: ${cause.code ?? cause.message}`, { cause }));
      });
      server.listen(options.port, options.host, () => resolve());
    });
    return portal;
  }

  /** Where it listens. */
  get address(): { readonly host: string; readonly port: number } {
    const bound = this.#server.address();
    if (bound === null || typeof bound === 'string') return { host: this.#options.host, port: this.#options.port };
    return { host: bound.address, port: bound.port };
  }

  sessions(): SessionStatus[] {
    return [...this.#connections].flatMap((connection) => {
      const { identity, session } = connection;
      if (identity === undefined || session === undefined) return [];
      return [
        {
          initiator: identity.initiatorName,
          isid: connection.isid,
          address: connection.remote,
          target: identity.node?.name,
          since: connection.since,
          commands: session.commandCount,
          running: session.taskCount,
          dataHeld: connection.dataHeld,
        },
      ];
    });
  }

  /** Takes no more connections, asks initiators to log out, and ends what is left. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping = true;
    this.#server.close();
    for (const connection of [...this.#connections]) {
      if (connection.session === undefined) connection.end('the target shuts down');
      else connection.session.requestLogout(LOGOUT_SECONDS);
    }
    await this.#until(() => this.#connections.size === 0, LOGOUT_SECONDS * 1000);
    for (const connection of [...this.#connections]) connection.end('the target shuts down');
    await this.#until(() => this.#connections.size === 0 && this.#ending.size === 0, TASKS_MS);
  }

  #accept(socket: Socket): void {
    const loggingIn = [...this.#connections].filter(({ session }) => session === undefined).length;
    if (this.#stopping || loggingIn >= LOGINS_MAX) {
      socket.destroy();
      return;
    }
    this.#connections.add(new Connection(socket, this.#side));
  }

  #begin(connection: Connection, identity: Identity, isid: string): Begun {
    if (this.#stopping) return { refused: LoginStatus.serviceUnavailable, reason: 'the target shuts down' };
    const { initiatorName, node } = identity;
    for (const other of this.#connections) {
      if (other === connection || other.session === undefined || other.isid !== isid) continue;
      if (!sameName(other.identity?.initiatorName ?? '', initiatorName) || other.identity?.node !== node) continue;
      if (node !== undefined) other.end('the initiator has logged in anew');
    }
    const sessions = [...this.#connections].filter(({ session }) => session !== undefined).length;
    if (sessions + this.#ending.size >= SESSIONS_MAX)
      return { refused: LoginStatus.outOfResources, reason: `${SESSIONS_MAX} sessions are open` };
    const used = new Set([...this.#connections].map(({ tsih }) => tsih));
    do this.#lastTsih = this.#lastTsih === TSIH_MAX ? 1 : this.#lastTsih + 1;
    while (used.has(this.#lastTsih));
    return { tsih: this.#lastTsih };
  }

  *#peersOf(connection: Connection): Iterable<Session> {
    const node = connection.identity?.node;
    for (const other of [...this.#connections, ...this.#ending])
      if (other.session !== undefined && other.identity?.node?.device === node?.device) yield other.session;
  }

  #closed(connection: Connection): void {
    this.#connections.delete(connection);
    if (connection.session !== undefined && connection.session.taskCount > 0) this.#ending.add(connection);
    this.#tellIdle();
  }

  #event(connection: Connection, words: string): void {
    const who = connection.identity?.initiatorName;
    this.#options.log?.(`${connection.remote}${who === undefined ? '' : ` ${who}`}: ${words}`);
  }

  #tellIdle(): void {
    for (const tell of this.#idle.splice(0)) tell();
  }

  async #until(condition: () => boolean, ms: number): Promise<void> {
    const deadline = Date.now() + ms;
    while (!condition() && Date.now() < deadline) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, deadline - Date.now());
        this.#idle.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }
}

/** Commands that are running at the end get this long. */
const TASKS_MS = 10_000;

function firstAdmission(nodes: readonly TargetNode[], initiatorName: string): Admission | undefined {
  for (const node of nodes) {
    const admission = node.admit(initiatorName);
    if (admission !== undefined) return admission;
  }
  return undefined;
}
