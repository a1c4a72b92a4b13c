/* SPDX-License-Identifier: Apache-2.0 */
#include "core/pump.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/planted.h"
#include "codec/sqs_client_wire.h"
#include "codec/stream_wire.h"
#include "core/gateway.h"
#include "core/offload.h"
#include "core/parcels.h"

#include <stdio.h>
#include <stdlib.h>

#define REQUESTS_MAX 32
#define WINDOW_FIRST 2
#define PARCELS_MAX 20000  /* read ahead at most; most of them behind another of their group */
#define READ_AT_ONCE 200
#define SEND_TIMEOUT_MS 30000
#define ASK_TIMEOUT_MS 10000
#define ASK_AGAIN_MS DENIED_RETRY_MS
#define ESCAPE_RESERVE 8192 /* free bytes that escaping JSON wants at a request's end */
#define PROOFS_WANTED 5    /* so often a message is refused by itself, while others are taken, before it is parked */
#define REFUSALS_MAX 10    /* or so often, once that was seen, when there is no other */
#define TRUST_AFTER 50     /* messages taken in a row, until what was once refused may be in batches again */
#define SLOWER_US 5000     /* a request may take twice the usual time and this much before the window stops growing */

/* Where the conversation with the server stands. */
enum phase {
    PHASE_URL,        /* the queue's URL is to be asked for */
    PHASE_ATTRIBUTES, /* its limits are */
    PHASE_SENDING,
};

struct batch {
    struct batch *next;
    uint64_t token;
    int64_t sent_mono_ms;
    size_t count;
    struct parcel *parcels[SQS_BATCH_MAX];
    char body_md5[SQS_BATCH_MAX][2 * MD5_BYTES + 1];
    char attributes_md5[SQS_BATCH_MAX][2 * MD5_BYTES + 1];
    enum step_kind sent_as[SQS_BATCH_MAX]; /* what its life will say of it */
};

struct pump {
    struct database *db;
    struct queue *queue;
    const struct pump_options *options;
    const struct identity *identity;
    struct origins *origins;
    struct random random;
    enum phase phase;
    bool has_parked;           /* or had, since the process started */
    bool asking;               /* a call of the first two phases is on its way */
    char *url;
    char *arn;
    int64_t message_bytes_max; /* the queue's own limit */
    size_t batch_bytes_max;
    struct parcels parcels;
    int64_t cursor;            /* messages below it were read */
    struct batch *batches;     /* on their way */
    size_t batch_count;
    uint64_t next_token;
    int failures;              /* whole calls in a row */
    int64_t resume_ms;         /* no call before then */
    int64_t window;
    int64_t successes;         /* since the window last grew */
    int64_t usual_us;          /* the least latency of late */
    char trouble[TROUBLE_TEXT];
    struct offload offload;    /* of messages that are too large */
    struct pump_counts counts;
    struct composed composed;  /* scratch */
    uint64_t last_taken;       /* the newest call of which a message was taken */
    uint64_t trusted;          /* what was refused before this call need not go alone any more */
    bool refused_since;        /* was one refused alone, since one was taken? */
    int taken_in_row;          /* messages that were taken, since one was refused so; no more than TRUST_AFTER */
    size_t request_bytes;      /* of the last batch: room for the next one */
};

/* ---- making and loading ---- */

static void load_scheduled(void *context, const struct scheduled_row *row)
{
    struct pump *p = context;

    if (row->state == MESSAGE_PENDING)
        pump_send(p, row->id);
}

struct pump *pump_new(struct database *db, struct queue *queue, const struct pump_options *options, const struct identity *identity,
                      struct origins *origins, uint64_t seed, struct instant now)
{
    struct pump *p = memory_zeroed(1, sizeof(*p));

    p->db = db;
    p->queue = queue;
    p->options = options;
    p->identity = identity;
    p->origins = origins;
    p->random.state = seed;
    p->offload.random.state = ~seed;
    p->phase = options->url ? PHASE_ATTRIBUTES : PHASE_URL;
    p->has_parked = queue->counts[MESSAGE_PARKED] > 0;
    p->url = options->url ? memory_strdup(options->url) : NULL;
    p->message_bytes_max = SQS_MESSAGE_BYTES_MAX;
    p->batch_bytes_max = SQS_MESSAGE_BYTES_MAX;
    p->parcels.lanes_wanted = options->fifo;
    p->cursor = queue->next_fresh;
    p->window = WINDOW_FIRST;
    p->resume_ms = now.mono_ms;
    ledger_scheduled(db, queue->id, load_scheduled, p);
    return p;
}

