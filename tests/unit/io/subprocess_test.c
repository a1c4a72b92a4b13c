/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include "base/clock.h"
#include "base/memory.h"
#include "io/subprocess.h"

#include <errno.h>
#include <fcntl.h>
#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

struct outcome {
    int count;
    bool exited;
    int status;
    char failure[100];
    char output[1000];
    char error_text[4000];
};

static void on_done(void *context, const struct subprocess_result *r)
{
    struct outcome *o = context;

    o->count++;
    o->exited = r->exited;
    o->status = r->status;
    snprintf(o->failure, sizeof(o->failure), "%s", r->failure ? r->failure : "");
    snprintf(o->output, sizeof(o->output), "%.*s", SLICE_ARG(r->output));
    snprintf(o->error_text, sizeof(o->error_text), "%.*s", SLICE_ARG(r->error_text));
}

static struct outcome run_with(const struct subprocess_options *options)
{
    struct outcome o = {0};
    struct error err;
    struct loop *loop = loop_new(&err);
    struct subprocess *s = subprocess_new(loop, options, on_done, &o, &err);

    if (s == NULL)
        fail_msg("%s", err.text);
    assert_int_equal(o.count, 0);
    for (int64_t end = clock_now().mono_ms + 10000; o.count == 0 && clock_now().mono_ms < end;)
        loop_wait(loop, 100);
    assert_int_equal(o.count, 1);
    subprocess_free(s);
    loop_free(loop);
    assert_true(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD); /* no zombie */
    return o;
}

static struct outcome run_words(const char *const *words, int64_t timeout_ms)
{
    return run_with(&(struct subprocess_options){.argv = (char *const *)(uintptr_t)words, .timeout_ms = timeout_ms, .output_max = 100});
}

static struct outcome run(const char *script, int64_t timeout_ms)
{
    const char *const words[] = {"sh", "-c", script, NULL};

    return run_words(words, timeout_ms);
}

static void output_and_status_are_handed_over(void **state)
{
    struct outcome o = run("echo out; echo err >&2; exit 3", 10000);

    (void)state;
    assert_true(o.exited);
    assert_int_equal(o.status, 3);
    assert_string_equal(o.output, "out\n");
    assert_string_equal(o.error_text, "err\n");
    o = run("exec >&- 2>&-; sleep 0.1; exit 0", 10000); /* both pipes end before the program does */
    assert_true(o.exited && o.status == 0);
}

/* No shell in between: some put the signals right themselves. */
static void a_program_has_nothing_of_ours(void **state)
{
    static const char *const files[] = {"ls", "/proc/self/fd", NULL};
    static const char *const signals[] = {"sed", "-n", "s/Sig\\(Blk\\|Ign\\).*\\(....\\)$/\\1 \\2/p", "/proc/self/status", NULL};
    static const char *const input[] = {"cat", NULL};
    int ours = dup(STDIN_FILENO); /* without FD_CLOEXEC */
    sigset_t set;
    sigset_t old;

    (void)state;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, &old);
    signal(SIGPIPE, SIG_IGN);
    assert_string_equal(run_words(files, 10000).output, "0\n1\n2\n3\n"); /* 3 is ls's own */
    assert_string_equal(run_words(signals, 10000).output, "Blk 0000\nIgn 0000\n"); /* SIGPIPE would be 1000, SIGTERM 4000 */
    assert_string_equal(run_words(input, 10000).output, "");
    sigprocmask(SIG_SETMASK, &old, NULL);
    close(ours);
}

