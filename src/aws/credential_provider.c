/* SPDX-License-Identifier: Apache-2.0
 *
 * A provider's life: due_ms says when the next fetch begins (NEVER while one is under way, or when there is nothing to fetch); the outcome sets it again.
 * One timerfd in the loop is set to the earliest due_ms of all.
 */
#include "aws/credential_provider.h"

#include "aws/ca_bundle.h"
#include "aws/credential_fetch.h"
#include "aws/endpoint.h"
#include "base/heap.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/random.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define NEVER INT64_MAX
#define REFRESH_BEFORE_MS (15 * 60 * INT64_C(1000))
#define BACK_OFF_FIRST_MS 1000
#define BACK_OFF_MAX_MS 60000
#define SAME_AGAIN_LEAST_MS 5000
#define REFUSED_AGAIN_MS 30000
#define TEXT_MAX 1100

struct credential_provider {
    struct credential_set *set;       /* NULL: fixed */
    struct credential_source *source; /* its base is a provider of its own */
    struct credential_provider *base;
    struct credential_provider *next;
    struct fetch fetch;
    bool fetching;
    bool waiting;               /* for the base to have credentials: that wakes it */
    struct credentials current; /* access_key_id NULL: none */
    int64_t expires_mono_ms;    /* NEVER: they do not */
    uint64_t generation;
    int failures;               /* in a row */
    int64_t due_ms;
    int64_t refused_ms;         /* when a service last refused them; 0: not yet */
    char trouble[TEXT_MAX];
    enum error_code trouble_code;
};

struct credential_set {
    struct fetch_tools tools;
    struct watch timer;
    struct random random;
    struct credential_provider *first; /* in the order of their making: a base before what stands on it */
    struct credential_provider *default_provider;
    uint64_t calls; /* tokens given out */
};

static void begin(struct credential_provider *p);

/* ---- the timer ---- */

int64_t credential_set_due(const struct credential_set *set)
{
    int64_t due = NEVER;

    for (const struct credential_provider *p = set->first; p; p = p->next)
        if (p->due_ms < due)
            due = p->due_ms;
    return due;
}

static void set_timer(struct credential_set *set)
{
    int64_t due = credential_set_due(set);
    int64_t wait = due - set->tools.clock().mono_ms;
    struct itimerspec when = {0};

    if (due != NEVER && wait <= 0)
        when.it_value.tv_nsec = 1;
    else if (due != NEVER)
        when.it_value = (struct timespec){.tv_sec = wait / 1000, .tv_nsec = wait % 1000 * 1000000};
    if (timerfd_settime(set->timer.fd, 0, &when, NULL) != 0)
        panic("timerfd: %s", strerror(errno));
}

void credential_set_tick(struct credential_set *set)
{
    int64_t now_ms = set->tools.clock().mono_ms;

    for (struct credential_provider *p = set->first; p; p = p->next)
        if (p->due_ms <= now_ms)
            begin(p);
    set_timer(set);
}

static void timer_ready(struct watch *w, uint32_t events)
{
    uint64_t times;

    (void)events;
    if (read(w->fd, &times, sizeof(times)) < 0 && errno != EAGAIN)
        panic("timerfd: %s", strerror(errno));
    credential_set_tick(w->context);
}

/* ---- outcomes ---- */

/* At most `ms`, at least three quarters of it. */
static int64_t jittered(struct credential_set *set, int64_t ms)
{
    return ms - (int64_t)random_below(&set->random, (uint64_t)ms / 4 + 1);
}

static int64_t back_off(struct credential_provider *p)
{
    int64_t most = p->failures > 6 ? BACK_OFF_MAX_MS : (int64_t)BACK_OFF_FIRST_MS << (p->failures > 0 ? p->failures - 1 : 0);

    return jittered(p->set, most < BACK_OFF_MAX_MS ? most : BACK_OFF_MAX_MS);
}

