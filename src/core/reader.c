/* SPDX-License-Identifier: Apache-2.0 */
#include "core/reader.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/planted.h"

#include <stdio.h>
#include <stdlib.h>

#define SHARD_CALL_GAP_MS 200           /* at most 5 calls a second a shard */
#define LISTING_AGAIN_MS 1000           /* a shard ended while the listing was read */
#define QUIET_ROUNDS 5                  /* so many listings of a disabled stream must show nothing new, after all its shards were read to their ends */
#define LISTING_QUIET_MS 2000           /* between those */
#define NOT_FOUND_MAX 3                 /* so many listings in a row must say that the stream is gone: DescribeStream is eventually consistent */
#define RETENTION_MS (24 * 3600 * INT64_C(1000))
#define IDLE_PROOF_MS 60000             /* so long without a record counts as having reached the end */
#define IDLE_SAVE_MS (5 * 60 * INT64_C(1000))
#define CREATION_ROUNDING_MS 60000      /* creation times are rounded, by some servers to the minute */
#define LISTING_TOKEN 1

struct shard {
    struct shard_row row; /* its texts are owned: see own() */
    char *iterator;       /* NULL: one has to be asked for */
    bool calling;
    int ends_said;        /* pages in a row, all but the first without records, that had no next iterator: see says_ended */
    bool from_horizon;    /* after a trim: the next iterator starts there */
    bool gap_unproven;    /* after a trim: the next page tells whether anything is missing */
    bool latest_unused;   /* start: latest, and no iterator was asked for yet */
    bool no_beginning;    /* the server refused AT_SEQUENCE_NUMBER of the starting sequence number as invalid: TRIM_HORIZON has to do */
    uint64_t seen_round;  /* the last listing that named it */
    uint64_t first_round; /* the listing that named it first, in this process */
    int failures;
    int64_t due; /* monotonic ms */
    int64_t saved_idle_ms;
};

struct reader {
    struct database *db;
    struct intake *intake;
    struct reader_options options;
    struct random random;
    struct stream_row stream;
    char *arn;
    struct shard **shards;
    size_t len;
    size_t cap;
    bool listing;           /* a call is in flight */
    bool listing_wanted;    /* again at once: a shard ended */
    char *listing_from;     /* ExclusiveStartShardId of the next page; NULL: a new round */
    uint64_t round;         /* rounds begun */
    uint64_t rounds_done;   /* the last round that was read to its last page */
    int64_t listed_ms;      /* the server's clock at the last answer, since 1970: creation times are of that clock */
    int listing_failures;
    int quiet_rounds;       /* listings in a row that found the stream disabled, and no shard but those that are ended */
    int not_found;          /* listings in a row that did not find the stream */
    int64_t heard_ms;       /* when this process last had a listing of it (wall clock); 0: never */
    int64_t listing_due;
    bool disabled;
    bool superseded;        /* the table has a newer stream */
    struct stream_page page;
    struct stream_description description;
    char listing_trouble[TROUBLE_TEXT]; /* until a listing succeeds: without one, new shards stay unknown */
    char shard_trouble[TROUBLE_TEXT];
    const struct shard *troubled; /* whose that is, until it is read again or its reading ends; another shard's page says nothing of it */
};

/* ---- owned texts ---- */

static void own(struct slice *field, struct slice value)
{
    struct slice copy = slice_present(value) ? slice_from(slice_dup(value), value.len) : SLICE_NONE;

    free((void *)(uintptr_t)field->ptr);
    *field = copy;
}

static void shard_free(struct shard *s)
{
    own(&s->row.shard_id, SLICE_NONE);
    own(&s->row.parent_id, SLICE_NONE);
    own(&s->row.starting_sequence, SLICE_NONE);
    own(&s->row.ending_sequence, SLICE_NONE);
    own(&s->row.position, SLICE_NONE);
    free(s->iterator);
    free(s);
}

static struct shard *shard_new(struct reader *r, const struct shard_row *row, int64_t due)
{
    struct shard *s = memory_zeroed(1, sizeof(*s));

