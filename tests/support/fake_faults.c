/* SPDX-License-Identifier: Apache-2.0 */
#include "support/fake_internal.h"

#include "base/memory.h"
#include "codec/digest.h"

#include <stdlib.h>

static const struct {
    const char *name;
    enum fake_operation operation;
    int status;
    const char *type;
    const char *text;
} faults[FAULT_COUNT] = {
    [FAULT_NONE] = {"NONE", FAKE_ANY_OPERATION, 0, "", ""},
#define FAKE_FAULT_ROW(name, operation, status, type, text) [FAULT_##name] = {#name, operation, status, type, text},
    FAKE_FAULT_LIST(FAKE_FAULT_ROW)
#undef FAKE_FAULT_ROW
};

const char *fake_fault_name(enum fake_fault fault)
{
    return faults[fault].name;
}

enum fake_fault fake_fault_named(const char *name)
{
    for (enum fake_fault f = FAULT_NONE + 1; f < FAULT_COUNT; f++)
        if (strcmp(faults[f].name, name) == 0)
            return f;
    return FAULT_NONE;
}

bool fake_fault_is_error(enum fake_fault fault, int *status, const char **type, const char **text)
{
    *status = faults[fault].status;
    *type = faults[fault].type;
    *text = faults[fault].text;
    return faults[fault].status != 0;
}

bool fake_fault_is_before(enum fake_fault fault)
{
    return fault == FAULT_LOST_REQUEST || fault == FAULT_HTML_503 || fault == FAULT_STALLED || faults[fault].status != 0;
}

bool fake_fault_delivers(enum fake_fault fault)
{
    return !fake_fault_is_before(fault) && fault != FAULT_CUT_JSON && fault != FAULT_CUT_BODY && fault != FAULT_WRONG_CRC && fault != FAULT_GARBAGE &&
           fault != FAULT_LOST_REPLY;
}

/* ---- choosing ---- */

bool fake_fault_fits(enum fake_fault fault, enum fake_operation operation)
{
    return faults[fault].operation == FAKE_ANY_OPERATION || faults[fault].operation == operation;
}

static bool script_matches(const struct fake_script *script, enum fake_operation operation, const struct fake_shard *shard)
{
    return script->count > 0 && fake_fault_fits(script->fault, operation) &&
           (script->operation == FAKE_ANY_OPERATION || script->operation == operation) &&
           (script->shard == NULL || script->shard == shard);
}

static enum fake_fault scripted(struct fake_aws *fake, enum fake_operation operation, const struct fake_shard *shard)
{
    for (size_t i = 0; i < fake->script_count; i++) {
        if (!script_matches(&fake->scripts[i], operation, shard))
            continue;
        fake->scripts[i].count--;
        return fake->scripts[i].fault;
    }
    return FAULT_NONE;
}

static enum fake_fault at_random(struct fake_aws *fake, enum fake_operation operation)
{
    for (enum fake_fault f = FAULT_NONE + 1; f < FAULT_COUNT; f++)
        if (fake->rates[f] > 0 && fake_fault_fits(f, operation) && fake_chance(fake, fake->rates[f]))
            return f;
    return FAULT_NONE;
}

enum fake_fault fake_fault_choose(struct fake_aws *fake, enum fake_operation operation, const struct fake_shard *shard)
{
    enum fake_fault fault = scripted(fake, operation, shard);

    if (fault == FAULT_NONE)
        fault = at_random(fake, operation);
    fake->fault_counts[fault]++;
    return fault;
}

void fake_fault_next(struct fake_aws *fake, enum fake_operation operation, struct fake_shard *shard, enum fake_fault fault, unsigned count)
{
    if (operation != FAKE_ANY_OPERATION && !fake_fault_fits(fault, operation))
        panic("fault %s does not fit that operation", faults[fault].name);
    fake->scripts = memory_resize(fake->scripts, (fake->script_count + 1) * sizeof(*fake->scripts));
    fake->scripts[fake->script_count++] = (struct fake_script){operation, shard, fault, count};
}

