// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Waits for other CPUs: function calls (kernel/smp.c), stopper threads (kernel/stop_machine.c),
 * RCU grace periods (kernel/rcu/tree.c). Their "owner" is the CPU that has not done its part.
 */
#include <errno.h>
#include <stdio.h>

#include "kernel/locks_internal.h"

#define CSD_LOCKED 1U	   /* CSD_FLAG_LOCK */
#define QUEUE_MAX 65536
#define CPUS_TEXT 200

struct csd_layout {
	int64_t flags, func, info, dst, src, size;
	int64_t cfd; /* the per-CPU pointer in struct call_function_data */
};

static struct csd_layout csd_layout_get(const struct types *t)
{
	const char *type = "__call_single_data";
	struct csd_layout l;
	uint64_t size;

	l.flags = types_offset(t, type, "node.u_flags"); /* 5.8, commit 545b8c8df41f */
	if (l.flags < 0)
		l.flags = types_offset(t, type, "flags");
	l.func = types_offset(t, type, "func");
	l.info = types_offset(t, type, "info");
	l.dst = types_offset(t, type, "node.dst");
	l.src = types_offset(t, type, "node.src");
	l.size = types_size(t, type, &size) == 0 ? (int64_t)size : -1;
	l.cfd = types_offset(t, "call_function_data", "pcpu"); /* 5.11 to 6.3: cfd_percpu.csd */
	if (l.cfd < 0)
		l.cfd = types_offset(t, "call_function_data", "csd");
	return l;
}

static bool csd_is_locked(struct lock_scene *scene, const struct csd_layout *l, uint64_t csd)
{
	uint32_t flags;
	uint64_t func;

	return read_u32(scene, csd, l->flags, &flags) && (flags & CSD_LOCKED) &&
	       read_u64(scene, csd, l->func, &func) && kernel_is_text(scene->kernel, func);
}

static const char *function_at(struct lock_scene *scene, uint64_t func)
{
	struct symbol symbol;

	if (kernel_symbol_at(scene->kernel, func, &symbol) < 0)
		return NULL;
	return symbol.name;
}

static uint32_t csd_lock_get(struct lock_scene *scene, const struct csd_layout *l, uint64_t csd,
			     uint32_t cpu, const char *others)
{
	uint32_t index = scene_lock(scene, LOCK_CSD, csd), flags = 0;
	const char *function = NULL;
	struct lock *lock;
	uint64_t func;

	if (index == SNAPSHOT_NONE)
		return index;
	lock = &scene->snapshot->locks[index];
	if (lock->has_word)
		return index;
	lock->has_word = read_u32(scene, csd, l->flags, &flags);
	lock->word = flags;
	lock->locked = flags & CSD_LOCKED;
	if (read_u64(scene, csd, l->func, &func))
		function = function_at(scene, func);
	lock->word_text = arena_printf(&scene->snapshot->arena, "call of %s not answered%s",
				       function ? function : "a function", others);
	if (cpu != SNAPSHOT_NONE) {
		lock->owner_source = OWNER_STORED;
		lock->owner_cpu = cpu;
	}
	return index;
}

/* The CPU in whose call queue @csd still is, SNAPSHOT_NONE when it is in none. */
static uint32_t csd_queue_cpu(struct lock_scene *scene, uint64_t csd)
{
	struct kernel *kernel = scene->kernel;

	for (uint32_t cpu = 0; cpu < kernel->nr_cpu_ids; cpu++) {
		uint64_t node;

		if (!kernel_cpu_online(kernel, cpu) ||
		    kernel_percpu(kernel, "call_single_queue", cpu, &node) < 0)
			continue;
		for (uint32_t i = 0; i < QUEUE_MAX && scene->steps_left; i++) {
			scene->steps_left--;
			if (kernel_read_u64(kernel, node, &node) < 0 || !node)
				break;
			if (node == csd)
				return cpu;
		}
	}
	return SNAPSHOT_NONE;
}

static void cpus_append(char *text, size_t size, uint32_t cpu)
{
	size_t n = strlen(text);

	snprintf(text + n, size - n, "%s%u", n ? ", " : "", cpu);
}

