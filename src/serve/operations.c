/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/operations.h"

#include "base/memory.h"

#include <stdlib.h>

static const char *move_dead(struct bridge *b, json_t *request, bool drop, struct instant now, json_t **answer)
{
    struct slice queue = slice_text(json_string_value(json_object_get(request, "queue")));
    struct bridge_move move = {.drop = drop};
    json_t *not_dead = json_array();
    bool found = slice_present(queue);
    json_t *id;
    size_t i;

    if (found && json_is_true(json_object_get(request, "all")))
        found = bridge_move_dead(b, queue, &move, now);
    json_array_foreach(json_object_get(request, "ids"), i, id) {
        int64_t before = move.moved;

        found = found && bridge_move_dead_one(b, queue, slice_text(json_string_value(id)), &move, now);
        if (found && move.moved == before)
            json_array_append(not_dead, id);
    }
    *answer = json_pack("{s:I,s:o}", "moved", (json_int_t)move.moved, "not_dead", not_dead);
    if (found && move.homeless > 0 && move.moved == 0)
        return "the queue that they died in is deleted: make one of that name, to which they go back, or drop them";
    return found ? NULL : "there is no such queue in this ledger";
}

static const char *replay(struct bridge *b, json_t *request, struct instant now, json_t **answer)
{
    struct slice queue = slice_text(json_string_value(json_object_get(request, "queue")));
    json_t *records = json_object_get(request, "records");
    int64_t *ids = memory_zeroed(json_array_size(records) + 1, sizeof(*ids));
    int64_t replayed = 0;
    bool found;
    json_t *id;
    size_t i;

    json_array_foreach(records, i, id)
        ids[i] = json_integer_value(id);
    found = slice_present(queue) && (json_is_true(json_object_get(request, "dry_run"))
                                         ? bridge_replayable(b, queue, ids, json_array_size(records), &replayed)
                                         : bridge_replay(b, queue, ids, json_array_size(records), &replayed, now));
    free(ids);
    *answer = json_pack("{s:I,s:I}", "replayed", (json_int_t)replayed, "passed_over", (json_int_t)((int64_t)json_array_size(records) - replayed));
    return found ? NULL : "there is no such queue in this ledger";
}

const char *operation_apply(struct bridge *b, struct slice operation, json_t *request, struct instant now, json_t **answer)
{
    const char *wrong = "there is no such operation";

    *answer = NULL;
    if (slice_is(operation, "dead/redrive") || slice_is(operation, "dead/drop")) {
        wrong = move_dead(b, request, slice_is(operation, "dead/drop"), now, answer);
    } else if (slice_is(operation, "replay")) {
        wrong = replay(b, request, now, answer);
    } else if (slice_is(operation, "gaps/acknowledge")) {
        *answer = json_pack("{s:i}", "acknowledged", bridge_acknowledge_gaps(b, now));
        wrong = NULL;
    }
    if (wrong) {
        json_decref(*answer);
        *answer = NULL;
    }
    return wrong;
}
