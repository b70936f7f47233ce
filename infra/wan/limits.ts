// Every bound of the network between regions, once, with its reason.

/** Bytes under way in one direction of one connection: what Linux lets a TCP receive window grow to, so 60 MB/s at 70 ms. */
export const MAX_WINDOW_BYTES = 4 * 1024 * 1024;

/** Bytes that may always be under way, however slow the line: one read of a socket. */
export const MIN_WINDOW_BYTES = 64 * 1024;

/** Pieces under way in one direction of one connection; reads of a few bytes each must not fill memory with bookkeeping. */
export const MAX_PIECES = 8_192;

/** Bytes under way in the whole proxy; beyond it nobody is read from until some are delivered. */
export const MAX_TOTAL_BYTES = 256 * 1024 * 1024;

/** Connections of one path: two gateways of 32 sockets each, or one link, with room. One more is reset at once. */
export const MAX_CONNECTIONS_PER_PATH = 128;

/** Pieces of a capped line last this long, so that a slow line trickles and does not burst. */
export const PIECE_MS = 20;

/** Smallest piece of a capped line: an Ethernet frame's load. */
export const MIN_PIECE_BYTES = 1_460;

/** Longest one-way delay that may be asked for: longer than any pause that the regions' own timeouts bear. */
export const MAX_DELAY_MS = 60_000;

/** Body of a control request: a list of regions and three figures. */
export const MAX_CONTROL_BODY_BYTES = 16 * 1024;

/** Paths of one proxy: ten regions in directed pairs, two services each, with room. */
export const MAX_PATHS = 256;