/* smp_call_function_many(): this CPU's call data has one csd for each other CPU. */
static int csd_many_find(struct lock_scene *scene, const struct waiter *waiter,
			 const struct csd_layout *l)
{
	struct kernel *kernel = scene->kernel;
	uint32_t first = SNAPSHOT_NONE, polled = SNAPSHOT_NONE, n = 0, index;
	char others[CPUS_TEXT] = "", text[CPUS_TEXT + 40] = "";
	uint64_t cfd, base, csd;

	if (kernel_percpu(kernel, "cfd_data", waiter->cpu, &cfd) < 0 ||
	    !read_u64(scene, cfd, l->cfd, &base))
		return -ENOENT;
	for (uint32_t cpu = 0; cpu < kernel->nr_cpu_ids; cpu++) {
		if (cpu == waiter->cpu || !kernel_cpu_online(kernel, cpu))
			continue;
		csd = base + kernel->percpu_offset[cpu];
		if (!csd_is_locked(scene, l, csd))
			continue;
		n++;
		cpus_append(others, sizeof(others), cpu);
		if (first == SNAPSHOT_NONE)
			first = cpu;
		for (uint32_t i = 0; i < scene->slots.n; i++)
			if (!scene->slots.v[i].at && scene->slots.v[i].value == csd)
				polled = cpu;
	}
	if (!n)
		return -ENOENT;
	/* It waits for one after the other, in their order; which one, its registers say. */
	if (polled == SNAPSHOT_NONE)
		polled = first;
	if (n > 1)
		snprintf(text, sizeof(text), "; CPUs %s have not answered", others);
	csd = base + kernel->percpu_offset[polled];
	index = csd_lock_get(scene, l, csd, polled, text);
	waiter->wait->lock = index;
	return index == SNAPSHOT_NONE ? -ENOMEM : 0;
}

/* smp_call_function_single(): the csd is on the caller's stack, or this CPU's csd_data. */
static int csd_single_find(struct lock_scene *scene, const struct waiter *waiter,
			   const struct csd_layout *l)
{
	uint64_t found = 0, own;
	uint32_t index;

	if (kernel_percpu(scene->kernel, "csd_data", waiter->cpu, &own) < 0)
		own = 0;
	for (uint32_t i = 0; i < scene->slots.n; i++) {
		uint64_t value = scene->slots.v[i].value, sp = waiter->stack->frames[0].sp;
		bool on_stack = value > sp && value < sp + scene->means->tasks->stack_size;

		if ((!on_stack && value != own) || value == found || (value & 7) ||
		    !csd_is_locked(scene, l, value))
			continue;
		if (found)
			return -ENOENT;
		found = value;
	}
	if (!found)
		return -ENOENT;
	index = csd_lock_get(scene, l, found, csd_queue_cpu(scene, found), "");
	waiter->wait->lock = index;
	return index == SNAPSHOT_NONE ? -ENOMEM : 0;
}

/*
 * stop_machine() and stop_one_cpu(): the CPU whose stopper thread has work that it did not take
 * up. The others wait for it in multi_cpu_stop(), with interrupts off in the end.
 */
static int stopper_find(struct lock_scene *scene, const struct waiter *waiter)
{
	int64_t works = types_offset(scene->kernel->types, "cpu_stopper", "works");
	uint32_t late = SNAPSHOT_NONE, n = 0, index;
	uint64_t at = 0;

	for (uint32_t cpu = 0; works >= 0 && cpu < scene->kernel->nr_cpu_ids; cpu++) {
		uint64_t stopper, head, next;

		if (!kernel_cpu_online(scene->kernel, cpu) ||
		    kernel_percpu(scene->kernel, "cpu_stopper", cpu, &stopper) < 0)
			continue;
		head = stopper + (uint64_t)works;
		if (kernel_read_u64(scene->kernel, head, &next) < 0 || next == head)
			continue;
		n++;
		late = cpu;
		at = stopper;
	}
	if (n != 1)
		return -ENOENT;
	index = scene_lock(scene, LOCK_CSD, at);
	waiter->wait->lock = index;
	if (index == SNAPSHOT_NONE)
		return -ENOMEM;
	scene->snapshot->locks[index].locked = 1;
	scene->snapshot->locks[index].owner_source = OWNER_STORED;
	scene->snapshot->locks[index].owner_cpu = late;
	scene->snapshot->locks[index].word_text =
		arena_strdup(&scene->snapshot->arena, "its stopper thread has not run");
	return 0;
}

