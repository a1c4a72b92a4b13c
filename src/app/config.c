/* SPDX-License-Identifier: Apache-2.0 */
#include "app/config.h"

#include "app/config_internal.h"
#include "base/log.h"
#include "base/memory.h"
#include "codec/event_pattern.h"
#include "codec/sqs_wire.h"
#include "core/message_form.h"
#include "core/source.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>


const struct option options[] = {
#define OPTION_ROW(scope, name, type, reload, owner, field, least, most, default_text, values, help)                                     \
    {SCOPE_##scope, name, OPTION_##type, AT_##reload, offsetof(owner, field), least, most, default_text, values, help},
    CONFIG_TABLE(OPTION_ROW)
#undef OPTION_ROW
};
const size_t option_count = sizeof(options) / sizeof(options[0]);

/* ---- names ---- */

const struct option *option_find(enum option_scope scope, struct slice name)
{
    for (size_t i = 0; i < option_count; i++)
        if (options[i].scope == scope && slice_is(name, options[i].name))
            return &options[i];
    return NULL;
}

#define NAME_MAX_BYTES 64

static size_t least_of(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* How many letters have to be put in, taken out, changed, or swapped with their neighbour (optimal string alignment). */
static size_t distance(const char *a, const char *b)
{
    size_t rows[3][NAME_MAX_BYTES + 1];
    size_t len = strlen(b);

    if (strlen(a) > NAME_MAX_BYTES || len > NAME_MAX_BYTES)
        return SIZE_MAX;
    for (size_t k = 0; k <= len; k++)
        rows[0][k] = k;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i - 1) % 3];

        row[0] = i;
        for (size_t k = 1; k <= len; k++) {
            row[k] = least_of(least_of(above[k] + 1, row[k - 1] + 1), above[k - 1] + (a[i - 1] != b[k - 1]));
            if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1])
                row[k] = least_of(row[k], rows[(i - 2) % 3][k - 2] + 1);
        }
    }
    return rows[strlen(a) % 3][len];
}

const char *nearest_name(const char *written, const char *const *candidates)
{
    const char *best = NULL;
    size_t best_distance = strlen(written) / 3 + 2;

    for (; *candidates; candidates++) {
        size_t d = distance(written, *candidates);

        if (d < best_distance) {
            best = *candidates;
            best_distance = d;
        }
    }
    return best;
}

const char *option_nearest(enum option_scope scope, const char *written)
{
    const char *names[sizeof(options) / sizeof(options[0]) + 3];
    size_t count = 0;

    for (size_t i = 0; i < option_count; i++)
        if (options[i].scope == scope)
            names[count++] = options[i].name;
    if (scope != SCOPE_QUEUE)
        names[count++] = "queues"; /* lists */
    if (scope == SCOPE_TOP)
        names[count++] = "pipelines";
    names[count] = NULL;
    return nearest_name(written, names);
}

void config_problem(struct loading *l, const char *where, const char *format, ...)
{
    char text[512];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    buffer_printf(l->problems, "%s: %s\n", where, text);
}

/* ---- values ---- */

/* A number with one of the units that follow; units: pairs of name and factor, ended by NULL. */
struct unit {
    const char *name;
    int64_t factor;
};

static const struct unit durations[] = {{"ms", 1}, {"s", SECOND}, {"m", MINUTE}, {"h", HOUR}, {"d", DAY}, {NULL, 0}};
static const struct unit sizes[] = {{"", 1}, {"KiB", 1024}, {"MiB", MIB}, {"GiB", 1024 * MIB}, {"TiB", 1024 * 1024 * MIB}, {NULL, 0}};
static const struct unit counts[] = {{"", 1}, {NULL, 0}};

