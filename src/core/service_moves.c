/* SPDX-License-Identifier: Apache-2.0
 *
 * Message move tasks (API_StartMessageMoveTask.html): dead letters go back to where they died, or to another queue, in bounded steps, at a rate. A task
 * is in the ledger, and goes on after a restart; what has moved has moved, so that beginning at the front again does no harm.
 */
#include "core/service_internal.h"

#include "base/memory.h"
#include "codec/digest.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#define STEP_ROWS 100
#define TASKS_KEPT 10 /* of a queue, ended ones */

struct move_task {
    struct move_task *next;
    struct move_task_row row; /* failure is `failure` */
    const char *failure;      /* a literal, or loaded text; NULL: none */
    char *loaded_failure;
    int64_t at;               /* messages below it were looked at */
    int64_t due_ms;           /* when the next may move (monotonic) */
};

/* ---- the list ---- */

static void free_task(struct move_task *t)
{
    free(t->loaded_failure);
    free(t);
}

void service_free_moves(struct service *s)
{
    while (s->moves) {
        struct move_task *t = s->moves;

        s->moves = t->next;
        free_task(t);
    }
}

static struct move_task *note_task(struct service *s, const struct move_task_row *row)
{
    struct move_task *t = memory_zeroed(1, sizeof(*t));

    t->row = *row;
    t->at = QUEUE_FIRST_MESSAGE(row->source);
    t->loaded_failure = slice_present(row->failure) ? slice_dup(row->failure) : NULL;
    t->failure = t->loaded_failure;
    t->next = s->moves;
    s->moves = t;
    return t;
}

static void load_task(void *context, const struct move_task_row *row)
{
    note_task(context, row);
}

void service_load_moves(struct service *s)
{
    service_free_moves(s);
    ledger_move_tasks(s->db, load_task, s);
}

static void save(struct service *s, struct move_task *t)
{
    t->row.failure = slice_text(t->failure);
    ledger_move_task_save(s->db, &t->row);
}

/* Of a queue's ended tasks only the last few are kept. */
static void forget_old(struct service *s, int64_t source)
{
    int kept = 0;

    for (struct move_task **at = &s->moves; *at;) {
        struct move_task *t = *at;

        if (t->row.source != source || t->row.state == MOVE_TASK_RUNNING || ++kept <= TASKS_KEPT) {
            at = &t->next;
            continue;
        }
        *at = t->next;
        ledger_move_task_remove(s->db, t->row.id);
        free_task(t);
    }
}

static struct move_task *running(const struct service *s, int64_t source)
{
    for (struct move_task *t = s->moves; t; t = t->next)
        if (t->row.source == source && t->row.state == MOVE_TASK_RUNNING)
            return t;
    return NULL;
}

/* ---- handles: as SQS's, base64 of {"taskId":..,"sourceArn":..} ---- */

static void append_handle(const struct service *s, const struct move_task *t, struct slice arn, struct buffer *out)
{
    struct buffer text = {0};
    char id[MESSAGE_ID_TEXT];

    message_id_encode(&s->identity, t->row.id, id);
    buffer_printf(&text, "{\"taskId\":\"%s\",\"sourceArn\":\"%.*s\"}", id, SLICE_ARG(arn));
    base64_append(out, buffer_slice(&text));
    buffer_fini(&text);
}

/* NULL: it is none. */
static json_t *parse_handle(struct slice handle)
{
    struct buffer text = {0};
    json_t *parsed = base64_decode(&text, handle) && text.len > 0 ? json_loadb(text.ptr, text.len, 0, NULL) : NULL;

    buffer_fini(&text);
    if (json_string_value(json_object_get(parsed, "taskId")) && json_string_value(json_object_get(parsed, "sourceArn")))
        return parsed;
    json_decref(parsed);
    return NULL;
}

static struct move_task *find_task(const struct service *s, struct slice task_id)
{
    int64_t id;

    if (!message_id_decode(&s->identity, task_id, &id))
        return NULL;
    for (struct move_task *t = s->moves; t; t = t->next)
        if (t->row.id == id)
            return t;
    return NULL;
}

/* ---- moving ---- */

struct glances {
    struct message_glance list[STEP_ROWS];
    size_t len;
};

static void note_glance(void *context, const struct message_glance *glance)
{
    struct glances *g = context;

    g->list[g->len++] = *glance;
}

static void end(struct service *s, struct move_task *t, enum move_task_state state, const char *failure)
{
    t->row.state = state;
    t->failure = failure;
    save(s, t);
    forget_old(s, t->row.source);
}

