// SPDX-License-Identifier: Apache-2.0

// A consumer and producer with the AWS SDK for Go v2. Prints one JSON line a scenario: {"scenario":..., "error":""}.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

var (
	ctx    = context.Background()
	client *sqs.Client
	serial int
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func check(good bool, format string, arguments ...any) {
	if !good {
		panic(fmt.Errorf(format, arguments...))
	}
}

func create(suffix string, attributes map[string]string) string {
	serial++
	name := fmt.Sprintf("go-%d%s", serial, suffix)
	return *must(client.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})).QueueUrl
}

func attribute(url string, name types.QueueAttributeName) string {
	out := must(client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{name}}))
	return out.Attributes[string(name)]
}

func send(url string, count int) {
	entries := []types.SendMessageBatchRequestEntry{}
	for i := 0; i < count; i++ {
		entries = append(entries, types.SendMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), MessageBody: aws.String(strconv.Itoa(i))})
	}
	out := must(client.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &url, Entries: entries}))
	check(len(out.Successful) == count, "%d sent", len(out.Successful))
}

func receive(url string, wait int32) []types.Message {
	return must(client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10, WaitTimeSeconds: wait,
		AttributeNames: []types.QueueAttributeName{"All"}, MessageAttributeNames: []string{"All"}})).Messages
}

func remove(url string, messages []types.Message) {
	entries := []types.DeleteMessageBatchRequestEntry{}
	for i, m := range messages {
		entries = append(entries, types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: m.ReceiptHandle})
	}
	out := must(client.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: &url, Entries: entries}))
	check(len(out.Failed) == 0 && len(out.Successful) == len(messages), "deleted %d", len(out.Successful))
}

func partialFailure() {
	url := create("", map[string]string{"VisibilityTimeout": "1"})
	send(url, 10)
	got := receive(url, 0)
	check(len(got) == 10, "%d received", len(got))
	remove(url, got[:7])
	again := receive(url, 10)
	for len(again) < 3 {
		again = append(again, receive(url, 5)...)
	}
	check(len(again) == 3, "%d came again", len(again))
	for _, m := range again {
		check(m.Attributes["ApproximateReceiveCount"] == "2", "received %s times", m.Attributes["ApproximateReceiveCount"])
	}
}

func visibility() {
	url := create("", map[string]string{"VisibilityTimeout": "1"})
	send(url, 1)
	m := receive(url, 0)[0]
	must(client.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: 60}))
	check(len(receive(url, 2)) == 0, "an extended message came again")
	must(client.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: 0}))
	check(len(receive(url, 2)) == 1, "it did not come again at once")
}

func deadLetters() {
	dead := create("", nil)
	arn := attribute(dead, "QueueArn")
	url := create("", map[string]string{"VisibilityTimeout": "0", "RedrivePolicy": fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":"1"}`, arn)})
	send(url, 5)
	for attribute(dead, "ApproximateNumberOfMessages") != "5" {
		receive(url, 0)
	}
	must(client.StartMessageMoveTask(ctx, &sqs.StartMessageMoveTaskInput{SourceArn: &arn}))
	for {
		tasks := must(client.ListMessageMoveTasks(ctx, &sqs.ListMessageMoveTasksInput{SourceArn: &arn})).Results
		if *tasks[0].Status == "COMPLETED" {
			check(tasks[0].ApproximateNumberOfMessagesMoved == 5, "%d moved", tasks[0].ApproximateNumberOfMessagesMoved)
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	check(attribute(url, "ApproximateNumberOfMessages") == "5", "not redriven")
}

func fifo() {
	url := create(".fifo", map[string]string{"FifoQueue": "true", "ContentBasedDeduplication": "true"})
	for i := 0; i < 4; i++ {
		out := must(client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String(strconv.Itoa(i)), MessageGroupId: aws.String(strconv.Itoa(i % 2))}))
		check(len(*out.SequenceNumber) == 20, "sequence number %s", *out.SequenceNumber)
		must(client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String(strconv.Itoa(i)), MessageGroupId: aws.String(strconv.Itoa(i % 2))}))
	}
	bodies := ""
	for _, m := range receive(url, 0) {
		bodies += *m.Body
	}
	check(bodies == "0213", "received %s", bodies)
	check(len(receive(url, 0)) == 0, "a locked group gave a message")
}

func attributes() {
	url := create("", nil)
	body := "a\r\nb <&> \u00e4 \U0001f600"
	must(client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body, MessageAttributes: map[string]types.MessageAttributeValue{
		"s": {DataType: aws.String("String"), StringValue: aws.String("x")},
		"n": {DataType: aws.String("Number.int"), StringValue: aws.String("12345678901234567890123456789012345678")},
		"b": {DataType: aws.String("Binary"), BinaryValue: []byte{0, 1, 255}}}})) // the SDK checks the digests
	m := receive(url, 0)[0]
	check(*m.Body == body, "body %q", *m.Body)
	check(len(m.MessageAttributes["b"].BinaryValue) == 3 && *m.MessageAttributes["n"].StringValue == "12345678901234567890123456789012345678", "attributes")
	must(client.TagQueue(ctx, &sqs.TagQueueInput{QueueUrl: &url, Tags: map[string]string{"a": "b"}}))
	check(must(client.ListQueueTags(ctx, &sqs.ListQueueTagsInput{QueueUrl: &url})).Tags["a"] == "b", "tags")
	must(client.PurgeQueue(ctx, &sqs.PurgeQueueInput{QueueUrl: &url}))
	must(client.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: &url}))
}

func failures() {
	url := create("", nil)
	_, err := client.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String("never-made")})
	var noQueue *types.QueueDoesNotExist
	check(errors.As(err, &noQueue), "%v", err)
	_, err = client.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: aws.String("x")})
	var noHandle *types.ReceiptHandleIsInvalid
	check(errors.As(err, &noHandle), "%v", err)
	_, err = client.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: &url, Entries: []types.DeleteMessageBatchRequestEntry{
		{Id: aws.String("a"), ReceiptHandle: aws.String("x")}, {Id: aws.String("a"), ReceiptHandle: aws.String("x")}}})
	var notDistinct *types.BatchEntryIdsNotDistinct
	check(errors.As(err, &notDistinct), "%v", err)
	_, err = client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("\x01")})
	var contents *types.InvalidMessageContents
	check(errors.As(err, &contents), "%v", err)
}

func run(name string, scenario func()) {
	problem := ""
	func() {
		defer func() {
			if r := recover(); r != nil {
				problem = fmt.Sprint(r)
			}
		}()
		scenario()
	}()
	line, _ := json.Marshal(map[string]string{"scenario": name, "error": problem})
	fmt.Println(string(line))
}

func main() {
	client = sqs.New(sqs.Options{Region: os.Getenv("REGION"), BaseEndpoint: aws.String(os.Getenv("ENDPOINT")),
		Credentials: credentials.NewStaticCredentialsProvider(os.Getenv("KEY_ID"), os.Getenv("KEY_SECRET"), "")})
	run("partial_failure", partialFailure)
	run("visibility", visibility)
	run("dead_letters", deadLetters)
	run("fifo", fifo)
	run("attributes", attributes)
	run("errors", failures)
}