    s->row = *row;
    s->row.shard_id = s->row.parent_id = s->row.starting_sequence = s->row.ending_sequence = s->row.position = SLICE_NONE;
    own(&s->row.shard_id, row->shard_id);
    own(&s->row.parent_id, row->parent_id);
    own(&s->row.starting_sequence, row->starting_sequence);
    own(&s->row.ending_sequence, row->ending_sequence);
    own(&s->row.position, row->position);
    s->due = due;
    if (r->len == r->cap) {
        r->cap = r->cap ? r->cap * 2 : 16;
        r->shards = memory_resize(r->shards, r->cap * sizeof(*r->shards));
    }
    r->shards[r->len++] = s;
    return s;
}

static struct shard *shard_find(struct reader *r, struct slice shard_id)
{
    for (size_t i = 0; i < r->len; i++)
        if (slice_equal(r->shards[i]->row.shard_id, shard_id))
            return r->shards[i];
    return NULL;
}

/* ---- making and freeing ---- */

struct loading {
    struct reader *reader;
    int64_t now_mono_ms;
};

static void load_shard(void *context, const struct shard_row *row)
{
    struct loading *loading = context;

    if (row->stream == loading->reader->stream.id)
        shard_new(loading->reader, row, loading->now_mono_ms);
}

struct reader *reader_new(struct database *db, struct intake *intake, const struct stream_row *stream, const struct reader_options *options,
                          uint64_t seed, struct instant now)
{
    struct reader *r = memory_zeroed(1, sizeof(*r));
    struct loading loading = {r, now.mono_ms};

    r->db = db;
    r->intake = intake;
    r->options = *options;
    r->random.state = seed;
    r->stream = *stream;
    r->arn = slice_dup(stream->arn);
    r->stream.arn = slice_text(r->arn);
    r->listing_due = now.mono_ms;
    ledger_shards(db, load_shard, &loading);
    reader_resume(r, now); /* gaps may have been acknowledged while nobody read */
    return r;
}

void reader_set_options(struct reader *r, const struct reader_options *options)
{
    bool from_beginning = r->options.from_beginning;

    r->options = *options;
    r->options.from_beginning = from_beginning;
    r->superseded = false; /* another role may be another account: the table is to say it again */
}

void reader_free(struct reader *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->len; i++)
        shard_free(r->shards[i]);
    free(r->shards);
    free(r->arn);
    free(r->listing_from);
    stream_page_fini(&r->page);
    stream_description_fini(&r->description);
    free(r);
}

/* ---- calls ---- */

static bool shard_open(const struct shard *s)
{
    return s->row.state == SHARD_READING;
}

static void iterator_call(struct reader *r, struct shard *s, struct buffer *body)
{
    enum iterator_type type = ITERATOR_TRIM_HORIZON;
    struct slice sequence = SLICE_NONE;

    if (s->from_horizon) {
        type = ITERATOR_TRIM_HORIZON;
    } else if (slice_present(s->row.position)) {
        type = ITERATOR_AFTER_SEQUENCE_NUMBER; /* a stored position always wins (pitfall 9) */
        sequence = s->row.position;
    } else if (s->latest_unused) {
        type = ITERATOR_LATEST; /* only once: asked again later, it would pass over what came meanwhile */
    } else if (s->row.start == SHARD_START_BEGINNING && slice_present(s->row.starting_sequence) && !s->no_beginning) {
        type = ITERATOR_AT_SEQUENCE_NUMBER; /* TRIM_HORIZON would hide that the beginning is gone (pitfall 11) */
        sequence = s->row.starting_sequence;
    }
    get_shard_iterator_encode(body, r->stream.arn, s->row.shard_id, type, sequence);
}

static bool shard_call(struct reader *r, size_t index, struct stream_call *call, struct instant now)
{
    struct shard *s = r->shards[index];

    if (!shard_open(s) || s->calling || s->due > now.mono_ms)
        return false;
    *call = (struct stream_call){.token = LISTING_TOKEN + 1 + index};
    if (s->iterator) {
        s->latest_unused = false;
        call->target = TARGET_GET_RECORDS;
        get_records_encode(&call->body, slice_text(s->iterator));
    } else {
        call->target = TARGET_GET_SHARD_ITERATOR;
        iterator_call(r, s, &call->body);
    }
    s->calling = true;
    s->due = now.mono_ms + SHARD_CALL_GAP_MS;
    return true;
}

