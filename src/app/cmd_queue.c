/* SPDX-License-Identifier: Apache-2.0 */
#include "app/control.h"
#include "app/output.h"
#include "app/reading.h"
#include "base/log.h"
#include "base/memory.h"
#include "codec/sqs_model.h"

#include <stdlib.h>
#include <time.h>

/* One operation of SQS, asked of the running process as its operator. Takes the request. NULL: *err. */
static json_t *ask(const struct config *config, const char *action, json_t *request, struct error *err)
{
    char operation[64];
    json_t *answer = NULL;

    snprintf(operation, sizeof(operation), "sqs/%s", action);
    if (!control_call(config->ledger, operation, request, &answer, err))
        answer = NULL;
    json_decref(request);
    return answer;
}

/* An operation on the queue that the command line names. Takes the members. */
static json_t *ask_queue(const struct config *config, const char *queue, const char *action, json_t *members, struct error *err)
{
    json_t *found = ask(config, "GetQueueUrl", json_pack("{s:s}", "QueueName", queue), err);

    if (found == NULL) {
        if (err->code == ERROR_NOT_FOUND)
            error_set(err, ERROR_NOT_FOUND, "there is no queue \"%s\" (`stream2sqs queue` lists them)", queue);
        json_decref(members);
        return NULL;
    }
    json_object_set(members, "QueueUrl", json_object_get(found, "QueueUrl"));
    json_decref(found);
    return ask(config, action, members, err);
}

static json_t *attributes_of(const struct config *config, json_t *queue_url, struct error *err)
{
    json_t *answer = ask(config, "GetQueueAttributes", json_pack("{s:O,s:[s]}", "QueueUrl", queue_url, "AttributeNames", "All"), err);
    json_t *attributes = json_incref(json_object_get(answer, "Attributes"));

    json_decref(answer);
    return attributes;
}

/* The end of a command whose answer is said in one line, or printed with --json. Takes the answer; NULL: *err. */
static int say(const struct invocation *in, json_t *answer, const char *line, const struct error *err)
{
    if (answer == NULL)
        return invocation_fail(in, err);
    if (in->json) {
        print_json(answer);
        return 0;
    }
    puts(line);
    json_decref(answer);
    return 0;
}

/* An operation that ends messages for good: only with --yes. */
static int say_ended(const struct invocation *in, const struct config *config, const char *action, const char *warning, const char *done)
{
    struct buffer line = {0};
    struct error err;
    int status;

    if (!invocation_flag(in, "yes", 0))
        return invocation_usage(in, warning);
    buffer_printf(&line, "%s %s", in->arguments[1], done);
    status = say(in, ask_queue(config, in->arguments[1], action, json_object(), &err), line.ptr, &err);
    buffer_fini(&line);
    return status;
}

static const char *name_in(const char *url_or_arn, char separator)
{
    const char *last = strrchr(url_or_arn, separator);

    return last ? last + 1 : url_or_arn;
}

/* ---- list and show ---- */

/* Of a queue's RedrivePolicy; "-": there is none. The caller frees. */
static char *dead_letter_queue(json_t *attributes)
{
    const char *text = text_of(attributes, "RedrivePolicy");
    json_t *policy = json_loads(text[0] ? text : "{}", 0, NULL);
    const char *arn = text_of(policy, "deadLetterTargetArn");
    char *name = memory_strdup(arn[0] ? name_in(arn, ':') : "-");

    json_decref(policy);
    return name;
}

static void add_line(struct table *table, const char *name, json_t *attributes)
{
    static const char *const counts[] = {"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"};
    char *dead = dead_letter_queue(attributes);

    table_add_text(table, name);
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        table_add_text(table, text_of(attributes, counts[i])[0] ? text_of(attributes, counts[i]) : "-");
    table_add_text(table, dead);
    free(dead);
}

