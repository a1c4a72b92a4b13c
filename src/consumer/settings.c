/* SPDX-License-Identifier: Apache-2.0 */
#include "consumer/settings.h"

#include "base/clock.h"
#include "base/memory.h"

#include <stdlib.h>

#define WORKERS_MAX 1024
#define VISIBILITY_DEFAULT_S 30
#define VISIBILITY_MAX_S 43200 /* SQS's */
#define WAIT_MAX_S 20          /* SQS's */

/* A caller that was built with a newer header may have options that we do not know; unless it uses them, that is no matter. */
static bool read_sized(struct s2q_options *out, const struct s2q_options *given, struct error *err)
{
    const char *bytes = (const char *)given;

    if (given->size < sizeof(*given))
        return error_set(err, ERROR_CONFIG, "size is %zu: start from S2Q_OPTIONS_INIT", given->size);
    for (size_t i = sizeof(*given); i < given->size; i++)
        if (bytes[i] != 0)
            return error_set(err, ERROR_CONFIG, "an option is set that this version (" S2Q_VERSION ") does not know");
    *out = *given;
    return true;
}

/* "http://host:1234" of "http://host:1234/000000000000/name"; NULL: it is no queue's URL. The caller frees it. */
static char *origin_of(const char *url)
{
    const char *scheme = strstr(url, "://");
    const char *path = scheme ? strchr(scheme + 3, '/') : NULL;

    return path && path[1] != '\0' && !slice_ends_with(slice_text(url), SLICE("/")) ? slice_dup(slice_from(url, (size_t)(path - url))) : NULL;
}

/* The server, as far as the options say. */
static bool read_endpoint(struct settings *s, struct error *err)
{
    char *origin = s->options.queue_url ? origin_of(s->options.queue_url) : NULL;
    bool plain_http = s->options.plain_http_beyond_loopback != 0;
    bool good = true;

    if (s->options.queue_url && origin == NULL)
        good = error_set(err, ERROR_CONFIG, "queue_url \"%s\": wanted https://HOST/ACCOUNT/NAME", s->options.queue_url);
    else if (s->options.endpoint_url)
        good = endpoint_from_url(&s->endpoint, s->options.endpoint_url, "endpoint_url", plain_http, err);
    else if (origin)
        good = endpoint_from_url(&s->endpoint, origin, "queue_url", plain_http, err);
    free(origin);
    return good;
}

static bool check_dead_letters(const struct settings *s, struct error *err)
{
    const struct s2q_options *o = &s->options;
    char *ours = o->queue_url ? origin_of(o->queue_url) : NULL;
    char *other = o->dead_letter_queue_url ? origin_of(o->dead_letter_queue_url) : NULL;
    bool good = true;

    if (ours && o->dead_letter_queue_url && (other == NULL || strcmp(ours, other) != 0))
        good = error_set(err, ERROR_CONFIG, "dead_letter_queue_url \"%s\" is not of the queue's server, %s", o->dead_letter_queue_url, ours);
    else if (ours && other && strcmp(o->queue_url, o->dead_letter_queue_url) == 0)
        good = error_set(err, ERROR_CONFIG, "dead_letter_queue_url is the queue itself");
    else if (o->dead_letter_queue_name && text_equal(o->dead_letter_queue_name, o->queue_name ? o->queue_name : strrchr(o->queue_url, '/') + 1))
        good = error_set(err, ERROR_CONFIG, "dead_letter_queue_name is the queue itself");
    free(ours);
    free(other);
    return good;
}

static bool check(const struct s2q_options *o, struct error *err)
{
    if (o->queue_url == NULL && o->queue_name == NULL)
        return error_set(err, ERROR_CONFIG, "queue_url is missing, and so is queue_name");
    if ((o->queue_url && o->queue_name) || (o->dead_letter_queue_url && o->dead_letter_queue_name))
        return error_set(err, ERROR_CONFIG, "a queue has a URL or a name in the options, not both");
    if (o->stop_when_empty_s > WAIT_MAX_S)
        return error_set(err, ERROR_CONFIG, "stop_when_empty_s is %u: at most %d", o->stop_when_empty_s, WAIT_MAX_S);
    if (o->handler == NULL)
        return error_set(err, ERROR_CONFIG, "handler is missing");
    if (o->workers > WORKERS_MAX)
        return error_set(err, ERROR_CONFIG, "workers is %u: at most %d", o->workers, WORKERS_MAX);
    if (o->visibility_timeout_s > VISIBILITY_MAX_S)
        return error_set(err, ERROR_CONFIG, "visibility_timeout_s is %u: at most %d", o->visibility_timeout_s, VISIBILITY_MAX_S);
    if ((o->access_key_id == NULL) != (o->secret_access_key == NULL) || (o->session_token && o->access_key_id == NULL))
        return error_set(err, ERROR_CONFIG, "access_key_id and secret_access_key belong together");
    return true;
}

