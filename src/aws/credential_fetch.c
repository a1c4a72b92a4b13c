/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/credential_fetch.h"

#include "aws/endpoint.h"
#include "base/log.h"
#include "base/memory.h"
#include "codec/form.h"
#include "codec/shell_words.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define ANSWER_MAX (64 * 1024)
#define STS_TIMEOUT_MS 20000
#define LOCAL_CONNECT_MS 1000 /* metadata is one hop away: whoever does not answer at once is not there */
#define LOCAL_TIMEOUT_MS 5000
#define REMOTE_TIMEOUT_MS 10000
#define PROCESS_TIMEOUT_MS 60000
#define TOKEN_FILE_MAX 65536
#define WORDS_MAX 300
#define SSO_RENEW_BEFORE_MS (15 * 60 * INT64_C(1000))
#define IMDS_ROLES "/latest/meta-data/iam/security-credentials/"

/* ---- outcomes ---- */

static void fail_with(struct fetch *f, enum error_code code, const char *format, ...) __attribute__((format(printf, 3, 4)));
#define fail(f, ...) fail_with(f, ERROR_CREDENTIALS, __VA_ARGS__)

static void fail_with(struct fetch *f, enum error_code code, const char *format, ...)
{
    struct error err;
    char text[900];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    error_set(&err, code, "%s: %s", f->source->name, text);
    f->done(f, NULL, 0, &err);
}

static int64_t issuer_now(const struct fetch *f, const struct http_answer *answer)
{
    int64_t server_ms = http_answer_date_ms(answer);

    return server_ms ? server_ms : f->tools->clock().wall_ms;
}

static void succeed(struct fetch *f, struct issued *issued, int64_t issuer_now_ms)
{
    f->done(f, issued, issuer_now_ms, NULL);
    issued_fini(issued);
}

/* The words of somebody else, for an error text: one line, printable, not too long. */
static void append_words(struct buffer *out, struct slice words)
{
    words = slice_trim(words);
    words.len = slice_index(words, '\n');
    text_append_printable(out, slice_from(words.ptr, words.len < WORDS_MAX ? words.len : WORDS_MAX));
}

static bool no_answer(struct fetch *f, const char *whom, const struct http_answer *answer)
{
    if (answer->status == 0)
        fail_with(f, ERROR_UNAVAILABLE, "no answer from %s: %s", whom, answer->failure);
    return answer->status == 0;
}

/* An answer that is an error with JSON, or anything else, in it. */
static void append_status(struct buffer *out, const char *whom, const struct http_answer *answer)
{
    struct buffer message = {0};

    json_error_decode(&message, answer->body);
    buffer_printf(out, "%s answered with HTTP status %d%s", whom, answer->status, message.len > 0 ? ": " : "");
    append_words(out, buffer_slice(&message));
    buffer_fini(&message);
}

static void fail_by_status(struct fetch *f, const char *whom, const struct http_answer *answer, const char *advice)
{
    struct buffer text = {0};

    append_status(&text, whom, answer);
    fail_with(f, answer->status >= 500 ? ERROR_UNAVAILABLE : ERROR_CREDENTIALS, "%s%s", text.ptr, advice);
    buffer_fini(&text);
}

/* ---- files ---- */

static void wipe(struct buffer *b)
{
    if (b->ptr)
        explicit_bzero(b->ptr, b->cap);
    buffer_fini(b);
}

/* The whole contents. Gives what is wrong; NULL: nothing. */
static const char *read_whole(const char *path, struct buffer *out)
{
    FILE *file = fopen(path, "re");
    bool good;

    if (file == NULL)
        return strerror(errno);
    setvbuf(file, NULL, _IONBF, 0); /* no copy in stdio's buffer */
    buffer_reserve(out, TOKEN_FILE_MAX);
    out->len = fread(out->ptr, 1, TOKEN_FILE_MAX, file);
    out->ptr[out->len] = '\0';
    good = !ferror(file) && out->len < TOKEN_FILE_MAX && slice_trim(buffer_slice(out)).len > 0;
    fclose(file);
    return good ? NULL : "it is empty, longer than 64 KiB, or no file";
}

/* False: `done` was told. */
static bool read_token(struct fetch *f, const char *path, struct buffer *out)
{
    const char *problem = read_whole(path, out);

    if (problem)
        fail(f, "cannot read %s: %s", path, problem);
    return problem == NULL;
}

