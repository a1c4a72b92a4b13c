/* SPDX-License-Identifier: Apache-2.0 */
#include "core/offload.h"

#include "base/log.h"
#include "base/memory.h"
#include "codec/json.h"

#include <stdio.h>
#include <stdlib.h>

struct stowing {
    struct stowing *next;
    struct parcel *parcel;
    uint64_t token; /* 0: it waits */
};

void offload_fini(struct offload *o)
{
    while (o->first) {
        struct stowing *s = o->first;

        o->first = s->next;
        free(s);
    }
    o->last = NULL;
}

void offload_add(struct offload *o, struct parcel *parcel)
{
    struct stowing *s = memory_zeroed(1, sizeof(*s));

    s->parcel = parcel;
    if (o->last)
        o->last->next = s;
    else
        o->first = s;
    o->last = s;
    o->waiting++;
}

struct parcel *offload_start(struct offload *o, uint64_t token, struct instant now)
{
    if (o->waiting == 0 || o->under_way >= (o->failures > 0 ? 1 : OFFLOAD_AT_ONCE) || o->resume_ms > now.mono_ms)
        return NULL;
    for (struct stowing *s = o->first; s; s = s->next) {
        if (s->token != 0)
            continue;
        s->token = token;
        o->waiting--;
        o->under_way++;
        return s->parcel;
    }
    return NULL;
}

static void take_out(struct offload *o, struct stowing *gone)
{
    struct stowing *before = NULL;

    for (struct stowing *s = o->first; s != gone; s = s->next)
        before = s;
    if (before)
        before->next = gone->next;
    else
        o->first = gone->next;
    if (o->last == gone)
        o->last = before;
    free(gone);
}

void offload_forget(struct offload *o, struct parcel *parcel)
{
    for (struct stowing *s = o->first; s; s = s->next) {
        if (s->parcel != parcel)
            continue;
        o->waiting -= s->token == 0;
        o->under_way -= s->token != 0;
        take_out(o, s);
        return;
    }
}

struct parcel *offload_clear(struct offload *o)
{
    struct parcel *parcel = o->last ? o->last->parcel : NULL;

    if (parcel)
        offload_forget(o, parcel);
    o->resume_ms = 0;
    o->failures = 0;
    o->trouble[0] = '\0';
    return parcel;
}

static void to_the_end(struct offload *o, struct stowing *s)
{
    struct parcel *parcel = s->parcel;

    take_out(o, s);
    o->waiting--;
    offload_add(o, parcel);
}

static void failed(struct offload *o, struct stowing *s, enum target_verdict verdict, const char *trouble, struct instant now)
{
    if (strcmp(o->trouble, trouble) != 0)
        log_warning("an object cannot be stored; the message waits, and it is tried again", LOG_FIELDS(LOG_TEXT("cause", trouble)));
    snprintf(o->trouble, sizeof(o->trouble), "%s", trouble);
    o->resume_ms = now.mono_ms + (target_waits_for_operator(verdict) ? DENIED_RETRY_MS : back_off_ms(&o->random, o->failures));
    o->failures++;
    s->token = 0;
    o->waiting++;
    to_the_end(o, s); /* one that is always refused must not keep the others from being tried */
}

struct parcel *offload_answer(struct offload *o, const struct target_answer *answer, struct instant now, bool *known)
{
    enum target_verdict verdict;
    char trouble[TROUBLE_TEXT];
    struct stowing *s = o->first;
    struct parcel *parcel;

    while (s && s->token != answer->token)
        s = s->next;
    *known = s != NULL;
    if (s == NULL)
        return NULL;
    o->under_way--;
    if (target_answer_failed(answer, &verdict, trouble)) {
        char text[TROUBLE_TEXT];

        snprintf(text, sizeof(text), "S3: %.390s", trouble);
        failed(o, s, verdict, text, now);
        return NULL;
    }
    if (!answer->has_etag) { /* S3 names what it has stored; a page of whoever stands between does not */
        failed(o, s, TARGET_RETRY, "S3: the answer to PutObject has no ETag, so nothing says that the object is stored (is the endpoint right?)", now);
        return NULL;
    }
    o->failures = 0;
    o->trouble[0] = '\0';
    o->stored++;
    parcel = s->parcel;
    take_out(o, s);
    return parcel;
}

int64_t offload_due(const struct offload *o)
{
    if (o->waiting == 0 || o->under_way >= (o->failures > 0 ? 1 : OFFLOAD_AT_ONCE))
        return INT64_MAX;
    return o->resume_ms;
}

void offload_pointer(struct buffer *out, const char *bucket, struct slice key)
{
    buffer_append_text(out, "[\"software.amazon.payloadoffloading.PayloadS3Pointer\",{\"s3BucketName\":");
    json_append_string(out, slice_text(bucket));
    buffer_append_text(out, ",\"s3Key\":");
    json_append_string(out, key);
    buffer_append_text(out, "}]");
}