bool reader_next_call(struct reader *r, struct stream_call *call, struct instant now)
{
    size_t start = r->len ? (size_t)random_below(&r->random, r->len) : 0; /* fair among shards */

    if (reader_finished(r))
        return false;
    if (!r->listing && (r->listing_due <= now.mono_ms)) {
        if (r->listing_from == NULL)
            r->round++;
        *call = (struct stream_call){.token = LISTING_TOKEN, .target = TARGET_DESCRIBE_STREAM};
        describe_stream_encode(&call->body, r->stream.arn, slice_text(r->listing_from));
        r->listing = true;
        return true;
    }
    for (size_t i = 0; i < r->len; i++)
        if (shard_call(r, (start + i) % r->len, call, now))
            return true;
    return false;
}

int64_t reader_due(const struct reader *r)
{
    int64_t due = INT64_MAX;

    if (reader_finished(r))
        return due;
    if (!r->listing)
        due = r->listing_due;
    for (size_t i = 0; i < r->len; i++)
        if (shard_open(r->shards[i]) && !r->shards[i]->calling && r->shards[i]->due < due)
            due = r->shards[i]->due;
    return due;
}

/* ---- changes of shards ---- */

static void want_listing(struct reader *r, struct instant now)
{
    r->listing_wanted = true;
    if (r->not_found > 0) /* every shard of it says the same: once in a while is enough */
        return;
    if (!r->listing && r->listing_due > now.mono_ms + SHARD_CALL_GAP_MS)
        r->listing_due = now.mono_ms + SHARD_CALL_GAP_MS; /* DescribeStream: 10 a second */
}

static void shard_end(struct reader *r, struct shard *s, enum shard_state state)
{
    s->row.state = state;
    ledger_shard_save(r->db, &s->row);
    log_info("shard ended", LOG_FIELDS(LOG_SLICE("stream", r->stream.arn), LOG_SLICE("shard", s->row.shard_id), LOG_TEXT("state", shard_state_name(state)),
                                       LOG_INT("records", s->row.records_read)));
}

static void shard_gap(struct reader *r, struct shard *s, struct slice from, struct slice to, enum gap_cause cause, struct instant now)
{
    ledger_gap_insert(r->db, s->row.id, from, to, cause, now.wall_ms);
    log_error("records may be missing", LOG_FIELDS(LOG_SLICE("stream", r->stream.arn), LOG_SLICE("shard", s->row.shard_id), LOG_SLICE("after", from),
                                                LOG_TEXT("cause", gap_cause_text(cause))));
    if (r->options.stop_at_gap)
        shard_end(r, s, SHARD_STOPPED);
}

/* Was everything up to its end read? */
static bool read_to_its_end(const struct shard *s)
{
    return slice_present(s->row.ending_sequence) && slice_present(s->row.position) &&
           sequence_compare(s->row.position, s->row.ending_sequence) >= 0;
}

/* A page without a next iterator says that the shard is at its end. Unless the position says so, too, it has to be said again, by a page without records that
 * was read anew after the position: one wrong answer must not end a shard. */
static bool says_ended(const struct shard *s)
{
    return s->ends_said >= 2 || (s->ends_said == 1 && read_to_its_end(s));
}

static bool has_child(struct reader *r, const struct shard *parent)
{
    for (size_t i = 0; i < r->len; i++)
        if (slice_equal(r->shards[i]->row.parent_id, parent->row.shard_id))
            return true;
    return false;
}

static void confirm_end(struct reader *r, struct shard *s)
{
    if (shard_open(s) && says_ended(s) && (slice_present(s->row.ending_sequence) || r->disabled || has_child(r, s)))
        shard_end(r, s, SHARD_FINISHED);
}

