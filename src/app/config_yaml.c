/* SPDX-License-Identifier: Apache-2.0
 *
 * The configuration file: libyaml makes a document of it, whose nodes know their lines; this walks it by the option table.
 */
#include "app/config_internal.h"
#include "base/memory.h"
#include "codec/json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>

#define FILE_MAX (1024 * 1024)

struct yaml {
    struct loading *loading;
    const char *path;
    yaml_document_t document;
};

static const char *kind_name(const yaml_node_t *node)
{
    return node->type == YAML_MAPPING_NODE ? "a mapping" : node->type == YAML_SEQUENCE_NODE ? "a list" : "a single value";
}

static void where_is(const struct yaml *y, const yaml_node_t *node, char out[300])
{
    snprintf(out, 300, "%.280s:%zu", y->path, node->start_mark.line + 1);
}

static struct slice scalar(const yaml_node_t *node)
{
    return slice_from((const char *)node->data.scalar.value, node->data.scalar.length);
}

static bool wanted(struct yaml *y, const yaml_node_t *node, yaml_node_type_t type, const char *what)
{
    char where[300];

    if (node->type == type)
        return true;
    where_is(y, node, where);
    config_problem(y->loading, where, "%s is %s: wanted %s", what, kind_name(node),
            type == YAML_MAPPING_NODE ? "a mapping (name: value)" : type == YAML_SEQUENCE_NODE ? "a list (lines that begin with -)" : "a single value");
    return false;
}

static yaml_node_t *node_at(struct yaml *y, int index)
{
    return yaml_document_get_node(&y->document, index);
}

/* ---- a part of the file as JSON ---- */

#define JSON_DEPTH_MAX 40

/* YAML's core schema: what stands without quotes and looks like one of these is no text. */
static bool is_plain_value(const yaml_node_t *node)
{
    struct scanner j;
    enum scan_kind kind;

    if (node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE || node->data.scalar.length == 0)
        return false;
    scan_init(&j, scalar(node));
    kind = scan_peek(&j);
    if (kind != SCAN_NUMBER && kind != SCAN_TRUE && kind != SCAN_FALSE && kind != SCAN_NULL)
        return false;
    scan_skip(&j);
    return scan_end(&j);
}

static void append_json(struct yaml *y, yaml_node_t *node, struct buffer *out, int depth)
{
    char where[300];

    if (node == NULL || depth > JSON_DEPTH_MAX) {
        config_problem(y->loading, y->path, "a value is nested too deeply");
        return;
    }
    switch (node->type) {
    case YAML_SCALAR_NODE:
        if (is_plain_value(node))
            buffer_append(out, scalar(node));
        else
            json_append_string(out, scalar(node));
        break;
    case YAML_SEQUENCE_NODE:
        buffer_append_byte(out, '[');
        for (yaml_node_item_t *item = node->data.sequence.items.start; item < node->data.sequence.items.top; item++) {
            if (item > node->data.sequence.items.start)
                buffer_append_byte(out, ',');
            append_json(y, node_at(y, *item), out, depth + 1);
        }
        buffer_append_byte(out, ']');
        break;
    case YAML_MAPPING_NODE:
        buffer_append_byte(out, '{');
        for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++) {
            yaml_node_t *key = node_at(y, pair->key);

            if (pair > node->data.mapping.pairs.start)
                buffer_append_byte(out, ',');
            if (wanted(y, key, YAML_SCALAR_NODE, "a name"))
                json_append_string(out, scalar(key));
            buffer_append_byte(out, ':');
            append_json(y, node_at(y, pair->value), out, depth + 1);
        }
        buffer_append_byte(out, '}');
        break;
    default:
        where_is(y, node, where);
        config_problem(y->loading, where, "is neither a value, a list nor names with values");
    }
}

/* A tree of YAML, or a text that holds the JSON itself. */
static char *json_text(struct yaml *y, yaml_node_t *value)
{
    struct buffer out = {0};

    if (value->type == YAML_SCALAR_NODE)
        return slice_dup(scalar(value));
    append_json(y, value, &out, 0);
    return buffer_take(&out);
}

static void unknown(struct yaml *y, enum option_scope scope, const char *name, const char *where)
{
    const char *nearest = option_nearest(scope, name);
    bool inner = scope == SCOPE_TOP && (option_find(SCOPE_PIPELINE, slice_text(name)) || option_find(SCOPE_QUEUE, slice_text(name)));

    if (inner)
        config_problem(y->loading, where, "\"%.80s\" is of a stream or queue, not of the whole: it belongs below pipelines: or queues:", name);
    else if (nearest)
        config_problem(y->loading, where, "unknown option \"%.80s\" (nearest: %s)", name, nearest);
    else
        config_problem(y->loading, where, "unknown option \"%.80s\"", name);
}