static bool header_safe(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] < ' ' || s.ptr[i] > '~')
            return false;
    return true;
}

/* ---- calls ---- */

static void get(struct fetch *f, const char *url, const char *header, struct slice value, bool local)
{
    struct buffer line = {0};
    const char *headers[] = {"Accept: application/json", NULL, NULL};
    const struct http_call call = {.url = url, .method = "GET", .headers = headers, .timeout_ms = local ? LOCAL_TIMEOUT_MS : REMOTE_TIMEOUT_MS,
                                   .connect_timeout_ms = local ? LOCAL_CONNECT_MS : 0, .answer_max = ANSWER_MAX, .local_only = local, .secret = true,
                                   .token = f->token};

    if (slice_present(value)) {
        buffer_reserve(&line, strlen(header) + 2 + value.len);
        buffer_printf(&line, "%s: %.*s", header, SLICE_ARG(value));
        headers[1] = line.ptr;
    }
    http_client_start(f->tools->http, &call);
    wipe(&line);
}

/* ---- STS ---- */

static struct role_request role_request(const struct credential_source *s)
{
    return (struct role_request){.role_arn = s->role_arn, .session_name = s->session_name, .external_id = s->external_id, .duration_s = s->duration_s};
}

static bool sts_endpoint(struct fetch *f, struct endpoint *endpoint)
{
    struct error err;

    if (f->tools->region == NULL)
        fail(f, "no AWS region, and so no STS to ask: set AWS_REGION, or say --region");
    else if (!endpoint_find(endpoint, AWS_STS, f->tools->region, f->tools->profile, f->tools->lookup, &err))
        fail(f, "%s", err.text);
    else
        return true;
    return false;
}

static void role_begin(struct fetch *f, const struct credentials *base)
{
    const struct role_request request = role_request(f->source);
    struct endpoint endpoint = {0};
    struct buffer body = {0};
    struct aws_call call = {.service = "sts", .region = f->tools->region, .content_type = "application/x-www-form-urlencoded; charset=utf-8",
                            .credentials = base, .timeout_ms = STS_TIMEOUT_MS, .answer_max = ANSWER_MAX, .secret = true, .token = f->token};

    if (!sts_endpoint(f, &endpoint))
        return;
    assume_role_encode(&body, &request);
    call.url = endpoint.url;
    call.host = endpoint.host;
    call.body = buffer_slice(&body);
    aws_call_start(f->tools->http, &call, &f->tools->skew, f->tools->clock().wall_ms);
    wipe(&body);
    endpoint_fini(&endpoint);
}

static void web_identity_begin(struct fetch *f, const struct credentials *base)
{
    static const char *const headers[] = {"Content-Type: application/x-www-form-urlencoded; charset=utf-8", NULL};
    const struct role_request request = role_request(f->source);
    struct endpoint endpoint = {0};
    struct buffer token = {0};
    struct buffer body = {0};
    struct http_call call = {.headers = headers, .timeout_ms = STS_TIMEOUT_MS, .answer_max = ANSWER_MAX, .secret = true, .token = f->token};

    (void)base;
    if (read_token(f, f->source->token_file, &token) && sts_endpoint(f, &endpoint)) {
        buffer_reserve(&body, 3 * token.len + 8192); /* all of it escaped: growing would leave copies behind */
        assume_role_with_web_identity_encode(&body, &request, slice_trim(buffer_slice(&token)));
        call.url = endpoint.url;
        call.body = buffer_slice(&body);
        http_client_start(f->tools->http, &call);
    }
    wipe(&token);
    wipe(&body);
    endpoint_fini(&endpoint);
}

static void sts_fail(struct fetch *f, const struct http_answer *answer)
{
    struct buffer code = {0};
    struct buffer message = {0};
    struct buffer words = {0};

    if (xml_error_decode(answer->body, &code, &message, NULL)) {
        clock_skew_learn_error(&f->tools->skew, buffer_slice(&code), answer, f->tools->clock().wall_ms);
        append_words(&words, buffer_slice(&code));
        buffer_append_text(&words, ": ");
        append_words(&words, buffer_slice(&message));
        fail(f, "STS refused the role %s: %s", f->source->role_arn, words.ptr);
    } else {
        fail_by_status(f, "STS", answer, "");
    }
    buffer_fini(&code);
    buffer_fini(&message);
    buffer_fini(&words);
}

