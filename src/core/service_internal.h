/* SPDX-License-Identifier: Apache-2.0
 *
 * service_internal: what the files of the service share.
 */
#ifndef S2Q_CORE_SERVICE_INTERNAL_H
#define S2Q_CORE_SERVICE_INTERNAL_H

#include "core/service.h"

/* Each applies one operation to the queue of `desk` (NULL for those without a queue), and answers. False: it waits. */
bool service_receive(struct service *s, struct exchange *x, struct desk *desk, struct instant now);
bool service_entries(struct service *s, struct exchange *x, struct desk *desk, struct instant now);
bool service_create_queue(struct service *s, struct exchange *x, struct desk *desk, struct instant now);
bool service_delete_queue(struct service *s, struct exchange *x, struct desk *desk, struct instant now);
bool service_purge_queue(struct service *s, struct exchange *x, struct desk *desk, struct instant now);
bool service_get_queue_url(struct service *s, struct exchange *x, struct desk *desk, struct instant now);
bool service_list_queues(struct service *s, struct exchange *x, struct desk *desk, struct instant now);
bool service_get_attributes(struct service *s, struct exchange *x, struct desk *desk, struct instant now);
bool service_set_attributes(struct service *s, struct exchange *x, struct desk *desk, struct instant now);
bool service_tag_queue(struct service *s, struct exchange *x, struct desk *desk, struct instant now);
bool service_untag_queue(struct service *s, struct exchange *x, struct desk *desk, struct instant now);
bool service_list_tags(struct service *s, struct exchange *x, struct desk *desk, struct instant now);
bool service_list_dead_letter_sources(struct service *s, struct exchange *x, struct desk *desk, struct instant now);
bool service_start_move(struct service *s, struct exchange *x, struct desk *desk, struct instant now);
bool service_list_moves(struct service *s, struct exchange *x, struct desk *desk, struct instant now);
bool service_cancel_move(struct service *s, struct exchange *x, struct desk *desk, struct instant now);
bool service_add_permission(struct service *s, struct exchange *x, struct desk *desk, struct instant now);
bool service_remove_permission(struct service *s, struct exchange *x, struct desk *desk, struct instant now);

/* Answers with an error whose text is formatted; true. */
bool service_refuse(struct exchange *x, enum sqs_error error, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The ARN that a queue of that name has, or would have, in a region ("": the bridge's own). */
void service_arn(const struct service *s, struct slice region, struct slice name, struct buffer *out);
/* The desk that an ARN names, if it is one of this account's; NULL: none. */
struct desk *service_find_arn(const struct service *s, struct slice arn);
/* "http://127.0.0.1:9324/000000000000/orders" */
void service_queue_url(const struct service *s, const struct exchange *x, const struct desk *desk, struct buffer *out);
/* Answers a list of queues' URLs, in the order of their names, with pages. wanted: which; NULL: all of the region. */
void service_answer_queues(struct service *s, struct exchange *x, bool (*wanted)(const struct desk *desk, void *context), void *context);
/* One step of the running move tasks. */
/* Wall-clock ms that do not jump while the process runs: neither retention nor deduplication may go by a step of the system's clock. */
int64_t service_steady_ms(const struct service *s, struct instant now);
int64_t service_step_moves(struct service *s, struct instant now);
void service_free_moves(struct service *s);
/* May an account's guest do that to the queue? Judged by the queue's Policy; no policy: no. */
bool service_policy_allows(const struct service *s, const struct desk *desk, struct slice account, enum sqs_action action);

#endif
