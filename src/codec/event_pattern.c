/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/event_internal.h"

#include "base/memory.h"
#include "codec/json.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define PATTERNS_MAX 100

/* A pattern, as the objects that it is when each $or is written out: one of them must match. */
struct pattern {
    struct object **alternatives;
    size_t len;
};

struct filter {
    struct pattern *patterns;
    size_t len;
    void **memory; /* all that was allocated for it */
    size_t memory_len;
};

struct compiler {
    struct filter *filter;
    struct scanner json;
    struct buffer path; /* "dynamodb.NewImage.status" */
    struct error *err;
    bool failed;
};

/* ---- memory ---- */

static void *keep(struct filter *f, void *memory)
{
    f->memory = memory_resize(f->memory, (f->memory_len + 1) * sizeof(*f->memory));
    return f->memory[f->memory_len++] = memory;
}

static void *make(struct filter *f, size_t count, size_t bytes)
{
    return keep(f, memory_zeroed(count > 0 ? count : 1, bytes));
}

void filter_free(struct filter *f)
{
    if (f == NULL)
        return;
    for (size_t i = 0; i < f->memory_len; i++)
        free(f->memory[i]);
    free(f->memory);
    free(f);
}

/* ---- errors ---- */

static void refuse(struct compiler *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void refuse(struct compiler *c, const char *format, ...)
{
    char text[400];
    va_list arguments;

    if (c->failed)
        return;
    c->failed = true;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    error_set(c->err, ERROR_CONFIG, "filter%s%s, byte %zu: %s", c->path.len > 0 ? " at " : "", c->path.len > 0 ? c->path.ptr : "", scan_offset(&c->json),
              text);
    scan_reject(&c->json, "refused");
}

static const char *kind_name(enum scan_kind kind)
{
    static const char *const names[] = {[SCAN_ERROR] = "nothing", [SCAN_OBJECT] = "an object", [SCAN_ARRAY] = "a list", [SCAN_STRING] = "a string",
                                        [SCAN_NUMBER] = "a number", [SCAN_TRUE] = "true", [SCAN_FALSE] = "false", [SCAN_NULL] = "null"};

    return names[kind];
}

static bool want(struct compiler *c, enum scan_kind kind, const char *what)
{
    enum scan_kind found = scan_peek(&c->json);

    if (found == kind)
        return true;
    if (found == SCAN_ERROR)
        refuse(c, "no JSON: %s", c->json.error ? c->json.error : "it ends here");
    else
        refuse(c, "found %s, wanted %s", kind_name(found), what);
    return false;
}

/* ---- values ---- */

static struct slice keep_text(struct compiler *c, struct slice raw)
{
    struct buffer text = {0};
    size_t len;

    if (!json_unescape(&text, raw))
        refuse(c, "a lone surrogate in a string");
    len = text.len;
    return slice_from(keep(c->filter, buffer_take(&text)), len);
}

static struct slice read_string(struct compiler *c, const char *what)
{
    return want(c, SCAN_STRING, what) ? keep_text(c, scan_string(&c->json)) : SLICE("");
}

static struct slice keep_slice(struct compiler *c, struct slice s)
{
    return slice_from(keep(c->filter, slice_dup(s)), s.len);
}

static void need_ascii(struct compiler *c, struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] >= 0x80)
            refuse(c, "equals-ignore-case takes ASCII only here: list the spellings of other letters");
}

static struct matcher simple_matcher(struct compiler *c)
{
    enum scan_kind kind = scan_peek(&c->json);

    if (kind == SCAN_STRING)
        return (struct matcher){.kind = MATCH_TEXT, .text = read_string(c, "a string")};
    if (kind == SCAN_NUMBER)
        return (struct matcher){.kind = MATCH_NUMBER, .text = keep_slice(c, scan_number(&c->json))};
    return (struct matcher){.kind = MATCH_LITERAL, .text = keep_slice(c, scan_skip(&c->json))};
}

/* ---- operators ---- */

static void caseless(struct compiler *c, struct matcher *m)
{
    m->kind = MATCH_CASELESS;
    m->text = read_string(c, "a string");
    need_ascii(c, m->text);
}