/* A queue that was made again takes what its namesake has in dead-letter queues, as its ARN is the same. */
static enum move_outcome move_one(struct service *s, struct desk *source, struct desk *to, const struct message_glance *glance, struct instant now)
{
    enum move_outcome outcome = queue_move(source->queue, s->db, glance, to ? to->queue : NULL, now);
    struct desk *heir = NULL;

    if (outcome == MOVE_NO_SOURCE && glance->origin)
        heir = service_heir(s, service_find_id(s, QUEUE_OF_MESSAGE(queue_root(s->db, glance->id))));
    return heir && heir != source && !heir->queue->remote ? queue_move(source->queue, s->db, glance, heir->queue, now) : outcome;
}

/* It may free other tasks, and changes only this one. */
static void step(struct service *s, struct move_task *t, struct instant now)
{
    struct desk *source = service_find_id(s, t->row.source);
    struct desk *to = t->row.destination ? service_find_id(s, t->row.destination) : NULL;
    int64_t limit = t->row.per_second > 0 && t->row.per_second < 10 * STEP_ROWS ? (t->row.per_second + 9) / 10 : STEP_ROWS;
    int64_t moved = 0;
    struct glances g = {.len = 0};
    size_t i;

    if (source == NULL || source->deleted_at_ms != 0 || (t->row.destination && (to == NULL || to->deleted_at_ms != 0))) {
        end(s, t, MOVE_TASK_FAILED, "AWS.SimpleQueueService.NonExistentQueue");
        return;
    }
    intake_close(s->intake);
    ledger_glance(s->db, t->at, t->row.end_message, STEP_ROWS, note_glance, &g);
    for (i = 0; i < g.len && moved < limit; i++) {
        enum move_outcome outcome = move_one(s, source, to, &g.list[i], now);

        if (outcome == MOVE_NO_SOURCE) {
            end(s, t, MOVE_TASK_FAILED, "CouldNotDetermineMessageSource");
            return;
        }
        moved += outcome == MOVE_DONE;
        t->row.moved += outcome == MOVE_DONE;
        t->at = g.list[i].id + 1;
    }
    t->due_ms = now.mono_ms + (t->row.per_second > 0 ? moved * 1000 / t->row.per_second : 0);
    if (i == g.len && g.len < STEP_ROWS)
        end(s, t, MOVE_TASK_COMPLETED, NULL);
    else
        save(s, t);
}

/* The running task that may go on first; NULL: none is running. */
static struct move_task *first_due(const struct service *s)
{
    struct move_task *first = NULL;

    for (struct move_task *t = s->moves; t; t = t->next)
        if (t->row.state == MOVE_TASK_RUNNING && (first == NULL || t->due_ms < first->due_ms))
            first = t;
    return first;
}

int64_t service_step_moves(struct service *s, struct instant now)
{
    struct move_task *t = first_due(s);

    if (t && t->due_ms <= now.mono_ms) {
        database_begin(s->db);
        step(s, t, now);
        t = first_due(s);
    }
    return t ? t->due_ms : INT64_MAX;
}

/* ---- the operations ---- */

static bool names_as_target(const struct desk *desk, void *context)
{
    return desk->queue->options.dead_letter_queue == context;
}

bool service_list_dead_letter_sources(struct service *s, struct exchange *x, struct desk *desk, struct instant now)
{
    (void)now;
    service_answer_queues(s, x, names_as_target, desk->queue);
    return true;
}

static bool is_dead_letter_queue(const struct service *s, const struct queue *q)
{
    for (size_t i = 0; i < s->desk_count; i++)
        if (s->desks[i]->deleted_at_ms == 0 && s->desks[i]->queue->options.dead_letter_queue == q)
            return true;
    return false;
}

static bool missing_resource(struct exchange *x, const char *parameter)
{
    return service_refuse(x, SQS_RESOURCE_NOT_FOUND, "The resource that you specified for the %s parameter doesn't exist.", parameter);
}

