/* SPDX-License-Identifier: Apache-2.0
 *
 * credential_fetch: one attempt to get credentials from a source: the files read, the calls made, the answers judged. When to try, and what to do with the
 * outcome, is credential_provider.h's.
 *
 * Nothing blocks but reading (and, of SSO, writing) small files with tokens. Files are read at each attempt, because others renew them.
 *
 * SSO: the token of an [sso-session] is renewed when less than 15 minutes of it are left (botocore's tokens.py: _REFRESH_WINDOW), and its file replaced by
 * one with the new token, mode 0600, as AWS's own tools do. While that fails, the old token serves until it ends. Where the file cannot be written, the new
 * one is kept in memory.
 */
#ifndef S2Q_AWS_CREDENTIAL_FETCH_H
#define S2Q_AWS_CREDENTIAL_FETCH_H

#include "aws/aws_call.h"
#include "aws/credential_source.h"
#include "base/clock.h"
#include "codec/credential_wire.h"
#include "io/subprocess.h"

/* What all fetches of a process share; borrowed. */
struct fetch_tools {
    struct loop *loop;
    struct http_client *http;
    const struct aws_profile *profile;
    const char *region; /* where STS is asked */
    const char *(*lookup)(const char *);
    struct instant (*clock)(void);
    struct clock_skew skew;
};

struct fetch {
    struct fetch_tools *tools;
    const struct credential_source *source;
    uint64_t token; /* of its calls: answers with another one are not for it */
    int step;
    struct buffer session;         /* METADATA: IMDS's own token */
    struct sso_token login;        /* SSO: the token in use */
    bool login_unwritten;          /* it was renewed, and its file could not be written */
    struct buffer file_refresh;    /* SSO: the refresh token of the file when it was last read */
    struct subprocess *subprocess; /* PROCESS */
    /* Once for each fetch_begin, perhaps inside it. issued: NULL when it failed (*err says why: UNAVAILABLE for what
     * may pass by itself, else CREDENTIALS); else its contents may be taken. issuer_now_ms: the clock of
     * who issued them (ours, where the answer has no Date). May not free the fetch. */
    void (*done)(struct fetch *f, struct issued *issued, int64_t issuer_now_ms, const struct error *err);
};

/* base: in whose name (ROLE); borrowed for the call. A fetch that is under way must not be begun again. */
void fetch_begin(struct fetch *f, const struct credentials *base);
/* The answer to a call of this fetch's token. */
void fetch_answered(struct fetch *f, const struct http_answer *answer);
/* Stops what is under way, without `done`; answers that still come must not be handed over. */
void fetch_fini(struct fetch *f);

#endif
