// SPDX-License-Identifier: GPL-2.0-only
/* labwork: deferred work on a workqueue of its own. */
#include <linux/atomic.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "lab.h"

/* ---- scenario 17: a work item flushes the queue that it runs on ---- */

struct labwork {
	struct work_struct work;
	struct workqueue_struct *wq;
	u32 runs;
};

static LAB_FN void labwork_drain(struct labwork *lw)
{
	lab_truth("waiter", "labwork_drain", "labwq", lw->wq);
	flush_workqueue(lw->wq);
	WRITE_ONCE(lw->runs, lw->runs + 1);
}

static LAB_FN void labwork_fn(struct work_struct *work)
{
	struct labwork *lw = container_of(work, struct labwork, work);

	lab_truth("holder", "labwork_fn", "labwq", lw->wq);
	labwork_drain(lw);
	WRITE_ONCE(lw->runs, 0);
}

static LAB_FN int labwork_thread(void *data)
{
	struct labwork *lw = data;

	queue_work(lw->wq, &lw->work);
	return 0;
}

int labwork_start_drain(void)
{
	struct labwork *lw = kzalloc(sizeof(*lw), GFP_KERNEL);

	if (!lw)
		return -ENOMEM;
	INIT_WORK(&lw->work, labwork_fn);
	lw->wq = alloc_workqueue("labwq", 0, 0);
	if (!lw->wq)
		return -ENOMEM;
	return lab_thread_start(labwork_thread, lw, 1, "lab_queue");
}