static bool waits_in(const struct waiter *waiter, const char *part)
{
	for (uint32_t i = waiter->inner; i <= waiter->wait->frame; i++) {
		const char *function = waiter->stack->frames[i].function;

		if (function && strstr(function, part))
			return true;
	}
	return false;
}

int csd_wait_find(struct lock_scene *scene, const struct waiter *waiter)
{
	struct csd_layout l = csd_layout_get(scene->kernel->types);
	const struct regs *regs = NULL;
	uint32_t cpu = snapshot_cpu_by_id(scene->snapshot, waiter->cpu);
	int r;

	if (waits_in(waiter, "stop"))
		return stopper_find(scene, waiter);
	if (cpu == SNAPSHOT_NONE || l.flags < 0 || l.func < 0)
		return -ENOENT;
	regs = &scene->snapshot->cpus[cpu].regs;
	slots_collect(scene, waiter->stack, regs, waiter->inner, waiter->wait->frame + 1);
	if (waits_in(waiter, "smp_call_function_single") || waits_in(waiter, "generic_exec_single"))
		return csd_single_find(scene, waiter, &l);
	r = csd_many_find(scene, waiter, &l);
	return r == -ENOENT ? csd_single_find(scene, waiter, &l) : r;
}

struct rcu_layout {
	int64_t node_size, qsmask, expmask, grplo, gp_tasks, exp_tasks, blkd_tasks;
	int64_t levels, gp_seq, exp_seq, name, task_entry;
	int64_t n_nodes;
};

static bool rcu_layout_get(const struct types *t, struct rcu_layout *ret)
{
	struct rcu_layout l;
	struct member m;
	uint64_t size;

	l.node_size = types_size(t, "rcu_node", &size) == 0 ? (int64_t)size : -1;
	l.qsmask = types_offset(t, "rcu_node", "qsmask");
	l.expmask = types_offset(t, "rcu_node", "expmask");
	l.grplo = types_offset(t, "rcu_node", "grplo");
	l.gp_tasks = types_offset(t, "rcu_node", "gp_tasks");
	l.exp_tasks = types_offset(t, "rcu_node", "exp_tasks");
	l.blkd_tasks = types_offset(t, "rcu_node", "blkd_tasks");
	l.gp_seq = types_offset(t, "rcu_state", "gp_seq");
	l.exp_seq = types_offset(t, "rcu_state", "expedited_sequence");
	l.name = types_offset(t, "rcu_state", "name");
	l.task_entry = types_offset(t, "task_struct", "rcu_node_entry");
	if (types_member(t, "rcu_state", "node", &m) < 0 || l.node_size <= 0 || l.qsmask < 0 ||
	    l.grplo < 0 || l.gp_seq < 0)
		return false;
	l.levels = (int64_t)m.offset;
	l.n_nodes = (int64_t)(m.size / (uint64_t)l.node_size);
	*ret = l;
	return true;
}

struct rcu_holders {
	uint32_t cpu, n_cpus;
	uint64_t task;
	uint32_t n_tasks;
	char cpus[CPUS_TEXT];
};

/* Readers that were preempted: the list from *gp_tasks on to the end of blkd_tasks. */
static void rcu_tasks_count(struct lock_scene *scene, const struct rcu_layout *l, uint64_t node,
			    int64_t pointer, struct rcu_holders *h)
{
	uint64_t at, head = node + (uint64_t)l->blkd_tasks;

	if (l->blkd_tasks < 0 || l->task_entry < 0 || !read_u64(scene, node, pointer, &at))
		return;
	while (at && at != head && scene->steps_left) {
		scene->steps_left--;
		h->task = at - (uint64_t)l->task_entry;
		h->n_tasks++;
		scene_want_task(scene, task_table_find(scene->means->tasks, h->task));
		if (kernel_read_u64(scene->kernel, at, &at) < 0)
			return;
	}
}

