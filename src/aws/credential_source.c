/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/credential_source.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "codec/digest.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define SESSION_NAME "stream2sqs"
#define CHAIN_MAX 16 /* profiles that lead to one another */

/* What a search has at hand. A rule that does not apply leaves *err alone and returns NULL; one that applies but is wrong sets `failed`. */
struct search {
    const struct aws_profile *profile;
    const char *(*lookup)(const char *);
    struct error *err;
    bool failed;
    const char *visited[CHAIN_MAX];
    int depth;
};

static struct credential_source *wrong(struct search *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

static struct credential_source *wrong(struct search *s, const char *format, ...)
{
    char text[800];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    error_set(s->err, ERROR_CREDENTIALS, "%s", text);
    s->failed = true;
    return NULL;
}

static struct credential_source *make(enum credential_kind kind, const char *name)
{
    struct credential_source *source = memory_zeroed(1, sizeof(*source));

    source->kind = kind;
    source->name = memory_strdup(name);
    return source;
}

void credential_source_free(struct credential_source *s)
{
    if (s == NULL)
        return;
    credential_source_free(s->base);
    credentials_fini(&s->keys);
    secret_free(s->external_id); /* a shared secret of sorts */
    secret_free(s->token);
    char *const texts[] = {s->name, s->role_arn, s->session_name, s->token_file, s->url, s->command, s->sso_region, s->sso_account_id, s->sso_role_name,
                           s->sso_login};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        free(texts[i]);
    free(s);
}

struct credential_source *credential_source_role(struct credential_source **base, const char *role_arn, const char *external_id, const char *session_name)
{
    struct credential_source *source = make(CREDENTIAL_ROLE, role_arn);

    source->role_arn = memory_strdup(role_arn);
    source->external_id = memory_strdup(external_id);
    source->session_name = memory_strdup(session_name ? session_name : SESSION_NAME);
    source->base = *base;
    *base = NULL;
    return source;
}

static char *profile_words(const char *name)
{
    struct buffer text = {0};

    buffer_printf(&text, "profile \"%s\"", name);
    return buffer_take(&text);
}

static const char *setting(const struct search *s, const char *profile, const char *name)
{
    return aws_profile_get_of(s->profile, profile, name);
}

/* ---- keys ---- */

static struct credential_source *keys(struct search *s, const char *name, const char *id, const char *secret, const char *token)
{
    struct credential_source *source = make(CREDENTIAL_KEYS, name);

    if (credentials_set(&source->keys, slice_text(id), slice_text(secret), slice_text(token), name, s->err))
        return source;
    s->failed = true;
    credential_source_free(source);
    return NULL;
}

static struct credential_source *from_environment(struct search *s, const char *profile)
{
    const char *id = s->lookup("AWS_ACCESS_KEY_ID");
    const char *secret = s->lookup("AWS_SECRET_ACCESS_KEY");

    (void)profile;
    if (id && secret)
        return keys(s, "environment", id, secret, s->lookup("AWS_SESSION_TOKEN"));
    if (id || secret)
        return wrong(s, "%s is set, but %s is not", id ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY", id ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID");
    return NULL;
}

static struct credential_source *from_file(struct search *s, const char *profile, bool credentials_file)
{
    const char *id = aws_profile_get_from(s->profile, profile, "aws_access_key_id", credentials_file);
    const char *secret = aws_profile_get_from(s->profile, profile, "aws_secret_access_key", credentials_file);
    struct credential_source *source;
    char *name;

    if (id == NULL && secret == NULL)
        return NULL;
    if (id == NULL || secret == NULL)
        return wrong(s, "the profile \"%s\" has an aws_access_key_id or an aws_secret_access_key, but not both", profile);
    name = profile_words(profile);
    source = keys(s, name, id, secret, aws_profile_get_from(s->profile, profile, "aws_session_token", credentials_file));
    free(name);
    return source;
}

static struct credential_source *from_credentials_file(struct search *s, const char *profile)
{
    return from_file(s, profile, true);
}

static struct credential_source *from_config_file(struct search *s, const char *profile)
{
    return from_file(s, profile, false);
}

/* ---- containers and EC2 ---- */

static struct credential_source *from_container(struct search *s, const char *profile)
{
    const char *relative = s->lookup("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const char *full = s->lookup("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    struct credential_source *source;
    struct buffer url = {0};

    (void)profile;
    if (relative == NULL && full == NULL)
        return NULL;
    if (relative && relative[0] != '/')
        return wrong(s, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI does not begin with a '/'");
    if (relative == NULL && strncmp(full, "http://", 7) != 0 && strncmp(full, "https://", 8) != 0)
        return wrong(s, "AWS_CONTAINER_CREDENTIALS_FULL_URI is no http or https URL");
    buffer_printf(&url, "%s%s", relative ? "http://169.254.170.2" : "", relative ? relative : full);
    source = make(CREDENTIAL_CONTAINER, "container");
    source->url = buffer_take(&url);
    source->token_file = memory_strdup(s->lookup("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"));
    source->token = memory_strdup(s->lookup("AWS_CONTAINER_AUTHORIZATION_TOKEN"));
    return source;
}

/* docs.aws.amazon.com/sdkref/latest/guide/feature-imds-credentials.html */
static struct credential_source *from_metadata(struct search *s, const char *profile)
{
    const char *disabled = s->lookup("AWS_EC2_METADATA_DISABLED");
    const char *given = s->lookup("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    const char *mode = s->lookup("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
    struct credential_source *source;
    size_t len;

    if (disabled && strcasecmp(disabled, "true") == 0)
        return NULL;
    given = given ? given : setting(s, profile, "ec2_metadata_service_endpoint");
    mode = mode ? mode : setting(s, profile, "ec2_metadata_service_endpoint_mode");
    if (mode && strcasecmp(mode, "ipv4") != 0 && strcasecmp(mode, "ipv6") != 0)
        return wrong(s, "the metadata service's endpoint mode is \"%s\": wanted IPv4 or IPv6", mode);
    if (given == NULL)
        given = mode && strcasecmp(mode, "ipv6") == 0 ? "http://[fd00:ec2::254]" : "http://169.254.169.254";
    if (strncmp(given, "http://", 7) != 0 && strncmp(given, "https://", 8) != 0)
        return wrong(s, "the metadata service's endpoint \"%s\" is no http or https URL", given);
    source = make(CREDENTIAL_METADATA, "EC2 instance metadata");
    for (len = strlen(given); given[len - 1] == '/';)
        len--;
    source->url = slice_dup(slice_from(given, len));
    return source;
}

/* ---- roles ---- */

static bool read_duration(struct search *s, const char *profile, int64_t *seconds)
{
    const char *text = setting(s, profile, "duration_seconds");
    uint64_t value = 0;

    *seconds = 0;
    if (text == NULL)
        return true;
    if (!slice_to_u64(slice_text(text), &value) || value < 900 || value > 43200) {
        wrong(s, "the profile \"%s\" has duration_seconds \"%s\": wanted 900 to 43200", profile, text);
        return false;
    }
    *seconds = (int64_t)value;
    return true;
}

static struct credential_source *named_source(struct search *s, const char *profile, const char *name)
{
    static const struct {
        const char *name;
        struct credential_source *(*find)(struct search *s, const char *profile);
    } sources[] = {{"Environment", from_environment}, {"EcsContainer", from_container}, {"Ec2InstanceMetadata", from_metadata}};

    for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
        struct credential_source *found;

        if (strcasecmp(name, sources[i].name) != 0)
            continue;
        found = sources[i].find(s, profile);
        return found || s->failed ? found : wrong(s, "the profile \"%s\" has credential_source = %s, but there are no such credentials", profile, name);
    }
    return wrong(s, "the profile \"%s\" has credential_source \"%s\": wanted Environment, EcsContainer or Ec2InstanceMetadata", profile, name);
}

static struct credential_source *from_role(struct search *s, const char *profile);
static struct credential_source *from_profile(struct search *s, const char *profile, bool environment);

static bool has_keys(const struct search *s, const char *profile)
{
    return setting(s, profile, "aws_access_key_id") || setting(s, profile, "aws_secret_access_key");
}

/* As botocore: a profile may name itself, for its own static keys; keys come before a further role. */
static struct credential_source *source_profile(struct search *s, const char *profile, const char *name)
{
    struct credential_source *found = NULL;

    if (!aws_profile_exists(s->profile, name))
        return wrong(s, "the profile \"%s\" has source_profile = %s, but there is no such profile", profile, name);
    for (int i = 0; i < s->depth; i++)
        if (strcmp(s->visited[i], name) == 0 && !(strcmp(profile, name) == 0 && has_keys(s, name)))
            return wrong(s, "the profiles' source_profile settings go round in a circle: \"%s\" leads back to \"%s\"", profile, name);
    if (s->depth == CHAIN_MAX)
        return wrong(s, "more than %d profiles lead to one another by source_profile", CHAIN_MAX);
    s->visited[s->depth++] = name;
    if (!has_keys(s, name))
        found = from_role(s, name);
    if (found == NULL && !s->failed)
        found = from_profile(s, name, false);
    return found || s->failed ? found : wrong(s, "the profile \"%s\", source_profile of \"%s\", has no credentials", name, profile);
}

static struct credential_source *base_of(struct search *s, const char *profile)
{
    const char *base = setting(s, profile, "source_profile");
    const char *named = setting(s, profile, "credential_source");

    if (base && named)
        return wrong(s, "the profile \"%s\" has both source_profile and credential_source: one is wanted", profile);
    if (base)
        return source_profile(s, profile, base);
    if (named)
        return named_source(s, profile, named);
    return wrong(s, "the profile \"%s\" has a role_arn, but no source_profile or credential_source: in whose name is it assumed?", profile);
}

static struct credential_source *from_role(struct search *s, const char *profile)
{
    const char *arn = setting(s, profile, "role_arn");
    struct credential_source *base;
    struct credential_source *source;
    int64_t duration_s;

    if (arn == NULL || setting(s, profile, "web_identity_token_file"))
        return NULL;
    if (setting(s, profile, "mfa_serial"))
        return wrong(s, "the profile \"%s\" wants a code from an MFA device (mfa_serial), which a service cannot type: use a role without that condition, or "
                     "export credentials (aws configure export-credentials --format env)", profile);
    if (!read_duration(s, profile, &duration_s) || (base = base_of(s, profile)) == NULL)
        return NULL;
    source = credential_source_role(&base, arn, setting(s, profile, "external_id"), setting(s, profile, "role_session_name"));
    free(source->name);
    source->name = profile_words(profile);
    source->duration_s = duration_s;
    return source;
}

/* Each of the three settings comes from the environment first (botocore does it so). */
static struct credential_source *from_web_identity(struct search *s, const char *profile, bool environment)
{
    const char *file = environment ? s->lookup("AWS_WEB_IDENTITY_TOKEN_FILE") : NULL;
    const char *arn = environment ? s->lookup("AWS_ROLE_ARN") : NULL;
    const char *session = environment ? s->lookup("AWS_ROLE_SESSION_NAME") : NULL;
    struct credential_source *source;
    int64_t duration_s;

    file = file ? file : setting(s, profile, "web_identity_token_file");
    arn = arn ? arn : setting(s, profile, "role_arn");
    session = session ? session : setting(s, profile, "role_session_name");
    if (file == NULL)
        return NULL;
    if (arn == NULL)
        return wrong(s, "there is a web identity token file (%s), but no role for it: set AWS_ROLE_ARN, or the profile's role_arn", file);
    if (!read_duration(s, profile, &duration_s))
        return NULL;
    source = make(CREDENTIAL_WEB_IDENTITY, "web identity");
    source->role_arn = memory_strdup(arn);
    source->session_name = memory_strdup(session ? session : SESSION_NAME);
    source->token_file = memory_strdup(file);
    source->duration_s = duration_s;
    return source;
}

/* ---- SSO: docs.aws.amazon.com/sdkref/latest/guide/feature-sso-credentials.html ---- */

/* A setting of the profile or of its sso-session; where both have it, they must agree. */
static const char *sso_setting(struct search *s, const char *profile, const char *session, const char *name)
{
    const char *own = setting(s, profile, name);
    const char *shared = session ? aws_profile_sso_session(s->profile, session, name) : NULL;

    if (own && shared && strcmp(own, shared) != 0)
        wrong(s, "the profile \"%s\" and its sso-session \"%s\" have different values of %s", profile, session, name);
    else if (own == NULL && shared == NULL)
        wrong(s, "the profile \"%s\" asks for SSO, but there is no %s%s", profile, name, session ? " (nor in its [sso-session])" : "");
    return own ? own : shared;
}

/* The file that `aws sso login` leaves: named by the SHA-1 of the session's name, or (without a session) of the start URL. */
static char *sso_cache_file(const struct search *s, const char *of)
{
    unsigned char digest[SHA1_BYTES];
    char hex[2 * SHA1_BYTES + 1];
    struct buffer path = {0};

    sha1(slice_text(of), digest);
    hex_encode(digest, sizeof(digest), hex);
    buffer_printf(&path, "%s/.aws/sso/cache/%s.json", aws_profile_home(s->profile), hex);
    return buffer_take(&path);
}

static struct credential_source *from_sso(struct search *s, const char *profile)
{
    static const char *const names[] = {"sso_account_id", "sso_role_name", "sso_region", "sso_start_url"};
    const char *session = setting(s, profile, "sso_session");
    const char *found[4];
    struct credential_source *source;
    struct buffer login = {0};
    char *name;

    if (setting(s, profile, names[0]) == NULL && setting(s, profile, names[1]) == NULL)
        return NULL;
    for (size_t i = 0; i < 4; i++) {
        found[i] = sso_setting(s, profile, i < 2 ? NULL : session, names[i]);
        if (s->failed)
            return NULL;
    }
    name = profile_words(profile);
    source = make(CREDENTIAL_SSO, name);
    free(name);
    source->sso_account_id = memory_strdup(found[0]);
    source->sso_role_name = memory_strdup(found[1]);
    source->sso_region = memory_strdup(found[2]);
    source->token_file = sso_cache_file(s, session ? session : found[3]);
    buffer_printf(&login, "aws sso login %s %s", session ? "--sso-session" : "--profile", session ? session : profile);
    source->sso_login = buffer_take(&login);
    source->sso_session = session != NULL;
    return source;
}

/* ---- programs ---- */

static struct credential_source *from_process(struct search *s, const char *profile)
{
    const char *command = setting(s, profile, "credential_process");
    struct credential_source *source;
    char *name;

    if (command == NULL)
        return NULL;
    name = profile_words(profile);
    source = make(CREDENTIAL_PROCESS, name);
    source->command = memory_strdup(command);
    free(name);
    return source;
}

static struct credential_source *from_login(struct search *s, const char *profile)
{
    if (setting(s, profile, "login_session") == NULL)
        return NULL;
    return wrong(s, "the profile \"%s\" asks for login_session (aws login), which is not supported: use aws sso login or a role, or export credentials "
                 "(aws configure export-credentials --format env)", profile);
}

/* ---- the order ---- */

static struct credential_source *from_profile(struct search *s, const char *profile, bool environment)
{
    static struct credential_source *(*const rules[])(struct search *s, const char *profile) = {
        from_sso, from_credentials_file, from_login, from_process, from_config_file,
    };
    struct credential_source *found = from_web_identity(s, profile, environment);

    for (size_t i = 0; found == NULL && !s->failed && i < sizeof(rules) / sizeof(rules[0]); i++)
        found = rules[i](s, profile);
    return found;
}

bool credential_source_none(struct error *err, enum error_code code, const struct aws_profile *profile, const char *tried)
{
    return error_set(err, code, "no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or put them under [%s] into "
                     "~/.aws/credentials (for a local server any will do); docs/credentials.md lists all sources%s%s", aws_profile_name(profile),
                     tried ? "; tried last: " : "", tried ? tried : "");
}

struct credential_source *credential_source_find(const struct aws_profile *profile, const char *(*lookup)(const char *), struct error *err)
{
    const char *name = aws_profile_name(profile);
    bool environment = !aws_profile_was_named(profile); /* an option that names a profile wins over keys in the environment, as --profile does */
    struct search s = {.profile = profile, .lookup = lookup, .err = err, .visited = {name}, .depth = 1};
    struct credential_source *found = environment ? from_environment(&s, name) : NULL;

    if (found == NULL && !s.failed)
        found = from_role(&s, name);
    if (found == NULL && !s.failed)
        found = from_profile(&s, name, environment);
    if (found == NULL && !s.failed)
        found = from_container(&s, name);
    if (found == NULL && !s.failed && (found = from_metadata(&s, name)) != NULL)
        found->by_default = true;
    if (found == NULL && !s.failed)
        credential_source_none(err, ERROR_CREDENTIALS, profile, NULL);
    return found;
}
