/* SPDX-License-Identifier: Apache-2.0
 *
 * statements: every SQL statement there is, prepared once and called by its enum. tests/unit/store/store_test.c runs EXPLAIN QUERY PLAN over all of
 * them and fails a scan of a table that is not marked SCAN.
 *
 * A history grows by 8 bytes a step up to 512; then the newest step replaces the one before it, so that no row grows without bound. || makes TEXT even
 * of two BLOBs, whose length and substr count characters up to a NUL: hence the casts.
 */
#ifndef S2Q_STORE_STATEMENTS_H
#define S2Q_STORE_STATEMENTS_H

#define GROWN_HISTORY(step) "history=CAST(substr(history,1,504)||" step " AS BLOB)"
/* See RECEIVES_OF in ledger.h. */
#define NO_RECEIVES "receive_count=((receive_count>>20)+1)<<20"
#define RECORD_COLUMNS                                                                                                                   \
    "m.id,m.record,m.state,m.receive_count,m.due_at_ms,m.origin,m.moved_to,m.history,"                                                   \
    "r.shard,r.sequence_number,r.body,r.attributes,r.key_hash,r.sub_sequence,m.remote_id,r.body_md5"

/* name, scans a table on purpose, text */
#define STATEMENT_LIST(X)                                                                                                                \
    X(BEGIN, false, "BEGIN IMMEDIATE")                                                                                                   \
    X(COMMIT, false, "COMMIT")                                                                                                           \
    X(BEGIN_READ, false, "BEGIN")                                                                                                        \
    /* meta */                                                                                                                           \
    X(META_GET, false, "SELECT value FROM meta WHERE name=?1")                                                                           \
    X(META_PUT, false, "INSERT OR REPLACE INTO meta(name,value) VALUES(?1,?2)")                                                          \
    /* queues */                                                                                                                         \
    X(QUEUE_INSERT, false, "INSERT INTO queue(id,name,next_message,next_fresh,created_at_ms,modified_at_ms,region) "                     \
                           "VALUES(?1,?2,?3,?3,?4,?4,?5)")                                                                               \
    X(QUEUE_ALL, true, "SELECT id,name,next_message,next_fresh,queued,in_flight,deleted,dead,dropped,redriven,parked,pending,sent,held,expired,purged,"\
                       "created_at_ms,remote,possible_duplicates,grouped,purge_to,modified_at_ms,deleted_at_ms,region,attributes,tags,backfill_at "          \
                       "FROM queue ORDER BY id")\
    X(QUEUE_SAVE, false, "UPDATE queue SET next_message=?2,next_fresh=?3,queued=?4,in_flight=?5,deleted=?6,dead=?7,dropped=?8,"          \
                         "redriven=?9,parked=?10,pending=?11,sent=?12,held=?13,expired=?14,purged=?15,remote=?16,possible_duplicates=?17,grouped=?18,"\
                         "purge_to=?19,backfill_at=?20 WHERE id=?1")                                                                                     \
    X(QUEUE_SETTINGS, false, "UPDATE queue SET region=?2,attributes=?3,tags=?4,modified_at_ms=?5,deleted_at_ms=?6 WHERE id=?1")          \
    X(QUEUE_SCHEDULED, false, "SELECT id,state,due_at_ms,receive_count,origin FROM message INDEXED BY message_scheduled "                \
                              "WHERE due_at_ms IS NOT NULL AND id>=?1 AND id<?2 ORDER BY id")                                            \
    X(QUEUE_OLDEST_AGAIN, false, "SELECT history FROM message INDEXED BY message_scheduled WHERE due_at_ms IS NOT NULL AND id>=?1 AND id<?2 " \
                                 "AND state IN (1,2,3) ORDER BY id LIMIT 100")                                                             \
    X(QUEUE_OLDEST, false, "SELECT history FROM message WHERE id>=?1 AND id<?2 AND state IN (1,2) ORDER BY id LIMIT 1")                         \
    X(TALLY_ADD, false, "INSERT INTO tally(shard,queue,since_records,assigned,filtered) VALUES(?1,?2,?3,?4,?5) "                         \
                        "ON CONFLICT(shard,queue) DO UPDATE SET assigned=assigned+excluded.assigned,filtered=filtered+excluded.filtered") \
    X(TALLY_SUBSCRIBE, false, "INSERT OR IGNORE INTO tally(shard,queue,since_records,assigned,filtered) VALUES(?1,?2,?3,0,0)")           \
    X(TALLY_REPLAYED, false, "UPDATE tally SET replayed=replayed+?3 WHERE shard=?1 AND queue=?2")                                        \
    X(TALLY_BACKFILL, false, "INSERT INTO tally(shard,queue,since_records,assigned,filtered,until_records) VALUES(?1,?2,0,?3,?4,?3+?4) "   \
                             "ON CONFLICT(shard,queue) DO UPDATE SET assigned=assigned+?3,filtered=filtered+?4,until_records=until_records+?3+?4") \
    X(TALLY_PAUSE, false, "UPDATE tally SET until_records=?3 WHERE shard=?1 AND queue=?2 AND until_records IS NULL")                     \
    X(TALLY_RESUME, false, "UPDATE tally SET since_records=since_records+?3-until_records,until_records=NULL "                           \
                           "WHERE shard=?1 AND queue=?2 AND until_records IS NOT NULL")                                                  \
    /* since_records: as if the queue had been subscribed later by what it missed */                                                     \
    X(TALLY_OF_QUEUE, true, "SELECT 1 FROM tally WHERE queue=?1 LIMIT 1")                                                                \
    X(TALLY_FED, true, "SELECT shard,queue FROM tally WHERE until_records IS NULL")                                                       \
    X(TALLY_ALL, true, "SELECT t.shard,t.queue,t.since_records+coalesce(s.records_read-t.until_records,0),t.assigned,t.filtered,t.replayed " \
                       "FROM tally t LEFT JOIN shard s ON s.id=t.shard ORDER BY t.shard,t.queue")                                        \
    /* streams and shards */                                                                                                             \
    X(STREAM_INSERT, false, "INSERT INTO stream(id,source,arn,state,created_at_ms) VALUES(NULL,?1,?2,?3,?4)")                            \
    X(STREAM_ADOPT, false, "UPDATE stream SET source=?1 WHERE arn=?2")                                                                   \
    X(STREAM_SAVE, false, "UPDATE stream SET state=?2,discovered_at_ms=?3 WHERE id=?1")                                                  \
    X(STREAM_ALL, true, "SELECT id,source,arn,state,discovered_at_ms,created_at_ms FROM stream ORDER BY id")                             \
    X(SHARD_INSERT, false, "INSERT INTO shard(id,stream,shard_id,parent_id,state,start,start_at_ms,starting_sequence,ending_sequence,"   \
                           "created_at_ms) VALUES(NULL,?1,?2,?3,?4,?5,?6,?7,?8,?9)")                                                     \
    X(SHARD_SAVE, false, "UPDATE shard SET state=?2,start=?3,starting_sequence=?4,ending_sequence=?5,position=?6,records_read=?7,"       \
                         "duplicates=?8,last_read_at_ms=?9,idle_since_ms=?10,last_record_at_ms=?11 WHERE id=?1")                         \
    X(SHARD_ALL, true, "SELECT id,stream,shard_id,parent_id,state,start,start_at_ms,starting_sequence,ending_sequence,position,"         \
                       "records_read,duplicates,pruned_records,last_read_at_ms,idle_since_ms,last_record_at_ms,created_at_ms "           \
                       "FROM shard ORDER BY id")                                                                                         \
    X(GAP_INSERT, false, "INSERT INTO gap(shard,from_sequence,to_sequence,cause,found_at_ms) VALUES(?1,?2,?3,?4,?5)")                    \
    X(GAP_ALL, true, "SELECT g.id,g.shard,s.shard_id,t.arn,g.from_sequence,g.to_sequence,g.cause,g.found_at_ms,g.acknowledged_at_ms "    \
                     "FROM gap g JOIN shard s ON s.id=g.shard JOIN stream t ON t.id=s.stream ORDER BY g.id")                             \
    X(GAP_WITHDRAW, true, "DELETE FROM gap WHERE shard=?1 AND cause=?2")                                                                 \
    X(GAP_ACKNOWLEDGE, true, "UPDATE gap SET acknowledged_at_ms=?1 WHERE acknowledged_at_ms IS NULL")                                    \
    X(GAP_NEW_COUNT, true, "SELECT count(*) FROM gap WHERE acknowledged_at_ms IS NULL")                                                  \
    /* pages, records, messages: writing */                                                                                              \
    X(PAGE_LAST, false, "SELECT max(id+record_count) FROM page WHERE id=(SELECT max(id) FROM page)")                                     \
    X(RECORD_INSERT, false, "INSERT INTO record(id,shard,sequence_number,sub_sequence,event_name,key_hash,body,attributes,body_md5) "    \
                            "VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9)")                                                                        \
    X(PAGE_INSERT, false, "INSERT INTO page(id,shard,record_count,after_sequence,first_sequence,last_sequence,stored_at_ms,bloom) "      \
                          "VALUES(?1,?2,?3,?4,?5,?6,?7,?8)")                                                                             \
    /* a page that the filter kept out altogether has used no message's id: the next one of it (`replay`) begins at the same */             \
    X(DELIVERY_INSERT, false, "INSERT INTO delivery(page,queue,first_message,message_count,filtered) VALUES(?1,?2,?3,?4,?5) "            \
                              "ON CONFLICT(page,queue,first_message) DO UPDATE SET message_count=message_count+excluded.message_count,"  \
                              "filtered=filtered+excluded.filtered WHERE message_count=0")                                               \
    X(MESSAGE_INSERT, false, "INSERT INTO message(id,record,state,due_at_ms,origin,history) VALUES(?1,?2,?6,?3,?4,?5)")                  \
    /* messages: moves, each from named states */                                                                                        \
    X(MESSAGE_RECEIVE_FRESH, false, "UPDATE message SET state=3,receive_count=1,due_at_ms=?3," GROWN_HISTORY("?4")                       \
                                    " WHERE id BETWEEN ?1 AND ?2 AND state=2 AND due_at_ms IS NULL")                                     \
    X(MESSAGE_RECEIVE_AGAIN, false, "UPDATE message SET state=3,receive_count=receive_count+((receive_count&1048575)<1048575),due_at_ms=?2,"   \
                                    GROWN_HISTORY("?3")                                                                                  \
                                    " WHERE id=?1 AND state IN (2,3) AND due_at_ms IS NOT NULL")                                         \
    X(MESSAGE_RESCHEDULE, false, "UPDATE message SET due_at_ms=?2," GROWN_HISTORY("?3") " WHERE id=?1 AND state=3")                      \
    X(MESSAGE_DELETE, false, "UPDATE message SET state=4,due_at_ms=NULL," GROWN_HISTORY("?2") " WHERE id=?1 AND state IN (2,3)")         \
    X(MESSAGE_DIE, false, "UPDATE message SET state=5,due_at_ms=NULL,moved_to=?2," GROWN_HISTORY("?3") " WHERE id=?1 AND state IN (2,3)") \
    X(MESSAGE_SETTLE_DEAD, false, "UPDATE message SET state=?2,moved_to=NULL,history=?3 WHERE id=?1 AND (state=5 OR state=8)")\
    X(MESSAGE_REDRIVE, false, "UPDATE message SET state=?5,due_at_ms=?4," NO_RECEIVES ",moved_to=NULL,history=?3 "             \
                              "WHERE id=?1 AND (state=5 OR state=8)")                                                                    \
    X(MESSAGE_PARK, false, "UPDATE message SET state=8,due_at_ms=NULL," GROWN_HISTORY("?2") " WHERE id=?1 AND state IN (1,2,3)")         \
    X(MESSAGE_HOLD, false, "UPDATE message SET state=10,due_at_ms=NULL," GROWN_HISTORY("?2") " WHERE id=?1 AND state IN (1,2,3)")        \
    X(MESSAGE_RELEASE, false, "UPDATE message SET state=?3,due_at_ms=?4," NO_RECEIVES "," GROWN_HISTORY("?2") " WHERE id=?1 AND state=10")               \
    X(MESSAGE_RECEIVE_ONE, false, "UPDATE message SET state=3,receive_count=1,due_at_ms=?2," GROWN_HISTORY("?3")                         \
                                  " WHERE id=?1 AND state=2 AND due_at_ms IS NULL")                                                      \
    X(MESSAGE_MOVE_COPY, false, "UPDATE message SET moved_to=?2,history=?3 WHERE id=?1 AND state=5")                        \
    X(MESSAGE_END, false, "UPDATE message SET state=?2,due_at_ms=NULL," GROWN_HISTORY("?3") " WHERE id=?1 AND state IN (1,2,3)")          \
    /* messages to other servers: moves */                                                                                               \
    X(MESSAGE_SENT_REMOTE, false, "UPDATE message SET state=9,due_at_ms=NULL,remote_id=?2," GROWN_HISTORY("?3")                          \
                                  " WHERE id=?1 AND state=1")                                                                            \
    X(MESSAGE_SEND_AGAIN, false, "UPDATE message SET due_at_ms=?2," GROWN_HISTORY("?3") " WHERE id=?1 AND state=1")                      \
    X(MESSAGE_SEND_UNKNOWN, false, "UPDATE message SET " GROWN_HISTORY("?2") " WHERE id=?1 AND state=1")                                 \
    X(MESSAGE_REMOTE_RECEIVED, false, "UPDATE message SET receive_count=((receive_count>>20)<<20)+max(receive_count&1048575,?2),"  \
                                      GROWN_HISTORY("?3")  \
                                      " WHERE id=?1 AND state IN (1,9)")                                                                        \
    X(MESSAGE_REMOTE_DELETED, false, "UPDATE message SET state=4,due_at_ms=NULL," GROWN_HISTORY("?2") " WHERE id=?1 AND state IN (1,9)") \
    X(MESSAGE_REMOTE_DEAD, false, "UPDATE message SET state=5," GROWN_HISTORY("?2") " WHERE id=?1 AND state=9")                          \
    /* FIFO queues: deduplication; move tasks */                                                                                        \
    X(DEDUPLICATION_PUT, false, "INSERT OR REPLACE INTO deduplication(id,queue,key,message,sent_at_ms) VALUES(NULL,?1,?2,?3,?4)")        \
    X(DEDUPLICATION_GET, false, "SELECT message,sent_at_ms FROM deduplication WHERE queue=?1 AND key=?2")                                \
    X(DEDUPLICATION_PRUNE, true,  "DELETE FROM deduplication WHERE id IN (SELECT id FROM deduplication ORDER BY id LIMIT ?2) " \
                                 "AND (sent_at_ms<?1 OR sent_at_ms>?3)")                                                                 \
    X(MOVE_TASK_INSERT, false, "INSERT INTO move_task(id,source,destination,per_second,state,moved,to_move,end_message,failure,started_at_ms) " \
                               "VALUES(NULL,?1,?2,?3,?4,0,?5,?6,NULL,?7)")                                                               \
    X(MOVE_TASK_SAVE, false, "UPDATE move_task SET state=?2,moved=?3,failure=?4 WHERE id=?1")                                            \
    X(MOVE_TASK_PRUNE, false, "DELETE FROM move_task WHERE id=?1")                                                                       \
    X(MOVE_TASK_ALL, true, "SELECT id,source,destination,per_second,state,moved,to_move,end_message,failure,started_at_ms FROM move_task ORDER BY id") \
    /* faults */                                                                                                                         \
    X(FAULT_PUT, false, "INSERT OR REPLACE INTO fault(message,code,text,at_ms) VALUES(?1,?2,?3,?4)")                                     \
    X(FAULT_GET, false, "SELECT code,text,at_ms FROM fault WHERE message=?1")                                                            \
    X(FAULT_PRUNE, false, "DELETE FROM fault WHERE message>=?1 AND message<?2 "                                                          \
                          "AND NOT EXISTS(SELECT 1 FROM message m WHERE m.id=fault.message)")                                            \
    X(MESSAGE_REMOVE_COPY, false, "DELETE FROM message WHERE id=?1 AND origin IS NOT NULL")                                              \
    /* messages: reading */                                                                                                              \
    X(MESSAGE_FRESH, false, "SELECT " RECORD_COLUMNS " FROM message m CROSS JOIN record r ON r.id=m.record "                             \
                            "WHERE m.id>=?1 AND m.id<?2 AND m.state=2 AND m.due_at_ms IS NULL ORDER BY m.id LIMIT ?3")                   \
    X(MESSAGE_ONE, false, "SELECT " RECORD_COLUMNS " FROM message m CROSS JOIN record r ON r.id=m.record WHERE m.id=?1")                 \
    X(MESSAGE_ONWARD, false, "SELECT " RECORD_COLUMNS " FROM message m CROSS JOIN record r ON r.id=m.record WHERE m.id>=?1 ORDER BY m.id") \
    X(MESSAGE_SENT, false, "SELECT substr(history,1,8) FROM message WHERE id=?1")                                                        \
    X(MESSAGE_ORIGIN, false, "SELECT origin,receive_count FROM message WHERE id=?1")                                                     \
    X(MESSAGE_PENDING, false, "SELECT m.id,r.key_hash FROM message m CROSS JOIN record r ON r.id=m.record "                              \
                              "WHERE m.id>=?1 AND m.id<?2 AND m.state=1 AND m.due_at_ms IS NULL ORDER BY m.id LIMIT ?3")                 \
    X(MESSAGE_PENDING_UNKEYED, false, "SELECT id FROM message WHERE id>=?1 AND id<?2 AND state=1 AND due_at_ms IS NULL ORDER BY id LIMIT ?3") \
    X(MESSAGE_FRESH_GROUPS, false, "SELECT m.id,r.key_hash,m.origin FROM message m CROSS JOIN record r ON r.id=m.record "                \
                                   "WHERE m.id>=?1 AND m.id<?2 AND m.state=2 AND m.due_at_ms IS NULL ORDER BY m.id LIMIT ?3")            \
    X(MESSAGE_FRESH_COUNT, false, "SELECT count(*) FROM message WHERE id>=?1 AND id<?2 AND state=2 AND due_at_ms IS NULL")               \
    X(MESSAGE_STATES, false, "SELECT m.id,m.state,m.due_at_ms,m.origin,m.receive_count,m.history,r.shard FROM message m "            \
                             "CROSS JOIN record r ON r.id=m.record WHERE m.id>=?1 AND m.id<?2 ORDER BY m.id LIMIT ?3")                   \
    X(MESSAGE_TROUBLED, false, "SELECT m.id,m.state,r.key_hash FROM message m INDEXED BY message_troubled "                              \
                               "CROSS JOIN record r ON r.id=m.record WHERE m.id>=?1 AND m.id<?2 "                                        \
                               "AND (m.state=5 OR m.state=8 OR m.state=10) AND m.origin IS NULL ORDER BY m.id")                          \
    /* pruning */                                                                                                                        \
    X(PAGE_NEXT, false, "SELECT id,shard,record_count,stored_at_ms FROM page WHERE id>=?1 ORDER BY id LIMIT 1")                          \
    X(PAGE_SINCE, true, "SELECT min(id) FROM page WHERE stored_at_ms>=?1")                                                               \
    X(PAGE_DELIVERIES, false, "SELECT queue,first_message,message_count,filtered FROM delivery WHERE page=?1 "                           \
                              "ORDER BY queue,first_message")                                                                            \
    X(PRUNE_COUNT, false, "INSERT INTO pruned(shard,queue,state,message_count) SELECT ?1,?2,state,count(*) FROM message "                \
                          "WHERE id>=?3 AND id<?4 AND state IN (4,6,9,11,12) AND substr(history,-6)<?5 GROUP BY state "                          \
                          "ON CONFLICT(shard,queue,state) DO UPDATE SET message_count=message_count+excluded.message_count")            \
    X(PRUNED_ADD, false, "INSERT INTO pruned(shard,queue,state,message_count) VALUES(?1,?2,?3,1) "                                       \
                         "ON CONFLICT(shard,queue,state) DO UPDATE SET message_count=message_count+1")                                   \
    X(PRUNE_MESSAGES, false, "DELETE FROM message WHERE id>=?1 AND id<?2 AND state IN (4,6,9,11,12) AND substr(history,-6)<?3")                  \
    X(PRUNE_KEPT, false, "SELECT record FROM message WHERE id>=?1 AND id<?2")                                                            \
    X(PRUNE_RECORD, false, "DELETE FROM record WHERE id=?1")                                                                             \
    X(PRUNE_DELIVERY, false, "DELETE FROM delivery WHERE page=?1")                                                                       \
    X(PRUNE_PAGE, false, "DELETE FROM page WHERE id=?1")                                                                                 \
    X(PRUNE_SHARD, false, "UPDATE shard SET pruned_records=pruned_records+?2 WHERE id=?1")                                               \
    /* questions of the commands */                                                                                                      \
    X(RECORD_BY_SEQUENCE, false, "SELECT id FROM record WHERE shard=?1 AND sequence_number=?2 ORDER BY sub_sequence")                    \
    X(RECORD_ONE, false, "SELECT id,shard,sequence_number,body,attributes FROM record WHERE id=?1")                                      \
    X(RECORD_RANGE, false, "SELECT id,shard,sequence_number,body,attributes FROM record WHERE id>=?1 AND id<?2 ORDER BY id")             \
    X(RECORD_NEWEST, false, "SELECT id,shard,sequence_number,body,attributes FROM record WHERE id<?1 ORDER BY id DESC LIMIT ?2")         \
    X(RECORD_KEYS, false, "SELECT id,key_hash FROM record WHERE id>?1 AND shard IS NOT NULL ORDER BY id")                                \
    X(PAGE_OF_RECORD, false, "SELECT id,shard,record_count,stored_at_ms FROM page WHERE id<=?1 ORDER BY id DESC LIMIT 1")                \
    X(PAGE_BLOOMS, true, "SELECT id,record_count,bloom FROM page ORDER BY id")                                                           \
    X(PAGE_CHAIN, true, "SELECT shard,id,record_count,after_sequence,first_sequence,last_sequence FROM page WHERE shard IS NOT NULL ORDER BY id") \
    X(MESSAGE_IDS, true, "SELECT id FROM message ORDER BY id")                                                                           \
    X(MESSAGE_RANGE_COUNT, false, "SELECT count(*) FROM message WHERE id>=?1 AND id<?2")                                                 \
    X(MESSAGE_OF_RECORD, false, "SELECT m.id FROM message m WHERE m.id>=?1 AND m.id<?2 AND m.record=?3")                                 \
    X(MESSAGE_DEAD, false, "SELECT " RECORD_COLUMNS " FROM message m INDEXED BY message_troubled CROSS JOIN record r ON r.id=m.record "  \
                           "WHERE (m.state=5 OR m.state=8) AND (m.state=5 OR m.state=8 OR m.state=10) AND m.origin IS NULL "             \
                           "AND m.id>=?1 AND m.id<?2 ORDER BY m.id")                                                                     \
    X(AUDIT_RECORDS, true, "SELECT shard,count(*) FROM record WHERE shard IS NOT NULL GROUP BY shard")                                   \
    X(AUDIT_MESSAGES, true, "SELECT r.shard,m.id>>40,m.state,count(*) FROM message m CROSS JOIN record r ON r.id=m.record "              \
                            "WHERE m.origin IS NULL GROUP BY 1,2,3")                                                                     \
    X(AUDIT_STATES, true, "SELECT id>>40,state,count(*) FROM message GROUP BY 1,2")                                                      \
    X(AUDIT_PRUNED, true, "SELECT shard,queue,state,message_count FROM pruned")                                                          \
    X(AUDIT_LOST_COPIES, true, "SELECT count(*) FROM message m WHERE m.state=5 AND m.moved_to IS NOT NULL AND NOT EXISTS"                \
                               "(SELECT 1 FROM message c WHERE c.id=m.moved_to AND c.origin=m.id AND c.state IN (2,3,5))")               \
    X(AUDIT_ORPHANS, true, "SELECT count(*) FROM message m WHERE NOT EXISTS(SELECT 1 FROM record r WHERE r.id=m.record)")

enum statement {
#define STATEMENT_ENUM(name, scan, text) STATEMENT_##name,
    STATEMENT_LIST(STATEMENT_ENUM)
#undef STATEMENT_ENUM
    STATEMENT_COUNT
};

#endif
