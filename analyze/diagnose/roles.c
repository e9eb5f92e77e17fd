// SPDX-License-Identifier: GPL-2.0-or-later
#include "diagnose/roles.h"

#include <errno.h>

static bool is_party(const struct verdict *v, uint32_t cpu, bool *ret_holder)
{
	*ret_holder = v->has_holder && v->holder.snapshot_cpu == cpu;
	if (*ret_holder)
		return true;
	for (uint32_t i = 0; i < v->n_waiters; i++)
		if (v->waiters[i].snapshot_cpu == cpu)
			return true;
	return false;
}

static int add_bystander(const struct snapshot *snapshot, struct verdict *v, const struct actor *actor,
			 const char *why)
{
	struct bystander *slot = ARENA_APPEND(v->arena, v->bystanders, v->n_bystanders);

	if (!slot)
		return -ENOMEM;
	*slot = (struct bystander){ actor_cpu(snapshot, actor), actor_pid(snapshot, actor),
				    actor_comm(snapshot, actor), why };
	return 0;
}

int roles_set(const struct snapshot *snapshot, const struct actors *actors, struct verdict *v)
{
	int r = 0;

	v->cpu_roles = arena_calloc(v->arena, snapshot->n_cpus + 1, sizeof(*v->cpu_roles));
	if (!v->cpu_roles)
		return -ENOMEM;
	for (uint32_t i = 0; i < snapshot->n_cpus && r == 0; i++) {
		const struct actor *actor = &actors->v[i];
		enum role role = ROLE_UNKNOWN;
		bool holder;

		if (is_party(v, i, &holder))
			role = holder ? ROLE_HOLDER : ROLE_WAITER;
		for (uint32_t k = 0; k < v->n_others && role == ROLE_UNKNOWN; k++)
			if (is_party(v->others[k], i, &holder))
				role = holder ? ROLE_HOLDER : ROLE_WAITER;
		if (role == ROLE_UNKNOWN && actor->idle) {
			role = ROLE_IDLE;
		} else if (role == ROLE_UNKNOWN && snapshot->cpus[i].panic) {
			role = ROLE_PANIC;
			r = add_bystander(snapshot, v, actor,
					  snapshot->cpus[i].has_stack ?
						  "it ran the panic, and has no part in the "
						  "lockup by its own stack" :
						  "it ran the panic; its stack is not shown, and "
						  "nothing else says that it has a part in the "
						  "lockup");
		} else if (role == ROLE_UNKNOWN && actor->user) {
			role = ROLE_BYSTANDER;
			r = add_bystander(snapshot, v, actor, "it was in user mode");
		} else if (role == ROLE_UNKNOWN && snapshot->cpus[i].has_stack) {
			role = ROLE_BYSTANDER;
			r = add_bystander(snapshot, v, actor, "it was at work on something else");
		}
		v->cpu_roles[i] = role;
	}
	return r;
}
