/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/sqs_model.h"

static const struct {
    const char *type;
    const char *query_code;
    int status;
    const char *text;
} errors[] = {
    [SQS_OK] = {"", "", 200, NULL},
#define SQS_ERROR_ROW(name, type, query, status, text) [SQS_##name] = {type, query, status, text},
    SQS_ERROR_LIST(SQS_ERROR_ROW)
#undef SQS_ERROR_ROW
};

static const struct {
    const char *name;
    bool output;
} actions[] = {
#define SQS_ACTION_ROW(name, text, output) [SQS_ACTION_##name] = {text, output},
    SQS_ACTION_LIST(SQS_ACTION_ROW)
#undef SQS_ACTION_ROW
};

const char *sqs_action_name(enum sqs_action action)
{
    return actions[action].name;
}

enum sqs_action sqs_action_find(struct slice name)
{
    int action = 0;

    while (action < SQS_ACTION_COUNT && !slice_is(name, actions[action].name))
        action++;
    return (enum sqs_action)action;
}

bool sqs_action_has_output(enum sqs_action action)
{
    return actions[action].output;
}

bool sqs_action_is_batch(enum sqs_action action)
{
    return action == SQS_ACTION_SEND_MESSAGE_BATCH || action == SQS_ACTION_DELETE_MESSAGE_BATCH ||
           action == SQS_ACTION_CHANGE_MESSAGE_VISIBILITY_BATCH;
}

enum sqs_action sqs_action_permission(enum sqs_action action)
{
    switch (action) {
    case SQS_ACTION_SEND_MESSAGE_BATCH:
        return SQS_ACTION_SEND_MESSAGE;
    case SQS_ACTION_DELETE_MESSAGE_BATCH:
        return SQS_ACTION_DELETE_MESSAGE;
    case SQS_ACTION_CHANGE_MESSAGE_VISIBILITY_BATCH:
        return SQS_ACTION_CHANGE_MESSAGE_VISIBILITY;
    default:
        return action;
    }
}

const char *sqs_error_type(enum sqs_error error)
{
    return errors[error].type;
}

const char *sqs_error_text(enum sqs_error error)
{
    return errors[error].text;
}

int sqs_error_status(enum sqs_error error)
{
    return errors[error].status;
}

const char *sqs_error_query_code(enum sqs_error error)
{
    return errors[error].query_code;
}