/* {"prefix": "a"}, or {"prefix": {"equals-ignore-case": "a"}} */
static void affix(struct compiler *c, struct matcher *m, enum matcher_kind exact, enum matcher_kind without_case)
{
    struct slice name;

    if (scan_peek(&c->json) != SCAN_OBJECT) {
        m->kind = exact;
        m->text = read_string(c, "a string, or {\"equals-ignore-case\": a string}");
        return;
    }
    m->kind = without_case;
    scan_object_begin(&c->json);
    while (scan_member(&c->json, &name)) {
        if (!json_raw_equal(name, "equals-ignore-case") || slice_present(m->text))
            refuse(c, "\"%.*s\" is not allowed here: wanted equals-ignore-case alone", SLICE_ARG(name));
        m->text = read_string(c, "a string");
        need_ascii(c, m->text);
    }
    if (!slice_present(m->text))
        refuse(c, "an empty object: wanted equals-ignore-case");
}

static void prefix(struct compiler *c, struct matcher *m)
{
    affix(c, m, MATCH_PREFIX, MATCH_PREFIX_CASELESS);
}

static void suffix(struct compiler *c, struct matcher *m)
{
    affix(c, m, MATCH_SUFFIX, MATCH_SUFFIX_CASELESS);
}

static void wildcard(struct compiler *c, struct matcher *m)
{
    m->kind = MATCH_WILDCARD;
    m->text = read_string(c, "a string");
    for (size_t i = 0; i < m->text.len; i++) {
        if (m->text.ptr[i] == '\\') {
            i++;
            if (i == m->text.len || (m->text.ptr[i] != '*' && m->text.ptr[i] != '\\'))
                refuse(c, "a backslash in a wildcard stands before * or \\");
        } else if (m->text.ptr[i] == '*' && i + 1 < m->text.len && m->text.ptr[i + 1] == '*') {
            refuse(c, "two * in a row");
        }
    }
}

static void exists(struct compiler *c, struct matcher *m)
{
    enum scan_kind kind = scan_peek(&c->json);

    if (kind != SCAN_TRUE && kind != SCAN_FALSE) {
        refuse(c, "found %s, wanted true or false", kind_name(kind));
        return;
    }
    m->kind = scan_bool(&c->json) ? MATCH_EXISTS : MATCH_ABSENT;
}

static void cidr(struct compiler *c, struct matcher *m)
{
    struct slice text = read_string(c, "an address range such as 10.0.0.0/24");
    size_t slash = slice_index(text, '/');
    char address[64];
    uint64_t bits;

    m->kind = MATCH_CIDR;
    if (slash == text.len || slash >= sizeof(address) || !slice_to_u64(slice_after(text, slash + 1), &bits)) {
        refuse(c, "\"%.*s\" is no address range: wanted one such as 10.0.0.0/24", SLICE_ARG(text));
        return;
    }
    memcpy(address, text.ptr, slash);
    address[slash] = '\0';
    m->address_bytes = inet_pton(AF_INET, address, m->address) == 1 ? 4 : inet_pton(AF_INET6, address, m->address) == 1 ? 16 : 0;
    if (m->address_bytes == 0 || bits > (uint64_t)m->address_bytes * 8)
        refuse(c, "\"%.*s\" is no address range: wanted one such as 10.0.0.0/24", SLICE_ARG(text));
    m->prefix_bits = (int)(bits & 0xff);
}

