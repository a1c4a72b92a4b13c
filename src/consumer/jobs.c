/* SPDX-License-Identifier: Apache-2.0 */
#include "consumer/jobs.h"

#include "base/hash.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/planted.h"
#include "core/target.h"

#include <stdlib.h>

#define SOON_US 1000000   /* what the workers can take in this time is received ahead */
#define AHEAD_MAX 20      /* for each worker */
#define HELD_MAX 100      /* for all of them, beyond two each */
#define UNSETTLED_MAX 500 /* handled, but not confirmed by the server: beyond it nothing more is received */
#define REASON_NAME "stream2sqs.reason"

void jobs_init(struct jobs *j, const struct jobs_options *options, uint64_t seed)
{
    *j = (struct jobs){.options = *options, .random = {seed}};
}

/* ---- the list ---- */

static void job_free(struct jobs *j, struct job *job)
{
    *(job->previous ? &job->previous->next : &j->first) = job->next;
    *(job->next ? &job->next->previous : &j->last) = job->previous;
    j->in_state[job->state]--;
    j->count--;
    sqs_received_fini(&job->m);
    free(job->reason);
    free(job);
}

void jobs_fini(struct jobs *j)
{
    while (j->first)
        job_free(j, j->first);
}

static void move(struct jobs *j, struct job *job, enum job_state to, int64_t due_ms)
{
    j->in_state[job->state]--;
    j->in_state[to]++;
    job->state = to;
    job->due_ms = due_ms;
    job->failures = 0;
}

/* Nothing more is done about it. */
static void end(struct jobs *j, struct job *job)
{
    if (job->calling)
        move(j, job, JOB_LEAVING, INT64_MAX);
    else
        job_free(j, job);
}

static void complain(const struct job *job, const char *event, struct slice cause)
{
    log_warning(event, LOG_FIELDS(LOG_SLICE("message", job->m.message_id), LOG_SLICE("cause", cause)));
}

/* ---- receiving ---- */

static size_t held_most(const struct jobs *j)
{
    int64_t each = j->average_us > 0 ? SOON_US / j->average_us : 1;
    size_t workers = j->options.workers;
    size_t most = workers * (size_t)(each < 1 ? 1 : each > AHEAD_MAX ? AHEAD_MAX : each);
    size_t bound = 2 * workers > HELD_MAX ? 2 * workers : HELD_MAX;

    return most < bound ? most : bound;
}

/* How many may still be received before there are enough. */
static size_t wanted(const struct jobs *j, size_t asked)
{
    uint64_t taken = j->begun + j->in_state[JOB_READY] + asked;

    return j->options.messages_max == 0 ? SIZE_MAX : taken < j->options.messages_max ? (size_t)(j->options.messages_max - taken) : 0;
}

size_t jobs_room(const struct jobs *j, size_t asked)
{
    size_t most = held_most(j);
    size_t held = j->in_state[JOB_READY] + j->in_state[JOB_RUNNING] + asked;
    size_t room = held < most ? most - held : 0;
    size_t bound = wanted(j, asked);

    if (j->stopping || j->count > held + UNSETTLED_MAX)
        return 0;
    if (room >= JOBS_BATCH || room >= bound)
        return JOBS_BATCH < bound ? JOBS_BATCH : bound;
    return room < (most + 1) / 2 && j->in_state[JOB_READY] > 0 ? 0 : room; /* few large receives, while there is work */
}

static int64_t visibility_ms(const struct jobs *j)
{
    return j->options.visibility_s * INT64_C(1000);
}

static void hidden_since(const struct jobs *j, struct job *job, int64_t since_ms)
{
    job->hidden_until_ms = since_ms + visibility_ms(j);
    job->extend_ms = since_ms + visibility_ms(j) / 2;
}

/* When the server hid it is not known: not before it was asked for, which can be a long poll ago. That an answer travels for less than a quarter of the
 * visibility is taken for granted, so that a message after a long poll is not extended at once. */
static int64_t hidden_first(const struct jobs *j, int64_t asked_ms, int64_t now_ms)
{
    int64_t least_ms = now_ms - visibility_ms(j) / 4;

    return asked_ms > least_ms ? asked_ms : least_ms;
}

