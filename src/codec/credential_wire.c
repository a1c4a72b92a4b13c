/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/credential_wire.h"

#include "codec/form.h"
#include "codec/json.h"
#include "codec/timestamp.h"
#include "codec/xml.h"

#define TOKEN_MAX 16384 /* session tokens have "no maximum"; the longest known have a few KiB */

static void wipe(struct buffer *b)
{
    if (b->ptr)
        explicit_bzero(b->ptr, b->cap);
    buffer_fini(b);
}

void issued_fini(struct issued *i)
{
    buffer_fini(&i->access_key_id);
    wipe(&i->secret);
    wipe(&i->session_token);
    i->expires_ms = 0;
}

/* Whether all that a source promises is there. */
static bool complete(struct issued *out, bool token, bool expiry, const char **error)
{
    if (out->access_key_id.len == 0)
        *error = "it names no access key id";
    else if (out->secret.len == 0)
        *error = "it names no secret access key";
    else if (token && out->session_token.len == 0)
        *error = "it names no session token";
    else if (expiry && out->expires_ms == 0)
        *error = "it names no expiration";
    else
        return true;
    issued_fini(out);
    return false;
}

/* ---- STS ---- */

static void begin_request(struct buffer *out, const char *action, const struct role_request *r)
{
    form_append(out, "Action", slice_text(action));
    form_append(out, "Version", SLICE("2011-06-15"));
    form_append(out, "RoleArn", slice_text(r->role_arn));
    form_append(out, "RoleSessionName", slice_text(r->session_name));
    if (r->duration_s > 0) {
        buffer_append_text(out, "&DurationSeconds=");
        buffer_append_i64(out, r->duration_s);
    }
}

void assume_role_encode(struct buffer *out, const struct role_request *r)
{
    begin_request(out, "AssumeRole", r);
    if (r->external_id)
        form_append(out, "ExternalId", slice_text(r->external_id));
}

void assume_role_with_web_identity_encode(struct buffer *out, const struct role_request *r, struct slice token)
{
    begin_request(out, "AssumeRoleWithWebIdentity", r);
    form_append(out, "WebIdentityToken", token);
}

/* Texts of the elements that stand right below `parent`. */
struct element {
    const char *name;
    struct buffer *out;
};

static struct buffer *wanted(const struct xml *x, const char *parent, const struct element *elements)
{
    if (x->depth < 2 || !slice_is(x->open[x->depth - 2], parent))
        return NULL;
    for (; elements->name; elements++)
        if (slice_is(x->open[x->depth - 1], elements->name))
            return elements->out;
    return NULL;
}

static bool read_elements(struct slice document, const char *parent, const struct element *elements, const char **error)
{
    struct xml x;
    enum xml_event event;

    xml_init(&x, document);
    while ((event = xml_next(&x)) != XML_DONE && event != XML_ERROR) {
        struct buffer *out = event == XML_TEXT ? wanted(&x, parent, elements) : NULL;

        if (out && out->len + x.text.len > TOKEN_MAX)
            x.error = "a value that is too long";
        else if (out)
            xml_append_text(out, &x);
    }
    *error = x.error;
    return event == XML_DONE;
}

bool sts_answer_decode(struct issued *out, struct slice xml, const char **error)
{
    struct buffer expiration = {0};
    const struct element elements[] = {{"AccessKeyId", &out->access_key_id}, {"SecretAccessKey", &out->secret}, {"SessionToken", &out->session_token},
                                       {"Expiration", &expiration}, {NULL, NULL}};
    bool good;

    *out = (struct issued){.expires_ms = 0};
    good = read_elements(xml, "Credentials", elements, error);
    if (good && expiration.len > 0 && !timestamp_parse(slice_trim(buffer_slice(&expiration)), &out->expires_ms)) {
        *error = "its expiration is no time";
        good = false;
    }
    buffer_fini(&expiration);
    if (good)
        return complete(out, true, true, error);
    issued_fini(out);
    return false;
}

bool xml_error_decode(struct slice xml, struct buffer *code, struct buffer *message, struct buffer *region)
{
    const struct element elements[] = {{"Code", code}, {"Message", message}, {region ? "Region" : NULL, region}, {NULL, NULL}};
    const char *error;

    return read_elements(xml, "Error", elements, &error) && code->len > 0;
}

/* ---- JSON ---- */

/* Members of an object: strings decoded, numbers as they are; null and other kinds are passed over. */
struct member {
    const char *name;
    struct buffer *out;
};

static struct buffer *member_of(const struct member *members, struct slice key)
{
    for (; members->name; members++)
        if (json_raw_equal(key, members->name))
            return members->out;
    return NULL;
}

