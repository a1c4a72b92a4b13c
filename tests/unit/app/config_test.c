/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"
#include "support/temporary.h"

#include "app/config.h"
#include "core/message_form.h"
#include "base/random.h"

#include <stdlib.h>

#define EXAMPLE "deploy/stream2sqs.example.yaml"

static const char *environment_ledger;

static const char *lookup(const char *name)
{
    return strcmp(name, "STREAM2SQS_LEDGER") == 0 ? environment_ledger : NULL;
}

/* The file is always called c.yaml in the wanted problems. */
static void load(void **state, const char *yaml, struct config_flag *flags, size_t flag_count, struct config *config, struct buffer *problems)
{
    struct command_line line = {.flags = flags, .flag_count = flag_count};
    char path[4096];
    FILE *file;

    if (yaml) {
        snprintf(path, sizeof(path), "%s", temporary_path(state, "c.yaml"));
        file = fopen(path, "w");
        assert_non_null(file);
        fputs(yaml, file);
        fclose(file);
        line.config_file = path;
    }
    (void)!config_load(config, &line, lookup, problems);
    for (char *at; yaml && problems->len > 0 && (at = strstr(problems->ptr, path)) != NULL;) { /* the directory differs from run to run */
        size_t cut = strlen(path) - strlen("c.yaml");

        memmove(at, at + cut, strlen(at + cut) + 1);
        problems->len -= cut;
    }
}