static void sts_answered(struct fetch *f, const struct http_answer *answer)
{
    struct issued issued;
    const char *error;

    if (no_answer(f, "STS", answer))
        return;
    if (answer->status != 200)
        sts_fail(f, answer);
    else if (sts_answer_decode(&issued, answer->body, &error))
        succeed(f, &issued, issuer_now(f, answer));
    else
        fail(f, "STS's answer is malformed: %s", error);
}

/* ---- SSO ---- */

enum sso_step { SSO_ROLE, SSO_RENEWAL };

/* The login as its file has it, or the newer one in memory. False: `done` was told. */
static bool read_login(struct fetch *f)
{
    const struct credential_source *s = f->source;
    struct buffer file = {0};
    struct sso_token found;
    const char *error;
    bool good = false;

    if (access(s->token_file, F_OK) != 0)
        fail(f, "nobody is logged in: run %s", s->sso_login);
    else if (!read_token(f, s->token_file, &file))
        ; /* told */
    else if (!sso_token_decode(&found, buffer_slice(&file), &error))
        fail(f, "%s is malformed (%s): run %s", s->token_file, error, s->sso_login);
    else
        good = true;
    wipe(&file);
    if (!good)
        return false;
    wipe(&f->file_refresh);
    buffer_append(&f->file_refresh, buffer_slice(&found.refresh_token));
    if (f->login_unwritten && f->login.expires_ms > found.expires_ms) {
        sso_token_fini(&found);
        return true;
    }
    sso_token_fini(&f->login);
    f->login = found;
    f->login_unwritten = false;
    return true;
}

static void ask_for_role(struct fetch *f)
{
    const struct credential_source *s = f->source;
    struct endpoint endpoint = {0};
    struct buffer url = {0};
    struct error err;

    f->step = SSO_ROLE;
    if (!header_safe(buffer_slice(&f->login.access_token)))
        fail(f, "%s has control characters in its token: run %s", s->token_file, s->sso_login);
    else if (!endpoint_find(&endpoint, AWS_SSO, s->sso_region, f->tools->profile, f->tools->lookup, &err))
        fail(f, "%s", err.text);
    else {
        buffer_printf(&url, "%s/federation/credentials?", endpoint.url);
        form_append(&url, "role_name", slice_text(s->sso_role_name));
        form_append(&url, "account_id", slice_text(s->sso_account_id));
        get(f, url.ptr, "x-amz-sso_bearer_token", buffer_slice(&f->login.access_token), false);
    }
    buffer_fini(&url);
    endpoint_fini(&endpoint);
}

/* Somebody else may have renewed it meanwhile, which makes our refresh token worthless; else the old token serves until it ends. */
static void go_on_unrenewed(struct fetch *f, enum error_code code, const char *why)
{
    if (!read_login(f))
        return;
    if (f->login.expires_ms <= f->tools->clock().wall_ms) {
        fail_with(f, code, "the SSO session has expired, and its renewal failed: %s: run %s", why, f->source->sso_login);
        return;
    }
    log_warning("the SSO token was not renewed; the present one is used until it ends", LOG_FIELDS(LOG_TEXT("cause", why)));
    ask_for_role(f);
}

static void ask_for_renewal(struct fetch *f)
{
    static const char *const headers[] = {"Content-Type: application/json", "Accept: application/json", NULL};
    struct endpoint endpoint = {0};
    struct buffer url = {0};
    struct buffer body = {0};
    struct http_call call = {.headers = headers, .timeout_ms = REMOTE_TIMEOUT_MS, .answer_max = ANSWER_MAX, .secret = true, .token = f->token};
    struct error err;

    f->step = SSO_RENEWAL;
    if (!endpoint_find(&endpoint, AWS_SSO_OIDC, f->source->sso_region, f->tools->profile, f->tools->lookup, &err)) {
        go_on_unrenewed(f, err.code, err.text);
        return;
    }
    buffer_printf(&url, "%s/token", endpoint.url);
    sso_renewal_encode(&body, &f->login);
    call.url = url.ptr;
    call.body = buffer_slice(&body);
    http_client_start(f->tools->http, &call);
    wipe(&body);
    buffer_fini(&url);
    endpoint_fini(&endpoint);
}

