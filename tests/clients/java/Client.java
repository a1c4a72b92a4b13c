// SPDX-License-Identifier: Apache-2.0
// The AWS SDK for Java v2. Prints one JSON line a scenario.
import java.net.URI;
import java.util.*;
import java.util.stream.*;
import software.amazon.awssdk.auth.credentials.*;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.sqs.SqsClient;
import software.amazon.awssdk.services.sqs.model.*;

public class Client {
    static SqsClient sqs;
    static int serial;

    interface Scenario {
        void run() throws Exception;
    }

    static void check(boolean good, String what) {
        if (!good)
            throw new AssertionError(what);
    }

    static String create(String suffix, Map<String, String> attributes) {
        String name = "java-" + ++serial + suffix;
        return sqs.createQueue(r -> r.queueName(name).attributesWithStrings(attributes)).queueUrl();
    }

    static String attribute(String url, QueueAttributeName name) {
        return sqs.getQueueAttributes(r -> r.queueUrl(url).attributeNames(name)).attributes().get(name);
    }

    static void send(String url, int count) {
        List<SendMessageBatchRequestEntry> entries = IntStream.range(0, count)
            .mapToObj(i -> SendMessageBatchRequestEntry.builder().id("" + i).messageBody("" + i).build()).collect(Collectors.toList());
        check(sqs.sendMessageBatch(r -> r.queueUrl(url).entries(entries)).successful().size() == count, "sent");
    }

    static List<Message> receive(String url, int wait) {
        return sqs.receiveMessage(r -> r.queueUrl(url).maxNumberOfMessages(10).waitTimeSeconds(wait).messageSystemAttributeNames(MessageSystemAttributeName.ALL)
            .messageAttributeNames("All")).messages();
    }

    static void partialFailure() {
        String url = create("", Map.of("VisibilityTimeout", "1"));
        send(url, 10);
        List<Message> got = receive(url, 0);
        List<DeleteMessageBatchRequestEntry> entries = got.subList(0, 7).stream()
            .map(m -> DeleteMessageBatchRequestEntry.builder().id(m.messageId()).receiptHandle(m.receiptHandle()).build()).collect(Collectors.toList());
        check(sqs.deleteMessageBatch(r -> r.queueUrl(url).entries(entries)).failed().isEmpty(), "a delete failed");
        Set<String> again = new HashSet<>();
        while (again.size() < 3)
            receive(url, 5).forEach(m -> again.add(m.messageId()));
        check(again.equals(got.subList(7, 10).stream().map(Message::messageId).collect(Collectors.toSet())), "other messages came again");
    }

    static void visibility() {
        String url = create("", Map.of("VisibilityTimeout", "1"));
        send(url, 1);
        String handle = receive(url, 0).get(0).receiptHandle();
        sqs.changeMessageVisibility(r -> r.queueUrl(url).receiptHandle(handle).visibilityTimeout(60));
        check(receive(url, 2).isEmpty(), "an extended message came again");
        sqs.changeMessageVisibility(r -> r.queueUrl(url).receiptHandle(handle).visibilityTimeout(0));
        check(receive(url, 2).size() == 1, "it did not come again at once");
    }

    static void deadLetters() throws Exception {
        String dead = create("", Map.of());
        String arn = attribute(dead, QueueAttributeName.QUEUE_ARN);
        String url = create("", Map.of("VisibilityTimeout", "0", "RedrivePolicy", "{\"deadLetterTargetArn\":\"" + arn + "\",\"maxReceiveCount\":1}"));
        send(url, 5);
        while (!attribute(dead, QueueAttributeName.APPROXIMATE_NUMBER_OF_MESSAGES).equals("5"))
            receive(url, 0);
        sqs.startMessageMoveTask(r -> r.sourceArn(arn));
        while (!sqs.listMessageMoveTasks(r -> r.sourceArn(arn)).results().get(0).status().equals("COMPLETED"))
            Thread.sleep(10);
        check(attribute(url, QueueAttributeName.APPROXIMATE_NUMBER_OF_MESSAGES).equals("5"), "not redriven");
    }