static void every_mistake_is_told_with_its_place(void **state)
{
    static const struct {
        const char *yaml;
        const char *problems;
    } cases[] = {
        {"ledger: x.db\n", ""},
        {"queues: [a, b]\n", ""},
        {"ledgr: x\nlisten: here\n", "c.yaml:1: unknown option \"ledgr\" (nearest: ledger)\nlisten: \"here\" is no address: wanted HOST:PORT, such as 127.0.0.1:9324\n"},
        {"wholly_other: 1\n", "c.yaml:1: unknown option \"wholly_other\"\n"},
        {"ledger: a\nledger: b\n", "c.yaml:2: \"ledger\" stands here twice\n"},
        {"ledger: [a]\n", "c.yaml:1: ledger is a list: wanted a single value\n"},
        {"pipelines: orders\n", "c.yaml:1: pipelines is a single value: wanted a list (lines that begin with -)\n"},
        {"- a\n- b\n", "c.yaml:1: the configuration is a list: wanted a mapping (name: value)\n"},
        {"", "c.yaml: is empty: say {} if that is meant\n"},
        {"a: b: c\n", "c.yaml:1: no YAML: mapping values are not allowed in this context\n"},
        {"queues:\n\t- a\n", "c.yaml:2: a tab: YAML is indented by spaces\n"},
        {"ledger: a.db\n---\npipelines:\n  - stream: t\n    queues: [q]\n", "c.yaml:3: a second document: a configuration is one\n"},
        {"ledger: a.db\n---\n: [\n", "c.yaml:3: no YAML: did not find expected key while parsing a block mapping\n"},
        {"ledger: a.db\n...\n", ""},
        {"pipelines:\n  - stream: t\n    queus: [q]\n",
         "c.yaml:3: unknown option \"queus\" (nearest: queues)\nc.yaml:2: the stream \"t\" feeds no queue: name one (queues, or --queue)\n"},
        {"queues:\n  - {name: q, body: batch}\npipelines:\n  - {stream: t, queues: [q]}\n  - {stream: u, queues: [q]}\n", ""},
        {"pipelines:\n  - {stream: t, queues: [q]}\n  - {stream: u, queues: [{name: q, body: batch}]}\n", ""},
        {"pipelines:\n  - {stream: t, queues: [{name: q}]}\n  - {stream: u, queues: [{name: q, body: batch}]}\n",
         "c.yaml:3: queue \"q\" has other options here than at c.yaml:2\n"},
        {"stream: orders\nqueues: [a]\nbody: batch\n",
         "c.yaml:1: \"stream\" is of a stream or queue, not of the whole: it belongs below pipelines: or queues:\n"
         "c.yaml:3: \"body\" is of a stream or queue, not of the whole: it belongs below pipelines: or queues:\n"},
        {"pipelines:\n  - queues: [a]\n", "c.yaml:2: a pipeline without a stream: name its table, or the ARN of its stream (stream, or --stream)\n"},
        {"pipelines:\n  - {stream: t, queues: [a]}\n  - {stream: \"arn:aws:dynamodb:eu-west-1:1:table/t/stream/2026\", queues: [b]}\n"
         "  - {stream: \"arn:aws:dynamodb:eu-west-1:1:table/tt/stream/2026\", queues: [c]}\n",
         "c.yaml:3: the stream \"arn:aws:dynamodb:eu-west-1:1:table/t/stream/2026\" has a pipeline already (\"t\", at c.yaml:2): name all its queues there\n"},
        {"pipelines:\n  - stream: t\n    queues: q\n", "c.yaml:3: queues is a single value: wanted a list (lines that begin with -)\n"},
        {"pipelines:\n  - stream: t\n    queues: [a.b]\n",
         "c.yaml:3: queue \"a.b\": a name has 1 to 80 letters, digits, hyphens and underscores (and .fifo, counted)\n"},
        {"pipelines:\n  - stream: arn:aws:dynamodb:eu-west-1:1:table/t\n    queues: [q]\n",
         "c.yaml:2: stream \"arn:aws:dynamodb:eu-west-1:1:table/t\" is no stream's ARN: say the table's name, or the ARN of its stream (with /stream/)\n"},
        {"ledger_budget: 10GB\n", "c.yaml:1: ledger_budget is \"10GB\": wanted 0 or more, such as 64MiB, 10GiB\n"},
        {"keep_settled: 7\n", "c.yaml:1: keep_settled is \"7\": wanted 1m to 3650d, with its unit (ms, s, m, h, d)\n"},
        {"keep_settled: 99999999999999999999d\n", "c.yaml:1: keep_settled is \"99999999999999999999d\": wanted 1m to 3650d, with its unit (ms, s, m, h, d)\n"},
        {"cache_size: 16MB\n", "c.yaml:1: cache_size is \"16MB\": wanted 1MiB to 64GiB, such as 64MiB, 10GiB\n"},
        {"max_connections: -1\n", "c.yaml:1: max_connections is \"-1\": wanted 1 to 100000\n"},
        {"log_level: loud\n", "c.yaml:1: log_level is \"loud\": wanted one of debug|info|warning|error\n"},
        {"listen_beyond_loopback: yes\n", "c.yaml:1: listen_beyond_loopback is \"yes\": wanted true or false\n"},
        {"listen: 0.0.0.0:1\n", "listen: 0.0.0.0:1 can be reached from other machines: say listen_beyond_loopback: true if that is wanted (and put TLS in front)\n"},
        {"listen: 0.0.0.0:1\nlisten_beyond_loopback: true\naccess_keys_file: k\n", ""},
        {"listen: 0.0.0.0:1\nlisten_beyond_loopback: true\n", "listen: 0.0.0.0:1: an endpoint beyond loopback wants an access_keys_file (--access-keys-file)\n"},
        {"account_id: \"12\"\n", "account_id: \"12\": wanted 12 digits\n"},
        {"queues:\n  - name: q.fifo\n", ""},
        {"queues:\n  - name: q.fifo\n    max_receive_count: 3\n    dead_letter_queue: dead\n",
         "c.yaml:2: the dead_letter_queue \"dead\" must be of the kind of its queue: both end in .fifo, or neither\n"},
        {"pipelines:\n  - stream: kinesis:t\n    queues: [q]\n", "c.yaml:2: stream \"kinesis:t\": Kinesis is not built yet; DynamoDB Streams is\n"},
        {"queues:\n  - name: q\n    target: sns\n    body: xml\n    address: other\n    attributes: [stream, item.AWS.x]\n    filter: {a: [{prefx: x}]}\n",
         "c.yaml:3: target is \"sns\": wanted one of embedded|sqs\n"
         "c.yaml:4: body is \"xml\": wanted one of lambda|batch|unmarshalled\n"
         "c.yaml:7: filter at a, byte 15: unknown operator \"prefx\": wanted one of prefix, suffix, anything-but, numeric, exists, equals-ignore-case, "
         "wildcard, cidr\n"
         "c.yaml:2: the queue \"q\": SQS takes no message attribute named \"AWS.x\" (letters, digits, _ - and single dots, not beginning with AWS.)\n"
         "c.yaml:2: the queue \"q\" is embedded: address, queue_region, queue_role_arn and endpoint_url are of target: sqs\n"},
        {"pipelines:\n  - stream: t\n    role_arn: me\n    queues:\n      - name: q\n        target: sqs\n        queue_external_id: x\n",
         "c.yaml:2: \"me\" is no role: wanted arn:aws:iam::ACCOUNT:role/NAME\n"
         "c.yaml:5: an external id without a role\n"},
        {"queues:\n  - name: q\n    target: sqs\n    oversize: s3\n", "c.yaml:2: the queue \"q\": oversize: s3 wants an s3_bucket\n"},
        {"queues:\n  - name: q\n    target: sqs\n    oversize: s3\n    s3_bucket: large\n    s3_prefix: a/b.c/..d\n", ""},
        {"queues:\n  - name: q\n    target: sqs\n    oversize: s3\n    s3_bucket: large\n    s3_region: x-1\n    s3_addressing: path\n", ""},
        {"queues:\n  - name: q\n    target: sqs\n    s3_addressing: path\n",
         "c.yaml:2: the queue \"q\": s3_bucket, s3_prefix, s3_region, s3_addressing and s3_endpoint_url are of oversize: s3\n"},
        {"queues:\n  - name: q\n    target: sqs\n    oversize: s3\n    s3_bucket: large\n    s3_prefix: a//b\n",
         "c.yaml:2: s3_prefix \"a//b\": letters, digits, dots, hyphens, underscores; no empty, \".\" or \"..\" part\n"},
        {"queues:\n  - name: q\n    target: sqs\n    oversize: s3\n    s3_bucket: large\n    s3_prefix: a/../b\n",
         "c.yaml:2: s3_prefix \"a/../b\": letters, digits, dots, hyphens, underscores; no empty, \".\" or \"..\" part\n"},
        {"queues:\n  - name: q\n    target: sqs\n    max_receive_count: 3\n",
         "c.yaml:2: the queue \"q\" is on another server: its max_receive_count is set there (RedrivePolicy); dead_letter_queue says which queue there is read\n"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buffer problems = {0};
        struct config config;

        load(state, cases[i].yaml, NULL, 0, &config, &problems);
        if (strcmp(problems.ptr ? problems.ptr : "", cases[i].problems) != 0)
            fail_msg("%s\nfound: %s\nwant: %s", cases[i].yaml, problems.ptr, cases[i].problems);
        config_fini(&config);
        buffer_fini(&problems);
    }
}

/* By its name alone, a queue means the one that is described, before or after. */
static void a_queue_that_is_only_named_is_the_one_that_is_described(void **state)
{
    static const char *const texts[] = {"queues:\n  - {name: q, body: batch}\npipelines:\n  - {stream: t, queues: [q]}\n  - {stream: u, queues: [q]}\n",
                                        "pipelines:\n  - {stream: t, queues: [q]}\n  - {stream: u, queues: [{name: q, body: batch}]}\n"};

    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct buffer problems = {0};
        struct config config;

        load(state, texts[i], NULL, 0, &config, &problems);
        assert_int_equal(config.queue_count, 1);
        assert_int_equal(config.queues[0].body, BODY_BATCH);
        assert_string_equal(config.pipelines[0].queues[0], "q");
        assert_ptr_equal(config.pipelines[0].queues[0], config.queues[0].name);
        assert_ptr_equal(config.pipelines[1].queues[0], config.queues[0].name);
        config_fini(&config);
        buffer_fini(&problems);
    }
}

