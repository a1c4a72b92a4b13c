/* SPDX-License-Identifier: Apache-2.0 */
#include "app/filter_advice.h"

#include "base/log.h"
#include "codec/event_pattern.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const char *const record_fields[] = {"eventID", "eventName", "eventVersion", "eventSource", "awsRegion", "dynamodb", "eventSourceARN", "userIdentity",
                                            "$or", NULL};
static const char *const dynamodb_fields[] = {"ApproximateCreationDateTime", "Keys", "NewImage", "OldImage", "SequenceNumber", "SizeBytes", "StreamViewType",
                                              "$or", NULL};

static const char *const types[] = {"S", "N", "B", "BOOL", "NULL", "M", "L", "SS", "NS", "BS", NULL};

static bool is_one_of(const char *const *words, const char *word)
{
    while (*words && strcmp(*words, word) != 0)
        words++;
    return *words != NULL;
}

/* Does any record's eventName match `one`: a text, or an operator? The filters' own matcher tells. */
static bool matches_an_event_name(json_t *one)
{
    static const char *const records[] = {"{\"eventName\":\"INSERT\"}", "{\"eventName\":\"MODIFY\"}", "{\"eventName\":\"REMOVE\"}"};
    json_t *pattern = json_pack("{s:[O]}", "eventName", one);
    char *text = json_dumps(pattern, JSON_COMPACT);
    struct error err;
    struct filter *filter = filter_new(slice_text(text), &err);
    struct buffer scratch = {0};
    bool matches = filter == NULL; /* what is no pattern was told by whoever compiled it */

    for (size_t i = 0; filter && i < sizeof(records) / sizeof(records[0]); i++)
        matches = matches || filter_match(filter, slice_text(records[i]), &scratch) >= 0;
    buffer_fini(&scratch);
    filter_free(filter);
    free(text);
    json_decref(pattern);
    return matches;
}

static void look_at_event_names(json_t *wanted, const char *who, struct buffer *out)
{
    size_t i;
    json_t *one;

    json_array_foreach(wanted, i, one) {
        char *text = json_dumps(one, JSON_COMPACT | JSON_ENCODE_ANY);

        if (!matches_an_event_name(one))
            buffer_printf(out, "%s wants the eventName %s: records have INSERT, MODIFY and REMOVE\n", who, text);
        free(text);
    }
}

static bool has_operator(json_t *wanted, const char *name)
{
    size_t i;
    json_t *one;

    json_array_foreach(wanted, i, one)
        if (json_object_get(one, name))
            return true;
    return false;
}

static bool has_number(json_t *wanted)
{
    size_t i;
    json_t *one;

    json_array_foreach(wanted, i, one)
        if (json_is_number(one))
            return true;
    return false;
}

static void look_at_item(json_t *item, const char *above, const char *who, struct buffer *out, int depth);

/* {"S": [...]}: an attribute's value is an object whose one member is named by its type. */
static void look_at_value(json_t *value, const char *above, const char *who, struct buffer *out, int depth)
{
    const char *type;
    json_t *wanted;

    if (json_is_array(value) && !has_operator(value, "exists"))
        buffer_printf(out, "%s compares %s, which is no text but has its type below it: {\"S\": [...]}\n", who, above);
    json_object_foreach(value, type, wanted) {
        bool number = strcmp(type, "N") == 0 || strcmp(type, "NS") == 0;
        char below[300];

        snprintf(below, sizeof(below), "%.250s.%.40s", above, type);
        if (!is_one_of(types, type) && strcmp(type, "$or") != 0)
            buffer_printf(out, "%s names %s: DynamoDB has no type \"%s\"\n", who, below, type);
        if (number && has_operator(wanted, "numeric"))
            buffer_printf(out, "%s has a numeric range on %s, which is a text in a record: nothing passes\n", who, below);
        if (number && has_number(wanted))
            buffer_printf(out, "%s compares %s with a number, which it never is: in a record it is a text, such as \"1\"\n", who, below);
        if (strcmp(type, "M") == 0)
            look_at_item(wanted, below, who, out, depth + 1);
        else if (strcmp(type, "L") == 0)
            look_at_value(wanted, below, who, out, depth + 1);
    }
}

