/* SPDX-License-Identifier: Apache-2.0 */
#include "core/stream_call.h"

#include "codec/digest.h"
#include "codec/stream_wire.h"

#include <stdio.h>

#define BACK_OFF_FIRST_MS 200
#define BACK_OFF_MAX_MS 20000

static const struct {
    const char *name;
    enum verdict verdict;
} verdicts[] = {
    {"ExpiredIteratorException", VERDICT_NEW_ITERATOR},
    {"TrimmedDataAccessException", VERDICT_TRIMMED},
    {"ResourceNotFoundException", VERDICT_NOT_FOUND},
    {"LimitExceededException", VERDICT_THROTTLED},
    {"ProvisionedThroughputExceededException", VERDICT_THROTTLED},
    {"ThrottlingException", VERDICT_THROTTLED},
    {"Throttling", VERDICT_THROTTLED},
    {"ThrottledException", VERDICT_THROTTLED},
    {"RequestThrottled", VERDICT_THROTTLED},
    {"RequestThrottledException", VERDICT_THROTTLED},
    {"TooManyRequestsException", VERDICT_THROTTLED},
    {"RequestLimitExceeded", VERDICT_THROTTLED},
    {"BandwidthLimitExceeded", VERDICT_THROTTLED},
    {"SlowDown", VERDICT_THROTTLED},
    {"AccessDeniedException", VERDICT_DENIED},
    {"UnrecognizedClientException", VERDICT_DENIED},
    {"MissingAuthenticationTokenException", VERDICT_DENIED},
    {"MissingAuthenticationToken", VERDICT_DENIED},
    {"IncompleteSignatureException", VERDICT_DENIED},
    {"ExpiredTokenException", VERDICT_DENIED},
    {"InvalidClientTokenId", VERDICT_DENIED},
    {"RequestTimeTooSkewed", VERDICT_SKEWED},
    {"RequestExpired", VERDICT_SKEWED},
    {"InvalidSignatureException", VERDICT_SKEWED},
    {"SignatureDoesNotMatch", VERDICT_SKEWED},
    {"InternalServerError", VERDICT_RETRY},
    {"InternalFailure", VERDICT_RETRY},
    {"ServiceUnavailable", VERDICT_RETRY},
    {"RequestTimeout", VERDICT_RETRY},
    {"RequestTimeoutException", VERDICT_RETRY},
    {"ValidationException", VERDICT_NEW_ITERATOR}, /* "Invalid ShardIterator" */
};

enum verdict verdict_judge(struct slice error_name, int status)
{
    for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++)
        if (slice_is(error_name, verdicts[i].name))
            return verdicts[i].verdict;
    return status == 401 || status == 403 ? VERDICT_DENIED : VERDICT_RETRY;
}

bool credentials_expired(struct slice error_name)
{
    return slice_is(error_name, "ExpiredTokenException") || slice_is(error_name, "ExpiredToken");
}

static const char *advice(enum verdict verdict, struct slice name)
{
    if (credentials_expired(name))
        return EXPIRED_ADVICE;
    switch (verdict) {
    case VERDICT_DENIED:
        return " (check the access key, and that it may read this stream: deploy/iam/read-one-stream.json)";
    case VERDICT_SKEWED:
        return " (check the secret access key and this machine's clock)";
    default:
        return "";
    }
}

void no_answer(const char *failure, bool untrusted, char trouble[TROUBLE_TEXT])
{
    bool hinted = untrusted || (failure && strchr(failure, '?'));

    snprintf(trouble, TROUBLE_TEXT, "no answer: %s%s", failure ? failure : "the connection was cut", hinted ? "" : " (is the endpoint right, and up?)");
}

bool stream_answer_failed(const struct stream_answer *answer, enum verdict *verdict, char trouble[TROUBLE_TEXT])
{
    struct slice name;
    struct slice message;

    *verdict = VERDICT_RETRY;
    if (answer->status == 200 && answer->has_crc32 && crc32_of(answer->body) != answer->crc32) {
        snprintf(trouble, TROUBLE_TEXT, "the answer does not match its x-amz-crc32");
    } else if (answer->status == 200) {
        return false;
    } else if (answer->withheld) {
        snprintf(trouble, TROUBLE_TEXT, "no AWS credentials: %s", answer->failure);
    } else if (answer->set_aside) {
        snprintf(trouble, TROUBLE_TEXT, "%s", answer->failure);
    } else if (answer->status == 0) {
        no_answer(answer->failure, answer->untrusted, trouble);
    } else if (aws_error_decode(answer->body, &name, &message)) {
        *verdict = verdict_judge(name, answer->status);
        snprintf(trouble, TROUBLE_TEXT, "%.*s: %.*s%s", SLICE_ARG(name), SLICE_ARG(message), advice(*verdict, name));
    } else {
        *verdict = verdict_judge(SLICE(""), answer->status);
        snprintf(trouble, TROUBLE_TEXT, "HTTP status %d, and no AWS error in the answer%s", answer->status, advice(*verdict, SLICE("")));
    }
    return true;
}

int64_t back_off_ms(struct random *random, int failures)
{
    int64_t most = failures > 7 ? BACK_OFF_MAX_MS : (int64_t)BACK_OFF_FIRST_MS << failures;

    if (most > BACK_OFF_MAX_MS)
        most = BACK_OFF_MAX_MS;
    return most / 2 + (int64_t)random_below(random, (uint64_t)most / 2 + 1);
}
