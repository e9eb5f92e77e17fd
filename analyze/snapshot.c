// SPDX-License-Identifier: GPL-2.0-or-later
#include "snapshot.h"

void snapshot_init(struct snapshot *snapshot)
{
	*snapshot = (struct snapshot){
		.n_cpus_total = SNAPSHOT_NONE,
		.panic_cpu = SNAPSHOT_NONE,
		.panic_pid = SNAPSHOT_NONE,
	};
	arena_init(&snapshot->arena);
}

void snapshot_done(struct snapshot *snapshot)
{
	arena_done(&snapshot->arena);
	snapshot_init(snapshot);
}

uint32_t snapshot_task_by_pid(const struct snapshot *snapshot, uint32_t pid)
{
	/* Pid 0 is every CPU's idle task, so it names nobody. */
	if (pid == 0 || pid == SNAPSHOT_NONE)
		return SNAPSHOT_NONE;
	for (uint32_t i = 0; i < snapshot->n_tasks; i++)
		if (snapshot->tasks[i].pid == pid)
			return i;
	return SNAPSHOT_NONE;
}

uint32_t snapshot_task_by_address(const struct snapshot *snapshot, uint64_t address)
{
	if (!address)
		return SNAPSHOT_NONE;
	for (uint32_t i = 0; i < snapshot->n_tasks; i++)
		if (snapshot->tasks[i].address == address)
			return i;
	return SNAPSHOT_NONE;
}

uint32_t snapshot_cpu_by_id(const struct snapshot *snapshot, uint32_t id)
{
	if (id < snapshot->n_cpus && snapshot->cpus[id].id == id)
		return id;
	for (uint32_t i = 0; i < snapshot->n_cpus; i++)
		if (snapshot->cpus[i].id == id)
			return i;
	return SNAPSHOT_NONE;
}
