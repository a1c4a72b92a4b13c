/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/shell_words.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

struct splitter {
    const char *at;
    char *out; /* where the next byte of a word goes */
    const char *error;
};

static int is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Behind an opening quote. */
static void quoted(struct splitter *s, char quote)
{
    while (*s->at && *s->at != quote) {
        if (quote == '"' && s->at[0] == '\\' && (s->at[1] == '"' || s->at[1] == '\\'))
            s->at++;
        *s->out++ = *s->at++;
    }
    if (*s->at == '\0')
        s->error = "a quote is not closed";
    else
        s->at++;
}

static void word(struct splitter *s)
{
    while (*s->at && !is_blank(*s->at) && s->error == NULL) {
        if (*s->at == '\'' || *s->at == '"') {
            s->at++;
            quoted(s, s->at[-1]);
        } else if (*s->at == '\\') {
            s->at++;
            if (*s->at == '\0')
                s->error = "it ends with a backslash";
            else
                *s->out++ = *s->at++;
        } else {
            *s->out++ = *s->at++;
        }
    }
    *s->out++ = '\0';
}

char **shell_words_split(const char *line, const char **error)
{
    size_t most = strlen(line) / 2 + 2; /* a word takes a byte and a blank */
    char **words = memory_alloc(most * sizeof(*words) + strlen(line) + 2);
    struct splitter s = {.at = line, .out = (char *)(words + most)};
    size_t count = 0;

    while (s.error == NULL) {
        while (is_blank(*s.at))
            s.at++;
        if (*s.at == '\0')
            break;
        words[count++] = s.out;
        word(&s);
    }
    words[count] = NULL;
    if (s.error == NULL && count == 0)
        s.error = "it is empty";
    *error = s.error;
    if (s.error == NULL)
        return words;
    free(words);
    return NULL;
}