    static void fifo() {
        String url = create(".fifo", Map.of("FifoQueue", "true", "ContentBasedDeduplication", "true"));
        for (int i : new int[] {0, 1, 2, 3, 3}) {
            String body = "" + i;
            String group = "" + i % 2;
            check(sqs.sendMessage(r -> r.queueUrl(url).messageBody(body).messageGroupId(group)).sequenceNumber().length() == 20, "sequence number");
        }
        check(receive(url, 0).stream().map(Message::body).collect(Collectors.joining()).equals("0213"), "order");
        check(receive(url, 0).isEmpty(), "a locked group gave a message");
    }

    static void attributes() {
        String url = create("", Map.of());
        String body = "a\r\nb <&> \u00e4 \ud83d\ude00";
        sqs.sendMessage(r -> r.queueUrl(url).messageBody(body).messageAttributes(Map.of(
            "n", MessageAttributeValue.builder().dataType("Number").stringValue("1".repeat(38)).build(),
            "b", MessageAttributeValue.builder().dataType("Binary").binaryValue(SdkBytes.fromByteArray(new byte[] {0, 1, -1})).build()))); // digests are checked
        Message m = receive(url, 0).get(0);
        check(m.body().equals(body) && m.messageAttributes().get("b").binaryValue().asByteArray().length == 3, "altered");
        sqs.tagQueue(r -> r.queueUrl(url).tags(Map.of("a", "b")));
        check(sqs.listQueueTags(r -> r.queueUrl(url)).tags().equals(Map.of("a", "b")), "tags");
        check(sqs.listQueuesPaginator(r -> r.maxResults(2)).queueUrls().stream().anyMatch(url::equals), "not listed");
        sqs.purgeQueue(r -> r.queueUrl(url));
        sqs.deleteQueue(r -> r.queueUrl(url));
    }

    static void expect(Class<? extends Exception> want, Scenario call) throws Exception {
        try {
            call.run();
        } catch (Exception e) {
            check(want.isInstance(e), "wanted " + want.getSimpleName() + ", got " + e);
            return;
        }
        throw new AssertionError("no " + want.getSimpleName());
    }

    static void errors() throws Exception {
        String url = create("", Map.of());
        DeleteMessageBatchRequestEntry twice = DeleteMessageBatchRequestEntry.builder().id("a").receiptHandle("x").build();
        expect(QueueDoesNotExistException.class, () -> sqs.getQueueUrl(r -> r.queueName("never-made")));
        expect(ReceiptHandleIsInvalidException.class, () -> sqs.deleteMessage(r -> r.queueUrl(url).receiptHandle("x")));
        expect(BatchEntryIdsNotDistinctException.class, () -> sqs.deleteMessageBatch(r -> r.queueUrl(url).entries(twice, twice)));
        expect(EmptyBatchRequestException.class, () -> sqs.deleteMessageBatch(r -> r.queueUrl(url).entries(List.of())));
        expect(InvalidMessageContentsException.class, () -> sqs.sendMessage(r -> r.queueUrl(url).messageBody("\u0001")));
        expect(QueueNameExistsException.class, () -> sqs.createQueue(r -> r.queueName(url.substring(url.lastIndexOf('/') + 1))
            .attributesWithStrings(Map.of("VisibilityTimeout", "7"))));
    }

    static void run(String name, Scenario scenario) {
        String problem = "";
        try {
            scenario.run();
        } catch (Throwable e) {
            problem = e.toString().replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", " ");
        }
        System.out.println("{\"scenario\":\"" + name + "\",\"error\":\"" + problem + "\"}");
    }

    public static void main(String[] arguments) {
        Map<String, String> env = System.getenv();
        sqs = SqsClient.builder().endpointOverride(URI.create(env.get("ENDPOINT"))).region(Region.of(env.get("REGION")))
            .credentialsProvider(StaticCredentialsProvider.create(AwsBasicCredentials.create(env.get("KEY_ID"), env.get("KEY_SECRET")))).build();
        run("partial_failure", Client::partialFailure);
        run("visibility", Client::visibility);
        run("dead_letters", Client::deadLetters);
        run("fifo", Client::fifo);
        run("attributes", Client::attributes);
        run("errors", Client::errors);
    }
}
