// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "render/text.h"

/*
 * The wait graph. A cycle is drawn as a ring:
 *
 *   +-> CPU 0, one (101) in lab_ab [lab]
 *   |     waits for spinlock lab.b (_raw_spin_lock), held by
 *   |   CPU 1, two (102) in lab_ba [lab]
 *   |     waits for spinlock lab.a (_raw_spin_lock), held by
 *   +-- CPU 0, one (101) in lab_ab [lab]
 *
 * Everything else is a tree with the holder at the top. Below somebody stand those who wait for
 * what he holds; those who wait in the same function are one node:
 *
 *   CPU 2, three (103): lab_spin+0x12 [lab]
 *   |   holds mutex lab.c, taken in lab_c, for 21.3 s
 *   |-- 2 wait in lab_read [lab] (mutex_lock), the longest 20.1 s:
 *   |     task four (104), task five (105)
 *   `-- task two (102) waits in lab_bc [lab] (mutex_lock)
 *       `-- task one (101) waits in lab_ab [lab] (mutex_lock) for mutex lab.b
 *
 * The lock is named below the holder, and again where it is another than the verdict's.
 */

#define ROOT UINT32_MAX
#define DEPTH_MAX 64   /* longer chains, and loops among damaged owners, hang from the root */
#define MEMBERS_MAX 48 /* shown of one node, the rest counted */

struct node {
	const struct party *party;
	uint32_t index;	 /* in the order of the verdict */
	uint32_t parent; /* index, or ROOT */
	bool is_parent;
};

/* Nodes with one parent that wait in one function: nodes[first … first + n - 1], once sorted. */
struct group {
	uint32_t parent, first, n;
};

struct graph {
	const struct snapshot *snapshot;
	const struct verdict *v;
	struct node *nodes;
	uint32_t n_nodes;
	struct group *groups;
	uint32_t n_groups;
};

static bool party_same(const struct party *a, const struct party *b)
{
	if (a->snapshot_cpu != SNAPSHOT_NONE && b->snapshot_cpu != SNAPSHOT_NONE)
		return a->snapshot_cpu == b->snapshot_cpu;
	if (a->snapshot_task != SNAPSHOT_NONE && b->snapshot_task != SNAPSHOT_NONE)
		return a->snapshot_task == b->snapshot_task;
	if (a->pid != SNAPSHOT_NONE && b->pid != SNAPSHOT_NONE && a->pid && b->pid)
		return a->pid == b->pid;
	return a->cpu != SNAPSHOT_NONE && a->cpu == b->cpu;
}

static bool party_in_cycle(const struct verdict *v, const struct party *party)
{
	for (uint32_t i = 0; i < v->n_cycle; i++) {
		if (party_same(&v->cycle[i].waiter, party))
			return true;
	}
	return false;
}

/* "CPU 7, ksoftirqd/7 (33)"; a task on no CPU has no CPU to its name. */
static void put_party(struct print *p, const struct snapshot *snapshot, const struct party *party)
{
	bool asleep = party->snapshot_cpu == SNAPSHOT_NONE &&
		      party->snapshot_task < snapshot->n_tasks &&
		      !snapshot->tasks[party->snapshot_task].on_cpu;
	char buf[TEXT_MAX];

	if (asleep || party->cpu == SNAPSHOT_NONE)
		print_put(p, "task %s", task_text(buf, party->comm, party->pid));
	else if (!party->comm && party->pid == SNAPSHOT_NONE)
		print_put(p, "CPU %" PRIu32, party->cpu);
	else
		print_put(p, "CPU %" PRIu32 ", %s", party->cpu,
			  task_text(buf, party->comm, party->pid));
}

static void put_function(struct print *p, const struct party *party)
{
	if (party->function)
		print_put(p, " in %s", party->function);
	if (party->function && party->module)
		print_put(p, " [%s]", party->module);
}

static const char *snapshot_lock_text(char buf[TEXT_MAX], const struct snapshot *snapshot,
				      uint32_t index)
{
	const struct lock *lock = index < snapshot->n_locks ? &snapshot->locks[index] : NULL;

	return lock ? lock_text(buf, lock->kind, lock->name, lock->address)
		    : lock_text(buf, LOCK_UNKNOWN, NULL, 0);
}

static bool verdict_has_lock(const struct verdict *v)
{
	return v->lock != SNAPSHOT_NONE || v->lock_kind != LOCK_UNKNOWN || v->lock_name ||
	       v->lock_address;
}

/* --- the ring --- */

