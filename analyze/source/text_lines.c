// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What may stand before a message, in the order in which it is taken off:
 *
 *   > |				quoting
 *   <6>				printk level
 *   kern  :info  :			dmesg -x
 *   6,416,1758426,-,caller=T12;	netconsole extended, /dev/kmsg (seconds in us, third)
 *   Oct  7 15:14:11 host kernel:	syslog; with an ISO date: rsyslog, journalctl -o short-iso
 *   2026-11-23T01:02:03,123456+00:00	dmesg --time-format iso
 *   [   12.345678]			printk time, also journalctl -o short-monotonic
 *   [Mon Nov 23 01:02:03 2026]	dmesg -T, and what serial loggers add
 *   [  T123] [    C3]			CONFIG_PRINTK_CALLER
 */
#include "source/text_lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "snapshot.h"

#define SYSLOG_PREFIX_MAX 120 /* a date, a host's name and "kernel:" */
#define PARTS_MAX 1024

struct piece {
	const char *p, *end;
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool eat(struct piece *s, const char *literal)
{
	size_t n = strlen(literal);

	if ((size_t)(s->end - s->p) < n || memcmp(s->p, literal, n) != 0)
		return false;
	s->p += n;
	return true;
}

static bool eat_number(struct piece *s, uint64_t *ret)
{
	const char *start = s->p;
	uint64_t v = 0;

	for (; s->p < s->end && is_digit(*s->p); s->p++)
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*s->p - '0'), &v))
			return false;
	if (s->p == start)
		return false;
	*ret = v;
	return true;
}

static void eat_blanks(struct piece *s)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\t'))
		s->p++;
}

static bool eat_level(struct piece *t)
{
	struct piece s = *t;
	uint64_t level;

	if (s.p == s.end || *s.p != '<' || !eat(&s, "<") || !eat_number(&s, &level) ||
	    level > 255 || !eat(&s, ">"))
		return false;
	*t = s;
	return true;
}

/* "[   12.345678]"; vendors put the CPU inside as well: "[   12.345678@2]", "[   12.345678,2]". */
static bool eat_time(struct piece *t, uint64_t *ret_us)
{
	struct piece s = *t;
	uint64_t seconds, micros, cpu;
	const char *digits;

	s.p++;
	eat_blanks(&s);
	if (!eat_number(&s, &seconds) || !eat(&s, "."))
		return false;
	digits = s.p;
	if (!eat_number(&s, &micros) || s.p - digits != 6)
		return false;
	if ((eat(&s, "@") || eat(&s, ",")) && !eat_number(&s, &cpu))
		return false;
	if (!eat(&s, "]") || __builtin_mul_overflow(seconds, 1000000, &seconds) ||
	    __builtin_add_overflow(seconds, micros, ret_us))
		return false;
	*t = s;
	return true;
}

/* "[  T123]", "[    C3]" */
static bool eat_caller(struct piece *t, struct text_line *line)
{
	struct piece s = *t;
	uint64_t id;
	char kind;

	s.p++;
	eat_blanks(&s);
	if (s.p == s.end || (*s.p != 'T' && *s.p != 'C'))
		return false;
	kind = *s.p++;
	if (!eat_number(&s, &id) || id >= SNAPSHOT_NONE || !eat(&s, "]"))
		return false;
	line->caller = kind;
	line->caller_id = (uint32_t)id;
	*t = s;
	return true;
}

/* "[Mon Nov 23 01:02:03 2026]", "[2026-11-23 01:02:03]": it has a clock time with two colons. */
static bool eat_date(struct piece *t)
{
	size_t left = (size_t)(t->end - t->p), n;
	const char *close = memchr(t->p, ']', left < 48 ? left : 48);
	unsigned int colons = 0;

	if (!close)
		return false;
	n = (size_t)(close - t->p);
	for (size_t i = 1; i + 1 < n; i++)
		colons += t->p[i] == ':' && is_digit(t->p[i - 1]) && is_digit(t->p[i + 1]);
	if (colons < 2)
		return false;
	t->p = close + 1;
	return true;
}

/* "2026-11-23T01:02:03,123456+00:00 " alone, as dmesg --time-format iso has it. */
static bool eat_iso(struct piece *t)
{
	const char *blank;

	if (t->end - t->p < 20 || !is_digit(t->p[0]) || t->p[4] != '-' || t->p[7] != '-' ||
	    (t->p[10] != 'T' && t->p[10] != ' ') || t->p[13] != ':' || t->p[16] != ':')
		return false;
	blank = memchr(t->p + 17, ' ', (size_t)(t->end - t->p - 17));
	if (!blank || blank - t->p > 40)
		return false;
	t->p = blank + 1;
	return true;
}

