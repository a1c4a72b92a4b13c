/* SPDX-License-Identifier: Apache-2.0 */
#include "core/source.h"

#include "base/log.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>

#define OWN_TOKEN 1        /* DescribeTable and ListStreams; a reader's tokens carry its stream's number above 32 bits */
#define MISSING_RETRY_MS 5000 /* a table, or its stream, that is not there yet: what DescribeTable costs nothing for */
#define LISTING_GAP_MS 250 /* ListStreams: 5 a second */

struct stream {
    struct stream_row row;
    char *arn; /* = row.arn */
};

struct source {
    struct database *db;
    struct intake *intake;
    struct reader_options options;
    struct random random;
    char *name;
    bool by_table;
    struct stream *streams; /* oldest first */
    size_t len;
    size_t active;          /* streams[active] is read by `reader`; len: none */
    struct reader *reader;
    bool calling;           /* DescribeTable or ListStreams is in flight */
    int failures;
    int64_t due;
    char *latest;           /* a new ARN: the streams between it and the newest that we know are being listed; NULL: nothing to list */
    char *listing_from;     /* ExclusiveStartStreamArn; NULL: the first page */
    char **found;           /* ARNs of those between */
    size_t found_len;
    struct stream_listing listing;
    struct stream_description description;
    bool probing;           /* the newest stream was taken for gone: is it there? */
    char trouble[TROUBLE_TEXT];
};

bool source_is_arn(const char *name)
{
    return strncmp(name, "arn:", 4) == 0;
}

bool source_names(const char *name, const char *arn)
{
    const char *table = strstr(arn, ":table/");
    size_t len = strlen(name);

    if (strcmp(arn, name) == 0)
        return true;
    return table && strncmp(table + strlen(":table/"), name, len) == 0 && table[strlen(":table/") + len] == '/';
}

/* ---- streams ---- */

static void stream_note(struct source *s, const struct stream_row *row)
{
    struct stream *stream;

    s->streams = memory_resize(s->streams, (s->len + 1) * sizeof(*s->streams));
    stream = &s->streams[s->len++];
    stream->row = *row;
    stream->arn = slice_dup(row->arn);
    stream->row.arn = slice_text(stream->arn);
    stream->row.source = SLICE_NONE;
}

static void load_stream(void *context, const struct stream_row *row)
{
    struct source *s = context;

    if (slice_is(row->source, s->name))
        stream_note(s, row);
}

static void stream_add(struct source *s, const char *arn, struct instant now)
{
    struct stream_row row = {.source = slice_text(s->name), .arn = slice_text(arn), .created_at_ms = now.wall_ms};

    row.state = s->len == 0 ? STREAM_READING : STREAM_WAITING;
    row.id = ledger_stream_insert(s->db, &row);
    stream_note(s, &row);
    log_info(s->by_table ? "stream found" : "stream taken up, by its ARN; whether it is there is seen when it is listed",
             LOG_FIELDS(LOG_TEXT("source", s->name), LOG_TEXT("arn", arn), LOG_TEXT("state", stream_state_name(row.state))));
}

/* ---- what the ledger has by another name ---- */

struct namesakes {
    const struct source *source;
    char **arns;
    size_t len;
};

/* The same stream may have been named otherwise until now: by its ARN instead of its table, or the other way round. (Two pipelines of one stream are refused by
 * the configuration.) */
static void note_namesake(void *context, const struct stream_row *row)
{
    struct namesakes *n = context;
    char *arn = slice_dup(row->arn);
    char *source = slice_dup(row->source);
    bool other = strcmp(source, n->source->name) != 0;
    bool same = n->source->by_table ? source_is_arn(source) && source_names(n->source->name, arn) : strcmp(arn, n->source->name) == 0;

    free(source);
    if (!other || !same) {
        free(arn);
        return;
    }
    n->arns = memory_resize(n->arns, (n->len + 1) * sizeof(*n->arns));
    n->arns[n->len++] = arn;
}

static void adopt_namesakes(struct source *s)
{
    struct namesakes n = {.source = s};

    ledger_streams(s->db, note_namesake, &n);
    for (size_t i = 0; i < n.len; i++) {
        ledger_stream_adopt(s->db, slice_text(n.arns[i]), slice_text(s->name));
        log_info("a stream is known by another name from now on", LOG_FIELDS(LOG_TEXT("source", s->name), LOG_TEXT("arn", n.arns[i])));
        free(n.arns[i]);
    }
    free(n.arns);
}

