// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>

#include <cmocka.h>

#include "render/escape.h"
#include "render/render.h"
#include "render_fixture.h"

/*
 * Verdicts made by hand, against texts written by hand from the description of the layout at the
 * top of render/text.c, graph.c and stacks.c: tests/data/render/.
 */

#define DATA "tests/data/render/"

static char *text_of(const struct fixture *f, const struct render_options *options, int *ret_r)
{
	char *text = NULL;
	size_t size = 0;
	FILE *file = open_memstream(&text, &size);

	assert_non_null(file);
	*ret_r = render_text(&f->s, &f->v, options, file);
	fclose(file);
	return text;
}

static char *file_read(const char *path)
{
	FILE *file = fopen(path, "r");
	char *text = calloc(1, 65536);

	if (!file)
		fail_msg("%s: %s", path, strerror(errno));
	assert_non_null(text);
	assert_true(fread(text, 1, 65535, file) > 0);
	fclose(file);
	return text;
}

static void check_golden(const struct fixture *f, const struct render_options *options,
			 const char *path)
{
	char *expected = file_read(path);
	int r;
	char *text = text_of(f, options, &r);

	assert_int_equal(r, 0);
	if (strcmp(text, expected) != 0)
		fail_msg("%s differs; rendered:\n%s", path, text);
	free(text);
	free(expected);
}

static void test_text_ipset(void **state)
{
	struct fixture f;

	make_ipset(&f);
	check_golden(&f, NULL, DATA "ipset.txt");
}

static void test_text_cycle(void **state)
{
	struct fixture f;

	make_cycle(&f);
	check_golden(&f, NULL, DATA "cycle.txt");
}

static void test_text_chain(void **state)
{
	struct fixture f;

	make_chain(&f);
	check_golden(&f, NULL, DATA "chain.txt");
}

static void test_text_unknown(void **state)
{
	struct fixture f;

	make_unknown(&f);
	check_golden(&f, NULL, DATA "unknown.txt");
}

static void test_text_empty(void **state)
{
	struct fixture f;

	fixture_init(&f);
	f.s.kind = SOURCE_VMCORE;
	f.s.path = "empty";
	check_golden(&f, NULL, DATA "empty.txt");
}

/* The lockup of make_cycle() is the second one of make_chain()'s source. */
static void test_text_others(void **state)
{
	struct verdict *others[1];
	struct verdict other;
	struct party waiter;
	struct fixture f;

	make_chain(&f);
	fixture_cpu(&f, 5, 300, "other", ROLE_BYSTANDER)->has_stack = true;
	fixture_cpu(&f, 6, 301, "third", ROLE_BYSTANDER)->has_stack = true;
	verdict_blank(&other);
	other.event = EVENT_RCU_STALL;
	other.pattern = PATTERN_UNKNOWN;
	waiter = fixture_party(&f, 1, 0, "lab_other", NULL);
	waiter.frame = SNAPSHOT_NONE;
	other.waiters = &waiter;
	other.n_waiters = 1;
	other.confidence = 0.6;
	other.summary = "CPU 5 waits for a grace period.";
	others[0] = &other;
	f.v.others = others;
	f.v.n_others = 1;
	f.v.n_graph_tasks = 0;
	f.v.n_waiters = 0;
	check_golden(&f, NULL, DATA "others.txt");
}

static void test_view_cpu(void **state)
{
	struct render_options options;
	struct fixture f;
	char *text;
	int r;

	make_ipset(&f);
	render_options_init(&options);
	options.cpu = 7;
	regs_set(&f.cpus[4].regs, REG_IP, 0xffffffffa00c608b);
	regs_set(&f.cpus[4].regs, REG_SP, 0xffff8800283c3878);
	regs_set(&f.cpus[4].regs, REG_FLAGS, 0x246);
	regs_set(&f.cpus[4].regs, REG_X86_R15, 0xffff88082e4cd400);
	f.cpus[4].irqs_off = 0;
	f.cpus[4].has_preempt = true;
	f.cpus[4].preempt_count = 0x301;
	f.cpus[4].nr_running = 2;
	f.cpus[4].stack.frames[0].sp = 0xffff8800283c3878;
	check_golden(&f, &options, DATA "cpu.txt");
	options.cpu = 3;
	text = text_of(&f, &options, &r);
	assert_int_equal(r, -ENOENT);
	assert_string_equal(text, "");
	free(text);
}

static void test_view_ps(void **state)
{
	struct render_options options;
	struct fixture f;

	make_chain(&f);
	f.tasks[2].kthread = true;
	f.tasks[3].pid = SNAPSHOT_NONE;
	f.tasks[3].cpu = SNAPSHOT_NONE;
	f.tasks[3].state = TASK_STATE_UNKNOWN;
	f.tasks[3].comm = NULL;
	render_options_init(&options);
	options.ps = true;
	check_golden(&f, &options, DATA "ps.txt");
}