/* All queues with their attributes: {NAME: {...}}, or {"error": ...} of one whose server cannot be asked. NULL: *err. */
static json_t *all_queues(const struct config *config, struct error *err)
{
    json_t *all = json_object();
    json_t *request = json_pack("{s:i}", "MaxResults", 1000);

    while (request) {
        json_t *page = ask(config, "ListQueues", request, err);
        json_t *token = json_object_get(page, "NextToken");
        json_t *url;
        size_t i;

        if (page == NULL)
            goto failed;
        request = token ? json_pack("{s:i,s:O}", "MaxResults", 1000, "NextToken", token) : NULL;
        json_array_foreach(json_object_get(page, "QueueUrls"), i, url) {
            json_t *attributes = attributes_of(config, url, err);

            if (attributes)
                json_object_set_new(all, name_in(json_string_value(url), '/'), attributes);
            else if (err->code == ERROR_UNAVAILABLE)
                json_object_set_new(all, name_in(json_string_value(url), '/'), json_pack("{s:s}", "error", err->text));
            else if (err->code != ERROR_NOT_FOUND) { /* else deleted meanwhile */
                json_decref(page);
                json_decref(request);
                goto failed;
            }
        }
        json_decref(page);
    }
    return all;

failed:
    json_decref(all);
    return NULL;
}

static int list(const struct invocation *in, const struct config *config)
{
    static const char *const headings[] = {"QUEUE", ">WAITING", ">IN FLIGHT", ">DELAYED", "DEAD LETTERS GO TO", NULL};
    struct table table = {.headings = headings};
    struct error err;
    json_t *all = all_queues(config, &err);
    json_t *attributes;
    const char *name;

    if (all == NULL)
        return invocation_fail(in, &err);
    if (in->json) {
        print_json(json_pack("{s:o}", "queues", all));
        return 0;
    }
    json_object_foreach(all, name, attributes)
        add_line(&table, name, attributes);
    if (json_object_size(all) == 0)
        puts("there is no queue");
    else
        table_print(&table, stdout);
    fflush(stdout);
    json_object_foreach(all, name, attributes)
        if (text_of(attributes, "error")[0])
            fprintf(stderr, "stream2sqs queue: %s: %s\n", name, text_of(attributes, "error"));
    json_decref(all);
    return 0;
}

#define FAR_FUTURE_S UINT64_C(253402300800) /* the year 10,000 */

static bool ends_with(const char *name, const char *end)
{
    return slice_ends_with(slice_text(name), slice_text(end));
}

static void print_pairs(json_t *object, const char *first_heading)
{
    const char *const headings[] = {first_heading, "VALUE", NULL};
    struct table table = {.headings = headings};
    const char *name;
    json_t *value;

    json_object_foreach(object, name, value) {
        struct slice given = slice_text(json_string_value(value) ? json_string_value(value) : "?"); /* of another server: it may be anything */
        struct buffer text = {0};
        uint64_t seconds;

        buffer_append(&text, given);
        if (ends_with(name, "Timestamp") && slice_to_u64(given, &seconds) && seconds < FAR_FUTURE_S) {
            buffer_append_text(&text, " (");
            append_moment(&text, (int64_t)seconds * 1000);
            buffer_append_byte(&text, ')');
        }
        table_add_text(&table, name);
        table_add(&table, buffer_slice(&text));
        buffer_fini(&text);
    }
    if (json_object_size(object) > 0)
        table_print(&table, stdout);
}

static int show(const struct invocation *in, const struct config *config)
{
    const char *queue = in->arguments[1];
    struct error err;
    json_t *attributes = ask_queue(config, queue, "GetQueueAttributes", json_pack("{s:[s]}", "AttributeNames", "All"), &err);
    json_t *tags = attributes ? ask_queue(config, queue, "ListQueueTags", json_object(), &err) : NULL; /* of a queue on another server they are not known */
    int status = 0;

    if (attributes == NULL || (tags == NULL && err.code != ERROR_INPUT)) {
        status = invocation_fail(in, &err);
    } else if (in->json) {
        if (tags)
            json_object_update(attributes, tags);
        print_json(json_incref(attributes));
    } else {
        print_pairs(json_object_get(attributes, "Attributes"), "ATTRIBUTE");
        print_pairs(json_object_get(tags, "Tags"), "TAG");
    }
    json_decref(attributes);
    json_decref(tags);
    return status;
}

/* ---- send ---- */

/* The text itself, or standard input for "-". NULL: *err. */
static json_t *body_of(const char *argument, struct error *err)
{
    struct buffer text = {0};
    char chunk[65536];
    json_t *body;
    size_t n;

    if (strcmp(argument, "-") != 0) {
        buffer_append_text(&text, argument);
    } else {
        while (text.len <= SQS_MESSAGE_BYTES_MAX && (n = fread(chunk, 1, sizeof(chunk), stdin)) > 0)
            buffer_append(&text, slice_from(chunk, n));
        if (ferror(stdin)) {
            buffer_fini(&text);
            error_set(err, ERROR_SYSTEM, "cannot read standard input");
            return NULL;
        }
    }
    body = json_stringn(text.ptr ? text.ptr : "", text.len);
    buffer_fini(&text);
    if (body == NULL)
        error_set(err, ERROR_INPUT, "the message is not UTF-8");
    return body;
}

