/* SPDX-License-Identifier: Apache-2.0 */
#include "app/own_queue.h"

#include "app/access_keys.h"
#include "app/control.h"
#include "app/reading.h"
#include "aws/credentials.h"
#include "base/memory.h"

#include <stdlib.h>
#include <unistd.h>

/* ---- where ---- */

/* What the process has written down when it was ready; NULL: none did. */
static json_t *addresses_of(const struct config *config)
{
    char *path = config_addresses_path(config);
    json_t *document = json_load_file(path, 0, NULL);

    free(path);
    return document;
}

static bool is_under(const char *url, const char *origin)
{
    size_t len = strlen(origin);

    return len > 0 && strncmp(url, origin, len) == 0 && url[len] == '/';
}

/* A process that listens on every address is reached on loopback. */
static char *loopback_of(const char *url)
{
    static const char *const any[] = {"http://0.0.0.0:", "https://0.0.0.0:", "http://[::]:", "https://[::]:"};
    struct buffer out = {0};

    for (size_t i = 0; i < sizeof(any) / sizeof(any[0]); i++) {
        size_t len = strlen(any[i]);

        if (strncmp(url, any[i], len) != 0)
            continue;
        buffer_printf(&out, "%s%s:%.*s", i % 2 ? "https://" : "http://", i < 2 ? "127.0.0.1" : "[::1]", (int)strcspn(url + len, "/"), url + len);
        return buffer_take(&out);
    }
    return NULL;
}

static char *ask_url(const struct config *config, const char *name, struct error *err)
{
    json_t *request = json_pack("{s:s}", "QueueName", name);
    json_t *answer = NULL;
    char *url = NULL;

    if (request == NULL)
        error_set(err, ERROR_USAGE, "the queue's name is not UTF-8");
    else if (control_call(config->ledger, "sqs/GetQueueUrl", request, &answer, err))
        url = memory_strdup(text_of(answer, "QueueUrl"));
    else if (err->code == ERROR_NOT_FOUND)
        error_set(err, ERROR_NOT_FOUND, "there is no queue \"%s\" (`stream2sqs queue` lists them)", name);
    json_decref(request);
    json_decref(answer);
    return url;
}

bool own_queue_find(struct own_queue *out, const struct config *config, const char *queue, struct error *err)
{
    json_t *addresses;

    *out = (struct own_queue){0};
    if (strstr(queue, "://") == NULL && (out->url = ask_url(config, queue, err)) == NULL)
        return false;
    addresses = addresses_of(config);
    if (out->url == NULL && is_under(queue, text_of(addresses, "sqs")))
        out->url = memory_strdup(queue);
    if (out->url) {
        const char *certificate = text_of(addresses, "tls_certificate");

        out->endpoint_url = loopback_of(out->url);
        out->certificate = certificate[0] && access(certificate, R_OK) == 0 ? memory_strdup(certificate) : NULL;
    }
    json_decref(addresses);
    return true;
}

/* ---- with which key ---- */

static bool may_consume(const struct access_key *key, struct slice queue)
{
    return !slice_present(access_key_account(key)) && access_key_allows(key, SQS_ACTION_RECEIVE_MESSAGE, queue) &&
           access_key_allows(key, SQS_ACTION_DELETE_MESSAGE, queue) && access_key_allows(key, SQS_ACTION_CHANGE_MESSAGE_VISIBILITY, queue);
}

static bool choose(struct own_queue *q, const struct keyring *ring, const char *path, struct error *err)
{
    struct slice name = slice_text(strrchr(q->url, '/') + 1);
    const struct access_key *key;

    for (size_t i = 0; (key = keyring_at(ring, i)) != NULL; i++) {
        if (!may_consume(key, name))
            continue;
        q->access_key_id = slice_dup(access_key_id(key));
        q->secret = slice_dup(access_key_secret(key));
        return true;
    }
    return error_set(err, ERROR_CREDENTIALS, "no key in %s may receive, delete and hide messages of \"%.*s\" (ReceiveMessage, DeleteMessage, "
                     "ChangeMessageVisibility)", path, SLICE_ARG(name));
}

bool own_queue_find_key(struct own_queue *q, const struct config *config, struct error *err)
{
    struct keyring *ring = keyring_new();
    char *path = config_access_keys_path(config);
    bool good = access_keys_read(ring, path, err) && choose(q, ring, path, err);

    keyring_free(ring);
    free(path);
    return good;
}

void own_queue_fini(struct own_queue *q)
{
    free(q->url);
    free(q->endpoint_url);
    free(q->certificate);
    secret_free(q->access_key_id);
    secret_free(q->secret);
    *q = (struct own_queue){0};
}
