/* SPDX-License-Identifier: Apache-2.0
 *
 * The event is walked once for each alternative of a pattern: each member of an object is looked up among the fields, and skipped if none asks for it.
 */
#include "codec/event_internal.h"
#include "codec/json.h"

#include <arpa/inet.h>

/* ---- numbers ---- */

/* digits without leading and trailing zeros, and the power of ten of the first one. */
struct decimal {
    bool negative;
    struct slice whole;    /* digits before the point */
    struct slice fraction; /* and behind it */
    int64_t exponent;
};

#define EXPONENT_MAX INT64_C(1000000000)

static int64_t read_exponent(struct slice text)
{
    bool negative = text.len > 0 && text.ptr[0] == '-';
    int64_t value = 0;

    for (size_t i = text.len > 0 && (text.ptr[0] == '-' || text.ptr[0] == '+'); i < text.len && value < EXPONENT_MAX; i++)
        value = value * 10 + (text.ptr[i] - '0');
    return negative ? -value : value;
}

static struct decimal read_decimal(struct slice text)
{
    struct decimal d = {.negative = text.len > 0 && text.ptr[0] == '-'};
    size_t at = d.negative;
    size_t start = at;

    while (at < text.len && text.ptr[at] >= '0' && text.ptr[at] <= '9')
        at++;
    d.whole = slice_from(text.ptr + start, at - start);
    if (at < text.len && text.ptr[at] == '.') {
        start = ++at;
        while (at < text.len && text.ptr[at] >= '0' && text.ptr[at] <= '9')
            at++;
        d.fraction = slice_from(text.ptr + start, at - start);
    }
    if (at < text.len)
        d.exponent = read_exponent(slice_after(text, at + 1));
    return d;
}

static char digit_at(const struct decimal *d, size_t at)
{
    if (at < d->whole.len)
        return d->whole.ptr[at];
    at -= d->whole.len;
    return at < d->fraction.len ? d->fraction.ptr[at] : '0';
}

static size_t digits_of(const struct decimal *d)
{
    return d->whole.len + d->fraction.len;
}

/* The place of the first digit that is not 0; digits_of(): it is zero. */
static size_t first_digit(const struct decimal *d)
{
    size_t at = 0;

    while (at < digits_of(d) && digit_at(d, at) == '0')
        at++;
    return at;
}

static int compare_sizes(const struct decimal *a, const struct decimal *b)
{
    size_t first_a = first_digit(a);
    size_t first_b = first_digit(b);
    bool zero_a = first_a == digits_of(a);
    bool zero_b = first_b == digits_of(b);
    int64_t power_a = (int64_t)a->whole.len - (int64_t)first_a + a->exponent;
    int64_t power_b = (int64_t)b->whole.len - (int64_t)first_b + b->exponent;

    if (zero_a || zero_b)
        return zero_b - zero_a;
    if (power_a != power_b)
        return power_a < power_b ? -1 : 1;
    for (size_t i = 0; first_a + i < digits_of(a) || first_b + i < digits_of(b); i++) {
        int difference = digit_at(a, first_a + i) - digit_at(b, first_b + i);

        if (difference != 0)
            return difference;
    }
    return 0;
}

int number_compare(struct slice left, struct slice right)
{
    struct decimal a = read_decimal(left);
    struct decimal b = read_decimal(right);

    if (first_digit(&a) == digits_of(&a))
        a.negative = false; /* -0 */
    if (first_digit(&b) == digits_of(&b))
        b.negative = false;
    if (a.negative != b.negative)
        return a.negative ? -1 : 1;
    return a.negative ? -compare_sizes(&a, &b) : compare_sizes(&a, &b);
}

/* ---- texts ---- */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static bool equal_caseless(struct slice a, struct slice b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (lower(a.ptr[i]) != lower(b.ptr[i]))
            return false;
    return true;
}

static struct slice beginning(struct slice s, size_t len)
{
    return s.len < len ? s : slice_from(s.ptr, len);
}