static void a_flag_that_is_given_twice_is_a_mistake(void **state)
{
    struct config_flag flags[] = {{"stream", "a"}, {"queue", "p"}, {"stream", "b"}, {"queue", "q"}, {"log-level", "info"}, {"log-level", "debug"},
                                  {"filter", "{}"}, {"filter", "{}"}};
    struct buffer problems = {0};
    struct config config;

    load(state, "", flags, COUNT_OF(flags), &config, &problems);
    assert_non_null(strstr(problems.ptr, "flags: --stream is given twice: several streams are pipelines of a configuration file (--config)\n"
                                         "flags: --filter is given twice: one filter may have several patterns, {\"Filters\": [...]}\n"));
    assert_int_equal(config.log_level, 0); /* debug: of the process's own, the last one */
    assert_null(strstr(problems.ptr, "--queue"));
    config_fini(&config);
    buffer_fini(&problems);
}

static void a_flag_wins_over_the_environment_and_that_over_the_file(void **state)
{
    struct config_flag flag = {"ledger", "flag.db"};
    struct buffer problems = {0};
    struct config config;

    environment_ledger = NULL;
    load(state, "listen: 127.0.0.1:1\n", NULL, 0, &config, &problems);
    assert_string_equal(config.ledger, "stream2sqs.db");
    config_fini(&config);
    load(state, "ledger: file.db\n", NULL, 0, &config, &problems);
    assert_string_equal(config.ledger, "file.db");
    config_fini(&config);
    environment_ledger = "environment.db";
    load(state, "ledger: file.db\n", NULL, 0, &config, &problems);
    assert_string_equal(config.ledger, "environment.db");
    config_fini(&config);
    load(state, "ledger: file.db\n", &flag, 1, &config, &problems);
    assert_string_equal(config.ledger, "flag.db");
    config_fini(&config);
    environment_ledger = NULL;
    assert_int_equal(problems.len, 0);
    buffer_fini(&problems);
}