static void print_ring(struct print *p, const struct snapshot *snapshot, const struct verdict *v,
		       bool closed)
{
	char buf[TEXT_MAX];

	for (uint32_t i = 0; i < v->n_cycle; i++) {
		const struct edge *edge = &v->cycle[i];

		print_put(p, "%s", !closed ? "      " : i == 0 ? "  +-> " : "  |   ");
		print_style(p, STYLE_HOLDER);
		put_party(p, snapshot, &edge->waiter);
		print_style(p, STYLE_NONE);
		put_function(p, &edge->waiter);
		print_end(p);
		print_put(p, "%s  waits for %s", closed ? "  |   " : "      ",
			  snapshot_lock_text(buf, snapshot, edge->lock));
		if (edge->waiter.primitive)
			print_put(p, " (%s)", edge->waiter.primitive);
		print_line(p, ", held by");
	}
	print_put(p, "%s", closed ? "  +-- " : "      ");
	print_style(p, STYLE_HOLDER);
	put_party(p, snapshot, &v->cycle[v->n_cycle - 1].holder);
	print_style(p, STYLE_NONE);
	put_function(p, &v->cycle[v->n_cycle - 1].holder);
	print_end(p);
}

/* --- the tree --- */

static uint32_t node_find(const struct graph *g, const struct party *party)
{
	for (uint32_t i = 0; i < g->n_nodes; i++) {
		if (party_same(g->nodes[i].party, party))
			return i;
	}
	return ROOT;
}

static uint32_t node_find_pid(const struct graph *g, uint32_t pid)
{
	for (uint32_t i = 0; i < g->n_nodes && pid != SNAPSHOT_NONE && pid != 0; i++) {
		if (g->nodes[i].party->pid == pid)
			return i;
	}
	return ROOT;
}

/* Below whom @node stands: by the verdict's edges, else by the owner stored in its lock. */
static uint32_t node_parent(const struct graph *g, const struct node *node)
{
	const struct verdict *v = g->v;
	uint32_t parent = ROOT, lock = node->party->lock;

	for (uint32_t i = 0; i < v->n_cycle; i++) {
		const struct edge *edge = &v->cycle[i];

		if (!party_same(&edge->waiter, node->party))
			continue;
		if (v->has_holder && party_same(&edge->holder, &v->holder))
			return ROOT;
		parent = node_find(g, &edge->holder);
		return parent == node->index ? ROOT : parent;
	}
	if (lock >= g->snapshot->n_locks)
		return ROOT;
	if (v->has_holder && v->holder.pid == g->snapshot->locks[lock].owner_pid)
		return ROOT;
	parent = node_find_pid(g, g->snapshot->locks[lock].owner_pid);
	return parent == node->index ? ROOT : parent;
}

static void graph_link(struct graph *g)
{
	uint32_t last_lock = SNAPSHOT_NONE, last_parent = ROOT;

	for (uint32_t i = 0; i < g->n_nodes; i++) {
		struct node *node = &g->nodes[i];
		uint32_t lock = node->party->lock;

		/* Thousands may wait for one lock: its owner is looked for once. */
		if (g->v->n_cycle == 0 && lock != SNAPSHOT_NONE && lock == last_lock &&
		    last_parent != i) {
			node->parent = last_parent;
			continue;
		}
		node->parent = node_parent(g, node);
		last_lock = lock;
		last_parent = node->parent;
	}
	for (uint32_t i = 0; i < g->n_nodes; i++) {
		uint32_t at = i, steps = 0;

		while (at != ROOT && steps++ < DEPTH_MAX)
			at = g->nodes[at].parent;
		if (at != ROOT)
			g->nodes[i].parent = ROOT;
	}
	for (uint32_t i = 0; i < g->n_nodes; i++) {
		if (g->nodes[i].parent != ROOT)
			g->nodes[g->nodes[i].parent].is_parent = true;
	}
}

static int string_compare(const char *a, const char *b)
{
	if (a == b)
		return 0;
	return !a ? -1 : !b ? 1 : strcmp(a, b);
}

/* 0 for nodes that are drawn as one. */
static int node_compare_key(const struct node *a, const struct node *b)
{
	int r;

	if (a->parent != b->parent)
		return a->parent < b->parent ? -1 : 1;
	if (a->is_parent || b->is_parent)
		return a->index < b->index ? -1 : a->index > b->index;
	if (a->party->lock != b->party->lock)
		return a->party->lock < b->party->lock ? -1 : 1;
	r = string_compare(a->party->function, b->party->function);
	if (r == 0)
		r = string_compare(a->party->module, b->party->module);
	if (r == 0)
		r = string_compare(a->party->primitive, b->party->primitive);
	return r;
}

static int node_compare(const void *va, const void *vb)
{
	const struct node *a = va, *b = vb;
	int r = a->is_parent != b->is_parent && a->parent == b->parent ? a->is_parent - b->is_parent
								       : node_compare_key(a, b);

	return r ? r : a->index < b->index ? -1 : a->index > b->index;
}

