/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_KERNEL_PRINTK_H
#define HOLDUP_KERNEL_PRINTK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/reader.h"
#include "util/arena.h"
#include "util/msgs.h"

/* Where the fields of kernel/printk/printk_ringbuffer.h are: byte offsets and sizes. */
struct printk_ring_layout {
	uint32_t count_bits, descs, infos, head_id, tail_id; /* from struct printk_ringbuffer */
	uint32_t text_size_bits, text_data;		     /* the same, of its text_data_ring */
	uint32_t desc_size, desc_state, desc_begin, desc_next;
	uint32_t info_size, info_ts_nsec, info_text_len, info_caller_id;
	bool show_caller; /* print caller ids, as CONFIG_PRINTK_CALLER does */
};

/* Of struct printk_log, before 5.10. @caller_id is 0 without CONFIG_PRINTK_CALLER. */
struct printk_log_layout {
	uint32_t size, ts_nsec, len, text_len, caller_id;
};

struct printk_log_buf {
	uint64_t data;		      /* log_buf */
	uint32_t size;		      /* log_buf_len */
	uint32_t first_idx, next_idx; /* log_first_idx, log_next_idx */
};

/*
 * The log as text, oldest record first. @ret_text is in @arena and ends with a NUL that
 * @ret_size does not count. Lost records are counted in a line of @msgs. -ENODATA, -EBADMSG,
 * -ENOMEM.
 */
int printk_ring_text(const struct reader *reader, struct msgs *msgs, struct arena *arena,
		     const struct printk_ring_layout *layout, uint64_t ring, const char **ret_text,
		     size_t *ret_size);
int printk_log_text(const struct reader *reader, struct msgs *msgs, struct arena *arena,
		    const struct printk_log_layout *layout, const struct printk_log_buf *log,
		    const char **ret_text, size_t *ret_size);

#endif