/* What is behind it in its group is not to overtake it. */
static void release_group(struct jobs *j, const struct job *failed, int64_t now_ms)
{
    for (struct job *other = failed->next; other && failed->group != 0 && !PLANTED(CONSUMER_GROUP_UNLOCKED); other = other->next)
        if (other->group == failed->group && other->state == JOB_READY)
            move(j, other, JOB_RELEASING, now_ms);
}

static struct job *append(struct jobs *j, struct sqs_received *m)
{
    struct job *job = memory_zeroed(1, sizeof(*job));

    job->due_ms = INT64_MAX;
    job->m = *m;
    *m = (struct sqs_received){0};
    if (j->options.fifo && slice_present(job->m.group_id))
        job->group = hash_bytes(job->m.group_id) | 1;
    job->previous = j->last;
    *(j->last ? &j->last->next : &j->first) = job;
    j->last = job;
    j->count++;
    j->in_state[JOB_READY]++;
    return job;
}

/* Damaged on their way: they come again when their visibility ends. */
static void leave_damaged(struct jobs *j, struct job *job, int64_t now_ms)
{
    struct job *next;

    for (; job; job = next) {
        next = job->next;
        if (job->m.fault == NULL || job->state != JOB_READY)
            continue;
        complain(job, "a message was damaged on its way: it is not handled, and comes again", slice_text(job->m.fault));
        release_group(j, job, now_ms);
        end(j, job);
    }
}

void jobs_add(struct jobs *j, struct sqs_received *messages, size_t count, int64_t asked_ms, int64_t now_ms)
{
    struct job *first = NULL;

    for (size_t i = 0; i < count; i++) {
        struct job *job = append(j, &messages[i]);

        hidden_since(j, job, hidden_first(j, asked_ms, now_ms));
        first = first ? first : job;
        if (j->stopping)
            move(j, job, JOB_RELEASING, now_ms);
    }
    leave_damaged(j, first, now_ms);
}

/* ---- to workers and back ---- */

static bool blocked(const struct job *job)
{
    for (const struct job *other = job->previous; other && job->group != 0; other = other->previous)
        if (other->group == job->group && other->state <= JOB_SENDING)
            return true;
    return false;
}

static bool enough(const struct jobs *j)
{
    return j->options.messages_max > 0 && j->begun >= j->options.messages_max;
}

bool jobs_exhausted(const struct jobs *j)
{
    return enough(j) && j->in_state[JOB_RUNNING] == 0;
}

struct job *jobs_next(struct jobs *j, int64_t now_ms)
{
    struct job *next;

    if (j->in_state[JOB_READY] == 0 || j->in_state[JOB_RUNNING] >= 2 * j->options.workers || enough(j))
        return NULL;
    for (struct job *job = j->first; job; job = next) {
        next = job->next;
        if (job->state != JOB_READY || blocked(job))
            continue;
        if (job->hidden_until_ms > now_ms) {
            move(j, job, JOB_RUNNING, INT64_MAX);
            j->begun++;
            return job;
        }
        complain(job, "its visibility ended before a worker was free: it comes again", SLICE("the server did not extend it in time"));
        release_group(j, job, now_ms);
        end(j, job); /* by now it may be somebody else's */
    }
    return NULL;
}

void jobs_untouched(struct jobs *j, struct job *job)
{
    j->begun--;
    move(j, job, JOB_READY, INT64_MAX);
}

static void come_again(struct jobs *j, struct job *job, int64_t now_ms)
{
    release_group(j, job, now_ms);
    j->counts.retried++;
    if (j->options.retry_at_once || job->retry_said)
        move(j, job, JOB_RELEASING, now_ms);
    else
        end(j, job);
}

static void give_up(struct jobs *j, struct job *job, int64_t now_ms)
{
    if (j->options.dead_letters) {
        move(j, job, JOB_SENDING, now_ms);
        return;
    }
    complain(job, "given up; without a dead-letter queue of the consumer's it comes again", slice_text(job->reason));
    come_again(j, job, now_ms);
}

static void done(struct jobs *j, struct job *job, int64_t now_ms)
{
    j->counts.done++;
    move(j, job, JOB_DELETING, now_ms + JOBS_LINGER_MS);
}