/* --attribute NAME=VALUE, as often as there are: {NAME: VALUE}. NULL: *err. */
static json_t *attributes_given(const struct invocation *in, struct error *err)
{
    json_t *all = json_object();
    const char *given;

    for (size_t i = 0; (given = invocation_flag(in, "attribute", i)) != NULL; i++) {
        size_t n = strcspn(given, "=");
        json_t *name = json_stringn(given, n);
        bool good = name && given[n] && json_object_set_new(all, json_string_value(name), json_string(given + n + 1)) == 0;

        json_decref(name);
        if (!good) {
            json_decref(all);
            error_set(err, ERROR_USAGE, "--attribute wants NAME=VALUE in UTF-8");
            return NULL;
        }
    }
    return all;
}

/* The same as attributes of a message. NULL: *err. */
static json_t *message_attributes_given(const struct invocation *in, struct error *err)
{
    json_t *given = attributes_given(in, err);
    json_t *all = given ? json_object() : NULL;
    const char *name;
    json_t *value;

    json_object_foreach(given, name, value)
        json_object_set_new(all, name, json_pack("{s:s,s:O}", "DataType", "String", "StringValue", value));
    json_decref(given);
    return all;
}

static int send(const struct invocation *in, const struct config *config)
{
    const char *group = invocation_flag(in, "group", 0);
    const char *deduplication = invocation_flag(in, "deduplication-id", 0);
    int64_t delay = -1;
    struct error err;
    json_t *body;
    json_t *attributes;
    json_t *request = NULL;
    json_t *answer;

    if (!invocation_number(in, "delay", 0, 900, &delay))
        return error_exit_status(ERROR_USAGE);
    body = body_of(in->arguments[2], &err);
    attributes = body ? message_attributes_given(in, &err) : NULL;
    if (attributes)
        request = json_pack("{s:O,s:O,s:s*,s:s*,s:o*}", "MessageBody", body, "MessageAttributes", attributes, "MessageGroupId", group,
                            "MessageDeduplicationId", deduplication, "DelaySeconds", delay >= 0 ? json_integer(delay) : NULL);
    if (attributes && request == NULL)
        error_set(&err, ERROR_INPUT, "the group and the deduplication id are to be UTF-8");
    json_decref(body);
    json_decref(attributes);
    answer = request ? ask_queue(config, in->arguments[1], "SendMessage", request, &err) : NULL;
    return say(in, answer, text_of(answer, "MessageId"), &err);
}

/* ---- receive ---- */

static void print_message(json_t *message)
{
    json_t *system = json_object_get(message, "Attributes");
    struct buffer out = {0};
    const char *name;
    json_t *value;

    printf("%s%s%s  ", style_on(STYLE_BOLD), text_of(message, "MessageId"), style_off());
    buffer_append_text(&out, "sent ");
    append_moment(&out, strtoll(text_of(system, "SentTimestamp"), NULL, 10));
    buffer_printf(&out, ", received %s time(s)%s", text_of(system, "ApproximateReceiveCount"), text_of(system, "MessageGroupId")[0] ? ", group " : "");
    text_append_printable(&out, slice_text(text_of(system, "MessageGroupId")));
    buffer_append_byte(&out, '\n');
    json_object_foreach(json_object_get(message, "MessageAttributes"), name, value) {
        buffer_append_text(&out, "  ");
        text_append_printable(&out, slice_text(name));
        buffer_append_text(&out, ": ");
        text_append_printable(&out, slice_text(json_object_get(value, "StringValue") ? text_of(value, "StringValue") : text_of(value, "BinaryValue")));
        buffer_append_byte(&out, '\n');
    }
    text_append_printable(&out, slice_text(text_of(message, "Body")));
    puts(out.ptr);
    buffer_fini(&out);
}

