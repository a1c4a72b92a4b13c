/* SPDX-License-Identifier: Apache-2.0
 *
 * scripted_server: an HTTP server of few words on loopback, in the test's own loop. Each request is kept whole and answered by the script; each connection
 * is for one request.
 */
#ifndef S2Q_TESTS_SUPPORT_SCRIPTED_SERVER_H
#define S2Q_TESTS_SUPPORT_SCRIPTED_SERVER_H

#include "base/buffer.h"
#include "io/loop.h"

#define SCRIPTED_CONNECTIONS 8

struct scripted_server {
    struct loop *loop;
    struct watch listener;
    struct scripted_connection {
        struct scripted_server *server;
        struct watch watch;
        struct buffer heard;
    } connections[SCRIPTED_CONNECTIONS];
    int requests;       /* answered so far */
    char last[16384];   /* the last request, whole */
    char url[64];       /* "http://127.0.0.1:1234" */
    /* Appends the whole answer ("HTTP/1.1 200 OK\r\n..."); nothing: the connection is closed without a word. */
    void (*script)(void *context, const char *request, struct buffer *answer);
    void *context;
};

void scripted_server_init(struct scripted_server *s, struct loop *loop, void (*script)(void *context, const char *request, struct buffer *answer),
                          void *context);
void scripted_server_fini(struct scripted_server *s);
/* An answer with that status and body; `headers`: further ones ("Date: ...\r\n"), or "". */
void scripted_answer(struct buffer *answer, int status, const char *headers, const char *body);

#endif