static struct slice ending(struct slice s, size_t len)
{
    return s.len < len ? s : slice_after(s, s.len - len);
}

/* '*' is any text; "\*" and "\\" are themselves. Goes back to the last star only, so its cost is bounded by the product of the lengths. */
static bool wildcard_match(struct slice pattern, struct slice text)
{
    size_t p = 0;
    size_t t = 0;
    size_t star = SIZE_MAX;
    size_t star_text = 0;

    while (t < text.len || p < pattern.len) {
        bool escaped = p < pattern.len && pattern.ptr[p] == '\\';
        size_t at = p + escaped;

        if (p < pattern.len && !escaped && pattern.ptr[p] == '*') {
            star = ++p;
            star_text = t;
        } else if (t < text.len && at < pattern.len && pattern.ptr[at] == text.ptr[t]) {
            p = at + 1;
            t++;
        } else if (star != SIZE_MAX && star_text < text.len) {
            p = star;
            t = ++star_text;
        } else {
            return false;
        }
    }
    return true;
}

static bool in_network(const struct matcher *m, struct slice text)
{
    unsigned char address[16];
    char copy[64];
    int bits = m->prefix_bits;

    if (text.len >= sizeof(copy))
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    if (strlen(copy) != text.len || inet_pton(m->address_bytes == 4 ? AF_INET : AF_INET6, copy, address) != 1)
        return false;
    for (int i = 0; bits > 0; i++, bits -= 8) {
        unsigned mask = bits >= 8 ? 0xff : 0xff & (0xffu << (8 - bits));

        if (((unsigned)address[i] ^ m->address[i]) & mask)
            return false;
    }
    return true;
}

/* ---- one value ---- */

struct value {
    enum scan_kind kind;
    struct slice text; /* a string decoded; a number or literal as it stands */
};

static bool in_range(const struct matcher *m, struct slice number)
{
    int least = slice_present(m->least) ? number_compare(number, m->least) : 1;
    int most = slice_present(m->most) ? number_compare(number, m->most) : -1;

    return (least > 0 || (least == 0 && m->least_included)) && (most < 0 || (most == 0 && m->most_included));
}

static bool value_matches(const struct matcher *m, const struct value *v)
{
    bool text = v->kind == SCAN_STRING;

    switch (m->kind) {
    case MATCH_TEXT:
        return text && slice_equal(v->text, m->text);
    case MATCH_NUMBER:
        return v->kind == SCAN_NUMBER && number_compare(v->text, m->text) == 0;
    case MATCH_LITERAL:
        return !text && v->kind != SCAN_NUMBER && slice_equal(v->text, m->text);
    case MATCH_PREFIX:
        return text && slice_starts_with(v->text, m->text);
    case MATCH_PREFIX_CASELESS:
        return text && equal_caseless(beginning(v->text, m->text.len), m->text);
    case MATCH_SUFFIX:
        return text && slice_ends_with(v->text, m->text);
    case MATCH_SUFFIX_CASELESS:
        return text && equal_caseless(ending(v->text, m->text.len), m->text);
    case MATCH_CASELESS:
        return text && equal_caseless(v->text, m->text);
    case MATCH_WILDCARD:
        return text && wildcard_match(m->text, v->text);
    case MATCH_RANGE:
        return v->kind == SCAN_NUMBER && in_range(m, v->text);
    case MATCH_CIDR:
        return text && in_network(m, v->text);
    case MATCH_EXISTS:
        return true;
    case MATCH_ABSENT:
        return false;
    case MATCH_ANYTHING_BUT:
        for (size_t i = 0; i < m->inner_count; i++)
            if (value_matches(&m->inner[i], v))
                return false;
        return true;
    }
    return false;
}

/* ---- fields ---- */

struct walk {
    struct scanner json;
    struct buffer *scratch;
};

