/* SPDX-License-Identifier: Apache-2.0 */
#include "core/service_internal.h"

#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>

#define WAIT_MS 60000 /* after DeleteQueue and PurgeQueue (API_CreateQueue.html, API_PurgeQueue.html) */
#define TAG_KEY_MAX 128
#define TAG_VALUE_MAX 256
#define PAGE_MAX 1000
#define QUEUES_MAX 100000 /* names are found by a search */

/* ---- URLs and lists ---- */

bool service_get_queue_url(struct service *s, struct exchange *x, struct desk *desk, struct instant now)
{
    struct slice owner = x->request.owner_account_id;

    (void)now;
    if (slice_present(owner) && !slice_is(owner, s->account_id)) {
        sqs_answer_error(&x->answer, SQS_QUEUE_DOES_NOT_EXIST, NULL);
        return true;
    }
    service_queue_url(s, x, desk, &s->body);
    sqs_answer_queue_url(&x->answer, buffer_slice(&s->body));
    sqs_answer_end(&x->answer);
    return true;
}

static int compare_desks(const void *a, const void *b)
{
    const struct desk *left = *(const struct desk *const *)a;
    const struct desk *right = *(const struct desk *const *)b;

    return strcmp(left->queue->name, right->queue->name);
}

static bool may_be_token(struct slice token)
{
    return sqs_queue_name_valid(slice_ends_with(token, SLICE(".fifo")) ? slice_from(token.ptr, token.len - 5) : token);
}

/* Names in order; a token is the last name of the page before. */
void service_answer_queues(struct service *s, struct exchange *x, bool (*wanted)(const struct desk *desk, void *context), void *context)
{
    const struct sqs_request *r = &x->request;
    struct desk **sorted = memory_zeroed(s->desk_count + 1, sizeof(struct desk *));
    int most = r->max_results > 0 ? r->max_results : PAGE_MAX;
    const char *last = NULL;
    int given = 0;

    if (slice_present(r->next_token) && !may_be_token(r->next_token)) {
        service_refuse(x, SQS_INVALID_PARAMETER_VALUE, "Invalid or expired next token.");
        free(sorted);
        return;
    }
    for (size_t i = 0; i < s->desk_count; i++)
        sorted[i] = s->desks[i];
    qsort(sorted, s->desk_count, sizeof(*sorted), compare_desks);
    for (size_t i = 0; i < s->desk_count; i++) {
        struct slice name = slice_text(sorted[i]->queue->name);

        if (sorted[i]->deleted_at_ms != 0 || !slice_is(x->region, sorted[i]->region) || (wanted && !wanted(sorted[i], context)))
            continue;
        if (slice_present(r->next_token) && slice_compare(name, r->next_token) <= 0)
            continue;
        if (given == most) {
            if (r->max_results > 0) /* without MaxResults there is no second page (API_ListQueues.html) */
                sqs_answer_next_token(&x->answer, slice_text(last));
            break;
        }
        service_queue_url(s, x, sorted[i], &s->body);
        sqs_answer_queue_url(&x->answer, buffer_slice(&s->body));
        last = sorted[i]->queue->name;
        given++;
    }
    free(sorted);
    sqs_answer_end(&x->answer);
}

static bool has_prefix(const struct desk *desk, void *context)
{
    const struct slice *prefix = context;

    return !slice_present(*prefix) || slice_starts_with(slice_text(desk->queue->name), *prefix);
}

bool service_list_queues(struct service *s, struct exchange *x, struct desk *desk, struct instant now)
{
    (void)desk;
    (void)now;
    service_answer_queues(s, x, has_prefix, &x->request.prefix);
    return true;
}

/* ---- attributes: reading ---- */

static const struct {
    const char *name;
    int64_t (*value)(const struct queue *q);
} counts[] = {
    {"ApproximateNumberOfMessages", queue_visible},
    {"ApproximateNumberOfMessagesNotVisible", queue_not_visible},
    {"ApproximateNumberOfMessagesDelayed", queue_delayed},
};

