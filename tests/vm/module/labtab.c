// SPDX-License-Identifier: GPL-2.0-only
/* labtab: a table read under RCU and replaced as a whole. */
#include <linux/preempt.h>
#include <linux/rculist.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "lab.h"

#define LABTAB_ENTRIES 64

/* ---- scenario 13: a chain that has become a ring is walked inside an RCU reader ---- */

struct labtab_entry {
	struct labtab_entry __rcu *next;
	u32 key;
	u32 value;
};

static struct labtab_entry __rcu *labtab_first;

static LAB_FN u32 labtab_walk(u32 key)
{
	struct labtab_entry *entry;
	u32 steps = 0;

	for (entry = rcu_dereference(labtab_first); entry; entry = rcu_dereference(entry->next)) {
		if (READ_ONCE(entry->key) == key)
			break;
		steps++;
	}
	return steps;
}

static LAB_FN u32 labtab_lookup(u32 key)
{
	u32 steps;

	rcu_read_lock();
	preempt_disable();
	lab_truth("looper", "labtab_walk", "-", NULL);
	lab_gate_open(0);
	steps = labtab_walk(key);
	preempt_enable();
	rcu_read_unlock();
	return steps;
}

static LAB_FN u32 labtab_replace(struct labtab_entry *entry)
{
	lab_truth("waiter", "labtab_replace", "-", NULL);
	rcu_assign_pointer(labtab_first, entry);
	synchronize_rcu();
	return entry->key;
}

static LAB_FN int labtab_thread_lookup(void *data)
{
	u32 steps;

	steps = labtab_lookup(LABTAB_ENTRIES + 1);
	return steps ? 0 : -ENOENT;
}

static LAB_FN int labtab_thread_replace(void *data)
{
	u32 key;

	lab_gate_wait(0);
	key = labtab_replace(data);
	return key ? 0 : -ENOENT;
}

int labtab_start_walk(void)
{
	struct labtab_entry *entries, *other;
	u32 i;
	int r;

	entries = kcalloc(LABTAB_ENTRIES, sizeof(*entries), GFP_KERNEL);
	other = kzalloc(sizeof(*other), GFP_KERNEL);
	if (!entries || !other)
		return -ENOMEM;
	for (i = 0; i < LABTAB_ENTRIES; i++) {
		entries[i].key = i;
		RCU_INIT_POINTER(entries[i].next, &entries[(i + 1) % LABTAB_ENTRIES]);
	}
	rcu_assign_pointer(labtab_first, entries);
	r = lab_thread_start(labtab_thread_lookup, NULL, 2, "lab_walk");
	if (r)
		return r;
	return lab_thread_start(labtab_thread_replace, other, 1, "lab_replace");
}
