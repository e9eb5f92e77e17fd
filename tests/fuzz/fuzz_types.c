// SPDX-License-Identifier: GPL-2.0-or-later
/* BTF of arbitrary bytes, and everything that can be asked of it. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "kernel/internal.h"
#include "kernel/types.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int count_member(void *arg, const char *path, const char *type_name, uint64_t offset)
{
	unsigned int *n = arg;

	return ++*n > 1000;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = { "task", "entity", "list_head", "pair", "spinlock_t" };
	static const char *const paths[] = { "pid",	  "off",       "left",	       "se.sum",
					     "slots[3]",  "lock.word", "se_of[1].sum", "tail[7]",
					     "list.next", "b" };
	struct function_param params[4];
	unsigned int seen = 0;
	struct types *types;
	struct member m;
	uint64_t bytes;
	int64_t value;
	size_t n;

	if (types_new(data, size, NULL, &types) < 0)
		return 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		(void)types_size(types, names[i], &bytes);
		(void)types_walk(types, names[i], count_member, &seen);
		for (size_t k = 0; k < sizeof(paths) / sizeof(paths[0]); k++)
			if (types_member(types, names[i], paths[k], &m) == 0 && member_span(&m) > 9)
				abort();
	}
	(void)types_enum(types, "STATE_B", &value);
	(void)types_enum(types, "BIG", &value);
	(void)types_function_params(types, "use_task", params, 4, &n);
	types_free(types);
	return 0;
}