void pump_free(struct pump *p)
{
    if (p == NULL)
        return;
    while (p->batches) {
        struct batch *batch = p->batches;

        p->batches = batch->next;
        free(batch);
    }
    offload_fini(&p->offload);
    parcels_fini(&p->parcels);
    composed_fini(&p->composed);
    free(p->url);
    free(p->arn);
    free(p);
}

/* ---- reading ahead ---- */

struct reading {
    struct pump *pump;
    int64_t count;
};

/* Messages of one group wait for each other. The key's hash stands for the key; a group by another attribute is looked up. */
static uint64_t group_hash(struct pump *p, int64_t id, uint64_t key_hash)
{
    struct message_row row;

    if (!p->options->fifo || p->options->form == NULL || !slice_present(p->options->form->group) || !ledger_message_find(p->db, id, &row))
        return key_hash;
    key_hash = message_form_group_hash(p->options->form, row.body, key_hash, &p->composed);
    ledger_message_end(p->db);
    return key_hash;
}

static void note_pending(void *context, int64_t id, uint64_t key_hash)
{
    struct reading *r = context;

    parcels_add(&r->pump->parcels, id, group_hash(r->pump, id, key_hash), false, 0);
    r->pump->cursor = id + 1;
    r->count++;
}

/* Until as many are ready as may be wanted, or there are no more. */
static void read_ahead(struct pump *p)
{
    size_t wanted = (size_t)p->window * SQS_BATCH_MAX;

    while (p->parcels.ready_count < wanted && p->parcels.count < PARCELS_MAX && p->cursor < p->queue->next_message) {
        struct reading r = {p, 0};

        ledger_pending(p->db, p->cursor, p->queue->next_message, READ_AT_ONCE, p->options->fifo, note_pending, &r);
        if (r.count < READ_AT_ONCE)
            p->cursor = p->queue->next_message;
    }
}

/* The queue's limit may have been raised since, for what was too large. */
static void ask_attributes_again(struct pump *p)
{
    if (p->phase == PHASE_SENDING && p->has_parked)
        p->phase = PHASE_ATTRIBUTES;
}

void pump_send(struct pump *p, int64_t id)
{
    struct message_row row;
    uint64_t key_hash;

    ask_attributes_again(p);
    if (id_map_find(&p->parcels.all, id) != NULL || !ledger_message_find(p->db, id, &row))
        return;
    key_hash = row.key_hash;
    ledger_message_end(p->db);
    parcels_add(&p->parcels, id, group_hash(p, id, key_hash), true, 0);
}

/* ---- what is sent ---- */

static const struct message_form *form_of(const struct pump *p)
{
    return p->options->form ? p->options->form : &message_form_default;
}

/* A message that is made, with the texts that only live as long. */
struct outgoing {
    struct sqs_outgoing message;
    char id[MESSAGE_ID_TEXT];
    char deduplication[2 * SHA256_BYTES + 1];
    char payload_bytes[24];
    enum step_kind sent_as;
};

static bool compose(struct pump *p, const struct message_form *form, bool projected, const struct message_row *row, struct outgoing *o, struct error *err)
{
    const struct origin *origin = origin_of(p->origins, row->shard);
    struct composed *c = &p->composed;

    buffer_reset(&c->body);
    c->attribute_count = 0;
    if (!message_form_body(form, row->body, origin, &c->body, err))
        return false;
    if (!PLANTED(CHARACTERS_RAW))
        sqs_escape_refused(&c->body);
    message_id_encode(p->identity, row->id, o->id);
    composed_add(c, SLICE("stream2sqs.id"), SLICE("String"), slice_text(o->id));
    if (history_replayed(row->history))
        composed_add(c, SLICE("stream2sqs.replayed"), SLICE("String"), SLICE("true"));
    if (projected)
        composed_add(c, SLICE("stream2sqs.oversize"), SLICE("String"), SLICE("projected"));
    message_form_attributes(form, row->body, row->sequence_number, origin, c);
    o->message = (struct sqs_outgoing){.body = buffer_slice(&c->body), .attributes = c->attributes, .attribute_count = c->attribute_count};
    o->sent_as = projected ? STEP_SENT_PROJECTED : STEP_SENT;
    if (p->options->fifo) {
        message_form_group(form, row->body, c);
        o->message.group_id = slice_text(c->group);
        message_form_deduplication_id(origin, row, o->deduplication);
        o->message.deduplication_id = slice_text(o->deduplication);
    }
    return true;
}

