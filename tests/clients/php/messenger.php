<?php
// SPDX-License-Identifier: Apache-2.0
// Symfony Messenger with its Amazon SQS bridge (Debian's packages), as an application uses it. Prints one JSON line a scenario.
require '/usr/share/php/Symfony/Component/Messenger/autoload.php';
require '/usr/share/php/Symfony/Component/Messenger/Bridge/AmazonSqs/autoload.php';

use AsyncAws\Sqs\SqsClient;
use Symfony\Component\Messenger\Bridge\AmazonSqs\Transport\AmazonSqsTransport;
use Symfony\Component\Messenger\Bridge\AmazonSqs\Transport\Connection;
use Symfony\Component\Messenger\Envelope;
use Symfony\Component\Messenger\Transport\Serialization\PhpSerializer;

final class Order
{
    public function __construct(public string $id)
    {
    }
}

$client = new SqsClient(['endpoint' => getenv('ENDPOINT'), 'region' => getenv('REGION'), 'accessKeyId' => getenv('KEY_ID'), 'accessKeySecret' => getenv('KEY_SECRET')]);

function transport(string $queue, array $options = []): AmazonSqsTransport
{
    global $client;
    $options += ['queue_name' => $queue, 'wait_time' => 1, 'poll_timeout' => 0.1, 'visibility_timeout' => 1, 'auto_setup' => true];
    return new AmazonSqsTransport(new Connection($options, $client), new PhpSerializer());
}

function check(bool $good, string $what): void
{
    if (!$good) {
        throw new RuntimeException($what);
    }
}

/** @return Envelope[] */
function receive(AmazonSqsTransport $from, int $count): array
{
    $got = [];
    for ($until = microtime(true) + 20; count($got) < $count && microtime(true) < $until;) {
        foreach ($from->get() as $envelope) {
            $got[] = $envelope;
        }
    }
    check(count($got) === $count, count($got) . " of $count received");
    return $got;
}

$scenarios = [
    'work' => function () {
        $transport = transport('symfony-orders');
        foreach (range(1, 10) as $i) {
            $transport->send(new Envelope(new Order("order-$i <&> ä")));
        }
        $got = receive($transport, 10);
        foreach (array_slice($got, 0, 7) as $envelope) {
            $transport->ack($envelope);
        }
        $again = receive($transport, 3); // not acknowledged: they come again
        $ids = fn (array $list) => array_map(fn ($e) => $e->getMessage()->id, $list);
        check(!array_intersect($ids($again), $ids(array_slice($got, 0, 7))), 'an acknowledged message came again');
        foreach ($again as $envelope) {
            $transport->reject($envelope);
        }
        check($transport->getMessageCount() === 0, 'messages are left');
    },
    'fifo' => function () {
        $transport = transport('symfony-orders.fifo', ['visibility_timeout' => 30]);
        $stamp = fn (int $i) => new Symfony\Component\Messenger\Bridge\AmazonSqs\Transport\AmazonSqsFifoStamp('group', "id-$i");
        foreach ([1, 2, 2, 3] as $i) {
            $transport->send((new Envelope(new Order((string) $i)))->with($stamp($i)));
        }
        $got = receive($transport, 3);
        check(array_map(fn ($e) => $e->getMessage()->id, $got) === ['1', '2', '3'], 'order');
    },
];
foreach ($scenarios as $scenario => $run) {
    $error = '';
    try {
        $run();
    } catch (Throwable $e) {
        $error = get_class($e) . ': ' . $e->getMessage();
    }
    echo json_encode(['scenario' => $scenario, 'error' => $error]), "\n";
}