/* Whom the current grace period waits for: bits of the leaf nodes, and preempted readers. */
static void rcu_holders_find(struct lock_scene *scene, const struct rcu_layout *l, uint64_t state,
			     bool expedited, struct rcu_holders *h)
{
	struct kernel *kernel = scene->kernel;
	int64_t mask_offset = expedited ? l->expmask : l->qsmask;
	uint8_t level, deepest = 0;
	int64_t level_offset = types_offset(kernel->types, "rcu_node", "level");
	int64_t parent = types_offset(kernel->types, "rcu_node", "parent");

	(void)parent;
	/* Unused nodes of the array are zero: level 0, as is the root. */
	for (int64_t i = 0; i < l->n_nodes; i++) {
		uint64_t node = state + (uint64_t)(l->levels + i * l->node_size);

		if (level_offset < 0 ||
		    kernel_read_u8(kernel, node + (uint64_t)level_offset, &level) < 0 ||
		    (i > 0 && level == 0))
			break;
		if (level > deepest)
			deepest = level;
	}
	for (int64_t i = 0; i < l->n_nodes; i++) {
		uint64_t node = state + (uint64_t)(l->levels + i * l->node_size), mask;
		uint32_t lo;

		if (kernel_read_u8(kernel, node + (uint64_t)level_offset, &level) < 0 ||
		    (i > 0 && level == 0))
			break;
		if (level != deepest || !read_u64(scene, node, mask_offset, &mask) ||
		    !read_u32(scene, node, l->grplo, &lo))
			continue;
		for (uint32_t bit = 0; bit < 64; bit++) {
			if (!(mask >> bit & 1) || !kernel_cpu_online(kernel, lo + bit))
				continue;
			h->cpu = lo + bit;
			h->n_cpus++;
			cpus_append(h->cpus, sizeof(h->cpus), lo + bit);
		}
		rcu_tasks_count(scene, l, node, expedited ? l->exp_tasks : l->gp_tasks, h);
	}
}

static void rcu_fill(struct lock_scene *scene, uint32_t index, const struct rcu_layout *l,
		     bool expedited)
{
	uint64_t state = scene->snapshot->locks[index].address, seq = 0, name;
	struct arena *arena = &scene->snapshot->arena;
	struct rcu_holders h = { 0 };
	struct lock *lock;
	char buf[32];

	rcu_holders_find(scene, l, state, expedited, &h);
	lock = &scene->snapshot->locks[index];
	lock->has_word = read_u64(scene, state, expedited ? l->exp_seq : l->gp_seq, &seq);
	lock->word = seq;
	lock->locked = (seq & 3) != 0; /* RCU_SEQ_STATE_MASK */
	if (read_u64(scene, state, l->name, &name) &&
	    kernel_read_string(scene->kernel, name, buf, sizeof(buf)) > 0)
		lock->name = arena_strdup(arena, buf);
	lock->word_text = arena_printf(arena, "%sgrace period waits for %s%s%s", 
				       expedited ? "expedited " : "",
				       h.n_cpus ? h.n_cpus > 1 ? "CPUs " : "CPU " : "",
				       h.n_cpus ? h.cpus : h.n_tasks ? "" : "no CPU and no reader",
				       h.n_tasks ? h.n_cpus ? " and preempted readers" :
							      "preempted readers" : "");
	if (h.n_cpus == 1 && !h.n_tasks) {
		lock->owner_source = OWNER_STORED;
		lock->owner_cpu = h.cpu;
	} else if (h.n_tasks == 1 && !h.n_cpus) {
		scene_owner(scene, index, h.task, OWNER_STORED);
	}
}

int rcu_wait_find(struct lock_scene *scene, const struct waiter *waiter)
{
	struct rcu_layout l;
	uint32_t index;
	uint64_t state;

	/* SRCU and the RCU-tasks flavours count elsewhere. */
	if (waits_in(waiter, "srcu") || waits_in(waiter, "rcu_tasks") ||
	    waits_in(waiter, "barrier") || kernel_symbol(scene->kernel, "rcu_state", &state) < 0 ||
	    !rcu_layout_get(scene->kernel->types, &l))
		return -ENOENT;
	index = scene_lock(scene, LOCK_RCU, state);
	if (index == SNAPSHOT_NONE)
		return -ENOMEM;
	waiter->wait->lock = index;
	if (!scene->snapshot->locks[index].has_word)
		rcu_fill(scene, index, &l, waits_in(waiter, "expedited") || waits_in(waiter, "exp_gp"));
	return 0;
}