static bool write_all(int fd, struct slice text)
{
    while (text.len > 0) {
        ssize_t n = write(fd, text.ptr, text.len);

        if (n < 0 && errno != EINTR)
            return false;
        text = slice_after(text, n > 0 ? (size_t)n : 0);
    }
    return true;
}

/* In one step, mode 0600, of the owner that it had (a program run as root must not take away its user's login); of a link, what it leads to. False: errno;
 * the file is as it was. */
static bool replace_file(const char *linked, struct slice text)
{
    char *path = realpath(linked, NULL);
    struct buffer temporary = {0};
    struct stat before;
    bool good;
    int fd;
    int saved;

    buffer_printf(&temporary, "%s.XXXXXX", path ? path : "");
    if (path == NULL || stat(path, &before) != 0 || (fd = mkostemp(temporary.ptr, O_CLOEXEC)) < 0) {
        saved = errno;
        buffer_fini(&temporary);
        free(path);
        errno = saved;
        return false;
    }
    good = (before.st_uid == geteuid() || fchown(fd, before.st_uid, before.st_gid) == 0) && write_all(fd, text) && fsync(fd) == 0 &&
           rename(temporary.ptr, path) == 0;
    saved = errno;
    if (!good)
        unlink(temporary.ptr);
    close(fd);
    buffer_fini(&temporary);
    free(path);
    errno = saved;
    return good;
}

/* A file with another refresh token than it had before the renewal is somebody's new login, or their renewal: that is left alone. One that cannot be read says
 * nothing, and ours is kept. */
static void write_login(struct fetch *f)
{
    struct buffer file = {0};
    struct buffer text = {0};
    struct sso_token found = {0};
    const char *error;
    bool readable = read_whole(f->source->token_file, &file) == NULL && sso_token_decode(&found, buffer_slice(&file), &error);
    bool ours = !readable || slice_equal(buffer_slice(&found.refresh_token), buffer_slice(&f->file_refresh));

    f->login_unwritten =
        ours && !(readable && sso_token_rewrite(&text, buffer_slice(&file), &f->login) && replace_file(f->source->token_file, buffer_slice(&text)));
    if (f->login_unwritten)
        log_warning("the renewed SSO token cannot be written, and is kept in memory; other programs may have to log in again",
                    LOG_FIELDS(LOG_TEXT("file", f->source->token_file), LOG_TEXT("cause", strerror(errno))));
    sso_token_fini(&found);
    wipe(&file);
    wipe(&text);
}

static void take_renewal(struct fetch *f, const struct http_answer *answer)
{
    struct buffer text = {0};
    const char *error;

    if (sso_renewal_decode(&f->login, answer->body, f->tools->clock().wall_ms, &error)) {
        write_login(f);
        ask_for_role(f);
    } else {
        buffer_printf(&text, "SSO-OIDC's answer is malformed: %s", error);
        go_on_unrenewed(f, ERROR_CREDENTIALS, text.ptr);
    }
    buffer_fini(&text);
}

static void renewal_answered(struct fetch *f, const struct http_answer *answer)
{
    struct buffer text = {0};

    if (answer->status == 200) {
        take_renewal(f, answer);
        return;
    }
    if (answer->status == 0)
        buffer_printf(&text, "no answer from SSO-OIDC: %s", answer->failure);
    else
        append_status(&text, "SSO-OIDC", answer);
    go_on_unrenewed(f, answer->status == 0 || answer->status >= 500 ? ERROR_UNAVAILABLE : ERROR_CREDENTIALS, text.ptr);
    buffer_fini(&text);
}

static bool renewable(const struct fetch *f, int64_t now_ms)
{
    const struct sso_token *t = &f->login;

    return f->source->sso_session && t->refresh_token.len > 0 && t->client_id.len > 0 && t->client_secret.len > 0 && t->registration_expires_ms > now_ms;
}

static void sso_begin(struct fetch *f, const struct credentials *base)
{
    int64_t now_ms = f->tools->clock().wall_ms;

    (void)base;
    if (!read_login(f))
        return;
    if (f->login.expires_ms - now_ms < SSO_RENEW_BEFORE_MS && renewable(f, now_ms))
        ask_for_renewal(f);
    else if (f->login.expires_ms <= now_ms)
        fail(f, "the SSO session has expired: run %s", f->source->sso_login);
    else
        ask_for_role(f);
}

