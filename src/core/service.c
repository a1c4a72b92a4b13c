/* SPDX-License-Identifier: Apache-2.0 */
#include "core/service.h"

#include "base/log.h"
#include "base/memory.h"
#include "core/service_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define DEDUPLICATION_MS (5 * 60 * INT64_C(1000))
#define STEP_ROWS 500     /* of a purge, or of what expired, a queue and cycle */
#define DEDUPLICATION_ROWS 200
#define DELETED_STAYS_MS 60000 /* a deleted queue's name is not free before */

/* ---- finding ---- */

struct desk *service_find_in(const struct service *s, struct slice region, struct slice queue_name)
{
    for (size_t i = 0; i < s->desk_count; i++) {
        const struct desk *desk = s->desks[i];

        if (desk->deleted_at_ms == 0 && slice_is(queue_name, desk->queue->name) && slice_is(region, desk->region))
            return s->desks[i];
    }
    return NULL;
}

struct desk *service_find(const struct service *s, struct slice queue_name)
{
    return service_find_in(s, SLICE(""), queue_name);
}

struct desk *service_find_id(const struct service *s, int64_t queue)
{
    for (size_t i = 0; i < s->desk_count; i++)
        if (s->desks[i]->queue->id == queue)
            return s->desks[i];
    return NULL;
}

struct desk *service_heir(const struct service *s, struct desk *desk)
{
    if (desk == NULL || desk->deleted_at_ms == 0)
        return desk;
    return service_find_in(s, slice_text(desk->region), slice_text(desk->queue->name));
}

void service_arn(const struct service *s, struct slice region, struct slice name, struct buffer *out)
{
    struct slice said = region.len > 0 ? region : slice_text(s->region);

    buffer_reset(out);
    buffer_printf(out, "arn:aws:sqs:%.*s:%s:%.*s", SLICE_ARG(said), s->account_id, SLICE_ARG(name));
}

void service_queue_arn(const struct service *s, const struct desk *desk, struct buffer *out)
{
    service_arn(s, slice_text(desk->region), slice_text(desk->queue->name), out);
}

void service_queue_url(const struct service *s, const struct exchange *x, const struct desk *desk, struct buffer *out)
{
    buffer_reset(out);
    buffer_append(out, x->base_url);
    buffer_printf(out, "/%s/%s", s->account_id, desk->queue->name);
}

/* With one namespace for all regions, or in the bridge's own: "". */
static struct slice region_key(const struct service *s, struct slice region)
{
    return s->regions == NULL || region.len == 0 || slice_is(region, s->region) ? SLICE("") : region;
}

static bool region_served(const struct service *s, struct slice region)
{
    struct slice rest = slice_text(s->regions);

    if (s->regions == NULL || region.len == 0 || slice_is(region, s->region) || slice_is(rest, "*"))
        return true;
    while (rest.len > 0) {
        struct slice one = slice_from(rest.ptr, slice_index(rest, ','));

        rest = slice_after(rest, one.len + 1);
        if (slice_equal(slice_trim(one), region))
            return true;
    }
    return false;
}

struct desk *service_find_signed(const struct service *s, struct slice region, struct slice queue_name)
{
    return region_served(s, region) ? service_find_in(s, region_key(s, region), queue_name) : NULL;
}

/* arn:aws:sqs:REGION:ACCOUNT:NAME. The partition may be another one's. */
struct desk *service_find_arn(const struct service *s, struct slice arn)
{
    struct slice parts[6];

    for (size_t i = 0; i < 6; i++) {
        parts[i] = slice_from(arn.ptr, slice_index(arn, ':'));
        arn = slice_after(arn, parts[i].len + 1);
    }
    if (!slice_is(parts[0], "arn") || !slice_is(parts[2], "sqs") || !slice_is(parts[4], s->account_id) || arn.len > 0)
        return NULL;
    return service_find_in(s, region_key(s, parts[3]), parts[5]);
}

/* ---- making ---- */

static struct queue *find_queue(void *context, int64_t id)
{
    struct desk *desk = service_find_id(context, id);

    return desk ? desk->queue : NULL;
}

struct desk *service_make_queue(struct service *s, struct slice region, struct slice name, struct instant now)
{
    struct queue_row row = {.id = ++s->highest_queue, .name = name, .region = region, .created_at_ms = now.wall_ms, .modified_at_ms = now.wall_ms};
    struct desk *desk = desk_new(&row);

    row.next_message = row.next_fresh = QUEUE_FIRST_MESSAGE(row.id);
    ledger_queue_insert_in(s->db, slice_text(desk->region), row.id, name, now.wall_ms);
    desk->queue = queue_load(s->db, &row, now);
    desk->queue->options.visibility_timeout_ms = 30000;
    queue_set_lookup(desk->queue, find_queue, s);
    queue_start(desk->queue, s->db, now);
    desk_save(desk, s->db);
    s->desks = memory_resize(s->desks, (s->desk_count + 1) * sizeof(*s->desks));
    s->desks[s->desk_count++] = desk;
    return desk;
}