/* {"numeric": [">", 0, "<=", 100]}; "=" stands alone. */
static void numeric(struct compiler *c, struct matcher *m)
{
    int pairs = 0;

    m->kind = MATCH_RANGE;
    if (!want(c, SCAN_ARRAY, "a list such as [\">\", 0, \"<=\", 100]"))
        return;
    scan_array_begin(&c->json);
    while (scan_element(&c->json)) {
        struct slice sign = read_string(c, "one of <, <=, =, >, >=");
        struct slice number;
        bool least = sign.len > 0 && sign.ptr[0] == '>';
        bool included = slice_is(sign, "=") || slice_ends_with(sign, SLICE("="));

        if (!slice_is(sign, "<") && !slice_is(sign, "<=") && !slice_is(sign, "=") && !slice_is(sign, ">") && !slice_is(sign, ">="))
            refuse(c, "\"%.*s\": wanted one of <, <=, =, >, >=", SLICE_ARG(sign));
        if (c->failed || !scan_element(&c->json) || !want(c, SCAN_NUMBER, "a number"))
            break;
        number = keep_slice(c, scan_number(&c->json));
        if (++pairs > 2 || slice_present(least ? m->least : m->most) || (slice_is(sign, "=") && pairs > 1)) {
            refuse(c, "bounds that do not go together: wanted one lower and one upper, or = alone");
            break;
        }
        if (least || slice_is(sign, "=")) {
            m->least = number;
            m->least_included = included;
        }
        if (!least) {
            m->most = number;
            m->most_included = included;
        }
    }
    if (pairs == 0)
        refuse(c, "no bounds: wanted a list such as [\">\", 0, \"<=\", 100]");
    if (!c->failed && slice_present(m->least) && slice_present(m->most) && number_compare(m->least, m->most) > 0)
        refuse(c, "the lower bound is above the upper one: nothing would ever match");
}

static void add_inner(struct compiler *c, struct matcher *m, struct matcher inner)
{
    struct matcher *larger = make(c->filter, m->inner_count + 1, sizeof(*larger));

    if (m->inner_count > 0)
        memcpy(larger, m->inner, m->inner_count * sizeof(*larger));
    larger[m->inner_count++] = inner;
    m->inner = larger;
}

/* Strings or numbers, not both (as Event Ruler wants it). */
static void add_value(struct compiler *c, struct matcher *m)
{
    enum scan_kind kind = scan_peek(&c->json);

    if (kind != SCAN_STRING && kind != SCAN_NUMBER) {
        refuse(c, "found %s, wanted a string or a number", kind_name(kind));
        return;
    }
    if (m->inner_count > 0 && (m->inner[0].kind == MATCH_TEXT) != (kind == SCAN_STRING)) {
        refuse(c, "strings and numbers in one anything-but");
        return;
    }
    add_inner(c, m, simple_matcher(c));
}

static void each_value(struct compiler *c, struct matcher *m, void (*add)(struct compiler *c, struct matcher *m))
{
    size_t before = m->inner_count;

    if (scan_peek(&c->json) != SCAN_ARRAY) {
        add(c, m);
        return;
    }
    scan_array_begin(&c->json);
    while (scan_element(&c->json) && !c->failed)
        add(c, m);
    if (m->inner_count == before)
        refuse(c, "an empty list");
}

static void add_prefix(struct compiler *c, struct matcher *m)
{
    struct matcher inner = {.kind = MATCH_PREFIX, .text = read_string(c, "a string")};

    add_inner(c, m, inner);
}

static void add_suffix(struct compiler *c, struct matcher *m)
{
    struct matcher inner = {.kind = MATCH_SUFFIX, .text = read_string(c, "a string")};

    add_inner(c, m, inner);
}

static void add_caseless(struct compiler *c, struct matcher *m)
{
    struct matcher inner = {0};

    caseless(c, &inner);
    add_inner(c, m, inner);
}

static void add_wildcard(struct compiler *c, struct matcher *m)
{
    struct matcher inner = {0};

    wildcard(c, &inner);
    add_inner(c, m, inner);
}

static void anything_but(struct compiler *c, struct matcher *m)
{
    static const struct {
        const char *name;
        void (*add)(struct compiler *c, struct matcher *m);
    } nested[] = {{"prefix", add_prefix}, {"suffix", add_suffix}, {"equals-ignore-case", add_caseless}, {"wildcard", add_wildcard}};
    struct slice name;
    size_t at;

    m->kind = MATCH_ANYTHING_BUT;
    if (scan_peek(&c->json) != SCAN_OBJECT) {
        each_value(c, m, add_value);
        return;
    }
    scan_object_begin(&c->json);
    while (scan_member(&c->json, &name) && !c->failed) {
        for (at = 0; at < sizeof(nested) / sizeof(nested[0]) && !json_raw_equal(name, nested[at].name); at++)
            continue;
        if (at == sizeof(nested) / sizeof(nested[0]) || m->inner_count > 0)
            refuse(c, "\"%.*s\" in anything-but: wanted one of prefix, suffix, equals-ignore-case, wildcard", SLICE_ARG(name));
        else
            each_value(c, m, nested[at].add);
    }
    if (m->inner_count == 0)
        refuse(c, "an empty anything-but");
}

