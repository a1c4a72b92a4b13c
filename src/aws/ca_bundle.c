/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/ca_bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>
#include <unistd.h>

/* Nobody is asked for a passphrase. */
static int no_passphrase(char *out, int size, int writing, void *context)
{
    (void)out;
    (void)size;
    (void)writing;
    (void)context;
    return -1;
}

/* Never waits for a writer, as a pipe would. */
static FILE *open_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "r");

    if (fd >= 0 && file == NULL)
        close(fd);
    return file;
}

bool ca_bundle_check(const char *path, const char *source, struct error *err)
{
    FILE *file = open_file(path);
    X509 *first;
    int number;
    bool good;

    ERR_set_mark(); /* what the program around us has there is its own */
    first = file ? PEM_read_X509_AUX(file, NULL, no_passphrase, NULL) : NULL;
    number = file && !ferror(file) ? 0 : errno;
    good = first != NULL;
    ERR_pop_to_mark();

    if (number != 0)
        error_set(err, ERROR_CONFIG, "cannot read %s, which %s names: %s", path, source, strerror(number));
    else if (!good)
        error_set(err, ERROR_CONFIG, "%s, which %s names, holds no certificate: wanted CA certificates in PEM", path, source);
    X509_free(first);
    if (file)
        fclose(file);
    return good;
}

bool ca_bundle_find(const char **out, const struct aws_profile *profile, const char *(*lookup)(const char *), struct error *err)
{
    const char *given = lookup("AWS_CA_BUNDLE");

    *out = given ? given : aws_profile_get(profile, NULL, "ca_bundle");
    return *out == NULL || ca_bundle_check(*out, given ? "AWS_CA_BUNDLE" : "the profile's ca_bundle", err);
}
