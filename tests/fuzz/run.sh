#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Fuzzes for SECONDS from a few good inputs and from the kept corpus; what it finds is left in build-fuzz. usage: run.sh PROGRAM SECONDS
# KEEP=1: the corpus is kept anew, made as small as it can be without losing a branch: tests/fuzz/corpus.txt, an input a line, in base64.
set -euo pipefail

program=$1
seconds=$2
here=$(cd "$(dirname "$0")" && pwd)
corpus=$(dirname "$program")/corpus
mkdir -p "$corpus"
# shellcheck disable=SC2016  # $or is the pattern's own
seeds() {
    printf '\0{"Records":[{"eventID":"1","eventName":"INSERT","dynamodb":{"Keys":{"id":{"S":"a"}},"SequenceNumber":"100"}}],"NextShardIterator":"x"}' >"$1/page"
    printf '\1{"StreamDescription":{"StreamStatus":"ENABLED","Shards":[{"ShardId":"s","SequenceNumberRange":{"StartingSequenceNumber":"1"}}]}}' >"$1/answer"
    printf '\2\7{"QueueUrl":"http://h/0/q","MaxNumberOfMessages":10,"WaitTimeSeconds":20}' >"$1/receive"
    printf '\2\11{"QueueUrl":"http://h/0/q","Entries":[{"Id":"1","MessageBody":"b","MessageAttributes":{"a":{"DataType":"Binary","BinaryValue":"AA=="}}}]}' >"$1/send"
    printf '\3AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260131/eu-west-1/sqs/aws4_request, SignedHeaders=host;x-amz-date, Signature=%064d' 0 >"$1/authorization"
    printf '\4{"Successful":[{"Id":"0","MessageId":"m","MD5OfMessageBody":"x"}],"Failed":[{"Id":"1","SenderFault":true,"Code":"c","Message":"m"}]}' >"$1/batch"
    printf '\5{"a":[{"anything-but":{"prefix":["x"]}},{"numeric":[">",1,"<",2]}],"$or":[{"b":[1]},{"c":[{"wildcard":"*x"}]}]}\n{"a":["y",1.5],"b":1}' >"$1/pattern"
    printf '\6{"eventID":"1","dynamodb":{"Keys":{"id":{"S":"a"}},"NewImage":{"a":{"M":{"n":{"N":"1"}}},"b":{"SS":["x"]}}}}' >"$1/form"
    printf '\7<a><b><Credentials><AccessKeyId>A</AccessKeyId><SecretAccessKey>S&amp;</SecretAccessKey><SessionToken>T</SessionToken><Expiration>2026-01-31T12:34:56Z</Expiration></Credentials></b></a>' >"$1/sts"
    printf '\7{"Version":1,"Code":"Success","AccessKeyId":"A","SecretAccessKey":"S","Token":"T","Expiration":"2026-01-31T12:34:56Z"}' >"$1/metadata"
    printf '\10/0/q\nAction=SendMessage&MessageBody=a%%20b&MessageAttribute.1.Name=n&MessageAttribute.1.Value.DataType=String&MessageAttribute.1.Value.StringValue=v' >"$1/query-send"
    printf '\10/\nAction=SendMessageBatch&QueueUrl=u&SendMessageBatchRequestEntry.1.Id=1&SendMessageBatchRequestEntry.1.MessageBody=b&SendMessageBatchRequestEntry.1.DelaySeconds=-1' >"$1/query-batch"
    printf '\10/\nAction=CreateQueue&QueueName=q&Attribute.1.Name=VisibilityTimeout&Attribute.1.Value=40&Tag.1.Key=k&Tag.1.Value=v' >"$1/query-create"
    printf '\11 account=123456789012 queues=orders-*,q actions=Send*,ReceiveMessage\n# a comment\nAKIATWO : another-secret\r\n' >"$1/keys"
}
seeds "$corpus"
base64_each() { # a line of base64 becomes a file, in the folder $1
    local line
    while read -r line; do
        base64 -d <<<"$line" >"$1/kept-$(sha1sum <<<"$line" | cut -c1-16)"
    done
}
if [ -f "$here/corpus.txt" ]; then base64_each "$corpus" <"$here/corpus.txt"; fi
cd "$(dirname "$program")"
"./$(basename "$program")" -max_total_time="$seconds" -max_len=4096 -print_final_stats=1 -artifact_prefix=found- corpus >fuzz.log 2>&1 ||
    { tail -n 40 fuzz.log; echo "[  FAILED  ] 1 test(s), listed below:"; exit 1; }
tail -n 12 fuzz.log
if [ "${KEEP:-}" ]; then
    rm -rf least && mkdir least
    "./$(basename "$program")" -merge=1 -max_len=300 -use_value_profile=0 least corpus >merge.log 2>&1
    for input in least/*; do base64 -w 0 "$input"; echo; done | sort >"$here/corpus.txt"
    echo "fuzz: $(wc -l <"$here/corpus.txt") inputs are kept in tests/fuzz/corpus.txt"
fi
echo "[  PASSED  ] 1 test(s)."
