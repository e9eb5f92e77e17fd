/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_RENDER_PRINT_H
#define HOLDUP_RENDER_PRINT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "snapshot.h"

/*
 * Lines of text on their way to a FILE. Everything goes through print_put() or print_words(),
 * which escape the whole of what they are given: a newline comes from print_end() alone. The first
 * error sticks in @r and makes the rest do nothing.
 */
struct print {
	FILE *file;
	unsigned int width; /* columns to wrap at */
	bool color;
	unsigned int column; /* columns written on this line */
	int r;		     /* 0, -ENOMEM or -EIO */
};

enum style {
	STYLE_NONE,
	STYLE_TITLE,
	STYLE_HOLDER,
	STYLE_WAITER,
	STYLE_FAINT,
};

void print_init(struct print *p, FILE *file, unsigned int width, bool color);

__attribute__((format(printf, 2, 3))) void print_put(struct print *p, const char *fmt, ...);
void print_end(struct print *p);
void print_pad(struct print *p, unsigned int column); /* spaces up to @column */
void print_style(struct print *p, enum style style);

#define print_line(p, ...)                 \
	do {                               \
		print_put(p, __VA_ARGS__); \
		print_end(p);              \
	} while (0)

/* A whole line that is a section's title, with an empty line before it. */
void print_title(struct print *p, const char *title);

/*
 * Words of @text from the current column on, broken at spaces; further lines begin at column
 * @hanging. Does not end the last line.
 */
void print_words(struct print *p, unsigned int hanging, const char *text);

/*
 * One item of a list: after a comma when @first is false, on a new line at @hanging where it does
 * not fit. Items are not broken.
 */
__attribute__((format(printf, 4, 5))) void print_item(struct print *p, unsigned int hanging,
						      bool first, const char *fmt, ...);

/* Text that keeps its newlines and tabs (the log). */
void print_lines(struct print *p, const char *text, size_t size);

#define TEXT_MAX 192

/* "350 ms", "21.3 s", "4 min 20 s", "3 h 5 min", "76 days 3:30" in @buf, which it returns. */
const char *duration_text(char buf[TEXT_MAX], uint64_t ns);

/* "rwlock ip_set.lock", "mutex at 0xffff…", "unidentified spinlock". */
const char *lock_text(char buf[TEXT_MAX], enum lock_kind kind, const char *name, uint64_t address);

/* "sshd (6836)", "pid 6836", "sshd", "unknown task". */
const char *task_text(char buf[TEXT_MAX], const char *comm, uint32_t pid);

#endif
