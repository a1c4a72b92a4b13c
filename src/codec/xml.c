/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/xml.h"

#include "base/utf8.h"

static enum xml_event reject(struct xml *x, const char *error)
{
    if (x->error == NULL)
        x->error = error;
    return XML_ERROR;
}

void xml_init(struct xml *x, struct slice document)
{
    if (!slice_present(document))
        document = SLICE("");
    *x = (struct xml){.at = document.ptr, .end = document.ptr + document.len};
    if (!utf8_valid(slice_from(x->at, (size_t)(x->end - x->at))))
        reject(x, "not UTF-8");
    if (slice_starts_with(slice_from(x->at, (size_t)(x->end - x->at)), SLICE("\xef\xbb\xbf")))
        x->at += 3; /* a byte order mark */
}

static struct slice rest(const struct xml *x)
{
    return slice_from(x->at, (size_t)(x->end - x->at));
}

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool name_byte(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == ':' || c == '-' || c == '.' || (c & 0x80);
}

static void skip_blanks(struct xml *x)
{
    while (x->at < x->end && blank(*x->at))
        x->at++;
}

static struct slice take_name(struct xml *x)
{
    const char *start = x->at;

    while (x->at < x->end && name_byte(*x->at))
        x->at++;
    return slice_from(start, (size_t)(x->at - start));
}

/* Moves behind `mark`; false: it does not come. *inside: what stood before it. */
static bool pass(struct xml *x, const char *mark, struct slice *inside)
{
    size_t len = strlen(mark);
    const char *hit = memmem(x->at, (size_t)(x->end - x->at), mark, len);

    if (hit == NULL)
        return false;
    *inside = slice_from(x->at, (size_t)(hit - x->at));
    x->at = hit + len;
    return true;
}

static bool skip_attribute(struct xml *x)
{
    char quote[2] = {0};
    struct slice value;

    if (take_name(x).len == 0)
        return false;
    skip_blanks(x);
    if (x->at == x->end || *x->at++ != '=')
        return false;
    skip_blanks(x);
    if (x->at == x->end || (*x->at != '"' && *x->at != '\''))
        return false;
    quote[0] = *x->at++;
    return pass(x, quote, &value) && slice_index(value, '<') == value.len;
}

/* Behind "<". */
static enum xml_event start(struct xml *x)
{
    x->name = take_name(x);
    if (x->name.len == 0)
        return reject(x, "a '<' that begins nothing");
    if (x->begun && x->depth == 0)
        return reject(x, "a second root");
    if (x->depth == XML_DEPTH_MAX)
        return reject(x, "too deep");
    skip_blanks(x);
    while (x->at < x->end && *x->at != '>' && *x->at != '/') {
        if (!skip_attribute(x))
            return reject(x, "a malformed attribute");
        skip_blanks(x);
    }
    x->empty = x->at < x->end && *x->at == '/';
    x->at += x->empty;
    if (x->at == x->end || *x->at++ != '>')
        return reject(x, "an element's beginning that does not end");
    x->begun = true;
    x->open[x->depth++] = x->name;
    return XML_START;
}

static enum xml_event close_element(struct xml *x)
{
    x->name = x->open[--x->depth];
    return XML_END;
}

/* Behind "</". */
static enum xml_event end(struct xml *x)
{
    struct slice name = take_name(x);

    skip_blanks(x);
    if (x->depth == 0 || !slice_equal(name, x->open[x->depth - 1]) || x->at == x->end || *x->at++ != '>')
        return reject(x, "an end that closes nothing");
    return close_element(x);
}

/* Passes over comments, processing instructions, and what is only blanks between two '<'. False: one of the first two does not end. */
static bool skip_asides(struct xml *x)
{
    for (;;) {
        const char *mark = slice_starts_with(rest(x), SLICE("<!--")) ? "-->" : slice_starts_with(rest(x), SLICE("<?")) ? "?>" : NULL;
        struct slice inside = slice_from(x->at, slice_index(rest(x), '<'));

        if (mark == NULL && (inside.len == 0 || slice_trim(inside).len > 0))
            return true;
        if (mark == NULL)
            x->at += inside.len;
        else if (x->at += strlen(mark) + (mark[0] == '-'), !pass(x, mark, &inside))
            return false;
    }
}

static enum xml_event text_until_markup(struct xml *x)
{
    size_t n = slice_index(rest(x), '<');

    x->text = slice_from(x->at, n);
    x->cdata = false;
    x->at += n;
    return x->depth > 0 ? XML_TEXT : reject(x, "text outside of the root");
}

static enum xml_event markup(struct xml *x)
{
    if (slice_starts_with(rest(x), SLICE("</"))) {
        x->at += 2;
        return end(x);
    }
    if (slice_starts_with(rest(x), SLICE("<![CDATA[")) && x->depth > 0) {
        x->at += 9;
        x->cdata = true;
        return pass(x, "]]>", &x->text) ? XML_TEXT : reject(x, "CDATA that does not end");
    }
    x->at++;
    return start(x);
}

enum xml_event xml_next(struct xml *x)
{
    if (x->error)
        return XML_ERROR;
    if (x->empty) {
        x->empty = false;
        return close_element(x);
    }
    if (!skip_asides(x))
        return reject(x, "a comment or instruction that does not end");
    if (x->at == x->end)
        return x->depth > 0 || !x->begun ? reject(x, "ends too early") : XML_DONE;
    return *x->at == '<' ? markup(x) : text_until_markup(x);
}

static bool append_reference(struct buffer *out, struct slice name)
{
    static const struct {
        const char *name;
        char byte;
    } entities[] = {{"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}};
    bool hex = name.len > 1 && name.ptr[0] == '#' && name.ptr[1] == 'x';
    uint32_t code = 0;
    char bytes[4];

    for (size_t i = 0; i < sizeof(entities) / sizeof(entities[0]); i++) {
        if (slice_is(name, entities[i].name)) {
            buffer_append_byte(out, entities[i].byte);
            return true;
        }
    }
    if (name.len < (hex ? 3 : 2) || name.len > 8 || name.ptr[0] != '#')
        return false;
    for (size_t i = hex ? 2 : 1; i < name.len; i++) {
        char c = name.ptr[i];
        uint32_t digit = c >= '0' && c <= '9' ? (uint32_t)(c - '0') : hex && c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
                         : hex && c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10) : 99;

        if (digit == 99)
            return false;
        code = code * (hex ? 16 : 10) + digit;
    }
    if (code == 0 || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
        return false;
    buffer_append(out, slice_from(bytes, utf8_encode(code, bytes)));
    return true;
}

bool xml_append_text(struct buffer *out, struct xml *x)
{
    struct slice left = x->text;

    if (x->cdata) {
        buffer_append(out, left);
        return true;
    }
    while (left.len > 0) {
        size_t n = slice_index(left, '&');
        struct slice after = slice_after(left, n + 1);
        size_t length = slice_index(after, ';');

        buffer_append(out, slice_from(left.ptr, n));
        if (n == left.len)
            break;
        if (length == after.len || !append_reference(out, slice_from(after.ptr, length))) {
            reject(x, "an unknown entity");
            return false;
        }
        left = slice_after(after, length + 1);
    }
    return true;
}
