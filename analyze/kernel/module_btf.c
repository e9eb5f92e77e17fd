// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The .BTF section of a module is not allocated: mod->btf_data points into the loader's copy of
 * the file, which is gone when the module runs. What stays is the verifier's copy, in the list
 * btf_modules (kernel/bpf/btf.c, 5.11 on, commit 36e68442d1af).
 */
#include <errno.h>

#include "kernel/internal.h"

#define MODULES_MAX 16384
#define BTF_MAX (64U << 20)

int module_btf_find(struct kernel *kernel, const struct module *module, uint64_t *ret_va,
		    uint64_t *ret_size)
{
	const struct types *t = kernel->types;
	int64_t list = types_offset(t, "btf_module", "list");
	int64_t owner = types_offset(t, "btf_module", "module");
	int64_t btf = types_offset(t, "btf_module", "btf");
	int64_t data = types_offset(t, "btf", "data");
	int64_t size = types_offset(t, "btf", "data_size");
	uint64_t head, node, va;
	uint32_t n;

	if (list < 0 || owner < 0 || btf < 0 || data < 0 || size < 0 ||
	    kernel_symbol(kernel, "btf_modules", &head) < 0)
		return -ENOENT;
	node = head;
	for (uint32_t i = 0; i < MODULES_MAX; i++) {
		uint64_t entry, who;

		if (kernel_read_u64(kernel, node, &node) < 0 || node == head)
			return -ENOENT;
		entry = node - (uint64_t)list;
		if (kernel_read_u64(kernel, entry + (uint64_t)owner, &who) < 0)
			return -ENOENT;
		if (who != module->address)
			continue;
		if (kernel_read_u64(kernel, entry + (uint64_t)btf, &entry) < 0 ||
		    kernel_read_u64(kernel, entry + (uint64_t)data, &va) < 0 ||
		    kernel_read_u32(kernel, entry + (uint64_t)size, &n) < 0 ||
		    !kernel_is_address(va) || n > BTF_MAX)
			return -ENOENT;
		*ret_va = va;
		*ret_size = n;
		return 0;
	}
	return -ENOENT;
}
