// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "render/escape.h"
#include "render/print.h"
#include "verdict.h"

void print_init(struct print *p, FILE *file, unsigned int width, bool color)
{
	*p = (struct print){ .file = file, .width = width, .color = color };
}

/* @text is escaped already. */
static void print_raw(struct print *p, const char *text, size_t n)
{
	if (p->r == 0 && fwrite(text, 1, n, p->file) != n)
		p->r = -EIO;
	p->column += text_columns(text, n);
}

static char *escaped_format(struct print *p, const char *fmt, va_list ap)
{
	char *text = NULL, *safe = NULL;
	int n = vasprintf(&text, fmt, ap);

	if (n >= 0)
		safe = text_escape(text, (size_t)n, false);
	if (!safe && p->r == 0)
		p->r = -ENOMEM;
	if (n >= 0)
		free(text);
	return safe;
}

void print_put(struct print *p, const char *fmt, ...)
{
	char *safe;
	va_list ap;

	va_start(ap, fmt);
	safe = escaped_format(p, fmt, ap);
	va_end(ap);
	if (safe)
		print_raw(p, safe, strlen(safe));
	free(safe);
}

void print_end(struct print *p)
{
	print_raw(p, "\n", 1);
	p->column = 0;
}

void print_pad(struct print *p, unsigned int column)
{
	while (p->column < column)
		print_raw(p, " ", 1);
}

void print_style(struct print *p, enum style style)
{
	static const char *const codes[] = {
		[STYLE_NONE] = "\033[0m",      [STYLE_TITLE] = "\033[1m",
		[STYLE_HOLDER] = "\033[1;31m", [STYLE_WAITER] = "\033[33m",
		[STYLE_FAINT] = "\033[2m",
	};
	unsigned int column = p->column;

	if (!p->color)
		return;
	print_raw(p, codes[style], strlen(codes[style]));
	p->column = column;
}

void print_title(struct print *p, const char *title)
{
	print_end(p);
	print_style(p, STYLE_TITLE);
	print_put(p, "%s", title);
	print_style(p, STYLE_NONE);
	print_end(p);
}

void print_words(struct print *p, unsigned int hanging, const char *text)
{
	char *safe = text_escape(text, strlen(text), false);
	bool first = true;

	if (!safe) {
		if (p->r == 0)
			p->r = -ENOMEM;
		return;
	}
	for (const char *word = safe; *word;) {
		size_t n = strcspn(word, " ");

		if (n) {
			bool fits = p->column + !first + text_columns(word, n) <= p->width;

			if (!first && fits) {
				print_raw(p, " ", 1);
			} else if (!fits && p->column > hanging) {
				print_end(p);
				print_pad(p, hanging);
			}
			print_raw(p, word, n);
			first = false;
		}
		word += n + (word[n] == ' ');
	}
	free(safe);
}

void print_item(struct print *p, unsigned int hanging, bool first, const char *fmt, ...)
{
	char *safe;
	va_list ap;

	va_start(ap, fmt);
	safe = escaped_format(p, fmt, ap);
	va_end(ap);
	if (!safe)
		return;
	if (!first)
		print_raw(p, ",", 1);
	/* One column is kept for the comma that may follow. */
	if (!first && p->column + 2 + text_columns(safe, strlen(safe)) > p->width) {
		print_end(p);
		print_pad(p, hanging);
	} else if (!first) {
		print_raw(p, " ", 1);
	}
	print_raw(p, safe, strlen(safe));
	free(safe);
}

void print_lines(struct print *p, const char *text, size_t size)
{
	while (size && p->r == 0) {
		const char *newline = memchr(text, '\n', size);
		size_t n = newline ? (size_t)(newline - text) + 1 : size;
		char *safe = text_escape(text, n, true);

		if (!safe) {
			p->r = -ENOMEM;
			return;
		}
		print_raw(p, safe, strlen(safe));
		free(safe);
		text += n;
		size -= n;
		if (!newline)
			print_raw(p, "\n", 1);
	}
	p->column = 0;
}

const char *duration_text(char buf[TEXT_MAX], uint64_t ns)
{
	uint64_t s = ns / 1000000000;

	if (s == 0)
		snprintf(buf, TEXT_MAX, "%" PRIu64 " ms", ns / 1000000);
	else if (s < 120)
		snprintf(buf, TEXT_MAX, "%" PRIu64 ".%" PRIu64 " s", s, ns / 100000000 % 10);
	else if (s < 3600)
		snprintf(buf, TEXT_MAX, "%" PRIu64 " min %" PRIu64 " s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(buf, TEXT_MAX, "%" PRIu64 " h %" PRIu64 " min", s / 3600, s / 60 % 60);
	else
		snprintf(buf, TEXT_MAX, "%" PRIu64 " day%s %" PRIu64 ":%02" PRIu64, s / 86400,
			 s / 86400 == 1 ? "" : "s", s / 3600 % 24, s / 60 % 60);
	return buf;
}

const char *lock_text(char buf[TEXT_MAX], enum lock_kind kind, const char *name, uint64_t address)
{
	const char *what = kind == LOCK_UNKNOWN ? "lock" : lock_kind_name(kind);

	if (name)
		snprintf(buf, TEXT_MAX, "%s %s", what, name);
	else if (address)
		snprintf(buf, TEXT_MAX, "%s at 0x%016" PRIx64, what, address);
	else if (kind <= LOCK_PERCPU_RWSEM)
		snprintf(buf, TEXT_MAX, "unidentified %s", what);
	else
		snprintf(buf, TEXT_MAX, "%s", what);
	return buf;
}

const char *task_text(char buf[TEXT_MAX], const char *comm, uint32_t pid)
{
	if (comm && pid != SNAPSHOT_NONE)
		snprintf(buf, TEXT_MAX, "%s (%" PRIu32 ")", comm, pid);
	else if (comm)
		snprintf(buf, TEXT_MAX, "%s", comm);
	else if (pid != SNAPSHOT_NONE)
		snprintf(buf, TEXT_MAX, "pid %" PRIu32, pid);
	else
		snprintf(buf, TEXT_MAX, "unknown task");
	return buf;
}