static void failed(struct credential_provider *p, enum error_code code, const char *text)
{
    bool changed = strcmp(p->trouble, text) != 0;

    p->failures++;
    p->trouble_code = code;
    snprintf(p->trouble, sizeof(p->trouble), "%s", text);
    p->due_ms = p->set->tools.clock().mono_ms + back_off(p);
    if (changed)
        log_warning("credentials cannot be fetched; trying again", LOG_FIELDS(LOG_TEXT("cause", text)));
}

static int64_t refresh_in(struct credential_provider *p, int64_t life_ms)
{
    int64_t before = life_ms / 3 < REFRESH_BEFORE_MS ? life_ms / 3 : REFRESH_BEFORE_MS;

    if (life_ms <= 0)
        return jittered(p->set, BACK_OFF_MAX_MS);
    return life_ms - before - (int64_t)random_below(&p->set->random, (uint64_t)before / 3 + 1);
}

static bool same(const struct credentials *c, const struct issued *i)
{
    return c->access_key_id && slice_is(buffer_slice(&i->access_key_id), c->access_key_id) && slice_is(buffer_slice(&i->secret), c->secret) &&
           slice_equal(buffer_slice(&i->session_token), c->session_token ? slice_text(c->session_token) : SLICE("")) && c->expires_ms == i->expires_ms;
}

static void wake_dependants(struct credential_provider *base, int64_t now_ms)
{
    for (struct credential_provider *p = base->set->first; p; p = p->next)
        if (p->base == base && !p->fetching && (p->waiting || p->failures > 0))
            p->due_ms = now_ms;
}

static void keep(struct credential_provider *p, struct credentials *fresh, int64_t life_ms, int64_t now_ms)
{
    credentials_fini(&p->current);
    p->current = *fresh;
    p->generation++;
    if (p->failures > 0)
        log_info("credentials are there again", LOG_FIELDS(LOG_TEXT("source", p->source->name)));
    p->failures = 0;
    p->trouble[0] = '\0';
    p->expires_mono_ms = fresh->expires_ms ? now_ms + life_ms : NEVER;
    p->due_ms = fresh->expires_ms ? now_ms + refresh_in(p, life_ms) : NEVER;
    wake_dependants(p, now_ms);
}

/* EC2 has new ones only minutes before the old ones expire: being given the same again is no failure, but not the end of it either. */
static void same_again(struct credential_provider *p, int64_t life_ms, int64_t now_ms)
{
    int64_t wait = p->expires_mono_ms == NEVER ? NEVER : refresh_in(p, life_ms);

    p->failures = 0;
    p->trouble[0] = '\0';
    if (wait > BACK_OFF_MAX_MS && wait != NEVER)
        wait = jittered(p->set, BACK_OFF_MAX_MS);
    p->due_ms = wait == NEVER ? NEVER : now_ms + (wait > SAME_AGAIN_LEAST_MS ? wait : SAME_AGAIN_LEAST_MS);
}

static void take(struct credential_provider *p, struct issued *issued, int64_t issuer_now_ms)
{
    int64_t now_ms = p->set->tools.clock().mono_ms;
    int64_t life_ms = issued->expires_ms ? issued->expires_ms - issuer_now_ms : NEVER;
    struct credentials fresh;
    struct error err;
    char text[TEXT_MAX];

    if (life_ms <= 0 && p->source->kind != CREDENTIAL_METADATA) {
        snprintf(text, sizeof(text), "%s: the credentials that came have already expired", p->source->name);
        failed(p, ERROR_CREDENTIALS, text);
    } else if (same(&p->current, issued)) {
        same_again(p, life_ms > 0 ? life_ms : 0, now_ms);
    } else if (!credentials_set(&fresh, buffer_slice(&issued->access_key_id), buffer_slice(&issued->secret), buffer_slice(&issued->session_token),
                                p->source->name, &err)) {
        failed(p, err.code, err.text);
    } else {
        fresh.expires_ms = issued->expires_ms;
        keep(p, &fresh, life_ms > 0 ? life_ms : 0, now_ms);
    }
}