/* [a, b] is a,b. */
static char *list_text(struct yaml *y, yaml_node_t *list)
{
    struct buffer out = {0};

    for (yaml_node_item_t *item = list->data.sequence.items.start; item < list->data.sequence.items.top; item++) {
        yaml_node_t *one = node_at(y, *item);

        if (!wanted(y, one, YAML_SCALAR_NODE, "an element of the list"))
            break;
        if (item > list->data.sequence.items.start)
            buffer_append_byte(&out, ',');
        buffer_append(&out, scalar(one));
    }
    return buffer_take(&out);
}

/* One name and its value. Lists (pipelines, queues) are the caller's. */
static void read_option(struct yaml *y, enum option_scope scope, void *owner, const char *name, yaml_node_t *value, const char *where)
{
    const struct option *o = option_find(scope, slice_text(name));
    char value_where[300];
    char *text;

    if (o == NULL) {
        unknown(y, scope, name, where);
        return;
    }
    if (o->type == OPTION_LIST && value->type == YAML_SEQUENCE_NODE) {
        text = list_text(y, value);
        where_is(y, value, value_where);
        option_set(y->loading, o, owner, text, value_where);
        free(text);
        return;
    }
    if (o->type != OPTION_JSON && !wanted(y, value, YAML_SCALAR_NODE, name))
        return;
    where_is(y, value, value_where);
    text = o->type == OPTION_JSON ? json_text(y, value) : slice_dup(scalar(value));
    option_set(y->loading, o, owner, text, value_where);
    free(text);
}

static bool repeated(struct yaml *y, const yaml_node_t *mapping, const yaml_node_pair_t *pair)
{
    struct slice name = scalar(node_at(y, pair->key));

    for (const yaml_node_pair_t *p = mapping->data.mapping.pairs.start; p < pair; p++) {
        const yaml_node_t *key = node_at(y, p->key);

        if (key->type == YAML_SCALAR_NODE && slice_equal(scalar(key), name))
            return true;
    }
    return false;
}

struct walk {
    struct yaml *yaml;
    enum option_scope scope;
    void *owner;
    /* A list with a name of its own; false: it is none. */
    bool (*list)(struct walk *w, const char *name, yaml_node_t *value);
    const char *pipeline_where;
};

static void walk_mapping(struct walk *w, yaml_node_t *mapping)
{
    for (yaml_node_pair_t *pair = mapping->data.mapping.pairs.start; pair < mapping->data.mapping.pairs.top; pair++) {
        yaml_node_t *key = node_at(w->yaml, pair->key);
        yaml_node_t *value = node_at(w->yaml, pair->value);
        char where[300];
        char *name;

        if (!wanted(w->yaml, key, YAML_SCALAR_NODE, "a name"))
            continue;
        where_is(w->yaml, key, where);
        name = slice_dup(scalar(key));
        if (repeated(w->yaml, mapping, pair))
            config_problem(w->yaml->loading, where, "\"%.80s\" stands here twice", name);
        else if (!w->list || !w->list(w, name, value))
            read_option(w->yaml, w->scope, w->owner, name, value, where);
        free(name);
    }
}

static const char *read_queue(struct yaml *y, yaml_node_t *node)
{
    struct config_queue q = {0};
    struct walk w = {.yaml = y, .scope = SCOPE_QUEUE, .owner = &q};
    char where[300];

    where_is(y, node, where);
    q.where = memory_strdup(where);
    options_default(y->loading, SCOPE_QUEUE, &q);
    if (node->type == YAML_SCALAR_NODE) { /* - orders-events */
        q.name = slice_dup(scalar(node));
        q.by_name = true;
    } else if (!wanted(y, node, YAML_MAPPING_NODE, "a queue")) {
        config_queue_fini(&q);
        return NULL;
    } else {
        walk_mapping(&w, node);
    }
    return config_queue_add(y->loading, &q);
}