static bool parse_amount(const char *text, const struct unit *units, int64_t *out)
{
    char *end;
    long long number;

    if (text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    number = strtoll(text, &end, 10);
    if (number == 0 && *end == '\0' && errno == 0) { /* 0 needs no unit */
        *out = 0;
        return true;
    }
    for (; units->name; units++)
        if (strcmp(end, units->name) == 0)
            return errno == 0 && !__builtin_mul_overflow((int64_t)number, units->factor, out);
    return false;
}

static void append_amount(struct buffer *out, int64_t value, const struct unit *units)
{
    const struct unit *best = units;

    if (value == 0) {
        buffer_append_byte(out, '0');
        return;
    }
    for (const struct unit *u = units; u->name; u++)
        if (value % u->factor == 0 && u->factor >= best->factor && value >= u->factor)
            best = u;
    buffer_printf(out, "%lld%s", (long long)(value / best->factor), best->name);
}

static void set_amount(struct loading *l, const struct option *o, void *owner, const char *text, const char *where)
{
    const struct unit *units = o->type == OPTION_DURATION ? durations : o->type == OPTION_SIZE ? sizes : counts;
    const char *example = o->type == OPTION_DURATION ? ", with its unit (ms, s, m, h, d)" : o->type == OPTION_SIZE ? ", such as 64MiB, 10GiB" : "";
    int64_t value;
    struct buffer range = {0};

    if (!parse_amount(text, units, &value) || value < o->least || value > o->most) {
        append_amount(&range, o->least, units);
        buffer_append_text(&range, o->most < INT64_MAX / 4 ? " to " : " or more");
        if (o->most < INT64_MAX / 4)
            append_amount(&range, o->most, units);
        config_problem(l, where, "%s is \"%s\": wanted %s%s", o->name, text, range.ptr, example);
        buffer_fini(&range);
        return;
    }
    memcpy((char *)owner + o->offset, &value, sizeof(value));
}

/* The place of `text` in "a|b|c"; -1: it is none of them. */
static int enum_value(const char *values, const char *text)
{
    struct slice rest = slice_text(values);

    for (int i = 0; rest.len > 0; i++) {
        size_t n = slice_index(rest, '|');

        if (slice_is(slice_from(rest.ptr, n), text))
            return i;
        rest = slice_after(rest, n + 1);
    }
    return -1;
}

static void set_enum(struct loading *l, const struct option *o, void *owner, const char *text, const char *where)
{
    int value = enum_value(o->values, text);

    if (value < 0)
        config_problem(l, where, "%s is \"%s\": wanted one of %s", o->name, text, o->values);
    else
        memcpy((char *)owner + o->offset, &value, sizeof(value));
}

static void set_bool(struct loading *l, const struct option *o, void *owner, const char *text, const char *where)
{
    bool value = strcmp(text, "true") == 0;

    if (!value && strcmp(text, "false") != 0)
        config_problem(l, where, "%s is \"%s\": wanted true or false", o->name, text);
    else
        memcpy((char *)owner + o->offset, &value, sizeof(value));
}

static bool control_free(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 127)
            return false;
    return true;
}

static void set_text(struct loading *l, const struct option *o, void *owner, const char *text, const char *where)
{
    char **field = (char **)(void *)((char *)owner + o->offset);

    if (text[0] == '\0' || strlen(text) > 2000 || !control_free(text)) {
        config_problem(l, where, "%s is empty, too long, or has control characters in it", o->name);
        return;
    }
    free(*field);
    *field = memory_strdup(text);
}

/* The one option of this type is a filter. */
static void set_json(struct loading *l, const struct option *o, void *owner, const char *text, const char *where)
{
    char **field = (char **)(void *)((char *)owner + o->offset);
    struct scanner j;
    struct filter *filter;
    struct error err = {0};

    scan_init(&j, slice_text(text));
    scan_skip(&j);
    if (!scan_end(&j)) {
        config_problem(l, where, "%s is no JSON: %s at byte %zu", o->name, j.error ? j.error : "something follows", scan_offset(&j));
        return;
    }
    filter = filter_new(slice_text(text), &err);
    if (filter == NULL) {
        config_problem(l, where, "%s", err.text);
        return;
    }
    filter_free(filter);
    free(*field);
    *field = memory_strdup(text);
}

/* Is the option's field a text of its owner's? */
static bool is_text(const struct option *o)
{
    return o->type == OPTION_TEXT || o->type == OPTION_ADDRESS || o->type == OPTION_JSON || o->type == OPTION_LIST;
}

void option_set(struct loading *l, const struct option *o, void *owner, const char *text, const char *where)
{
    switch (o->type) {
    case OPTION_TEXT:
    case OPTION_LIST:
    case OPTION_ADDRESS:
        set_text(l, o, owner, text, where);
        break;
    case OPTION_JSON:
        set_json(l, o, owner, text, where);
        break;
    case OPTION_BOOL:
        set_bool(l, o, owner, text, where);
        break;
    case OPTION_ENUM:
        set_enum(l, o, owner, text, where);
        break;
    default:
        set_amount(l, o, owner, text, where);
    }
}

void options_default(struct loading *l, enum option_scope scope, void *owner)
{
    for (size_t i = 0; i < option_count; i++)
        if (options[i].scope == scope && options[i].default_text[0])
            option_set(l, &options[i], owner, options[i].default_text, "default");
}

/* ---- queues and pipelines ---- */

static struct config_queue *find_queue(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->queue_count; i++)
        if (strcmp(config->queues[i].name, name) == 0)
            return &config->queues[i];
    return NULL;
}

void config_queue_fini(struct config_queue *q)
{
    for (size_t i = 0; i < option_count; i++)
        if (options[i].scope == SCOPE_QUEUE && is_text(&options[i]))
            free(*(char **)(void *)((char *)q + options[i].offset));
    free(q->where);
}

static bool same_value(const struct option *o, const void *a, const void *b)
{
    const char *left = (const char *)a + o->offset;
    const char *right = (const char *)b + o->offset;

    if (is_text(o))
        return text_equal(*(char *const *)(const void *)left, *(char *const *)(const void *)right);
    return memcmp(left, right, o->type == OPTION_BOOL ? sizeof(bool) : o->type == OPTION_ENUM ? sizeof(int) : sizeof(int64_t)) == 0;
}

