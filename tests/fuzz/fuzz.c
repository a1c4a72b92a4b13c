/* SPDX-License-Identifier: Apache-2.0
 *
 * libFuzzer over every parser of bytes from the network. The first byte of an input chooses the parser. Pages are parsed by jansson, too: what the slicer
 * takes must be JSON, each record must be the bytes of one, and what it finds in it must be what jansson finds.
 */
#include "app/access_keys.h"
#include "base/utf8.h"
#include "codec/credential_wire.h"
#include "codec/event_pattern.h"
#include "codec/json.h"
#include "codec/shell_words.h"
#include "codec/sigv4.h"
#include "codec/sqs_client_wire.h"
#include "codec/sqs_query.h"
#include "codec/stream_wire.h"
#include "core/message_form.h"
#include "core/record.h"
#include "serve/sqs_access.h"

#include <jansson.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void check_record(const struct stream_record *r, json_t *want)
{
    json_t *found = json_loadb(r->body.ptr, r->body.len, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, NULL);
    const char *sequence = json_string_value(json_object_get(json_object_get(want, "dynamodb"), "SequenceNumber"));

    must(found != NULL && json_equal(found, want));
    must(sequence != NULL && slice_is(r->sequence_number, sequence));
    json_decref(found);
}

static void page(struct slice text)
{
    struct stream_page p = {0};
    struct buffer arena = {0};
    const char *error;

    if (get_records_decode(&p, text, &error)) {
        json_t *document = json_loadb(text.ptr, text.len, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, NULL);
        json_t *records = json_object_get(document, "Records");

        /* jansson is stricter with duplicates and numbers out of a double's range: then there is nothing to compare */
        must(document == NULL || json_array_size(records) == p.len);
        for (size_t i = 0; document && i < p.len; i++)
            check_record(&p.records[i], json_array_get(records, i));
        for (size_t i = 0; i < p.len; i++)
            record_key_hash(p.records[i].keys, &arena);
        json_decref(document);
    }
    stream_page_fini(&p);
    buffer_fini(&arena);
}

static void small_answers(struct slice text)
{
    struct stream_description description = {0};
    struct stream_listing listing = {0};
    struct slice found;
    struct slice message;
    const char *error;

    (void)!describe_stream_decode(&description, text, &error);
    (void)!list_streams_decode(&listing, text, &error);
    (void)!describe_table_decode(text, &found, &error);
    (void)!get_shard_iterator_decode(text, &found, &error);
    (void)!aws_error_decode(text, &found, &message);
    stream_description_fini(&description);
    stream_listing_fini(&listing);
}

/* Error texts hold what strangers sent: an answer in JSON or XML must be able to. */
static void check_failure(const struct sqs_failure *failure)
{
    must(failure->error != SQS_OK && utf8_valid(slice_text(failure->text)));
    for (const char *c = failure->text; *c; c++)
        must((unsigned char)*c >= ' ');
}

static void check_request(const struct sqs_request *r)
{
    must(r->max_messages >= 1 && r->max_messages <= 10 && r->wait_s >= -1 && r->wait_s <= 20 && r->entry_count <= SQS_BATCH_MAX);
    for (size_t i = 0; i < r->entry_count; i++)
        must(r->entries[i].error != SQS_OK || (r->entries[i].bytes <= SQS_MESSAGE_BYTES_MAX && r->entries[i].attribute_count <= SQS_ATTRIBUTES_MAX));
}

static bool decode(struct sqs_request *r, struct slice target, struct slice body)
{
    struct sqs_failure failure;
    bool good = sqs_request_decode(r, target, body, &failure);

    if (good)
        check_request(r);
    else
        check_failure(&failure);
    return good;
}

/* AWS JSON. */
static void request(struct slice text)
{
    static struct sqs_request r;
    struct slice target = slice_text(text.len ? sqs_action_name((enum sqs_action)((unsigned char)text.ptr[0] % SQS_ACTION_COUNT)) : "");

    (void)decode(&r, target, slice_after(text, 1));
}

