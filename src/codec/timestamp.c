/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/timestamp.h"

#include <time.h>

/* Consumes exactly `count` digits. */
static bool digits(struct slice *s, size_t count, int *out)
{
    *out = 0;
    if (s->len < count)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (s->ptr[i] < '0' || s->ptr[i] > '9')
            return false;
        *out = *out * 10 + (s->ptr[i] - '0');
    }
    *s = slice_after(*s, count);
    return true;
}

static bool symbol(struct slice *s, char byte)
{
    if (s->len == 0 || s->ptr[0] != byte)
        return false;
    *s = slice_after(*s, 1);
    return true;
}

static bool fraction(struct slice *s, int *ms)
{
    int scale = 100;

    *ms = 0;
    if (!symbol(s, '.'))
        return true;
    if (s->len == 0 || s->ptr[0] < '0' || s->ptr[0] > '9')
        return false;
    while (s->len > 0 && s->ptr[0] >= '0' && s->ptr[0] <= '9') {
        *ms += (s->ptr[0] - '0') * scale;
        scale /= 10;
        *s = slice_after(*s, 1);
    }
    return true;
}

static bool offset(struct slice s, int *minutes)
{
    int sign = s.len > 0 && s.ptr[0] == '-' ? -1 : 1;
    int hour;
    int minute;

    *minutes = 0;
    if (slice_is(s, "Z") || slice_is(s, "UTC"))
        return true;
    if (s.len == 0 || (s.ptr[0] != '+' && s.ptr[0] != '-'))
        return false;
    s = slice_after(s, 1);
    if (!digits(&s, 2, &hour))
        return false;
    symbol(&s, ':');
    if (!digits(&s, 2, &minute) || s.len > 0 || hour > 23 || minute > 59)
        return false;
    *minutes = sign * (hour * 60 + minute);
    return true;
}

bool timestamp_parse(struct slice text, int64_t *ms)
{
    struct tm tm = {0};
    struct tm again;
    int minutes;
    int milliseconds;
    time_t at;

    if (!digits(&text, 4, &tm.tm_year) || !symbol(&text, '-') || !digits(&text, 2, &tm.tm_mon) || !symbol(&text, '-') || !digits(&text, 2, &tm.tm_mday) ||
        !symbol(&text, 'T') || !digits(&text, 2, &tm.tm_hour) || !symbol(&text, ':') || !digits(&text, 2, &tm.tm_min) || !symbol(&text, ':') ||
        !digits(&text, 2, &tm.tm_sec) || !fraction(&text, &milliseconds) || !offset(text, &minutes))
        return false;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    again = tm;
    at = timegm(&again); /* normalises what is no date: 31 February becomes March, 24:00 the next day */
    if (again.tm_mon != tm.tm_mon || again.tm_hour != tm.tm_hour || again.tm_min != tm.tm_min || again.tm_sec != tm.tm_sec)
        return false;
    *ms = ((int64_t)at - (int64_t)minutes * 60) * 1000 + milliseconds;
    return true;
}
