/* SPDX-License-Identifier: Apache-2.0
 *
 * http_framing: is a request's head exactly what RFC 9112 says? libmicrohttpd (0.9.75) takes bare line feeds, folded lines, blanks before a colon and NULs,
 * and what two readers of one message understand differently is how requests are smuggled past a proxy. So each part must stand where it would in a head
 * without any of these: it hands out parts where they were received, and a part that is not where the one before it ends is refused.
 *
 * No I/O, no allocation, and nothing is read but what is handed in.
 */
#ifndef S2Q_IO_HTTP_FRAMING_H
#define S2Q_IO_HTTP_FRAMING_H

#include "base/slice.h"

struct http_framing {
    const char *begin; /* of the head */
    const char *next;  /* where the next line has to begin */
    uint64_t length;   /* of the body; 0: none */
    int hosts;
    int lengths;
    bool encoded;      /* there is a Transfer-Encoding */
    bool malformed;
};

/* The request line: "METHOD URI VERSION\r\n". uri: as it was sent; uri_at: where (it may have been decoded there since). */
void http_framing_begin(struct http_framing *f, struct slice method, struct slice uri, const char *uri_at, struct slice version);
/* The next header, in the order in which they came. */
void http_framing_header(struct http_framing *f, struct slice name, struct slice value);
/* All headers were there; head_bytes: with the empty line at its end. True: HTTP/1.1 with one Host and one length at most, and not a byte that is not
 * accounted for. */
bool http_framing_end(struct http_framing *f, size_t head_bytes);

#endif