static void two_queues_that_are_one_elsewhere_are_told(void **state)
{
    struct config_flag flags[] = {{"stream", "o"}, {"queue", "a"}, {"queue", "b"}, {"target", "sqs"}, {"address", "x"}};
    struct buffer problems = {0};
    struct buffer warnings = {0};
    char *places[6] = {0}; /* of a to f */
    struct config config;

    load(state, NULL, flags, COUNT_OF(flags), &config, &problems);
    assert_non_null(strstr(problems.ptr, "--address is one queue, and --queue is given 2 times"));
    config_fini(&config);
    load(state, "pipelines:\n- stream: o\n  queues: [{name: a, target: sqs}, {name: b, target: sqs, address: a}, {name: c, target: sqs, address: a, queue_region: x-1},"
                " {name: d, target: sqs, address: a, endpoint_url: 'http://127.0.0.1:1'}, {name: e}]\n"
                "- stream: p\n  queues: [{name: f, target: sqs, address: a}]\n", NULL, 0, &config, &problems);
    assert_string_equal(problems.ptr, "");
    config_duplicate_warnings(&config, places, &warnings);
    assert_string_equal(warnings.ptr, "queues \"a\" and \"b\" of stream \"o\" are one queue there (a): a record that both get comes twice\n");
    buffer_reset(&warnings);
    places[0] = places[5] = (char[]){"arn at server"}; /* f is of another stream */
    places[2] = (char[]){"arn at server"};
    places[1] = places[3] = (char[]){"arn at another server"};
    config_duplicate_warnings(&config, places, &warnings);
    assert_string_equal(warnings.ptr, "queues \"a\" and \"b\" of stream \"o\" are one queue there (a): a record that both get comes twice\n"
                                      "queues \"a\" and \"c\" of stream \"o\" are one queue there (a): a record that both get comes twice\n"
                                      "queues \"b\" and \"d\" of stream \"o\" are one queue there (a): a record that both get comes twice\n");
    config_fini(&config);
    buffer_fini(&warnings);
    buffer_fini(&problems);
}