static void shard_vanished(struct reader *r, struct shard *s, enum gap_cause cause, struct instant now)
{
    if (read_to_its_end(s) || says_ended(s)) {
        shard_end(r, s, SHARD_FINISHED);
        return;
    }
    shard_gap(r, s, s->row.position, SLICE_NONE, cause, now); /* to its end */
    if (s->row.state != SHARD_STOPPED) /* on_gap: stop holds its children back, too */
        shard_end(r, s, SHARD_GONE);
}

/* ---- the listing ---- */

static void note_shard(struct reader *r, const struct stream_shard *found, struct instant now)
{
    struct shard *s = shard_find(r, found->shard_id);
    bool first_listing = r->stream.discovered_at_ms == 0;
    struct shard_row row = {.stream = r->stream.id, .shard_id = found->shard_id, .parent_id = found->parent_id, .state = SHARD_WAITING,
                            .starting_sequence = found->starting_sequence, .ending_sequence = found->ending_sequence,
                            .created_at_ms = now.wall_ms, .start_at_ms = r->listed_ms};

    if (s) {
        s->seen_round = r->round;
        if (slice_present(found->ending_sequence) && !slice_equal(found->ending_sequence, s->row.ending_sequence)) {
            own(&s->row.ending_sequence, found->ending_sequence);
            ledger_shard_save(r->db, &s->row);
        }
        return;
    }
    row.start = !first_listing || r->options.from_beginning ? SHARD_START_BEGINNING : r->options.start_latest ? SHARD_START_LATEST : SHARD_START_TRIM_HORIZON;
    if (row.start == SHARD_START_LATEST && slice_present(found->ending_sequence))
        row.state = SHARD_SKIPPED;
    else if (row.start == SHARD_START_LATEST && slice_present(found->parent_id) && shard_find(r, found->parent_id) &&
             shard_find(r, found->parent_id)->row.state != SHARD_SKIPPED)
        row.start = SHARD_START_BEGINNING; /* an open parent beside an open child: the child's records are newer than our start */
    row.id = ledger_shard_insert(r->db, &row);
    s = shard_new(r, &row, now.mono_ms);
    if (r->options.from_beginning && r->len == 1)
        shard_gap(r, s, SLICE_NONE, found->starting_sequence, GAP_STREAM_RECREATED, now);
    s->latest_unused = row.start == SHARD_START_LATEST;
    s->seen_round = s->first_round = r->round;
}

/* May a waiting shard be read? Only a listing that began after it was first seen, and was read to its end, can say that its parent is not there. */
static void release_child(struct reader *r, struct shard *s, struct instant now)
{
    struct shard *parent;

    if (s->row.state != SHARD_WAITING)
        return;
    parent = slice_present(s->row.parent_id) ? shard_find(r, s->row.parent_id) : NULL;
    if (parent && (parent->row.state == SHARD_WAITING || parent->row.state == SHARD_READING || parent->row.state == SHARD_STOPPED))
        return;
    if (!parent && slice_present(s->row.parent_id) && r->rounds_done < (s->first_round ? s->first_round : 1))
        return; /* it may stand on a page of the listing that has not come yet */
    if (!parent && slice_present(s->row.parent_id) && s->row.start == SHARD_START_BEGINNING) {
        if (r->rounds_done <= s->first_round) {
            want_listing(r, now);
            return;
        }
        shard_gap(r, s, SLICE_NONE, SLICE_NONE, GAP_PARENT_VANISHED, now);
        if (s->row.state == SHARD_STOPPED)
            return;
    }
    s->row.state = SHARD_READING;
    s->due = now.mono_ms;
    ledger_shard_save(r->db, &s->row);
}

static bool all_ended(const struct reader *r)
{
    for (size_t i = 0; i < r->len; i++)
        if (shard_open(r->shards[i]) || r->shards[i]->row.state == SHARD_WAITING || r->shards[i]->row.state == SHARD_STOPPED)
            return false;
    return true;
}

static void settle_shards(struct reader *r, struct instant now)
{
    for (size_t i = 0; i < r->len; i++)
        confirm_end(r, r->shards[i]);
    for (size_t i = 0; i < r->len; i++)
        release_child(r, r->shards[i], now);
}