/* ARNs of one table differ in their label, the time of creation: they sort like it. */
static int compare_streams(const void *a, const void *b)
{
    return strcmp(((const struct stream *)a)->arn, ((const struct stream *)b)->arn);
}

/* Makes the reader of the oldest stream that is not read to its end. Reads the ledger, and writes only when a waiting stream's turn has come. */
static void activate(struct source *s, struct instant now)
{
    struct reader_options options = s->options;
    struct stream *stream;

    while (s->active < s->len && (s->streams[s->active].row.state == STREAM_FINISHED || s->streams[s->active].row.state == STREAM_GONE))
        s->active++;
    if (s->active == s->len)
        return;
    stream = &s->streams[s->active];
    if (stream->row.state == STREAM_WAITING) {
        stream->row.state = STREAM_READING;
        ledger_stream_save(s->db, &stream->row);
    }
    options.from_beginning = s->active > 0;
    s->reader = reader_new(s->db, s->intake, &stream->row, &options, random_next(&s->random), now);
    s->trouble[0] = '\0';
}

/* Of the newest stream. */
static bool taken_for_gone(const struct source *s)
{
    return s->reader == NULL && s->len > 0 && s->active == s->len && s->streams[s->len - 1].row.state == STREAM_GONE;
}

static void reopen(struct source *s, struct instant now)
{
    struct stream *stream = &s->streams[s->len - 1];

    s->probing = false;
    s->due = now.mono_ms + s->options.discovery_ms;
    stream->row.state = STREAM_READING;
    ledger_stream_save(s->db, &stream->row);
    s->active = s->len - 1;
    activate(s, now);
    reader_reopen(s->reader, now);
}

struct source *source_new(struct database *db, struct intake *intake, const char *name, const struct reader_options *options, uint64_t seed,
                          struct instant now)
{
    struct source *s = memory_zeroed(1, sizeof(*s));

    s->db = db;
    s->intake = intake;
    s->options = *options;
    s->random.state = seed;
    s->name = memory_strdup(name);
    s->by_table = !source_is_arn(name);
    s->due = now.mono_ms;
    adopt_namesakes(s);
    ledger_streams(db, load_stream, s);
    if (s->len > 1)
        qsort(s->streams, s->len, sizeof(*s->streams), compare_streams);
    if (!s->by_table && s->len == 0)
        stream_add(s, name, now);
    activate(s, now);
    return s;
}

static void forget_listing(struct source *s)
{
    for (size_t i = 0; i < s->found_len; i++)
        free(s->found[i]);
    free(s->found);
    free(s->latest);
    free(s->listing_from);
    s->found = NULL;
    s->found_len = 0;
    s->latest = s->listing_from = NULL;
}

void source_set_options(struct source *s, const struct reader_options *options)
{
    s->options = *options;
    if (s->reader)
        reader_set_options(s->reader, options);
    else
        s->due = 0;
}

void source_free(struct source *s)
{
    if (s == NULL)
        return;
    reader_free(s->reader);
    for (size_t i = 0; i < s->len; i++)
        free(s->streams[i].arn);
    free(s->streams);
    forget_listing(s);
    stream_listing_fini(&s->listing);
    stream_description_fini(&s->description);
    free(s->name);
    free(s);
}

/* ---- calls ---- */

static bool own_call_wanted(const struct source *s)
{
    return !s->calling && (s->by_table || taken_for_gone(s));
}

/* Of the stream itself, not of its table? */
static bool asks_stream(const struct source *s)
{
    return !s->by_table || s->probing;
}

static void own_call(struct source *s, struct stream_call *call)
{
    *call = (struct stream_call){.token = OWN_TOKEN};
    if (asks_stream(s)) {
        call->target = TARGET_DESCRIBE_STREAM;
        describe_stream_encode(&call->body, s->streams[s->len - 1].row.arn, SLICE_NONE);
    } else if (s->latest) {
        call->target = TARGET_LIST_STREAMS;
        list_streams_encode(&call->body, slice_text(s->name), slice_text(s->listing_from));
    } else {
        call->target = TARGET_DESCRIBE_TABLE;
        describe_table_encode(&call->body, slice_text(s->name));
    }
    s->calling = true;
}