void config_fixed_differences(const struct config *running, const struct config *wanted, struct buffer *out)
{
    for (size_t i = 0; i < option_count; i++)
        if (options[i].scope == SCOPE_TOP && options[i].reload == AT_RESTART && !same_value(&options[i], running, wanted))
            buffer_printf(out, "%s%s", out->len > 0 ? ", " : "", options[i].name);
}

bool config_same_reader(const struct config_pipeline *a, const struct config_pipeline *b)
{
    return text_equal(a->stream, b->stream) && text_equal(a->role_arn, b->role_arn) && text_equal(a->external_id, b->external_id);
}

/* a and b are owners of options of that scope. */
static bool same_options(enum option_scope scope, const void *a, const void *b)
{
    for (size_t i = 0; i < option_count; i++)
        if (options[i].scope == scope && !same_value(&options[i], a, b))
            return false;
    return true;
}

static const struct config_pipeline *find_pipeline(const struct config *config, const char *stream)
{
    for (size_t i = 0; i < config->pipeline_count; i++)
        if (strcmp(config->pipelines[i].stream, stream) == 0)
            return &config->pipelines[i];
    return NULL;
}

static bool same_pipeline(const struct config_pipeline *a, const struct config_pipeline *b)
{
    bool same = a->queue_count == b->queue_count && same_options(SCOPE_PIPELINE, a, b);

    for (size_t i = 0; same && i < a->queue_count; i++)
        same = strcmp(a->queues[i], b->queues[i]) == 0;
    return same;
}

static void add_change(struct buffer *out, const char *kind, const char *name, const char *what)
{
    buffer_printf(out, "%s%s%s %s", out->len > 0 ? ", " : "", kind, name, what);
}

static void pipeline_changes(const struct config *before, const struct config *after, struct buffer *out)
{
    for (size_t i = 0; i < after->pipeline_count; i++) {
        const struct config_pipeline *new = &after->pipelines[i];
        const struct config_pipeline *old = find_pipeline(before, new->stream);

        if (old == NULL || !same_pipeline(old, new))
            add_change(out, "stream ", new->stream, old ? "changed" : "added");
    }
    for (size_t i = 0; i < before->pipeline_count; i++)
        if (find_pipeline(after, before->pipelines[i].stream) == NULL)
            add_change(out, "stream ", before->pipelines[i].stream, "removed");
}

static void queue_changes(const struct config *before, const struct config *after, struct buffer *out)
{
    for (size_t i = 0; i < after->queue_count; i++) {
        const struct config_queue *new = &after->queues[i];
        const struct config_queue *old = find_queue(before, new->name);

        if (old == NULL || !same_options(SCOPE_QUEUE, old, new))
            add_change(out, "queue ", new->name, old ? "changed" : "added");
    }
    for (size_t i = 0; i < before->queue_count; i++)
        if (find_queue(after, before->queues[i].name) == NULL)
            add_change(out, "queue ", before->queues[i].name, "removed");
}

void config_changes(const struct config *before, const struct config *after, struct buffer *out)
{
    pipeline_changes(before, after, out);
    queue_changes(before, after, out);
    for (size_t i = 0; i < option_count; i++)
        if (options[i].scope == SCOPE_TOP && options[i].reload == AT_RELOAD && !same_value(&options[i], before, after))
            add_change(out, "", options[i].name, "changed");
}

static bool name_valid(struct slice name)
{
    const struct slice fifo = SLICE(".fifo");

    if (name.len > 80)
        return false;
    return sqs_queue_name_valid(slice_ends_with(name, fifo) ? slice_from(name.ptr, name.len - fifo.len) : name);
}

/* What was only named until now is described: its options are taken. Its name stays where it is, since pipelines point to it. */
static void describe(struct config_queue *known, struct config_queue *q)
{
    struct config_queue named = *known;

    *known = *q;
    known->name = named.name;
    named.name = q->name;
    *q = named;
}

const char *config_queue_add(struct loading *l, struct config_queue *q)
{
    struct config *config = l->config;
    struct config_queue *known;

    if (q->name == NULL) {
        config_problem(l, q->where, "a queue without a name");
    } else if (!name_valid(slice_text(q->name))) {
        config_problem(l, q->where, "queue \"%s\": a name has 1 to 80 letters, digits, hyphens and underscores (and .fifo, counted)", q->name);
    } else if ((known = find_queue(config, q->name)) != NULL) {
        if (known->by_name && !q->by_name)
            describe(known, q);
        else if (!q->by_name && !same_options(SCOPE_QUEUE, known, q))
            config_problem(l, q->where, "queue \"%s\" has other options here than at %s", q->name, known->where);
        config_queue_fini(q);
        return known->name;
    } else {
        config->queues = memory_resize(config->queues, (config->queue_count + 1) * sizeof(*config->queues));
        config->queues[config->queue_count++] = *q;
        return q->name;
    }
    config_queue_fini(q);
    return NULL;
}

