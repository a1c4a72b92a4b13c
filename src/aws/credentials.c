/* SPDX-License-Identifier: Apache-2.0
 *
 * The shared files' grammar, as botocore reads it: [sections], name = value, '#' and ';' begin comment lines, and an indented "name = value" below a name
 * without a value belongs to that name. In the config file a profile is [profile NAME] or [default], in the credentials file [NAME].
 */
#include "aws/credentials.h"

#include "base/buffer.h"
#include "base/memory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define FILE_MAX (1024 * 1024)

struct setting {
    char *section; /* "profile NAME" or "services NAME" */
    char *parent;  /* the name that this one is nested below, or NULL */
    char *name;
    char *value;
    bool secret_file; /* from the credentials file, which wins */
};

struct aws_profile {
    char *name;
    struct setting *settings;
    size_t len;
};

const char *environment_lookup(const char *name)
{
    const char *value = getenv(name);

    return value && value[0] ? value : NULL;
}

/* ---- reading files ---- */

struct reading {
    struct aws_profile *profile;
    const char *path;
    bool secret_file;
    int line;
    char *section; /* NULL: one that does not concern us, or none yet */
    char *parent;
    struct error *err;
};

static bool reject(const struct reading *r, const char *what)
{
    return error_set(r->err, ERROR_CREDENTIALS, "%s, line %d: %s", r->path, r->line, what);
}

static void keep(struct reading *r, struct slice name, struct slice value, bool nested)
{
    struct aws_profile *p = r->profile;

    p->settings = memory_resize(p->settings, (p->len + 1) * sizeof(*p->settings));
    p->settings[p->len++] = (struct setting){memory_strdup(r->section), nested ? memory_strdup(r->parent) : NULL, slice_dup(name), slice_dup(value),
                                             r->secret_file};
}

static void begin_section(struct reading *r, struct slice title)
{
    struct buffer name = {0};

    free(r->section);
    free(r->parent);
    r->section = r->parent = NULL;
    if (r->secret_file || slice_is(title, "default"))
        buffer_append_text(&name, "profile ");
    buffer_append(&name, title);
    r->section = buffer_take(&name);
}

static bool read_setting(struct reading *r, struct slice line, bool indented)
{
    size_t equals = slice_index(line, '=');
    struct slice name = slice_trim(slice_from(line.ptr, equals));
    struct slice value = slice_trim(slice_after(line, equals + 1));

    if (r->section == NULL)
        return reject(r, "a setting before the first [section]");
    if (equals == line.len || name.len == 0)
        return indented || reject(r, "neither a [section] nor a setting (name = value)"); /* indented: the last value goes on; none of ours does */
    if (indented && r->parent == NULL)
        return true;
    if (!indented) {
        free(r->parent);
        r->parent = value.len == 0 ? slice_dup(name) : NULL;
    }
    keep(r, name, value, indented);
    return true;
}

static bool read_line(struct reading *r, struct slice raw)
{
    struct slice line = slice_trim(raw);

    r->line++;
    if (line.len == 0 || line.ptr[0] == '#' || line.ptr[0] == ';')
        return true;
    if (raw.ptr[0] == '[') {
        if (line.ptr[line.len - 1] != ']')
            return reject(r, "a [section] without its closing bracket");
        begin_section(r, slice_trim(slice_from(line.ptr + 1, line.len - 2)));
        return true;
    }
    return read_setting(r, line, raw.ptr[0] == ' ' || raw.ptr[0] == '\t');
}

static bool read_whole(const char *path, struct buffer *out, struct error *err)
{
    FILE *file = fopen(path, "re");
    char chunk[4096];
    size_t n;
    bool failed;

    if (file == NULL && errno == ENOENT)
        return true;
    if (file == NULL)
        return error_set(err, ERROR_CREDENTIALS, "cannot read %s: %s", path, strerror(errno));
    while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0 && out->len < FILE_MAX)
        buffer_append(out, slice_from(chunk, n));
    failed = ferror(file) != 0;
    explicit_bzero(chunk, sizeof(chunk));
    fclose(file);
    if (failed)
        return error_set(err, ERROR_CREDENTIALS, "cannot read %s: %s", path, strerror(EIO));
    return out->len < FILE_MAX || error_set(err, ERROR_CREDENTIALS, "%s is longer than 1 MiB: is it the right file?", path);
}

static bool read_file(struct aws_profile *profile, const char *path, bool secret_file, struct error *err)
{
    struct reading r = {.profile = profile, .path = path, .secret_file = secret_file, .err = err};
    struct buffer text = {0};
    struct slice rest;
    bool good = read_whole(path, &text, err);

    rest = buffer_slice(&text);
    while (good && rest.len > 0) {
        size_t n = slice_index(rest, '\n');

        if (n > 0)
            good = read_line(&r, slice_from(rest.ptr, n));
        else
            r.line++;
        rest = slice_after(rest, n + 1);
    }
    if (text.ptr)
        explicit_bzero(text.ptr, text.cap);
    buffer_fini(&text);
    free(r.section);
    free(r.parent);
    return good;
}

static char *path_of(const char *variable, const char *below_home, const char *(*lookup)(const char *))
{
    const char *given = lookup(variable);
    const char *home = lookup("HOME");
    struct buffer path = {0};

    if (given && given[0] == '~' && given[1] == '/' && home)
        buffer_printf(&path, "%s%s", home, given + 1);
    else if (given)
        buffer_append_text(&path, given);
    else
        buffer_printf(&path, "%s/%s", home ? home : "", below_home);
    return buffer_take(&path);
}

/* ---- profiles ---- */

static bool section_is(const struct setting *s, const char *kind, const char *name)
{
    size_t len = strlen(kind);

    return strncmp(s->section, kind, len) == 0 && s->section[len] == ' ' && strcmp(s->section + len + 1, name) == 0;
}

