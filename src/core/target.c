/* SPDX-License-Identifier: Apache-2.0 */
#include "core/target.h"

#include "codec/credential_wire.h"
#include "codec/stream_wire.h"

#include <stdio.h>
#include <stdlib.h>

/* Names as the JSON protocol has them without namespace, or the Query protocol without "AWS.SimpleQueueService.": both are met in `Failed` entries
 * (docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html and each operation's page). */
static const struct {
    const char *name;
    enum target_verdict verdict;
} verdicts[] = {
    {"RequestThrottled", TARGET_THROTTLED},
    {"ThrottlingException", TARGET_THROTTLED},
    {"Throttling", TARGET_THROTTLED},
    {"ThrottledException", TARGET_THROTTLED},
    {"RequestThrottledException", TARGET_THROTTLED},
    {"TooManyRequestsException", TARGET_THROTTLED},
    {"RequestLimitExceeded", TARGET_THROTTLED},
    {"BandwidthLimitExceeded", TARGET_THROTTLED},
    {"LimitExceededException", TARGET_THROTTLED},
    {"SlowDown", TARGET_THROTTLED},
    {"KmsThrottled", TARGET_THROTTLED},
    {"KMS.ThrottlingException", TARGET_THROTTLED},
    {"OverLimit", TARGET_THROTTLED},
    {"QueueDoesNotExist", TARGET_NOT_FOUND},
    {"NonExistentQueue", TARGET_NOT_FOUND},
    {"QueueDeletedRecently", TARGET_NOT_FOUND},
    {"NoSuchBucket", TARGET_NOT_FOUND},
    {"PermanentRedirect", TARGET_DENIED}, /* the bucket is in another region */
    {"AuthorizationHeaderMalformed", TARGET_DENIED},
    {"BatchRequestTooLong", TARGET_TOO_LONG},
    {"InvalidMessageContents", TARGET_REFUSED},
    {"InvalidParameterValue", TARGET_REFUSED},
    {"InvalidParameterValueException", TARGET_REFUSED},
    {"InvalidAttributeValue", TARGET_REFUSED},
    {"MissingParameter", TARGET_REFUSED},
    {"MissingRequiredParameterException", TARGET_REFUSED},
    {"UnsupportedOperation", TARGET_REFUSED},
    {"ReceiptHandleIsInvalid", TARGET_REFUSED},
    {"MessageNotInflight", TARGET_REFUSED},
    {"AccessDenied", TARGET_DENIED},
    {"AccessDeniedException", TARGET_DENIED},
    {"InvalidSecurity", TARGET_DENIED},
    {"InvalidAddress", TARGET_NOT_FOUND},
    {"InvalidClientTokenId", TARGET_DENIED},
    {"UnrecognizedClientException", TARGET_DENIED},
    {"MissingAuthenticationToken", TARGET_DENIED},
    {"MissingAuthenticationTokenException", TARGET_DENIED},
    {"IncompleteSignature", TARGET_DENIED},
    {"IncompleteSignatureException", TARGET_DENIED},
    {"OptInRequired", TARGET_DENIED},
    {"KmsAccessDenied", TARGET_DENIED},
    {"KmsDisabled", TARGET_DENIED},
    {"KmsInvalidKeyUsage", TARGET_DENIED},
    {"KmsInvalidState", TARGET_DENIED},
    {"KmsNotFound", TARGET_DENIED},
    {"KmsOptInRequired", TARGET_DENIED},
    {"KMS.AccessDeniedException", TARGET_DENIED},
    {"KMS.DisabledException", TARGET_DENIED},
    {"KMS.InvalidKeyUsageException", TARGET_DENIED},
    {"KMS.InvalidStateException", TARGET_DENIED},
    {"KMS.NotFoundException", TARGET_DENIED},
    {"KMS.OptInRequired", TARGET_DENIED},
    {"ExpiredToken", TARGET_RETRY}, /* fresh credentials are on their way, or the operator is told by the source of them */
    {"ExpiredTokenException", TARGET_RETRY},
    {"RequestExpired", TARGET_RETRY}, /* our clock: signed again with the server's time (aws/clock_skew) */
    {"RequestTimeTooSkewed", TARGET_RETRY},
    {"InvalidSignatureException", TARGET_RETRY},
    {"SignatureDoesNotMatch", TARGET_RETRY},
    {"InternalError", TARGET_RETRY},
    {"InternalFailure", TARGET_RETRY},
    {"ServiceUnavailable", TARGET_RETRY},
    {"ServiceUnavailableException", TARGET_RETRY},
    {"RequestTimeout", TARGET_RETRY},
    {"RequestTimeoutException", TARGET_RETRY},
};

