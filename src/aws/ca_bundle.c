/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/ca_bundle.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

bool ca_bundle_check(const char *path, const char *source, struct error *err)
{
    FILE *file = fopen(path, "re");
    X509 *first = file ? PEM_read_X509_AUX(file, NULL, NULL, NULL) : NULL;
    int number = file && !ferror(file) ? 0 : errno;
    bool good = first != NULL;

    if (number != 0)
        error_set(err, ERROR_CONFIG, "cannot read %s, which %s names: %s", path, source, strerror(number));
    else if (!good)
        error_set(err, ERROR_CONFIG, "%s, which %s names, holds no certificate: wanted CA certificates in PEM", path, source);
    X509_free(first);
    ERR_clear_error();
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
