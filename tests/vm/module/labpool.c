// SPDX-License-Identifier: GPL-2.0-only
/* labpool: pools of objects with a free and a used list, one spinlock per pool, and a registry. */
#include <linux/delay.h>
#include <linux/interrupt.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "lab.h"

#define LABPOOL_OBJECTS 512
#define LABPOOL_GATE 1

struct labpool_obj {
	struct list_head list;
	u32 pins; /* users that must drop it before it is free */
	u32 age;
};

struct labpool {
	struct list_head list;
	char name[24];
	u32 id;
	u32 low; /* reclaim until so many are free */
	u32 nr_free;
	u32 nr_used;
	spinlock_t lock; /* protects both lists and their counts */
	struct list_head free;
	struct list_head used;
	struct timer_list age_timer;
	unsigned int idle_us;
};

/* Protects labpool_list. */
static DEFINE_SPINLOCK(labpool_lock);
static LIST_HEAD(labpool_list);
/* Serialises changes of the pools' sizes. */
static DEFINE_MUTEX(labpool_size_mutex);
static struct labpool *labpool_shared;

static struct labpool *labpool_create(const char *name, u32 objects)
{
	struct labpool_obj *obj;
	struct labpool *pool;

	pool = kzalloc(sizeof(*pool), GFP_KERNEL);
	if (!pool)
		return NULL;
	strscpy(pool->name, name, sizeof(pool->name));
	spin_lock_init(&pool->lock);
	INIT_LIST_HEAD(&pool->free);
	INIT_LIST_HEAD(&pool->used);
	pool->low = objects / 4;
	for (; pool->nr_used < objects; pool->nr_used++) {
		obj = kzalloc(sizeof(*obj), GFP_KERNEL);
		if (!obj)
			return NULL;
		obj->pins = 1;
		list_add(&obj->list, &pool->used);
	}
	return pool;
}

/* ---- scenario 2: reclaim under the pool's lock; also the first half of 14 ---- */

/* Free used objects until the low mark is reached. Caller holds pool->lock. */
static LAB_FN u32 labpool_reclaim(struct labpool *pool)
{
	struct labpool_obj *obj, *next;
	u32 scanned = 0;

	lab_truth_holder(LABPOOL_GATE, "labpool_reclaim", "labpool.lock", &pool->lock);
	while (READ_ONCE(pool->nr_free) < pool->low) {
		list_for_each_entry_safe(obj, next, &pool->used, list) {
			scanned++;
			if (READ_ONCE(obj->pins))
				continue;
			list_move(&obj->list, &pool->free);
			pool->nr_free++;
			pool->nr_used--;
		}
	}
	return scanned;
}

static LAB_FN u32 labpool_shrink(struct labpool *pool)
{
	u32 scanned;

	spin_lock_bh(&pool->lock);
	scanned = labpool_reclaim(pool);
	spin_unlock_bh(&pool->lock);
	return scanned;
}

static LAB_FN struct labpool_obj *labpool_get(struct labpool *pool)
{
	struct labpool_obj *obj;

	lab_truth("waiter", "labpool_get", "labpool.lock", &pool->lock);
	spin_lock_bh(&pool->lock);
	obj = list_first_entry_or_null(&pool->free, struct labpool_obj, list);
	if (obj) {
		list_move(&obj->list, &pool->used);
		pool->nr_free--;
		pool->nr_used++;
	}
	spin_unlock_bh(&pool->lock);
	return obj;
}

/* Softirq context. */
static LAB_FN void labpool_age(struct labpool *pool)
{
	struct labpool_obj *obj;

	lab_truth("waiter", "labpool_age", "labpool.lock", &pool->lock);
	spin_lock(&pool->lock);
	list_for_each_entry(obj, &pool->used, list)
		obj->age++;
	spin_unlock(&pool->lock);
}

static LAB_FN void labpool_age_timer(struct timer_list *t)
{
	struct labpool *pool = container_of(t, struct labpool, age_timer);

	labpool_age(pool);
	lab_timer_start(t, smp_processor_id(), 100);
}

static LAB_FN int labpool_thread_shrink(void *data)
{
	u32 scanned;

	scanned = labpool_shrink(data);
	return scanned ? 0 : -EAGAIN;
}

static LAB_FN int labpool_thread_alloc(void *data)
{
	struct labpool_obj *obj;

	lab_gate_wait(LABPOOL_GATE);
	obj = labpool_get(data);
	return obj ? 0 : -ENOMEM;
}

static LAB_FN int labpool_thread_age(void *data)
{
	struct labpool *pool = data;

	lab_gate_wait(LABPOOL_GATE);
	timer_setup(&pool->age_timer, labpool_age_timer, TIMER_PINNED);
	lab_timer_start(&pool->age_timer, smp_processor_id(), 4);
	return 0;
}

int labpool_start_shrink_on(unsigned int first, unsigned int waiters)
{
	unsigned int cpu;
	int r;

	labpool_shared = labpool_create("buffers", LABPOOL_OBJECTS);
	if (!labpool_shared)
		return -ENOMEM;
	r = lab_thread_start(labpool_thread_shrink, labpool_shared, first, "lab_shrink");
	for (cpu = first + 1; cpu <= first + waiters && !r; cpu++)
		r = lab_thread_start(labpool_thread_alloc, labpool_shared, cpu, "lab_alloc");
	return r;
}

int labpool_start_shrink(void)
{
	int r;

	r = labpool_start_shrink_on(0, 2);
	if (r)
		return r;
	return lab_thread_start(labpool_thread_age, labpool_shared, 3, "lab_age");
}

