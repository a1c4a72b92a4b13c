/* SPDX-License-Identifier: Apache-2.0
 *
 * The shared files' grammar, as botocore reads it: [sections], name = value, '#' and ';' begin comment lines, and an indented "name = value" below a name
 * without a value belongs to that name. In the config file a profile is [profile NAME] or [default], in the credentials file [NAME]; a name may stand in
 * quotes.
 */
#include "aws/profile.h"

#include "base/buffer.h"
#include "base/memory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define FILE_MAX (1024 * 1024)

struct setting {
    char *section; /* "profile NAME", "services NAME" or "sso-session NAME" */
    char *parent;  /* the name that this one is nested below, or NULL */
    char *name;
    char *value;
    bool secret_file; /* from the credentials file, which wins */
};

struct aws_profile {
    char *name;
    bool named; /* by whoever loaded it, not by the environment or as the default */
    bool plain_http;
    char *home;
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

static struct slice unquoted(struct slice s)
{
    bool quoted = s.len >= 2 && (s.ptr[0] == '"' || s.ptr[0] == '\'') && s.ptr[s.len - 1] == s.ptr[0];

    return quoted ? slice_from(s.ptr + 1, s.len - 2) : s;
}

/* "profile NAME" with one blank, whatever stood between; the credentials file's [NAME] and [default] become that, too. */
static void begin_section(struct reading *r, struct slice title)
{
    struct buffer name = {0};
    size_t blank = slice_index(title, ' ');
    size_t tab = slice_index(title, '\t');

    blank = tab < blank ? tab : blank;
    free(r->section);
    free(r->parent);
    r->section = r->parent = NULL;
    if (r->secret_file || slice_is(title, "default")) {
        buffer_append_text(&name, "profile ");
        buffer_append(&name, unquoted(title));
    } else {
        buffer_append(&name, slice_from(title.ptr, blank)); /* a plain [NAME] in the config file is no profile: nothing asks for it */
        buffer_append_byte(&name, ' ');
        buffer_append(&name, unquoted(slice_trim(slice_after(title, blank))));
    }
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

enum which_file { IN_EITHER, IN_CONFIG, IN_CREDENTIALS };

static const struct setting *find(const struct aws_profile *p, enum which_file which, const char *kind, const char *title, const char *parent,
                                  const char *name)
{
    const struct setting *best = NULL;

    for (size_t i = 0; i < p->len; i++) {
        const struct setting *s = &p->settings[i];

        if (!section_is(s, kind, title) || strcmp(s->name, name) != 0 || (parent == NULL) != (s->parent == NULL) ||
            (parent && strcmp(parent, s->parent) != 0) || (which != IN_EITHER && s->secret_file != (which == IN_CREDENTIALS)))
            continue;
        if (best == NULL || s->secret_file >= best->secret_file)
            best = s;
    }
    return best;
}

bool aws_profile_exists(const struct aws_profile *p, const char *name)
{
    for (size_t i = 0; i < p->len; i++)
        if (section_is(&p->settings[i], "profile", name))
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
    p->named = profile != NULL;
    p->home = memory_strdup(lookup("HOME"));
    good = read_file(p, config, false, err) && read_file(p, credentials, true, err);
    if (good && chosen && strcmp(chosen, "default") != 0 && !aws_profile_exists(p, chosen))
        good = error_set(err, ERROR_CREDENTIALS, "there is no profile \"%s\" in %s or %s", chosen, config, credentials);
    free(config);
    free(credentials);
    if (good)
        return p;
    aws_profile_free(p);
    return NULL;
}

void aws_profile_free(struct aws_profile *p)
{
    if (p == NULL)
        return;
    for (size_t i = 0; i < p->len; i++) {
        free(p->settings[i].section);
        free(p->settings[i].parent);
        free(p->settings[i].name);
        explicit_bzero(p->settings[i].value, strlen(p->settings[i].value));
        free(p->settings[i].value);
    }
    free(p->settings);
    free(p->name);
    free(p->home);
    free(p);
}

static const char *value_of(const struct setting *s)
{
    return s && s->value[0] ? s->value : NULL;
}

const char *aws_profile_get(const struct aws_profile *p, const char *section, const char *name)
{
    const char *services;

    if (section == NULL)
        return aws_profile_get_of(p, p->name, name);
    services = aws_profile_get_of(p, p->name, "services");
    return services ? value_of(find(p, IN_EITHER, "services", services, section, name)) : NULL;
}

const char *aws_profile_get_of(const struct aws_profile *p, const char *profile, const char *name)
{
    return value_of(find(p, IN_EITHER, "profile", profile, NULL, name));
}

const char *aws_profile_get_from(const struct aws_profile *p, const char *profile, const char *name, bool credentials_file)
{
    return value_of(find(p, credentials_file ? IN_CREDENTIALS : IN_CONFIG, "profile", profile, NULL, name));
}

const char *aws_profile_sso_session(const struct aws_profile *p, const char *session, const char *name)
{
    return value_of(find(p, IN_EITHER, "sso-session", session, NULL, name));
}

const char *aws_profile_name(const struct aws_profile *p)
{
    return p->name;
}

bool aws_profile_was_named(const struct aws_profile *p)
{
    return p->named;
}

void aws_profile_allow_plain_http(struct aws_profile *p, bool allowed)
{
    p->plain_http = allowed;
}

bool aws_profile_plain_http(const struct aws_profile *p)
{
    return p->plain_http;
}

const char *aws_profile_home(const struct aws_profile *p)
{
    return p->home ? p->home : "";
}
