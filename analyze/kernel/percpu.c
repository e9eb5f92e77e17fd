// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>

#include "kernel/internal.h"

/* Above any CONFIG_NR_CPUS of x86 (8192, MAXSMP), below what would be a waste to allocate. */
#define NR_CPUS_MAX 65536

/* kernel/cpu.c: __cpu_online_mask and its kin, struct cpumask of NR_CPUS bits. */
static uint64_t *mask_load(struct kernel *kernel, const char *symbol, uint32_t nr)
{
	size_t words = (nr + 63) / 64;
	uint64_t *mask, address;
	int r;

	mask = arena_calloc(&kernel->arena, words, sizeof(*mask));
	if (!mask)
		return NULL;
	r = kernel_symbol(kernel, symbol, &address);
	if (r == 0)
		r = kernel_read(kernel, address, mask, words * sizeof(*mask));
	if (r < 0) {
		msgs_add(kernel->msgs, "kernel: %s cannot be read", symbol);
		return NULL;
	}
	if (nr % 64)
		mask[words - 1] &= (1ULL << nr % 64) - 1;
	return mask;
}

/*
 * nr_cpu_ids is a variable (lib/cpumask.c, kernel/smp.c), but a constant with one CPU or
 * CONFIG_FORCE_NR_CPUS (6.1, commit 6f9c07be9d02); then the possible mask tells.
 */
static int nr_cpu_ids_find(struct kernel *kernel, uint32_t *ret_nr)
{
	uint64_t address, word;
	struct symbol symbol;
	uint32_t nr = 0;

	if (kernel_symbol(kernel, "nr_cpu_ids", &address) == 0) {
		if (kernel_read_u32(kernel, address, &nr) < 0)
			return -ENODATA;
	} else if (kernel_symbol(kernel, "__cpu_possible_mask", &address) == 0 &&
		   kernel_symbol_at(kernel, address, &symbol) == 0) {
		for (uint64_t i = 0; i < symbol.size / 8 && i < NR_CPUS_MAX / 64; i++)
			if (kernel_read_u64(kernel, address + i * 8, &word) == 0 && word)
				nr = (uint32_t)(i * 64 + 64 - __builtin_clzll(word));
	} else {
		return -ENOENT;
	}
	if (!nr || nr > NR_CPUS_MAX)
		return -EBADMSG;
	*ret_nr = nr;
	return 0;
}

int percpu_load(struct kernel *kernel)
{
	uint64_t address, *offsets, *active = NULL;
	uint32_t nr;
	int r;

	r = nr_cpu_ids_find(kernel, &nr);
	if (r < 0) {
		msgs_add(kernel->msgs, "kernel: the number of CPUs (nr_cpu_ids) cannot be read");
		return r;
	}
	offsets = arena_calloc(&kernel->arena, nr, sizeof(*offsets));
	if (!offsets)
		return -ENOMEM;
	r = kernel_symbol(kernel, "__per_cpu_offset", &address);
	if (r == 0)
		r = kernel_read(kernel, address, offsets, nr * sizeof(*offsets));
	if (r < 0) {
		msgs_add(kernel->msgs,
			 "kernel: __per_cpu_offset cannot be read: per-CPU variables are unknown");
		return r;
	}
	kernel->nr_cpu_ids = nr;
	kernel->percpu_offset = offsets;
	kernel->cpu_online = mask_load(kernel, "__cpu_online_mask", nr);
	/*
	 * A CPU that panic() stops takes itself out of the online mask (arch/x86/kernel/process.c
	 * stop_this_cpu()) and stays active, which one that was unplugged is not.
	 */
	if (kernel_symbol(kernel, "__cpu_active_mask", &address) == 0)
		active = mask_load(kernel, "__cpu_active_mask", nr);
	for (uint32_t i = 0; kernel->cpu_online && active && i < (nr + 63) / 64; i++)
		kernel->cpu_online[i] |= active[i];
	kernel->cpu_possible = mask_load(kernel, "__cpu_possible_mask", nr);
	return 0;
}

int kernel_percpu(struct kernel *kernel, const char *name, uint32_t cpu, uint64_t *ret_address)
{
	uint64_t address;
	int r;

	if (cpu >= kernel->nr_cpu_ids || !kernel->percpu_offset)
		return -ERANGE;
	if (kernel->cpu_possible && !(kernel->cpu_possible[cpu / 64] >> cpu % 64 & 1))
		return -ERANGE;
	r = kernel_symbol(kernel, name, &address);
	if (r < 0)
		return r;
	/*
	 * The symbol is an offset from zero, or since 6.15 (commit 9d7de2aa8b41) an address in the
	 * image with offsets relative to it: either way the sum wraps to the right place.
	 */
	*ret_address = address + kernel->percpu_offset[cpu];
	return 0;
}
