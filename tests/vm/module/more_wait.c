// SPDX-License-Identifier: GPL-2.0-only
/* Waits for timers, works, other CPUs and RCU, most of them for somebody who waits for the waiter. */
#include <linux/delay.h>
#include <linux/hrtimer.h>
#include <linux/interrupt.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/spinlock.h>
#include <linux/stop_machine.h>
#include <linux/timer.h>
#include <linux/workqueue.h>

#include "more.h"

#define GATE_FIRST 0
#define GATE_SECOND 1

/* ---- 52: del_timer_sync() with a lock that the timer's handler wants ---- */

struct lablease {
	u32 expired;
	struct timer_list timer;
	spinlock_t lock; /* protects expired */
};

static LAB_FN void lablease_expire(struct lablease *lease)
{
	lab_truth("holder", "lablease_expire", "-", &lease->timer);
	lab_truth("waiter", "lablease_expire", "lablease.lock", &lease->lock);
	lab_gate_open(GATE_SECOND);
	spin_lock(&lease->lock);
	lease->expired++;
	spin_unlock(&lease->lock);
}

static LAB_FN void lablease_timer(struct timer_list *t)
{
	struct lablease *lease = container_of(t, struct lablease, timer);

	lablease_expire(lease);
}

static LAB_FN void lablease_stop(struct lablease *lease)
{
	lab_truth("waiter", "lablease_stop", "-", &lease->timer);
	del_timer_sync(&lease->timer);
	lease->expired = 0;
}

static LAB_FN void lablease_release(struct lablease *lease)
{
	spin_lock_bh(&lease->lock);
	lab_truth_holder(GATE_FIRST, "lablease_release", "lablease.lock", &lease->lock);
	while (!lab_gate_is_open(GATE_SECOND))
		cpu_relax();
	mdelay(2);
	lablease_stop(lease);
	spin_unlock_bh(&lease->lock);
}

static LAB_FN int lablease_thread_release(void *data)
{
	lablease_release(data);
	return 0;
}

static LAB_FN int lablease_thread_arm(void *data)
{
	struct lablease *lease = data;

	while (!lab_gate_is_open(GATE_FIRST))
		usleep_range(1000, 2000);
	lab_timer_start(&lease->timer, smp_processor_id(), 4);
	return 0;
}

static int lablease_start(void)
{
	struct lablease *lease = kzalloc(sizeof(*lease), GFP_KERNEL);
	int r;

	if (!lease)
		return -ENOMEM;
	spin_lock_init(&lease->lock);
	timer_setup(&lease->timer, lablease_timer, TIMER_PINNED);
	r = lab_thread_start(lablease_thread_release, lease, 1, "lab_release");
	return r ? r : lab_thread_start(lablease_thread_arm, lease, 2, "lab_arm");
}

/* ---- 53: cancel_work_sync() with a mutex that the work wants ---- */

struct labscan {
	u32 found;
	struct mutex mutex; /* protects found */
	struct work_struct work;
};

static LAB_FN u32 labscan_collect(struct labscan *scan)
{
	lab_truth("waiter", "labscan_collect", "labscan.mutex", &scan->mutex);
	lab_gate_open(GATE_SECOND);
	mutex_lock(&scan->mutex);
	scan->found++;
	mutex_unlock(&scan->mutex);
	return scan->found;
}

static LAB_FN void labscan_fn(struct work_struct *work)
{
	struct labscan *scan = container_of(work, struct labscan, work);

	lab_truth("holder", "labscan_fn", "labscan_fn", work);
	labscan_collect(scan);
	scan->found = 0;
}

static LAB_FN void labscan_cancel(struct labscan *scan)
{
	lab_truth("waiter", "labscan_cancel", "labscan_fn", &scan->work);
	cancel_work_sync(&scan->work);
	scan->found = 0;
}

static LAB_FN void labscan_stop(struct labscan *scan)
{
	mutex_lock(&scan->mutex);
	lab_truth_holder(GATE_FIRST, "labscan_stop", "labscan.mutex", &scan->mutex);
	schedule_work(&scan->work);
	lab_gate_wait(GATE_SECOND);
	labscan_cancel(scan);
	mutex_unlock(&scan->mutex);
}