bool service_start_move(struct service *s, struct exchange *x, struct desk *desk, struct instant now)
{
    const struct sqs_request *r = &x->request;
    struct desk *to = slice_present(r->destination_arn) ? service_find_arn(s, r->destination_arn) : NULL;
    struct move_task_row row = {.per_second = r->messages_per_second, .state = MOVE_TASK_RUNNING, .started_at_ms = now.wall_ms};

    desk = service_find_arn(s, r->source_arn);
    if (desk == NULL)
        return missing_resource(x, "SourceArn");
    if (slice_present(r->destination_arn) && to == NULL)
        return missing_resource(x, "DestinationArn");
    if (desk->queue->remote || (to && to->queue->remote))
        return service_refuse(x, SQS_UNSUPPORTED_OPERATION, "This queue is on another server: use `stream2sqs dead redrive`, or move its messages there.");
    if (!is_dead_letter_queue(s, desk->queue))
        return service_refuse(x, SQS_INVALID_PARAMETER_VALUE, "Source queue must be configured as a Dead Letter Queue.");
    if (to && (to == desk || to->queue->groups.strict != desk->queue->groups.strict))
        return service_refuse(x, SQS_INVALID_PARAMETER_VALUE, "Source and destination must be different queues of the same type.");
    if (running(s, desk->queue->id))
        return service_refuse(x, SQS_INVALID_PARAMETER_VALUE, "There is already a task running. Only one active task is allowed for a source queue arn at "
                                                              "a given time.");
    row.source = desk->queue->id;
    row.destination = to ? to->queue->id : 0;
    row.to_move = desk->queue->fresh_count + desk->queue->visible_count;
    row.end_message = desk->queue->next_message;
    row.id = ledger_move_task_insert(s->db, &row);
    buffer_reset(&s->body);
    append_handle(s, note_task(s, &row), r->source_arn, &s->body);
    sqs_answer_text(&x->answer, "TaskHandle", buffer_slice(&s->body));
    sqs_answer_end(&x->answer);
    return true;
}

static void tell_task(struct service *s, struct exchange *x, const struct move_task *t)
{
    struct desk *to = t->row.destination ? service_find_id(s, t->row.destination) : NULL;

    sqs_answer_result_begin(&x->answer);
    if (t->row.state == MOVE_TASK_RUNNING) {
        buffer_reset(&s->body);
        append_handle(s, t, x->request.source_arn, &s->body);
        sqs_answer_text(&x->answer, "TaskHandle", buffer_slice(&s->body));
    }
    sqs_answer_text(&x->answer, "Status", slice_text(move_task_state_name(t->row.state)));
    sqs_answer_text(&x->answer, "SourceArn", x->request.source_arn);
    if (to) {
        service_queue_arn(s, to, &s->body);
        sqs_answer_text(&x->answer, "DestinationArn", buffer_slice(&s->body));
    }
    if (t->row.per_second > 0)
        sqs_answer_number(&x->answer, "MaxNumberOfMessagesPerSecond", t->row.per_second);
    sqs_answer_number(&x->answer, "ApproximateNumberOfMessagesMoved", t->row.moved);
    sqs_answer_number(&x->answer, "ApproximateNumberOfMessagesToMove", t->row.to_move);
    if (t->failure)
        sqs_answer_text(&x->answer, "FailureReason", slice_text(t->failure));
    sqs_answer_number(&x->answer, "StartedTimestamp", t->row.started_at_ms);
    sqs_answer_result_end(&x->answer);
}

bool service_list_moves(struct service *s, struct exchange *x, struct desk *desk, struct instant now)
{
    int most = x->request.max_results > 0 ? x->request.max_results : 1;
    int given = 0;

    (void)now;
    desk = service_find_arn(s, x->request.source_arn);
    if (desk == NULL)
        return missing_resource(x, "SourceArn");
    for (const struct move_task *t = s->moves; t && given < most; t = t->next) {
        if (t->row.source != desk->queue->id)
            continue;
        tell_task(s, x, t);
        given++;
    }
    sqs_answer_end(&x->answer);
    return true;
}

bool service_cancel_move(struct service *s, struct exchange *x, struct desk *desk, struct instant now)
{
    json_t *handle = parse_handle(x->request.task_handle);
    struct move_task *t;

    (void)now;
    if (handle == NULL)
        return service_refuse(x, SQS_INVALID_PARAMETER_VALUE, "Value for parameter TaskHandle is invalid.");
    desk = service_find_arn(s, slice_text(json_string_value(json_object_get(handle, "sourceArn"))));
    t = find_task(s, slice_text(json_string_value(json_object_get(handle, "taskId"))));
    json_decref(handle);
    if (desk == NULL)
        return missing_resource(x, "SourceArn");
    if (t == NULL || t->row.state != MOVE_TASK_RUNNING)
        return service_refuse(x, SQS_RESOURCE_NOT_FOUND, "Task does not exist.");
    t->row.state = MOVE_TASK_CANCELLED;
    save(s, t);
    sqs_answer_number(&x->answer, "ApproximateNumberOfMessagesMoved", t->row.moved);
    sqs_answer_end(&x->answer);
    return true;
}
