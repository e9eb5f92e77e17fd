// SPDX-License-Identifier: GPL-2.0-or-later
#include "util/msgs.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void msgs_init(struct msgs *msgs)
{
	*msgs = (struct msgs){ 0 };
}

void msgs_done(struct msgs *msgs)
{
	for (size_t i = 0; i < msgs->n; i++)
		free(msgs->lines[i]);
	free(msgs->lines);
	*msgs = (struct msgs){ 0 };
}

void msgs_add(struct msgs *msgs, const char *fmt, ...)
{
	char *line = NULL;
	va_list ap;
	int r;

	if (!msgs)
		return;
	if (msgs->n >= MSGS_MAX) {
		msgs->n_dropped++;
		return;
	}
	va_start(ap, fmt);
	r = vasprintf(&line, fmt, ap);
	va_end(ap);
	if (r < 0) {
		msgs->n_dropped++;
		return;
	}
	if (msgs->n && strcmp(msgs->lines[msgs->n - 1], line) == 0) {
		free(line);
		return;
	}
	/* Capacity is the next power of two, so growth is due when n is one. */
	if ((msgs->n & (msgs->n - 1)) == 0) {
		size_t cap = msgs->n ? msgs->n * 2 : 1;
		char **lines = realloc(msgs->lines, cap * sizeof(*lines));

		if (!lines) {
			free(line);
			msgs->n_dropped++;
			return;
		}
		msgs->lines = lines;
	}
	msgs->lines[msgs->n++] = line;
}
