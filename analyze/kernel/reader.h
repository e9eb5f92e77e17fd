/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_KERNEL_READER_H
#define HOLDUP_KERNEL_READER_H

#include <stddef.h>
#include <stdint.h>

/*
 * Where a table's bytes come from: the kernel in a dump, or an image made up by a test. @read is
 * all or nothing, 0 or -errno, as kernel_read().
 */
struct reader {
	int (*read)(void *arg, uint64_t va, void *buf, size_t len);
	void *arg;
};

static inline int reader_read(const struct reader *reader, uint64_t va, void *buf, size_t len)
{
	return reader->read(reader->arg, va, buf, len);
}

/* As much as can be read without a gap, page by page. Returns the number of bytes. */
static inline size_t reader_read_prefix(const struct reader *reader, uint64_t va, void *buf,
					size_t len)
{
	size_t done = 0;

	if (reader_read(reader, va, buf, len) == 0)
		return len;
	while (done < len) {
		size_t n = 4096 - ((va + done) & 4095);

		if (n > len - done)
			n = len - done;
		if (reader_read(reader, va + done, (char *)buf + done, n) < 0)
			break;
		done += n;
	}
	return done;
}

#endif