static bool asked(const struct sqs_request *r, const char *name)
{
    for (size_t i = 0; i < r->names.count; i++)
        if (slice_is(r->names.list[i], name) || slice_is(r->names.list[i], "All"))
            return true;
    return false;
}

static void tell(struct exchange *x, const char *name, struct slice value)
{
    if (asked(&x->request, name))
        sqs_answer_pair(&x->answer, slice_text(name), value);
}

static void tell_number(struct service *s, struct exchange *x, const char *name, int64_t value)
{
    buffer_reset(&s->body);
    buffer_append_i64(&s->body, value);
    tell(x, name, buffer_slice(&s->body));
}

bool service_get_attributes(struct service *s, struct exchange *x, struct desk *desk, struct instant now)
{
    const struct sqs_request *r = &x->request;

    for (size_t i = 0; i < r->names.count; i++) {
        struct slice name = r->names.list[i];

        if (!queue_attribute_known(name))
            return service_refuse(x, SQS_INVALID_ATTRIBUTE_NAME, "Unknown Attribute %.*s.", name.len > 100 ? 100 : (int)name.len, name.ptr);
    }
    queue_tick(desk->queue, now);
    service_queue_arn(s, desk, &s->body);
    tell(x, "QueueArn", buffer_slice(&s->body));
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        tell_number(s, x, counts[i].name, counts[i].value(desk->queue));
    tell_number(s, x, "CreatedTimestamp", desk->queue->created_at_ms / 1000);
    tell_number(s, x, "LastModifiedTimestamp", desk->modified_at_ms / 1000);
    for (int i = 0; i < QUEUE_ATTRIBUTE_COUNT; i++) {
        const char *value = queue_attribute_value(&desk->attributes, (enum queue_attribute)i, desk->queue->groups.strict);

        if (value)
            tell(x, queue_attribute_name((enum queue_attribute)i), slice_text(value));
    }
    sqs_answer_end(&x->answer);
    return true;
}

/* ---- attributes: setting ---- */

/* What a RedrivePolicy says of another queue. fifo: of the source; source_arn: its ARN. False: refused. */
static bool check_redrive(struct service *s, struct exchange *x, const char *policy, bool fifo, struct slice source_arn)
{
    struct desk *target;
    struct slice arn;
    int64_t count;
    const char *reason = NULL;

    if (policy == NULL || !redrive_policy_parts(policy, &arn, &count))
        return true;
    target = service_find_arn(s, arn);
    if (target == NULL)
        reason = "Dead letter target does not exist.";
    else if (target->queue->remote)
        reason = "Dead letter target is on another server.";
    else if (target->queue->groups.strict != fifo)
        reason = "Dead-letter queue must be same type of queue as the source.";
    else if (!redrive_allowed(target->attributes.values[QUEUE_REDRIVE_ALLOW_POLICY], source_arn))
        reason = "Dead letter target does not allow this queue: see its RedriveAllowPolicy.";
    if (reason == NULL)
        return true;
    service_refuse(x, SQS_INVALID_PARAMETER_VALUE, "Value %s for parameter RedrivePolicy is invalid. Reason: %s", policy, reason);
    return false;
}

static bool refuse(struct exchange *x, const struct sqs_failure *failure)
{
    sqs_answer_error(&x->answer, failure->error, failure->text);
    return true;
}

bool service_set_attributes(struct service *s, struct exchange *x, struct desk *desk, struct instant now)
{
    struct queue_attributes next = {0};
    bool fifo = desk->queue->groups.strict;
    struct sqs_failure failure;

    queue_attributes_copy(&next, &desk->attributes);
    service_queue_arn(s, desk, &s->arena);
    if (!queue_attributes_read(&next, &x->request.queue_attributes, fifo, false, &failure)) {
        refuse(x, &failure);
    } else if (check_redrive(s, x, next.values[QUEUE_REDRIVE_POLICY], fifo, buffer_slice(&s->arena))) {
        queue_attributes_fini(&desk->attributes);
        desk->attributes = next;
        next = (struct queue_attributes){0};
        desk->modified_at_ms = now.wall_ms;
        service_apply_attributes(desk);
        service_link(s);
        desk->queue->expire_due_ms = now.mono_ms;
        desk_save(desk, s->db);
        sqs_answer_end(&x->answer);
    }
    queue_attributes_fini(&next);
    return true;
}

