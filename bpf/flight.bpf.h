/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef HOLDUP_FLIGHT_BPF_H
#define HOLDUP_FLIGHT_BPF_H

/*
 * The flight recorder: an array with one element for each CPU, written by that CPU's sampler
 * alone, so that it goes on when no user process can run, and stays in the kernel's memory, where
 * a dump's reader finds it by the map's name and the magic number. A spell is one record that is
 * brought up to date as long as it goes on; the last EV_FLIGHTS of each CPU are kept.
 */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* set to the number of possible CPUs when loaded */
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, uint32_t);
	__type(value, struct ev_flight_cpu);
} holdup_flight SEC(".maps");

/*
 * The record of the spell of @kind that began at @since, a new one where it has none yet. Looks
 * only at the latest spells: what happens at one time on one CPU are at most a streak and a wait.
 */
static __always_inline struct ev_flight *flight_spell(uint32_t cpu, uint32_t kind, uint64_t since)
{
	struct ev_flight_cpu *part = bpf_map_lookup_elem(&holdup_flight, &cpu);
	struct ev_flight *spell;

	if (!part)
		return 0;
	if (part->magic != EV_MAGIC) {
		part->version = EV_VERSION;
		part->size = sizeof(*part);
		part->cpu = cpu;
		part->magic = EV_MAGIC;
	}
	for (uint32_t back = 1; back <= 2; back++) {
		spell = &part->spells[(part->n - back) % EV_FLIGHTS];
		if (spell->kind == kind && spell->since_ns == since)
			return spell;
	}
	spell = &part->spells[part->n % EV_FLIGHTS];
	part->n++;
	spell->kind = kind;
	spell->cpu = cpu;
	spell->since_ns = since;
	spell->lock = 0;
	spell->flags = 0;
	spell->stack_n = 0;
	return spell;
}

#endif