/* What could not be deleted is an error: it will come again. */
static bool delete_all(const struct config *config, const char *queue, json_t *messages, struct error *err)
{
    json_t *entries = json_array();
    json_t *answer;
    json_t *message;
    size_t failed;
    size_t i;

    json_array_foreach(messages, i, message) {
        char id[24];

        snprintf(id, sizeof(id), "%zu", i);
        json_array_append_new(entries, json_pack("{s:s,s:O}", "Id", id, "ReceiptHandle", json_object_get(message, "ReceiptHandle")));
    }
    answer = ask_queue(config, queue, "DeleteMessageBatch", json_pack("{s:o}", "Entries", entries), err);
    if (answer == NULL)
        return false;
    failed = json_array_size(json_object_get(answer, "Failed"));
    json_decref(answer);
    return failed == 0 || error_set(err, ERROR_UNAVAILABLE, "%zu of the messages were not deleted", failed);
}

static int receive(const struct invocation *in, const struct config *config)
{
    bool delete = invocation_flag(in, "delete", 0) != NULL;
    int64_t max = 1;
    int64_t wait = 0;
    int64_t visibility = delete ? 30 : 0;
    struct error err;
    json_t *answer;
    json_t *messages;
    json_t *message;
    size_t i;
    int status = 0;

    if (!invocation_number(in, "max", 1, 10, &max) || !invocation_number(in, "wait", 0, 20, &wait) ||
        !invocation_number(in, "visibility", 0, 43200, &visibility))
        return error_exit_status(ERROR_USAGE);
    answer = ask_queue(config, in->arguments[1], "ReceiveMessage",
                       json_pack("{s:I,s:I,s:I,s:[s],s:[s]}", "MaxNumberOfMessages", (json_int_t)max, "WaitTimeSeconds", (json_int_t)wait, "VisibilityTimeout",
                                 (json_int_t)visibility, "MessageSystemAttributeNames", "All", "MessageAttributeNames", "All"),
                       &err);
    if (answer == NULL)
        return invocation_fail(in, &err);
    messages = json_object_get(answer, "Messages");
    if (in->json) {
        print_json(json_pack("{s:o}", "messages", messages ? json_incref(messages) : json_array()));
    } else if (json_array_size(messages) == 0) {
        puts("no message is visible");
    } else {
        json_array_foreach(messages, i, message)
            print_message(message);
    }
    if (fflush(stdout) != 0 || ferror(stdout)) { /* what was not seen must not be gone */
        error_set(&err, ERROR_SYSTEM, "cannot write what was received: nothing is deleted");
        status = invocation_fail(in, &err);
    } else if (delete && json_array_size(messages) > 0 && !delete_all(config, in->arguments[1], messages, &err)) {
        status = invocation_fail(in, &err);
    }
    json_decref(answer);
    return status;
}

/* ---- purge ---- */

static int purge(const struct invocation *in, const struct config *config)
{
    return say_ended(in, config, "PurgeQueue", "purge settles every message of the queue for good, those in flight too: say --yes", "is being purged");
}

/* ---- create, set and delete ---- */

static int create(const struct invocation *in, const struct config *config)
{
    const char *name = in->arguments[1];
    struct error err;
    json_t *attributes = attributes_given(in, &err);
    json_t *request;
    json_t *answer = NULL;

    if (attributes && ends_with(name, ".fifo") && json_object_get(attributes, "FifoQueue") == NULL)
        json_object_set_new(attributes, "FifoQueue", json_string("true"));
    request = attributes ? json_pack("{s:s,s:o}", "QueueName", name, "Attributes", attributes) : NULL;
    if (attributes && request == NULL)
        error_set(&err, ERROR_USAGE, "the queue's name is not UTF-8");
    if (request)
        answer = ask(config, "CreateQueue", request, &err);
    return say(in, answer, text_of(answer, "QueueUrl"), &err);
}

static int set(const struct invocation *in, const struct config *config)
{
    struct error err;
    json_t *attributes = attributes_given(in, &err);
    json_t *answer = NULL;

    if (attributes && json_object_size(attributes) == 0) {
        json_decref(attributes);
        return invocation_usage(in, "set wants --attribute NAME=VALUE, such as VisibilityTimeout=60");
    }
    if (attributes)
        answer = ask_queue(config, in->arguments[1], "SetQueueAttributes", json_pack("{s:o}", "Attributes", attributes), &err);
    return say(in, answer, "done (what the configuration says of a queue counts again at the next start or reload)", &err);
}

