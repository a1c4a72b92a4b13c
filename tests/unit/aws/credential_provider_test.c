/* SPDX-License-Identifier: Apache-2.0
 *
 * Each source of credentials against a scripted server, and a provider's life by a clock of the test's own.
 */
#include "support/digests.h"
#include "support/scripted_server.h"
#include "support/temporary.h"
#include "support/test.h"

#include "aws/credential_provider.h"
#include "aws/aws_call.h"
#include "base/log.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define START_MS INT64_C(1769862896000) /* 2026-01-31T12:34:56Z */
#define MINUTE INT64_C(60000)
#define HOUR (60 * MINUTE)
#define SECRET "cAnArY-secret/+="
#define TOKEN "cAnArY-session-token"
#define STS "AWS_ENDPOINT_URL_STS"
#define ROLE_ARN "arn:aws:iam::123456789012:role/reader"
#define ROLE_CONFIG "[default]\nrole_arn = " ROLE_ARN "\nsource_profile = base\n"
#define BASE_KEYS "[base]\naws_access_key_id = BASEKEY\naws_secret_access_key = " SECRET "-base\n"

static struct instant now;
static char directory[2048];
static char config_path[4096];
static char credentials_path[4096];
static struct {
    const char *name;
    char value[4200];
} environment[12];
static int variables;

static struct instant test_clock(void)
{
    return now;
}

static const char *lookup(const char *name)
{
    for (int i = 0; i < variables; i++)
        if (strcmp(environment[i].name, name) == 0)
            return environment[i].value;
    return NULL;
}

static void set(const char *name, const char *value)
{
    environment[variables].name = name;
    snprintf(environment[variables++].value, sizeof(environment[0].value), "%s", value);
}

/* ---- a server that hands out credentials, and a provider that asks it ---- */

struct world {
    struct loop *loop;
    struct scripted_server server;
    struct aws_profile *profile;
    struct credential_set *set;
    struct credential_provider *provider;
    struct error err;
    /* what the server does next */
    int status;
    char headers[200];
    char body[4096];
    int serial;       /* of keys given out: KEY1, KEY2, ... */
    int64_t life_ms;  /* of what is given out */
    bool keep_serial; /* the same again */
    /* of SSO-OIDC, at /token */
    int renewal_status;       /* 0: no answer */
    const char *renewal;      /* its body */
    const char *meanwhile;    /* what the cached file is replaced by while it answers; NULL: it is not */
    char renewal_asked[8192]; /* the request, whole */
    int renewals;
};

