/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/sqs_access.h"

#include <ctype.h>
#include <jansson.h>

#define PERMISSIONS_MAX 5

struct permission {
    enum sqs_action action;
    struct slice queue_name; /* absent: of no queue, or of one that the request does not name */
};

static struct slice arn_name(struct slice arn)
{
    while (slice_index(arn, ':') < arn.len)
        arn = slice_after(arn, slice_index(arn, ':') + 1);
    return arn;
}

/* All that a request needs. A move task receives and deletes at its source, and sends to its destination, which may be any queue when it is not named
 * (API_StartMessageMoveTask.html). CancelMessageMoveTask names no queue, only a handle. */
static size_t permissions_of(const struct sqs_request *r, struct permission list[PERMISSIONS_MAX])
{
    static const enum sqs_action of_source[] = {SQS_ACTION_RECEIVE_MESSAGE, SQS_ACTION_DELETE_MESSAGE, SQS_ACTION_GET_QUEUE_ATTRIBUTES};
    struct slice source = arn_name(r->source_arn);
    size_t count = 0;

    list[count++] = (struct permission){r->action, slice_present(source) ? source : r->queue_name};
    if (r->action != SQS_ACTION_START_MESSAGE_MOVE_TASK)
        return count;
    for (size_t i = 0; i < sizeof(of_source) / sizeof(of_source[0]); i++)
        list[count++] = (struct permission){of_source[i], source};
    list[count++] = (struct permission){SQS_ACTION_SEND_MESSAGE, arn_name(r->destination_arn)};
    return count;
}

/* AWS writes the operation in lower case here. */
static void deny(const struct access_key *key, const struct permission *missing, struct slice region, const char *own_account, struct sqs_failure *failure)
{
    const char *name = sqs_action_name(sqs_action_permission(missing->action));
    struct slice account = access_key_account(key);
    struct slice queue = missing->queue_name;
    char action[64];
    size_t len = 0;

    while (name[len] && len < sizeof(action) - 1) {
        action[len] = (char)tolower((unsigned char)name[len]);
        len++;
    }
    action[len] = '\0';
    queue.len = queue.len > SQS_NAME_MAX ? SQS_NAME_MAX : queue.len;
    account = slice_present(account) ? account : slice_text(own_account);
    sqs_fail(failure, SQS_ACCESS_DENIED,
             "User: arn:aws:iam::%.*s:user/%.*s is not authorized to perform: sqs:%s on resource: arn:aws:sqs:%.*s:%s:%.*s because no identity-based "
             "policy allows the sqs:%s action",
             SLICE_ARG(account), SLICE_ARG(access_key_id(key)), action, SLICE_ARG(region), own_account, SLICE_ARG(queue), action);
}

static bool permitted(const struct access_key *key, const struct permission *needed, struct slice region, const char *own_account, struct sqs_failure *failure)
{
    bool allowed = access_key_allows(key, needed->action, needed->queue_name);

    if (!allowed)
        deny(key, needed, region, own_account, failure);
    return allowed;
}

/* A RedrivePolicy moves messages to its dead-letter queue, so it takes what sending them there would. AWS's IAM does not ask for that (the other queue has its
 * RedriveAllowPolicy), but here a key is to get no further than its limits. What is no policy is refused later. */
static bool redrive_permitted(const struct access_key *key, struct slice redrive_policy, struct slice region, const char *own_account,
                              struct sqs_failure *failure)
{
    json_t *policy = json_loadb(slice_present(redrive_policy) ? redrive_policy.ptr : "", redrive_policy.len, 0, NULL);
    const char *arn = json_string_value(json_object_get(policy, "deadLetterTargetArn"));
    const struct permission send = {SQS_ACTION_SEND_MESSAGE, arn_name(slice_text(arn ? arn : ""))};
    bool allowed = arn == NULL || permitted(key, &send, region, own_account, failure);

    json_decref(policy);
    return allowed;
}

bool sqs_access_allows(const struct access_key *key, const struct sqs_request *request, struct slice region, const char *own_account,
                       struct sqs_failure *failure)
{
    struct permission needed[PERMISSIONS_MAX];
    size_t count = permissions_of(request, needed);

    for (size_t i = 0; i < count; i++)
        if (!permitted(key, &needed[i], region, own_account, failure))
            return false;
    for (size_t i = 0; i < request->queue_attributes.count; i++)
        if (slice_is(request->queue_attributes.list[i].name, "RedrivePolicy") &&
            !redrive_permitted(key, request->queue_attributes.list[i].value, region, own_account, failure))
            return false;
    return true;
}