static const char *find(const struct aws_profile *p, const char *kind, const char *title, const char *parent, const char *name)
{
    const struct setting *best = NULL;

    for (size_t i = 0; i < p->len; i++) {
        const struct setting *s = &p->settings[i];

        if (!section_is(s, kind, title) || strcmp(s->name, name) != 0 || (parent == NULL) != (s->parent == NULL) ||
            (parent && strcmp(parent, s->parent) != 0))
            continue;
        if (best == NULL || s->secret_file >= best->secret_file)
            best = s;
    }
    return best ? best->value : NULL;
}

static bool profile_exists(const struct aws_profile *p)
{
    for (size_t i = 0; i < p->len; i++)
        if (section_is(&p->settings[i], "profile", p->name))
            return true;
    return false;
}

struct aws_profile *aws_profile_load(const char *profile, const char *(*lookup)(const char *), struct error *err)
{
    struct aws_profile *p = memory_zeroed(1, sizeof(*p));
    const char *chosen = profile ? profile : lookup("AWS_PROFILE");
    char *config = path_of("AWS_CONFIG_FILE", ".aws/config", lookup);
    char *credentials = path_of("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials", lookup);
    bool good;

    p->name = memory_strdup(chosen ? chosen : "default");
    good = read_file(p, config, false, err) && read_file(p, credentials, true, err);
    if (good && chosen && strcmp(chosen, "default") != 0 && !profile_exists(p))
        good = error_set(err, ERROR_CREDENTIALS, "there is no profile \"%s\" in %s or %s", chosen, config, credentials);
    free(config);
    free(credentials);
    if (good)
        return p;
    aws_profile_free(p);
    return NULL;
}

static void wipe(char *text)
{
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
}

void aws_profile_free(struct aws_profile *p)
{
    if (p == NULL)
        return;
    for (size_t i = 0; i < p->len; i++) {
        free(p->settings[i].section);
        free(p->settings[i].parent);
        free(p->settings[i].name);
        wipe(p->settings[i].value);
    }
    free(p->settings);
    free(p->name);
    free(p);
}

const char *aws_profile_get(const struct aws_profile *p, const char *section, const char *name)
{
    const char *services;
    const char *value;

    if (section) {
        services = find(p, "profile", p->name, NULL, "services");
        value = services ? find(p, "services", services, section, name) : NULL;
    } else {
        value = find(p, "profile", p->name, NULL, name);
    }
    return value && value[0] ? value : NULL;
}

const char *aws_profile_name(const struct aws_profile *p)
{
    return p->name;
}

/* ---- credentials ---- */

static bool printable(const char *text)
{
    for (; *text; text++)
        if (*text <= ' ' || *text > '~')
            return false;
    return true;
}

static bool set(struct credentials *out, const char *id, const char *secret, const char *token, const char *source, struct error *err)
{
    *out = (struct credentials){memory_strdup(id), memory_strdup(secret), memory_strdup(token), memory_strdup(source)};
    if (printable(id) && printable(secret) && (!token || printable(token)))
        return true;
    credentials_fini(out);
    return error_set(err, ERROR_CREDENTIALS, "the credentials of the %s hold blanks or control characters: were they pasted with a line break?", source);
}

static const char *const not_built[] = {"role_arn", "sso_session", "sso_start_url", "credential_process", "web_identity_token_file", "credential_source",
                                        "login_session"};

static bool from_profile(struct credentials *out, const struct aws_profile *p, struct error *err)
{
    const char *id = aws_profile_get(p, NULL, "aws_access_key_id");
    const char *secret = aws_profile_get(p, NULL, "aws_secret_access_key");
    char source[300];

    snprintf(source, sizeof(source), "profile \"%s\"", p->name);
    if (id && secret)
        return set(out, id, secret, aws_profile_get(p, NULL, "aws_session_token"), source, err);
    if (id || secret)
        return error_set(err, ERROR_CREDENTIALS, "the %s has an aws_access_key_id or an aws_secret_access_key, but not both", source);
    for (size_t i = 0; i < sizeof(not_built) / sizeof(not_built[0]); i++)
        if (aws_profile_get(p, NULL, not_built[i]))
            return error_set(err, ERROR_CREDENTIALS, "the %s asks for %s, which is not built yet: use static keys, or export temporary ones "
                             "(aws configure export-credentials --format env)", source, not_built[i]);
    return error_set(err, ERROR_CREDENTIALS, "no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or put them under [%s] into "
                     "~/.aws/credentials (for a local server any will do)", p->name);
}

bool credentials_find(struct credentials *out, const struct aws_profile *profile, const char *(*lookup)(const char *), struct error *err)
{
    const char *id = lookup("AWS_ACCESS_KEY_ID");
    const char *secret = lookup("AWS_SECRET_ACCESS_KEY");

    *out = (struct credentials){0};
    if (id && secret)
        return set(out, id, secret, lookup("AWS_SESSION_TOKEN"), "environment", err);
    if (id || secret)
        return error_set(err, ERROR_CREDENTIALS, "%s is set, but %s is not", id ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY",
                         id ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID");
    return from_profile(out, profile, err);
}

void credentials_fini(struct credentials *c)
{
    free(c->access_key_id);
    wipe(c->secret);
    wipe(c->session_token);
    free(c->source);
    *c = (struct credentials){0};
}

const char *region_find(const struct aws_profile *profile, const char *(*lookup)(const char *))
{
    const char *region = lookup("AWS_REGION");

    region = region ? region : lookup("AWS_DEFAULT_REGION");
    return region ? region : aws_profile_get(profile, NULL, "region");
}