static void append_key(const struct pump *p, struct slice id, struct buffer *out)
{
    buffer_append_text(out, p->options->s3_prefix ? p->options->s3_prefix : "");
    buffer_append(out, id);
}

/* A message whose payload is an object: it points there, as Amazon's Extended Client does. */
static bool compose_pointer(struct pump *p, const struct message_form *form, const struct message_row *row, struct outgoing *o)
{
    struct composed *c = &p->composed;
    struct buffer key = {0};

    snprintf(o->payload_bytes, sizeof(o->payload_bytes), "%zu", c->body.len);
    append_key(p, slice_text(o->id), &key);
    buffer_reset(&c->body);
    offload_pointer(&c->body, p->options->s3_bucket, buffer_slice(&key));
    buffer_fini(&key);
    c->attribute_count = 0;
    composed_add(c, SLICE("stream2sqs.id"), SLICE("String"), slice_text(o->id));
    composed_add(c, SLICE("ExtendedPayloadSize"), SLICE("Number"), slice_text(o->payload_bytes));
    if (history_replayed(row->history))
        composed_add(c, SLICE("stream2sqs.replayed"), SLICE("String"), SLICE("true"));
    message_form_attributes(form, row->body, row->sequence_number, origin_of(p->origins, row->shard), c);
    o->sent_as = STEP_SENT_STORED;
    o->message.body = buffer_slice(&c->body);
    o->message.attributes = c->attributes;
    o->message.attribute_count = c->attribute_count;
    return true;
}

/* In the queue's form; when that is too large and the policy says so, with the key alone, or as a pointer to its payload. False: it cannot
 * be sent, *err says why; or (*to_store) its payload has to be stored first. */
static bool compose_to_fit(struct pump *p, const struct message_row *row, bool stored, struct outgoing *o, bool *to_store, struct error *err)
{
    const struct message_form *form = form_of(p);
    struct message_form keys_only = *form;
    size_t bytes;

    *to_store = false;
    if (!compose(p, form, false, row, o, err))
        return false;
    bytes = sqs_outgoing_bytes(&o->message);
    if ((int64_t)bytes <= p->message_bytes_max)
        return true;
    if (p->options->s3_bucket && (stored || PLANTED(OVERSIZE_SENT_FIRST)))
        return compose_pointer(p, form, row, o);
    if (p->options->s3_bucket) {
        *to_store = true;
        return false;
    }
    keys_only.project = true;
    keys_only.projected_count = 0;
    if (p->options->project_oversize && compose(p, &keys_only, true, row, o, err) && (int64_t)sqs_outgoing_bytes(&o->message) <= p->message_bytes_max) {
        p->counts.projected++;
        return true;
    }
    return error_set(err, ERROR_TOO_LARGE, "the message has %zu bytes with its attributes, and the queue takes %lld", bytes,
                     (long long)p->message_bytes_max);
}

/* ---- batches ---- */

/* An operator decides what becomes of it. */
static void park(struct pump *p, struct parcel *parcel, struct slice code, struct slice text, struct instant now)
{
    struct message_row row;
    char id[MESSAGE_ID_TEXT];

    if (ledger_message_find(p->db, parcel->id, &row)) {
        message_id_encode(p->identity, row.id, id);
        queue_park(p->queue, p->db, &row, code, text, now);
        ledger_message_end(p->db);
        log_error("a message cannot be sent as it is: parked, an operator decides (see `stream2sqs dead list`)",
                  LOG_FIELDS(LOG_TEXT("queue", p->queue->name), LOG_TEXT("message", id), LOG_SLICE("code", code), LOG_SLICE("cause", text)));
    }
    p->has_parked = true;
    p->counts.parked++;
    parcels_settle(&p->parcels, parcel);
}

enum adding { ADDED, NOT_SENT /* settled: parked, held, or not pending any more */, NO_ROOM };

static enum adding add_message(struct pump *p, struct batch *batch, struct buffer *request, struct parcel *parcel, const struct outgoing *o, size_t *bytes)
{
    unsigned char digest[MD5_BYTES];
    size_t size = sqs_outgoing_bytes(&o->message);