void service_apply_attributes(struct desk *desk)
{
    struct queue *q = desk->queue;
    struct queue_options kept = q->options;

    queue_attributes_apply(&desk->attributes, q->groups.strict, &q->options);
    q->options.filter = kept.filter;
    q->options.form = kept.form;
    q->options.hold_key = kept.hold_key;
    q->options.dead_letter_queue = kept.dead_letter_queue;
    if (!desk->configured)
        return;
    if (desk->attributes.values[QUEUE_REDRIVE_POLICY] == NULL)
        q->options.max_receive_count = desk->max_receive_count;
    if (q->options.visibility_timeout_ms / 1000 == desk->visibility_ms / 1000)
        q->options.visibility_timeout_ms = desk->visibility_ms;
}

/* The policy names the target as it is called now. */
static void name_target(struct service *s, struct desk *desk, const struct desk *target, int64_t count)
{
    service_queue_arn(s, target, &s->body);
    log_info("a queue's dead-letter queue has another ARN now", LOG_FIELDS(LOG_TEXT("queue", desk->queue->name), LOG_TEXT("now", s->body.ptr)));
    free(desk->attributes.values[QUEUE_REDRIVE_POLICY]);
    desk->attributes.values[QUEUE_REDRIVE_POLICY] = redrive_policy_text(s->body.ptr, count);
}

void service_link(struct service *s)
{
    for (size_t i = 0; i < s->desk_count; i++) {
        struct queue_options *options = &s->desks[i]->queue->options;
        const char *policy = s->desks[i]->attributes.values[QUEUE_REDRIVE_POLICY];
        const char *colon;
        struct desk *target;
        struct slice arn;
        int64_t count;

        options->dead_letter_queue = NULL;
        if (policy == NULL || !redrive_policy_parts(policy, &arn, &count))
            continue;
        target = service_find_arn(s, arn);
        if (target == NULL) { /* the account or region may have been configured otherwise when it was set */
            colon = memrchr(arn.ptr, ':', arn.len);
            target = service_find_in(s, slice_text(s->desks[i]->region), slice_after(arn, colon ? (size_t)(colon - arn.ptr) + 1 : 0));
            if (target && s->account_id[0]) /* a command on the ledger does not know how it is called now */
                name_target(s, s->desks[i], target, count);
        }
        if (target && target != s->desks[i])
            options->dead_letter_queue = target->queue;
        options->max_receive_count = options->dead_letter_queue ? count : 0; /* without the queue that they are to go to, messages stay */
    }
}

void service_fini(struct service *s)
{
    service_free_moves(s);
    origins_fini(&s->origins);
    buffer_fini(&s->body);
    buffer_fini(&s->arena);
    composed_fini(&s->composed);
    s->composed = (struct composed){0};
}

/* ---- what goes on by itself ---- */

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t step_queue(struct service *s, struct desk *desk, int64_t now_ms, struct instant now)
{
    struct queue *q = desk->queue;
    int64_t before = q->counts[MESSAGE_EXPIRED] + q->counts[MESSAGE_PURGED];
    int64_t due = INT64_MAX;

    if (q->purge_to > 0) {
        database_begin(s->db);
        due = queue_purge_step(q, s->db, STEP_ROWS, now) ? now.mono_ms : INT64_MAX;
        s->counts.purged += (uint64_t)(q->counts[MESSAGE_EXPIRED] + q->counts[MESSAGE_PURGED] - before);
        return due;
    }
    if (q->remote || q->options.retention_ms == 0 || desk->deleted_at_ms != 0)
        return due;
    if (q->expire_due_ms <= now.mono_ms && queue_has_unsettled(q)) {
        database_begin(s->db);
        queue_expire(q, s->db, now_ms, STEP_ROWS, now);
        s->counts.expired += (uint64_t)(q->counts[MESSAGE_EXPIRED] + q->counts[MESSAGE_PURGED] - before);
    }
    return queue_has_unsettled(q) ? q->expire_due_ms : INT64_MAX;
}

/* A deleted queue is kept while something of it is unsettled (its dead letters may be in another queue), and its name while it is not free. */
static bool may_go(const struct desk *desk, struct instant now)
{
    return desk->deleted_at_ms != 0 && desk->queue->purge_to == 0 && !queue_has_unsettled(desk->queue) && desk->first == NULL && !desk->queue->changed &&
           (now.wall_ms - desk->deleted_at_ms > DELETED_STAYS_MS || now.wall_ms < desk->deleted_at_ms);
}

static void remove_deleted(struct service *s, struct instant now)
{
    for (size_t i = s->desk_count; i > 0; i--) {
        if (!may_go(s->desks[i - 1], now))
            continue;
        desk_free(s->desks[i - 1]);
        memmove(&s->desks[i - 1], &s->desks[i], (s->desk_count - i) * sizeof(*s->desks));
        s->desk_count--;
    }
}

int64_t service_steady_ms(const struct service *s, struct instant now)
{
    return s->started.wall_ms + now.mono_ms - s->started.mono_ms;
}