struct config_pipeline *config_pipeline_add(struct loading *l, const char *where)
{
    struct config *config = l->config;
    struct config_pipeline *p;

    config->pipelines = memory_resize(config->pipelines, (config->pipeline_count + 1) * sizeof(*config->pipelines));
    p = &config->pipelines[config->pipeline_count++];
    *p = (struct config_pipeline){.where = memory_strdup(where)};
    options_default(l, SCOPE_PIPELINE, p);
    return p;
}

bool config_pipeline_feeds(const struct config_pipeline *p, const char *queue)
{
    for (size_t i = 0; i < p->queue_count; i++)
        if (strcmp(p->queues[i], queue) == 0)
            return true;
    return false;
}

void config_pipeline_feed(struct loading *l, struct config_pipeline *p, const char *queue)
{
    if (queue == NULL) { /* said already */
        p->queue_refused = true;
        return;
    }
    if (config_pipeline_feeds(p, queue)) {
        config_problem(l, p->where, "the queue \"%s\" is named twice for one stream", queue);
        return;
    }
    p->queues = memory_resize(p->queues, (p->queue_count + 1) * sizeof(*p->queues));
    p->queues[p->queue_count++] = queue;
}

/* ---- environment and flags ---- */

#define ENVIRONMENT_PREFIX "STREAM2SQS_"

static void environment_name(const char *option_name, char out[NAME_MAX_BYTES])
{
    size_t len = strlen(ENVIRONMENT_PREFIX);

    memcpy(out, ENVIRONMENT_PREFIX, len);
    for (const char *c = option_name; *c; c++)
        out[len++] = *c == '_' ? '_' : (char)(*c - 'a' + 'A');
    out[len] = '\0';
}

static void load_environment(struct loading *l, const char *(*lookup)(const char *))
{
    for (size_t i = 0; i < option_count; i++) {
        char name[NAME_MAX_BYTES];
        const char *value;

        if (options[i].scope != SCOPE_TOP)
            continue;
        environment_name(options[i].name, name);
        value = lookup(name);
        if (value)
            option_set(l, &options[i], l->config, value, name);
    }
}

/* What Kubernetes (and Docker's links before it) says of services whose names begin with ours: STREAM2SQS_SERVICE_HOST, STREAM2SQS_ADMIN_PORT_9325_TCP_ADDR. */
static bool of_a_service(const char *name)
{
    static const char *const parts[] = {"_service_host", "_service_port", "_port"};

    if (strncmp(name, "service_", 8) == 0 || strcmp(name, "port") == 0 || strncmp(name, "port_", 5) == 0)
        return true;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        const char *at = strstr(name, parts[i]);
        const char *rest = at ? at + strlen(parts[i]) : "x";

        if (*rest == '\0' || *rest == '_')
            return true;
    }
    return false;
}

static void warn_of_variable(struct slice variable, const char *option_name, struct buffer *out)
{
    const char *nearest = option_nearest(SCOPE_TOP, option_name);
    char name[NAME_MAX_BYTES];

    text_append_printable(out, variable);
    if (strcmp(option_name, "queue") == 0 || option_find(SCOPE_PIPELINE, slice_text(option_name)) || option_find(SCOPE_QUEUE, slice_text(option_name))) {
        buffer_append_text(out, " in the environment is not looked at: what is of a stream or queue is said by flags or in the file\n");
        return;
    }
    buffer_append_text(out, " in the environment is no option");
    if (nearest) {
        environment_name(nearest, name);
        buffer_printf(out, " (nearest: %s)", name);
    }
    buffer_append_byte(out, '\n');
}

static void look_at_variable(struct slice variable, struct buffer *out)
{
    struct slice rest = slice_after(variable, strlen(ENVIRONMENT_PREFIX));
    char name[NAME_MAX_BYTES];
    bool small = false; /* letters: no option is written so */

    if (!slice_starts_with(variable, SLICE(ENVIRONMENT_PREFIX)) || rest.len >= sizeof(name))
        return;
    for (size_t i = 0; i < rest.len; i++) {
        name[i] = rest.ptr[i] >= 'A' && rest.ptr[i] <= 'Z' ? (char)(rest.ptr[i] - 'A' + 'a') : rest.ptr[i];
        small = small || (rest.ptr[i] >= 'a' && rest.ptr[i] <= 'z');
    }
    name[rest.len] = '\0';
    if (small || !(of_a_service(name) || option_find(SCOPE_TOP, slice_text(name))))
        warn_of_variable(variable, name, out);
}

void config_environment_warnings(char *const *environment, struct buffer *out)
{
    for (; *environment; environment++)
        look_at_variable(slice_from(*environment, strcspn(*environment, "=")), out);
}