static struct value read_value(struct walk *w)
{
    struct value v = {.kind = scan_peek(&w->json)};

    if (v.kind != SCAN_STRING) {
        v.text = scan_skip(&w->json);
        return v;
    }
    v.text = scan_string(&w->json);
    if (slice_index(v.text, '\\') == v.text.len)
        return v;
    buffer_reset(w->scratch);
    json_unescape(w->scratch, v.text);
    v.text = buffer_slice(w->scratch);
    return v;
}

/* *there: a value stands here that is no object and no empty list. */
static bool leaf_matches(struct walk *w, const struct leaf *leaf, bool *there)
{
    enum scan_kind kind = scan_peek(&w->json);
    struct value v;
    bool found = false;

    if (kind == SCAN_OBJECT) {
        scan_skip(&w->json);
        return false;
    }
    if (kind == SCAN_ARRAY) {
        scan_array_begin(&w->json);
        while (scan_element(&w->json))
            found = leaf_matches(w, leaf, there) || found;
        return found;
    }
    *there = true;
    v = read_value(w);
    if (scan_failed(&w->json)) /* a malformed event matches nothing: object_match sees to that */
        return false;
    for (size_t i = 0; i < leaf->len && !found; i++)
        found = value_matches(&leaf->matchers[i], &v);
    return found;
}

static bool members_match(struct walk *w, const struct object *o);

/* *there: an object stands here, alone or in a list. In a list one element has to match; of fields that must not be there, all elements have none. */
static bool object_matches(struct walk *w, const struct object *o, bool *there)
{
    enum scan_kind kind = scan_peek(&w->json);
    bool one = false;
    bool all = true;

    if (kind == SCAN_OBJECT) {
        *there = true;
        return members_match(w, o);
    }
    if (kind != SCAN_ARRAY) {
        scan_skip(&w->json);
        return false;
    }
    scan_array_begin(&w->json);
    while (scan_element(&w->json)) {
        bool element = false;
        bool matches = object_matches(w, o, &element);

        if (!element)
            continue;
        *there = true;
        one = one || matches;
        all = all && matches;
    }
    return o->only_absences ? all : one;
}

static bool field_matches(struct walk *w, const struct field *f)
{
    bool there = false;
    bool matches = f->leaf ? leaf_matches(w, f->leaf, &there) : object_matches(w, f->object, &there);

    return there ? matches : f->leaf ? f->leaf->absent : f->object->absent;
}

static bool name_is(struct walk *w, struct slice raw, struct slice name)
{
    if (slice_index(raw, '\\') == raw.len)
        return slice_equal(raw, name);
    buffer_reset(w->scratch);
    json_unescape(w->scratch, raw);
    return slice_equal(buffer_slice(w->scratch), name);
}

static bool members_match(struct walk *w, const struct object *o)
{
    bool seen[EVENT_FIELDS_MAX] = {false};
    bool good = true;
    struct slice name;

    scan_object_begin(&w->json);
    while (scan_member(&w->json, &name)) {
        struct scanner before = w->json;
        bool consumed = false;

        for (size_t i = 0; i < o->len && good; i++) {
            if (!name_is(w, name, o->fields[i].name))
                continue;
            if (consumed) /* a second field of that name: the value once more */
                w->json = before;
            consumed = seen[i] = true;
            good = field_matches(w, &o->fields[i]);
        }
        if (!consumed)
            scan_skip(&w->json);
    }
    for (size_t i = 0; i < o->len && good; i++)
        if (!seen[i])
            good = o->fields[i].leaf ? o->fields[i].leaf->absent : o->fields[i].object->absent;
    return good;
}

bool object_match(const struct object *o, struct slice event, struct buffer *scratch)
{
    struct walk w = {.scratch = scratch};
    bool matches;

    scan_init(&w.json, event);
    if (scan_peek(&w.json) != SCAN_OBJECT)
        return false;
    matches = members_match(&w, o);
    return scan_end(&w.json) && matches;
}
