/* SPDX-License-Identifier: Apache-2.0
 *
 * Policies of queues: AddPermission and RemovePermission keep one, and requests of other accounts' keys are judged by it
 * (SQSDeveloperGuide/sqs-using-identity-based-policies.html, IAM/latest/UserGuide/reference_policies_evaluation-logic.html).
 *
 * What is not understood never opens a door: a statement with a Condition, or with NotPrincipal, NotAction or NotResource, allows nothing, and denies
 * whatever else it fits.
 */
#include "core/service_internal.h"

#include "base/glob.h"
#include "base/memory.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#define ACTIONS_MAX 7 /* API_AddPermission.html: more is OverLimit */

/* ---- judging ---- */

static bool glob(const char *pattern, const char *text)
{
    return glob_fits_any_case(slice_text(pattern), slice_text(text));
}

/* Does the value, a text or a list of texts, hold one that fits? */
static bool any(const json_t *value, bool (*fits)(const char *pattern, const char *text), const char *text)
{
    if (json_is_string(value))
        return fits(json_string_value(value), text);
    for (size_t i = 0; i < json_array_size(value); i++)
        if (any(json_array_get(value, i), fits, text))
            return true;
    return false;
}

/* "123456789012", "arn:aws:iam::123456789012:root", or "*" */
static bool is_account(const char *principal, const char *account)
{
    const char *in_arn = strncmp(principal, "arn:", 4) == 0 ? strstr(principal, "::") : NULL;

    if (in_arn)
        return strncmp(in_arn + 2, account, strlen(account)) == 0 && strcmp(in_arn + 2 + strlen(account), ":root") == 0;
    return strcmp(principal, "*") == 0 || strcmp(principal, account) == 0;
}

static bool principal_fits(const json_t *principal, const char *account)
{
    return json_is_object(principal) ? any(json_object_get(principal, "AWS"), is_account, account) : any(principal, is_account, account);
}

static bool understood(const json_t *statement)
{
    return !json_object_get(statement, "Condition") && !json_object_get(statement, "NotPrincipal") && !json_object_get(statement, "NotAction") &&
           !json_object_get(statement, "NotResource");
}

struct question {
    const char *account;
    const char *action; /* "sqs:SendMessage" */
    const char *arn;
};

static bool fits(const json_t *statement, const struct question *q)
{
    const json_t *principal = json_object_get(statement, "Principal");
    const json_t *action = json_object_get(statement, "Action");
    const json_t *resource = json_object_get(statement, "Resource");

    if (!understood(statement)) /* only a denial may fit in part */
        return (!principal || principal_fits(principal, q->account)) && (!action || any(action, glob, q->action)) && (!resource || any(resource, glob, q->arn));
    return principal_fits(principal, q->account) && any(action, glob, q->action) && (!resource || any(resource, glob, q->arn));
}

static bool judge(const json_t *policy, const struct question *q)
{
    const json_t *statements = json_object_get(policy, "Statement");
    size_t count = json_is_array(statements) ? json_array_size(statements) : 1;
    bool allowed = false;

    for (size_t i = 0; i < count; i++) {
        const json_t *statement = json_is_array(statements) ? json_array_get(statements, i) : statements;
        const char *effect = json_string_value(json_object_get(statement, "Effect"));

        if (effect == NULL || !fits(statement, q))
            continue;
        if (strcmp(effect, "Allow") != 0)
            return false;
        allowed = allowed || understood(statement);
    }
    return allowed;
}

bool service_policy_allows(const struct service *s, const struct desk *desk, struct slice account, enum sqs_action action)
{
    const char *text = desk->attributes.values[QUEUE_POLICY];
    json_t *policy = text ? json_loads(text, 0, NULL) : NULL;
    char *account_text = slice_dup(account);
    char name[64];
    struct buffer arn = {0};
    bool allowed;

    snprintf(name, sizeof(name), "sqs:%s", sqs_action_name(sqs_action_permission(action)));
    service_queue_arn(s, desk, &arn);
    allowed = policy && judge(policy, &(struct question){account_text, name, arn.ptr});
    buffer_fini(&arn);
    free(account_text);
    json_decref(policy);
    return allowed;
}

/* ---- keeping ---- */

static json_t *load_policy(struct service *s, const struct desk *desk)
{
    const char *text = desk->attributes.values[QUEUE_POLICY];
    json_t *policy = text ? json_loads(text, 0, NULL) : NULL;
    json_t *statements = json_object_get(policy, "Statement");

    if (policy == NULL) {
        service_queue_arn(s, desk, &s->body);
        buffer_append_text(&s->body, "/SQSDefaultPolicy");
        return json_pack("{s:s,s:s,s:[]}", "Version", "2012-10-17", "Id", s->body.ptr, "Statement");
    }
    if (json_is_object(statements)) { /* a single one may stand without a list */
        json_t *list = json_array();

        json_array_append(list, statements);
        json_object_set_new(policy, "Statement", list);
    }
    return policy;
}

static void store_policy(struct service *s, struct desk *desk, json_t *policy, struct instant now)
{
    free(desk->attributes.values[QUEUE_POLICY]);
    desk->attributes.values[QUEUE_POLICY] = json_array_size(json_object_get(policy, "Statement")) > 0 ? json_dumps(policy, JSON_COMPACT) : NULL;
    desk->modified_at_ms = now.wall_ms;
    desk_save(desk, s->db);
}

/* Where the statement of that label stands; the list's size: there is none. */
static size_t find_label(const json_t *policy, struct slice label)
{
    const json_t *statements = json_object_get(policy, "Statement");
    size_t i = 0;

    while (i < json_array_size(statements) && !slice_is(label, json_string_value(json_object_get(json_array_get(statements, i), "Sid"))))
        i++;
    return i;
}