bool source_next_call(struct source *s, struct stream_call *call, struct instant now)
{
    if (own_call_wanted(s) && s->due <= now.mono_ms) {
        own_call(s, call);
        return true;
    }
    if (s->reader == NULL || !reader_next_call(s->reader, call, now))
        return false;
    call->token |= (uint64_t)(s->active + 1) << 32;
    return true;
}

int64_t source_due(const struct source *s)
{
    int64_t due = s->reader ? reader_due(s->reader) : INT64_MAX;

    return own_call_wanted(s) && s->due < due ? s->due : due;
}

/* ---- following a table ---- */

static void add_in_order(struct source *s, struct instant now)
{
    /* ARNs of one table differ in their label, the time of creation: they sort like it. A table has a handful of streams. */
    for (size_t i = 0; i < s->found_len; i++)
        for (size_t k = i + 1; k < s->found_len; k++)
            if (strcmp(s->found[k], s->found[i]) < 0) {
                char *other = s->found[i];

                s->found[i] = s->found[k];
                s->found[k] = other;
            }
    for (size_t i = 0; i < s->found_len; i++)
        stream_add(s, s->found[i], now);
    stream_add(s, s->latest, now);
    forget_listing(s);
    if (s->reader)
        reader_supersede(s->reader);
    else
        activate(s, now);
}

/* Which of the streams it is; len: none. */
static size_t index_of(const struct source *s, struct slice arn)
{
    size_t i = 0;

    while (i < s->len && !slice_equal(s->streams[i].row.arn, arn))
        i++;
    return i;
}

static bool known(const struct source *s, struct slice arn)
{
    return index_of(s, arn) < s->len;
}

static void listed(struct source *s, struct instant now)
{
    const char *newest = s->streams[s->len - 1].arn;

    for (size_t i = 0; i < s->listing.len; i++) {
        struct slice arn = s->listing.arns[i];
        char *text = slice_dup(arn);

        if (!known(s, arn) && strcmp(text, newest) > 0 && strcmp(text, s->latest) < 0) {
            s->found = memory_resize(s->found, (s->found_len + 1) * sizeof(*s->found));
            s->found[s->found_len++] = text;
        } else {
            free(text);
        }
    }
    free(s->listing_from);
    s->listing_from = s->listing.last_evaluated_arn.len > 0 ? slice_dup(s->listing.last_evaluated_arn) : NULL;
    s->due = now.mono_ms + LISTING_GAP_MS;
    if (s->listing_from == NULL)
        add_in_order(s, now);
}

static void no_stream(struct source *s)
{
    if (s->reader == NULL)
        snprintf(s->trouble, sizeof(s->trouble), "the table \"%s\" has no stream: enable one (aws dynamodb update-table --table-name %s "
                 "--stream-specification StreamEnabled=true,StreamViewType=NEW_AND_OLD_IMAGES)", s->name, s->name);
}

/* The region and the account of an ARN. */
static struct slice place_of(struct slice arn)
{
    const char *table = memmem(arn.ptr, arn.len, ":table/", 7);

    return slice_from(arn.ptr, table ? (size_t)(table - arn.ptr) : 0);
}

/* A table of the same name, in another region or account. */
static bool elsewhere(struct source *s, struct slice arn)
{
    struct slice known = place_of(s->streams[s->len - 1].row.arn);
    struct slice here = place_of(arn);

    if (known.len == 0 || here.len == 0 || slice_equal(known, here))
        return false;
    snprintf(s->trouble, sizeof(s->trouble), "the table \"%s\" that is asked here is %.*s:table/%s, and this ledger has read that of %.*s: set the region "
             "and the credentials of that one, or name another ledger", s->name, SLICE_ARG(here), s->name, SLICE_ARG(known));
    return true;
}

static void say_gone(struct source *s)
{
    snprintf(s->trouble, sizeof(s->trouble), "the stream %s is gone", s->streams[s->len - 1].arn);
}

/* A table goes on naming a stream that has expired: whether it is there, the stream itself is asked. */
static void probe(struct source *s, struct instant now)
{
    say_gone(s); /* until it answers */
    s->probing = true;
    s->due = now.mono_ms + LISTING_GAP_MS;
}

/* A stream that is known is the table's newest. */
static void found_again(struct source *s, struct slice arn, struct instant now)
{
    if (s->reader && index_of(s, arn) > s->active)
        reader_supersede(s->reader);
    else if (taken_for_gone(s))
        probe(s, now);
    else if (s->reader == NULL)
        snprintf(s->trouble, sizeof(s->trouble), "the stream of the table \"%s\" is read to its end, and disabled: nothing comes until it is enabled again",
                 s->name);
}