static int group_compare(const void *va, const void *vb, void *arg)
{
	const struct group *a = va, *b = vb;
	const struct node *nodes = arg;

	if (a->parent != b->parent)
		return a->parent < b->parent ? -1 : 1;
	return nodes[a->first].index < nodes[b->first].index ? -1 : 1;
}

static int graph_group(struct graph *g)
{
	g->groups = calloc(g->n_nodes + (size_t)1, sizeof(*g->groups));
	if (!g->groups)
		return -ENOMEM;
	qsort(g->nodes, g->n_nodes, sizeof(*g->nodes), node_compare);
	for (uint32_t i = 0; i < g->n_nodes; i++) {
		struct group *last = g->n_groups ? &g->groups[g->n_groups - 1] : NULL;
		const struct node *node = &g->nodes[i];

		if (last && node_compare_key(&g->nodes[last->first], node) == 0)
			last->n++;
		else
			g->groups[g->n_groups++] =
				(struct group){ .parent = node->parent, .first = i, .n = 1 };
	}
	qsort_r(g->groups, g->n_groups, sizeof(*g->groups), group_compare, g->nodes);
	return 0;
}

/* The waiters outside the cycle if @ring, else all of them and those of the edges. */
static int graph_init(struct graph *g, const struct snapshot *snapshot, const struct verdict *v,
		      bool ring)
{
	*g = (struct graph){ .snapshot = snapshot, .v = v };
	g->nodes = calloc((size_t)v->n_waiters + v->n_cycle + 1, sizeof(*g->nodes));
	if (!g->nodes)
		return -ENOMEM;
	for (uint32_t i = 0; i < v->n_waiters; i++) {
		if (ring && party_in_cycle(v, &v->waiters[i]))
			continue;
		g->nodes[g->n_nodes] =
			(struct node){ .party = &v->waiters[i], .index = g->n_nodes };
		g->n_nodes++;
	}
	for (uint32_t i = 0; !ring && i < v->n_cycle; i++) {
		if (node_find(g, &v->cycle[i].waiter) != ROOT)
			continue;
		g->nodes[g->n_nodes] =
			(struct node){ .party = &v->cycle[i].waiter, .index = g->n_nodes };
		g->n_nodes++;
	}
	graph_link(g);
	return graph_group(g);
}

static void graph_done(struct graph *g)
{
	free(g->nodes);
	free(g->groups);
}

static void print_members(struct print *p, const struct graph *g, const struct group *group,
			  const char *prefix)
{
	unsigned int hanging;

	print_put(p, "%s  ", prefix);
	hanging = p->column;
	for (uint32_t i = 0; i < group->n && i < MEMBERS_MAX; i++) {
		const struct party *party = g->nodes[group->first + i].party;
		char buf[TEXT_MAX], item[TEXT_MAX + 32];
		bool asleep = party->snapshot_cpu == SNAPSHOT_NONE &&
			      party->snapshot_task != SNAPSHOT_NONE;

		task_text(buf, party->comm, party->pid);
		if (asleep || party->cpu == SNAPSHOT_NONE)
			snprintf(item, sizeof(item), "task %s", buf);
		else
			snprintf(item, sizeof(item), "CPU %" PRIu32 " %s", party->cpu, buf);
		if (i > 0)
			print_put(p, ",");
		if (i > 0 && p->column + 2 + strlen(item) > p->width) {
			print_end(p);
			print_put(p, "%s  ", prefix);
		} else if (i > 0) {
			print_put(p, " ");
		}
		print_put(p, "%s", item);
	}
	if (group->n > MEMBERS_MAX)
		print_item(p, hanging, false, "and %" PRIu32 " more", group->n - MEMBERS_MAX);
	print_end(p);
}

static uint64_t group_longest(const struct graph *g, const struct group *group)
{
	uint64_t longest = SNAPSHOT_NO_TIME;

	for (uint32_t i = 0; i < group->n; i++) {
		uint64_t ns = g->nodes[group->first + i].party->time_ns;

		if (ns != SNAPSHOT_NO_TIME && (longest == SNAPSHOT_NO_TIME || ns > longest))
			longest = ns;
	}
	return longest;
}

static void print_group(struct print *p, const struct graph *g, const struct group *group,
			const char *prefix, const char *below)
{
	const struct party *party = g->nodes[group->first].party;
	uint64_t longest = group_longest(g, group);
	char buf[TEXT_MAX];

	print_put(p, "%s", prefix);
	print_style(p, STYLE_WAITER);
	if (group->n == 1)
		put_party(p, g->snapshot, party);
	else
		print_put(p, "%" PRIu32, group->n);
	print_style(p, STYLE_NONE);
	print_put(p, group->n == 1 ? " waits" : " wait");
	put_function(p, party);
	if (party->primitive)
		print_put(p, " (%s)", party->primitive);
	if (party->lock != SNAPSHOT_NONE && party->lock != g->v->lock)
		print_put(p, " for %s", snapshot_lock_text(buf, g->snapshot, party->lock));
	if (longest != SNAPSHOT_NO_TIME)
		print_put(p, "%s %s", group->n == 1 ? ", for" : ", the longest",
			  duration_text(buf, longest));
	print_put(p, group->n == 1 ? "" : ":");
	print_end(p);
	if (group->n > 1)
		print_members(p, g, group, below);
}