/* ---- going on after a gap ---- */

struct last_gap {
    int64_t shard;
    enum gap_cause cause;
    bool acknowledged;
};

static void note_gap(void *context, const struct gap_row *row)
{
    struct last_gap *last = context;

    if (row->shard != last->shard)
        return;
    last->cause = row->cause;
    last->acknowledged = row->acknowledged_at_ms != 0;
}

static bool shard_resume(struct reader *r, struct shard *s, struct instant now)
{
    struct last_gap last = {.shard = s->row.id};

    ledger_gaps(r->db, note_gap, &last);
    if (!last.acknowledged)
        return false;
    switch (last.cause) {
    case GAP_SHARD_VANISHED:
    case GAP_STREAM_VANISHED:
        shard_end(r, s, SHARD_GONE);
        return true;
    case GAP_STREAM_RECREATED:
        s->row.state = SHARD_WAITING;
        break;
    default:
        s->row.state = SHARD_READING;
        s->from_horizon = last.cause != GAP_PARENT_VANISHED;
    }
    s->due = now.mono_ms;
    ledger_shard_save(r->db, &s->row);
    return true;
}

void reader_resume(struct reader *r, struct instant now)
{
    bool any = false;

    for (size_t i = 0; i < r->len; i++)
        if (r->shards[i]->row.state == SHARD_STOPPED)
            any = shard_resume(r, r->shards[i], now) || any;
    if (any)
        settle_shards(r, now);
}

/* Its place in the list of shards was lost with the stream: what was begun goes on, the rest waits for its parents again. */
static bool shard_reopen(struct reader *r, struct shard *s, struct instant now)
{
    struct last_gap last = {.shard = s->row.id};

    if (s->row.state != SHARD_GONE && s->row.state != SHARD_STOPPED)
        return false;
    ledger_gaps(r->db, note_gap, &last);
    if (last.cause != GAP_STREAM_VANISHED)
        return false;
    ledger_gap_withdraw(r->db, s->row.id, GAP_STREAM_VANISHED);
    s->row.state = slice_present(s->row.position) ? SHARD_READING : SHARD_WAITING;
    s->due = now.mono_ms;
    ledger_shard_save(r->db, &s->row);
    return true;
}

void reader_reopen(struct reader *r, struct instant now)
{
    int64_t shards = 0;

    for (size_t i = 0; i < r->len; i++)
        shards += shard_reopen(r, r->shards[i], now);
    settle_shards(r, now);
    log_warning("a stream that was taken for gone is there: reading goes on where it stopped", LOG_FIELDS(LOG_SLICE("stream", r->stream.arn),
                                                                                                       LOG_INT("shards", shards)));
}

static void round_done(struct reader *r, struct instant now)
{
    free(r->listing_from);
    r->listing_from = NULL;
    r->rounds_done = r->round;
    r->quiet_rounds = r->disabled && all_ended(r) ? r->quiet_rounds + 1 : 0;
    if (r->stream.discovered_at_ms == 0 && r->len > 0) { /* a listing without any shard is not complete yet */
        r->stream.discovered_at_ms = now.wall_ms;
        ledger_stream_save(r->db, &r->stream);
    }
    r->listing_due = now.mono_ms + (r->quiet_rounds > 0   ? LISTING_QUIET_MS
                                    : r->listing_wanted ? LISTING_AGAIN_MS
                                                        : r->options.discovery_ms);
    r->listing_wanted = false;
}

static void apply_listing(struct reader *r, struct instant now)
{
    struct slice last = r->description.last_evaluated_shard_id;

    r->disabled = slice_equal(r->description.status, SLICE("DISABLED"));
    for (size_t i = 0; i < r->description.len; i++)
        note_shard(r, &r->description.shards[i], now);
    if (last.len == 0 || (r->listing_from && slice_is(last, r->listing_from))) { /* the same page again: no more will come of this round */
        round_done(r, now);
    } else {
        free(r->listing_from);
        r->listing_from = slice_dup(last);
        r->listing_due = now.mono_ms + SHARD_CALL_GAP_MS / 2;
    }
    settle_shards(r, now);
}