static void sso_answered(struct fetch *f, const struct http_answer *answer)
{
    struct issued issued;
    const char *error;

    if (f->step == SSO_RENEWAL) {
        renewal_answered(f, answer);
        return;
    }
    if (no_answer(f, "SSO", answer))
        return;
    if (answer->status == 401)
        fail(f, "the SSO session has expired: run %s", f->source->sso_login);
    else if (answer->status != 200)
        fail_by_status(f, "SSO", answer, "");
    else if (sso_answer_decode(&issued, answer->body, &error))
        succeed(f, &issued, issuer_now(f, answer));
    else
        fail(f, "SSO's answer is malformed: %s", error);
}

/* ---- a program ---- */

static void process_done(void *context, const struct subprocess_result *result)
{
    struct fetch *f = context;
    struct issued issued;
    struct buffer words = {0};
    const char *error;

    append_words(&words, result->error_text);
    if (!result->exited)
        fail(f, "credential_process: %s", result->failure);
    else if (result->status != 0)
        fail(f, "credential_process ended with status %d%s%s", result->status, words.len > 0 ? ": " : "", words.len > 0 ? words.ptr : "");
    else if (process_answer_decode(&issued, result->output, &error))
        succeed(f, &issued, f->tools->clock().wall_ms);
    else
        fail(f, "credential_process wrote no credentials: %s", error);
    buffer_fini(&words);
}

static void process_begin(struct fetch *f, const struct credentials *base)
{
    const char *error;
    char **words = shell_words_split(f->source->command, &error);
    const struct subprocess_options options = {.argv = words, .timeout_ms = PROCESS_TIMEOUT_MS, .output_max = ANSWER_MAX};
    struct error err;

    (void)base;
    subprocess_free(f->subprocess);
    f->subprocess = NULL;
    if (words == NULL) {
        fail(f, "credential_process is no command: %s", error);
        return;
    }
    f->subprocess = subprocess_new(f->tools->loop, &options, process_done, f, &err);
    free(words);
    if (f->subprocess == NULL)
        fail(f, "credential_process: %s", err.text);
}

/* ---- containers ---- */

/* Over https it may be any host; over plain http only this machine and the addresses of ECS and EKS. */
static bool plain(const char *url)
{
    return strncmp(url, "http://", 7) == 0;
}

static void container_begin(struct fetch *f, const struct credentials *base)
{
    const struct credential_source *s = f->source;
    struct buffer token = {0};
    struct slice value = slice_text(s->token);

    (void)base;
    if (s->token_file) {
        if (!read_token(f, s->token_file, &token))
            return;
        value = slice_trim(buffer_slice(&token));
    }
    if (!header_safe(value))
        fail(f, "the authorization token has line breaks or control characters");
    else
        get(f, s->url, "Authorization", value, plain(s->url));
    wipe(&token);
}

static void take_metadata(struct fetch *f, const char *whom, const struct http_answer *answer)
{
    struct issued issued;
    struct buffer refusal = {0};
    struct buffer words = {0};
    const char *error;

    if (metadata_answer_decode(&issued, answer->body, &refusal, &error)) {
        succeed(f, &issued, issuer_now(f, answer));
    } else if (error) {
        fail(f, "the answer of %s is malformed: %s", whom, error);
    } else {
        append_words(&words, buffer_slice(&refusal));
        fail(f, "%s gives no credentials: %s", whom, words.ptr);
    }
    buffer_fini(&refusal);
    buffer_fini(&words);
}

static void container_answered(struct fetch *f, const struct http_answer *answer)
{
    if (no_answer(f, "the container's agent", answer))
        return;
    if (answer->status == 200)
        take_metadata(f, "the container's agent", answer);
    else
        fail_by_status(f, "the container's agent", answer, "");
}

/* ---- EC2 ---- */

enum metadata_step { METADATA_TOKEN, METADATA_ROLE, METADATA_CREDENTIALS };