static bool pipeline_list(struct walk *w, const char *name, yaml_node_t *value)
{
    struct config *config = w->yaml->loading->config;

    if (strcmp(name, "queues") != 0)
        return false;
    if (!wanted(w->yaml, value, YAML_SEQUENCE_NODE, name)) {
        config->pipelines[config->pipeline_count - 1].queue_refused = true;
        return true;
    }
    for (yaml_node_item_t *item = value->data.sequence.items.start; item < value->data.sequence.items.top; item++) {
        const char *queue = read_queue(w->yaml, node_at(w->yaml, *item));

        config_pipeline_feed(w->yaml->loading, &config->pipelines[config->pipeline_count - 1], queue);
    }
    return true;
}

static void read_pipeline(struct yaml *y, yaml_node_t *node)
{
    struct walk w = {.yaml = y, .scope = SCOPE_PIPELINE, .list = pipeline_list};
    char where[300];

    if (!wanted(y, node, YAML_MAPPING_NODE, "a pipeline"))
        return;
    where_is(y, node, where);
    w.owner = config_pipeline_add(y->loading, where);
    walk_mapping(&w, node);
}

static bool top_list(struct walk *w, const char *name, yaml_node_t *value)
{
    bool pipelines = strcmp(name, "pipelines") == 0;

    if (!pipelines && strcmp(name, "queues") != 0)
        return false;
    if (!wanted(w->yaml, value, YAML_SEQUENCE_NODE, name))
        return true;
    for (yaml_node_item_t *item = value->data.sequence.items.start; item < value->data.sequence.items.top; item++) {
        if (pipelines)
            read_pipeline(w->yaml, node_at(w->yaml, *item));
        else
            read_queue(w->yaml, node_at(w->yaml, *item));
    }
    return true;
}

static bool read_text(struct loading *l, const char *path, struct buffer *out)
{
    FILE *file = fopen(path, "re");
    char chunk[8192];
    size_t n;

    if (file == NULL) {
        config_problem(l, path, "cannot read the configuration: %s", strerror(errno));
        return false;
    }
    while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0 && out->len <= FILE_MAX)
        buffer_append(out, slice_from(chunk, n));
    if (ferror(file))
        config_problem(l, path, "cannot read the configuration: %s", strerror(errno));
    else if (out->len > FILE_MAX)
        config_problem(l, path, "is longer than 1 MiB: is it the right file?");
    n = (size_t)ferror(file);
    fclose(file);
    return n == 0 && out->len <= FILE_MAX;
}

static void report_syntax(struct yaml *y, const yaml_parser_t *parser, struct slice text)
{
    char where[300];

    snprintf(where, sizeof(where), "%.280s:%zu", y->path, parser->problem_mark.line + 1);
    if (parser->problem_mark.index < text.len && text.ptr[parser->problem_mark.index] == '\t') {
        config_problem(y->loading, where, "a tab: YAML is indented by spaces");
        return;
    }
    config_problem(y->loading, where, "no YAML: %s%s%s", parser->problem ? parser->problem : "unreadable", parser->context ? " " : "",
            parser->context ? parser->context : "");
}

/* What follows a "---" would be passed over in silence. */
static void refuse_more(struct yaml *y, yaml_parser_t *parser, struct slice text)
{
    yaml_node_t *root;
    char where[300];

    if (!yaml_parser_load(parser, &y->document)) {
        report_syntax(y, parser, text);
        return;
    }
    root = yaml_document_get_root_node(&y->document);
    if (root) {
        where_is(y, root, where);
        config_problem(y->loading, where, "a second document: a configuration is one");
    }
    yaml_document_delete(&y->document);
}

void config_read_yaml(struct loading *l, const char *path)
{
    struct yaml y = {.loading = l, .path = path};
    struct walk w = {.yaml = &y, .scope = SCOPE_TOP, .owner = l->config, .list = top_list};
    struct buffer text = {0};
    yaml_parser_t parser;
    yaml_node_t *root;

    if (!read_text(l, path, &text) || !yaml_parser_initialize(&parser)) {
        buffer_fini(&text);
        return;
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)(text.ptr ? text.ptr : ""), text.len);
    if (!yaml_parser_load(&parser, &y.document)) {
        report_syntax(&y, &parser, buffer_slice(&text));
    } else {
        root = yaml_document_get_root_node(&y.document);
        if (root == NULL)
            config_problem(l, path, "is empty: say {} if that is meant"); /* a file that is half written must not take all pipelines away at a reload */
        else if (wanted(&y, root, YAML_MAPPING_NODE, "the configuration"))
            walk_mapping(&w, root);
        yaml_document_delete(&y.document);
        refuse_more(&y, &parser, buffer_slice(&text));
    }
    yaml_parser_delete(&parser);
    buffer_fini(&text);
}