static int delete(const struct invocation *in, const struct config *config)
{
    return say_ended(in, config, "DeleteQueue", "delete takes the queue away with its messages: say --yes", "is deleted");
}

#define FLAGS_MAX 5

static const struct verb {
    const char *name;
    size_t arguments; /* with the verb's own name */
    const char *wants;
    int (*run)(const struct invocation *in, const struct config *config);
    const char *flags[FLAGS_MAX]; /* that it looks at */
} verbs[] = {
    {"list", 1, "list wants nothing more", list, {NULL}},
    {"show", 2, "show wants a queue's name", show, {NULL}},
    {"send", 3, "send wants a queue's name and the message (- for standard input)", send, {"group", "deduplication-id", "delay", "attribute"}},
    {"receive", 2, "receive wants a queue's name", receive, {"max", "wait", "visibility", "delete"}},
    {"purge", 2, "purge wants a queue's name", purge, {"yes"}},
    {"create", 2, "create wants a name (one that ends with .fifo is a FIFO queue)", create, {"attribute"}},
    {"set", 2, "set wants a queue's name", set, {"attribute"}},
    {"delete", 2, "delete wants a queue's name", delete, {"yes"}},
};

/* A flag that the verb passes over would be a promise that is not kept. */
static bool flags_fit(const struct invocation *in, const struct verb *verb, char what[120])
{
    for (size_t i = 0; i < in->own_count; i++) {
        bool fits = false;

        for (size_t k = 0; k < FLAGS_MAX && verb->flags[k]; k++)
            fits = fits || strcmp(verb->flags[k], in->own[i].name) == 0;
        if (fits)
            continue;
        snprintf(what, 120, "--%s is no flag of `queue %s`", in->own[i].name, verb->name);
        return false;
    }
    return true;
}

static int run(struct invocation *in)
{
    const char *name = in->argument_count > 0 ? in->arguments[0] : "list";
    struct config config;
    char what[120];
    int status;

    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (strcmp(verbs[i].name, name) != 0)
            continue;
        if (in->argument_count != verbs[i].arguments && in->argument_count > 0)
            return invocation_usage(in, verbs[i].wants);
        if (!flags_fit(in, &verbs[i], what))
            return invocation_usage(in, what);
        if (!invocation_config(in, &config))
            return error_exit_status(ERROR_CONFIG);
        status = verbs[i].run(in, &config);
        config_fini(&config);
        return status;
    }
    return invocation_usage(in, "queue wants list, show, send, receive, purge, create, set or delete");
}

static const struct command_flag flags[] = {
    {"group", "ID", "send: the message group"},
    {"deduplication-id", "ID", "send: for FIFO queues"},
    {"delay", "SECONDS", "send: not visible before (0 to 900)"},
    {"attribute", "NAME=VALUE", "send: a message attribute of type String; create, set: an attribute of the queue, by SQS's names. May be repeated"},
    {"max", "COUNT", "receive: so many messages at most (1 to 10; default: 1)"},
    {"wait", "SECONDS", "receive: wait so long for one (0 to 20; default: 0)"},
    {"visibility", "SECONDS", "receive: hide them from others so long (default: 0, they are back at once)"},
    {"delete", NULL, "receive: delete what was shown"},
    {"yes", NULL, "purge, delete: yes, all of it"},
    {NULL, NULL, NULL},
};

const struct command cmd_queue = {
    .name = "queue",
    .arguments = "[list | show QUEUE | send QUEUE MESSAGE | receive QUEUE | purge QUEUE | create QUEUE | set QUEUE | delete QUEUE]",
    .summary = "look into queues, make, change and delete them, send, receive and purge by hand",
    .help = "Asks the process that runs on this ledger, as its operator: no access key is needed. A look by `receive` is a receive: it counts towards\n"
            "maxReceiveCount, and `trace` shows it. (`records --queue NAME` and `dead show` look at what the ledger has, without one.)\n\n"
            "  stream2sqs queue\n"
            "  stream2sqs queue send orders-events '{\"order\": 7}' --attribute kind=test\n"
            "  stream2sqs queue receive orders-events --max 10 --wait 5 --delete\n"
            "  stream2sqs queue create reports --attribute VisibilityTimeout=120\n"
            "  stream2sqs queue set reports --attribute MessageRetentionPeriod=1209600",
    .flags = flags,
    .run = run,
};