static LAB_FN int labscan_thread(void *data)
{
	labscan_stop(data);
	return 0;
}

static int labscan_start(void)
{
	struct labscan *scan = kzalloc(sizeof(*scan), GFP_KERNEL);

	if (!scan)
		return -ENOMEM;
	mutex_init(&scan->mutex);
	INIT_WORK(&scan->work, labscan_fn);
	return lab_thread_start(labscan_thread, scan, 1, "lab_stop");
}

/* ---- 54: flush_work() of a work that waits for a mutex whose owner sleeps ---- */

struct labflush {
	u32 pages;
	struct mutex mutex; /* protects pages */
	struct work_struct work;
};

static LAB_FN long labflush_write(struct labflush *flush)
{
	long left;

	lab_truth_holder(GATE_FIRST, "labflush_write", "labflush.mutex", &flush->mutex);
	left = schedule_timeout_uninterruptible(3600 * HZ);
	return left;
}

static LAB_FN long labflush_sync(struct labflush *flush)
{
	long left;

	mutex_lock(&flush->mutex);
	left = labflush_write(flush);
	mutex_unlock(&flush->mutex);
	return left;
}

static LAB_FN void labflush_fn(struct work_struct *work)
{
	struct labflush *flush = container_of(work, struct labflush, work);

	lab_truth("holder", "labflush_fn", "labflush_fn", work);
	lab_truth("waiter", "labflush_fn", "labflush.mutex", &flush->mutex);
	lab_gate_open(GATE_SECOND);
	mutex_lock(&flush->mutex);
	flush->pages++;
	mutex_unlock(&flush->mutex);
}

static LAB_FN void labflush_wait(struct labflush *flush)
{
	lab_truth("waiter", "labflush_wait", "labflush_fn", &flush->work);
	flush_work(&flush->work);
	flush->pages = 0;
}

static LAB_FN int labflush_thread_sync(void *data)
{
	return labflush_sync(data) ? 0 : -EAGAIN;
}

static LAB_FN int labflush_thread_wait(void *data)
{
	struct labflush *flush = data;

	lab_gate_wait(GATE_FIRST);
	schedule_work(&flush->work);
	lab_gate_wait(GATE_SECOND);
	labflush_wait(flush);
	return 0;
}

static int labflush_start(void)
{
	struct labflush *flush = kzalloc(sizeof(*flush), GFP_KERNEL);
	int r;

	if (!flush)
		return -ENOMEM;
	mutex_init(&flush->mutex);
	INIT_WORK(&flush->work, labflush_fn);
	r = lab_thread_start(labflush_thread_sync, flush, 1, "lab_sync");
	return r ? r : lab_thread_start(labflush_thread_wait, flush, 2, "lab_wait");
}

/* ---- 55: a call to a CPU that spins, with interrupts off, for the caller's lock ---- */

static DEFINE_SPINLOCK(labtlb_lock);
static u32 labtlb_generation;

static LAB_FN void labtlb_flush_one(void *info)
{
	labtlb_generation++;
}

static LAB_FN void labtlb_call(unsigned int cpu)
{
	lab_truth("waiter", "labtlb_call", "csd", NULL);
	smp_call_function_single(cpu, labtlb_flush_one, NULL, 1);
	labtlb_generation++;
}

static LAB_FN void labtlb_shootdown(unsigned int cpu)
{
	spin_lock(&labtlb_lock);
	lab_truth_holder(GATE_FIRST, "labtlb_shootdown", "labtlb_lock", &labtlb_lock);
	while (!lab_gate_is_open(GATE_SECOND))
		cpu_relax();
	mdelay(2);
	labtlb_call(cpu);
	spin_unlock(&labtlb_lock);
}

