// SPDX-License-Identifier: GPL-2.0-only
/* labstat: counters under one global spinlock, summed by a task and sampled by a timer. */
#include <linux/interrupt.h>
#include <linux/smp.h>
#include <linux/spinlock.h>

#include "lab.h"

#define LABSTAT_SLOTS 256

/* Protects labstat_slots and labstat_total. */
static DEFINE_SPINLOCK(labstat_lock);
static u64 labstat_slots[LABSTAT_SLOTS];
static u64 labstat_total;
static u32 labstat_generation; /* samples taken */
static struct timer_list labstat_timer;

/* Softirq context. */
static LAB_FN u64 labstat_sample(void)
{
	u64 total;

	lab_truth("waiter", "labstat_sample", "labstat_lock", &labstat_lock);
	spin_lock(&labstat_lock);
	total = labstat_total;
	labstat_generation++;
	spin_unlock(&labstat_lock);
	return total;
}

static LAB_FN void labstat_timer_fn(struct timer_list *t)
{
	u64 total;

	total = labstat_sample();
	if (total)
		lab_timer_start(t, smp_processor_id(), 100);
}

/* Sum until a sample has seen the sum. Caller holds labstat_lock. */
static LAB_FN u64 labstat_recount(void)
{
	u32 generation = READ_ONCE(labstat_generation);
	u64 sum;
	u32 i;

	do {
		sum = 0;
		for (i = 0; i < LABSTAT_SLOTS; i++)
			sum += READ_ONCE(labstat_slots[i]);
	} while (READ_ONCE(labstat_generation) == generation);
	return sum;
}

/* The bug: the timer takes this lock too, so it needs spin_lock_bh(). */
static LAB_FN u64 labstat_update(void)
{
	u64 sum;

	spin_lock(&labstat_lock);
	lab_truth("holder", "labstat_update", "labstat_lock", &labstat_lock);
	lab_timer_start(&labstat_timer, smp_processor_id(), 8);
	sum = labstat_recount();
	labstat_total = sum;
	spin_unlock(&labstat_lock);
	return sum;
}

static LAB_FN int labstat_thread_update(void *data)
{
	u64 sum;

	sum = labstat_update();
	return sum ? 0 : -EAGAIN;
}

int labstat_start_timer(void)
{
	timer_setup(&labstat_timer, labstat_timer_fn, TIMER_PINNED);
	return lab_thread_start(labstat_thread_update, NULL, 1, "lab_stat");
}