static const struct {
    const char *name;
    void (*compile)(struct compiler *c, struct matcher *m);
} operators[] = {
    {"prefix", prefix}, {"suffix", suffix}, {"anything-but", anything_but}, {"numeric", numeric}, {"exists", exists},
    {"equals-ignore-case", caseless}, {"wildcard", wildcard}, {"cidr", cidr},
};
#define OPERATOR_COUNT (sizeof(operators) / sizeof(operators[0]))

static struct matcher operator_matcher(struct compiler *c)
{
    struct matcher m = {0};
    struct slice name;
    size_t count = 0;

    scan_object_begin(&c->json);
    while (scan_member(&c->json, &name) && !c->failed) {
        size_t at = 0;

        while (at < OPERATOR_COUNT && !json_raw_equal(name, operators[at].name))
            at++;
        if (at == OPERATOR_COUNT)
            refuse(c, "unknown operator \"%.*s\": wanted one of prefix, suffix, anything-but, numeric, exists, equals-ignore-case, wildcard, cidr",
                   SLICE_ARG(name));
        else if (count++ > 0)
            refuse(c, "two operators in one object: list them as two objects");
        else
            operators[at].compile(c, &m);
    }
    if (count == 0)
        refuse(c, "an empty object where an operator was wanted");
    return m;
}

/* ---- fields ---- */

static struct leaf *compile_leaf(struct compiler *c)
{
    struct leaf *leaf = make(c->filter, 1, sizeof(*leaf));
    struct matcher *list = NULL;

    scan_array_begin(&c->json);
    while (scan_element(&c->json) && !c->failed) {
        enum scan_kind kind = scan_peek(&c->json);

        if (kind == SCAN_ARRAY) {
            refuse(c, "a list in a list");
            break;
        }
        list = memory_resize(list, (leaf->len + 1) * sizeof(*list));
        list[leaf->len] = kind == SCAN_OBJECT ? operator_matcher(c) : simple_matcher(c);
        leaf->absent = leaf->absent || list[leaf->len].kind == MATCH_ABSENT;
        leaf->len++;
    }
    if (leaf->len == 0)
        refuse(c, "an empty list: nothing would ever match");
    leaf->matchers = list ? keep(c->filter, list) : NULL;
    return leaf;
}

static struct object *compile_object(struct compiler *c);

/* "$or": [{...}, {...}]; with anything else in it, $or is a field's name (as in Event Ruler). */
static bool is_or(struct scanner json)
{
    size_t count = 0;

    if (scan_peek(&json) != SCAN_ARRAY)
        return false;
    scan_array_begin(&json);
    while (scan_element(&json)) {
        struct scanner element = json;
        struct slice name;

        if (scan_peek(&json) != SCAN_OBJECT)
            return false;
        scan_object_begin(&element);
        while (scan_member(&element, &name)) {
            for (size_t i = 0; i < OPERATOR_COUNT; i++)
                if (json_raw_equal(name, operators[i].name))
                    return false;
            scan_skip(&element);
        }
        scan_skip(&json);
        count++;
    }
    return count >= 2;
}

static void compile_or(struct compiler *c, struct object *o)
{
    struct alternatives *ors = make(c->filter, o->or_count + 1, sizeof(*ors));
    struct alternatives *or = &ors[o->or_count];

    if (o->or_count > 0)
        memcpy(ors, o->ors, o->or_count * sizeof(*ors));
    o->ors = ors;
    o->or_count++;
    scan_array_begin(&c->json);
    while (scan_element(&c->json) && !c->failed) {
        struct object **larger = make(c->filter, or->len + 1, sizeof(*larger));

        if (or->len > 0)
            memcpy(larger, or->list, or->len * sizeof(*larger));
        larger[or->len] = compile_object(c);
        or->list = larger;
        or->len++;
    }
}

static void add_field(struct compiler *c, struct object *o, struct field field)
{
    struct field *larger;

    if (o->len == EVENT_FIELDS_MAX) {
        refuse(c, "more than %d fields in one object", EVENT_FIELDS_MAX);
        return;
    }
    larger = make(c->filter, o->len + 1, sizeof(*larger));
    if (o->len > 0)
        memcpy(larger, o->fields, o->len * sizeof(*larger));
    larger[o->len++] = field;
    o->fields = larger;
}