static void copy_texts(struct s2q_options *o)
{
    const char **const texts[] = {&o->queue_url, &o->endpoint_url, &o->region, &o->access_key_id, &o->secret_access_key, &o->session_token, &o->profile,
                                  &o->ca_bundle, &o->dead_letter_queue_url, &o->queue_name, &o->dead_letter_queue_name};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        *texts[i] = memory_strdup(*texts[i]);
}

static bool find_region(struct settings *s, struct error *err)
{
    const char *found;

    if (s->options.region) {
        s->region = memory_strdup(s->options.region);
        return true;
    }
    if (s->endpoint.url && (s->region = endpoint_region(&s->endpoint)) != NULL)
        return true;
    if ((found = region_find(s->profile, environment_lookup)) == NULL)
        return error_set(err, ERROR_CONFIG, "no AWS region: set AWS_REGION, or the option region (for a local server any will do)");
    s->region = memory_strdup(found);
    return true;
}

/* Of a name alone: where the AWS command line would ask. */
static bool find_endpoint(struct settings *s, struct error *err)
{
    return s->endpoint.url || endpoint_find(&s->endpoint, AWS_SQS, s->region, s->profile, environment_lookup, err);
}

static bool find_ca_bundle(struct settings *s, struct error *err)
{
    const char *found = s->options.ca_bundle;

    if (found ? !ca_bundle_check(found, "ca_bundle", err) : !ca_bundle_find(&found, s->profile, environment_lookup, err))
        return false;
    s->ca_bundle = memory_strdup(found);
    return true;
}

static bool use_keys(struct settings *s, struct error *err)
{
    const struct s2q_options *o = &s->options;
    struct credentials keys = {0};
    bool good = credentials_set(&keys, slice_text(o->access_key_id), slice_text(o->secret_access_key), slice_text(o->session_token), "options", err);

    if (good)
        s->provider = credential_provider_fixed(&keys);
    credentials_fini(&keys);
    return good;
}

static bool find_credentials(struct settings *s, struct loop *loop, struct error *err)
{
    struct credential_options options = {.loop = loop, .profile = s->profile, .region = s->region, .lookup = environment_lookup, .clock = clock_now};

    if (s->options.access_key_id)
        return use_keys(s, err);
    random_secret(&options.seed, sizeof(options.seed));
    s->set = credential_set_new(&options, err);
    if (s->set)
        s->provider = credential_set_default(s->set);
    return s->set != NULL;
}

static bool is_fifo(const char *url, const char *name)
{
    return slice_ends_with(slice_text(url ? url : name ? name : ""), SLICE(".fifo"));
}

static void set_defaults(struct settings *s)
{
    struct s2q_options *o = &s->options;

    o->workers = o->workers ? o->workers : 1;
    o->visibility_timeout_s = o->visibility_timeout_s ? o->visibility_timeout_s : VISIBILITY_DEFAULT_S;
    s->jobs = (struct jobs_options){.visibility_s = (int)o->visibility_timeout_s, .fifo = is_fifo(o->queue_url, o->queue_name),
                                    .retry_at_once = o->retry_at_once, .dead_letters = o->dead_letter_queue_url || o->dead_letter_queue_name,
                                    .dead_letters_fifo = is_fifo(o->dead_letter_queue_url, o->dead_letter_queue_name), .workers = o->workers,
                                    .messages_max = o->messages_max};
}

bool settings_init(struct settings *s, const struct s2q_options *given, struct loop *loop, struct error *err)
{
    struct s2q_options options;

    if (!read_sized(&options, given, err) || !check(&options, err))
        return false;
    s->options = options;
    copy_texts(&s->options);
    set_defaults(s);
    if (!read_endpoint(s, err) || !check_dead_letters(s, err))
        return false;
    s->profile = aws_profile_load(s->options.profile, environment_lookup, err);
    if (s->profile == NULL)
        return false;
    aws_profile_allow_plain_http(s->profile, s->options.plain_http_beyond_loopback != 0);
    return find_region(s, err) && find_endpoint(s, err) && find_ca_bundle(s, err) && find_credentials(s, loop, err);
}

void settings_fini(struct settings *s)
{
    struct s2q_options *o = &s->options;
    char *texts[] = {(char *)(uintptr_t)o->queue_url, (char *)(uintptr_t)o->endpoint_url, (char *)(uintptr_t)o->region, (char *)(uintptr_t)o->profile,
                     (char *)(uintptr_t)o->ca_bundle, (char *)(uintptr_t)o->dead_letter_queue_url, (char *)(uintptr_t)o->queue_name,
                     (char *)(uintptr_t)o->dead_letter_queue_name};

    if (s->set)
        credential_set_free(s->set);
    else if (s->provider)
        credential_provider_fixed_free(s->provider);
    aws_profile_free(s->profile);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        free(texts[i]);
    secret_free((char *)(uintptr_t)o->access_key_id);
    secret_free((char *)(uintptr_t)o->secret_access_key);
    secret_free((char *)(uintptr_t)o->session_token);
    endpoint_fini(&s->endpoint);
    free(s->region);
    free(s->ca_bundle);
    *s = (struct settings){0};
}
