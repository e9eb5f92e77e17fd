// SPDX-License-Identifier: GPL-2.0-or-later
/* The printk ring (first byte even) or log_buf (odd) in an image that is all the other bytes. */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/printk.h"

#define BASE 0xffffffff82000000ULL

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct image {
	const uint8_t *data;
	size_t size;
};

static int read_image(void *arg, uint64_t va, void *buf, size_t len)
{
	const struct image *image = arg;

	if (va < BASE || va - BASE > image->size || len > image->size - (va - BASE))
		return -EFAULT;
	memcpy(buf, image->data + (va - BASE), len);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* As in 6.1. */
	static const struct printk_ring_layout ring = {
		.count_bits = 0,
		.descs = 8,
		.infos = 16,
		.head_id = 24,
		.tail_id = 32,
		.text_size_bits = 48,
		.text_data = 56,
		.desc_size = 24,
		.desc_state = 0,
		.desc_begin = 8,
		.desc_next = 16,
		.info_size = 88,
		.info_ts_nsec = 8,
		.info_text_len = 16,
		.info_caller_id = 20,
		.show_caller = true,
	};
	static const struct printk_log_layout log = { .size = 16, .len = 8, .text_len = 10 };
	struct image image = { .data = data + 1, .size = size - 1 };
	struct reader reader = { .read = read_image, .arg = &image };
	struct printk_log_buf buf = { .data = BASE + 8 };
	const char *text = NULL;
	struct arena arena;
	size_t len = 0;
	int r;

	if (!size)
		return 0;
	arena_init(&arena);
	if (data[0] & 1) {
		buf.size = (uint32_t)image.size;
		if (image.size >= 8) {
			memcpy(&buf.first_idx, image.data, 4);
			memcpy(&buf.next_idx, image.data + 4, 4);
		}
		r = printk_log_text(&reader, NULL, &arena, &log, &buf, &text, &len);
	} else {
		r = printk_ring_text(&reader, NULL, &arena, &ring, BASE, &text, &len);
	}
	if (r == 0 && (strlen(text) != len || (len && text[len - 1] != '\n')))
		abort();
	arena_done(&arena);
	return 0;
}
