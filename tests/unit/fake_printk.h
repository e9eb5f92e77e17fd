/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_TESTS_FAKE_PRINTK_H
#define HOLDUP_TESTS_FAKE_PRINTK_H

/*
 * A printk_ringbuffer in a made-up image, written record by record as kernel/printk's
 * printk_ringbuffer.c does: ids and text positions that start just below zero, blocks that never
 * wrap but start again at the ring's beginning.
 */
#include "fake_image.h"
#include "kernel/printk.h"

#define FAKE_PRB 0xffffffff82000000ULL
#define FAKE_DESCS (FAKE_PRB + 0x100)
#define FAKE_INFOS (FAKE_PRB + 0x1000)
#define FAKE_TEXT (FAKE_PRB + 0x4000)
#define FAKE_IMAGE_SIZE 0x6000u

/* As in 6.1: offsets in struct printk_ringbuffer, prb_desc and printk_info. */
static const struct printk_ring_layout fake_ring_layout = {
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
};

struct fake_ring {
	struct fake_image image;
	uint32_t count_bits, size_bits;
	uint64_t head_id, tail_id, head_lpos;
};

enum { FAKE_RESERVED, FAKE_COMMITTED, FAKE_FINALIZED, FAKE_REUSABLE };

static inline void fake_put64(struct fake_image *image, uint64_t va, uint64_t v)
{
	fake_image_put(image, va, &v, 8);
}

static inline void fake_put32(struct fake_image *image, uint64_t va, uint32_t v)
{
	fake_image_put(image, va, &v, 4);
}

#define FAKE_ID_MASK (~0ULL >> 2)

static inline void fake_ring_put_ids(struct fake_ring *ring)
{
	fake_put64(&ring->image, FAKE_PRB + fake_ring_layout.head_id, ring->head_id);
	fake_put64(&ring->image, FAKE_PRB + fake_ring_layout.tail_id, ring->tail_id);
}

static inline struct fake_ring fake_ring_make(uint32_t count_bits, uint32_t size_bits)
{
	struct fake_ring ring = {
		.image = fake_image_make(FAKE_PRB, FAKE_IMAGE_SIZE),
		.count_bits = count_bits,
		.size_bits = size_bits,
		/* DESC0_ID and BLK0_LPOS: one descriptor, not in use, before the first wrap. */
		.head_id = -(1ULL + (1ULL << count_bits)) & FAKE_ID_MASK,
		.head_lpos = -(1ULL << size_bits),
	};

	ring.tail_id = ring.head_id;
	fake_put32(&ring.image, FAKE_PRB + fake_ring_layout.count_bits, count_bits);
	fake_put64(&ring.image, FAKE_PRB + fake_ring_layout.descs, FAKE_DESCS);
	fake_put64(&ring.image, FAKE_PRB + fake_ring_layout.infos, FAKE_INFOS);
	fake_put32(&ring.image, FAKE_PRB + fake_ring_layout.text_size_bits, size_bits);
	fake_put64(&ring.image, FAKE_PRB + fake_ring_layout.text_data, FAKE_TEXT);
	fake_put64(&ring.image,
		   FAKE_DESCS +
			   (ring.head_id & ((1ULL << count_bits) - 1)) * fake_ring_layout.desc_size,
		   ring.head_id | (uint64_t)FAKE_REUSABLE << 62);
	fake_ring_put_ids(&ring);
	return ring;
}

/* @text NULL: a record without a text block. @text_len as printk_info says it. */
static inline void fake_ring_add(struct fake_ring *ring, uint64_t ts_nsec, uint32_t caller,
				 const char *text, uint16_t text_len, int state)
{
	uint64_t id = (ring->head_id + 1) & FAKE_ID_MASK, size = 1ULL << ring->size_bits;
	uint64_t index = id & ((1ULL << ring->count_bits) - 1), begin = 3, next = 3;
	uint64_t desc = FAKE_DESCS + index * fake_ring_layout.desc_size;
	uint64_t info = FAKE_INFOS + index * fake_ring_layout.info_size;

	if (text) {
		uint64_t block = (8 + strlen(text) + 7) & ~7ULL, at;

		begin = ring->head_lpos;
		next = begin + block;
		at = FAKE_TEXT + (begin & (size - 1));
		if (next >> ring->size_bits != begin >> ring->size_bits) {
			next = (next & ~(size - 1)) + block;
			at = FAKE_TEXT;
		}
		ring->head_lpos = next;
		fake_put64(&ring->image, at, id);
		fake_image_put(&ring->image, at + 8, text, strlen(text));
	}
	fake_put64(&ring->image, desc + fake_ring_layout.desc_state, id | (uint64_t)state << 62);
	fake_put64(&ring->image, desc + fake_ring_layout.desc_begin, begin);
	fake_put64(&ring->image, desc + fake_ring_layout.desc_next, next);
	fake_put64(&ring->image, info + fake_ring_layout.info_ts_nsec, ts_nsec);
	fake_image_put(&ring->image, info + fake_ring_layout.info_text_len, &text_len, 2);
	fake_put32(&ring->image, info + fake_ring_layout.info_caller_id, caller);
	ring->head_id = id;
	/* The ring holds one turn of descriptors. */
	if (((id - ring->tail_id) & FAKE_ID_MASK) >> ring->count_bits)
		ring->tail_id = (ring->tail_id + 1) & FAKE_ID_MASK;
	fake_ring_put_ids(ring);
}

static inline void fake_ring_say(struct fake_ring *ring, uint64_t ts_nsec, const char *text)
{
	fake_ring_add(ring, ts_nsec, 1, text, (uint16_t)strlen(text), FAKE_FINALIZED);
}

#endif