/* "Oct  7 15:14:11 nas kernel: ", "2026-… nas kernel[123]: ", "nas kernel: " after a clock. */
static bool eat_syslog(struct piece *t, bool has_clock)
{
	size_t n = (size_t)(t->end - t->p);
	bool digit = has_clock;
	const char *k;

	if (n > SYSLOG_PREFIX_MAX)
		n = SYSLOG_PREFIX_MAX;
	for (k = t->p; (k = memmem(k, n - (size_t)(k - t->p), "kernel", 6)); k++) {
		struct piece s = { k + 6, t->end };
		uint64_t pid;

		if (k > t->p && k[-1] != ' ' && k[-1] != '[')
			continue;
		if (eat(&s, "[") && (!eat_number(&s, &pid) || !eat(&s, "]")))
			continue;
		if (!eat(&s, ":"))
			continue;
		/* A date stands before it, so a digit. */
		for (const char *p = t->p; p < k && !digit; p++)
			digit = is_digit(*p);
		if (!digit)
			return false;
		eat(&s, " ");
		*t = s;
		return true;
	}
	return false;
}

/*
 * "May 25 07:29:42 box " before a record or a printk time: what receives netconsole adds the date and
 * no "kernel:".
 */
static bool eat_receiver(struct piece *t)
{
	const char *p = t->p, *end = t->end, *host;

	if (end - p < 20 || p[3] != ' ' || p[6] != ' ' || p[9] != ':' || p[12] != ':' || p[15] != ' ' ||
	    !is_digit(p[5]) || !is_digit(p[7]) || !is_digit(p[14]))
		return false;
	host = memchr(p + 16, ' ', (size_t)(end - p - 16));
	if (!host || host - p > 80 || end - host < 2 ||
	    (!is_digit(host[1]) && host[1] != '[' && host[1] != '<'))
		return false;
	t->p = host + 1;
	return true;
}

/* "kern  :info  : [" */
static bool eat_facility(struct piece *t)
{
	struct piece s = *t;

	if (!eat(&s, "kern") && !eat(&s, "user") && !eat(&s, "daemon"))
		return false;
	eat_blanks(&s);
	if (!eat(&s, ":"))
		return false;
	while (s.p < s.end && *s.p >= 'a' && *s.p <= 'z')
		s.p++;
	eat_blanks(&s);
	if (!eat(&s, ":"))
		return false;
	eat_blanks(&s);
	*t = s;
	return true;
}

/* "6,416,1758426,-;", with ",caller=T12" or ",ncfrag=0/33" before the semicolon; "6.1.0,6,…" too. */
static bool eat_record(struct piece *t, struct text_line *line)
{
	struct piece s = *t, head;
	uint64_t level, seq, us;
	const char *semicolon, *caller;
	size_t n = (size_t)(s.end - s.p);

	if (n < 8 || !is_digit(*s.p))
		return false;
	semicolon = memchr(s.p, ';', n < 96 ? n : 96);
	if (!semicolon)
		return false;
	/* netconsole may send the kernel's release first. */
	head = (struct piece){ s.p, semicolon };
	if (!eat_number(&head, &level) || !eat(&head, ",")) {
		head.p = memchr(s.p, ',', (size_t)(semicolon - s.p));
		if (!head.p)
			return false;
		head.p++;
		if (!eat_number(&head, &level) || !eat(&head, ","))
			return false;
	}
	if (!eat_number(&head, &seq) || !eat(&head, ",") || !eat_number(&head, &us) ||
	    !eat(&head, ","))
		return false;
	line->time_us = us;
	caller = memmem(head.p, (size_t)(head.end - head.p), "caller=", 7);
	if (caller && head.end - caller > 8 && (caller[7] == 'T' || caller[7] == 'C')) {
		struct piece id = { caller + 8, head.end };

		if (eat_number(&id, &us) && us < SNAPSHOT_NONE) {
			line->caller = caller[7];
			line->caller_id = (uint32_t)us;
		}
	}
	t->p = semicolon + 1;
	return true;
}

/* Mail and wiki quoting; no message begins with these. */
static bool eat_quote(struct piece *t)
{
	const char *start = t->p;

	while (t->p < t->end && (*t->p == '>' || *t->p == '|') && t->end - t->p > 1 &&
	       (t->p[1] == ' ' || t->p[1] == '>' || t->p[1] == '|' || t->p[1] == '['))
		t->p += t->p[1] == ' ' ? 2 : 1;
	return t->p != start;
}

static bool eat_brackets(struct piece *t, struct text_line *line)
{
	uint64_t us;

	if (t->p == t->end || *t->p != '[')
		return false;
	if (eat_time(t, &us)) {
		line->time_us = us;
		return true;
	}
	return eat_caller(t, line) || eat_date(t);
}

