// The attacks: connections that send one byte a second, or nothing, until no more fit; headers that fill the memory;
// hundreds of requests in one packet, from a client that reads no response.

/** In milliseconds and bytes. A request beyond them gets 408, 431 or 503, and its connection is closed. */
export const httpLimits = {
  headersTimeout: 10_000, // for all headers
  requestTimeout: 60_000, // for the whole request
  keepAliveTimeout: 5_000, // between two requests
  timeout: 30_000, // without a byte in either direction
  connectionsCheckingInterval: 5_000,
  maxHeaderSize: 8192,
  maxRequestsPerSocket: 100,
};