    if (batch->count > 0 && *bytes + size > p->batch_bytes_max && !PLANTED(BATCH_UNSPLIT))
        return NO_ROOM;
    *bytes += size;
    md5(o->message.body, digest);
    hex_encode(digest, sizeof(digest), batch->body_md5[batch->count]);
    sqs_attributes_md5(o->message.attributes, o->message.attribute_count, batch->attributes_md5[batch->count]);
    sqs_send_entry(request, batch->count, &o->message);
    batch->sent_as[batch->count] = o->sent_as;
    batch->parcels[batch->count++] = parcel;
    return ADDED;
}

static enum adding add(struct pump *p, struct batch *batch, struct buffer *request, struct parcel *parcel, struct message_walk *walk, size_t *bytes,
                       struct instant now)
{
    struct message_row row;
    struct outgoing o;
    struct error err = {0};
    enum adding outcome = NOT_SENT;
    bool to_store = false;

    if (!ledger_walk_find(p->db, walk, parcel->id, &row)) {
        parcels_settle(&p->parcels, parcel);
        return NOT_SENT;
    }
    if (row.state == MESSAGE_PENDING && !queue_hold(p->queue, p->db, &row, now)) {
        if (compose_to_fit(p, &row, parcel->stored, &o, &to_store, &err))
            outcome = add_message(p, batch, request, parcel, &o, bytes);
        if (to_store)
            offload_add(&p->offload, parcel);
        if (err.text[0])
            park(p, parcel, slice_text(error_name(err.code)), slice_text(err.text), now);
        return outcome;
    }
    parcels_settle(&p->parcels, parcel);
    return NOT_SENT;
}

static bool goes_alone(const struct pump *p, const struct parcel *parcel)
{
    return parcel->alone > p->trusted;
}

static struct batch *fill(struct pump *p, struct buffer *request, struct instant now)
{
    struct batch *batch = memory_zeroed(1, sizeof(*batch));
    struct message_walk walk = {0};
    struct parcel *parcel;
    size_t bytes = 0;

    buffer_reserve(request, p->request_bytes + ESCAPE_RESERVE);
    sqs_send_begin(request, slice_text(p->url));
    while (batch->count < SQS_BATCH_MAX && (parcel = parcels_take(&p->parcels)) != NULL) {
        bool fits = batch->count == 0 || (!goes_alone(p, parcel) && !goes_alone(p, batch->parcels[0]));

        if (fits && add(p, batch, request, parcel, &walk, &bytes, now) != NO_ROOM)
            continue;
        parcels_put_back(&p->parcels, parcel);
        break;
    }
    ledger_walk_end(p->db, &walk);
    sqs_send_end(request);
    p->request_bytes = request->len;
    if (batch->count > 0)
        return batch;
    free(batch);
    return NULL;
}

static struct batch *batch_take(struct pump *p, uint64_t token)
{
    for (struct batch **at = &p->batches; *at; at = &(*at)->next) {
        struct batch *batch = *at;

        if (batch->token != token)
            continue;
        *at = batch->next;
        p->batch_count--;
        return batch;
    }
    return NULL;
}

/* ---- calls ---- */

static bool ask(struct pump *p, struct target_call *call)
{
    if (p->asking)
        return false;
    p->asking = true;
    *call = (struct target_call){.token = 0, .timeout_ms = ASK_TIMEOUT_MS};
    if (p->phase == PHASE_URL) {
        call->action = "GetQueueUrl";
        sqs_get_queue_url(&call->body, slice_text(p->options->name), slice_text(p->options->owner));
    } else {
        call->action = "GetQueueAttributes";
        sqs_get_queue_attributes(&call->body, slice_text(p->url));
    }
    return true;
}

static bool window_open(const struct pump *p)
{
    return p->batch_count < (p->failures > 0 ? 1 : (size_t)p->window);
}

/* At once when nothing is on its way; while something is, a batch goes when it is full. */
static bool worth_sending(const struct pump *p)
{
    return window_open(p) && p->parcels.ready_count >= (p->batch_count > 0 ? SQS_BATCH_MAX : 1);
}

static uint64_t new_token(struct pump *p)
{
    p->next_token = p->next_token % (GATEWAY_TOKEN - 1) + 1; /* 0 is of questions, what is above of the gateway */
    return p->next_token;
}