static bool is_account_id(struct slice id)
{
    uint64_t number;

    return id.len == 12 && slice_to_u64(id, &number);
}

/* What others may be allowed to do; the rest is the owner's alone. */
static bool may_be_given(struct slice action)
{
    static const enum sqs_action given[] = {SQS_ACTION_SEND_MESSAGE, SQS_ACTION_RECEIVE_MESSAGE, SQS_ACTION_DELETE_MESSAGE,
                                            SQS_ACTION_CHANGE_MESSAGE_VISIBILITY, SQS_ACTION_GET_QUEUE_ATTRIBUTES, SQS_ACTION_GET_QUEUE_URL,
                                            SQS_ACTION_LIST_DEAD_LETTER_SOURCE_QUEUES, SQS_ACTION_PURGE_QUEUE};

    if (slice_is(action, "*"))
        return true;
    for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++)
        if (slice_is(action, sqs_action_name(given[i])))
            return true;
    return false;
}

/* As much of a text as an error quotes. */
static struct slice quoted(struct slice text)
{
    return slice_from(text.ptr, text.len > 80 ? 80 : text.len);
}

static bool permission_valid(struct exchange *x)
{
    const struct sqs_request *r = &x->request;

    if (!sqs_queue_name_valid(r->label))
        return !service_refuse(x, SQS_INVALID_PARAMETER_VALUE, "Value %.*s for parameter Label is invalid. Reason: Can only include alphanumeric characters, "
                                                               "hyphens, or underscores. 1 to 80 in length.", SLICE_ARG(quoted(r->label)));
    if (r->account_ids.count == 0 || r->names.count == 0)
        return !service_refuse(x, SQS_MISSING_PARAMETER, "The request must contain the parameter %s.", r->account_ids.count == 0 ? "PrincipalId" : "Actions");
    if (r->names.count > ACTIONS_MAX)
        return !service_refuse(x, SQS_OVER_LIMIT, "%zu Actions were found, maximum allowed is %d.", r->names.count, ACTIONS_MAX);
    for (size_t i = 0; i < r->account_ids.count; i++)
        if (!is_account_id(r->account_ids.list[i]))
            return !service_refuse(x, SQS_INVALID_PARAMETER_VALUE, "Value [%.*s] for parameter PrincipalId is invalid. Reason: Unable to verify.",
                                   SLICE_ARG(quoted(r->account_ids.list[i])));
    for (size_t i = 0; i < r->names.count; i++)
        if (!may_be_given(r->names.list[i]))
            return !service_refuse(x, SQS_INVALID_PARAMETER_VALUE, "Value SQS:%.*s for parameter ActionName is invalid. Reason: Only the queue owner is "
                                                                   "allowed to invoke this action.", SLICE_ARG(quoted(r->names.list[i])));
    return true;
}

/* A single element stands by itself, as AWS writes it. */
static json_t *unlisted(json_t *list)
{
    json_t *only = json_array_size(list) == 1 ? json_incref(json_array_get(list, 0)) : NULL;

    if (only == NULL)
        return list;
    json_decref(list);
    return only;
}

static json_t *make_statement(struct service *s, const struct sqs_request *r, const struct desk *desk)
{
    json_t *principals = json_array();
    json_t *actions = json_array();
    char text[160];

    for (size_t i = 0; i < r->account_ids.count; i++) {
        snprintf(text, sizeof(text), "arn:aws:iam::%.*s:root", SLICE_ARG(r->account_ids.list[i]));
        json_array_append_new(principals, json_string(text));
    }
    for (size_t i = 0; i < r->names.count; i++) {
        snprintf(text, sizeof(text), "SQS:%.*s", SLICE_ARG(r->names.list[i]));
        json_array_append_new(actions, json_string(text));
    }
    service_queue_arn(s, desk, &s->body);
    return json_pack("{s:s%,s:s,s:{s:o},s:o,s:s}", "Sid", r->label.ptr, r->label.len, "Effect", "Allow", "Principal", "AWS", unlisted(principals), "Action",
                     unlisted(actions), "Resource", s->body.ptr);
}

bool service_add_permission(struct service *s, struct exchange *x, struct desk *desk, struct instant now)
{
    json_t *policy;

    if (!permission_valid(x))
        return true;
    policy = load_policy(s, desk);
    if (find_label(policy, x->request.label) < json_array_size(json_object_get(policy, "Statement"))) {
        service_refuse(x, SQS_INVALID_PARAMETER_VALUE, "Value %.*s for parameter Label is invalid. Reason: Already exists.", SLICE_ARG(x->request.label));
    } else {
        json_array_append_new(json_object_get(policy, "Statement"), make_statement(s, &x->request, desk));
        store_policy(s, desk, policy, now);
        sqs_answer_end(&x->answer);
    }
    json_decref(policy);
    return true;
}

bool service_remove_permission(struct service *s, struct exchange *x, struct desk *desk, struct instant now)
{
    struct slice label = x->request.label;
    json_t *policy = load_policy(s, desk);
    size_t at = find_label(policy, label);

    if (at == json_array_size(json_object_get(policy, "Statement"))) {
        service_refuse(x, SQS_INVALID_PARAMETER_VALUE, "Value %.*s for parameter Label is invalid. Reason: can't find label.",
                       SLICE_ARG(quoted(label)));
    } else {
        json_array_remove(json_object_get(policy, "Statement"), at);
        store_policy(s, desk, policy, now);
        sqs_answer_end(&x->answer);
    }
    json_decref(policy);
    return true;
}
