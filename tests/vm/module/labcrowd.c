// SPDX-License-Identifier: GPL-2.0-only
/* labcrowd: a queue of jobs with far more users than it can bear; and memory that fills a dump. */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "lab.h"

static unsigned int crowd = 10000;
module_param(crowd, uint, 0444);
MODULE_PARM_DESC(crowd, "tasks of scenario 18");

static unsigned int ballast_mb;
module_param(ballast_mb, uint, 0444);
MODULE_PARM_DESC(ballast_mb, "MiB of kernel pages to fill before the start");

/* ---- scenario 18, of the bench: thousands sleep for what one task has; the hung-task detector ends it ---- */

struct labjobs {
	u32 queued;
	struct mutex mutex; /* protects queued */
	struct rw_semaphore sem; /* protects the queue against its removal */
	struct completion idle;
	atomic_t waiting;
};

/* Caller holds jobs->mutex and jobs->sem. */
static LAB_FN long labjobs_flush(struct labjobs *jobs)
{
	long left;

	lab_truth_holder(0, "labjobs_flush", "labjobs.mutex", &jobs->mutex);
	left = schedule_timeout_uninterruptible(3600 * HZ);
	return left;
}

static LAB_FN long labjobs_remove(struct labjobs *jobs)
{
	long left;

	mutex_lock(&jobs->mutex);
	down_write(&jobs->sem);
	left = labjobs_flush(jobs);
	up_write(&jobs->sem);
	mutex_unlock(&jobs->mutex);
	complete_all(&jobs->idle);
	return left;
}

static LAB_FN u32 labjobs_queue(struct labjobs *jobs)
{
	u32 queued;

	mutex_lock(&jobs->mutex);
	queued = ++jobs->queued;
	mutex_unlock(&jobs->mutex);
	return queued;
}

static LAB_FN u32 labjobs_count(struct labjobs *jobs)
{
	u32 queued;

	down_read(&jobs->sem);
	queued = jobs->queued;
	up_read(&jobs->sem);
	return queued;
}

static LAB_FN u32 labjobs_drain(struct labjobs *jobs)
{
	wait_for_completion(&jobs->idle);
	return READ_ONCE(jobs->queued);
}

static LAB_FN int labjobs_thread_remove(void *data)
{
	long left;

	left = labjobs_remove(data);
	return left ? -EINTR : 0;
}

struct labjobs_user {
	struct labjobs *jobs;
	u32 (*fn)(struct labjobs *jobs);
};

static LAB_FN int labjobs_thread_user(void *data)
{
	struct labjobs_user *user = data;
	u32 queued;

	atomic_inc(&user->jobs->waiting);
	queued = user->fn(user->jobs);
	return queued ? 0 : -EIO;
}

static LAB_FN int labjobs_thread_fill(void *data)
{
	struct labjobs *jobs = data;
	struct labjobs_user *users;
	struct task_struct *task;
	unsigned int i;

	users = kcalloc(3, sizeof(*users), GFP_KERNEL);
	if (!users)
		return -ENOMEM;
	for (i = 0; i < 3; i++)
		users[i].jobs = jobs;
	users[0].fn = labjobs_queue;
	users[1].fn = labjobs_count;
	users[2].fn = labjobs_drain;
	lab_gate_wait(0);
	for (i = 0; i < crowd; i++) {
		task = kthread_run(labjobs_thread_user, &users[i % 3], "lab_job/%u", i);
		if (IS_ERR(task)) {
			pr_err("holdup_lab: task %u: %ld\n", i, PTR_ERR(task));
			return PTR_ERR(task);
		}
	}
	/* A kernel thread that was made has yet to reach its sleep. */
	while (atomic_read(&jobs->waiting) < (int)crowd)
		msleep(20);
	lab_truth("crowd", "labjobs_thread_fill", "labjobs.mutex", &jobs->mutex);
	return 0;
}

int labcrowd_start_jobs(void)
{
	struct labjobs *jobs = kzalloc(sizeof(*jobs), GFP_KERNEL);
	int r;

	if (!jobs)
		return -ENOMEM;
	mutex_init(&jobs->mutex);
	init_rwsem(&jobs->sem);
	init_completion(&jobs->idle);
	r = lab_thread_start(labjobs_thread_remove, jobs, 0, "lab_remove");
	if (!r)
		r = lab_thread_start(labjobs_thread_fill, jobs, 1, "lab_fill");
	return r;
}

/* ---- ballast: pages that makedumpfile must keep ---- */

int labcrowd_ballast(void)
{
	unsigned long left = (unsigned long)ballast_mb << (20 - PAGE_SHIFT);
	u64 x = 88172645463325252ULL;
	struct page *page;
	u64 *words;
	u32 i;

	for (; left; left--) {
		page = alloc_page(GFP_KERNEL);
		if (!page)
			return -ENOMEM;
		words = page_address(page);
		/* A quarter that no compressor shortens (xorshift), the rest by rule. */
		for (i = 0; i < PAGE_SIZE / sizeof(*words); i++) {
			if (i % 4 == 0) {
				x ^= x << 13;
				x ^= x >> 7;
				x ^= x << 17;
			}
			words[i] = i % 4 ? left : x;
		}
		cond_resched();
	}
	return 0;
}