/* Keys, an image, a map: attributes by their names. */
static void look_at_item(json_t *item, const char *above, const char *who, struct buffer *out, int depth)
{
    const char *name;
    json_t *value;

    json_object_foreach(item, name, value) {
        char below[300];

        snprintf(below, sizeof(below), "%.250s.%.40s", above, name);
        if (strcmp(name, "$or") != 0 && depth < 32)
            look_at_value(value, below, who, out, depth);
    }
}

static bool view_lacks(const char *view, const char *image)
{
    return view && (strcmp(view, "KEYS_ONLY") == 0 || (strcmp(view, "OLD_IMAGE") == 0 && strcmp(image, "NewImage") == 0) ||
                    (strcmp(view, "NEW_IMAGE") == 0 && strcmp(image, "OldImage") == 0));
}

/* {"exists": false}, somewhere: records without it may pass. */
static bool wants_none(json_t *pattern)
{
    char *text = json_dumps(pattern, JSON_COMPACT);
    bool found = text && strstr(text, "\"exists\":false");

    free(text);
    return found;
}

static void look_at_image(json_t *item, const char *name, const char *view, const char *who, struct buffer *out)
{
    char below[40];

    snprintf(below, sizeof(below), "dynamodb.%s", name);
    if (strcmp(name, "Keys") != 0 && view_lacks(view, name) && !wants_none(item))
        buffer_printf(out, "%s names %s, which no record of its stream has: the StreamViewType is %s\n", who, below, view);
    look_at_item(item, below, who, out, 0);
}

/* A pattern on a field that no record has matches none (or, with exists: false, all). */
static void look_at_fields(json_t *pattern, const char *const *fields, const char *above, const char *view, const char *who, struct buffer *out)
{
    const char *name;
    json_t *value;
    size_t i;
    json_t *one;

    json_object_foreach(pattern, name, value) {
        if (!is_one_of(fields, name))
            buffer_printf(out, "%s names %s%s, which no record has\n", who, above, name);
        if (strcmp(name, "$or") == 0)
            json_array_foreach(value, i, one)
                look_at_fields(one, fields, above, view, who, out);
        else if (fields == record_fields && strcmp(name, "dynamodb") == 0)
            look_at_fields(value, dynamodb_fields, "dynamodb.", view, who, out);
        else if (fields == record_fields && strcmp(name, "eventName") == 0)
            look_at_event_names(value, who, out);
        else if (fields == dynamodb_fields && (strcmp(name, "Keys") == 0 || strcmp(name, "NewImage") == 0 || strcmp(name, "OldImage") == 0))
            look_at_image(value, name, view, who, out);
    }
}

/* One pattern, or an element of Filters, whose Pattern may be a text. */
static void look_at_pattern(json_t *one, bool listed, const char *view, const char *who, struct buffer *out)
{
    json_t *given = listed ? json_object_get(one, "Pattern") : one;
    const char *text = json_string_value(given);
    json_t *pattern = text ? json_loads(text, 0, NULL) : json_incref(given);

    look_at_fields(pattern, record_fields, "", view, who, out);
    json_decref(pattern);
}

void filter_advice(const char *filter, const char *view, const char *who, struct buffer *out)
{
    json_t *whole = json_loads(filter, 0, NULL);
    json_t *criteria = json_is_object(json_object_get(whole, "FilterCriteria")) ? json_object_get(whole, "FilterCriteria") : whole;
    json_t *list = json_is_array(whole) ? whole : json_object_get(criteria, "Filters");
    struct buffer lines = {0};
    size_t i;
    json_t *one;

    json_array_foreach(list, i, one)
        look_at_pattern(one, list != whole, view, who, &lines);
    if (list == NULL)
        look_at_pattern(whole, false, view, who, &lines);
    for (struct slice rest = buffer_slice(&lines); rest.len > 0; rest = slice_after(rest, slice_index(rest, '\n') + 1)) { /* names are somebody else's text */
        text_append_printable(out, slice_from(rest.ptr, slice_index(rest, '\n')));
        buffer_append_byte(out, '\n');
    }
    buffer_fini(&lines);
    json_decref(whole);
}