/* The payload of a message as it would be sent, to S3. False: it is not to be sent any more. */
static bool store(struct pump *p, const struct parcel *parcel, struct target_call *call)
{
    struct message_row row;
    struct outgoing o;
    struct error err = {0};
    struct buffer object = {0};
    bool good;

    if (!ledger_message_find(p->db, parcel->id, &row))
        return false;
    good = row.state == MESSAGE_PENDING && compose(p, form_of(p), false, &row, &o, &err);
    if (good) {
        buffer_append(&call->body, buffer_slice(&p->composed.body));
        buffer_printf(&object, "/%s/", p->options->s3_bucket);
        append_key(p, slice_text(o.id), &object);
        call->object = buffer_take(&object);
    }
    ledger_message_end(p->db);
    return good;
}

static bool next_object(struct pump *p, struct target_call *call, struct instant now)
{
    uint64_t token = new_token(p);
    struct parcel *parcel;

    while ((parcel = offload_start(&p->offload, token, now)) != NULL) {
        *call = (struct target_call){.token = token, .action = "PutObject", .timeout_ms = SEND_TIMEOUT_MS};
        if (store(p, parcel, call))
            return true;
        offload_forget(&p->offload, parcel);
        parcels_put_back(&p->parcels, parcel); /* it is looked at again, and settled */
    }
    return false;
}

bool pump_next_call(struct pump *p, struct target_call *call, struct instant now)
{
    if (p->phase == PHASE_SENDING && next_object(p, call, now))
        return true;
    if (p->resume_ms > now.mono_ms)
        return false;
    if (p->phase != PHASE_SENDING)
        return ask(p, call);
    parcels_tick(&p->parcels, now.mono_ms);
    read_ahead(p);
    while (worth_sending(p)) {
        struct buffer request = {0};
        struct batch *batch = fill(p, &request, now);

        read_ahead(p); /* some may have been parked or held */
        if (batch == NULL) {
            buffer_fini(&request);
            continue;
        }
        batch->token = new_token(p);
        batch->sent_mono_ms = now.mono_ms;
        batch->next = p->batches;
        p->batches = batch;
        p->batch_count++;
        p->counts.requests++;
        *call = (struct target_call){.token = batch->token, .action = "SendMessageBatch", .body = request, .timeout_ms = SEND_TIMEOUT_MS};
        return true;
    }
    return false;
}

/* ---- following the server ---- */

static void throttled(struct pump *p)
{
    p->counts.throttled++;
    p->window = p->window / 2 > 0 ? p->window / 2 : 1;
    p->successes = 0;
}

static void succeeded(struct pump *p, int64_t latency_us)
{
    int64_t most = p->options->requests_max > 0 ? p->options->requests_max : REQUESTS_MAX;

    if (p->trouble[0])
        log_info("a queue takes messages again", LOG_FIELDS(LOG_TEXT("queue", p->queue->name)));
    p->trouble[0] = '\0';
    p->failures = 0;
    p->counts.latency_us += (latency_us - p->counts.latency_us) / 8;
    p->usual_us = p->usual_us == 0 || latency_us < p->usual_us ? latency_us : p->usual_us + p->usual_us / 256 + 1;
    if (p->counts.latency_us > 2 * p->usual_us + SLOWER_US || ++p->successes < p->window || p->window >= most)
        return;
    p->window++;
    p->successes = 0;
}

static void failed(struct pump *p, enum target_verdict verdict, const char *trouble, struct instant now)
{
    if (verdict == TARGET_THROTTLED)
        throttled(p);
    else
        p->window = WINDOW_FIRST;
    if (verdict != TARGET_THROTTLED && strcmp(p->trouble, trouble) != 0)
        log_warning("a queue takes no messages; they wait in the ledger, and are tried again",
                    LOG_FIELDS(LOG_TEXT("queue", p->queue->name), LOG_TEXT("cause", trouble)));
    snprintf(p->trouble, sizeof(p->trouble), "%s", trouble);
    p->resume_ms = now.mono_ms + (target_waits_for_operator(verdict) ? ASK_AGAIN_MS : back_off_ms(&p->random, p->failures));
    p->failures++;
    if (verdict == TARGET_NOT_FOUND) /* it may be made again, elsewhere */
        p->phase = p->options->url ? PHASE_ATTRIBUTES : PHASE_URL;
}

/* ---- answers ---- */

static void send_again(struct pump *p, struct parcel *parcel, struct instant now)
{
    int64_t wait_ms = back_off_ms(&p->random, parcel->attempts++);

    ledger_send_again(p->db, parcel->id, now.wall_ms + wait_ms, now.wall_ms);
    parcels_schedule(&p->parcels, parcel, now.mono_ms + wait_ms);
}

