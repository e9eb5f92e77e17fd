/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_TESTS_FAKE_IMAGE_H
#define HOLDUP_TESTS_FAKE_IMAGE_H

/* A piece of kernel memory made by a test, as a reader; one range of it may be missing. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/reader.h"

struct fake_image {
	uint64_t base; /* virtual address of data[0] */
	uint8_t *data;
	size_t size;
	uint64_t hole, hole_end; /* [hole, hole_end) cannot be read; equal: no hole */
	uint64_t bytes_read;
};

static inline struct fake_image fake_image_make(uint64_t base, size_t size)
{
	struct fake_image image = { .base = base, .data = calloc(1, size), .size = size };

	if (!image.data)
		abort();
	return image;
}

static inline void fake_image_put(struct fake_image *image, uint64_t va, const void *data,
				  size_t len)
{
	if (va < image->base || va - image->base > image->size ||
	    len > image->size - (va - image->base))
		abort();
	memcpy(image->data + (va - image->base), data, len);
}

static inline int fake_image_read(void *arg, uint64_t va, void *buf, size_t len)
{
	struct fake_image *image = arg;

	if (va < image->base || va - image->base > image->size ||
	    len > image->size - (va - image->base))
		return -EFAULT;
	if (image->hole < image->hole_end && va < image->hole_end && va + len > image->hole)
		return -ENODATA;
	memcpy(buf, image->data + (va - image->base), len);
	image->bytes_read += len;
	return 0;
}

static inline struct reader fake_image_reader(struct fake_image *image)
{
	return (struct reader){ .read = fake_image_read, .arg = image };
}

#endif