static void stream_vanished(struct reader *r, struct instant now)
{
    for (size_t i = 0; i < r->len; i++)
        if (shard_open(r->shards[i]) || r->shards[i]->row.state == SHARD_WAITING)
            shard_vanished(r, r->shards[i], GAP_STREAM_VANISHED, now);
    r->stream.state = STREAM_GONE;
    ledger_stream_save(r->db, &r->stream);
}

/* ---- answers ---- */

static void set_trouble(char trouble[TROUBLE_TEXT], const char *what, const char *why)
{
    snprintf(trouble, TROUBLE_TEXT, "%s: %s", what, why);
}

/* When the stream was last known to be there, by this process or one before it. */
static int64_t last_heard_ms(const struct reader *r)
{
    int64_t ms = r->heard_ms > r->stream.discovered_at_ms ? r->heard_ms : r->stream.discovered_at_ms;

    for (size_t i = 0; i < r->len; i++)
        ms = r->shards[i]->row.last_read_at_ms > ms ? r->shards[i]->row.last_read_at_ms : ms;
    return ms;
}

/* "Not found" is also what a wrong region or account answers. Where the table, asked at the same place, has a newer stream, a few of them are enough; else only
 * once nothing was heard of the stream for so long that what was not read is trimmed in any case. */
static bool is_gone(const struct reader *r, struct instant now)
{
    if (r->not_found < NOT_FOUND_MAX)
        return false;
    return r->superseded || (r->stream.discovered_at_ms != 0 && now.wall_ms - last_heard_ms(r) >= RETENTION_MS);
}

static void listing_failed(struct reader *r, enum verdict verdict, struct instant now)
{
    r->not_found = verdict == VERDICT_NOT_FOUND ? r->not_found + 1 : 0;
    if (r->not_found > 0)
        snprintf(r->listing_trouble, sizeof(r->listing_trouble), "there is no stream %.*s here: its ARN names the region and the account that it is in; are "
                 "these the ones that are asked?", SLICE_ARG(r->stream.arn));
    if (is_gone(r, now)) {
        stream_vanished(r, now);
        return;
    }
    r->listing_due = now.mono_ms + (verdict == VERDICT_DENIED ? DENIED_RETRY_MS : back_off_ms(&r->random, r->listing_failures++));
}

static void answer_listing(struct reader *r, const struct stream_answer *answer, struct instant now)
{
    enum verdict verdict;
    const char *error;

    r->listing = false;
    if (stream_answer_failed(answer, &verdict, r->listing_trouble)) {
        listing_failed(r, verdict, now);
    } else if (!describe_stream_decode(&r->description, answer->body, &error)) {
        set_trouble(r->listing_trouble, "malformed DescribeStream answer", error);
        listing_failed(r, VERDICT_RETRY, now);
    } else {
        r->listing_failures = r->not_found = 0;
        r->heard_ms = now.wall_ms;
        r->listing_trouble[0] = '\0';
        r->listed_ms = answer->server_ms ? answer->server_ms : now.wall_ms;
        apply_listing(r, now);
    }
}

static void drop_iterator(struct shard *s)
{
    free(s->iterator);
    s->iterator = NULL;
}

static void shard_later(struct reader *r, struct shard *s, struct instant now)
{
    s->due = now.mono_ms + back_off_ms(&r->random, s->failures++);
}

/* What the position pointed behind is gone. Is anything missing? See docs/decisions.md. */
static void shard_trimmed(struct reader *r, struct shard *s, struct instant now)
{
    bool was_idle = s->row.idle_since_ms != 0 && s->row.last_read_at_ms - s->row.idle_since_ms >= IDLE_PROOF_MS &&
                    now.wall_ms - s->row.last_read_at_ms < RETENTION_MS;

    drop_iterator(s);
    s->from_horizon = true;
    if (read_to_its_end(s) || was_idle)
        return;
    if (slice_present(s->row.position))
        s->gap_unproven = true;
    else
        shard_gap(r, s, SLICE_NONE, SLICE_NONE, GAP_BEGINNING_TRIMMED, now);
}

