/* SPDX-License-Identifier: Apache-2.0
 *
 * What is stored, and why in this form. What makes a ledger slow as it grows is an index in random order, so every hot write is in order: records and
 * messages get rising row ids; the only indexes on hot rows are the identity of a record (rising within a shard) and the few scheduled messages.
 * Bodies stand apart from what changes: `record` is append-only, `message` rows are small.
 *
 * A message's id is queue * 2^40 + its number in that queue, so a queue's messages lie together in the order of their arrival, and the oldest
 * one is found without an index. Records are found by key or event id through one Bloom filter per page, not by an index.
 */
#include "store/migrations.h"

#include <stdio.h>

static const char *const steps[] = {
    /* 1 */
    "CREATE TABLE meta("
    "  name TEXT PRIMARY KEY NOT NULL,"  /* ledger_id, id_key, receipt_key */
    "  value BLOB NOT NULL"
    ") WITHOUT ROWID;"

    "CREATE TABLE queue("
    "  id INTEGER PRIMARY KEY,"          /* 1..2^22; the high part of its messages' ids */
    "  name TEXT NOT NULL UNIQUE,"
    "  next_message INTEGER NOT NULL,"   /* the id that its next message gets */
    "  next_fresh INTEGER NOT NULL,"     /* no message below this one waits for its first receive, delayed ones aside */
    "  queued INTEGER NOT NULL DEFAULT 0,"    /* messages in each state, pruned ones included; audit counts the rows again */
    "  in_flight INTEGER NOT NULL DEFAULT 0,"
    "  deleted INTEGER NOT NULL DEFAULT 0,"
    "  dead INTEGER NOT NULL DEFAULT 0,"
    "  dropped INTEGER NOT NULL DEFAULT 0,"
    "  redriven INTEGER NOT NULL DEFAULT 0,"
    "  parked INTEGER NOT NULL DEFAULT 0,"
    "  created_at_ms INTEGER NOT NULL"
    ");"

    "CREATE TABLE stream("
    "  id INTEGER PRIMARY KEY,"
    "  source TEXT NOT NULL,"            /* as configured: a table's name, or the ARN */
    "  arn TEXT NOT NULL UNIQUE,"        /* a re-created stream is a new row */
    "  state INTEGER NOT NULL,"          /* enum stream_state */
    "  discovered_at_ms INTEGER,"        /* end of the first complete listing of its shards; NULL: none yet */
    "  created_at_ms INTEGER NOT NULL"
    ");"

    "CREATE TABLE shard("
    "  id INTEGER PRIMARY KEY,"
    "  stream INTEGER NOT NULL REFERENCES stream(id),"
    "  shard_id TEXT NOT NULL,"
    "  parent_id TEXT,"                  /* a shard_id of the same stream, perhaps one that was gone before we came */
    "  state INTEGER NOT NULL,"          /* enum shard_state */
    "  start INTEGER NOT NULL,"          /* enum shard_start */
    "  start_at_ms INTEGER NOT NULL,"    /* when SHARD_START_LATEST was resolved */
    "  starting_sequence TEXT,"
    "  ending_sequence TEXT,"            /* NULL: open, as far as we know */
    "  position TEXT,"                   /* sequence number of the last record stored; NULL: none yet */
    "  records_read INTEGER NOT NULL DEFAULT 0,"
    "  duplicates INTEGER NOT NULL DEFAULT 0,"       /* records that came again and were already stored */
    "  pruned_records INTEGER NOT NULL DEFAULT 0,"
    "  last_read_at_ms INTEGER,"         /* last answer of GetRecords that was stored (idle ones: every few minutes) */
    "  idle_since_ms INTEGER,"           /* first of the empty answers that lasted until last_read_at_ms; NULL: not idle */
    "  last_record_at_ms INTEGER,"       /* ApproximateCreationDateTime of the last record */
    "  created_at_ms INTEGER NOT NULL,"
    "  UNIQUE(stream,shard_id)"
    ");"

    "CREATE TABLE page("                 /* records stored together: one GetRecords answer, or the SendMessages of one commit */
    "  id INTEGER PRIMARY KEY,"          /* = its first record's id; the records follow without a hole until some are pruned */
    "  shard INTEGER REFERENCES shard(id)," /* NULL: SendMessage */
    "  record_count INTEGER NOT NULL,"
    "  after_sequence TEXT,"             /* the position that it was read from; NULL: the shard's start */
    "  first_sequence TEXT,"
    "  last_sequence TEXT,"
    "  stored_at_ms INTEGER NOT NULL,"
    "  bloom BLOB"                       /* hashes of the records' key values and event ids: core/record.h */
    ");"

    "CREATE TABLE record("               /* append-only */
    "  id INTEGER PRIMARY KEY,"
    "  shard INTEGER REFERENCES shard(id)," /* NULL: SendMessage */
    "  sequence_number TEXT,"            /* as DynamoDB wrote it */
    "  sub_sequence INTEGER NOT NULL,"   /* for aggregated records (Kinesis); else 0 */
    "  event_name INTEGER,"              /* 1 INSERT, 2 MODIFY, 3 REMOVE, 0 another */
    "  key_hash INTEGER NOT NULL,"       /* of the item's key, or 0 */
    "  body BLOB NOT NULL,"              /* the record's bytes as they came, or the message's body */
    "  attributes BLOB"                  /* message attributes given to SendMessage, JSON; NULL: none */
    ");"
    "CREATE UNIQUE INDEX record_identity ON record(shard,sequence_number,sub_sequence) WHERE shard IS NOT NULL;"

    "CREATE TABLE message("
    "  id INTEGER PRIMARY KEY,"          /* queue << 40 | number */
    "  record INTEGER NOT NULL,"
    "  state INTEGER NOT NULL,"          /* enum message_state */
    "  receive_count INTEGER NOT NULL DEFAULT 0,"
    "  due_at_ms INTEGER,"               /* visible from then on; NULL: at once and never received, or settled */
    "  origin INTEGER,"                  /* in a dead-letter queue: the message that died */
    "  moved_to INTEGER,"                /* dead: its copy in the dead-letter queue; NULL: there is none */
    "  history BLOB NOT NULL"            /* steps of 8 bytes: store/states.h */
    ");"
    "CREATE INDEX message_scheduled ON message(id) WHERE due_at_ms IS NOT NULL;"

    "CREATE TABLE delivery("             /* which messages a page became in a queue */
    "  page INTEGER NOT NULL,"
    "  queue INTEGER NOT NULL,"
    "  first_message INTEGER NOT NULL,"
    "  message_count INTEGER NOT NULL,"
    "  filtered INTEGER NOT NULL,"
    "  PRIMARY KEY(page,queue)"
    ") WITHOUT ROWID;"

    "CREATE TABLE tally("                /* what each shard gave to each queue */
    "  shard INTEGER NOT NULL,"
    "  queue INTEGER NOT NULL,"
    "  since_records INTEGER NOT NULL,"  /* the shard's records_read when the queue was subscribed */
    "  assigned INTEGER NOT NULL,"       /* records that became messages */
    "  filtered INTEGER NOT NULL,"
    "  PRIMARY KEY(shard,queue)"
    ") WITHOUT ROWID;"

    "CREATE TABLE pruned("               /* rows that are gone, by what they were */
    "  shard INTEGER NOT NULL,"          /* 0: SendMessage, or a dead-letter queue's copy */
    "  queue INTEGER NOT NULL,"
    "  state INTEGER NOT NULL,"
    "  message_count INTEGER NOT NULL,"
    "  PRIMARY KEY(shard,queue,state)"
    ") WITHOUT ROWID;"

    "CREATE TABLE gap("                  /* what may be missing */
    "  id INTEGER PRIMARY KEY,"
    "  shard INTEGER NOT NULL REFERENCES shard(id),"
    "  from_sequence TEXT,"              /* records after this one; NULL: from the shard's beginning */
    "  to_sequence TEXT,"                /* up to before this one; NULL: not known, or to the shard's end */
    "  cause INTEGER NOT NULL,"          /* enum gap_cause */
    "  found_at_ms INTEGER NOT NULL,"
    "  acknowledged_at_ms INTEGER"       /* NULL: no operator has seen it; the bridge is not ready */
    ");",

    /* 2: messages to other servers, filters, held keys, queues that are added later, replay */
    "ALTER TABLE queue ADD COLUMN remote INTEGER NOT NULL DEFAULT 0;" /* 1: its messages are sent to another server */
    "ALTER TABLE queue ADD COLUMN pending INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE queue ADD COLUMN sent INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE queue ADD COLUMN held INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE queue ADD COLUMN possible_duplicates INTEGER NOT NULL DEFAULT 0;" /* messages sent again because no answer had come */

    "ALTER TABLE message ADD COLUMN remote_id BLOB;" /* the other server's message id: 16 bytes of a UUID, or its text */
    /* dead, parked and held messages are few: `dead list`, and the keys that are held, are found without a scan */
    "CREATE INDEX message_troubled ON message(id) WHERE state=5 OR state=8 OR state=10;"

    "ALTER TABLE tally ADD COLUMN replayed INTEGER NOT NULL DEFAULT 0;" /* messages that `replay` added */

    "CREATE TABLE fault("                /* why a message is parked or dead, in words */
    "  message INTEGER PRIMARY KEY,"
    "  code TEXT NOT NULL,"              /* the other server's error code, or our own */
    "  text TEXT NOT NULL,"
    "  at_ms INTEGER NOT NULL"
    ");"

    "CREATE TABLE delivery_2("           /* a queue may get messages of one page twice: `replay` */
    "  page INTEGER NOT NULL,"
    "  queue INTEGER NOT NULL,"
    "  first_message INTEGER NOT NULL,"
    "  message_count INTEGER NOT NULL,"
    "  filtered INTEGER NOT NULL,"
    "  PRIMARY KEY(page,queue,first_message)"
    ") WITHOUT ROWID;"
    "INSERT INTO delivery_2 SELECT page,queue,first_message,message_count,filtered FROM delivery;"
    "DROP TABLE delivery;"
    "ALTER TABLE delivery_2 RENAME TO delivery;",

    /* 3: the whole SQS API: queues that are made and deleted while we run, their attributes, FIFO, move tasks */
    "CREATE TABLE queue_3("
    "  id INTEGER PRIMARY KEY,"          /* 1..2^22; the high part of its messages' ids */
    "  name TEXT NOT NULL,"
    "  region TEXT NOT NULL DEFAULT '',"      /* '': the bridge's own */
    "  next_message INTEGER NOT NULL,"   /* the id that its next message gets */
    "  next_fresh INTEGER NOT NULL,"     /* no message below this one waits for its first receive (or to be sent), scheduled ones aside */
    "  queued INTEGER NOT NULL DEFAULT 0,"    /* messages in each state, pruned ones included; audit counts the rows again */
    "  in_flight INTEGER NOT NULL DEFAULT 0,"
    "  deleted INTEGER NOT NULL DEFAULT 0,"
    "  dead INTEGER NOT NULL DEFAULT 0,"
    "  dropped INTEGER NOT NULL DEFAULT 0,"
    "  redriven INTEGER NOT NULL DEFAULT 0,"
    "  parked INTEGER NOT NULL DEFAULT 0,"
    "  pending INTEGER NOT NULL DEFAULT 0,"
    "  sent INTEGER NOT NULL DEFAULT 0,"
    "  held INTEGER NOT NULL DEFAULT 0,"
    "  expired INTEGER NOT NULL DEFAULT 0,"
    "  purged INTEGER NOT NULL DEFAULT 0,"
    "  created_at_ms INTEGER NOT NULL,"
    "  remote INTEGER NOT NULL DEFAULT 0," /* 1: its messages are sent to another server */
    "  possible_duplicates INTEGER NOT NULL DEFAULT 0," /* messages sent again because no answer had come */
    "  grouped INTEGER NOT NULL DEFAULT 0,"   /* 1: a message with a group id was sent to it (of a standard queue: fair queues) */
    "  purge_to INTEGER NOT NULL DEFAULT 0,"  /* unsettled messages below this id are being purged */
    "  modified_at_ms INTEGER NOT NULL DEFAULT 0,"
    "  deleted_at_ms INTEGER,"           /* NULL: it exists */
    "  attributes TEXT,"                 /* JSON: what CreateQueue and SetQueueAttributes gave; NULL: nothing */
    "  tags TEXT"                        /* JSON */
    ");"
    "INSERT INTO queue_3(id,name,next_message,next_fresh,queued,in_flight,deleted,dead,dropped,redriven,parked,pending,sent,held,created_at_ms,remote,"
    "possible_duplicates,modified_at_ms) SELECT id,name,next_message,next_fresh,queued,in_flight,deleted,dead,dropped,redriven,parked,pending,sent,held,"
    "created_at_ms,remote,possible_duplicates,created_at_ms FROM queue;"
    "DROP TABLE queue;"
    "ALTER TABLE queue_3 RENAME TO queue;"
    "CREATE UNIQUE INDEX queue_name ON queue(region,name) WHERE deleted_at_ms IS NULL;"

    "CREATE TABLE deduplication("        /* of FIFO queues: what was sent in the last five minutes */
    "  id INTEGER PRIMARY KEY,"          /* rises with time: pruned from the front */
    "  queue INTEGER NOT NULL,"
    "  key BLOB NOT NULL,"               /* 16 bytes of a hash of the deduplication id (and the group id, where that is the scope) */
    "  message INTEGER NOT NULL,"        /* what the first send became */
    "  sent_at_ms INTEGER NOT NULL"
    ");"
    "CREATE UNIQUE INDEX deduplication_key ON deduplication(queue,key);"

    "CREATE TABLE move_task("            /* StartMessageMoveTask */
    "  id INTEGER PRIMARY KEY,"
    "  source INTEGER NOT NULL,"         /* queue */
    "  destination INTEGER,"             /* queue; NULL: each message's own source */
    "  per_second INTEGER,"              /* NULL: as fast as it goes */
    "  state INTEGER NOT NULL,"          /* enum move_task_state */
    "  moved INTEGER NOT NULL,"
    "  to_move INTEGER NOT NULL,"        /* when it began */
    "  end_message INTEGER NOT NULL,"    /* only messages below this one are moved: those that were there when it began */
    "  failure TEXT,"
    "  started_at_ms INTEGER NOT NULL"
    ");",

    /* 4: queues that leave the configuration, and come again */
    ("ALTER TABLE tally ADD COLUMN until_records INTEGER;" /* the shard's records_read when the queue was no longer fed; NULL: it is */
     "ALTER TABLE queue ADD COLUMN backfill_at INTEGER NOT NULL DEFAULT 0;"), /* a queue that is given what the ledger has: the next record; 0: none */

    /* 5 */
    "ALTER TABLE record ADD COLUMN body_md5 BLOB;", /* of what SendMessage brought: the digest that its sender was told; NULL: of a stream, or older */
};

int migrations_known(void)
{
    return (int)(sizeof(steps) / sizeof(steps[0]));
}

static bool run(sqlite3 *db, const char *sql, struct error *err)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK)
        return true;
    return error_set(err, ERROR_LEDGER_IO, "cannot bring the ledger's schema up to date: %s", sqlite3_errmsg(db));
}

bool migrations_apply(sqlite3 *db, int from_version, struct error *err)
{
    char sql[128];

    if (from_version == migrations_known())
        return true;
    if (!run(db, "BEGIN IMMEDIATE", err))
        return false;
    for (int i = from_version; i < migrations_known(); i++)
        if (!run(db, steps[i], err))
            return false;
    snprintf(sql, sizeof(sql), "PRAGMA application_id=%d; PRAGMA user_version=%d; COMMIT", LEDGER_APPLICATION_ID, migrations_known());
    return run(db, sql, err);
}
