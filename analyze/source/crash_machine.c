// SPDX-License-Identifier: GPL-2.0-or-later
#include "source/crash_scan.h"

#include <stdio.h>

#define VALUE_MAX 400

static const char *word_scan(struct scan *x, const char *p, const char **ret_word)
{
	const char *start = p = skip_blanks(p, x->end);

	while (p < x->end && !is_blank(*p) && p - start < VALUE_MAX)
		p++;
	if (!*ret_word && p > start)
		*ret_word = arena_strndup(x->s->arena, start, (size_t)(p - start));
	return p;
}

/* What differs here is another machine: the text holds sessions of two, and the first counts. */
static const char *identity_scan(struct scan *x, const char *p, const char **ret_word)
{
	const char *word = NULL, *next = word_scan(x, p, &word);

	if (!*ret_word)
		*ret_word = word;
	else if (word && strcmp(*ret_word, word) != 0 && x->s->n_tasks)
		x->s->another = true;
	return next;
}

/*
 * What is in quotation marks, or up to the key @stop, which comes next, or else up to the end of the
 * line. Runs of blanks become one: lines may have been wrapped.
 */
static const char *text_scan(struct scan *x, const char *p, const char *stop, const char **ret_text)
{
	const char *start = skip_blanks(p, x->end), *limit, *found;
	char *text;
	size_t n = 0;

	p = start < x->end && *start == '"' ? ++start : start;
	limit = (size_t)(x->end - p) < VALUE_MAX ? x->end : p + VALUE_MAX;
	found = p[-1] == '"' ? memchr(p, '"', (size_t)(limit - p)) : NULL;
	if (!found)
		found = memmem(p, (size_t)(limit - p), stop, strlen(stop));
	if (!found)
		found = memchr(p, '\n', (size_t)(limit - p));
	limit = found ? found : limit;
	text = *ret_text ? NULL : arena_alloc(x->s->arena, (size_t)(limit - start) + 1);
	for (p = start; text && p < limit; p++)
		if (!is_blank(*p))
			text[n++] = *p;
		else if (n && text[n - 1] != ' ')
			text[n++] = ' ';
	if (n && text[n - 1] == ' ')
		text[--n] = '\0';
	if (n)
		*ret_text = text;
	return limit;
}

/* "76 days, 03:30:21", "03:30:21" */
static const char *uptime_scan(struct scan *x, const char *p)
{
	unsigned int days = 0, h, m, s;
	char text[64];
	const char *comma;
	size_t n;

	p = skip_blanks(p, x->end);
	n = (size_t)(x->end - p) < sizeof(text) - 1 ? (size_t)(x->end - p) : sizeof(text) - 1;
	memcpy(text, p, n);
	text[n] = '\0';
	comma = strchr(text, ',');
	if (sscanf(text, "%7u day", &days) != 1 || !strstr(text, "day"))
		days = 0;
	if (x->s->has_uptime ||
	    sscanf(days && comma ? comma + 1 : text, " %5u:%2u:%2u", &h, &m, &s) != 3 || m > 59 ||
	    s > 60)
		return NULL;
	x->s->has_uptime = true;
	x->s->uptime_s = days * 86400.0 + h * 3600.0 + m * 60.0 + s;
	return p;
}

static const char *loadavg_scan(struct scan *x, const char *p)
{
	char text[64];
	double v[3];
	size_t n;

	p = skip_blanks(p, x->end);
	n = (size_t)(x->end - p) < sizeof(text) - 1 ? (size_t)(x->end - p) : sizeof(text) - 1;
	memcpy(text, p, n);
	text[n] = '\0';
	if (x->s->has_loadavg || sscanf(text, "%15lf, %15lf, %15lf", &v[0], &v[1], &v[2]) != 3)
		return NULL;
	for (int i = 0; i < 3; i++) {
		if (!(v[i] >= 0 && v[i] < 1e9))
			return NULL;
		x->s->loadavg[i] = v[i];
	}
	x->s->has_loadavg = true;
	return p;
}

static const char *panic_scan(struct scan *x, const char *p)
{
	static const char prefix[] = "Kernel panic - not syncing: ";
	const char *text = NULL;

	p = text_scan(x, p, "PID:", &text);
	if (!text || x->s->panic)
		return p;
	if (strncmp(text, prefix, sizeof(prefix) - 1) == 0)
		text += sizeof(prefix) - 1;
	x->s->panic = text;
	x->after_panic = true;
	return p;
}

const char *crash_key_scan(struct scan *x, const char *p)
{
	struct crash_session *s = x->s;
	const char *next;
	uint32_t number;

	switch (*p) {
	case 'P':
		if (starts(p, x->end, "PID:"))
			return crash_pid_scan(x, p + 4);
		if (starts(p, x->end, "PANIC:"))
			return panic_scan(x, p + 6);
		if (starts(p, x->end, "PPID ")) {
			x->in_ps = true;
			return p + 4;
		}
		break;
	case 'C':
		if (starts(p, x->end, "CPUS:")) {
			next = crash_number(skip_blanks(p + 5, x->end), x->end, &number);
			if (next && s->n_cpus == SNAPSHOT_NONE)
				s->n_cpus = number;
			return next;
		}
		break;
	case 'U':
		if (starts(p, x->end, "UPTIME:"))
			return uptime_scan(x, p + 7);
		break;
	case 'L':
		if (starts(p, x->end, "LOAD AVERAGE:"))
			return loadavg_scan(x, p + 13);
		break;
	case 'N':
		if (starts(p, x->end, "NODENAME:"))
			return identity_scan(x, p + 9, &s->nodename);
		break;
	case 'R':
		if (starts(p, x->end, "RELEASE:"))
			return identity_scan(x, p + 8, &s->release);
		break;
	case 'K':
		/* bt -e, bt -E: found on some stack, no part of this one. */
		if (starts(p, x->end, "KERNEL-MODE EXCEPTION FRAME AT")) {
			crash_stack_close(x);
			return p + 30;
		}
		break;
	case 'V':
		if (starts(p, x->end, "VERSION:"))
			return text_scan(x, p + 8, "MACHINE:", &s->version);
		break;
	case 'M':
		if (starts(p, x->end, "MACHINE:"))
			return word_scan(x, p + 8, &s->machine);
		break;
	case 'S':
		if (starts(p, x->end, "START:"))
			return crash_frame_scan(x, p);
		break;
	}
	if (!current(x) || x->closed)
		return NULL;
	if (starts(p, x->end, "RIP:") || starts(p, x->end, "PC:"))
		crash_regs_flush(x);
	return crash_regs_scan(&x->regs, p, x->end);
}
