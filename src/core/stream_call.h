/* SPDX-License-Identifier: Apache-2.0
 *
 * stream_call: a call to DynamoDB or DynamoDB Streams as the core names it, its answer, and what an answer that is no success means.
 */
#ifndef S2Q_CORE_STREAM_CALL_H
#define S2Q_CORE_STREAM_CALL_H

#include "base/buffer.h"
#include "base/random.h"

/* A call to make, once the current transaction is committed. `body` belongs to whoever takes the call. */
struct stream_call {
    uint64_t token;
    const char *target; /* X-Amz-Target */
    size_t source;      /* which of the bridge's sources: the configuration says in whose name */
    struct buffer body;
};

struct stream_answer {
    uint64_t token;
    int status; /* 0: no answer came */
    struct slice body;
    const char *failure; /* status 0: why, for people; NULL: not known */
    bool untrusted;      /* status 0: its certificate is not trusted; `failure` says so */
    bool withheld;       /* status 0: there are no credentials to make the call with; `failure` says why */
    bool set_aside;      /* status 0: it came, and is passed over, as if it had not; `failure` says why */
    bool has_crc32;
    uint32_t crc32;
    int64_t server_ms;   /* the server's clock when it answered, since 1970; 0: not told */
};

/* What an answer that is not a success means for the reader. */
enum verdict {
    VERDICT_RETRY,        /* passing; back off */
    VERDICT_THROTTLED,    /* back off; nothing is wrong */
    VERDICT_NEW_ITERATOR, /* the iterator is of no use any more: ask for one after the position */
    VERDICT_TRIMMED,      /* the position is older than what the stream keeps */
    VERDICT_NOT_FOUND,    /* the shard, stream or table is not there */
    VERDICT_DENIED,       /* an operator has to act: retried slowly, and shown */
    VERDICT_SKEWED,       /* our clock: signed again with the server's time */
};

#define TROUBLE_TEXT 400
#define DENIED_RETRY_MS 30000

/* By the error's name (without namespace), one table; an unknown name: by the status, and RETRY. */
enum verdict verdict_judge(struct slice error_name, int status);
/* Does the error say that the credentials were good once? */
bool credentials_expired(struct slice error_name);
#define EXPIRED_ADVICE " (the credentials have expired: renew them; those of the environment are read at a start only)"
/* What is wrong when no answer came (status 0); `failure` and `untrusted` as in struct stream_answer. */
void no_answer(const char *failure, bool untrusted, char trouble[TROUBLE_TEXT]);
/* True: the answer is no success; *verdict says what follows, and `trouble` what is wrong and what to do, for people. */
bool stream_answer_failed(const struct stream_answer *answer, enum verdict *verdict, char trouble[TROUBLE_TEXT]);
/* How long to wait after so many failures in a row (0: the first): exponential, with jitter over the upper half; at most 20 s, as the SDKs' standard mode. */
int64_t back_off_ms(struct random *random, int failures);

#endif
