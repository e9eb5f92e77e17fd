// SPDX-License-Identifier: GPL-2.0-only
/* labnode: a tree of nodes that is visited up to its root. */
#include <linux/delay.h>
#include <linux/slab.h>

#include "lab.h"

/* ---- scenario 16: the root's parent is not looked at before use ---- */

struct labnode {
	struct labnode *parent;
	char name[16];
	u32 weight;
};

static LAB_FN u32 labnode_visit(struct labnode *node)
{
	return READ_ONCE(node->weight);
}

static LAB_FN u32 labnode_sum(struct labnode *node, u32 levels)
{
	u32 sum = 0;

	while (levels--) {
		sum += labnode_visit(node);
		node = node->parent;
	}
	return sum;
}

static LAB_FN int labnode_thread_sum(void *data)
{
	u32 sum;

	/* Let the traffic get going. */
	usleep_range(2000000, 2100000);
	sum = labnode_sum(data, 3);
	return sum ? 0 : -ENOENT;
}

int labnode_start_visit(void)
{
	struct labnode *nodes = kcalloc(2, sizeof(*nodes), GFP_KERNEL);
	unsigned int cpu;
	int r = 0;

	if (!nodes)
		return -ENOMEM;
	nodes[0].parent = &nodes[1];
	for (cpu = 0; cpu < 4 && !r; cpu++) {
		if (cpu == 1)
			r = lab_thread_start(labnode_thread_sum, nodes, cpu, "lab_sum");
		else
			r = labpool_start_traffic_on(cpu, 50);
	}
	return r;
}