static LAB_FN void labtlb_switch(void)
{
	unsigned long flags;

	local_irq_save(flags);
	lab_truth("holder", "labtlb_switch", "csd", NULL);
	lab_truth("waiter", "labtlb_switch", "labtlb_lock", &labtlb_lock);
	lab_gate_open(GATE_SECOND);
	spin_lock(&labtlb_lock);
	labtlb_generation++;
	spin_unlock(&labtlb_lock);
	local_irq_restore(flags);
}

static LAB_FN int labtlb_thread_shootdown(void *data)
{
	labtlb_shootdown(2);
	return 0;
}

static LAB_FN int labtlb_thread_switch(void *data)
{
	while (!lab_gate_is_open(GATE_FIRST))
		usleep_range(1000, 2000);
	labtlb_switch();
	return 0;
}

static int labtlb_start(void)
{
	int r = lab_thread_start(labtlb_thread_shootdown, NULL, 1, "lab_shoot");

	return r ? r : lab_thread_start(labtlb_thread_switch, NULL, 2, "lab_switch");
}

/* ---- 56: stop_machine() against a CPU that loops ---- */

static u32 labcrypt_ready;

static LAB_FN u32 labcrypt_wait(void)
{
	u32 rounds = 0;

	lab_truth("looper", "labcrypt_wait", "-", NULL);
	lab_gate_open(GATE_FIRST);
	while (!READ_ONCE(labcrypt_ready))
		rounds++;
	return rounds;
}

static LAB_FN u32 labcrypt_encrypt(void)
{
	unsigned long flags;
	u32 rounds;

	local_irq_save(flags);
	rounds = labcrypt_wait();
	local_irq_restore(flags);
	return rounds;
}

static LAB_FN int labpatch_one(void *data)
{
	return 0;
}

static LAB_FN int labpatch_apply(void)
{
	int r;

	lab_truth("waiter", "labpatch_apply", "-", NULL);
	r = stop_machine(labpatch_one, NULL, NULL);
	return r ? r : 1;
}

static LAB_FN int labcrypt_thread(void *data)
{
	return labcrypt_encrypt() ? 0 : -EAGAIN;
}

static LAB_FN int labpatch_thread(void *data)
{
	lab_gate_wait(GATE_FIRST);
	return labpatch_apply();
}

static int labcrypt_start(void)
{
	int r = lab_thread_start(labcrypt_thread, NULL, 2, "lab_crypt");

	return r ? r : lab_thread_start(labpatch_thread, NULL, 1, "lab_patch");
}

/* ---- 57: a grace period under a mutex that the RCU reader wants; 58: a reader that sleeps ---- */

struct labrule {
	u32 hits;
	struct mutex mutex; /* protects hits */
};

static LAB_FN void labrule_wait(struct labrule *rule)
{
	lab_truth("waiter", "labrule_wait", "rcu_state", NULL);
	synchronize_rcu();
	rule->hits = 0;
}

static LAB_FN void labrule_replace(struct labrule *rule)
{
	mutex_lock(&rule->mutex);
	lab_truth_holder(GATE_SECOND, "labrule_replace", "labrule.mutex", &rule->mutex);
	lab_gate_wait(GATE_FIRST);
	labrule_wait(rule);
	mutex_unlock(&rule->mutex);
}

static LAB_FN void labrule_hit(struct labrule *rule)
{
	lab_truth("holder", "labrule_hit", "rcu_state", NULL);
	lab_truth("waiter", "labrule_hit", "labrule.mutex", &rule->mutex);
	mutex_lock(&rule->mutex);
	rule->hits++;
	mutex_unlock(&rule->mutex);
}

/* The bug: an RCU reader may not sleep. */
static LAB_FN void labrule_match(struct labrule *rule)
{
	lab_gate_wait(GATE_SECOND);
	rcu_read_lock();
	lab_gate_open(GATE_FIRST);
	labrule_hit(rule);
	rcu_read_unlock();
}

static LAB_FN long labrule_sleep(struct labrule *rule)
{
	long left;

	lab_truth_holder(GATE_FIRST, "labrule_sleep", "rcu_state", NULL);
	left = schedule_timeout_uninterruptible(3600 * HZ);
	return left;
}