/* ---- scenario 5: accounting takes the lock that the resize already has ---- */

static LAB_FN u32 labpool_account(struct labpool *pool, u32 added)
{
	u32 total;

	lab_truth("waiter", "labpool_account", "labpool.lock", &pool->lock);
	spin_lock_bh(&pool->lock);
	pool->nr_free += added;
	total = pool->nr_free + pool->nr_used;
	spin_unlock_bh(&pool->lock);
	return total;
}

/* Caller holds pool->lock. */
static LAB_FN u32 labpool_grow(struct labpool *pool, u32 count)
{
	struct labpool_obj *obj;
	u32 i, total;

	for (i = 0; i < count; i++) {
		obj = kzalloc(sizeof(*obj), GFP_ATOMIC);
		if (!obj)
			break;
		list_add(&obj->list, &pool->free);
	}
	total = labpool_account(pool, i);
	return total;
}

static LAB_FN u32 labpool_resize(struct labpool *pool, u32 count)
{
	u32 total;

	spin_lock_bh(&pool->lock);
	lab_truth("holder", "labpool_resize", "labpool.lock", &pool->lock);
	total = labpool_grow(pool, count);
	spin_unlock_bh(&pool->lock);
	return total;
}

static LAB_FN int labpool_thread_resize(void *data)
{
	u32 total;

	total = labpool_resize(data, 16);
	return total ? 0 : -ENOMEM;
}

int labpool_start_resize(void)
{
	labpool_shared = labpool_create("frames", LABPOOL_OBJECTS);
	if (!labpool_shared)
		return -ENOMEM;
	return lab_thread_start(labpool_thread_resize, labpool_shared, 1, "lab_resize");
}

/* ---- scenario 10: the registry's error path forgets the unlock ---- */

static LAB_FN int labpool_register(struct labpool *pool)
{
	struct labpool *other;

	spin_lock(&labpool_lock);
	lab_truth("holder", "labpool_register", "labpool_lock", &labpool_lock);
	list_for_each_entry(other, &labpool_list, list) {
		if (!strcmp(other->name, pool->name))
			return -EEXIST;
	}
	list_add(&pool->list, &labpool_list);
	spin_unlock(&labpool_lock);
	return 0;
}

static LAB_FN struct labpool *labpool_find(u32 id)
{
	struct labpool *pool, *found = NULL;

	lab_truth("waiter", "labpool_find", "labpool_lock", &labpool_lock);
	spin_lock(&labpool_lock);
	list_for_each_entry(pool, &labpool_list, list) {
		if (pool->id == id) {
			found = pool;
			break;
		}
	}
	spin_unlock(&labpool_lock);
	return found;
}

static LAB_FN int labpool_thread_register(void *data)
{
	int r;

	r = labpool_register(data);
	lab_gate_open(LABPOOL_GATE);
	return r;
}

static LAB_FN int labpool_thread_find(void *data)
{
	struct labpool *pool;

	lab_gate_wait(LABPOOL_GATE);
	/* The taker is to be gone by now, its stack with it. */
	usleep_range(500000, 510000);
	pool = labpool_find(7);
	return pool ? 0 : -ENOENT;
}

int labpool_start_register(void)
{
	unsigned int cpu;
	int r;

	labpool_shared = labpool_create("shared", 16);
	if (!labpool_shared)
		return -ENOMEM;
	list_add(&labpool_shared->list, &labpool_list);
	r = lab_thread_start(labpool_thread_register, labpool_shared, 0, "lab_taker");
	for (cpu = 1; cpu <= 3 && !r; cpu++)
		r = lab_thread_start(labpool_thread_find, NULL, cpu, "lab_finder");
	return r;
}

/* ---- scenarios 15 and 16: traffic, short holds only ---- */

static LAB_FN u32 labpool_exchange(struct labpool *pool)
{
	struct labpool_obj *obj;
	u32 age = 0;

	spin_lock_bh(&pool->lock);
	obj = list_first_entry_or_null(&pool->used, struct labpool_obj, list);
	if (obj) {
		list_move_tail(&obj->list, &pool->used);
		age = ++obj->age;
	}
	spin_unlock_bh(&pool->lock);
	return age;
}

static LAB_FN u32 labpool_balance(struct labpool *pool)
{
	u32 low;

	mutex_lock(&labpool_size_mutex);
	low = READ_ONCE(pool->nr_used) / 4;
	pool->low = low;
	mutex_unlock(&labpool_size_mutex);
	return low;
}

static LAB_FN int labpool_thread_traffic(void *data)
{
	struct labpool *pool = data;
	u32 rounds = 0;

	for (;;) {
		labpool_exchange(pool);
		if (!(++rounds % 16))
			labpool_balance(pool);
		if (pool->idle_us)
			usleep_range(pool->idle_us, 2 * pool->idle_us);
		cond_resched();
	}
	return 0;
}

int labpool_start_traffic_on(unsigned int cpu, unsigned int idle_us)
{
	if (!labpool_shared)
		labpool_shared = labpool_create("packets", LABPOOL_OBJECTS);
	if (!labpool_shared)
		return -ENOMEM;
	labpool_shared->idle_us = idle_us;
	return lab_thread_start(labpool_thread_traffic, labpool_shared, cpu, "lab_traffic");
}

int labpool_start_traffic(void)
{
	unsigned int cpu;
	int r = 0;

	for_each_online_cpu(cpu) {
		r = labpool_start_traffic_on(cpu, 0);
		if (r)
			break;
	}
	return r;
}