void pump_note_unknown(struct pump *p, int64_t id, struct instant now)
{
    ledger_send_unknown(p->db, id, now.wall_ms);
    p->counts.unknown++;
    if (p->options->fifo)
        return; /* its deduplication id stops a second copy */
    p->queue->possible_duplicates++;
    p->queue->changed = true;
}

static bool agrees(struct slice told, const char *ours)
{
    return !slice_present(told) || slice_is(told, ours); /* a server that tells no digest has nothing to compare */
}

static void note_taken(struct pump *p, const struct batch *batch)
{
    if (batch->token > p->last_taken)
        p->last_taken = batch->token;
    p->refused_since = false;
    if (p->taken_in_row < TRUST_AFTER)
        p->taken_in_row++;
    else
        p->trusted = p->next_token;
}

static void settle_taken(struct pump *p, const struct batch *batch, size_t at, const struct sqs_entry_result *r, struct instant now)
{
    struct parcel *parcel = batch->parcels[at];

    if (!PLANTED(MD5_IGNORED) && (!agrees(r->body_md5, batch->body_md5[at]) || !agrees(r->attributes_md5, batch->attributes_md5[at]))) {
        park(p, parcel, SLICE("md5_mismatch"), SLICE("the server took the message, but its MD5 of it is another: what arrived is not what was sent. "
             "It is not sent again by itself, since each try would add another altered copy"), now);
        return;
    }
    if (ledger_sent(p->db, parcel->id, r->message_id, batch->sent_as[at], now.wall_ms) == 1)
        queue_count(p->queue, MESSAGE_PENDING, MESSAGE_SENT);
    p->counts.sent++;
    note_taken(p, batch);
    parcels_settle(&p->parcels, parcel);
}

static void settle_failed(struct pump *p, struct parcel *parcel, const struct sqs_entry_result *r, struct instant now)
{
    struct buffer text = {0};

    p->counts.failed++;
    switch (target_judge(r->code, r->senders_fault)) {
    case TARGET_REFUSED:
    case TARGET_TOO_LONG:
        if (slice_present(r->message))
            json_unescape(&text, r->message);
        park(p, parcel, slice_present(r->code) ? r->code : SLICE("refused"), text.len > 0 ? buffer_slice(&text) : SLICE("the server gave no reason"), now);
        buffer_fini(&text);
        return;
    case TARGET_THROTTLED:
        throttled(p);
        break;
    default:
        break;
    }
    send_again(p, parcel, now);
}

static void settle_entry(struct pump *p, const struct batch *batch, size_t at, const struct sqs_entry_result *r, struct instant now)
{
    switch (r->state) {
    case SQS_ENTRY_SUCCESSFUL:
        settle_taken(p, batch, at, r, now);
        break;
    case SQS_ENTRY_FAILED:
        if (PLANTED(FAILED_IGNORED))
            settle_taken(p, batch, at, &(struct sqs_entry_result){0}, now);
        else
            settle_failed(p, batch->parcels[at], r, now);
        break;
    default:
        if (PLANTED(UNKNOWN_IGNORED)) {
            settle_taken(p, batch, at, &(struct sqs_entry_result){0}, now);
            break;
        }
        pump_note_unknown(p, batch->parcels[at]->id, now);
        send_again(p, batch->parcels[at], now);
    }
}

/* They are first in line again, in their order. */
static void put_back(struct pump *p, struct batch *batch)
{
    for (size_t i = batch->count; i > 0; i--)
        parcels_put_back(&p->parcels, batch->parcels[i - 1]);
}

/* The server takes less than it said, or counts otherwise than we do. */
static void too_long(struct pump *p, struct batch *batch, const struct target_answer *answer, struct instant now)
{
    if (batch->count == 1) {
        park(p, batch->parcels[0], SLICE("BatchRequestTooLong"), SLICE("the server says that the message alone is longer than a batch may be"), now);
        return;
    }
    (void)answer;
    p->batch_bytes_max = p->batch_bytes_max / 2 > 1024 ? p->batch_bytes_max / 2 : 1024;
    put_back(p, batch);
}