static LAB_FN long labrule_dump(struct labrule *rule)
{
	long left;

	rcu_read_lock();
	left = labrule_sleep(rule);
	rcu_read_unlock();
	return left;
}

static LAB_FN int labrule_thread_replace(void *data)
{
	labrule_replace(data);
	return 0;
}

static LAB_FN int labrule_thread_match(void *data)
{
	labrule_match(data);
	return 0;
}

static LAB_FN int labrule_thread_dump(void *data)
{
	return labrule_dump(data) ? 0 : -EAGAIN;
}

static LAB_FN int labrule_thread_wait(void *data)
{
	lab_gate_wait(GATE_FIRST);
	labrule_wait(data);
	return 0;
}

static int labrule_start(bool cycle)
{
	struct labrule *rule = kzalloc(sizeof(*rule), GFP_KERNEL);
	int r;

	if (!rule)
		return -ENOMEM;
	mutex_init(&rule->mutex);
	r = lab_thread_start(cycle ? labrule_thread_replace : labrule_thread_wait, rule, 1,
			     "lab_replace");
	return r ? r : lab_thread_start(cycle ? labrule_thread_match : labrule_thread_dump, rule, 2,
					"lab_match");
}

static int labrule_start_cycle(void)
{
	return labrule_start(true);
}

static int labrule_start_sleep(void)
{
	return labrule_start(false);
}

/* ---- 59: a timer that is due again as soon as it has run ---- */

static struct hrtimer labpwm_timer;
static u32 labpwm_edges;

static LAB_FN void labpwm_toggle(void)
{
	labpwm_edges++;
	udelay(20);
}

static LAB_FN enum hrtimer_restart labpwm_fire(struct hrtimer *timer)
{
	labpwm_toggle();
	hrtimer_set_expires(timer, ktime_get());
	return HRTIMER_RESTART;
}

static LAB_FN int labpwm_thread(void *data)
{
	lab_truth("looper", "labpwm_fire", "-", NULL);
	hrtimer_init(&labpwm_timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED);
	labpwm_timer.function = labpwm_fire;
	hrtimer_start(&labpwm_timer, ns_to_ktime(NSEC_PER_MSEC), HRTIMER_MODE_REL_PINNED);
	for (;;)
		cond_resched();
	return 0;
}

static int labpwm_start(void)
{
	return lab_thread_start(labpwm_thread, NULL, 2, "lab_pwm");
}

/* ---- 60: a loop over many functions, none of them for long ---- */

static u32 labgc_marked, labgc_swept, labgc_moved;

static LAB_FN void labgc_mark(u32 i)
{
	labgc_marked += i;
	udelay(3);
}

static LAB_FN void labgc_sweep(u32 i)
{
	labgc_swept += i;
	udelay(3);
}

static LAB_FN void labgc_move(u32 i)
{
	labgc_moved += i;
	udelay(3);
}

static LAB_FN u32 labgc_collect(void)
{
	u32 i = 0;

	lab_truth("looper", "labgc_collect", "-", NULL);
	do {
		labgc_mark(i);
		labgc_sweep(i);
		labgc_move(i);
		i++;
	} while (READ_ONCE(labgc_marked) == READ_ONCE(labgc_swept));
	return i;
}

static LAB_FN int labgc_thread(void *data)
{
	return labgc_collect() ? 0 : -EAGAIN;
}

static int labgc_start(void)
{
	return lab_thread_start(labgc_thread, NULL, 2, "lab_gc");
}

int more_wait_start(int id)
{
	static int (*const starters[])(void) = {
		[52] = lablease_start,	[53] = labscan_start,	    [54] = labflush_start,
		[55] = labtlb_start,	[56] = labcrypt_start,	    [57] = labrule_start_cycle,
		[58] = labrule_start_sleep, [59] = labpwm_start,    [60] = labgc_start,
	};

	return id < ARRAY_SIZE(starters) && starters[id] ? starters[id]() : -EINVAL;
}
