/* SPDX-License-Identifier: Apache-2.0 */
#include "app/selection.h"

#include "base/clock.h"
#include "core/record.h"

#include <stdlib.h>
#include <time.h>

/* "2026-01-31T12:34:56.789Z", as times are shown. The end; NULL: it is none. */
static const char *read_parts(const char *text, struct tm *tm, int *part_ms)
{
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S.", tm);

    if (end == NULL || strspn(end, "0123456789") != 3 || end[3] != 'Z')
        return NULL;
    *part_ms = atoi(end);
    return end + 4;
}

/* strptime takes February's 30th, and blanks for digits: another time than what was meant. */
static bool is_written_so(const char *text, struct tm tm)
{
    time_t seconds = timegm(&tm);
    char day[32];
    char second[32];

    gmtime_r(&seconds, &tm);
    strftime(day, sizeof(day), "%Y-%m-%d", &tm);
    strftime(second, sizeof(second), "T%H:%M:%S", &tm);
    return strncmp(text, day, strlen(day)) == 0 && (strlen(text) == strlen(day) || strncmp(text + strlen(day), second, strlen(second)) == 0);
}

/* "2026-01-31T12:00:00Z", the same with milliseconds, a date alone, or a time ago: 90s, 15m, 2h, 7d. */
static bool read_time(const char *text, int64_t *ms, struct error *err)
{
    static const struct {
        char unit;
        int64_t ms;
    } units[] = {{'s', 1000}, {'m', 60000}, {'h', 3600000}, {'d', 86400000}};
    struct tm tm = {0};
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    char *rest;
    long long amount;
    int part_ms = 0;

    if (end == NULL || *end != '\0')
        end = read_parts(text, &tm, &part_ms);
    if (end == NULL || *end != '\0')
        end = strptime(text, "%Y-%m-%d", &tm);
    if (end && *end == '\0' && is_written_so(text, tm)) {
        *ms = (int64_t)timegm(&tm) * 1000 + part_ms;
        return true;
    }
    amount = strtoll(text, &rest, 10);
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (rest > text && rest[0] == units[i].unit && rest[1] == '\0' && amount > 0 && amount < 100000000) {
            *ms = clock_now().wall_ms - amount * units[i].ms;
            return true;
        }
    }
    return error_set(err, ERROR_USAGE, "\"%s\" is no time: wanted one such as 2026-01-31T12:00:00Z, 2026-01-31, or 2h (ago)", text);
}

bool selection_init(struct selection *s, const struct invocation *in, struct error *err)
{
    const char *since = invocation_flag(in, "since", 0);
    const char *before = invocation_flag(in, "before", 0);
    const char *filter = invocation_flag(in, "filter", 0);

    *s = (struct selection){.in = in, .before_ms = INT64_MAX, .key = invocation_flag(in, "key", 0), .code = invocation_flag(in, "code", 0),
                            .everything = invocation_flag(in, "all", 0) != NULL};
    if ((since && !read_time(since, &s->since_ms, err)) || (before && !read_time(before, &s->before_ms, err)))
        return false;
    if (filter)
        s->filter = filter_new(slice_text(filter), err);
    return filter == NULL || s->filter != NULL;
}

void selection_fini(struct selection *s)
{
    filter_free(s->filter);
    buffer_fini(&s->whole);
    buffer_fini(&s->scratch);
}

bool selection_given(const struct selection *s)
{
    return s->everything || s->key || s->code || s->filter || s->since_ms != 0 || s->before_ms != INT64_MAX;
}

static bool has_key(json_t *record, const char *value)
{
    const char *name;
    json_t *typed;

    json_object_foreach(json_object_get(record, "keys"), name, typed) {
        const char *type;
        json_t *text;

        json_object_foreach(typed, type, text)
            if (json_is_string(text) && strcmp(json_string_value(text), value) == 0)
                return true;
    }
    return false;
}

bool selection_wants(struct selection *s, json_t *record, struct slice body, const char *arn, int64_t at_ms, const char *fault_code)
{
    if (at_ms < s->since_ms || at_ms >= s->before_ms)
        return false;
    if (s->code && strcmp(s->code, fault_code) != 0)
        return false;
    if (s->key && !has_key(record, s->key))
        return false;
    if (s->filter == NULL)
        return true;
    buffer_reset(&s->whole);
    record_lambda_body(&s->whole, body, slice_text(arn));
    return filter_match(s->filter, buffer_slice(&s->whole), &s->scratch) >= 0;
}