int64_t service_step(struct service *s, struct instant now)
{
    int64_t due = service_step_moves(s, now);
    int64_t now_ms = service_steady_ms(s, now);

    for (size_t i = 0; i < s->desk_count; i++)
        due = earlier(due, step_queue(s, s->desks[i], now_ms, now));
    remove_deleted(s, now);
    if (s->deduplication_due_ms <= now.mono_ms) {
        database_begin(s->db);
        s->deduplication_due_ms = now.mono_ms + (ledger_deduplication_prune(s->db, now_ms - DEDUPLICATION_MS, now_ms, DEDUPLICATION_ROWS) == DEDUPLICATION_ROWS
                                                     ? 0 : 10000);
    }
    return earlier(due, s->deduplicates ? s->deduplication_due_ms : INT64_MAX);
}

/* ---- the operations ---- */

static const struct operation {
    bool (*apply)(struct service *s, struct exchange *x, struct desk *desk, struct instant now);
    bool no_queue;  /* it names none, or one that need not exist */
    bool of_remote; /* also of queues on other servers */
} operations[SQS_ACTION_COUNT] = {
    [SQS_ACTION_ADD_PERMISSION] = {service_add_permission, false, false},
    [SQS_ACTION_CANCEL_MESSAGE_MOVE_TASK] = {service_cancel_move, true, false},
    [SQS_ACTION_CHANGE_MESSAGE_VISIBILITY] = {service_entries, false, false},
    [SQS_ACTION_CHANGE_MESSAGE_VISIBILITY_BATCH] = {service_entries, false, false},
    [SQS_ACTION_CREATE_QUEUE] = {service_create_queue, true, false},
    [SQS_ACTION_DELETE_MESSAGE] = {service_entries, false, false},
    [SQS_ACTION_DELETE_MESSAGE_BATCH] = {service_entries, false, false},
    [SQS_ACTION_DELETE_QUEUE] = {service_delete_queue, false, true},
    [SQS_ACTION_GET_QUEUE_ATTRIBUTES] = {service_get_attributes, false, false},
    [SQS_ACTION_GET_QUEUE_URL] = {service_get_queue_url, false, true},
    [SQS_ACTION_LIST_DEAD_LETTER_SOURCE_QUEUES] = {service_list_dead_letter_sources, false, false},
    [SQS_ACTION_LIST_MESSAGE_MOVE_TASKS] = {service_list_moves, true, false},
    [SQS_ACTION_LIST_QUEUE_TAGS] = {service_list_tags, false, false},
    [SQS_ACTION_LIST_QUEUES] = {service_list_queues, true, false},
    [SQS_ACTION_PURGE_QUEUE] = {service_purge_queue, false, false},
    [SQS_ACTION_RECEIVE_MESSAGE] = {service_receive, false, false},
    [SQS_ACTION_REMOVE_PERMISSION] = {service_remove_permission, false, false},
    [SQS_ACTION_SEND_MESSAGE] = {service_entries, false, false},
    [SQS_ACTION_SEND_MESSAGE_BATCH] = {service_entries, false, false},
    [SQS_ACTION_SET_QUEUE_ATTRIBUTES] = {service_set_attributes, false, false},
    [SQS_ACTION_START_MESSAGE_MOVE_TASK] = {service_start_move, true, false},
    [SQS_ACTION_TAG_QUEUE] = {service_tag_queue, false, false},
    [SQS_ACTION_UNTAG_QUEUE] = {service_untag_queue, false, false},
};

bool service_refuse(struct exchange *x, enum sqs_error error, const char *format, ...)
{
    char text[600];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    sqs_answer_error(&x->answer, error, text);
    return true;
}

/* SQS's text of a denial; what a guest may do only the queue's policy says. */
static bool refuse_guest(struct service *s, struct exchange *x, const struct desk *desk)
{
    buffer_reset(&s->body);
    if (desk)
        service_queue_arn(s, desk, &s->body);
    return service_refuse(x, SQS_ACCESS_DENIED, "Access to the resource %s is denied.", desk ? s->body.ptr : "https://sqs.amazonaws.com/");
}

bool service_apply(struct service *s, struct exchange *x, struct instant now)
{
    const struct operation *operation = &operations[x->request.action];
    struct desk *desk = NULL;

    sqs_answer_begin(&x->answer, x->request.action);
    if (!region_served(s, x->region))
        return service_refuse(x, SQS_SIGNATURE_MISMATCH, "Credential should be scoped to a valid region.");
    x->region = region_key(s, x->region);
    if (!operation->no_queue) {
        desk = service_find_in(s, x->region, x->request.queue_name);
        if (desk == NULL) {
            sqs_answer_error(&x->answer, SQS_QUEUE_DOES_NOT_EXIST, NULL);
            return true;
        }
        if (desk->queue->remote && !operation->of_remote)
            return service_refuse(x, SQS_UNSUPPORTED_OPERATION, "This queue is on another server: only receiving, deleting and visibility go through here, "
                                                                    "if it has gateway: true; do the rest there.");
    }
    if (slice_present(x->guest_account) && (desk == NULL || !service_policy_allows(s, desk, x->guest_account, x->request.action)))
        return refuse_guest(s, x, desk);
    return operation->apply(s, x, desk, now);
}