static void read_members(struct scanner *j, const struct member *members)
{
    struct slice key;

    scan_object_begin(j);
    while (scan_member(j, &key)) {
        struct buffer *out = member_of(members, key);
        enum scan_kind kind = out ? scan_peek(j) : SCAN_NULL;
        struct slice raw = kind == SCAN_STRING ? scan_string(j) : kind == SCAN_NUMBER ? scan_number(j) : scan_skip(j);

        if (out == NULL || (kind != SCAN_STRING && kind != SCAN_NUMBER))
            continue;
        wipe(out); /* a member given twice: the last counts */
        if (raw.len > TOKEN_MAX)
            scan_reject(j, "a value that is too long");
        buffer_reserve(out, raw.len); /* so that growing leaves no copy */
        if (kind == SCAN_NUMBER)
            buffer_append(out, raw);
        else
            json_unescape(out, raw);
    }
}

static bool read_object(struct slice text, const struct member *members, const char **error)
{
    struct scanner j;

    scan_init(&j, text);
    read_members(&j, members);
    if (scan_end(&j))
        return true;
    *error = j.error ? j.error : "not a JSON object";
    return false;
}

static bool read_time(struct buffer *text, int64_t *ms, const char **error)
{
    if (text->len == 0 || timestamp_parse(buffer_slice(text), ms))
        return true;
    *error = "its expiration is no time";
    return false;
}

bool process_answer_decode(struct issued *out, struct slice text, const char **error)
{
    struct buffer version = {0};
    struct buffer expiration = {0};
    const struct member members[] = {{"Version", &version}, {"AccessKeyId", &out->access_key_id}, {"SecretAccessKey", &out->secret},
                                     {"SessionToken", &out->session_token}, {"Expiration", &expiration}, {NULL, NULL}};
    bool good;

    *out = (struct issued){.expires_ms = 0};
    good = read_object(text, members, error);
    if (good && !slice_is(buffer_slice(&version), "1")) {
        *error = "its Version is not 1";
        good = false;
    }
    good = good && read_time(&expiration, &out->expires_ms, error);
    buffer_fini(&version);
    buffer_fini(&expiration);
    if (good)
        return complete(out, false, false, error);
    issued_fini(out);
    return false;
}

static void append_refusal(struct buffer *refusal, const struct buffer *code, const struct buffer *message)
{
    buffer_append(refusal, buffer_slice(code));
    if (code->len > 0 && message->len > 0)
        buffer_append_text(refusal, ": ");
    buffer_append(refusal, buffer_slice(message));
}

bool metadata_answer_decode(struct issued *out, struct slice text, struct buffer *refusal, const char **error)
{
    struct buffer code = {0};
    struct buffer message = {0};
    struct buffer expiration = {0};
    const struct member members[] = {{"AccessKeyId", &out->access_key_id}, {"SecretAccessKey", &out->secret}, {"Token", &out->session_token},
                                     {"Expiration", &expiration}, {"Code", &code}, {"code", &code}, {"Message", &message}, {"message", &message},
                                     {NULL, NULL}};
    bool good;
    bool refused;

    *error = NULL;
    *out = (struct issued){.expires_ms = 0};
    good = read_object(text, members, error);
    refused = good && out->access_key_id.len == 0 && (code.len > 0 || message.len > 0) && !slice_is(buffer_slice(&code), "Success");
    if (refused)
        append_refusal(refusal, &code, &message);
    good = good && !refused && read_time(&expiration, &out->expires_ms, error);
    buffer_fini(&code);
    buffer_fini(&message);
    buffer_fini(&expiration);
    if (good)
        return complete(out, true, true, error);
    issued_fini(out);
    return false;
}

bool sso_answer_decode(struct issued *out, struct slice text, const char **error)
{
    struct buffer expiration = {0};
    const struct member members[] = {{"accessKeyId", &out->access_key_id}, {"secretAccessKey", &out->secret}, {"sessionToken", &out->session_token},
                                     {"expiration", &expiration}, {NULL, NULL}};
    struct scanner j;
    struct slice key;
    uint64_t ms = 0;

    *out = (struct issued){.expires_ms = 0};
    scan_init(&j, text);
    scan_object_begin(&j);
    while (scan_member(&j, &key)) {
        if (json_raw_equal(key, "roleCredentials") && scan_peek(&j) == SCAN_OBJECT)
            read_members(&j, members);
        else
            scan_skip(&j);
    }
    *error = scan_end(&j) ? NULL : j.error ? j.error : "not a JSON object";
    if (*error == NULL && expiration.len > 0 && !slice_to_u64(buffer_slice(&expiration), &ms))
        *error = "its expiration is no number of milliseconds";
    out->expires_ms = (int64_t)ms;
    buffer_fini(&expiration);
    if (*error == NULL)
        return complete(out, true, true, error);
    issued_fini(out);
    return false;
}

void json_error_decode(struct buffer *message, struct slice text)
{
    struct buffer code = {0};
    const struct member members[] = {{"message", message}, {"Message", message}, {"error_description", message}, {"error", &code}, {NULL, NULL}};
    const char *error;

    if (!read_object(text, members, &error))
        buffer_reset(message);
    else if (message->len == 0)
        buffer_append(message, buffer_slice(&code));
    buffer_fini(&code);
}