static void check_json(struct slice text)
{
    struct scanner j;

    scan_init(&j, text);
    must(scan_peek(&j) == SCAN_OBJECT);
    scan_skip(&j);
    must(scan_end(&j));
}

/* The Query protocol: a path, and a form behind a line feed. What becomes of it must be JSON, and its answer XML that holds no mark-up of the client's. */
static void query(struct slice text)
{
    static struct sqs_query q;
    static struct sqs_request r;
    size_t end = slice_index(text, '\n');
    struct sqs_answer answer = {0};
    struct buffer xml = {0};
    struct sqs_failure failure;

    if (sqs_query_to_json(&q, slice_after(text, end + 1), slice_from(text.ptr, end), &failure)) {
        check_json(buffer_slice(&q.json));
        (void)decode(&r, q.action, buffer_slice(&q.json));
        return;
    }
    check_failure(&failure);
    sqs_answer_error(&answer, failure.error, failure.text);
    sqs_answer_to_xml(&xml, &answer, SQS_ACTION_COUNT, SLICE("id"));
    must(xml.len > 0 && strstr(xml.ptr, "<script") == NULL && utf8_valid(buffer_slice(&xml)));
    sqs_answer_fini(&answer);
    buffer_fini(&xml);
}

/* A file of access keys, and what the first key in it may do. */
static void access_keys(struct slice text)
{
    static const char secret[] = "CANARY-SECRET";
    struct keyring *ring = keyring_new();
    struct buffer file = {0};
    struct error err = {.text = ""};

    buffer_append_text(&file, "AKIAFIRST:");
    buffer_append_text(&file, secret);
    buffer_append(&file, text);
    if (access_keys_parse(ring, buffer_slice(&file), "keys", &err)) {
        const struct sqs_request request = {.action = SQS_ACTION_SEND_MESSAGE, .queue_name = SLICE("q")};
        const struct access_key *key;
        struct sqs_failure failure;

        must(keyring_count(ring) > 0);
        keyring_derive(ring, SLICE("AKIAFIRST"), SLICE("20260131"), SLICE("eu-west-1"), SLICE("sqs"), &key);
        if (key && !sqs_access_allows(key, &request, SLICE("eu-west-1"), "000000000000", &failure))
            check_failure(&failure);
    } else {
        must(err.text[0] != '\0' && (strstr(err.text, secret) == NULL || memmem(text.ptr, text.len, secret, strlen(secret)) != NULL));
    }
    keyring_free(ring);
    buffer_fini(&file);
}

static void authorization(struct slice text)
{
    struct header headers[] = {{SLICE("host"), SLICE("h")}, {SLICE("x-amz-date"), SLICE("20260131T123456Z")}, {SLICE("authorization"), text}};
    struct sigv4_request r = {.method = SLICE("POST"), .path = SLICE("/"), .query = SLICE(""), .body = SLICE(""), .headers = headers, .header_count = 3};
    struct keyring *ring = keyring_new();
    struct buffer out = {0};
    const struct access_key *key;

    keyring_add(ring, SLICE("AKIDEXAMPLE"), SLICE("secret of some length"));
    must(sigv4_verify(ring, &r, SLICE_NONE, SLICE("sqs"), INT64_C(1769862896000), &key, &out) != SIGV4_OK);
    keyring_free(ring);
    buffer_fini(&out);
}

/* The answers of a queue's server. */
static void target_answers(struct slice text)
{
    struct sqs_entry_result results[SQS_BATCH_MAX];
    struct buffer url = {0};

    if (!sqs_batch_result_decode(text, results, SQS_BATCH_MAX))
        for (size_t i = 0; i < SQS_BATCH_MAX; i++)
            must(results[i].state == SQS_ENTRY_ABSENT); /* of a malformed answer nothing is believed */
    (void)!sqs_queue_url_decode(text, &url);
    (void)sqs_queue_attribute_find(text, "MaximumMessageSize");
    buffer_fini(&url);
}