static void prefix_eat(struct piece *t, struct text_line *line)
{
	const char *start = t->p;
	bool clock = false;
	struct piece wall;

	/* A pasted log may stand indented; without a prefix the blanks are the message's own. */
	eat_blanks(t);
	/* " kernel:[ 1016.841821] BUG…": what syslogd writes to all terminals. */
	wall = *t;
	if (eat(&wall, "kernel:") && wall.p < wall.end && *wall.p == '[')
		*t = wall;
	for (int i = 0; i < 8 && t->p < t->end; i++) {
		char c = *t->p;
		bool more = false;

		if (c == '[')
			more = eat_brackets(t, line);
		else if (c == '<')
			more = eat_level(t);
		else if (c == '>' || c == '|')
			more = eat_quote(t);
		else if (is_digit(c))
			more = eat_record(t, line) || eat_syslog(t, clock) || eat_iso(t);
		else if (c == ' ' && i == 1 && t->end - t->p > 1 && t->p[1] == '[')
			more = (t->p++, eat_brackets(t, line)) || (t->p--, false);
		else if (c != ' ' && c != '\t')
			more = (i == 0 && eat_facility(t)) || eat_syslog(t, clock) ||
			       (i == 0 && eat_receiver(t));
		if (!more && i == 0)
			t->p = start;
		if (!more)
			break;
		clock |= c == '[' || is_digit(c);
		/* One blank belongs to what stood before it; more are the message's own. */
		if (t->p < t->end && *t->p == ' ')
			t->p++;
	}
}

/* Without ANSI sequences and control characters; the new end. */
static char *line_clean(const char *p, const char *end, char *to)
{
	for (; p < end; p++) {
		unsigned char c = (unsigned char)*p;

		if (c == 033 && end - p > 1 && p[1] == '[') {
			for (p += 2; p < end && !(*p >= '@' && *p <= '~'); p++)
				;
			continue;
		}
		if (c == '\t' || c >= ' ')
			*to++ = *p;
	}
	return to;
}

static bool has_control(const char *p, const char *end)
{
	for (; p < end; p++)
		if ((unsigned char)*p < ' ' && *p != '\t')
			return true;
	return false;
}

void text_line_parse(const char *line, const char *end, char *scratch, struct text_line *ret)
{
	struct piece t = { line, end };

	*ret = (struct text_line){ .time_us = SNAPSHOT_NO_TIME };
	while (t.end > t.p && (t.end[-1] == '\r' || t.end[-1] == ' ' || t.end[-1] == '\t'))
		t.end--;
	if (t.end - t.p > TEXT_LINE_MAX)
		t.end = t.p + TEXT_LINE_MAX;
	if (has_control(t.p, t.end)) {
		t.end = line_clean(t.p, t.end, scratch);
		t.p = scratch;
	}
	prefix_eat(&t, ret);
	while (t.p < t.end && (*t.p == ' ' || *t.p == '\t')) {
		ret->indent++;
		t.p++;
	}
	ret->p = t.p;
	ret->end = t.end;
}

/* --- pstore --- */

struct part {
	const char *p, *end;
	uint64_t record, part;
};

/* "Panic#2 Part3", "Oops#1 Part1"; fs/pstore/platform.c pstore_dump() */
static bool part_header(const char *p, const char *end, struct part *ret)
{
	static const char *const reasons[] = { "Panic#", "Oops#", "Emergency#", "Restart#", "Halt#",
					       "Poweroff#", "Shutdown#", "Unknown#" };
	struct piece s = { p, end };

	for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++)
		if (eat(&s, reasons[i]))
			return eat_number(&s, &ret->record) && eat(&s, " Part") &&
			       eat_number(&s, &ret->part) && s.p == s.end;
	return false;
}

static int part_compare(const void *a, const void *b)
{
	const struct part *x = a, *y = b;

	if (x->record != y->record)
		return x->record < y->record ? -1 : 1;
	/* The highest part is the oldest. */
	return x->part == y->part ? 0 : x->part > y->part ? -1 : 1;
}

int text_parts_order(const char *text, size_t size, char **ret_text, size_t *ret_size)
{
	struct part parts[PARTS_MAX];
	const char *end = text + size, *first = NULL;
	bool ordered = true;
	size_t n = 0;
	char *copy, *to;

	for (const char *p = text; p < end && n < PARTS_MAX;) {
		const char *nl = memchr(p, '\n', (size_t)(end - p)), *stop = nl ? nl : end;
		const char *last = stop > p && stop[-1] == '\r' ? stop - 1 : stop;

		if (part_header(p, last, &parts[n])) {
			if (n)
				parts[n - 1].end = p;
			else
				first = p;
			parts[n].p = p;
			parts[n].end = end;
			if (n && part_compare(&parts[n - 1], &parts[n]) > 0)
				ordered = false;
			n++;
		}
		p = stop + 1;
	}
	*ret_text = NULL;
	*ret_size = 0;
	if (n < 2 || ordered)
		return 0;
	copy = malloc(size + n + 1);
	if (!copy)
		return -ENOMEM;
	qsort(parts, n, sizeof(*parts), part_compare);
	memcpy(copy, text, (size_t)(first - text));
	to = copy + (first - text);
	for (size_t i = 0; i < n; i++) {
		size_t len = (size_t)(parts[i].end - parts[i].p);

		memcpy(to, parts[i].p, len);
		to += len;
		if (len && to[-1] != '\n')
			*to++ = '\n';
	}
	*ret_text = copy;
	*ret_size = (size_t)(to - copy);
	return 0;
}
