/* SPDX-License-Identifier: Apache-2.0 */
#include "io/tls_files.h"

#include "base/memory.h"

#include <errno.h>
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define CHAIN_MAX 16

/* What was read at one time. A handshake may still use one that was replaced, so they stay until the end: few, and small. */
struct identity {
    struct identity *older;
    gnutls_pcert_st chain[CHAIN_MAX];
    unsigned chain_count;
    gnutls_privkey_t key;
    int64_t expire_s;
};

struct tls_files {
    char *certificate;
    char *key;
    struct identity *current;
    struct identity *next; /* read, and not taken yet */
};

static struct tls_files *in_use; /* there is one endpoint with TLS in a process */

static void identity_free(struct identity *i)
{
    for (unsigned k = 0; k < i->chain_count; k++)
        gnutls_pcert_deinit(&i->chain[k]);
    if (i->key)
        gnutls_privkey_deinit(i->key);
    free(i);
}

static bool refuse(struct error *err, const char *path, int code)
{
    int number = errno;

    if (code == GNUTLS_E_FILE_ERROR)
        return error_set(err, ERROR_CONFIG, "cannot read %s: %s", path, strerror(number));
    return error_set(err, ERROR_CONFIG, "cannot use %s: %s", path, gnutls_strerror(code));
}

/* Another than its owner must not read the key. */
static bool private(const char *path, struct error *err)
{
    struct stat info;

    if (stat(path, &info) != 0)
        return error_set(err, ERROR_CONFIG, "cannot read %s: %s", path, strerror(errno));
    if (info.st_mode & (S_IRWXG | S_IRWXO))
        return error_set(err, ERROR_CONFIG, "%s can be read by others than its owner: chmod 600 %s", path, path);
    return true;
}

/* GnuTLS's own loader says whether the two belong together. */
static bool belong_together(const struct tls_files *t, struct error *err)
{
    gnutls_certificate_credentials_t scratch;
    int code = gnutls_certificate_allocate_credentials(&scratch);

    if (code < 0)
        return refuse(err, t->certificate, code);
    code = gnutls_certificate_set_x509_key_file(scratch, t->certificate, t->key, GNUTLS_X509_FMT_PEM);
    gnutls_certificate_free_credentials(scratch);
    if (code >= 0)
        return true;
    return error_set(err, ERROR_CONFIG, "cannot use %s with %s: %s", t->certificate, t->key, gnutls_strerror(code));
}

static bool read_key(struct identity *i, const char *path, struct error *err)
{
    gnutls_datum_t text = {0};
    int code = gnutls_load_file(path, &text);
    bool locked = false;

    if (code >= 0)
        code = gnutls_privkey_init(&i->key);
    if (code >= 0) {
        code = gnutls_privkey_import_x509_raw(i->key, &text, GNUTLS_X509_FMT_PEM, NULL, 0);
        locked = code < 0 && memmem(text.data, text.size, "ENCRYPTED", 9);
    }
    if (text.data) {
        explicit_bzero(text.data, text.size);
        gnutls_free(text.data);
    }
    if (locked)
        return error_set(err, ERROR_CONFIG, "the key in %s has a passphrase, and nobody is there to type it: openssl pkey -in %s -out FILE writes it without",
                         path, path);
    if (code == GNUTLS_E_BASE64_UNEXPECTED_HEADER_ERROR || code == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
        return error_set(err, ERROR_CONFIG, "%s holds no private key (PEM)", path);
    return code >= 0 || refuse(err, path, code);
}

static bool read_chain(struct identity *i, const char *path, struct error *err)
{
    gnutls_datum_t text = {0};
    gnutls_x509_crt_t first = NULL;
    unsigned count = CHAIN_MAX;
    int code = gnutls_load_file(path, &text);

    if (code >= 0)
        code = gnutls_pcert_list_import_x509_raw(i->chain, &count, &text, GNUTLS_X509_FMT_PEM, 0);
    if (code >= 0) {
        i->chain_count = count;
        code = gnutls_pcert_export_x509(&i->chain[0], &first);
    }
    if (code >= 0) {
        i->expire_s = (int64_t)gnutls_x509_crt_get_expiration_time(first);
        gnutls_x509_crt_deinit(first);
    }
    if (text.data)
        gnutls_free(text.data);
    if (code == GNUTLS_E_BASE64_UNEXPECTED_HEADER_ERROR || code == GNUTLS_E_NO_CERTIFICATE_FOUND)
        return error_set(err, ERROR_CONFIG, "%s holds no certificate (PEM)", path);
    return code >= 0 || refuse(err, path, code);
}

bool tls_files_read(struct tls_files *t, struct error *err)
{
    struct identity *fresh = memory_zeroed(1, sizeof(*fresh));

    if (!read_chain(fresh, t->certificate, err) || !private(t->key, err) || !read_key(fresh, t->key, err) || !belong_together(t, err)) {
        identity_free(fresh);
        return false;
    }
    if (t->next)
        identity_free(t->next);
    t->next = fresh;
    return true;
}

static bool same_chain(const struct identity *a, const struct identity *b)
{
    if (a->chain_count != b->chain_count)
        return false;
    for (unsigned i = 0; i < a->chain_count; i++)
        if (a->chain[i].cert.size != b->chain[i].cert.size || memcmp(a->chain[i].cert.data, b->chain[i].cert.data, a->chain[i].cert.size) != 0)
            return false;
    return true;
}

bool tls_files_take(struct tls_files *t)
{
    struct identity *next = t->next;

    t->next = NULL;
    if (next && t->current && same_chain(t->current, next)) {
        identity_free(next);
        return false;
    }
    if (next) {
        next->older = t->current;
        t->current = next;
    }
    return next != NULL;
}

struct tls_files *tls_files_new(const char *certificate, const char *key, struct error *err)
{
    struct tls_files *t = memory_zeroed(1, sizeof(*t));

    t->certificate = memory_strdup(certificate);
    t->key = memory_strdup(key);
    if (!tls_files_read(t, err)) {
        tls_files_free(t);
        return NULL;
    }
    tls_files_take(t);
    in_use = t;
    return t;
}

void tls_files_free(struct tls_files *t)
{
    if (t == NULL)
        return;
    if (in_use == t)
        in_use = NULL;
    if (t->next)
        identity_free(t->next);
    while (t->current) {
        struct identity *i = t->current;

        t->current = i->older;
        identity_free(i);
    }
    free(t->certificate);
    free(t->key);
    free(t);
}

int64_t tls_files_expire_s(const struct tls_files *t)
{
    return t->current->expire_s;
}

/* gnutls_certificate_retrieve_function2 */
static int choose(gnutls_session_t session, const gnutls_datum_t *authorities, int authority_count, const gnutls_pk_algorithm_t *algorithms,
                  int algorithm_count, gnutls_pcert_st **chain, unsigned *chain_count, gnutls_privkey_t *key)
{
    (void)session;
    (void)authorities;
    (void)authority_count;
    (void)algorithms;
    (void)algorithm_count;
    if (in_use == NULL)
        return -1;
    *chain = in_use->current->chain;
    *chain_count = in_use->current->chain_count;
    *key = in_use->current->key;
    return 0;
}

void *tls_files_callback(void)
{
    gnutls_certificate_retrieve_function2 *function = choose;

    return (void *)(uintptr_t)function;
}