/* ---- tags (API_TagQueue.html) ---- */

static bool tags_valid(struct exchange *x, const struct desk *desk)
{
    const struct sqs_pairs *tags = &x->request.tags;
    size_t count = desk ? desk->tag_count : 0;

    for (size_t i = 0; i < tags->count; i++) {
        const struct sqs_pair *tag = &tags->list[i];

        if (tag->name.len < 1 || tag->name.len > TAG_KEY_MAX || tag->value.len > TAG_VALUE_MAX || slice_starts_with(tag->name, SLICE("aws:")))
            return !service_refuse(x, SQS_INVALID_PARAMETER_VALUE, "Tag keys must be between 1 and %d characters in length and not begin with aws:, tag values "
                                                                   "at most %d.", TAG_KEY_MAX, TAG_VALUE_MAX);
        for (size_t k = 0; desk && k < desk->tag_count; k++)
            count -= slice_is(tag->name, desk->tags[k].key);
    }
    if (count + tags->count > SQS_TAGS_MAX)
        return !service_refuse(x, SQS_INVALID_PARAMETER_VALUE, "Too many tags added for queue%s%s: at most %d.", desk ? " " : "", desk ? desk->queue->name : "",
                               SQS_TAGS_MAX);
    return true;
}

static void add_tags(struct desk *desk, const struct sqs_pairs *tags)
{
    for (size_t i = 0; i < tags->count; i++)
        desk_tag(desk, tags->list[i].name, tags->list[i].value);
}

bool service_tag_queue(struct service *s, struct exchange *x, struct desk *desk, struct instant now)
{
    (void)now;
    if (x->request.tags.count == 0)
        return service_refuse(x, SQS_MISSING_PARAMETER, "The request must contain the parameter Tags.");
    if (!tags_valid(x, desk))
        return true;
    add_tags(desk, &x->request.tags);
    desk_save(desk, s->db);
    sqs_answer_end(&x->answer);
    return true;
}

bool service_untag_queue(struct service *s, struct exchange *x, struct desk *desk, struct instant now)
{
    (void)now;
    if (x->request.names.count == 0)
        return service_refuse(x, SQS_MISSING_PARAMETER, "The request must contain the parameter TagKeys.");
    for (size_t i = 0; i < x->request.names.count; i++)
        desk_untag(desk, x->request.names.list[i]);
    desk_save(desk, s->db);
    sqs_answer_end(&x->answer);
    return true;
}

bool service_list_tags(struct service *s, struct exchange *x, struct desk *desk, struct instant now)
{
    (void)s;
    (void)now;
    for (size_t i = 0; i < desk->tag_count; i++)
        sqs_answer_pair(&x->answer, slice_text(desk->tags[i].key), slice_text(desk->tags[i].value));
    sqs_answer_end(&x->answer);
    return true;
}

/* ---- making ---- */

static bool name_valid(struct exchange *x, bool *fifo)
{
    const struct sqs_request *r = &x->request;
    struct slice name = r->queue_name;
    bool suffix = slice_ends_with(name, SLICE(".fifo"));

    *fifo = false;
    for (size_t i = 0; i < r->queue_attributes.count; i++)
        if (slice_is(r->queue_attributes.list[i].name, "FifoQueue"))
            *fifo = slice_is(r->queue_attributes.list[i].value, "true");
    if (*fifo && (!suffix || name.len > SQS_NAME_MAX || !sqs_queue_name_valid(slice_from(name.ptr, name.len - 5))))
        return !service_refuse(x, SQS_INVALID_PARAMETER_VALUE, "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, "
                                                               "must end with .fifo suffix and be 1 to 80 in length");
    if (!*fifo && !sqs_queue_name_valid(name))
        return !service_refuse(x, SQS_INVALID_PARAMETER_VALUE, "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length");
    return true;
}