/* "--visibility-timeout" is visibility_timeout; "--queue" is a queue's name. */
static const struct option *flag_option(const char *flag)
{
    char name[64];
    size_t len = 0;

    if (strcmp(flag, "queue") == 0)
        return option_find(SCOPE_QUEUE, SLICE("name"));
    if (strcmp(flag, "name") == 0 || strlen(flag) >= sizeof(name))
        return NULL;
    for (; flag[len]; len++)
        name[len] = flag[len] == '-' ? '_' : flag[len];
    for (int scope = SCOPE_TOP; scope <= SCOPE_QUEUE; scope++) {
        const struct option *o = option_find((enum option_scope)scope, slice_from(name, len));

        if (o)
            return o;
    }
    return NULL;
}

bool config_option_exists(const char *flag_name, bool *takes_value)
{
    const struct option *o = flag_option(flag_name);

    *takes_value = o && o->type != OPTION_BOOL;
    return o != NULL;
}

static void set_flags(struct loading *l, const struct command_line *line, enum option_scope scope, void *owner)
{
    for (size_t i = 0; i < line->flag_count; i++) {
        const struct option *o = flag_option(line->flags[i].name);
        char where[80];

        if (o == NULL || o->scope != scope || strcmp(o->name, "name") == 0)
            continue;
        snprintf(where, sizeof(where), "--%.70s", line->flags[i].name);
        option_set(l, o, owner, line->flags[i].value ? line->flags[i].value : "true", where);
    }
}

static size_t times_given(const struct command_line *line, const char *name)
{
    size_t count = 0;

    for (size_t i = 0; i < line->flag_count; i++)
        count += strcmp(line->flags[i].name, name) == 0;
    return count;
}

/* Of two streams, or two filters, the first would be passed over without a word, and its records never read. Of other options the last one counts, as scripts
 * expect that add to a command. */
static void check_repeated(struct loading *l, const struct command_line *line)
{
    if (times_given(line, "stream") > 1)
        config_problem(l, "flags", "--stream is given twice: several streams are pipelines of a configuration file (--config)");
    if (times_given(line, "filter") > 1)
        config_problem(l, "flags", "--filter is given twice: one filter may have several patterns, {\"Filters\": [...]}");
}

static const char *flag_queue(struct loading *l, const struct command_line *line, const char *name)
{
    struct config_queue q = {.name = memory_strdup(name), .where = memory_strdup("--queue")};

    options_default(l, SCOPE_QUEUE, &q);
    set_flags(l, line, SCOPE_QUEUE, &q);
    return config_queue_add(l, &q);
}

static size_t count_flags(const struct command_line *line, enum option_scope scope)
{
    size_t count = 0;

    for (size_t i = 0; i < line->flag_count; i++)
        count += flag_option(line->flags[i].name) && flag_option(line->flags[i].name)->scope == scope;
    return count;
}

/* --stream and --queue make one pipeline; --queue alone makes plain queues. */
static void load_pipeline_flags(struct loading *l, const struct command_line *line)
{
    struct config_pipeline *p = NULL;
    size_t queues = times_given(line, "queue");

    if (count_flags(line, SCOPE_PIPELINE) + count_flags(line, SCOPE_QUEUE) == 0)
        return;
    if (l->config->pipeline_count > 0) {
        config_problem(l, "flags", "with a configuration file that has pipelines, what is of a stream or queue is said there, not by flags");
        return;
    }
    if (count_flags(line, SCOPE_PIPELINE) > 0) {
        p = config_pipeline_add(l, "--stream");
        set_flags(l, line, SCOPE_PIPELINE, p);
    }
    for (size_t i = 0; i < line->flag_count; i++) {
        if (strcmp(line->flags[i].name, "queue") != 0)
            continue;
        if (p)
            config_pipeline_feed(l, p, flag_queue(l, line, line->flags[i].value));
        else
            flag_queue(l, line, line->flags[i].value);
    }
    if (queues == 0 && p == NULL)
        config_problem(l, "flags", "options of a queue without --queue");
    if (queues > 1 && times_given(line, "address") > 0)
        config_problem(l, "flags", "--address is one queue, and --queue is given %zu times: each record would come there as often; use a configuration file, "
                       "where each queue has its own", queues);
}

/* ---- what must hold between options ---- */

static char *beside(const char *file, const char *suffix)
{
    struct buffer path = {0};

    buffer_printf(&path, "%s%s", file, suffix);
    return buffer_take(&path);
}

char *config_access_keys_path(const struct config *c)
{
    return c->access_keys_file ? memory_strdup(c->access_keys_file) : beside(c->ledger, ".keys");
}

char *config_addresses_path(const struct config *c)
{
    return beside(c->ledger, ".addresses");
}

char *config_control_path(const char *ledger)
{
    return beside(ledger, "-control");
}

struct aws_profile *config_profile(const struct config *config, struct error *err)
{
    struct aws_profile *profile = aws_profile_load(config->profile, environment_lookup, err);

    if (profile)
        aws_profile_allow_plain_http(profile, config->plain_http_beyond_loopback);
    return profile;
}