static void fetched(struct fetch *f, struct issued *issued, int64_t issuer_now_ms, const struct error *err)
{
    struct credential_provider *p = container_of(f, struct credential_provider, fetch);

    p->fetching = false;
    if (issued)
        take(p, issued, issuer_now_ms);
    else
        failed(p, err->code, err->text);
    set_timer(p->set);
}

static void answered(void *context, const struct http_answer *answer)
{
    struct credential_set *set = context;

    for (struct credential_provider *p = set->first; p; p = p->next) {
        if (p->fetching && p->fetch.token == answer->token) {
            fetch_answered(&p->fetch, answer);
            return;
        }
    }
}

static void begin(struct credential_provider *p)
{
    const struct credentials *base = p->base ? credential_provider_get(p->base, NULL) : NULL;

    p->due_ms = NEVER;
    p->waiting = p->base && base == NULL;
    if (p->waiting || p->fetching)
        return;
    p->fetching = true;
    p->fetch.token = ++p->set->calls;
    fetch_begin(&p->fetch, base);
}

/* ---- making ---- */

static void provider_free(struct credential_provider *p)
{
    if (p == NULL)
        return;
    fetch_fini(&p->fetch);
    credentials_fini(&p->current);
    credential_source_free(p->source);
    free(p);
}

static void append(struct credential_set *set, struct credential_provider *p)
{
    struct credential_provider **end = &set->first;

    while (*end)
        end = &(*end)->next;
    *end = p;
}

/* Takes the source; a base of it becomes a provider of its own. */
static struct credential_provider *make(struct credential_set *set, struct credential_source *source, struct credential_provider *base)
{
    struct credential_provider *p = memory_zeroed(1, sizeof(*p));

    p->set = set;
    p->source = source;
    p->base = source->base ? make(set, source->base, NULL) : base;
    source->base = NULL;
    p->fetch = (struct fetch){.tools = &set->tools, .source = source, .done = fetched};
    p->expires_mono_ms = NEVER;
    p->due_ms = set->tools.clock().mono_ms;
    if (source->kind == CREDENTIAL_KEYS) {
        p->current = source->keys;
        source->keys = (struct credentials){0};
        p->generation = 1;
        p->due_ms = NEVER;
    }
    append(set, p);
    return p;
}

static bool make_parts(struct credential_set *set, struct loop *loop, struct error *err)
{
    const char *ca_bundle;

    if (!ca_bundle_find(&ca_bundle, set->tools.profile, set->tools.lookup, err))
        return false;
    set->timer = (struct watch){.fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK), .ready = timer_ready, .context = set};
    if (set->timer.fd < 0)
        return error_set(err, ERROR_SYSTEM, "timerfd_create: %s", strerror(errno));
    loop_watch(loop, &set->timer, EPOLLIN);
    set->tools.http = http_client_new(loop, answered, set, err);
    if (set->tools.http == NULL)
        return false;
    http_client_set_ca_bundle(set->tools.http, ca_bundle);
    return true;
}

struct credential_set *credential_set_new(const struct credential_options *o, struct error *err)
{
    struct credential_source *source = credential_source_find(o->profile, o->lookup, err);
    struct credential_set *set;

    if (source == NULL)
        return NULL;
    set = memory_zeroed(1, sizeof(*set));
    set->tools = (struct fetch_tools){.loop = o->loop, .profile = o->profile, .region = o->region, .lookup = o->lookup, .clock = o->clock};
    set->random.state = o->seed;
    set->timer.fd = -1;
    if (!make_parts(set, o->loop, err)) {
        credential_source_free(source);
        credential_set_free(set);
        return NULL;
    }
    set->default_provider = make(set, source, NULL);
    credential_set_tick(set);
    return set;
}

