// SPDX-License-Identifier: Apache-2.0
// Apache Camel as the bridge: aws2-ddbstream -> aws2-sqs, a route as its documentation has it. It keeps no position. The first half of the records warms the
// virtual machine up, and is not counted.
// A record that SQS would refuse is altered by the route: Camel passes over it otherwise, and it is lost.
// usage: CamelPeer STREAMS_URL SQS_URL COUNT; prints seconds and its own CPU as JSON.
import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.net.URI;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import java.util.regex.Pattern;
import org.apache.camel.builder.RouteBuilder;
import org.apache.camel.main.Main;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.dynamodb.streams.DynamoDbStreamsClient;
import software.amazon.awssdk.services.sqs.SqsClient;

public class CamelPeer {
    private static final Pattern REFUSED = Pattern.compile("[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\ufffe\\uffff]"); // by SQS

    public static void main(String[] arguments) throws Exception {
        OperatingSystemMXBean system = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        StaticCredentialsProvider key = StaticCredentialsProvider.create(AwsBasicCredentials.create("test", "test"));
        Region region = Region.EU_WEST_1;
        long count = Long.parseLong(arguments[2]);
        AtomicLong sent = new AtomicLong();
        long[] began = new long[2];
        CountDownLatch done = new CountDownLatch(1);
        Main main = new Main();

        main.bind("streams", DynamoDbStreamsClient.builder().endpointOverride(URI.create(arguments[0])).region(region).credentialsProvider(key).build());
        main.bind("sqs", SqsClient.builder().endpointOverride(URI.create(arguments[1])).region(region).credentialsProvider(key).build());
        main.configure().addRoutesBuilder(new RouteBuilder() {
            @Override
            public void configure() {
                from("aws2-ddbstream:bench?amazonDynamoDbStreamsClient=#streams&streamIteratorType=FROM_START&delay=200&greedy=true")
                    .process(exchange -> exchange.getIn().setBody(REFUSED.matcher(exchange.getIn().getBody().toString()).replaceAll(" ")))
                    .to("aws2-sqs:bench?amazonSQSClient=#sqs&queueUrl=RAW(" + arguments[1] + "/000000000000/bench)")
                    .process(exchange -> {
                        long now = sent.incrementAndGet();

                        if (now == count / 2) {
                            began[0] = System.nanoTime();
                            began[1] = system.getProcessCpuTime();
                        } else if (now == count) {
                            done.countDown();
                        }
                    });
            }
        });
        main.start();
        done.await();
        System.out.printf("{\"records\": %d, \"seconds\": %.3f, \"cpu_seconds\": %.3f}%n", count - count / 2, (System.nanoTime() - began[0]) / 1e9,
                          (system.getProcessCpuTime() - began[1]) / 1e9);
        System.out.flush();
        Runtime.getRuntime().halt(0);
    }
}