/* ---- SSO's token ---- */

void sso_token_fini(struct sso_token *t)
{
    wipe(&t->access_token);
    wipe(&t->refresh_token);
    wipe(&t->client_id);
    wipe(&t->client_secret);
    *t = (struct sso_token){0};
}

bool sso_token_decode(struct sso_token *out, struct slice text, const char **error)
{
    struct buffer expiration = {0};
    struct buffer registration = {0};
    const struct member members[] = {{"accessToken", &out->access_token}, {"expiresAt", &expiration}, {"refreshToken", &out->refresh_token},
                                     {"clientId", &out->client_id}, {"clientSecret", &out->client_secret}, {"registrationExpiresAt", &registration},
                                     {NULL, NULL}};
    bool good;

    *out = (struct sso_token){0};
    good = read_object(text, members, error);
    if (good && (out->access_token.len == 0 || !timestamp_parse(buffer_slice(&expiration), &out->expires_ms))) {
        *error = "it has no accessToken, or no expiresAt that is a time";
        good = false;
    }
    if (!timestamp_parse(buffer_slice(&registration), &out->registration_expires_ms))
        out->registration_expires_ms = 0;
    buffer_fini(&expiration);
    buffer_fini(&registration);
    if (!good)
        sso_token_fini(out);
    return good;
}

#define ESCAPED_MAX 6 /* bytes of JSON for one of a text: \u0000 */

static void append_member(struct buffer *out, const char *name, const struct buffer *value)
{
    if (out->ptr[out->len - 1] != '{')
        buffer_append_byte(out, ',');
    json_append_string(out, slice_text(name));
    buffer_append_byte(out, ':');
    json_append_string(out, buffer_slice(value));
}

void sso_renewal_encode(struct buffer *out, const struct sso_token *t)
{
    buffer_reserve(out, ESCAPED_MAX * (t->client_id.len + t->client_secret.len + t->refresh_token.len) + 200);
    buffer_append_text(out, "{\"grantType\":\"refresh_token\"");
    append_member(out, "clientId", &t->client_id);
    append_member(out, "clientSecret", &t->client_secret);
    append_member(out, "refreshToken", &t->refresh_token);
    buffer_append_byte(out, '}');
}

static void take(struct buffer *to, struct buffer *from)
{
    wipe(to);
    *to = *from;
    *from = (struct buffer){0};
}

bool sso_renewal_decode(struct sso_token *t, struct slice text, int64_t now_ms, const char **error)
{
    struct buffer access = {0};
    struct buffer refresh = {0};
    struct buffer life = {0};
    const struct member members[] = {{"accessToken", &access}, {"refreshToken", &refresh}, {"expiresIn", &life}, {NULL, NULL}};
    uint64_t seconds = 0;
    bool good = read_object(text, members, error);

    if (good && (access.len == 0 || !slice_to_u64(buffer_slice(&life), &seconds) || seconds == 0 || seconds > INT32_MAX)) {
        *error = "it has no accessToken, or no expiresIn that is a number of seconds";
        good = false;
    }
    if (good) {
        take(&t->access_token, &access);
        if (refresh.len > 0)
            take(&t->refresh_token, &refresh);
        t->expires_ms = (now_ms / 1000 + (int64_t)seconds) * 1000;
    }
    wipe(&access);
    wipe(&refresh);
    buffer_fini(&life);
    return good;
}

bool sso_token_rewrite(struct buffer *out, struct slice cached, const struct sso_token *t)
{
    struct buffer expiration = {0};
    struct scanner j;
    struct slice key;

    buffer_append_time(&expiration, t->expires_ms);
    expiration.len -= strlen(".000Z"); /* whole seconds, as other tools write and some read them */
    buffer_append_byte(&expiration, 'Z');
    buffer_reserve(out, cached.len + ESCAPED_MAX * (t->access_token.len + t->refresh_token.len) + 200);
    buffer_append_byte(out, '{');
    scan_init(&j, cached);
    scan_object_begin(&j);
    while (scan_member(&j, &key)) {
        struct slice value = scan_skip(&j);

        if (json_raw_equal(key, "accessToken") || json_raw_equal(key, "expiresAt") || json_raw_equal(key, "refreshToken"))
            continue;
        buffer_append_text(out, out->ptr[out->len - 1] == '{' ? "\"" : ",\"");
        buffer_append(out, key);
        buffer_append_text(out, "\":");
        buffer_append(out, value);
    }
    append_member(out, "accessToken", &t->access_token);
    append_member(out, "expiresAt", &expiration);
    append_member(out, "refreshToken", &t->refresh_token);
    buffer_append_byte(out, '}');
    buffer_fini(&expiration);
    return scan_end(&j);
}