static void metadata_begin(struct fetch *f, const struct credentials *base)
{
    static const char *const headers[] = {"X-aws-ec2-metadata-token-ttl-seconds: 21600", NULL};
    struct buffer url = {0};
    struct http_call call = {.method = "PUT", .headers = headers, .timeout_ms = LOCAL_TIMEOUT_MS, .connect_timeout_ms = LOCAL_CONNECT_MS,
                             .answer_max = ANSWER_MAX, .local_only = true, .secret = true, .token = f->token};

    (void)base;
    buffer_printf(&url, "%s/latest/api/token", f->source->url);
    f->step = METADATA_TOKEN;
    call.url = url.ptr;
    http_client_start(f->tools->http, &call);
    buffer_fini(&url);
}

static void metadata_get(struct fetch *f, struct slice role)
{
    struct buffer url = {0};

    buffer_printf(&url, "%s%s%.*s", f->source->url, IMDS_ROLES, SLICE_ARG(role));
    get(f, url.ptr, "X-aws-ec2-metadata-token", buffer_slice(&f->session), true);
    buffer_fini(&url);
}

/* IAM's alphabet for names. */
static bool role_name(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!((s.ptr[i] >= 'a' && s.ptr[i] <= 'z') || (s.ptr[i] >= 'A' && s.ptr[i] <= 'Z') || (s.ptr[i] >= '0' && s.ptr[i] <= '9')) &&
            (s.ptr[i] == '\0' || !strchr("+=,.@_-", s.ptr[i])))
            return false;
    return s.len > 0 && s.len <= 128;
}

static void metadata_token_came(struct fetch *f, struct slice token)
{
    if (token.len == 0 || token.len > 1024 || !header_safe(token)) {
        fail(f, "the instance metadata service's session token is malformed");
        return;
    }
    wipe(&f->session);
    buffer_append(&f->session, token);
    f->step = METADATA_ROLE;
    metadata_get(f, SLICE(""));
}

static void metadata_role_came(struct fetch *f, struct slice body)
{
    struct slice name = slice_from(body.ptr, slice_index(body, '\n'));

    name = slice_trim(name);
    if (!role_name(name)) {
        fail(f, "the instance metadata service names no role: does the instance have one?");
        return;
    }
    f->step = METADATA_CREDENTIALS;
    metadata_get(f, name);
}

static void metadata_answered(struct fetch *f, const struct http_answer *answer)
{
    static const char *const asked[] = {"the instance metadata service (session)", "the instance metadata service (role)",
                                        "the instance metadata service (credentials)"};

    if (no_answer(f, asked[f->step], answer))
        return;
    if (answer->status == 404 && f->step == METADATA_ROLE)
        fail(f, "this instance has no IAM role: attach an instance profile");
    else if (answer->status == 403 && f->step == METADATA_TOKEN)
        fail_by_status(f, asked[f->step], answer, ": it is switched off for this instance");
    else if (answer->status != 200)
        fail_by_status(f, asked[f->step], answer, "");
    else if (f->step == METADATA_TOKEN)
        metadata_token_came(f, slice_trim(answer->body));
    else if (f->step == METADATA_ROLE)
        metadata_role_came(f, answer->body);
    else
        take_metadata(f, asked[f->step], answer);
}

/* ---- all of them ---- */

static const struct {
    void (*begin)(struct fetch *f, const struct credentials *base);
    void (*answered)(struct fetch *f, const struct http_answer *answer);
} sources[] = {
    [CREDENTIAL_ROLE] = {role_begin, sts_answered},
    [CREDENTIAL_WEB_IDENTITY] = {web_identity_begin, sts_answered},
    [CREDENTIAL_SSO] = {sso_begin, sso_answered},
    [CREDENTIAL_PROCESS] = {process_begin, NULL},
    [CREDENTIAL_CONTAINER] = {container_begin, container_answered},
    [CREDENTIAL_METADATA] = {metadata_begin, metadata_answered},
};

void fetch_begin(struct fetch *f, const struct credentials *base)
{
    sources[f->source->kind].begin(f, base);
}

void fetch_answered(struct fetch *f, const struct http_answer *answer)
{
    sources[f->source->kind].answered(f, answer);
}

void fetch_fini(struct fetch *f)
{
    subprocess_free(f->subprocess);
    f->subprocess = NULL;
    wipe(&f->session);
    wipe(&f->file_refresh);
    sso_token_fini(&f->login);
}
