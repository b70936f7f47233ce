import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { commandLine } from '@featuremesh/runtime/process-identity';

/** A port that a part of the region is about to listen on. */
export interface WantedPort {
  readonly port: number;
  readonly host: string;
  /** What it is for, in the user's words: `gateway`, `broker`. */
  readonly purpose: string;
}

/** A wanted port that someone else holds. */
export interface UsedPort extends WantedPort {
  /** `pid 123 (node …)`, or undefined where the system does not tell. */
  readonly holder?: string;
}

/** State of a listening socket in `/proc/net/tcp`. */
const TCP_LISTEN = '0A';
/** Length to which a command line is cut in messages. */
const MAX_HINT_CHARACTERS = 100;

/** Tries each port by binding it for a moment; returns those in use, with a hint at who holds them. */
export async function findUsedPorts(ports: readonly WantedPort[]): Promise<readonly UsedPort[]> {
  const free = await Promise.all(ports.map(isFree));
  return ports
    .filter((_, index) => free[index] === false)
    .map(wanted => {
      const holder = portHolder(wanted.port);
      return holder === undefined ? wanted : { ...wanted, holder };
    });
}

function isFree(wanted: WantedPort): Promise<boolean> {
  return new Promise(resolve => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port: wanted.port, host: wanted.host, exclusive: true }, () =>
      server.close(() => resolve(true)),
    );
  });
}

/** Names the process that listens on a port, where the kernel lets this user see it. */
function portHolder(port: number): string | undefined {
  const inodes = listeningInodes(port);
  if (inodes.size === 0) return undefined;
  for (const pid of processIds()) {
    if (!holdsSocket(pid, inodes)) continue;
    return `pid ${pid} (${(commandLine(pid) ?? ['?']).join(' ').slice(0, MAX_HINT_CHARACTERS)})`;
  }
  return undefined;
}

function listeningInodes(port: number): ReadonlySet<string> {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0');
  const inodes = new Set<string>();
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const line of readLines(table)) {
      const fields = line.trim().split(/\s+/);
      if (fields[1]?.endsWith(`:${wanted}`) && fields[3] === TCP_LISTEN && fields[9] !== undefined)
        inodes.add(fields[9]);
    }
  }
  return inodes;
}

function readLines(path: string): readonly string[] {
  try {
    return readFileSync(path, 'utf8').split('\n').slice(1);
  } catch {
    return [];
  }
}

function processIds(): readonly number[] {
  try {
    return readdirSync('/proc')
      .filter(name => /^\d+$/.test(name))
      .map(Number);
  } catch {
    return [];
  }
}

function holdsSocket(pid: number, inodes: ReadonlySet<string>): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some(descriptor => {
      try {
        const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${descriptor}`))?.[1];
        return inode !== undefined && inodes.has(inode);
      } catch {
        return false;
      }
    });
  } catch {
    return false;
  }
}