static void flags_alone_make_one_pipeline(void **state)
{
    struct config_flag flags[] = {{"stream", "orders"}, {"queue", "a"}, {"queue", "b"}, {"max-receive-count", "5"}, {"dead-letter-queue", "d"},
                                  {"visibility-timeout", "90s"}, {"start", "latest"}, {"poll-interval", "500ms"}};
    struct buffer problems = {0};
    struct config config;

    load(state, NULL, flags, COUNT_OF(flags), &config, &problems);
    assert_string_equal(problems.ptr ? problems.ptr : "", "");
    assert_int_equal(config.pipeline_count, 1);
    assert_string_equal(config.pipelines[0].stream, "orders");
    assert_int_equal(config.pipelines[0].start, CONFIG_START_LATEST);
    assert_int_equal(config.pipelines[0].idle_poll_ms, 500);
    assert_int_equal(config.pipelines[0].queue_count, 2);
    assert_string_equal(config.pipelines[0].queues[1], "b");
    assert_int_equal(config.queue_count, 3); /* the dead-letter queue is made, too */
    assert_int_equal(config.queues[0].visibility_timeout_ms, 90000);
    assert_int_equal(config.queues[1].max_receive_count, 5);
    assert_string_equal(config.queues[2].name, "d");
    assert_int_equal(config.queues[2].visibility_timeout_ms, 30000);
    config_fini(&config);
    load(state, "pipelines:\n  - stream: t\n    queues: [q]\n", flags, 2, &config, &problems);
    assert_string_equal(problems.ptr, "flags: with a configuration file that has pipelines, what is of a stream or queue is said there, not by flags\n");
    config_fini(&config);
    buffer_fini(&problems);
}

static void the_example_is_good_and_says_the_defaults(void **state)
{
    struct command_line line = {.config_file = EXAMPLE};
    struct command_line nothing = {.config_file = NULL};
    struct buffer problems = {0};
    struct config config;
    struct config defaults;

    (void)state;
    assert_true(config_load(&config, &line, lookup, &problems));
    assert_true(config_load(&defaults, &nothing, lookup, &problems));
    assert_string_equal(config.listen, defaults.listen);
    assert_string_equal(config.account_id, defaults.account_id);
    assert_int_equal(config.keep_settled_ms, defaults.keep_settled_ms);
    assert_int_equal(config.cache_bytes, defaults.cache_bytes);
    assert_int_equal(config.disk_reserve_bytes, defaults.disk_reserve_bytes);
    assert_int_equal(config.discovery_interval_ms, defaults.discovery_interval_ms);
    assert_int_equal(config.pipelines[0].idle_poll_ms, 1000);
    config_fini(&config);
    config_fini(&defaults);
    buffer_fini(&problems);
}

struct told {
    char text[4096];
};

static void tell(void *context, const struct option_text *option)
{
    struct told *told = context;
    size_t len = strlen(told->text);

    if (strcmp(option->at_reload, "restart") != 0 && len < sizeof(told->text) - 100)
        snprintf(told->text + len, sizeof(told->text) - len, "%s%s ", option->flag, strcmp(option->at_reload, "new") == 0 ? "(new)" : "");
}

/* As docs/reload.md says it. */
static void it_is_told_what_a_reload_takes_up(void **state)
{
    struct told told = {.text = ""};

    (void)state;
    config_options(tell, &told);
    assert_string_equal(told.text, "keep-settled ledger-budget stop-timeout discovery-interval stream start(new) on-gap poll-interval role-arn external-id queue "
                                   "target address queue-region endpoint-url queue-role-arn queue-external-id max-requests filter from(new) on-dead "
                                   "visibility-timeout max-receive-count dead-letter-queue gateway body project attributes message-group oversize s3-bucket "
                                   "s3-prefix s3-region s3-addressing s3-endpoint-url ");
}

static void what_wants_a_restart_is_named_and_nothing_else(void **state)
{
    struct buffer problems = {0};
    struct buffer fixed = {0};
    struct buffer changes = {0};
    struct config before;
    struct config after;

    load(state, "cache_size: 1MiB\nkeep_settled: 1d\n", NULL, 0, &before, &problems);
    load(state, "cache_size: 2MiB\nkeep_settled: 2d\nlog_level: debug\n", NULL, 0, &after, &problems);
    config_fixed_differences(&before, &after, &fixed);
    config_changes(&before, &after, &changes);
    assert_string_equal(fixed.ptr, "cache_size, log_level");
    assert_string_equal(changes.ptr, "keep_settled changed");
    buffer_reset(&changes);
    config_changes(&after, &after, &changes);
    assert_int_equal(changes.len, 0);
    config_fini(&before);
    config_fini(&after);
    buffer_fini(&changes);
    buffer_fini(&fixed);
    buffer_fini(&problems);
}