static void compile_field(struct compiler *c, struct object *o, struct slice raw)
{
    struct field field = {.name = keep_text(c, raw)};
    enum scan_kind kind = scan_peek(&c->json);
    size_t path_len = c->path.len;

    for (size_t i = 0; i < o->len; i++)
        if (slice_equal(o->fields[i].name, field.name))
            refuse(c, "the field \"%.*s\" stands here twice", SLICE_ARG(field.name));
    if (path_len > 0)
        buffer_append_byte(&c->path, '.');
    buffer_append(&c->path, slice_from(field.name.ptr, field.name.len < 60 ? field.name.len : 60));
    if (kind == SCAN_OBJECT)
        field.object = compile_object(c);
    else if (kind == SCAN_ARRAY)
        field.leaf = compile_leaf(c);
    else
        refuse(c, "found %s, wanted a list of values (such as [\"PAID\"]), or an object", kind_name(kind));
    if (c->failed)
        return;
    c->path.len = path_len;
    c->path.ptr[path_len] = '\0';
    add_field(c, o, field);
}

static struct object *compile_object(struct compiler *c)
{
    struct object *o = make(c->filter, 1, sizeof(*o));
    struct slice name;

    if (!want(c, SCAN_OBJECT, "an object"))
        return o;
    scan_object_begin(&c->json);
    while (scan_member(&c->json, &name) && !c->failed) {
        if (json_raw_equal(name, "$or") && is_or(c->json))
            compile_or(c, o);
        else
            compile_field(c, o, name);
    }
    if (!c->failed && !scan_failed(&c->json) && o->len + o->or_count == 0)
        refuse(c, "an empty pattern: leave the filter away to get every record");
    return o;
}

/* ---- writing out $or ---- */

struct list {
    struct object **objects;
    size_t len;
};

static struct list expand(struct compiler *c, const struct object *o);

static void list_add(struct compiler *c, struct list *list, struct object *o)
{
    struct object **larger;

    if (list->len == EVENT_ALTERNATIVES_MAX) {
        refuse(c, "too many combinations of $or: more than %d", EVENT_ALTERNATIVES_MAX);
        return;
    }
    larger = make(c->filter, list->len + 1, sizeof(*larger));
    if (list->len > 0)
        memcpy(larger, list->objects, list->len * sizeof(*larger));
    larger[list->len++] = o;
    list->objects = larger;
}

static struct object *both(struct compiler *c, const struct object *a, const struct object *b);

/* A field of the same name that is an object in both becomes one, so that both speak of the same element of a list. */
static void merge_field(struct compiler *c, struct object *into, const struct field *field)
{
    for (size_t i = 0; i < into->len; i++) {
        if (!slice_equal(into->fields[i].name, field->name))
            continue;
        if (!into->fields[i].object && !field->object) /* Event Ruler keeps one of the two, which nobody would expect */
            refuse(c, "the field \"%.*s\" stands both in $or and beside it: name it in each alternative", SLICE_ARG(field->name));
        if (!into->fields[i].object || !field->object)
            continue;
        into->fields[i].object = both(c, into->fields[i].object, field->object);
        return;
    }
    add_field(c, into, *field);
}

static struct object *both(struct compiler *c, const struct object *a, const struct object *b)
{
    struct object *out = make(c->filter, 1, sizeof(*out));

    for (size_t i = 0; i < a->len; i++)
        add_field(c, out, a->fields[i]);
    for (size_t i = 0; i < b->len; i++)
        merge_field(c, out, &b->fields[i]);
    return out;
}

/* Each of the one with each of the other. */
static struct list cross(struct compiler *c, struct list a, struct list b)
{
    struct list out = {0};

    for (size_t i = 0; i < a.len && !c->failed; i++)
        for (size_t k = 0; k < b.len && !c->failed; k++)
            list_add(c, &out, both(c, a.objects[i], b.objects[k]));
    return out;
}

static struct list expand_field(struct compiler *c, const struct field *field)
{
    struct list out = {0};
    struct list inner = {0};