/* A pattern and an event, with a line feed between them. */
static void pattern(struct slice text)
{
    size_t end = slice_index(text, '\n');
    struct buffer scratch = {0};
    struct error err = {.text = ""};
    struct filter *filter = filter_new(slice_from(text.ptr, end), &err);

    must((filter == NULL) == (err.text[0] != '\0'));
    if (filter)
        filter_match(filter, slice_after(text, end + 1), &scratch);
    filter_free(filter);
    buffer_fini(&scratch);
}

/* A record in every form: what comes out is JSON if what went in was. */
static void forms(struct slice text)
{
    static const struct origin origin = {1, (char *)"arn:aws:dynamodb:r:1:table/t/stream/x", (char *)"shard"};
    static const char *const projections[] = {NULL, "keys", "a,b"};
    json_t *document = json_loadb(text.ptr, text.len, JSON_ALLOW_NUL, NULL);

    for (int body = BODY_LAMBDA; json_is_object(document) && body <= BODY_UNMARSHALLED; body++) {
        for (size_t i = 0; i < 3; i++) {
            struct message_form f;
            struct buffer out = {0};
            struct composed c = {0};
            struct error err;

            must(message_form_init(&f, (enum body_form)body, projections[i], "table,event_name,item.a", "item.a", &err));
            if (message_form_body(&f, slice_trim(text), &origin, &out, &err) && body != BODY_UNMARSHALLED) {
                json_t *made = json_loadb(out.ptr, out.len, JSON_ALLOW_NUL, NULL);

                must(made != NULL);
                json_decref(made);
            }
            message_form_attributes(&f, slice_trim(text), SLICE("1"), &origin, &c);
            message_form_group(&f, slice_trim(text), &c);
            message_form_fini(&f);
            composed_fini(&c);
            buffer_fini(&out);
        }
    }
    json_decref(document);
}

/* A cached login that is renewed can be read again, and has what it was given. */
static void sso_login(struct slice text)
{
    struct sso_token token;
    struct sso_token again;
    struct buffer out = {0};
    const char *error;

    if (!sso_token_decode(&token, text, &error))
        return;
    must(sso_renewal_decode(&token, SLICE("{\"accessToken\":\"a\\\"b\",\"expiresIn\":60,\"refreshToken\":\"r\"}"), 1000, &error));
    must(sso_token_rewrite(&out, text, &token) && sso_token_decode(&again, buffer_slice(&out), &error));
    must(slice_is(buffer_slice(&again.access_token), "a\"b") && slice_is(buffer_slice(&again.refresh_token), "r") && again.expires_ms == 61000);
    must(slice_equal(buffer_slice(&again.client_secret), buffer_slice(&token.client_secret)));
    (void)!sso_renewal_decode(&token, text, 0, &error);
    sso_token_fini(&token);
    sso_token_fini(&again);
    buffer_fini(&out);
}

/* Everything that hands out credentials; a command line is cut, too. */
static void credential_answers(struct slice text)
{
    struct issued issued = {0};
    struct buffer code = {0};
    struct buffer message = {0};
    struct buffer region = {0};
    const char *error;
    char *line = slice_dup(text);
    char **words = shell_words_split(line, &error);

    if (sts_answer_decode(&issued, text, &error))
        must(issued.access_key_id.len > 0 && issued.secret.len > 0 && issued.expires_ms != 0);
    issued_fini(&issued);
    (void)!process_answer_decode(&issued, text, &error);
    issued_fini(&issued);
    (void)!metadata_answer_decode(&issued, text, &message, &error);
    issued_fini(&issued);
    (void)!sso_answer_decode(&issued, text, &error);
    issued_fini(&issued);
    (void)!xml_error_decode(text, &code, &message, &region);
    buffer_fini(&region);
    json_error_decode(&message, text);
    buffer_fini(&code);
    sso_login(text);
    buffer_fini(&message);
    free(words);
    free(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const parsers[])(struct slice text) = {page, small_answers, request, authorization, target_answers, pattern, forms,
                                                         credential_answers, query, access_keys};
    struct slice text = slice_from((const char *)data + 1, size - 1);

    if (size == 0)
        return 0;
    digest_init();
    parsers[data[0] % (sizeof(parsers) / sizeof(parsers[0]))](text);
    return 0;
}