void jobs_handled(struct jobs *j, struct job *job, int64_t now_ms)
{
    int64_t took_us = job->handled_us > 0 ? job->handled_us : 1;

    j->average_us = j->average_us ? j->average_us + (took_us - j->average_us) / 8 : took_us;
    if (job->hidden_until_ms <= now_ms) {
        job->late = true;
        complain(job, "its visibility ended before it was handled: it may be handled twice", SLICE("the server did not extend it in time"));
    }
    if (job->outcome == S2Q_DONE)
        done(j, job, now_ms);
    else if (job->outcome == S2Q_GIVE_UP)
        give_up(j, job, now_ms);
    else
        come_again(j, job, now_ms);
}

void jobs_stop(struct jobs *j, int64_t now_ms)
{
    j->stopping = true;
    for (struct job *job = j->first; job && !PLANTED(CONSUMER_HIDES); job = job->next)
        if (job->state == JOB_READY)
            move(j, job, JOB_RELEASING, now_ms);
}

/* ---- calls ---- */

const char *const batch_actions[BATCH_KINDS] = {
    [BATCH_SEND] = "SendMessageBatch", [BATCH_DELETE] = "DeleteMessageBatch", [BATCH_VISIBILITY] = "ChangeMessageVisibilityBatch"};

/* While stopping, only what a handler still works on is kept hidden: so a server that answers nothing but this does not keep it from ending. What is to be
 * deleted only if that has failed. */
static bool to_extend(const struct jobs *j, const struct job *job, int64_t until_ms)
{
    bool unsettled = job->state <= JOB_SENDING || (job->state == JOB_DELETING && job->failures > 0);
    bool wanted = job->state == JOB_RUNNING || (unsettled && !j->stopping && !PLANTED(CONSUMER_NOT_EXTENDED));

    return wanted && !job->calling && job->extend_ms <= until_ms;
}

/* When something is to be done about it, beside its visibility. */
static int64_t due_of(const struct jobs *j, const struct job *job)
{
    bool early = job->state == JOB_RELEASING && job->due_ms < j->release_ms && !PLANTED(CONSUMER_FEEDS_ITSELF);

    return early ? j->release_ms : job->due_ms;
}

static bool in_state_free(const struct job *job, enum job_state state)
{
    return job->state == state && (!job->calling || PLANTED(CONSUMER_OVERTAKES));
}

static void take(struct batch *batch, struct job *job)
{
    batch->jobs[batch->count++] = job;
}

/* One at a time: ten large messages are more than a batch may hold, and given up is seldom. */
static bool pick_send(struct jobs *j, int64_t now_ms, struct batch *out)
{
    for (struct job *job = j->first; job && out->count == 0 && j->in_state[JOB_SENDING] > 0; job = job->next)
        if (in_state_free(job, JOB_SENDING) && job->due_ms <= now_ms)
            take(out, job);
    return out->count > 0;
}

/* Ten, or what has waited long enough, or all there is when nothing else is to come soon. */
static bool pick_deletes(struct jobs *j, int64_t now_ms, struct batch *out)
{
    bool now = j->in_state[JOB_READY] + j->in_state[JOB_RUNNING] == 0;

    for (struct job *job = j->first; job && out->count < JOBS_BATCH && j->in_state[JOB_DELETING] > 0; job = job->next) {
        if (!in_state_free(job, JOB_DELETING) || (job->failures > 0 && job->due_ms > now_ms))
            continue;
        take(out, job);
        now |= job->due_ms <= now_ms;
    }
    return out->count > 0 && (now || out->count == JOBS_BATCH);
}

static bool pick_visibility(struct jobs *j, int64_t now_ms, struct batch *out)
{
    int64_t near_ms = now_ms + visibility_ms(j) / 8; /* in one call with those that are due */
    bool due = false;

    for (struct job *job = j->first; job && out->count < JOBS_BATCH; job = job->next) {
        if (in_state_free(job, JOB_RELEASING) ? due_of(j, job) > now_ms : !to_extend(j, job, near_ms))
            continue;
        out->release[out->count] = job->state == JOB_RELEASING;
        take(out, job);
        due |= job->state == JOB_RELEASING || job->extend_ms <= now_ms;
    }
    return out->count > 0 && due;
}

