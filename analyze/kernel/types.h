/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_KERNEL_TYPES_H
#define HOLDUP_KERNEL_TYPES_H

#include "kernel/kernel.h"

/*
 * Types from raw BTF of @size bytes; @base is the BTF that a module's continues, or NULL, and must
 * live longer. -EBADMSG not BTF or damaged, -ENOMEM.
 */
int types_new(const void *data, size_t size, const struct types *base, struct types **ret_types);

/* How many bytes at a member's offset hold its value; 0 when it is no integer. */
size_t member_span(const struct member *m);

/* The value of integer member @m, also a bit-field, from the member_span() bytes at its offset. */
uint64_t member_value(const struct member *m, const void *bytes);

#endif
