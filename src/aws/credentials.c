/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/credentials.h"

#include "base/memory.h"

#include <stdlib.h>

static bool printable(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] <= ' ' || text.ptr[i] > '~')
            return false;
    return true;
}

bool credentials_set(struct credentials *out, struct slice access_key_id, struct slice secret, struct slice session_token, const char *source,
                     struct error *err)
{
    *out = (struct credentials){0};
    if (access_key_id.len == 0 || secret.len == 0)
        return error_set(err, ERROR_CREDENTIALS, "the credentials of the %s have no access key id, or no secret", source);
    if (!printable(access_key_id) || !printable(secret) || !printable(session_token))
        return error_set(err, ERROR_CREDENTIALS, "the credentials of the %s hold blanks or control characters: were they pasted with a line break?", source);
    out->access_key_id = slice_dup(access_key_id);
    out->secret = slice_dup(secret);
    out->session_token = session_token.len > 0 ? slice_dup(session_token) : NULL;
    out->signing = memory_zeroed(1, sizeof(*out->signing));
    return true;
}

void credentials_copy(struct credentials *out, const struct credentials *from)
{
    *out = (struct credentials){.access_key_id = memory_strdup(from->access_key_id), .secret = memory_strdup(from->secret),
                                .session_token = memory_strdup(from->session_token), .expires_ms = from->expires_ms,
                                .signing = memory_zeroed(1, sizeof(*out->signing))};
}

void secret_free(char *text)
{
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
}

void credentials_fini(struct credentials *c)
{
    free(c->access_key_id);
    secret_free(c->secret);
    secret_free(c->session_token);
    if (c->signing)
        signing_keys_fini(c->signing);
    free(c->signing);
    *c = (struct credentials){0};
}

const char *region_find(const struct aws_profile *profile, const char *(*lookup)(const char *))
{
    const char *region = lookup("AWS_REGION");

    region = region ? region : lookup("AWS_DEFAULT_REGION");
    return region ? region : aws_profile_get(profile, NULL, "region");
}
