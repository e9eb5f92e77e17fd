// SPDX-License-Identifier: GPL-2.0-or-later
/* What is taken off a log line, in every form it comes in, and pstore's parts put in order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "snapshot.h"
#include "source/text_lines.h"

struct line_case {
	const char *line, *message;
	uint64_t time_us;
	char caller;
	uint32_t caller_id;
};

#define NT SNAPSHOT_NO_TIME

static void test_prefixes(void **state)
{
	static const struct line_case cases[] = {
		{ "plain words", "plain words", NT, 0, 0 },
		{ "[    1.000002] words", "words", 1000002, 0, 0 },
		{ "[12345.678901][  T123] words", "words", 12345678901, 'T', 123 },
		{ "[   12.000000][    C3]  indented", "indented", 12000000, 'C', 3 },
		{ "[    T7] words", "words", NT, 'T', 7 },
		{ "<6>[    5.500000] words", "words", 5500000, 0, 0 },
		{ "<6>words", "words", NT, 0, 0 },
		{ "Oct  7 15:14:11 nas kernel: [63260.309614] words", "words", 63260309614, 0, 0 },
		{ "Oct  7 15:14:11 nas kernel: words", "words", NT, 0, 0 },
		{ "2026-01-02T03:04:05.123456+00:00 nas kernel: [    7.000001] words", "words",
		  7000001, 0, 0 },
		{ "2026-01-02T03:04:05+0100 nas kernel: words", "words", NT, 0, 0 },
		{ "2026-01-02T03:04:05,123456+00:00 words", "words", NT, 0, 0 },
		{ "[   12.345678] nas kernel: words", "words", 12345678, 0, 0 },
		{ "[Mon Nov 23 01:02:03 2026] words", "words", NT, 0, 0 },
		{ "[2026-11-23 01:02:03] [    7.000001] words", "words", 7000001, 0, 0 },
		{ "kern  :err   : [    7.000001] words", "words", 7000001, 0, 0 },
		{ "6,416,1758426,-;words", "words", 1758426, 0, 0 },
		{ "6,416,1758426,-,caller=T12;words", "words", 1758426, 'T', 12 },
		{ "6.1.0,4,9,77,-;words", "words", 77, 0, 0 },
		{ "May 25 07:29:42 box 0,16627,40311,-,caller=C0;words", "words", 40311, 'C', 0 },
		{ "May 25 07:29:42 box [    7.000001] words", "words", 7000001, 0, 0 },
		{ " kernel:[    7.000001] words", "words", 7000001, 0, 0 },
		{ "> [    7.000001] words", "words", 7000001, 0, 0 },
		{ "> > [    7.000001] words", "words", 7000001, 0, 0 },
		{ "[    0.000001@2] words", "words", 1, 0, 0 },
		{ "\033[31m[    7.000001]\033[0m words\033[1m", "words", 7000001, 0, 0 },
		{ "[    7.000001] words \r", "words", 7000001, 0, 0 },
		/* What looks like a prefix and is none. */
		{ "[<ffffffff81000000>] f+0x1/0x2", "[<ffffffff81000000>] f+0x1/0x2", NT, 0, 0 },
		{ "<IRQ>  [<ffffffff81000000>] f+0x1/0x2", "<IRQ>  [<ffffffff81000000>] f+0x1/0x2", NT,
		  0, 0 },
		{ "3 locks held by a/1:", "3 locks held by a/1:", NT, 0, 0 },
		{ "the kernel: words", "the kernel: words", NT, 0, 0 },
		{ "[ INFO: possible recursive locking detected ]",
		  "[ INFO: possible recursive locking detected ]", NT, 0, 0 },
		{ "", "", NT, 0, 0 },
		{ "   ", "", NT, 0, 0 },
		{ "[99999999999999999999.000000] words", "[99999999999999999999.000000] words", NT, 0,
		  0 },
	};
	char scratch[TEXT_LINE_MAX];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct line_case *c = &cases[i];
		struct text_line line;
		size_t n;

		text_line_parse(c->line, c->line + strlen(c->line), scratch, &line);
		n = (size_t)(line.end - line.p);
		if (n != strlen(c->message) || memcmp(line.p, c->message, n) != 0)
			fail_msg("\"%s\": \"%.*s\"", c->line, (int)n, line.p);
		if (line.time_us != c->time_us || line.caller != c->caller ||
		    line.caller_id != c->caller_id)
			fail_msg("\"%s\": time %llu caller %c%u", c->line,
				 (unsigned long long)line.time_us, line.caller ? line.caller : '-',
				 line.caller_id);
	}
}

/* Every beginning of a line is a line, too. */
static void test_truncated(void **state)
{
	static const char text[] = "<6>Oct  7 15:14:11 nas kernel: [63260.309614][  T12] \033[1mwords";
	char scratch[TEXT_LINE_MAX], copy[sizeof(text)];

	for (size_t n = 0; n < sizeof(text); n++) {
		struct text_line line;

		memcpy(copy, text, n);
		text_line_parse(copy, copy + n, scratch, &line);
		assert_true(line.p <= line.end);
		assert_true((size_t)(line.end - line.p) <= n);
	}
}

static void test_overlong(void **state)
{
	size_t n = TEXT_LINE_MAX * 3;
	char *text = malloc(n), *scratch = malloc(TEXT_LINE_MAX);
	struct text_line line;

	assert_non_null(text);
	assert_non_null(scratch);
	memset(text, 'x', n);
	text_line_parse(text, text + n, scratch, &line);
	assert_int_equal(line.end - line.p, TEXT_LINE_MAX);
	memset(text, 1, n); /* control characters alone */
	text_line_parse(text, text + n, scratch, &line);
	assert_int_equal(line.end - line.p, 0);
	free(text);
	free(scratch);
}

static void test_parts(void **state)
{
	static const char newest_first[] = "Panic#2 Part1\nlast\nPanic#2 Part2\nmiddle\n"
					   "Panic#2 Part3\nfirst";
	static const char in_order[] = "Panic#2 Part2\na\nPanic#2 Part1\nb\n";
	const char *a, *b, *c;
	size_t n;
	char *text;

	assert_int_equal(text_parts_order(newest_first, strlen(newest_first), &text, &n), 0);
	assert_non_null(text);
	text = realloc(text, n + 1);
	assert_non_null(text);
	text[n] = '\0';
	a = strstr(text, "first\n");
	b = strstr(text, "middle\n");
	c = strstr(text, "last\n");
	assert_non_null(a);
	assert_non_null(b);
	assert_non_null(c);
	assert_true(a < b && b < c);
	free(text);
	assert_int_equal(text_parts_order(in_order, strlen(in_order), &text, &n), 0);
	assert_null(text);
	assert_int_equal(text_parts_order("no parts\n", 9, &text, &n), 0);
	assert_null(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_overlong),
		cmocka_unit_test(test_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