bool config_loopback(const char *address)
{
    const char *colon = strrchr(address, ':');
    char host[64];
    struct in_addr v4;

    if (colon == NULL || (size_t)(colon - address) >= sizeof(host))
        return false;
    memcpy(host, address, (size_t)(colon - address));
    host[colon - address] = '\0';
    if (strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0)
        return true;
    return inet_pton(AF_INET, host, &v4) == 1 && ntohl(v4.s_addr) >> 24 == 127;
}

static void check_address(struct loading *l, const char *name, const char *address)
{
    const char *colon = strrchr(address, ':');
    char *end;
    long port = colon && colon[1] ? strtol(colon + 1, &end, 10) : -1;

    if (port < 0 || port > 65535 || *end != '\0')
        config_problem(l, name, "\"%s\" is no address: wanted HOST:PORT, such as 127.0.0.1:9324", address);
    else if (!l->config->listen_beyond_loopback && !config_loopback(address))
        config_problem(l, name, "%s can be reached from other machines: say listen_beyond_loopback: true if that is wanted (and put TLS in front)", address);
}

static bool digits_only(const char *text)
{
    return strspn(text, "0123456789") == strlen(text);
}

static void check_role(struct loading *l, const char *where, const char *role_arn, const char *external_id)
{
    if (role_arn && (strncmp(role_arn, "arn:", 4) != 0 || strstr(role_arn, ":role/") == NULL))
        config_problem(l, where, "\"%s\" is no role: wanted arn:aws:iam::ACCOUNT:role/NAME", role_arn);
    if (external_id && role_arn == NULL)
        config_problem(l, where, "an external id without a role");
}

/* A table's name, and the ARN of one of its streams, are one. */
static bool same_stream(const char *a, const char *b)
{
    return a && b && (source_names(a, b) || source_names(b, a));
}

static void check_pipelines(struct loading *l)
{
    const struct config *config = l->config;

    for (size_t i = 0; i < config->pipeline_count; i++) {
        const struct config_pipeline *p = &config->pipelines[i];

        if (p->stream == NULL)
            config_problem(l, p->where, "a pipeline without a stream: name its table, or the ARN of its stream (stream, or --stream)");
        else if (strncmp(p->stream, "kinesis:", 8) == 0 || strncmp(p->stream, "arn:aws:kinesis", 15) == 0)
            config_problem(l, p->where, "stream \"%s\": Kinesis is not built yet; DynamoDB Streams is", p->stream);
        else if (strncmp(p->stream, "arn:", 4) == 0 && strstr(p->stream, "/stream/") == NULL)
            config_problem(l, p->where, "stream \"%s\" is no stream's ARN: say the table's name, or the ARN of its stream (with /stream/)", p->stream);
        check_role(l, p->where, p->role_arn, p->external_id);
        if (p->queue_count == 0 && !p->queue_refused)
            config_problem(l, p->where, "the stream \"%s\" feeds no queue: name one (queues, or --queue)", p->stream ? p->stream : "");
        for (size_t k = 0; k < i && p->stream; k++)
            if (same_stream(p->stream, config->pipelines[k].stream))
                config_problem(l, p->where, "the stream \"%s\" has a pipeline already (\"%s\", at %s): name all its queues there", p->stream,
                               config->pipelines[k].stream, config->pipelines[k].where);
    }
    if (config->pipeline_count > 250)
        config_problem(l, "pipelines", "more than 250 of them");
}

/* What makes sense for one kind of queue only. */
/* The names go into URLs as they are. */
static bool plain_path(const char *text, const char *allowed)
{
    return strspn(text, allowed) == strlen(text);
}

/* "a//b" and "a/../b": S3 takes them as they are, but what signs and sends URLs does not leave them so. */
static bool plain_segments(const char *path)
{
    while (*path) {
        size_t n = strcspn(path, "/");

        if (n == 0 || (n == 1 && path[0] == '.') || (n == 2 && path[0] == '.' && path[1] == '.'))
            return false;
        path += n + (path[n] == '/');
    }
    return true;
}