static void iso(int64_t ms, char out[32])
{
    time_t at = (time_t)(ms / 1000);
    struct tm tm;

    gmtime_r(&at, &tm);
    strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

static void sts_body(struct world *w, char *out, size_t size)
{
    char expiration[32];

    iso(now.wall_ms + w->life_ms, expiration);
    snprintf(out, size,
             "<?xml version=\"1.0\"?>\n<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><AssumedRoleUser>"
             "<Arn>arn:x</Arn></AssumedRoleUser><Credentials><AccessKeyId>KEY%d</AccessKeyId><SecretAccessKey>" SECRET "</SecretAccessKey><SessionToken>" TOKEN
             "&amp;%d</SessionToken><Expiration>%s</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>", w->serial, w->serial, expiration);
}

static void json_body(struct world *w, char *out, size_t size)
{
    char expiration[32];

    iso(now.wall_ms + w->life_ms, expiration);
    snprintf(out, size, "{\"Code\":\"Success\",\"Version\":1,\"AccessKeyId\":\"KEY%d\",\"SecretAccessKey\":\"" SECRET "\",\"Token\":\"" TOKEN
             "\",\"Expiration\":\"%s\"}", w->serial, expiration);
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void sso_path(char out[4096]);

static void renew(struct world *w, const char *request, struct buffer *answer)
{
    char path[4096];

    w->renewals++;
    snprintf(w->renewal_asked, sizeof(w->renewal_asked), "%s", request);
    if (w->meanwhile) {
        sso_path(path);
        write_text(path, w->meanwhile);
    }
    if (w->renewal_status != 0)
        scripted_answer(answer, w->renewal_status, "", w->renewal);
}

static void script(void *context, const char *request, struct buffer *answer)
{
    struct world *w = context;
    char body[4096];

    if (strncmp(request, "POST /token ", 12) == 0) {
        renew(w, request, answer);
        return;
    }
    if (w->status == 0)
        return;
    if (strncmp(request, "PUT /latest/api/token ", 22) == 0 && w->body[0] == '\0') {
        scripted_answer(answer, w->status, "", w->status == 200 ? "the-imds-session" : "no");
        return;
    }
    if (strncmp(request, "GET /latest/meta-data/iam/security-credentials/ ", 48) == 0 && w->body[0] == '\0') {
        scripted_answer(answer, w->status, "", "the-role\n");
        return;
    }
    if (w->body[0] == '\0' && w->status == 200 && !w->keep_serial)
        w->serial++;
    if (w->body[0])
        snprintf(body, sizeof(body), "%s", w->body);
    else if (strncmp(request, "POST", 4) == 0)
        sts_body(w, body, sizeof(body));
    else
        json_body(w, body, sizeof(body));
    scripted_answer(answer, w->status, w->headers, body);
}

/* Before `set`: what is the same for all. */
static void world_init(struct world *w, void **state)
{
    *w = (struct world){.status = 200, .life_ms = HOUR};
    now = (struct instant){.wall_ms = START_MS, .mono_ms = 1000000};
    variables = 0;
    snprintf(directory, sizeof(directory), "%s", temporary_path(state, ""));
    snprintf(config_path, sizeof(config_path), "%s/config", directory);
    snprintf(credentials_path, sizeof(credentials_path), "%s/credentials", directory);
    w->loop = loop_new(&w->err);
    scripted_server_init(&w->server, w->loop, script, w);
    set("AWS_CONFIG_FILE", config_path);
    set("AWS_SHARED_CREDENTIALS_FILE", credentials_path);
    set("HOME", directory);
    set(STS, w->server.url);
    set("AWS_ENDPOINT_URL_SSO", w->server.url);
    set("AWS_ENDPOINT_URL_SSO_OIDC", w->server.url);
}

static bool world_try(struct world *w, const char *config, const char *credentials)
{
    struct credential_options options = {.loop = w->loop, .region = "eu-west-1", .lookup = lookup, .clock = test_clock, .seed = 1};

    write_text(config_path, config);
    write_text(credentials_path, credentials);
    w->profile = aws_profile_load(NULL, lookup, &w->err);
    if (w->profile == NULL)
        return false;
    options.profile = w->profile;
    w->set = credential_set_new(&options, &w->err);
    w->provider = w->set ? credential_set_default(w->set) : NULL;
    return w->set != NULL;
}

static void world_open(struct world *w, const char *config, const char *credentials)
{
    if (!world_try(w, config, credentials))
        fail_msg("%s", w->err.text);
}

static void world_close(struct world *w)
{
    credential_set_free(w->set);
    aws_profile_free(w->profile);
    w->set = NULL;
    w->profile = NULL;
}

static void world_fini(struct world *w)
{
    world_close(w);
    scripted_server_fini(&w->server);
    loop_free(w->loop);
}

/* Runs what is due, until its outcome is there: then the next thing is planned. */
static void settle(struct world *w)
{
    int64_t end = clock_now().mono_ms + 5000;

    credential_set_tick(w->set);
    while (credential_set_due(w->set) == INT64_MAX && clock_now().mono_ms < end)
        loop_wait(w->loop, 10);
    assert_true(credential_set_due(w->set) != INT64_MAX);
}

/* Lets time pass to the moment that is planned, and does what is due then. */
static void go_on(struct world *w)
{
    int64_t by = credential_set_due(w->set) - now.mono_ms;

    assert_true(by >= 0);
    now.mono_ms += by;
    now.wall_ms += by;
    settle(w);
}

static void assert_key(const struct world *w, const char *want)
{
    const char *why = "";
    const struct credentials *found = credential_provider_get(w->provider, &why);

    if (found == NULL || strcmp(found->access_key_id, want) != 0)
        fail_msg("found %s, want %s", found ? found->access_key_id : why, want);
}

static void assert_none(const struct world *w, const char *want)
{
    const char *why = "";

    assert_null(credential_provider_get(w->provider, &why));
    if (strstr(why, want) == NULL)
        fail_msg("found \"%s\", want \"%s\"", why, want);
    assert_null(strstr(why, "cAnArY"));
}

static void assert_heard(const struct world *w, const char *part)
{
    if (strstr(w->server.last, part) == NULL)
        fail_msg("\"%s\" is not in:\n%s", part, w->server.last);
}

static void assert_not_heard(const struct world *w, const char *part)
{
    if (strstr(w->server.last, part))
        fail_msg("\"%s\" is in:\n%s", part, w->server.last);
}

/* ---- sources ---- */

static void keys_are_there_at_once(void **state)
{
    struct world w;

    world_init(&w, state);
    set("AWS_ACCESS_KEY_ID", "ENVKEY");
    set("AWS_SECRET_ACCESS_KEY", SECRET);
    set("AWS_SESSION_TOKEN", TOKEN);
    world_open(&w, "", "");
    assert_key(&w, "ENVKEY");
    assert_string_equal(credential_provider_get(w.provider, NULL)->session_token, TOKEN);
    assert_string_equal(credential_provider_name(w.provider), "environment");
    assert_true(credential_set_due(w.set) == INT64_MAX);
    assert_int_equal(w.server.requests, 0);
    world_fini(&w);
}

static void a_role_is_assumed_with_what_its_profile_says(void **state)
{
    struct world w;

    world_init(&w, state);
    world_open(&w, ROLE_CONFIG "external_id = ext id/1\nrole_session_name = me@here\nduration_seconds = 1800\n", BASE_KEYS);
    assert_none(&w, "being fetched");
    settle(&w);
    assert_key(&w, "KEY1");
    assert_string_equal(credential_provider_get(w.provider, NULL)->session_token, TOKEN "&1");
    assert_heard(&w, "POST / HTTP/1.1\r\n");
    assert_heard(&w, "Content-Type: application/x-www-form-urlencoded");
    assert_heard(&w, "Credential=BASEKEY/20260131/eu-west-1/sts/aws4_request, SignedHeaders=content-type;host;x-amz-date, ");
    assert_heard(&w, "\r\n\r\nAction=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Freader&RoleSessionName=me%40here"
                     "&DurationSeconds=1800&ExternalId=ext%20id%2F1");
    assert_not_heard(&w, SECRET);
    world_fini(&w);
}

static void roles_stand_on_roles(void **state)
{
    struct world w;

    world_init(&w, state);
    world_open(&w, "[default]\nrole_arn = arn:top\nsource_profile = middle\n[profile middle]\nrole_arn = arn:middle\nsource_profile = base\n", BASE_KEYS);
    for (int64_t end = clock_now().mono_ms + 5000; credential_provider_get(w.provider, NULL) == NULL && clock_now().mono_ms < end;)
        loop_wait(w.loop, 10);
    assert_key(&w, "KEY2");
    assert_int_equal(w.server.requests, 2);
    assert_heard(&w, "RoleArn=arn%3Atop");
    assert_heard(&w, "Credential=KEY1/");
    assert_heard(&w, "X-Amz-Security-Token: " TOKEN "&1\r\n");
    world_fini(&w);
}

static void wait_for_role(struct world *w, struct credential_provider *p)
{
    struct error err = {.text = ""};

    if (!credential_provider_wait(p, 5000, &err))
        fail_msg("%s", err.text);
    (void)w;
}

static void queues_have_roles_of_their_own(void **state)
{
    struct credential_provider *roles[4];
    struct world w;

    world_init(&w, state);
    set("AWS_ACCESS_KEY_ID", "ENVKEY");
    set("AWS_SECRET_ACCESS_KEY", SECRET);
    world_open(&w, "", "");
    roles[0] = credential_set_role(w.set, ROLE_ARN, NULL);
    roles[1] = credential_set_role(w.set, ROLE_ARN, "x");
    roles[2] = credential_set_role(w.set, ROLE_ARN, NULL);
    roles[3] = credential_set_role(w.set, ROLE_ARN, "x");
    assert_ptr_equal(roles[0], roles[2]);
    assert_ptr_equal(roles[1], roles[3]);
    assert_ptr_not_equal(roles[0], roles[1]);
    wait_for_role(&w, roles[0]);
    wait_for_role(&w, roles[1]);
    assert_int_equal(w.server.requests, 2);
    assert_heard(&w, "Credential=ENVKEY/");
    assert_heard(&w, "&RoleSessionName=stream2sqs");
    assert_key(&w, "ENVKEY"); /* the default one is as it was */
    assert_string_equal(credential_provider_name(roles[0]), ROLE_ARN);
    world_fini(&w);
}

static void a_web_identity_is_sent_unsigned_and_its_token_read_each_time(void **state)
{
    char path[4096];
    struct world w;

    world_init(&w, state);
    snprintf(path, sizeof(path), "%s/token", directory);
    write_text(path, "first.to+ken\n");
    set("AWS_WEB_IDENTITY_TOKEN_FILE", path);
    set("AWS_ROLE_ARN", ROLE_ARN);
    set("AWS_ROLE_SESSION_NAME", "pod");
    world_open(&w, "", "");
    settle(&w);
    assert_key(&w, "KEY1");
    assert_heard(&w, "Action=AssumeRoleWithWebIdentity&");
    assert_heard(&w, "RoleSessionName=pod&WebIdentityToken=first.to%2Bken");
    assert_not_heard(&w, "Authorization");
    write_text(path, "second");
    go_on(&w);
    assert_key(&w, "KEY2");
    assert_heard(&w, "WebIdentityToken=second");
    unlink(path);
    go_on(&w);
    assert_key(&w, "KEY2"); /* kept */
    assert_non_null(strstr(credential_provider_trouble(w.provider), "cannot read"));
    world_fini(&w);
}

#define SSO_CONFIG "[default]\nsso_session = corp\nsso_account_id = 111122223333\nsso_role_name = Reader\n" \
                   "[sso-session corp]\nsso_region = eu-west-1\nsso_start_url = https://corp.awsapps.com/start\n"

/* The SHA-1 of "corp". */
static void sso_path(char out[4096])
{
    char folder[3000];

    snprintf(folder, sizeof(folder), "%s/.aws", directory);
    mkdir(folder, 0700);
    snprintf(folder, sizeof(folder), "%s/.aws/sso", directory);
    mkdir(folder, 0700);
    snprintf(folder, sizeof(folder), "%s/.aws/sso/cache", directory);
    mkdir(folder, 0700);
    snprintf(out, 4096, "%s/ee0bfd2552fbd840c02cc48b6e823320543c450f.json", folder);
}

static void an_sso_session_is_used_until_it_ends(void **state)
{
    char path[4096];
    char token[500];
    struct world w;

    world_init(&w, state);
    sso_path(path);
    world_open(&w, SSO_CONFIG, "");
    settle(&w);
    assert_none(&w, "nobody is logged in: run aws sso login --sso-session corp");
    write_text(path, "{\"accessToken\":\"" TOKEN "\",\"expiresAt\":\"2026-01-31T12:00:00Z\"}");
    go_on(&w);
    assert_none(&w, "the SSO session has expired: run aws sso login --sso-session corp");
    write_text(path, "{\"accessToken\":\"" TOKEN "\"}");
    go_on(&w);
    assert_none(&w, "malformed");
    assert_int_equal(w.server.requests, 0);
    snprintf(token, sizeof(token), "{\"startUrl\":\"x\",\"accessToken\":\"" TOKEN "\",\"expiresAt\":\"2026-01-31T20:00:00UTC\",\"region\":\"eu-west-1\"}");
    write_text(path, token);
    snprintf(w.body, sizeof(w.body), "{\"roleCredentials\":{\"accessKeyId\":\"SSOKEY\",\"secretAccessKey\":\"" SECRET "\",\"sessionToken\":\"" TOKEN
             "\",\"expiration\":%lld}}", (long long)(now.wall_ms + HOUR));
    go_on(&w);
    assert_key(&w, "SSOKEY");
    assert_heard(&w, "GET /federation/credentials?role_name=Reader&account_id=111122223333 HTTP/1.1\r\n");
    assert_heard(&w, "x-amz-sso_bearer_token: " TOKEN "\r\n");
    w.status = 401;
    go_on(&w);
    assert_key(&w, "SSOKEY");
    assert_non_null(strstr(credential_provider_trouble(w.provider), "aws sso login"));
    world_fini(&w);
}

/* ---- SSO: renewal ---- */

#define OLD_TOKEN "cAnArY-access-token-old"
#define NEW_TOKEN "cAnArY-access-token-new"
#define CLIENT "\"clientId\":\"the-client\",\"clientSecret\":\"cAnArY-client-secret\",\"registrationExpiresAt\":\"2026-03-01T00:00:00Z\""
#define REFRESH "\"refreshToken\":\"cAnArY-refresh-\\\"1\""
#define REMAINS "\"startUrl\":\"https://corp.awsapps.com/start\",\"region\":\"eu-west-1\",\"unknown\":{\"a\":[1, 2]}"
#define RENEWAL "{\"accessToken\":\"" NEW_TOKEN "\",\"expiresIn\":3600,\"refreshToken\":\"cAnArY-refresh-2\",\"tokenType\":\"Bearer\"}"

/* A cached login whose token has so many seconds left (START_MS is at 12:34:56Z); `more`: its other members. */
static void write_login(int64_t seconds, const char *more)
{
    char path[4096];
    char expiration[32];
    char text[4096];

    sso_path(path);
    iso(now.wall_ms + seconds * 1000, expiration);
    snprintf(text, sizeof(text), "{\"accessToken\":\"" OLD_TOKEN "\",\"expiresAt\":\"%s\"%s%s}", expiration, more[0] ? "," : "", more);
    write_text(path, text);
}

static void read_login(char out[4096])
{
    char path[4096];
    FILE *file;

    sso_path(path);
    file = fopen(path, "r");
    assert_non_null(file);
    out[fread(out, 1, 4095, file)] = '\0';
    fclose(file);
}

static int files_in_the_cache(void)
{
    char path[4096];
    DIR *folder;
    int count = 0;

    sso_path(path);
    *strrchr(path, '/') = '\0';
    folder = opendir(path);
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

static void give_role(struct world *w)
{
    w->status = 200;
    snprintf(w->body, sizeof(w->body), "{\"roleCredentials\":{\"accessKeyId\":\"SSOKEY%d\",\"secretAccessKey\":\"" SECRET "\",\"sessionToken\":\"" TOKEN
             "\",\"expiration\":%lld}}", ++w->serial, (long long)(now.wall_ms + HOUR));
}

static void sso_world_open(struct world *w, void **state, int64_t seconds, const char *more)
{
    world_init(w, state);
    w->renewal_status = 200;
    w->renewal = RENEWAL;
    write_login(seconds, more);
    give_role(w);
    world_open(w, SSO_CONFIG, "");
    settle(w);
}

static void a_token_that_ends_soon_is_renewed_and_its_file_replaced(void **state)
{
    struct world w;
    char path[4096];
    char file[4096];
    struct stat status;
    const char *body;

    sso_world_open(&w, state, 899, CLIENT "," REFRESH "," REMAINS);
    assert_key(&w, "SSOKEY1");
    assert_heard(&w, "x-amz-sso_bearer_token: " NEW_TOKEN "\r\n");
    assert_int_equal(w.renewals, 1);
    assert_int_equal(w.server.requests, 2);
    assert_non_null(strstr(w.renewal_asked, "POST /token HTTP/1.1\r\n"));
    assert_non_null(strstr(w.renewal_asked, "\r\nContent-Type: application/json\r\n"));
    assert_null(strstr(w.renewal_asked, "Authorization"));
    assert_non_null(body = strstr(w.renewal_asked, "\r\n\r\n"));
    assert_string_equal(body + 4, "{\"grantType\":\"refresh_token\",\"clientId\":\"the-client\",\"clientSecret\":\"cAnArY-client-secret\","
                                  "\"refreshToken\":\"cAnArY-refresh-\\\"1\"}");
    read_login(file);
    assert_string_equal(file, "{" CLIENT "," REMAINS ",\"accessToken\":\"" NEW_TOKEN "\",\"expiresAt\":\"2026-01-31T13:34:56Z\","
                              "\"refreshToken\":\"cAnArY-refresh-2\"}");
    sso_path(path);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    assert_int_equal(files_in_the_cache(), 1);
    assert_string_equal(credential_provider_trouble(w.provider), "");
    world_fini(&w);
}

static void a_token_is_renewed_only_when_it_must_and_can_be(void **state)
{
    static const char login[] = CLIENT "," REFRESH;
    static const struct {
        int64_t seconds;
        const char *more;
        const char *config;
        int renewals;
    } cases[] = {
        {900, login, SSO_CONFIG, 0},
        {899, login, SSO_CONFIG, 1},
        {-86400, login, SSO_CONFIG, 1},
        {60, CLIENT, SSO_CONFIG, 0},
        {60, REFRESH ",\"clientId\":\"c\",\"clientSecret\":\"cAnArY\"", SSO_CONFIG, 0},
        {60, REFRESH ",\"clientId\":\"c\",\"registrationExpiresAt\":\"2026-03-01T00:00:00Z\"", SSO_CONFIG, 0},
        {60, REFRESH ",\"clientSecret\":\"cAnArY\",\"registrationExpiresAt\":\"2026-03-01T00:00:00Z\"", SSO_CONFIG, 0},
        {60, REFRESH ",\"clientId\":\"c\",\"clientSecret\":\"cAnArY\",\"registrationExpiresAt\":\"2026-01-31T12:34:56Z\"", SSO_CONFIG, 0},
        {60, REFRESH ",\"clientId\":\"c\",\"clientSecret\":\"cAnArY\",\"registrationExpiresAt\":\"2026-01-31T12:34:57Z\"", SSO_CONFIG, 1},
        {60, REFRESH ",\"clientId\":\"c\",\"clientSecret\":\"cAnArY\",\"registrationExpiresAt\":\"soon\"", SSO_CONFIG, 0},
        /* the older kind of login (the file of this start URL is the session's) */
        {60, login, "[default]\nsso_start_url = corp\nsso_region = eu-west-1\nsso_account_id = 1\nsso_role_name = r\n", 0},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct world w;

        world_init(&w, state);
        w.renewal_status = 200;
        w.renewal = RENEWAL;
        write_login(cases[i].seconds, cases[i].more);
        give_role(&w);
        world_open(&w, cases[i].config, "");
        settle(&w);
        assert_key(&w, "SSOKEY1");
        if (w.renewals != cases[i].renewals || strstr(w.server.last, cases[i].renewals ? NEW_TOKEN : OLD_TOKEN) == NULL)
            fail_msg("case %zu: %d renewals", i, w.renewals);
        world_fini(&w);
    }
}

static void an_ended_session_that_cannot_be_renewed_says_how_to_log_in(void **state)
{
    struct world w;

    sso_world_open(&w, state, -1, CLIENT);
    assert_none(&w, "the SSO session has expired: run aws sso login --sso-session corp");
    assert_int_equal(w.server.requests, 0);
    world_fini(&w);
}

static void a_refused_renewal_leaves_the_token_that_there_is(void **state)
{
    static const struct {
        int status;
        const char *body;
        const char *why;
        enum error_code code;
    } cases[] = {
        {400, "{\"error\":\"invalid_grant\",\"error_description\":\"Invalid refresh token provided\"}",
         "SSO-OIDC answered with HTTP status 400: Invalid refresh token provided", ERROR_CREDENTIALS},
        {401, "{\"error\":\"invalid_client\"}", "SSO-OIDC answered with HTTP status 401: invalid_client", ERROR_CREDENTIALS},
        {500, "<html>", "SSO-OIDC answered with HTTP status 500", ERROR_UNAVAILABLE},
        {0, "", "no answer from SSO-OIDC: ", ERROR_UNAVAILABLE},
        {200, "{\"accessToken\":\"" NEW_TOKEN "\"}", "SSO-OIDC's answer is malformed: it has no accessToken, or no expiresIn", ERROR_CREDENTIALS},
        {200, "{\"accessToken\":\"" NEW_TOKEN "\",\"expiresIn\":0}", "is malformed", ERROR_CREDENTIALS},
        {200, "{\"expiresIn\":3600}", "is malformed", ERROR_CREDENTIALS},
        {200, NEW_TOKEN, "is malformed", ERROR_CREDENTIALS},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct world w;
        char before[4096];
        char after[4096];
        struct error err;

        world_init(&w, state);
        w.renewal_status = cases[i].status;
        w.renewal = cases[i].body;
        write_login(600, CLIENT "," REFRESH);
        read_login(before);
        give_role(&w);
        world_open(&w, SSO_CONFIG, "");
        settle(&w);
        assert_key(&w, "SSOKEY1");
        assert_heard(&w, "x-amz-sso_bearer_token: " OLD_TOKEN "\r\n");
        world_close(&w);
        now.wall_ms += 600 * 1000;
        world_open(&w, SSO_CONFIG, "");
        settle(&w);
        assert_none(&w, "the SSO session has expired, and its renewal failed: ");
        assert_none(&w, cases[i].why);
        assert_none(&w, ": run aws sso login --sso-session corp");
        assert_false(credential_provider_wait(w.provider, 0, &err));
        assert_int_equal(err.code, cases[i].code);
        assert_int_equal(w.renewals, 2);
        read_login(after);
        assert_string_equal(after, before);
        world_fini(&w);
    }
}

/* Refresh tokens may be good for once: whoever came second takes what the first one got. */
static void a_token_that_another_program_renewed_is_taken(void **state)
{
    struct world w;

    world_init(&w, state);
    w.renewal_status = 400;
    w.renewal = "{\"error\":\"invalid_grant\"}";
    w.meanwhile = "{\"accessToken\":\"cAnArY-theirs\",\"expiresAt\":\"2026-01-31T13:30:00Z\"}";
    write_login(-60, CLIENT "," REFRESH);
    give_role(&w);
    world_open(&w, SSO_CONFIG, "");
    settle(&w);
    assert_key(&w, "SSOKEY1");
    assert_heard(&w, "x-amz-sso_bearer_token: cAnArY-theirs\r\n");
    world_fini(&w);
}

static void a_new_login_is_not_written_over(void **state)
{
    char file[4096];
    struct world w;

    world_init(&w, state);
    w.renewal_status = 200;
    w.renewal = RENEWAL;
    w.meanwhile = "{\"accessToken\":\"cAnArY-theirs\",\"expiresAt\":\"2026-01-31T23:30:00Z\",\"refreshToken\":\"cAnArY-other\"}";
    write_login(60, CLIENT "," REFRESH);
    give_role(&w);
    world_open(&w, SSO_CONFIG, "");
    settle(&w);
    assert_key(&w, "SSOKEY1");
    assert_heard(&w, "x-amz-sso_bearer_token: " NEW_TOKEN "\r\n");
    read_login(file);
    assert_string_equal(file, w.meanwhile);
    give_role(&w);
    go_on(&w);
    assert_key(&w, "SSOKEY2");
    assert_heard(&w, "x-amz-sso_bearer_token: cAnArY-theirs\r\n");
    world_fini(&w);
}

/* And a refresh token that the answer does not replace is used again. */
static void a_renewed_token_that_cannot_be_written_is_kept_in_memory(void **state)
{
    struct rlimit before;
    struct rlimit small;
    struct world w;
    char path[4096];
    char file[4096];

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = (struct rlimit){.rlim_cur = 20, .rlim_max = before.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    world_init(&w, state);
    w.renewal_status = 200;
    w.renewal = "{\"accessToken\":\"" NEW_TOKEN "\",\"expiresIn\":7200}";
    write_login(60, CLIENT "," REFRESH);
    give_role(&w);
    world_open(&w, SSO_CONFIG, "");
    setrlimit(RLIMIT_FSIZE, &small);
    settle(&w);
    assert_key(&w, "SSOKEY1");
    read_login(file);
    assert_non_null(strstr(file, OLD_TOKEN));
    assert_int_equal(files_in_the_cache(), 1);
    give_role(&w);
    go_on(&w);
    assert_key(&w, "SSOKEY2");
    assert_heard(&w, "x-amz-sso_bearer_token: " NEW_TOKEN "\r\n");
    assert_int_equal(w.renewals, 1);
    setrlimit(RLIMIT_FSIZE, &before);
    now.wall_ms += 2 * HOUR;
    give_role(&w);
    go_on(&w);
    assert_key(&w, "SSOKEY3");
    assert_int_equal(w.renewals, 2);
    assert_non_null(strstr(w.renewal_asked, "\"refreshToken\":\"cAnArY-refresh-\\\"1\""));
    read_login(file);
    assert_non_null(strstr(file, NEW_TOKEN));
    assert_non_null(strstr(file, REFRESH));
    sso_path(path);
    unlink(path);
    go_on(&w);
    assert_key(&w, "SSOKEY3");
    assert_non_null(strstr(credential_provider_trouble(w.provider), "nobody is logged in"));
    world_fini(&w);
}

/* Where the cache is read-only and each refresh token is good for once, the one in memory is the only one; and a link's end is what is replaced. */
static void renewals_go_on_in_memory_until_the_file_can_be_written(void **state)
{
    struct rlimit before;
    struct rlimit small;
    struct stat kind;
    struct world w;
    char path[4096];
    char real[4200];
    char file[4096];

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = (struct rlimit){.rlim_cur = 20, .rlim_max = before.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    world_init(&w, state);
    w.renewal_status = 200;
    write_login(60, CLIENT "," REFRESH);
    sso_path(path);
    snprintf(real, sizeof(real), "%s.real", path);
    assert_int_equal(rename(path, real), 0);
    assert_int_equal(symlink(real, path), 0);
    give_role(&w);
    w.renewal = "{\"accessToken\":\"cAnArY-a1\",\"expiresIn\":7200,\"refreshToken\":\"cAnArY-r1\"}";
    world_open(&w, SSO_CONFIG, "");
    setrlimit(RLIMIT_FSIZE, &small);
    settle(&w);
    assert_key(&w, "SSOKEY1");
    w.renewal = "{\"accessToken\":\"cAnArY-a2\",\"expiresIn\":7200,\"refreshToken\":\"cAnArY-r2\"}";
    now.wall_ms += 2 * HOUR;
    give_role(&w);
    go_on(&w);
    assert_key(&w, "SSOKEY2");
    assert_non_null(strstr(w.renewal_asked, "cAnArY-r1"));
    setrlimit(RLIMIT_FSIZE, &before);
    w.renewal = "{\"accessToken\":\"cAnArY-a3\",\"expiresIn\":7200,\"refreshToken\":\"cAnArY-r3\"}";
    now.wall_ms += 2 * HOUR;
    give_role(&w);
    go_on(&w);
    assert_key(&w, "SSOKEY3");
    assert_non_null(strstr(w.renewal_asked, "cAnArY-r2"));
    read_login(file);
    assert_non_null(strstr(file, "cAnArY-r3"));
    assert_int_equal(lstat(path, &kind), 0);
    assert_true(S_ISLNK(kind.st_mode));
    world_fini(&w);
}

static void a_program_is_asked(void **state)
{
    static const struct {
        const char *command;
        const char *says; /* what it writes: a file named `out`, which it prints; NULL: it is not read */
        const char *key;  /* NULL: none, and the words are `why` */
        const char *why;
    } cases[] = {
        {"cat \"%s/out\"", "{\"Version\":1,\"AccessKeyId\":\"PKEY\",\"SecretAccessKey\":\"" SECRET "\"}", "PKEY", ""},
        {"cat '%s/out'", "{\"Version\":1,\"AccessKeyId\":\"PKEY\",\"SecretAccessKey\":\"" SECRET "\",\"SessionToken\":null,\"Expiration\":null}", "PKEY", ""},
        {"cat %s/out", "{\"Version\":2,\"AccessKeyId\":\"PKEY\",\"SecretAccessKey\":\"" SECRET "\"}", NULL, "its Version is not 1"},
        {"cat %s/out", "{\"AccessKeyId\":\"PKEY\",\"SecretAccessKey\":\"" SECRET "\"}", NULL, "its Version is not 1"},
        {"cat %s/out", "{\"Version\":1,\"AccessKeyId\":\"PKEY\"}", NULL, "no secret access key"},
        {"cat %s/out", "{\"Version\":1,\"AccessKeyId\":\"P KEY\",\"SecretAccessKey\":\"" SECRET "\"}", NULL, "blanks or control characters"},
        {"cat %s/out", "{\"Version\":1,\"AccessKeyId\":\"P\",\"SecretAccessKey\":\"" SECRET "\",\"Expiration\":\"soon\"}", NULL, "is no time"},
        {"cat %s/out", "{\"Version\":1,\"AccessKeyId\":\"P\",\"SecretAccessKey\":\"" SECRET "\",\"Expiration\":\"2026-01-31T12:00:00Z\"}", NULL, "already expired"},
        {"cat %s/out", "cAnArY is not JSON", NULL, "wrote no credentials"},
        {"cat %s/missing", "", NULL, "ended with status 1: cat: "},
        {"sh -c 'echo \"cannot: $(cat)\" >&2; exit 7' %s", "", NULL, "ended with status 7: cannot:"},
        {"/nowhere/to/be/found %s", "", NULL, "No such file or directory"},
        {"cat '%s/out", "", NULL, "a quote is not closed"},
        {"sh -c 'kill -9 $$' %s", "", NULL, "killed by a signal"},
        {"head -c 100000 /dev/zero %s", "", NULL, "more than is expected"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct world w;
        char path[4096];
        char config[8192];
        struct error err = {.text = ""};
        bool good;

        world_init(&w, state);
        snprintf(path, sizeof(path), "%s/out", directory);
        write_text(path, cases[i].says);
        snprintf(config, sizeof(config), "[default]\ncredential_process = ");
        snprintf(config + strlen(config), 4096, cases[i].command, directory);
        world_open(&w, config, "");
        good = credential_provider_wait(w.provider, 5000, &err);
        if (good != (cases[i].key != NULL) || strstr(err.text, cases[i].why) == NULL)
            fail_msg("case %zu: %s", i, err.text);
        if (good)
            assert_key(&w, cases[i].key);
        else
            assert_none(&w, cases[i].why);
        world_fini(&w);
    }
}

static void a_container_is_asked_with_its_token_read_each_time(void **state)
{
    char path[4096];
    char url[200];
    struct world w;

    world_init(&w, state);
    snprintf(path, sizeof(path), "%s/token", directory);
    snprintf(url, sizeof(url), "%s/v1/credentials?x=1", w.server.url);
    write_text(path, "first-token\n");
    set("AWS_CONTAINER_CREDENTIALS_FULL_URI", url);
    set("AWS_CONTAINER_AUTHORIZATION_TOKEN", "not this one");
    set("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", path);
    world_open(&w, "", "");
    settle(&w);
    assert_key(&w, "KEY1");
    assert_heard(&w, "GET /v1/credentials?x=1 HTTP/1.1\r\n");
    assert_heard(&w, "Authorization: first-token\r\n");
    write_text(path, "second-token");
    go_on(&w);
    assert_key(&w, "KEY2");
    assert_heard(&w, "Authorization: second-token\r\n");
    write_text(path, "evil\r\nX-Injected: yes");
    go_on(&w);
    assert_int_equal(w.server.requests, 2);
    assert_non_null(strstr(credential_provider_trouble(w.provider), "line breaks"));
    world_fini(&w);
}

static void containers_are_asked_only_where_they_may_be(void **state)
{
    static const struct {
        const char *name;
        const char *value;
        const char *why;
    } cases[] = {
        {"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://192.0.2.1/credentials", "neither loopback nor one at which AWS serves credentials"},
        {"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://[2001:db8::1]/credentials", "neither loopback nor"},
        {"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://0x7f.1.evil.invalid/", "no answer"},
        {"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.3/", "neither loopback nor"},
        {"AWS_CONTAINER_CREDENTIALS_FULL_URI", "ftp://127.0.0.1/", "is no http or https URL"},
        {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "@evil.invalid/", "does not begin with a '/'"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct world w;
        struct error err = {.text = ""};

        world_init(&w, state);
        set(cases[i].name, cases[i].value);
        set("AWS_CONTAINER_AUTHORIZATION_TOKEN", TOKEN);
        if (world_try(&w, "", ""))
            assert_false(credential_provider_wait(w.provider, 5000, &err));
        if (strstr(w.set ? err.text : w.err.text, cases[i].why) == NULL)
            fail_msg("case %zu: %s", i, w.set ? err.text : w.err.text);
        world_fini(&w);
    }
}

static void ec2_is_asked_by_imdsv2(void **state)
{
    struct world w;

    world_init(&w, state);
    set("AWS_EC2_METADATA_SERVICE_ENDPOINT", w.server.url);
    world_open(&w, "", "");
    assert_true(credential_provider_by_default(w.provider));
    settle(&w);
    assert_key(&w, "KEY1");
    assert_int_equal(w.server.requests, 3);
    assert_heard(&w, "GET /latest/meta-data/iam/security-credentials/the-role HTTP/1.1\r\n");
    assert_heard(&w, "X-aws-ec2-metadata-token: the-imds-session\r\n");
    world_fini(&w);
}

static void ec2s_refusals_are_told(void **state)
{
    static const struct {
        int status;
        const char *body;
        const char *why;
        int requests; /* IMDSv1 is never tried: without a session nothing more is asked */
        enum error_code code; /* systemd starts again after UNAVAILABLE: at boot the network may be late */
    } cases[] = {
        {403, "", "switched off for this instance", 1, ERROR_CREDENTIALS},
        {500, "", "HTTP status 500", 1, ERROR_UNAVAILABLE},
        {0, "", "no answer from the instance metadata service (session)", 1, ERROR_UNAVAILABLE},
        {200, "a\x01" "b", "session token is malformed", 1, ERROR_CREDENTIALS},
        {200, "../../evil", "names no role", 2, ERROR_CREDENTIALS},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct world w;
        struct error err = {.text = ""};

        world_init(&w, state);
        set("AWS_EC2_METADATA_SERVICE_ENDPOINT", w.server.url);
        w.status = cases[i].status;
        snprintf(w.body, sizeof(w.body), "%s", cases[i].body);
        world_open(&w, "", "");
        assert_false(credential_provider_wait(w.provider, 5000, &err));
        if (strstr(err.text, cases[i].why) == NULL || strstr(err.text, "no AWS credentials: set AWS_ACCESS_KEY_ID") == NULL)
            fail_msg("case %zu: %s", i, err.text);
        assert_int_equal(w.server.requests, cases[i].requests);
        assert_int_equal(err.code, cases[i].code);
        world_fini(&w);
    }
}

static void ec2_can_be_switched_off(void **state)
{
    struct world w;

    world_init(&w, state);
    set("AWS_EC2_METADATA_DISABLED", "true");
    assert_false(world_try(&w, "", ""));
    assert_non_null(strstr(w.err.text, "no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or put them under [default]"));
    world_fini(&w);
}

/* ---- answers that are not what they should be ---- */

static void malformed_answers_are_told_and_asked_for_again(void **state)
{
    static const struct {
        int status;
        const char *body;
        const char *why;
    } cases[] = {
        {200, "", "no answer"}, /* status 0 below */
        {200, "{}", "malformed"},
        {200, "<a><Credentials></a>", "malformed"},
        {200, "<!DOCTYPE a [<!ENTITY b \"c\">]><a><Credentials><AccessKeyId>&b;</AccessKeyId></Credentials></a>", "malformed"},
        {200, "<a><Credentials><AccessKeyId>A</AccessKeyId></Credentials></a>", "names no secret access key"},
        {200, "<a><Credentials><AccessKeyId>A</AccessKeyId><SecretAccessKey>" SECRET "</SecretAccessKey></Credentials></a>", "names no session token"},
        {200, "<a><Credentials><AccessKeyId>A</AccessKeyId><SecretAccessKey>" SECRET "</SecretAccessKey><SessionToken>" TOKEN "</SessionToken></Credentials></a>",
         "names no expiration"},
        {200, "<a><Credentials><AccessKeyId>A</AccessKeyId><SecretAccessKey>" SECRET "</SecretAccessKey><SessionToken>" TOKEN
              "</SessionToken><Expiration>2026-02-31T00:00:00Z</Expiration></Credentials></a>", "is no time"},
        {200, "<a><Credentials><AccessKeyId>A</AccessKeyId><SecretAccessKey>" SECRET "</SecretAccessKey><SessionToken>" TOKEN
              "</SessionToken><Expiration>2026-01-31T12:00:00Z</Expiration></Credentials></a>", "have already expired"},
        {200, "<a><Credentials><AccessKeyId>A\nX-Evil: 1</AccessKeyId><SecretAccessKey>" SECRET "</SecretAccessKey><SessionToken>" TOKEN
              "</SessionToken><Expiration>2026-01-31T13:00:00Z</Expiration></Credentials></a>", "blanks or control characters"},
        {403, "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>User: x is not authorized</Message></Error></ErrorResponse>",
         "STS refused the role " ROLE_ARN ": AccessDenied: User: x is not authorized"},
        {403, "<ErrorResponse><Error><Code>Access\x1b[2JDenied</Code><Message>a\nb</Message></Error></ErrorResponse>", "Access\\x1b[2JDenied: a"},
        {503, "busy", "STS answered with HTTP status 503"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct world w;

        world_init(&w, state);
        w.status = i == 0 ? 0 : cases[i].status;
        snprintf(w.body, sizeof(w.body), "%s", cases[i].body);
        world_open(&w, ROLE_CONFIG, BASE_KEYS);
        settle(&w);
        assert_none(&w, cases[i].why);
        w.status = 200;
        w.body[0] = '\0';
        go_on(&w); /* and it recovers by itself */
        assert_key(&w, "KEY1");
        assert_string_equal(credential_provider_trouble(w.provider), "");
        world_fini(&w);
    }
}

/* ---- a provider's life ---- */

static void credentials_are_refreshed_well_before_they_expire(void **state)
{
    static const struct {
        int64_t life_ms;
        int64_t earliest_ms;
        int64_t latest_ms;
    } cases[] = {
        {HOUR, 40 * MINUTE, 45 * MINUTE},
        {12 * HOUR, 12 * HOUR - 20 * MINUTE, 12 * HOUR - 15 * MINUTE},
        {15 * MINUTE, 15 * MINUTE * 5 / 9, 10 * MINUTE},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct world w;
        uint64_t generation;
        int64_t due;

        world_init(&w, state);
        w.life_ms = cases[i].life_ms;
        world_open(&w, ROLE_CONFIG, BASE_KEYS);
        settle(&w);
        generation = credential_provider_generation(w.provider);
        due = credential_set_due(w.set) - now.mono_ms;
        assert_true(due >= cases[i].earliest_ms - 1000 && due <= cases[i].latest_ms);
        go_on(&w);
        assert_key(&w, "KEY2");
        assert_int_equal(w.server.requests, 2);
        assert_true(credential_provider_generation(w.provider) > generation);
        world_fini(&w);
    }
}

static void they_are_kept_while_refreshing_fails_and_until_they_expire(void **state)
{
    struct world w;
    int64_t expiry;
    int64_t last = 0;
    int tries = 0;

    world_init(&w, state);
    world_open(&w, ROLE_CONFIG, BASE_KEYS);
    settle(&w);
    expiry = now.mono_ms + HOUR;
    w.status = 500;
    while (go_on(&w), now.mono_ms < expiry) {
        assert_key(&w, "KEY1");
        assert_non_null(strstr(credential_provider_trouble(w.provider), "HTTP status 500"));
        assert_true(last == 0 || now.mono_ms - last <= MINUTE);
        last = now.mono_ms;
        tries++;
    }
    assert_true(tries >= 15 && tries < 40); /* every minute or so, not more */
    assert_none(&w, "HTTP status 500");
    w.status = 200;
    go_on(&w);
    assert_key(&w, "KEY2");
    assert_string_equal(credential_provider_trouble(w.provider), "");
    world_fini(&w);
}

static void failures_back_off_from_a_second_to_a_minute(void **state)
{
    static const int64_t most[] = {1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000};
    struct world w;

    world_init(&w, state);
    w.status = 500;
    world_open(&w, ROLE_CONFIG, BASE_KEYS);
    settle(&w);
    for (size_t i = 0; i < COUNT_OF(most); i++) {
        int64_t wait = credential_set_due(w.set) - now.mono_ms;

        if (wait > most[i] || wait < most[i] * 3 / 4)
            fail_msg("after %zu failures: %lld ms", i + 1, (long long)wait);
        go_on(&w);
    }
    world_fini(&w);
}

/* EC2 renews only minutes before the end, and while its service is down the old ones are honoured beyond it. */
static void ec2s_credentials_may_be_the_same_again_and_outlive_their_end(void **state)
{
    struct world w;
    int64_t asked;

    world_init(&w, state);
    set("AWS_EC2_METADATA_SERVICE_ENDPOINT", w.server.url);
    world_open(&w, "", "");
    settle(&w);
    w.keep_serial = true;
    w.life_ms = HOUR - (credential_set_due(w.set) - now.mono_ms); /* the same expiration, later on */
    go_on(&w);
    assert_key(&w, "KEY1");
    assert_string_equal(credential_provider_trouble(w.provider), "");
    asked = credential_set_due(w.set) - now.mono_ms;
    assert_true(asked >= 45000 && asked <= MINUTE);
    assert_int_equal(credential_provider_generation(w.provider), 1);
    now.mono_ms += 2 * HOUR;
    now.wall_ms += 2 * HOUR;
    w.status = 500;
    settle(&w);
    assert_key(&w, "KEY1");
    w.status = 200;
    w.life_ms = -HOUR; /* and what comes has expired, too: used, and asked for again, but not at every turn */
    w.keep_serial = false;
    go_on(&w);
    assert_key(&w, "KEY2");
    assert_true(credential_set_due(w.set) - now.mono_ms >= 45000);
    world_fini(&w);
}

static void a_life_is_counted_by_the_issuers_clock(void **state)
{
    struct world w;
    int64_t due;

    world_init(&w, state);
    snprintf(w.headers, sizeof(w.headers), "Date: Sat, 31 Jan 2026 12:34:56 GMT\r\n");
    snprintf(w.body, sizeof(w.body), "<a><Credentials><AccessKeyId>A</AccessKeyId><SecretAccessKey>" SECRET "</SecretAccessKey><SessionToken>" TOKEN
             "</SessionToken><Expiration>2026-01-31T13:34:56Z</Expiration></Credentials></a>");
    now.wall_ms += 5 * HOUR; /* our clock is wrong: by it, they have expired */
    world_open(&w, ROLE_CONFIG, BASE_KEYS);
    settle(&w);
    assert_key(&w, "A");
    due = credential_set_due(w.set) - now.mono_ms;
    assert_true(due >= 40 * MINUTE - 1000 && due <= 45 * MINUTE);
    now.wall_ms -= 100 * HOUR; /* and it is put right: nothing changes */
    assert_key(&w, "A");
    world_fini(&w);
}

static void sts_too_corrects_a_skewed_clock(void **state)
{
    struct world w;

    world_init(&w, state);
    w.status = 403;
    snprintf(w.headers, sizeof(w.headers), "Date: Sat, 31 Jan 2026 14:34:56 GMT\r\n");
    snprintf(w.body, sizeof(w.body), "<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code><Message>Signature expired</Message></Error></ErrorResponse>");
    world_open(&w, ROLE_CONFIG, BASE_KEYS);
    settle(&w);
    assert_heard(&w, "X-Amz-Date: 20260131T123456Z\r\n");
    now.wall_ms = START_MS;
    w.status = 200;
    w.body[0] = '\0';
    w.headers[0] = '\0';
    go_on(&w);
    assert_heard(&w, "X-Amz-Date: 20260131T1434");
    assert_key(&w, "KEY1");
    world_fini(&w);
}

static void what_a_service_refuses_is_fetched_again_but_not_at_every_refusal(void **state)
{
    struct http_answer answer = {.status = 400, .body = SLICE("{\"__type\":\"com.amazon.coral.service#ExpiredTokenException\",\"message\":\"m\"}")};
    struct clock_skew skew = {0};
    struct world w;

    world_init(&w, state);
    world_open(&w, ROLE_CONFIG, BASE_KEYS);
    settle(&w);
    answer.tag = w.provider;
    aws_call_learn(&answer, &skew, now.wall_ms);
    assert_true(credential_set_due(w.set) <= now.mono_ms);
    settle(&w);
    assert_key(&w, "KEY2");
    aws_call_learn(&answer, &skew, now.wall_ms);
    assert_true(credential_set_due(w.set) > now.mono_ms);
    now.mono_ms += 31000;
    answer.body = SLICE("{\"__type\":\"ThrottlingException\"}"); /* says nothing about keys */
    aws_call_learn(&answer, &skew, now.wall_ms);
    assert_true(credential_set_due(w.set) > now.mono_ms);
    credential_provider_refused(w.provider);
    settle(&w);
    assert_key(&w, "KEY3");
    world_fini(&w);
}

static void a_role_waits_for_what_it_stands_on(void **state)
{
    char path[4096];
    char config[8192];
    struct error err;
    struct world w;

    world_init(&w, state);
    snprintf(path, sizeof(path), "%s/out", directory);
    snprintf(config, sizeof(config), "[default]\nrole_arn = " ROLE_ARN "\nsource_profile = p\n[profile p]\ncredential_process = cat %s\n", path);
    world_open(&w, config, "");
    assert_false(credential_provider_wait(w.provider, 5000, &err));
    assert_non_null(strstr(err.text, "profile \"p\": credential_process ended with status 1"));
    assert_none(&w, "profile \"p\": credential_process ended with status 1");
    assert_int_equal(w.server.requests, 0);
    write_text(path, "{\"Version\":1,\"AccessKeyId\":\"PKEY\",\"SecretAccessKey\":\"" SECRET "\"}");
    now.mono_ms = credential_set_due(w.set);
    credential_set_tick(w.set);
    for (int64_t end = clock_now().mono_ms + 5000; credential_provider_get(w.provider, NULL) == NULL && clock_now().mono_ms < end;)
        loop_wait(w.loop, 10);
    assert_key(&w, "KEY1");
    assert_heard(&w, "Credential=PKEY/");
    world_fini(&w);
}

static void a_set_may_go_while_it_fetches(void **state)
{
    struct world w;

    world_init(&w, state);
    world_open(&w, ROLE_CONFIG, BASE_KEYS);
    loop_wait(w.loop, 10);
    world_close(&w);
    world_open(&w, "[default]\ncredential_process = sleep 100\n", "");
    loop_wait(w.loop, 10);
    world_fini(&w); /* returns at once: the program is killed */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_directory(keys_are_there_at_once),
        with_directory(a_role_is_assumed_with_what_its_profile_says),
        with_directory(roles_stand_on_roles),
        with_directory(queues_have_roles_of_their_own),
        with_directory(a_web_identity_is_sent_unsigned_and_its_token_read_each_time),
        with_directory(an_sso_session_is_used_until_it_ends),
        with_directory(a_token_that_ends_soon_is_renewed_and_its_file_replaced),
        with_directory(a_token_is_renewed_only_when_it_must_and_can_be),
        with_directory(an_ended_session_that_cannot_be_renewed_says_how_to_log_in),
        with_directory(a_refused_renewal_leaves_the_token_that_there_is),
        with_directory(a_token_that_another_program_renewed_is_taken),
        with_directory(a_new_login_is_not_written_over),
        with_directory(a_renewed_token_that_cannot_be_written_is_kept_in_memory),
        with_directory(renewals_go_on_in_memory_until_the_file_can_be_written),
        with_directory(a_program_is_asked),
        with_directory(a_container_is_asked_with_its_token_read_each_time),
        with_directory(containers_are_asked_only_where_they_may_be),
        with_directory(ec2_is_asked_by_imdsv2),
        with_directory(ec2s_refusals_are_told),
        with_directory(ec2_can_be_switched_off),
        with_directory(malformed_answers_are_told_and_asked_for_again),
        with_directory(credentials_are_refreshed_well_before_they_expire),
        with_directory(they_are_kept_while_refreshing_fails_and_until_they_expire),
        with_directory(failures_back_off_from_a_second_to_a_minute),
        with_directory(ec2s_credentials_may_be_the_same_again_and_outlive_their_end),
        with_directory(a_life_is_counted_by_the_issuers_clock),
        with_directory(sts_too_corrects_a_skewed_clock),
        with_directory(what_a_service_refuses_is_fetched_again_but_not_at_every_refusal),
        with_directory(a_role_waits_for_what_it_stands_on),
        with_directory(a_set_may_go_while_it_fetches),
    };
    char path[] = "/tmp/s2q-credentials-XXXXXX";
    int fd = mkstemp(path);
    int failed;
    char text[65536];
    ssize_t n;

    unlink(path);
    log_init(fd, LOG_FORMAT_JSON, LOG_DEBUG);
    failed = cmocka_run_group_tests_name("credential_provider", tests, digests_setup, digests_teardown);
    lseek(fd, 0, SEEK_SET);
    n = read(fd, text, sizeof(text) - 1);
    text[n > 0 ? n : 0] = '\0';
    if (n <= 0 || strstr(text, "cAnArY")) {
        fprintf(stderr, "%s\n", n <= 0 ? "nothing was logged" : "a secret was logged");
        return 1;
    }
    return failed;
}
