// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <string.h>

#include "dump/dump.h"
#include "kernel/internal.h"

/* Lowest kernel address with 5-level page tables; with 4-level ones it is 0xffff800000000000. */
#define KERNEL_HALF 0xff00000000000000ULL
#define MAX_ERRNO 4095 /* include/linux/err.h */

bool kernel_is_address(uint64_t va)
{
	return va >= KERNEL_HALF && va < (uint64_t)-MAX_ERRNO;
}

int kernel_read(struct kernel *kernel, uint64_t va, void *buf, size_t len)
{
	uint64_t end;

	if (!len)
		return 0;
	if (__builtin_add_overflow(va, len - 1, &end))
		return -EFAULT;
	while (len) {
		uint64_t pa, run;
		int r = translate_run(kernel, va, &pa, &run);

		if (r < 0)
			return r;
		if (run > len)
			run = len;
		r = dump_read(kernel->dump, pa, buf, run);
		if (r < 0)
			return r;
		va += run;
		buf = (char *)buf + run;
		len -= run;
	}
	return 0;
}

#define DEFINE_READ(bits)                                                                          \
	int kernel_read_u##bits(struct kernel *kernel, uint64_t va, uint##bits##_t *ret)           \
	{                                                                                          \
		uint##bits##_t v;                                                                  \
		int r = kernel_read(kernel, va, &v, sizeof(v));                                    \
                                                                                                   \
		if (r < 0)                                                                         \
			return r;                                                                  \
		*ret = v;                                                                          \
		return 0;                                                                          \
	}

DEFINE_READ(8)
DEFINE_READ(16)
DEFINE_READ(32)
DEFINE_READ(64)

int kernel_read_string(struct kernel *kernel, uint64_t va, char *buf, size_t size)
{
	size_t done = 0;

	if (!size || size > INT32_MAX)
		return -EINVAL;
	while (done < size - 1) {
		/* Never past what the string is known to reach: its page, or a NUL before that. */
		size_t chunk = 256 - (va & 255), len;
		int r;

		if (chunk > size - 1 - done)
			chunk = size - 1 - done;
		r = kernel_read(kernel, va, buf + done, chunk);
		if (r < 0) {
			buf[0] = '\0';
			return r;
		}
		len = strnlen(buf + done, chunk);
		done += len;
		if (len < chunk)
			break;
		va += chunk;
	}
	buf[done] = '\0';
	return (int)done;
}