static void described(struct source *s, struct slice arn, struct instant now)
{
    s->due = now.mono_ms + s->options.discovery_ms;
    s->trouble[0] = '\0';
    if (!slice_present(arn)) {
        no_stream(s);
        if (s->len == 0 && s->options.discovery_ms > MISSING_RETRY_MS)
            s->due = now.mono_ms + MISSING_RETRY_MS;
        return;
    }
    if (s->len > 0 && elsewhere(s, arn))
        return;
    if (known(s, arn)) {
        found_again(s, arn, now);
        return;
    }
    s->latest = slice_dup(arn);
    if (s->len == 0)
        add_in_order(s, now);
    else
        s->due = now.mono_ms + LISTING_GAP_MS;
}

static void own_call_failed(struct source *s, enum verdict verdict, struct instant now)
{
    bool of_stream = asks_stream(s);

    s->probing = false;
    if (s->latest && verdict == VERDICT_DENIED) {
        log_warning("ListStreams was refused: streams that the table had meanwhile may be passed over",
                    LOG_FIELDS(LOG_TEXT("source", s->name), LOG_TEXT("error", s->trouble)));
        add_in_order(s, now);
        return;
    }
    if (verdict == VERDICT_NOT_FOUND && of_stream) {
        say_gone(s);
        s->due = now.mono_ms + s->options.discovery_ms;
        return;
    }
    if (verdict == VERDICT_NOT_FOUND && !s->latest)
        snprintf(s->trouble, sizeof(s->trouble), "there is no table \"%s\" in this account in %s: create it, or name another one", s->name,
                 s->options.region ? s->options.region : "this region");
    s->due = now.mono_ms + (verdict == VERDICT_NOT_FOUND ? MISSING_RETRY_MS
                            : verdict == VERDICT_DENIED  ? DENIED_RETRY_MS
                                                         : back_off_ms(&s->random, s->failures++));
}

static void answer_own(struct source *s, const struct stream_answer *answer, struct instant now)
{
    const char *error = NULL;
    enum verdict verdict;
    struct slice arn;

    s->calling = false;
    if (stream_answer_failed(answer, &verdict, s->trouble)) {
        own_call_failed(s, verdict, now);
        return;
    }
    if (asks_stream(s) ? describe_stream_decode(&s->description, answer->body, &error)
        : s->latest ? list_streams_decode(&s->listing, answer->body, &error)
                    : describe_table_decode(answer->body, &arn, &error)) {
        s->failures = 0;
        if (asks_stream(s))
            reopen(s, now);
        else if (s->latest)
            listed(s, now);
        else
            described(s, arn, now);
        return;
    }
    snprintf(s->trouble, sizeof(s->trouble), "malformed answer: %s", error);
    s->due = now.mono_ms + back_off_ms(&s->random, s->failures++);
}

void source_answer(struct source *s, const struct stream_answer *answer, struct instant now)
{
    struct stream_answer inner = *answer;

    if (answer->token == OWN_TOKEN) {
        if (s->calling)
            answer_own(s, answer, now);
        return;
    }
    if (s->reader == NULL || answer->token >> 32 != s->active + 1)
        return;
    inner.token &= UINT32_MAX;
    reader_answer(s->reader, &inner, now);
    if (!reader_finished(s->reader))
        return;
    s->streams[s->active].row.state = reader_gone(s->reader) ? STREAM_GONE : STREAM_FINISHED; /* as the reader has stored it */
    reader_free(s->reader);
    s->reader = NULL;
    s->due = now.mono_ms; /* is there a newer one? */
    activate(s, now);
}

void source_resume(struct source *s, struct instant now)
{
    if (s->reader)
        reader_resume(s->reader, now);
}

const char *source_trouble(const struct source *s)
{
    if (s->trouble[0])
        return s->trouble;
    return s->reader ? reader_trouble(s->reader) : "";
}

const char *source_arn(const struct source *s)
{
    return s->active < s->len ? s->streams[s->active].arn : NULL;
}

void source_shards(const struct source *s, void (*each)(void *context, const struct shard_row *row), void *context)
{
    if (s->reader)
        reader_shards(s->reader, each, context);
}