static void shard_not_found(struct reader *r, struct shard *s, struct instant now)
{
    drop_iterator(s);
    if (r->rounds_done > 0 && r->rounds_done == r->round && s->seen_round < r->rounds_done) {
        shard_vanished(r, s, GAP_SHARD_VANISHED, now);
        settle_shards(r, now);
        return;
    }
    want_listing(r, now);
    shard_later(r, s, now);
}

static void shard_failed(struct reader *r, struct shard *s, enum verdict verdict, struct instant now)
{
    switch (verdict) {
    case VERDICT_NEW_ITERATOR:
        s->no_beginning = s->iterator == NULL;
        drop_iterator(s);
        shard_later(r, s, now);
        break;
    case VERDICT_TRIMMED:
        if (!s->from_horizon)
            shard_trimmed(r, s, now);
        shard_later(r, s, now);
        break;
    case VERDICT_NOT_FOUND:
        shard_not_found(r, s, now);
        break;
    case VERDICT_DENIED:
        s->due = now.mono_ms + DENIED_RETRY_MS;
        break;
    default:
        shard_later(r, s, now);
    }
}

/* The first page from the trim horizon: a record that is stored already proves that nothing is missing; anything else is a gap. */
static void judge_trim(struct reader *r, struct shard *s, struct instant now)
{
    struct slice first = r->page.len > 0 ? r->page.records[0].sequence_number : SLICE_NONE;

    s->gap_unproven = false;
    if (PLANTED(GAP_UNSAID))
        return;
    if (!slice_present(first) || sequence_compare(first, s->row.position) > 0)
        shard_gap(r, s, s->row.position, first, GAP_TRIMMED, now);
}

static void after_empty_page(struct reader *r, struct shard *s, struct instant now)
{
    if (s->row.idle_since_ms == 0)
        s->row.idle_since_ms = now.wall_ms;
    s->row.last_read_at_ms = now.wall_ms;
    if (now.wall_ms - s->saved_idle_ms >= IDLE_SAVE_MS) {
        s->saved_idle_ms = now.wall_ms;
        ledger_shard_save(r->db, &s->row);
    }
    s->failures = s->failures < 8 ? s->failures + 1 : 8;
    s->due = now.mono_ms + (r->options.idle_poll_ms < SHARD_CALL_GAP_MS << s->failures ? r->options.idle_poll_ms
                                                                                      : (int64_t)SHARD_CALL_GAP_MS << s->failures);
}

static void take_next_iterator(struct reader *r, struct shard *s, struct instant now)
{
    drop_iterator(s);
    s->ends_said = r->page.next != NEXT_ITERATOR_NONE ? 0 : r->page.len > 0 ? 1 : s->ends_said + 1;
    if (r->page.next == NEXT_ITERATOR_GIVEN) {
        s->iterator = slice_dup(r->page.iterator);
        return;
    }
    want_listing(r, now);
    if (s->due < now.mono_ms + r->options.idle_poll_ms)
        s->due = now.mono_ms + r->options.idle_poll_ms; /* until the listing confirms the end, read again after the position */
}

static void answer_page(struct reader *r, struct shard *s, struct instant now)
{
    int64_t not_before = s->row.start == SHARD_START_LATEST ? s->row.start_at_ms - CREATION_ROUNDING_MS : 0;
    struct shard_row row;
    int64_t stored;

    if (s->gap_unproven)
        judge_trim(r, s, now);
    if (!shard_open(s))
        return;
    row = s->row;
    if (PLANTED(POSITION_FIRST) && r->page.len > 0) { /* a record of the page is passed over, but the position is behind it */
        own(&s->row.position, r->page.records[0].sequence_number);
        row.position = s->row.position;
    }
    stored = intake_page(r->intake, &row, &r->page, r->options.queues, r->options.queue_count, not_before, now);
    if (stored < 0) {
        set_trouble(r->shard_trouble, "malformed page", "its sequence numbers do not rise");
        r->troubled = s;
        drop_iterator(s);
        shard_later(r, s, now);
        return;
    }
    s->row.records_read = row.records_read;
    s->row.duplicates = row.duplicates;
    s->row.last_record_at_ms = row.last_record_at_ms;
    if (stored > 0) {
        own(&s->row.position, row.position);
        s->row.last_read_at_ms = now.wall_ms;
        s->row.idle_since_ms = 0;
        s->failures = 0;
        ledger_shard_save(r->db, &s->row);
    } else {
        after_empty_page(r, s, now);
    }
    s->from_horizon = false;
    if (r->troubled == s)
        r->troubled = NULL;
    take_next_iterator(r, s, now);
    if (says_ended(s)) /* else no shard's turn has come, and looking costs as much as there are shards */
        settle_shards(r, now);
}