static bool is_guilty(const struct pump *p, const struct parcel *parcel)
{
    bool none_else = p->parcels.ready_count == 0 && p->batch_count == 0 && parcels_due(&p->parcels) == INT64_MAX &&
                     p->cursor >= p->queue->next_message;

    return parcel->proofs >= PROOFS_WANTED || (parcel->proofs > 0 && parcel->refusals >= REFUSALS_MAX && none_else);
}

/* The server refuses what is in the batch, and does not say which of it. Each goes by itself, then. One is parked that was refused alone several times, each
 * time between others that were taken: sent after its refusal before, and none refused since. Where all are refused, or now these and now those, it is the
 * queue, or how it is asked, or one of several servers: they wait, and an operator has to look. */
static void refused_whole(struct pump *p, struct batch *batch, const struct target_answer *answer, const char *trouble, struct instant now)
{
    struct parcel *first = batch->parcels[0];
    struct sqs_entry_result refusal = {.senders_fault = true};
    bool others_taken = first->alone && p->last_taken > first->alone && !p->refused_since;

    p->taken_in_row = 0;
    for (size_t i = 0; i < batch->count; i++)
        batch->parcels[i]->alone = p->next_token;
    if (batch->count > 1) {
        put_back(p, batch);
        return;
    }
    p->refused_since = true;
    first->refusals++;
    first->proofs += others_taken;
    if (is_guilty(p, first) && aws_error_decode(answer->body, &refusal.code, &refusal.message)) {
        settle_failed(p, first, &refusal, now);
        p->trouble[0] = '\0'; /* it was this one's alone */
        p->failures = 0;
        return;
    }
    send_again(p, first, now); /* not first in line: the others may be taken */
    failed(p, TARGET_RETRY, trouble, now);
}

static void batch_answered(struct pump *p, struct batch *batch, const struct target_answer *answer, struct instant now)
{
    struct sqs_entry_result results[SQS_BATCH_MAX];
    enum target_verdict verdict;
    char trouble[TROUBLE_TEXT];
    bool whole = target_answer_failed(answer, &verdict, trouble);

    if (whole && verdict == TARGET_TOO_LONG) {
        too_long(p, batch, answer, now);
        return;
    }
    if (whole && verdict == TARGET_REFUSED) {
        refused_whole(p, batch, answer, trouble, now);
        return;
    }
    if (!whole && sqs_batch_result_decode(answer->body, results, batch->count)) {
        succeeded(p, (now.mono_ms - batch->sent_mono_ms) * 1000);
        for (size_t i = 0; i < batch->count; i++)
            settle_entry(p, batch, i, &results[i], now);
        return;
    }
    if (!whole) {
        verdict = TARGET_RETRY;
        snprintf(trouble, sizeof(trouble), "the answer to SendMessageBatch is malformed or was cut");
    }
    /* What was refused with an error of AWS's, or never left this machine, was not taken; of any other failure that is not known. */
    if (!answer->unsent && (answer->status < 300 || answer->status >= 500))
        for (size_t i = 0; i < batch->count; i++)
            pump_note_unknown(p, batch->parcels[i]->id, now);
    put_back(p, batch);
    failed(p, verdict, trouble, now);
}

static void url_answered(struct pump *p, const struct target_answer *answer, struct instant now)
{
    struct buffer url = {0};

    if (!sqs_queue_url_decode(answer->body, &url)) {
        buffer_fini(&url);
        failed(p, TARGET_RETRY, "the answer to GetQueueUrl is malformed", now);
        return;
    }
    free(p->url);
    p->url = buffer_take(&url);
    p->phase = PHASE_ATTRIBUTES;
}

static void attributes_answered(struct pump *p, const struct target_answer *answer)
{
    struct slice arn = sqs_queue_attribute_find(answer->body, "QueueArn");
    uint64_t bytes;

    free(p->arn);
    p->arn = slice_present(arn) ? slice_dup(arn) : NULL;
    if (slice_to_u64(sqs_queue_attribute_find(answer->body, "MaximumMessageSize"), &bytes) && bytes >= 1024 && bytes <= SQS_MESSAGE_BYTES_MAX)
        p->message_bytes_max = (int64_t)bytes;
    p->phase = PHASE_SENDING;
    p->failures = 0;
    p->trouble[0] = '\0';
}