void credential_set_free(struct credential_set *set)
{
    struct credential_provider *p;

    if (set == NULL)
        return;
    http_client_free(set->tools.http);
    while ((p = set->first) != NULL) {
        set->first = p->next;
        provider_free(p);
    }
    if (set->timer.fd >= 0) {
        loop_unwatch(set->tools.loop, &set->timer);
        close(set->timer.fd);
    }
    free(set);
}

struct credential_provider *credential_set_default(struct credential_set *set)
{
    return set->default_provider;
}

struct credential_provider *credential_set_role(struct credential_set *set, const char *role_arn, const char *external_id)
{
    struct credential_source *none = NULL;
    struct credential_provider *p;

    for (p = set->first; p; p = p->next)
        if (p->base == set->default_provider && text_equal(p->source->role_arn, role_arn) && text_equal(p->source->external_id, external_id))
            return p;
    p = make(set, credential_source_role(&none, role_arn, external_id, NULL), set->default_provider);
    credential_set_tick(set);
    return p;
}

/* ---- asking ---- */

static bool expired(const struct credential_provider *p)
{
    return p->expires_mono_ms != NEVER && p->source->kind != CREDENTIAL_METADATA && p->set->tools.clock().mono_ms >= p->expires_mono_ms;
}

/* It, or the nearest below it that it waits for, that has failed; NULL: none has (yet). */
static const struct credential_provider *failure_of(const struct credential_provider *p)
{
    while (p && p->waiting && p->base)
        p = p->base;
    return p && p->failures > 0 ? p : NULL;
}

const struct credentials *credential_provider_get(const struct credential_provider *p, const char **why)
{
    const struct credential_provider *failure;

    if (p->current.access_key_id && (p->set == NULL || !expired(p)))
        return &p->current;
    failure = failure_of(p);
    if (why)
        *why = failure ? failure->trouble : "they are being fetched";
    return NULL;
}

const char *credential_provider_trouble(const struct credential_provider *p)
{
    return p->trouble;
}

const char *credential_provider_name(const struct credential_provider *p)
{
    return p->source ? p->source->name : "fixed keys";
}

uint64_t credential_provider_generation(const struct credential_provider *p)
{
    return p->generation;
}

bool credential_provider_by_default(const struct credential_provider *p)
{
    return p->source && p->source->by_default;
}

void credential_provider_refused(struct credential_provider *p)
{
    int64_t now_ms;

    if (p->set == NULL || p->source->kind == CREDENTIAL_KEYS || p->fetching)
        return;
    now_ms = p->set->tools.clock().mono_ms;
    if (p->refused_ms && now_ms - p->refused_ms < REFUSED_AGAIN_MS)
        return;
    p->refused_ms = now_ms;
    if (p->due_ms > now_ms)
        p->due_ms = now_ms;
    set_timer(p->set);
}

bool credential_provider_wait(struct credential_provider *p, int64_t timeout_ms, struct error *err)
{
    int64_t end_ms = clock_now().mono_ms + timeout_ms;
    const struct credential_provider *failure = NULL;
    int64_t left;

    while (credential_provider_get(p, NULL) == NULL && (failure = failure_of(p)) == NULL && (left = end_ms - clock_now().mono_ms) > 0)
        loop_wait(p->set->tools.loop, left);
    if (credential_provider_get(p, NULL))
        return true;
    if (p->source->by_default && failure)
        return credential_source_none(err, failure->trouble_code, p->set->tools.profile, failure->trouble);
    return error_set(err, failure ? failure->trouble_code : ERROR_UNAVAILABLE, "%s", failure ? failure->trouble : "the credentials did not come in time");
}

/* ---- fixed ---- */

struct credential_provider *credential_provider_fixed(const struct credentials *keys)
{
    struct credential_provider *p = memory_zeroed(1, sizeof(*p));

    credentials_copy(&p->current, keys);
    p->generation = 1;
    return p;
}

void credential_provider_fixed_free(struct credential_provider *p)
{
    provider_free(p);
}
