// SPDX-License-Identifier: GPL-2.0-only
/* labtree: an index whose readers and writers share one rwsem. */
#include <linux/rwsem.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "lab.h"

/* ---- scenario 9: a reader sleeps, a writer queues, readers queue behind the writer ---- */

struct labtree {
	u32 height;
	u32 nodes;
	struct rw_semaphore sem; /* protects height and nodes */
};

/* Read a page of the index. Caller holds tree->sem for reading. */
static LAB_FN long labtree_read_page(struct labtree *tree)
{
	long left;

	lab_truth_holder(0, "labtree_read_page", "labtree.sem", &tree->sem);
	left = schedule_timeout_uninterruptible(3600 * HZ);
	return left;
}

static LAB_FN long labtree_lookup(struct labtree *tree)
{
	long left;

	down_read(&tree->sem);
	left = labtree_read_page(tree);
	up_read(&tree->sem);
	return left;
}

static LAB_FN u32 labtree_insert(struct labtree *tree)
{
	u32 nodes;

	lab_truth("waiter", "labtree_insert", "labtree.sem", &tree->sem);
	lab_gate_open(1);
	down_write(&tree->sem);
	nodes = ++tree->nodes;
	up_write(&tree->sem);
	return nodes;
}

static LAB_FN u32 labtree_stat(struct labtree *tree)
{
	u32 nodes;

	lab_truth("waiter", "labtree_stat", "labtree.sem", &tree->sem);
	down_read(&tree->sem);
	nodes = tree->nodes;
	up_read(&tree->sem);
	return nodes;
}

static LAB_FN int labtree_thread_lookup(void *data)
{
	long left;

	left = labtree_lookup(data);
	return left ? -EINTR : 0;
}

static LAB_FN int labtree_thread_insert(void *data)
{
	u32 nodes;

	lab_gate_wait(0);
	nodes = labtree_insert(data);
	return nodes ? 0 : -EIO;
}

static LAB_FN int labtree_thread_stat(void *data)
{
	u32 nodes;

	lab_gate_wait(1);
	for (;;)
		nodes = labtree_stat(data);
	return nodes ? 0 : -EIO;
}

int labtree_start_lookup(void)
{
	struct labtree *tree = kzalloc(sizeof(*tree), GFP_KERNEL);
	int r;

	if (!tree)
		return -ENOMEM;
	init_rwsem(&tree->sem);
	r = lab_thread_start(labtree_thread_stat, tree, 0, "lab_stat");
	if (!r)
		r = lab_thread_start(labtree_thread_insert, tree, 1, "lab_insert");
	if (!r)
		r = lab_thread_start(labtree_thread_lookup, tree, 2, "lab_lookup");
	if (!r)
		r = lab_thread_start(labtree_thread_stat, tree, 3, "lab_stat");
	return r;
}