/* There is one of that name: it is the same queue if all that was given is the same. */
static bool answer_existing(struct service *s, struct exchange *x, const struct desk *desk, const struct queue_attributes *given)
{
    enum queue_attribute other = queue_attributes_differ(&desk->attributes, given, desk->queue->groups.strict);

    if (other != QUEUE_ATTRIBUTE_COUNT)
        return service_refuse(x, SQS_QUEUE_NAME_EXISTS, "A queue already exists with the same name and a different value for attribute %s",
                              queue_attribute_name(other));
    service_queue_url(s, x, desk, &s->body);
    sqs_answer_queue_url(&x->answer, buffer_slice(&s->body));
    sqs_answer_end(&x->answer);
    return true;
}

static bool deleted_recently(const struct service *s, const struct exchange *x, struct instant now)
{
    for (size_t i = 0; s->aws_waits && i < s->desk_count; i++) {
        const struct desk *desk = s->desks[i];

        if (desk->deleted_at_ms != 0 && slice_is(x->request.queue_name, desk->queue->name) && slice_is(x->region, desk->region) &&
            now.wall_ms - desk->deleted_at_ms < WAIT_MS && now.wall_ms >= desk->deleted_at_ms)
            return true;
    }
    return false;
}

static void create(struct service *s, struct exchange *x, struct queue_attributes *given, struct instant now)
{
    struct desk *desk = service_make_queue(s, x->region, x->request.queue_name, now);

    desk->attributes = *given;
    *given = (struct queue_attributes){0};
    queue_attributes_default_retention(&desk->attributes);
    add_tags(desk, &x->request.tags);
    service_apply_attributes(desk);
    service_link(s);
    desk_save(desk, s->db);
    service_queue_url(s, x, desk, &s->body);
    sqs_answer_queue_url(&x->answer, buffer_slice(&s->body));
    sqs_answer_end(&x->answer);
}

bool service_create_queue(struct service *s, struct exchange *x, struct desk *desk, struct instant now)
{
    struct queue_attributes given = {0};
    struct sqs_failure failure;
    bool fifo;

    if (!name_valid(x, &fifo))
        return true;
    desk = service_find_in(s, x->region, x->request.queue_name);
    if (!queue_attributes_read(&given, &x->request.queue_attributes, fifo, true, &failure)) {
        refuse(x, &failure);
    } else if (desk) {
        answer_existing(s, x, desk, &given);
    } else if (deleted_recently(s, x, now)) {
        sqs_answer_error(&x->answer, SQS_QUEUE_DELETED_RECENTLY, NULL);
    } else if (s->desk_count >= QUEUES_MAX) {
        service_refuse(x, SQS_OVER_LIMIT, "There are %d queues: no more can be made.", QUEUES_MAX);
    } else {
        service_arn(s, x->region, x->request.queue_name, &s->arena);
        if (tags_valid(x, NULL) && check_redrive(s, x, given.values[QUEUE_REDRIVE_POLICY], fifo, buffer_slice(&s->arena)))
            create(s, x, &given, now);
    }
    queue_attributes_fini(&given);
    return true;
}

/* ---- removing ---- */

bool service_delete_queue(struct service *s, struct exchange *x, struct desk *desk, struct instant now)
{
    if (desk->configured)
        return service_refuse(x, SQS_UNSUPPORTED_OPERATION, "The queue %s is in stream2sqs's configuration: take it out there.", desk->queue->name);
    desk->deleted_at_ms = now.wall_ms > 0 ? now.wall_ms : 1;
    desk->queue->deleted = true;
    queue_purge(desk->queue);
    service_link(s);
    desk_save(desk, s->db);
    sqs_answer_end(&x->answer);
    return true;
}

bool service_purge_queue(struct service *s, struct exchange *x, struct desk *desk, struct instant now)
{
    if (s->aws_waits && desk->purged_mono_ms != INT64_MIN && now.mono_ms - desk->purged_mono_ms < WAIT_MS)
        return service_refuse(x, SQS_PURGE_IN_PROGRESS, "Only one PurgeQueue operation on %s is allowed every 60 seconds.", desk->queue->name);
    desk->purged_mono_ms = now.mono_ms;
    queue_purge(desk->queue);
    sqs_answer_end(&x->answer);
    return true;
}