static void print_children(struct print *p, const struct graph *g, uint32_t parent,
			   const char *prefix, unsigned int depth)
{
	uint32_t last = ROOT;

	for (uint32_t i = 0; i < g->n_groups; i++) {
		if (g->groups[i].parent == parent)
			last = i;
	}
	for (uint32_t i = 0; last != ROOT && i <= last; i++) {
		const struct group *group = &g->groups[i];
		const struct node *node = &g->nodes[group->first];
		char here[8 + 4 * (DEPTH_MAX + 2)], below[8 + 4 * (DEPTH_MAX + 2)];

		if (group->parent != parent)
			continue;
		snprintf(here, sizeof(here), "%.260s%s", prefix, i == last ? "`-- " : "|-- ");
		snprintf(below, sizeof(below), "%.260s%s", prefix, i == last ? "    " : "|   ");
		print_group(p, g, group, here, below);
		if (node->is_parent && depth < DEPTH_MAX)
			print_children(p, g, node->index, below, depth + 1);
	}
}

/* What the holder does to the others, in the words of the pattern. */
static void put_hold(struct print *p, const struct verdict *v)
{
	char buf[TEXT_MAX];
	const char *lock = NULL;

	if (verdict_has_lock(v))
		lock = lock_text(buf, v->lock_kind, v->lock_name, v->lock_address);
	switch (v->pattern) {
	case PATTERN_BUSY_LOOP:
	case PATTERN_LIVELOCK:
	case PATTERN_IRQ_STORM:
	case PATTERN_STARVATION:
		print_put(p, "keeps its CPU");
		break;
	case PATTERN_IPI_WAIT:
		print_put(p, "does not answer the other CPUs");
		break;
	case PATTERN_LOST_HOLDER:
		print_put(p, "left without releasing %s", lock ? lock : "what it held");
		break;
	default:
		print_put(p, "holds %s", lock ? lock : "the others up");
	}
	if (v->holder.acquired_in)
		print_put(p, ", taken in %s", v->holder.acquired_in);
	if (v->holder.time_ns != SNAPSHOT_NO_TIME)
		print_put(p, ", for %s", duration_text(buf, v->holder.time_ns));
}

static void print_root(struct print *p, const struct snapshot *snapshot, const struct verdict *v,
		       bool has_children)
{
	const struct party *holder = &v->holder;
	const char *below = has_children ? "  |   " : "      ";
	char buf[TEXT_MAX];

	print_pad(p, 2);
	if (!v->has_holder) {
		print_put(p, "holder not known");
		if (verdict_has_lock(v))
			print_put(p, ", of %s",
				  lock_text(buf, v->lock_kind, v->lock_name, v->lock_address));
		print_end(p);
		return;
	}
	print_style(p, STYLE_HOLDER);
	put_party(p, snapshot, holder);
	print_style(p, STYLE_NONE);
	if (holder->function)
		print_put(p, ": %s", holder->function);
	if (holder->function && holder->offset != SNAPSHOT_NONE)
		print_put(p, "+0x%" PRIx32, holder->offset);
	if (holder->function && holder->module)
		print_put(p, " [%s]", holder->module);
	print_end(p);
	print_put(p, "%s", below);
	put_hold(p, v);
	print_end(p);
	if (holder->file && holder->line)
		print_line(p, "%sat %s:%" PRIu32, below, holder->file, holder->line);
}

void graph_print(struct print *p, const struct snapshot *snapshot, const struct verdict *v)
{
	bool closed = v->n_cycle &&
		      party_same(&v->cycle[v->n_cycle - 1].holder, &v->cycle[0].waiter);
	bool ring = closed || (v->n_cycle && v->pattern == PATTERN_CYCLE);
	struct graph g;

	if (!v->has_holder && v->n_waiters == 0 && v->n_cycle == 0)
		return;
	print_title(p, "Who waits for whom");
	if (graph_init(&g, snapshot, v, ring) < 0) {
		graph_done(&g);
		p->r = -ENOMEM;
		return;
	}
	if (ring) {
		print_ring(p, snapshot, v, closed);
		if (g.n_nodes)
			print_line(p, "  behind them");
	} else {
		print_root(p, snapshot, v, g.n_nodes > 0);
	}
	print_children(p, &g, ROOT, "  ", 0);
	graph_done(&g);
}