static void test_view_log(void **state)
{
	struct render_options options;
	struct fixture f;
	char *text;
	int r;

	make_chain(&f);
	render_options_init(&options);
	options.log = true;
	text = text_of(&f, &options, &r);
	assert_int_equal(r, -ENOENT);
	free(text);
	f.s.log = "[1.0] one\ttab\n[2.0] \033[2Jtwo\r\n[3.0] no end";
	f.s.log_size = strlen(f.s.log);
	text = text_of(&f, &options, &r);
	assert_int_equal(r, 0);
	assert_string_equal(text, "[1.0] one\ttab\n[2.0] \\x1b[2Jtwo\\x0d\n[3.0] no end\n");
	free(text);
}

static void check_harmless(const char *text)
{
	assert_non_null(strstr(text, "EVIL"));
	for (const char *s = text; *s; s++) {
		if (*s != '\n' && ((unsigned char)*s < 0x20 || (unsigned char)*s >= 0x7f))
			fail_msg("byte 0x%02x in: %.60s", (unsigned char)*s,
				 s - text > 20 ? s - 20 : text);
	}
	/* A newline of the source's would begin a line with what follows it there. */
	assert_null(strstr(text, "\nfake"));
}

static void test_escape_injection(void **state)
{
	const char *evil = "EVIL\033]0;x\007\033[31m\nfake\r\x9b\xc2\x9b\xe2\x80\xae\x7f\b";
	struct render_options options;
	struct fixture f;
	char *text;
	int r;

	make_hostile(&f, evil);
	render_options_init(&options);
	for (int i = 0; i < 3; i++) {
		options.all_stacks = i == 0;
		options.cpu = i == 1 ? 7 : SNAPSHOT_NONE;
		options.ps = i == 2;
		text = text_of(&f, &options, &r);
		assert_int_equal(r, 0);
		check_harmless(text);
		free(text);
	}
}

static void test_text_escape(void **state)
{
	static const struct {
		const char *in, *out;
		bool multiline;
	} cases[] = {
		{ "plain (1)", "plain (1)", false },
		{ "gr\xc3\xbc\xc3\x9f \xe2\x86\x92 \xf0\x9f\x94\x92",
		  "gr\xc3\xbc\xc3\x9f \xe2\x86\x92 \xf0\x9f\x94\x92", false },
		{ "a\nb\tc", "a\\nb\\tc", false },
		{ "a\nb\tc", "a\nb\tc", true },
		{ "\033[0m", "\\x1b[0m", true },
		{ "\x7f\xc2\x85", "\\x7f\\xc2\\x85", true },	       /* DEL, C1 next line */
		{ "\xe2\x80\xaetxt", "\\xe2\\x80\\xaetxt", false },    /* right-to-left override */
		{ "\xc0\x9b", "\\xc0\\x9b", false },		       /* overlong ESC */
		{ "\xed\xa0\x80", "\\xed\\xa0\\x80", false },	       /* a surrogate */
		{ "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80", false }, /* past U+10FFFF */
		{ "cut \xe2\x86", "cut \\xe2\\x86", false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *out = text_escape(cases[i].in, strlen(cases[i].in), cases[i].multiline);

		assert_non_null(out);
		assert_string_equal(out, cases[i].out);
		free(out);
	}
}

/* Colours are modest and always taken back; without them the text is the same. */
static void test_color(void **state)
{
	struct render_options options;
	struct fixture f;
	char *plain, *colored, *out;
	int r;

	make_ipset(&f);
	render_options_init(&options);
	plain = text_of(&f, &options, &r);
	assert_int_equal(r, 0);
	options.color = true;
	colored = text_of(&f, &options, &r);
	assert_int_equal(r, 0);
	assert_non_null(strstr(colored, "\033[1m"));
	out = colored;
	for (const char *s = colored; *s;) {
		if (*s == '\033')
			s += strcspn(s, "m") + 1;
		else
			*out++ = *s++;
	}
	*out = '\0';
	assert_string_equal(plain, colored);
	free(plain);
	free(colored);
}

/* A loop of owners in damaged memory must not be followed for ever. */
static void test_owner_loop(void **state)
{
	struct fixture f;
	char *text;
	int r;

	make_chain(&f);
	f.locks[0].owner_pid = 112;
	f.waiters[3].pid = 111;
	f.locks[1].owner_pid = 111; /* two waits for one, who waits for two */
	f.v.has_holder = false;
	text = text_of(&f, NULL, &r);
	assert_int_equal(r, 0);
	assert_non_null(strstr(text, "one (111)"));
	assert_non_null(strstr(text, "two (112)"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_ipset),  cmocka_unit_test(test_text_cycle),
		cmocka_unit_test(test_text_chain),  cmocka_unit_test(test_text_unknown),
		cmocka_unit_test(test_text_empty),  cmocka_unit_test(test_text_others),
		cmocka_unit_test(test_view_cpu),    cmocka_unit_test(test_view_ps),
		cmocka_unit_test(test_view_log),    cmocka_unit_test(test_escape_injection),
		cmocka_unit_test(test_text_escape), cmocka_unit_test(test_owner_loop),
		cmocka_unit_test(test_color),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