/* A shard without a position is read from its trim horizon, which hides what was trimmed while nobody read: judged by the time that passed (promise P8). */
static void judge_absence(struct reader *r, struct shard *s, struct instant now)
{
    int64_t seen_ms = s->row.last_read_at_ms ? s->row.last_read_at_ms : s->row.created_at_ms;

    if (slice_present(s->row.position) || s->from_horizon || now.wall_ms - seen_ms < RETENTION_MS)
        return;
    s->row.last_read_at_ms = now.wall_ms; /* so that it is said once */
    ledger_shard_save(r->db, &s->row);
    shard_gap(r, s, SLICE_NONE, SLICE_NONE, GAP_BEGINNING_TRIMMED, now);
}

static void answer_shard(struct reader *r, struct shard *s, const struct stream_answer *answer, struct instant now)
{
    bool wanted_page = s->iterator != NULL;
    enum verdict verdict;
    struct slice iterator;
    const char *error = NULL;

    s->calling = false;
    if (!shard_open(s))
        return;
    if (stream_answer_failed(answer, &verdict, r->shard_trouble)) {
        r->troubled = s;
        shard_failed(r, s, verdict, now);
    } else if (wanted_page ? !get_records_decode(&r->page, answer->body, &error) : !get_shard_iterator_decode(answer->body, &iterator, &error)) {
        set_trouble(r->shard_trouble, "malformed answer", error);
        r->troubled = s;
        shard_later(r, s, now);
    } else if (wanted_page) {
        answer_page(r, s, now);
    } else {
        judge_absence(r, s, now);
        s->iterator = slice_dup(iterator);
        s->due = now.mono_ms;
    }
}

void reader_answer(struct reader *r, const struct stream_answer *answer, struct instant now)
{
    size_t index = (size_t)(answer->token - LISTING_TOKEN - 1);

    if (answer->token == LISTING_TOKEN && r->listing)
        answer_listing(r, answer, now);
    else if (answer->token > LISTING_TOKEN && index < r->len && r->shards[index]->calling)
        answer_shard(r, r->shards[index], answer, now);
    if (r->disabled && r->stream.state == STREAM_READING && reader_finished(r)) {
        r->stream.state = STREAM_FINISHED;
        ledger_stream_save(r->db, &r->stream);
    }
}

/* A disabled stream is read to its end when all its shards are, and listing after listing names no other: DescribeStream may leave out the newest. */
bool reader_finished(const struct reader *r)
{
    return r->stream.state == STREAM_GONE || r->stream.state == STREAM_FINISHED || (r->quiet_rounds >= QUIET_ROUNDS && all_ended(r));
}

bool reader_gone(const struct reader *r)
{
    return r->stream.state == STREAM_GONE;
}

void reader_shards(const struct reader *r, void (*each)(void *context, const struct shard_row *row), void *context)
{
    for (size_t i = 0; i < r->len; i++)
        if (shard_open(r->shards[i]) || r->shards[i]->row.state == SHARD_WAITING || r->shards[i]->row.state == SHARD_STOPPED)
            each(context, &r->shards[i]->row);
}

void reader_supersede(struct reader *r)
{
    r->superseded = true;
}

const char *reader_trouble(const struct reader *r)
{
    if (r->listing_trouble[0])
        return r->listing_trouble;
    return r->troubled && shard_open(r->troubled) ? r->shard_trouble : "";
}
