#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Fuzzes for SECONDS (of each processor) from a few good inputs; what it finds is left in build-fuzz. usage: run.sh PROGRAM SECONDS
set -euo pipefail

program=$1
seconds=$2
corpus=$(dirname "$program")/corpus
mkdir -p "$corpus"
printf '\0{"Records":[{"eventID":"1","eventName":"INSERT","dynamodb":{"Keys":{"id":{"S":"a"}},"SequenceNumber":"100"}}],"NextShardIterator":"x"}' >"$corpus/page"
printf '\1{"StreamDescription":{"StreamStatus":"ENABLED","Shards":[{"ShardId":"s","SequenceNumberRange":{"StartingSequenceNumber":"1"}}]}}' >"$corpus/answer"
printf '\2\7{"QueueUrl":"http://h/0/q","MaxNumberOfMessages":10,"WaitTimeSeconds":20}' >"$corpus/receive"
printf '\2\11{"QueueUrl":"http://h/0/q","Entries":[{"Id":"1","MessageBody":"b","MessageAttributes":{"a":{"DataType":"Binary","BinaryValue":"AA=="}}}]}' >"$corpus/send"
printf '\3AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260131/eu-west-1/sqs/aws4_request, SignedHeaders=host;x-amz-date, Signature=%064d' 0 >"$corpus/authorization"
printf '\4{"Successful":[{"Id":"0","MessageId":"m","MD5OfMessageBody":"x"}],"Failed":[{"Id":"1","SenderFault":true,"Code":"c","Message":"m"}]}' >"$corpus/batch"
# shellcheck disable=SC2016  # $or is the pattern's own
printf '\5{"a":[{"anything-but":{"prefix":["x"]}},{"numeric":[">",1,"<",2]}],"$or":[{"b":[1]},{"c":[{"wildcard":"*x"}]}]}\n{"a":["y",1.5],"b":1}' >"$corpus/pattern"
printf '\6{"eventID":"1","dynamodb":{"Keys":{"id":{"S":"a"}},"NewImage":{"a":{"M":{"n":{"N":"1"}}},"b":{"SS":["x"]}}}}' >"$corpus/form"
printf '\7<a><b><Credentials><AccessKeyId>A</AccessKeyId><SecretAccessKey>S&amp;</SecretAccessKey><SessionToken>T</SessionToken><Expiration>2026-01-31T12:34:56Z</Expiration></Credentials></b></a>' >"$corpus/sts"
printf '\7{"Version":1,"Code":"Success","AccessKeyId":"A","SecretAccessKey":"S","Token":"T","Expiration":"2026-01-31T12:34:56Z"}' >"$corpus/metadata"
cd "$(dirname "$program")"
"./$(basename "$program")" -max_total_time="$seconds" -max_len=4096 -print_final_stats=1 -artifact_prefix=found- corpus 2>&1 | tail -n 12