static void question_answered(struct pump *p, const struct target_answer *answer, struct instant now)
{
    enum target_verdict verdict;
    char trouble[TROUBLE_TEXT];

    p->asking = false;
    if (!target_answer_failed(answer, &verdict, trouble)) {
        if (p->phase == PHASE_URL)
            url_answered(p, answer, now);
        else
            attributes_answered(p, answer);
        return;
    }
    if (p->phase == PHASE_ATTRIBUTES && (verdict == TARGET_DENIED || verdict == TARGET_REFUSED)) { /* only sending is needed: SQS's own limits are assumed */
        log_warning("a queue's limits cannot be read: SQS's own are assumed", LOG_FIELDS(LOG_TEXT("queue", p->queue->name), LOG_TEXT("cause", trouble)));
        p->phase = PHASE_SENDING;
        return;
    }
    failed(p, verdict, trouble, now);
}

void pump_answer(struct pump *p, const struct target_answer *answer, struct instant now)
{
    struct batch *batch;
    struct parcel *parcel;
    bool known;

    if (answer->token == 0) {
        question_answered(p, answer, now);
        return;
    }
    parcel = offload_answer(&p->offload, answer, now, &known);
    if (parcel) {
        parcel->stored = true;
        parcels_put_back(&p->parcels, parcel);
    }
    if (known)
        return;
    batch = batch_take(p, answer->token);
    if (batch == NULL)
        return;
    batch_answered(p, batch, answer, now);
    free(batch);
}

/* ---- seen from outside ---- */

bool pump_ready(const struct pump *p, struct instant now)
{
    return pump_due(p) <= now.mono_ms;
}

int64_t pump_due(const struct pump *p)
{
    bool more = p->cursor < p->queue->next_message && p->parcels.count < PARCELS_MAX;
    int64_t due = worth_sending(p) || more ? 0 : parcels_due(&p->parcels);

    if (p->phase != PHASE_SENDING)
        return p->asking ? INT64_MAX : p->resume_ms;
    if (!window_open(p)) /* an answer comes first */
        return offload_due(&p->offload);
    due = due > p->resume_ms ? due : p->resume_ms;
    return due < offload_due(&p->offload) ? due : offload_due(&p->offload);
}

void pump_save(struct pump *p)
{
    int64_t oldest = parcels_oldest(&p->parcels);
    int64_t next = oldest > 0 ? oldest : p->cursor;

    if (next == p->queue->next_fresh)
        return;
    p->queue->next_fresh = next;
    p->queue->changed = true;
}

size_t pump_on_their_way(const struct pump *p)
{
    return p->batch_count;
}

const char *pump_trouble(const struct pump *p)
{
    return p->trouble[0] ? p->trouble : p->offload.trouble;
}

const char *pump_url(const struct pump *p)
{
    return p->url;
}

const char *pump_arn(const struct pump *p)
{
    return p->arn;
}

const struct pump_counts *pump_counts(const struct pump *p)
{
    struct pump *mutable = (struct pump *)(uintptr_t)p;

    mutable->counts.window = p->window;
    mutable->counts.stored = p->offload.stored;
    return &p->counts;
}

const struct pump_options *pump_options(const struct pump *p)
{
    return p->options;
}

bool pump_moved(const struct pump *p, const struct pump_options *options)
{
    const struct pump_options *o = p->options;

    return !text_equal(o->url, options->url) || !text_equal(o->name, options->name) || !text_equal(o->owner, options->owner) ||
           !text_equal(o->server, options->server) || o->fifo != options->fifo;
}

/* What is stored, or on its way, is where the options before said (the endpoint too may be another now): all of it is stored again, or no longer. */
static void forget_objects(struct pump *p)
{
    struct parcel *parcel;
    size_t at = 0;

    while ((parcel = offload_clear(&p->offload)) != NULL)
        parcels_put_back(&p->parcels, parcel);
    while ((parcel = id_map_next(&p->parcels.all, &at)) != NULL)
        parcel->stored = false;
}

void pump_set_options(struct pump *p, const struct pump_options *options)
{
    p->options = options;
    forget_objects(p);
    ask_attributes_again(p);
}

void pump_each_on_its_way(const struct pump *p, void (*each)(void *context, int64_t id), void *context)
{
    for (const struct batch *batch = p->batches; batch; batch = batch->next)
        for (size_t i = 0; i < batch->count; i++)
            each(context, batch->parcels[i]->id);
}

void pump_abandon(struct pump *p, struct instant now)
{
    for (const struct batch *batch = p->batches; batch; batch = batch->next)
        for (size_t i = 0; i < batch->count; i++)
            pump_note_unknown(p, batch->parcels[i]->id, now);
}