void target_call_fini(struct target_call *call)
{
    buffer_fini(&call->body);
    free(call->object);
    call->object = NULL;
}

static struct slice without_prefix(struct slice name)
{
    const struct slice prefix = SLICE("AWS.SimpleQueueService.");

    return slice_starts_with(name, prefix) ? slice_after(name, prefix.len) : name;
}

enum target_verdict target_judge(struct slice error_name, bool senders_fault)
{
    struct slice name = without_prefix(error_name);

    for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++)
        if (slice_is(name, verdicts[i].name))
            return verdicts[i].verdict;
    return senders_fault ? TARGET_REFUSED : TARGET_RETRY;
}

bool target_waits_for_operator(enum target_verdict verdict)
{
    return verdict == TARGET_DENIED || verdict == TARGET_NOT_FOUND || verdict == TARGET_REFUSED;
}

static const char *advice(enum target_verdict verdict, struct slice name)
{
    if (credentials_expired(name))
        return EXPIRED_ADVICE;
    switch (verdict) {
    case TARGET_DENIED:
        return " (check the credentials, and that they may send to this queue: `stream2sqs policy` prints what is needed)";
    case TARGET_NOT_FOUND:
        return " (make the queue, or correct its name, region or account: what is for it waits in the ledger)";
    default:
        return "";
    }
}

static enum target_verdict judge_whole(struct slice name, int status)
{
    enum target_verdict verdict = target_judge(name, false);

    if (verdict == TARGET_RETRY && name.len == 0)
        return status == 401 || status == 403 ? TARGET_DENIED : status == 429 ? TARGET_THROTTLED : status == 413 ? TARGET_TOO_LONG : TARGET_RETRY;
    return verdict;
}

/* Codes of a bucket that is in another region: docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html */
static bool says_elsewhere(struct slice code)
{
    return slice_is(code, "PermanentRedirect") || slice_is(code, "AuthorizationHeaderMalformed") || slice_is(code, "IllegalLocationConstraintException");
}

/* S3 says what is wrong in XML; of a bucket of another region, a header says which, or (where a signature was for the wrong region) the text does. It is not
 * followed: where data goes is for the configuration to say. */
static bool s3_failed(const struct target_answer *answer, enum target_verdict *verdict, char trouble[TROUBLE_TEXT])
{
    struct buffer code = {0};
    struct buffer message = {0};
    struct buffer region = {0};
    bool good = xml_error_decode(answer->body, &code, &message, &region);
    const char *other = answer->bucket_region && answer->bucket_region[0] ? answer->bucket_region : region.len > 0 ? region.ptr : NULL;
    bool elsewhere = other && (says_elsewhere(buffer_slice(&code)) || (!good && answer->status == 301));

    if (elsewhere) {
        *verdict = TARGET_DENIED;
        snprintf(trouble, TROUBLE_TEXT, "the bucket is in another region, %.40s: say s3_region: %.40s (HTTP status %d%s%.60s)", other, other, answer->status,
                 code.len > 0 ? ", " : "", code.len > 0 ? code.ptr : "");
    } else if (good) {
        *verdict = judge_whole(buffer_slice(&code), answer->status);
        snprintf(trouble, TROUBLE_TEXT, "%.60s: %.280s", code.ptr, message.ptr ? message.ptr : "");
    }
    buffer_fini(&code);
    buffer_fini(&message);
    buffer_fini(&region);
    return good || elsewhere;
}

bool target_answer_failed(const struct target_answer *answer, enum target_verdict *verdict, char trouble[TROUBLE_TEXT])
{
    struct slice name = SLICE("");
    struct slice message = SLICE("");

    *verdict = TARGET_RETRY;
    if (answer->status >= 200 && answer->status < 300)
        return false;
    if (answer->withheld) {
        snprintf(trouble, TROUBLE_TEXT, "no AWS credentials: %s", answer->failure);
        return true;
    }
    if (answer->status == 0) {
        no_answer(answer->failure, answer->untrusted, trouble);
        return true;
    }
    if (aws_error_decode(answer->body, &name, &message)) {
        *verdict = judge_whole(name, answer->status);
        snprintf(trouble, TROUBLE_TEXT, "%.*s: %.*s%s", SLICE_ARG(name), SLICE_ARG(message), advice(*verdict, name));
        return true;
    }
    if (s3_failed(answer, verdict, trouble))
        return true;
    *verdict = judge_whole(SLICE(""), answer->status);
    snprintf(trouble, TROUBLE_TEXT, "HTTP status %d, and no AWS error in the answer%s", answer->status, advice(*verdict, SLICE("")));
    return true;
}