bool jobs_batch(struct jobs *j, int64_t now_ms, struct batch *out)
{
    static bool (*const picks[BATCH_KINDS])(struct jobs *, int64_t, struct batch *) = {
        [BATCH_SEND] = pick_send, [BATCH_DELETE] = pick_deletes, [BATCH_VISIBILITY] = pick_visibility};

    for (int kind = 0; kind < BATCH_KINDS; kind++) {
        *out = (struct batch){.kind = (enum batch_kind)kind, .started_ms = now_ms};
        if (!picks[kind](j, now_ms, out))
            continue;
        for (size_t i = 0; i < out->count; i++)
            out->jobs[i]->calling = true;
        return true;
    }
    return false;
}

int64_t jobs_due(const struct jobs *j)
{
    int64_t due_ms = INT64_MAX;

    for (const struct job *job = j->first; job; job = job->next) {
        if (!job->calling && due_of(j, job) < due_ms)
            due_ms = due_of(j, job);
        if (to_extend(j, job, due_ms))
            due_ms = job->extend_ms;
    }
    return due_ms;
}

static void add_reason(const struct job *job, struct sqs_outgoing *m)
{
    struct slice reason = slice_text(job->reason);
    size_t at = 0;

    if (reason.len == 0)
        return;
    while (at < m->attribute_count && !slice_is(m->attributes[at].name, REASON_NAME))
        at++;
    if (at == SQS_ATTRIBUTES_MAX) {
        complain(job, "given up; the message has ten attributes already: sent without the reason", reason);
        return;
    }
    m->attributes[at] = (struct sqs_attribute){SLICE(REASON_NAME), SLICE("String"), reason};
    if (at == m->attribute_count)
        m->attribute_count++;
}

static void write_send(const struct jobs *j, struct batch *batch, struct slice queue_url, struct buffer *body)
{
    struct job *job = batch->jobs[0];
    struct sqs_attribute attributes[SQS_ATTRIBUTES_MAX];
    struct sqs_outgoing m = {.body = job->m.body, .attributes = attributes, .attribute_count = job->m.attribute_count};

    memcpy(attributes, job->m.attributes, sizeof(attributes));
    add_reason(job, &m);
    if (j->options.dead_letters_fifo) {
        m.group_id = slice_present(job->m.group_id) ? job->m.group_id : job->m.message_id;
        m.deduplication_id = job->m.message_id; /* sent again for want of an answer, it is one message */
    }
    sqs_md5_hex(m.body, batch->body_md5);
    sqs_attributes_md5(m.attributes, m.attribute_count, batch->attributes_md5);
    sqs_send_begin(body, queue_url);
    sqs_send_entry(body, 0, &m);
    sqs_send_end(body);
}

void jobs_batch_write(const struct jobs *j, struct batch *batch, struct slice queue_url, struct slice dead_letter_queue_url, struct buffer *body)
{
    if (batch->kind == BATCH_SEND) {
        write_send(j, batch, dead_letter_queue_url, body);
        return;
    }
    sqs_handles_begin(body, queue_url);
    for (size_t i = 0; i < batch->count; i++) {
        const struct job *job = batch->jobs[i];

        if (batch->kind == BATCH_DELETE)
            sqs_delete_entry(body, i, job->m.receipt_handle);
        else
            sqs_visibility_entry(body, i, job->m.receipt_handle, batch->release[i] ? (int)job->retry_s : j->options.visibility_s);
    }
    sqs_handles_end(body);
}

/* ---- answers ---- */

enum fate { FATE_GOOD, FATE_REFUSED, FATE_AGAIN };

static bool arrived_whole(const struct batch *batch, const struct sqs_entry_result *r)
{
    return (!slice_present(r->body_md5) || slice_is(r->body_md5, batch->body_md5)) &&
           (!slice_present(r->attributes_md5) || slice_is(r->attributes_md5, batch->attributes_md5));
}