    if (field->object)
        inner = expand(c, field->object);
    for (size_t i = 0; i < (field->leaf ? 1 : inner.len); i++) {
        struct object *o = make(c->filter, 1, sizeof(*o));

        add_field(c, o, (struct field){field->name, field->leaf, field->leaf ? NULL : inner.objects[i]});
        list_add(c, &out, o);
    }
    return out;
}

static struct list expand(struct compiler *c, const struct object *o)
{
    struct list out = {0};

    list_add(c, &out, make(c->filter, 1, sizeof(struct object)));
    for (size_t i = 0; i < o->len && !c->failed; i++)
        out = cross(c, out, expand_field(c, &o->fields[i]));
    for (size_t i = 0; i < o->or_count && !c->failed; i++) {
        struct list any = {0};

        for (size_t k = 0; k < o->ors[i].len; k++) {
            struct list one = expand(c, o->ors[i].list[k]);

            for (size_t n = 0; n < one.len; n++)
                list_add(c, &any, one.objects[n]);
        }
        out = cross(c, out, any);
    }
    return out;
}

/* What may, or must, be absent below each object. */
static void judge_absence(struct object *o)
{
    o->absent = o->only_absences = true;
    for (size_t i = 0; i < o->len; i++) {
        struct field *f = &o->fields[i];

        if (f->object) {
            judge_absence(f->object);
            o->absent = o->absent && f->object->absent;
            o->only_absences = o->only_absences && f->object->only_absences;
            continue;
        }
        o->absent = o->absent && f->leaf->absent;
        o->only_absences = o->only_absences && f->leaf->absent && f->leaf->len == 1;
    }
}

/* ---- filters ---- */

static void add_pattern(struct compiler *c, struct list alternatives)
{
    struct filter *f = c->filter;
    struct pattern *larger;

    if (f->len == PATTERNS_MAX) {
        refuse(c, "more than %d patterns", PATTERNS_MAX);
        return;
    }
    larger = make(f, f->len + 1, sizeof(*larger));
    if (f->len > 0)
        memcpy(larger, f->patterns, f->len * sizeof(*larger));
    larger[f->len++] = (struct pattern){alternatives.objects, alternatives.len};
    f->patterns = larger;
    for (size_t i = 0; i < alternatives.len; i++)
        judge_absence(alternatives.objects[i]);
}

static void compile_pattern(struct compiler *c)
{
    struct object *o = compile_object(c);

    if (!c->failed && !scan_failed(&c->json))
        add_pattern(c, expand(c, o));
}

/* A pattern as Lambda has it: JSON as a text in JSON. */
static void compile_quoted(struct compiler *c)
{
    struct scanner outer;
    struct slice text = read_string(c, "a pattern");

    if (c->failed)
        return;
    outer = c->json;
    scan_init(&c->json, text);
    compile_pattern(c);
    if (!c->failed && !scan_end(&c->json))
        refuse(c, "the pattern's text is no JSON: %s", c->json.error ? c->json.error : "something follows it");
    if (!c->failed)
        c->json = outer;
}

static void compile_listed(struct compiler *c)
{
    if (scan_peek(&c->json) == SCAN_STRING)
        compile_quoted(c);
    else
        compile_pattern(c);
}

/* {"Pattern": ...} */
static void compile_criterion(struct compiler *c)
{
    struct slice name;
    size_t count = 0;

    if (!want(c, SCAN_OBJECT, "{\"Pattern\": ...}"))
        return;
    scan_object_begin(&c->json);
    while (scan_member(&c->json, &name) && !c->failed) {
        if (!json_raw_equal(name, "Pattern") || count++ > 0)
            refuse(c, "\"%.*s\" in an element of Filters: wanted Pattern alone", SLICE_ARG(name));
        else
            compile_listed(c);
    }
    if (count == 0)
        refuse(c, "an element of Filters without a Pattern");
}

static void compile_all(struct compiler *c, void (*one)(struct compiler *c))
{
    if (!want(c, SCAN_ARRAY, "a list of patterns"))
        return;
    scan_array_begin(&c->json);
    while (scan_element(&c->json) && !c->failed)
        one(c);
    if (c->filter->len == 0)
        refuse(c, "an empty list of patterns");
}

