/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_SOURCE_TEXT_LINES_H
#define HOLDUP_SOURCE_TEXT_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Lines of a kernel log as consoles, dmesg, syslog, the journal, netconsole, pstore and people who
 * quote them print them, without what is printed around the message. Lines longer than
 * TEXT_LINE_MAX are cut there; the rest of such a line is not read.
 */
#define TEXT_LINE_MAX 8192

struct text_line {
	const char *p, *end; /* the message without leading and trailing blanks; not NUL-ended */
	uint32_t indent;     /* blanks that stood before it */
	uint64_t time_us;    /* printk clock; SNAPSHOT_NO_TIME: the line has none */
	char caller;	     /* 'T' task, 'C' CPU (CONFIG_PRINTK_CALLER), 0 none */
	uint32_t caller_id;  /* pid or CPU of the one who printed it, not always of whom it tells */
};

/*
 * Takes one line apart: [@line, @end) without its newline. @scratch has TEXT_LINE_MAX bytes and is
 * used where the message is not in the line as it stands (ANSI sequences, control characters);
 * @ret_line then points into it.
 */
void text_line_parse(const char *line, const char *end, char *scratch,
		     struct text_line *ret_line);

/*
 * pstore cuts a log into parts, each with a header "Panic#2 Part3", and numbers the newest 1. Where
 * @text has its parts newest first, *@ret_text is a copy with them in order, to be freed; else NULL.
 * 0 or -ENOMEM.
 */
int text_parts_order(const char *text, size_t size, char **ret_text, size_t *ret_size);

#endif