static enum fate fate_of(const struct batch *batch, const struct sqs_entry_result *r)
{
    if (r->state == SQS_ENTRY_SUCCESSFUL)
        return batch->kind != BATCH_SEND || arrived_whole(batch, r) || PLANTED(CONSUMER_UNCONFIRMED) ? FATE_GOOD : FATE_REFUSED;
    if (PLANTED(CONSUMER_DELETES_FAILED) && batch->kind == BATCH_DELETE)
        return FATE_GOOD;
    if (r->state != SQS_ENTRY_FAILED)
        return FATE_AGAIN;
    switch (target_judge(r->code, r->senders_fault)) {
    case TARGET_REFUSED:
    case TARGET_TOO_LONG:
        return FATE_REFUSED;
    default:
        return FATE_AGAIN;
    }
}

static void try_again(struct jobs *j, struct job *job, bool hopeless, int64_t now_ms)
{
    bool over = job->hidden_until_ms <= now_ms;
    bool ends = job->state == JOB_DELETING ? j->stopping && (over || hopeless) : over || (j->stopping && hopeless);

    job->due_ms = now_ms + back_off_ms(&j->random, job->failures++);
    if (job->state != JOB_RELEASING && (ends || over) && !job->late) {
        job->late = true;
        complain(job, job->state == JOB_DELETING ? "handled, but its delete is not confirmed: it may come again"
                                                 : "given up, but it cannot be sent: it comes again",
                 SLICE("the server does not answer, or refuses"));
    }
    if (!ends)
        return;
    if (job->state == JOB_SENDING) {
        release_group(j, job, now_ms);
        j->counts.retried++;
    }
    end(j, job);
}

static void sent(struct jobs *j, struct job *job, enum fate fate, const struct sqs_entry_result *r, bool hopeless, int64_t now_ms)
{
    if (fate == FATE_GOOD) {
        j->counts.dead_lettered++;
        move(j, job, JOB_DELETING, now_ms);
    } else if (fate == FATE_AGAIN) {
        try_again(j, job, hopeless, now_ms);
    } else {
        complain(job, "given up, but the dead-letter queue did not take it: it comes again",
                 slice_present(r->code) ? r->code : SLICE("it arrived altered"));
        come_again(j, job, now_ms);
    }
}

static void deleted(struct jobs *j, struct job *job, enum fate fate, const struct sqs_entry_result *r, bool hopeless, int64_t now_ms)
{
    if (fate == FATE_AGAIN) {
        try_again(j, job, hopeless, now_ms);
        return;
    }
    if (fate == FATE_REFUSED)
        complain(job, "handled, but its delete was refused: it may come again", r->code);
    else
        j->counts.deleted++;
    end(j, job);
}

static void extended(struct jobs *j, struct job *job, enum fate fate, const struct batch *batch, const struct sqs_entry_result *r, int64_t now_ms)
{
    int64_t soon_ms = visibility_ms(j) / 8;
    int64_t wait_ms = back_off_ms(&j->random, 3);

    if (fate == FATE_GOOD) {
        hidden_since(j, job, batch->started_ms);
    } else if (fate == FATE_AGAIN) {
        job->extend_ms = now_ms + (wait_ms < soon_ms ? wait_ms : soon_ms);
    } else {
        job->extend_ms = INT64_MAX;
        complain(job, "its visibility cannot be extended: it may be handled twice", r->code);
    }
}

static void settle_one(struct jobs *j, const struct batch *batch, size_t at, const struct sqs_entry_result *r, bool hopeless, int64_t now_ms)
{
    struct job *job = batch->jobs[at];
    enum fate fate = fate_of(batch, r);

    job->calling = false;
    if (job->state == JOB_LEAVING)
        end(j, job);
    else if (batch->kind == BATCH_SEND)
        sent(j, job, fate, r, hopeless, now_ms);
    else if (batch->kind == BATCH_DELETE)
        deleted(j, job, fate, r, hopeless, now_ms);
    else if (batch->release[at] && fate != FATE_AGAIN)
        end(j, job); /* refused: it is not hidden any more */
    else if (batch->release[at])
        try_again(j, job, hopeless, now_ms);
    else
        extended(j, job, fate, batch, r, now_ms);
}

void jobs_settle(struct jobs *j, const struct batch *batch, const struct sqs_entry_result results[JOBS_BATCH], bool hopeless, int64_t now_ms)
{
    for (size_t i = 0; i < batch->count; i++)
        settle_one(j, batch, i, &results[i], hopeless, now_ms);
}