void fake_fault_rate(struct fake_aws *fake, enum fake_fault fault, unsigned per_10000)
{
    fake->rates[fault] = per_10000;
}

void fake_faults_off(struct fake_aws *fake)
{
    memset(fake->rates, 0, sizeof(fake->rates));
    fake->script_count = 0;
}

uint64_t fake_fault_count(const struct fake_aws *fake, enum fake_fault fault)
{
    return fake->fault_counts[fault];
}

/* ---- damage ---- */

/* The answer may point into a prepared page: what is changed is a copy. */
static void own_body(struct fake_answer *answer)
{
    struct buffer copy = {0};

    if (answer->body.ptr == answer->memory.ptr)
        return;
    buffer_append(&copy, answer->body);
    buffer_fini(&answer->memory);
    answer->memory = copy;
}

static void replace_body(struct fake_answer *answer, const char *text)
{
    buffer_reset(&answer->memory);
    buffer_append_text(&answer->memory, text);
    answer->body = buffer_slice(&answer->memory);
}

static void garble(struct fake_call *call)
{
    buffer_reset(&call->answer->memory);
    for (int i = 0; i < 64; i++)
        buffer_append_byte(&call->answer->memory, (char)random_below(&call->fake->random, 256));
    call->answer->body = buffer_slice(&call->answer->memory);
    call->answer->crc32 = crc32_of(call->answer->body);
}

static void turn_a_bit(struct fake_call *call)
{
    struct fake_answer *answer = call->answer;

    own_body(answer);
    answer->memory.ptr[random_below(&call->fake->random, answer->memory.len)] ^= 1;
    answer->body = buffer_slice(&answer->memory);
}

/* Blanks where JSON allows them: around every mark outside strings, but not within records, whose text is the truth. */
static void append_blanks(struct buffer *out, struct slice text, int deepest)
{
    bool quoted = false;
    int depth = 0;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool mark = !quoted && strchr("{}[],:", c) != NULL;

        if (mark && depth <= deepest)
            buffer_append_text(out, " ");
        buffer_append_byte(out, c);
        depth += mark ? (c == '{' || c == '[') - (c == '}' || c == ']') : 0;
        if (mark && depth <= deepest)
            buffer_append_text(out, "\r\n\t");
        if (quoted && c == '\\')
            buffer_append_byte(out, text.ptr[++i]);
        else if (c == '"')
            quoted = !quoted;
    }
}

static void spread(struct fake_call *call)
{
    struct fake_answer *answer = call->answer;
    struct buffer out = {0};

    append_blanks(&out, answer->body, call->operation == FAKE_GET_RECORDS ? 2 : 64);
    buffer_fini(&answer->memory);
    answer->memory = out;
    answer->body = buffer_slice(&answer->memory);
    answer->crc32 = crc32_of(answer->body);
}

void fake_fault_damage(struct fake_call *call)
{
    struct fake_answer *answer = call->answer;

    switch (call->fault) {
    case FAULT_CUT_JSON:
        answer->body.len /= 2;
        answer->crc32 = crc32_of(answer->body);
        break;
    case FAULT_CUT_BODY:
        answer->lost = true;
        answer->cut_bytes = answer->body.len / 2;
        break;
    case FAULT_WRONG_CRC:
        turn_a_bit(call);
        break;
    case FAULT_GARBAGE:
        garble(call);
        break;
    case FAULT_HTML_503:
        answer->status = 503;
        answer->html = true;
        answer->has_crc32 = false;
        replace_body(answer, "<html><body><b>Http/1.1 Service Unavailable</b></body></html>");
        break;
    case FAULT_STALLED:
        answer->delay_ms = call->fake->options.slow_ms;
        answer->lost = true;
        break;
    case FAULT_LOST_REQUEST:
    case FAULT_LOST_REPLY:
        answer->lost = true;
        break;
    case FAULT_SLOW:
        answer->delay_ms = call->fake->options.slow_ms;
        break;
    case FAULT_BLANKS:
        spread(call);
        break;
    default:
        break;
    }
}
