/* SPDX-License-Identifier: Apache-2.0 */
#include "app/control.h"

#include "app/config.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/memory.h"
#include "codec/digest.h"
#include "codec/sqs_model.h"
#include "serve/operations.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define CALL_TIMEOUT_MS 30000L
#define ANSWER_MAX (80 * 1024 * 1024) /* ten messages of 1 MiB, every byte of them escaped */

/* ---- through the daemon ---- */

static size_t on_body(char *data, size_t one, size_t len, void *context)
{
    struct buffer *body = context;

    (void)one;
    if (body->len + len > ANSWER_MAX)
        return 0;
    buffer_append(body, slice_from(data, len));
    return len;
}

static CURLcode post(const char *socket_path, const char *operation, const char *request, struct buffer *body, long *status)
{
    CURL *e = curl_easy_init();
    struct buffer url = {0};
    CURLcode result;

    if (e == NULL)
        panic("curl_easy_init failed");
    buffer_printf(&url, "http://localhost/control/%s", operation);
    curl_easy_setopt(e, CURLOPT_UNIX_SOCKET_PATH, socket_path);
    curl_easy_setopt(e, CURLOPT_URL, url.ptr);
    curl_easy_setopt(e, CURLOPT_POSTFIELDS, request);
    curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, CALL_TIMEOUT_MS);
    curl_easy_setopt(e, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, body);
    result = curl_easy_perform(e);
    curl_easy_getinfo(e, CURLINFO_RESPONSE_CODE, status);
    curl_easy_cleanup(e);
    buffer_fini(&url);
    return result;
}

/* An error of SQS, by its type. */
static enum error_code code_of_sqs(const char *type)
{
    const char *name = strchr(type, '#') ? strchr(type, '#') + 1 : type;

    if (strcmp(name, "QueueDoesNotExist") == 0)
        return ERROR_NOT_FOUND;
    if (strcmp(name, "PurgeQueueInProgress") == 0 || strcmp(name, "QueueDeletedRecently") == 0) /* in 60 seconds it can be done */
        return ERROR_UNAVAILABLE;
    return ERROR_INPUT;
}

/* Without room it is the process's own answer, in SQS's usual words; a queue's server that cannot be asked is told in others. */
static enum error_code code_of_failure(const char *type, const char *text)
{
    const char *usual = sqs_error_text(SQS_SERVICE_UNAVAILABLE);

    return type && text && strcmp(text, usual ? usual : sqs_error_query_code(SQS_SERVICE_UNAVAILABLE)) != 0 ? ERROR_UNAVAILABLE : ERROR_LEDGER_FULL;
}

/* A text; of SQS's operations, a JSON document with the text in it. */
static void refused(long status, struct slice body, struct error *err)
{
    json_t *document = json_loadb(body.ptr ? body.ptr : "", body.len, 0, NULL);
    const char *text = json_string_value(json_object_get(document, "message"));
    const char *type = json_string_value(json_object_get(document, "__type"));
    enum error_code code = status >= 500   ? code_of_failure(type, text)
                           : status == 413 ? ERROR_TOO_LARGE
                           : status == 422 ? ERROR_CONFIG
                           : status == 409 ? ERROR_UNAVAILABLE
                           : type          ? code_of_sqs(type)
                                           : ERROR_NOT_FOUND;

    if (text)
        body = slice_text(text);
    body = slice_trim(body);
    error_set(err, code, "%.*s", SLICE_ARG(body));
    json_decref(document);
}

/* *runs: a daemon answered, whatever it said. */
static bool ask_daemon(const char *ledger, const char *operation, const char *request, json_t **answer, bool *runs, struct error *err)
{
    char *path = config_control_path(ledger);
    struct buffer body = {0};
    long status = 0;
    CURLcode result;

    result = post(path, operation, request, &body, &status);
    *runs = result != CURLE_COULDNT_CONNECT;
    *answer = NULL;
    if (result == CURLE_OK && status == 200)
        *answer = body.len > 0 ? json_loadb(body.ptr, body.len, 0, NULL) : json_object();
    if (*answer == NULL && result != CURLE_OK)
        error_set(err, ERROR_UNAVAILABLE, "no answer from the daemon on %s: %s", path, curl_easy_strerror(result));
    else if (*answer == NULL)
        refused(status, buffer_slice(&body), err);
    free(path);
    buffer_fini(&body);
    return *answer != NULL;
}

/* ---- on the ledger itself ---- */

static bool apply(struct database *db, const char *operation, json_t *request, json_t **answer, struct error *err)
{
    static const struct bridge_options options = {.account_id = "", .region = "", .keep_settled_ms = INT64_MAX / 4};
    struct bridge *b = bridge_new(db, &options, clock_now(), err);
    const char *wrong;

    if (b == NULL)
        return false;
    wrong = operation_apply(b, slice_text(operation), request, clock_now(), answer);
    if (wrong) {
        error_set(err, ERROR_NOT_FOUND, "%s", wrong);
    } else if (bridge_commit(b, clock_now()) != DATABASE_OK) {
        error_set(err, ERROR_LEDGER_IO, "the change could not be stored: %s", database_failure(db));
        json_decref(*answer);
        *answer = NULL;
    }
    bridge_free(b);
    return *answer != NULL;
}

static bool change_ledger(const char *ledger, const char *operation, json_t *request, json_t **answer, struct error *err)
{
    const struct database_options options = {.purpose = "a stream2sqs command"};
    struct database *db = database_open(ledger, &options, err);
    bool good;

    if (db == NULL)
        return false;
    digest_init();
    good = apply(db, operation, request, answer, err);
    database_close(db);
    digest_fini();
    return good;
}

static bool may_not_ask(const char *ledger)
{
    char *path = config_control_path(ledger);
    bool refused = access(path, W_OK) != 0 && errno == EACCES;

    free(path);
    return refused;
}

bool control_call(const char *ledger, const char *operation, json_t *request, json_t **answer, struct error *err)
{
    char *text = json_dumps(request, JSON_COMPACT);
    bool runs;
    bool good = ask_daemon(ledger, operation, text, answer, &runs, err);

    free(text);
    if (!runs && may_not_ask(ledger))
        return error_set(err, ERROR_SYSTEM, "this user may not ask the stream2sqs that runs on %s: %s", ledger, strerror(EACCES));
    if (!runs && (strncmp(operation, "sqs/", 4) == 0 || strcmp(operation, "reload") == 0))
        return error_set(err, ERROR_UNAVAILABLE, "no stream2sqs runs on %s (status, records, trace and dead need none)", ledger);
    if (!runs && strcmp(operation, "status") != 0)
        return change_ledger(ledger, operation, request, answer, err);
    return good;
}