static void time_and_output_are_bounded(void **state)
{
    static const struct {
        const char *script;
        const char *failure;
    } cases[] = {
        {"sleep 60", "did not end in time"},
        {"trap '' TERM; sleep 60 & sleep 60", "did not end in time"}, /* its children, too */
        {"sleep 60 & exit 0", "did not end in time"},                 /* a child keeps the pipe */
        {"head -c 1000 /dev/zero", "more than is expected"},
        {"yes", "more than is expected"},
        {"kill -9 $$", "killed by a signal"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct outcome o = run(cases[i].script, 300);

        if (o.exited || strstr(o.failure, cases[i].failure) == NULL)
            fail_msg("%s: %s", cases[i].script, o.failure);
    }
}

static void a_long_complaint_is_cut_not_refused(void **state)
{
    struct outcome o = run("head -c 100000 /dev/zero | tr '\\0' x >&2; echo fine", 10000);

    (void)state;
    assert_true(o.exited);
    assert_string_equal(o.output, "fine\n");
    assert_int_equal(strlen(o.error_text), 2048);
}

static void a_program_that_is_not_there_is_told(void **state)
{
    char name[] = "/nowhere/at/all";
    char *const argv[] = {name, NULL};
    struct error err;
    struct loop *loop = loop_new(&err);

    (void)state;
    assert_null(subprocess_new(loop, &(struct subprocess_options){.argv = argv, .timeout_ms = 1000, .output_max = 100}, on_done, NULL, &err));
    assert_string_equal(err.text, "cannot run \"/nowhere/at/all\": No such file or directory");
    loop_free(loop);
}

/* The script with that input and environment. */
static struct outcome run_given(const char *script, struct slice input, const char *const *environment)
{
    const char *const words[] = {"/bin/sh", "-c", script, NULL};

    return run_with(&(struct subprocess_options){.argv = (char *const *)(uintptr_t)words, .environment = (char *const *)(uintptr_t)environment, .input = input,
                                                 .timeout_ms = 10000, .output_max = 100});
}

static void input_is_whole_and_need_not_be_read(void **state)
{
    static const char *const environment[] = {"A=1\n2", NULL};
    char *large = memory_zeroed(1, 1 << 20);
    struct outcome o;

    (void)state;
    memset(large, 'x', 1 << 20);
    o = run_given("sleep 0.1; wc -c", slice_from(large, 1 << 20), NULL);
    assert_string_equal(o.output, "1048576\n");
    o = run_given("exit 3", slice_from(large, 1 << 20), NULL); /* nobody reads it */
    assert_true(o.exited && o.status == 3);
    o = run_given("echo more >&0 || wc -c", slice_from(large, 1 << 20), NULL); /* nor can it be written to */
    assert_string_equal(o.output, "1048576\n");
    o = run_given("exec <&-; sleep 0.1; echo fine", slice_from(large, 1 << 20), NULL);
    assert_true(o.exited && o.status == 0);
    o = run_given("/bin/cat; echo \"[$A][$HOME]\"", slice_from("a\0b\n", 4), environment);
    assert_true(memcmp(o.output, "a", 2) == 0 && o.exited); /* the NUL ends our text */
    o = run_given("/bin/cat; echo \"[$A][$HOME]\"", SLICE(""), environment);
    assert_string_equal(o.output, "[1\n2][]\n");
    free(large);
}

static size_t descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    size_t count = 0;

    assert_non_null(folder);
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

/* A consumer starts one for each message. */
static void no_descriptor_stays_open(void **state)
{
    const size_t before = descriptors();
    char *const nowhere[] = {(char *)(uintptr_t) "/nowhere/at/all", NULL};
    struct error err;
    struct loop *loop;

    (void)state;
    for (int i = 0; i < 5; i++)
        assert_true(run_given("exit 0", SLICE("x"), NULL).exited);
    loop = loop_new(&err);
    assert_null(subprocess_new(loop, &(struct subprocess_options){.argv = nowhere, .input = SLICE("x"), .timeout_ms = 1000}, on_done, NULL, &err));
    loop_free(loop);
    assert_int_equal(descriptors(), before);
}

static void output_may_be_ours(void **state)
{
    static const char *const words[] = {"sh", "-c", "echo out; echo err >&2; sleep 60 & exit 7", NULL}; /* the child is not waited for */
    char text[20] = {0};
    int pair[2];
    int out = dup(STDOUT_FILENO);
    int err = dup(STDERR_FILENO);
    struct outcome o;

    (void)state;
    assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
    dup2(pair[1], STDOUT_FILENO);
    dup2(pair[1], STDERR_FILENO);
    o = run_with(&(struct subprocess_options){.argv = (char *const *)(uintptr_t)words, .inherit = true});
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    assert_true(read(pair[0], text, sizeof(text) - 1) > 0);
    assert_string_equal(text, "out\nerr\n");
    assert_true(o.exited && o.status == 7 && o.output[0] == '\0');
    close(pair[0]);
    close(pair[1]);
    close(out);
    close(err);
}

static void grace_comes_before_the_end(void **state)
{
    static const struct {
        const char *script;
        const char *output;
    } cases[] = {
        {"trap 'echo bye; exit 0' TERM; echo hello; while :; do sleep 0.05; done", "hello\nbye\n"},
        {"trap '' TERM; echo hello; while :; do sleep 0.05; done", "hello\n"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *const words[] = {"sh", "-c", cases[i].script, NULL};
        int64_t began_ms = clock_now().mono_ms;
        struct outcome o = run_with(&(struct subprocess_options){.argv = (char *const *)(uintptr_t)words, .timeout_ms = 500, .grace_ms = i == 0 ? 9000 : 300,
                                                                 .output_max = 100});

        assert_true(!o.exited && clock_now().mono_ms - began_ms < 8000);
        assert_string_equal(o.failure, "it did not end in time, and was killed");
        assert_string_equal(o.output, cases[i].output);
    }
}

static void it_may_be_told_to_end(void **state)
{
    static const char *const words[] = {"sh", "-c", "trap '' TERM; sleep 60 & sleep 60", NULL};
    struct outcome o = {0};
    struct error err;
    struct loop *loop = loop_new(&err);
    struct subprocess *s = subprocess_new(
        loop, &(struct subprocess_options){.argv = (char *const *)(uintptr_t)words, .grace_ms = 200, .output_max = 100}, on_done, &o, &err);

    (void)state;
    assert_non_null(s);
    subprocess_end(s, "enough");
    subprocess_end(s, "really");
    for (int64_t end = clock_now().mono_ms + 10000; o.count == 0 && clock_now().mono_ms < end;)
        loop_wait(loop, 100);
    assert_string_equal(o.failure, "enough");
    subprocess_free(s);
    loop_free(loop);
}

/* Whoever has its own watch in the loop may call in the turn in which it ended: its process id is somebody else's by then. */
static void the_end_of_what_has_ended_is_nothing(void **state)
{
    static const char *const words[] = {"true", NULL};
    struct outcome o = {0};
    struct error err;
    struct loop *loop = loop_new(&err);
    struct subprocess *s = subprocess_new(
        loop, &(struct subprocess_options){.argv = (char *const *)(uintptr_t)words, .grace_ms = 200, .output_max = 100}, on_done, &o, &err);

    (void)state;
    assert_non_null(s);
    for (int64_t end = clock_now().mono_ms + 10000; o.count == 0 && clock_now().mono_ms < end;)
        loop_wait(loop, 100);
    subprocess_end(s, "too late");
    loop_wait(loop, 0);
    assert_int_equal(o.count, 1);
    assert_string_equal(o.failure, "");
    subprocess_free(s);
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(output_and_status_are_handed_over),
        cmocka_unit_test(a_program_has_nothing_of_ours),
        cmocka_unit_test(time_and_output_are_bounded),
        cmocka_unit_test(a_long_complaint_is_cut_not_refused),
        cmocka_unit_test(a_program_that_is_not_there_is_told),
        cmocka_unit_test(input_is_whole_and_need_not_be_read),
        cmocka_unit_test(no_descriptor_stays_open),
        cmocka_unit_test(output_may_be_ours),
        cmocka_unit_test(grace_comes_before_the_end),
        cmocka_unit_test(it_may_be_told_to_end),
        cmocka_unit_test(the_end_of_what_has_ended_is_nothing),
    };

    return cmocka_run_group_tests_name("subprocess", tests, NULL, NULL);
}
