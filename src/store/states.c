/* SPDX-License-Identifier: Apache-2.0 */
#include "store/states.h"

const char *message_state_name(enum message_state state)
{
    switch (state) {
#define MESSAGE_CASE(name, number, text, settled) case MESSAGE_##name: return text;
        MESSAGE_STATE_LIST(MESSAGE_CASE)
#undef MESSAGE_CASE
    default: return "unknown";
    }
}

bool message_state_settled(enum message_state state)
{
    switch (state) {
#define MESSAGE_CASE(name, number, text, settled) case MESSAGE_##name: return settled;
        MESSAGE_STATE_LIST(MESSAGE_CASE)
#undef MESSAGE_CASE
    default: return false;
    }
}

const char *step_name(enum step_kind kind)
{
    switch (kind) {
#define STEP_CASE(name, number, text) case STEP_##name: return text;
        STEP_LIST(STEP_CASE)
#undef STEP_CASE
    default: return "unknown";
    }
}

const char *shard_state_name(enum shard_state state)
{
    switch (state) {
#define SHARD_CASE(name, number, text) case SHARD_##name: return text;
        SHARD_STATE_LIST(SHARD_CASE)
#undef SHARD_CASE
    default: return "unknown";
    }
}

const char *stream_state_name(enum stream_state state)
{
    switch (state) {
#define STREAM_CASE(name, number, text) case STREAM_##name: return text;
        STREAM_STATE_LIST(STREAM_CASE)
#undef STREAM_CASE
    default: return "unknown";
    }
}

const char *gap_cause_text(enum gap_cause cause)
{
    switch (cause) {
#define GAP_CASE(name, number, text) case GAP_##name: return text;
        GAP_CAUSE_LIST(GAP_CASE)
#undef GAP_CASE
    default: return "unknown";
    }
}

const char *move_task_state_name(enum move_task_state state)
{
    switch (state) {
#define MOVE_TASK_CASE(name, number, text) case MOVE_TASK_##name: return text;
        MOVE_TASK_STATE_LIST(MOVE_TASK_CASE)
#undef MOVE_TASK_CASE
    default: return "UNKNOWN";
    }
}