static void check_s3(struct loading *l, const struct config_queue *q)
{
    if (q->oversize != CONFIG_OVERSIZE_S3) {
        if (q->s3_bucket || q->s3_prefix || q->s3_region || q->s3_addressing || q->s3_endpoint_url)
            config_problem(l, q->where, "the queue \"%s\": s3_bucket, s3_prefix, s3_region, s3_addressing and s3_endpoint_url are of oversize: s3", q->name);
        return;
    }
    if (q->s3_bucket == NULL)
        config_problem(l, q->where, "the queue \"%s\": oversize: s3 wants an s3_bucket", q->name);
    else if (strlen(q->s3_bucket) < 3 || strlen(q->s3_bucket) > 63 || !plain_path(q->s3_bucket, "abcdefghijklmnopqrstuvwxyz0123456789.-"))
        config_problem(l, q->where, "\"%s\" is no name of a bucket: 3 to 63 small letters, digits, dots and hyphens", q->s3_bucket);
    if (q->s3_prefix && (strlen(q->s3_prefix) > 512 || !plain_segments(q->s3_prefix) ||
                         !plain_path(q->s3_prefix, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-/")))
        config_problem(l, q->where, "s3_prefix \"%s\": letters, digits, dots, hyphens, underscores; no empty, \".\" or \"..\" part", q->s3_prefix);
}

/* URLs and ARNs are read where the queue is looked for. */
static bool names_a_queue(const char *address)
{
    return strncmp(address, "arn:", 4) == 0 || strstr(address, "://") || name_valid(slice_text(address));
}

static void check_targets(struct loading *l)
{
    for (size_t i = 0; i < l->config->queue_count; i++) {
        const struct config_queue *q = &l->config->queues[i];
        struct message_form form;
        struct error err;

        if (!message_form_init(&form, (enum body_form)q->body, q->project, q->attributes, q->message_group, &err))
            config_problem(l, q->where, "the queue \"%s\": %s", q->name, err.text);
        message_form_fini(&form);
        if (q->target == CONFIG_TARGET_EMBEDDED && q->oversize != CONFIG_OVERSIZE_PARK)
            config_problem(l, q->where, "the queue \"%s\" is embedded: oversize is of target: sqs", q->name);
        check_s3(l, q);
        if (q->target == CONFIG_TARGET_EMBEDDED && q->message_group && !slice_ends_with(slice_text(q->name), SLICE(".fifo")))
            config_problem(l, q->where, "the queue \"%s\" is no FIFO queue: message_group is of those", q->name);
        if (q->target == CONFIG_TARGET_EMBEDDED && (q->address || q->region || q->endpoint_url || q->role_arn || q->external_id))
            config_problem(l, q->where, "the queue \"%s\" is embedded: address, queue_region, queue_role_arn and endpoint_url are of target: sqs", q->name);
        check_role(l, q->where, q->role_arn, q->external_id);
        if (q->target == CONFIG_TARGET_SQS && q->address && !names_a_queue(q->address))
            config_problem(l, q->where, "\"%s\" is no queue's address: wanted its name, https://HOST/ACCOUNT/NAME or an ARN", q->address);
        if (q->target == CONFIG_TARGET_SQS && q->max_receive_count > 0)
            config_problem(l, q->where, "the queue \"%s\" is on another server: its max_receive_count is set there (RedrivePolicy); dead_letter_queue says "
                           "which queue there is read", q->name);
    }
}

static void check_dead_letter_queues(struct loading *l)
{
    struct config *config = l->config;

    for (size_t i = 0; i < config->queue_count; i++) {
        struct config_queue made = {0};
        const char *dead = config->queues[i].dead_letter_queue;

        if (dead == NULL || config->queues[i].target == CONFIG_TARGET_SQS)
            continue;
        if (strcmp(dead, config->queues[i].name) == 0)
            config_problem(l, config->queues[i].where, "the queue \"%s\" is its own dead-letter queue", dead);
        else if (config->queues[i].max_receive_count == 0)
            config_problem(l, config->queues[i].where, "the queue \"%s\" has a dead_letter_queue, but no max_receive_count: nothing would ever go there",
                    config->queues[i].name);
        if (slice_ends_with(slice_text(dead), SLICE(".fifo")) != slice_ends_with(slice_text(config->queues[i].name), SLICE(".fifo")))
            config_problem(l, config->queues[i].where, "the dead_letter_queue \"%s\" must be of the kind of its queue: both end in .fifo, or neither", dead);
        if (find_queue(config, dead)) {
            if (find_queue(config, dead)->target != CONFIG_TARGET_EMBEDDED)
                config_problem(l, config->queues[i].where, "the dead_letter_queue \"%s\" of an embedded queue must be embedded, too", dead);
            continue;
        }
        made.name = memory_strdup(dead);
        made.where = memory_strdup(config->queues[i].where);
        options_default(l, SCOPE_QUEUE, &made);
        config_queue_add(l, &made); /* moves config->queues */
    }
}

/* What a stream still has is in the ledger, too, if the stream was read from its beginning, and nothing younger than a day goes. */
static void check_beginnings(struct loading *l)
{
    const struct config *config = l->config;

    for (size_t i = 0; i < config->pipeline_count; i++) {
        const struct config_pipeline *p = &config->pipelines[i];

        for (size_t k = 0; k < p->queue_count; k++) {
            const struct config_queue *q = find_queue(l->config, p->queues[k]);

            if (q && q->from == CONFIG_FROM_STREAM && (p->start != CONFIG_START_TRIM_HORIZON || config->keep_settled_ms < DAY))
                config_problem(l, q->where, "the queue \"%s\": from: stream wants start: trim_horizon and keep_settled of a day or more, so that the ledger "
                               "has what the stream has", q->name);
        }
    }
}

static void check(struct loading *l)
{
    const struct config *config = l->config;

    check_address(l, "listen", config->listen);
    check_address(l, "admin", config->admin);
    if (config->listen_beyond_loopback && !config_loopback(config->listen) && config->access_keys_file == NULL)
        config_problem(l, "listen", "%s: an endpoint beyond loopback wants an access_keys_file (--access-keys-file)", config->listen);
    if (strlen(config->account_id) != 12 || !digits_only(config->account_id))
        config_problem(l, "account_id", "\"%s\": wanted 12 digits", config->account_id);
    if ((config->tls_certificate == NULL) != (config->tls_key == NULL))
        config_problem(l, config->tls_key ? "tls_key" : "tls_certificate", "wants the other one, too: TLS needs tls_certificate and tls_key");
    check_pipelines(l);
    check_targets(l);
    check_beginnings(l);
    check_dead_letter_queues(l);
}

/* The same queue on the same server, as far as their options say. */
static bool same_place(const struct config_queue *a, const struct config_queue *b)
{
    return a->target == CONFIG_TARGET_SQS && b->target == CONFIG_TARGET_SQS &&
           text_equal(a->address ? a->address : a->name, b->address ? b->address : b->name) &&
           text_equal(a->endpoint_url, b->endpoint_url) && text_equal(a->region, b->region);
}

void config_duplicate_warnings(const struct config *config, char *const *places, struct buffer *out)
{
    for (size_t i = 0; i < config->pipeline_count; i++) {
        const struct config_pipeline *p = &config->pipelines[i];

        for (size_t k = 0; k < p->queue_count; k++)
            for (size_t n = 0; n < k; n++) {
                const struct config_queue *a = find_queue(config, p->queues[n]);
                const struct config_queue *b = find_queue(config, p->queues[k]);

                const char *place = a && places ? places[a - config->queues] : NULL;

                if (a && b && (same_place(a, b) || (place && text_equal(place, places[b - config->queues]))))
                    buffer_printf(out, "queues \"%s\" and \"%s\" of stream \"%s\" are one queue there (%s): a record that both get comes twice\n", a->name,
                                  b->name, p->stream, a->address ? a->address : a->name);
            }
    }
}

bool config_needs_sqs(const struct config *config)
{
    for (size_t i = 0; i < config->queue_count; i++)
        if (config->queues[i].target == CONFIG_TARGET_SQS)
            return true;
    return false;
}

/* A link is another name of one ledger: its lock, keys and control socket go by the file's own, so that two processes never have it. */
static bool resolve_ledger(struct loading *l)
{
    struct config *c = l->config;
    struct stat status;
    char *file;

    if (lstat(c->ledger, &status) != 0 || !S_ISLNK(status.st_mode))
        return true;
    file = realpath(c->ledger, NULL);
    if (file == NULL) {
        config_problem(l, "ledger", "%s is a link to what is not there (%s): name the file itself", c->ledger, strerror(errno));
        return false;
    }
    free(c->ledger);
    c->ledger = file;
    return true;
}

bool config_load(struct config *config, const struct command_line *line, const char *(*lookup)(const char *), struct buffer *problems)
{
    struct loading l = {.config = config, .problems = problems};
    char *by_default;

    *config = (struct config){0};
    buffer_reset(problems);
    options_default(&l, SCOPE_TOP, config);
    by_default = memory_strdup(config->ledger);
    if (line->config_file)
        config_read_yaml(&l, line->config_file);
    load_environment(&l, lookup);
    set_flags(&l, line, SCOPE_TOP, config);
    load_pipeline_flags(&l, line);
    check_repeated(&l, line);
    config->ledger_named = !text_equal(config->ledger, by_default);
    config->ledger_named = resolve_ledger(&l) && config->ledger_named;
    free(by_default);
    check(&l);
    return problems->len == 0;
}

void config_fini(struct config *config)
{
    for (size_t i = 0; i < option_count; i++)
        if (options[i].scope == SCOPE_TOP && (options[i].type == OPTION_TEXT || options[i].type == OPTION_ADDRESS))
            free(*(char **)(void *)((char *)config + options[i].offset));
    for (size_t i = 0; i < config->pipeline_count; i++) {
        free(config->pipelines[i].stream);
        free(config->pipelines[i].role_arn);
        free(config->pipelines[i].external_id);
        free(config->pipelines[i].queues);
        free(config->pipelines[i].where);
    }
    free(config->pipelines);
    for (size_t i = 0; i < config->queue_count; i++)
        config_queue_fini(&config->queues[i]);
    free(config->queues);
    *config = (struct config){0};
}

void config_options(void (*each)(void *context, const struct option_text *option), void *context)
{
    static const char *const at_reload[] = {[AT_RELOAD] = "reload", [AT_NEW] = "new", [AT_RESTART] = "restart"};

    for (size_t i = 0; i < option_count; i++) {
        char flag[64];
        size_t len = 0;
        bool queue_name = options[i].scope == SCOPE_QUEUE && strcmp(options[i].name, "name") == 0;

        for (const char *c = queue_name ? "queue" : options[i].name; *c; c++)
            flag[len++] = *c == '_' ? '-' : *c;
        flag[len] = '\0';
        each(context, &(struct option_text){flag, options[i].values, options[i].default_text, at_reload[options[i].reload], options[i].help});
    }
}