static void names_in_the_environment_that_are_no_options_are_warned_of(void **state)
{
    static char *environment[] = {
        "HOME=/root", "STREAM2SQS_LEDGER=x", "STREAM2SQS_LEDGR=x", "STREAM2SQS_VISIBILITY_TIMEOUT=3s", "STREAM2SQS_WHOLLY_OTHER", "STREAM2SQSX=1",
        "STREAM2SQS_ledger=x", "STREAM2SQS_PORT=tcp://10.0.0.1:9324", "STREAM2SQS_PORT_9324_TCP_ADDR=10.0.0.1", "STREAM2SQS_SERVICE_PORT_SQS=9324",
        "STREAM2SQS_ADMIN_PORT_9325_TCP_ADDR=10.0.0.1", "STREAM2SQS_ADMIN_PORT=tcp://10.0.0.1:9325", "STREAM2SQS_METRICS_SERVICE_HOST=10.0.0.1", "STREAM2SQS_QUEUE=q", NULL};
    struct buffer warnings = {0};

    (void)state;
    config_environment_warnings(environment, &warnings);
    assert_string_equal(warnings.ptr, "STREAM2SQS_LEDGR in the environment is no option (nearest: STREAM2SQS_LEDGER)\n"
                                      "STREAM2SQS_VISIBILITY_TIMEOUT in the environment is not looked at: what is of a stream or queue is said by flags or in the file\n"
                                      "STREAM2SQS_WHOLLY_OTHER in the environment is no option\n"
                                      "STREAM2SQS_ledger in the environment is no option (nearest: STREAM2SQS_LEDGER)\n"
                                      "STREAM2SQS_QUEUE in the environment is not looked at: what is of a stream or queue is said by flags or in the file\n");
    buffer_fini(&warnings);
}

/* No text makes it crash or leak (the sanitizers look on). */
static void mutated_files_do_no_harm(void **state)
{
    struct random random = {11};
    char text[8192];
    FILE *file = fopen(EXAMPLE, "r");
    size_t len;

    assert_non_null(file);
    len = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    for (int round = 0; round < 300; round++) {
        struct buffer problems = {0};
        struct config config;
        char changed[8192];

        memcpy(changed, text, len);
        changed[len] = '\0';
        for (uint64_t n = 1 + random_below(&random, 6); n > 0; n--)
            changed[random_below(&random, len)] = "\t \n:-[]{}'\"#&*!|>%@`,?0aZ\x01\xff"[random_below(&random, 27)];
        load(state, changed, NULL, 0, &config, &problems);
        config_fini(&config);
        buffer_fini(&problems);
    }
}

static void the_nearest_name_is_near(void **state)
{
    static const char *const names[] = {"visibility_timeout", "start", "stream", NULL};

    (void)state;
    assert_string_equal(nearest_name("visibilty_timeout", names), "visibility_timeout");
    assert_string_equal(nearest_name("strem", names), "stream");
    assert_null(nearest_name("colour", names));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_directory(every_mistake_is_told_with_its_place),
        with_directory(a_queue_that_is_only_named_is_the_one_that_is_described),
        with_directory(a_flag_that_is_given_twice_is_a_mistake),
        with_directory(a_flag_wins_over_the_environment_and_that_over_the_file),
        with_directory(two_queues_that_are_one_elsewhere_are_told),
        with_directory(flags_alone_make_one_pipeline),
        cmocka_unit_test(the_example_is_good_and_says_the_defaults),
        cmocka_unit_test(it_is_told_what_a_reload_takes_up),
        with_directory(what_wants_a_restart_is_named_and_nothing_else),
        cmocka_unit_test(names_in_the_environment_that_are_no_options_are_warned_of),
        with_directory(mutated_files_do_no_harm),
        cmocka_unit_test(the_nearest_name_is_near),
    };

    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