static bool is_criteria(struct scanner json)
{
    struct slice name;

    if (scan_peek(&json) != SCAN_OBJECT)
        return false;
    scan_object_begin(&json);
    return scan_member(&json, &name) && json_raw_equal(name, "Filters");
}

static void compile_filter(struct compiler *c)
{
    struct slice name;

    if (is_criteria(c->json)) {
        scan_object_begin(&c->json);
        scan_member(&c->json, &name);
        compile_all(c, compile_criterion);
        if (!c->failed && scan_member(&c->json, &name))
            refuse(c, "\"%.*s\" beside Filters", SLICE_ARG(name));
    } else if (scan_peek(&c->json) == SCAN_ARRAY) {
        compile_all(c, compile_listed);
    } else {
        compile_listed(c);
    }
}

static bool is_capital(struct slice name)
{
    return name.len > 0 && name.ptr[0] >= 'A' && name.ptr[0] <= 'Z';
}

/* Of a whole event source mapping, as Lambda's API tells it, its FilterCriteria; anything else as it is. The names of a mapping begin with a capital letter,
 * and those of a record do not: where both stand, it is a pattern. */
static struct slice criteria_in(struct compiler *c, struct slice json)
{
    struct slice criteria = SLICE_NONE;
    struct slice name;
    struct scanner j;
    bool mapping = false;
    bool list = false;
    bool pattern = false;

    scan_init(&j, json);
    if (scan_peek(&j) != SCAN_OBJECT)
        return json;
    scan_object_begin(&j);
    while (scan_member(&j, &name)) {
        bool found = json_raw_equal(name, "FilterCriteria") && scan_peek(&j) == SCAN_OBJECT;
        struct slice value = scan_skip(&j);

        criteria = found ? value : criteria;
        mapping = mapping || json_raw_equal(name, "EventSourceArn");
        list = list || json_raw_equal(name, "EventSourceMappings");
        pattern = pattern || !is_capital(name) || json_raw_equal(name, "Filters");
    }
    if (pattern)
        return json;
    if (!scan_end(&j)) {
        c->json = j; /* with the place */
        refuse(c, "no JSON: %s", j.error);
        return json;
    }
    scan_init(&j, criteria);
    if (list)
        refuse(c, "a list of event source mappings: give one of them");
    else if (mapping && !slice_present(criteria))
        refuse(c, "this event source mapping has no FilterCriteria: every record passes, so no filter is wanted");
    else if (slice_present(criteria) && !is_criteria(j))
        refuse(c, "FilterCriteria without Filters");
    return slice_present(criteria) ? criteria : json;
}

struct filter *filter_new(struct slice json, struct error *err)
{
    struct compiler c = {.filter = memory_zeroed(1, sizeof(struct filter)), .err = err};
    struct slice criteria;

    scan_init(&c.json, json);
    criteria = criteria_in(&c, json);
    if (!c.failed && criteria.ptr != json.ptr) {
        scan_init(&c.json, criteria);
        c.json.start = json.ptr; /* places in error texts are those of the whole */
    }
    if (!c.failed)
        compile_filter(&c);
    if (!c.failed && !scan_end(&c.json))
        refuse(&c, "no JSON: %s", c.json.error ? c.json.error : "something follows it");
    buffer_fini(&c.path);
    if (!c.failed)
        return c.filter;
    filter_free(c.filter);
    return NULL;
}

int filter_match(const struct filter *f, struct slice event, struct buffer *scratch)
{
    for (size_t i = 0; i < f->len; i++)
        for (size_t k = 0; k < f->patterns[i].len; k++)
            if (object_match(f->patterns[i].alternatives[k], event, scratch))
                return (int)i;
    return -1;
}

size_t filter_count(const struct filter *f)
{
    return f->len;
}

bool filter_asks_for(const struct filter *f, const char *name)
{
    for (size_t i = 0; i < f->len; i++)
        for (size_t k = 0; k < f->patterns[i].len; k++)
            for (size_t n = 0; n < f->patterns[i].alternatives[k]->len; n++)
                if (slice_is(f->patterns[i].alternatives[k]->fields[n].name, name))
                    return true;
    return false;
}
