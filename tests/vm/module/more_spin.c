// SPDX-License-Identifier: GPL-2.0-only
/* Other ways to spin: trylock loops, bits, sequence counts, readers and writers, nested locks. */
#include <linux/delay.h>
#include <linux/hrtimer.h>
#include <linux/interrupt.h>
#include <linux/sched.h>
#include <linux/seqlock.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
/* Leaves it to others to include what declares cpu_relax(). */
#include <linux/bit_spinlock.h>

#include "more.h"

#define GATE_HELD 0   /* the holder has the lock */
#define GATE_QUEUED 1 /* the next in line is about to wait */

/* ---- 31: who cannot have the lock tries again, and again ---- */

struct labsteal {
	u32 queued;
	u32 moved;
	spinlock_t lock; /* protects queued */
};

static LAB_FN u32 labsteal_move(struct labsteal *jobs)
{
	u32 rounds = 0;

	lab_truth_holder(GATE_HELD, "labsteal_move", "labsteal.lock", &jobs->lock);
	while (!READ_ONCE(jobs->moved))
		rounds++;
	return rounds;
}

static LAB_FN u32 labsteal_balance(struct labsteal *jobs)
{
	u32 rounds;

	spin_lock(&jobs->lock);
	rounds = labsteal_move(jobs);
	spin_unlock(&jobs->lock);
	return rounds;
}

static LAB_FN u32 labsteal_take(struct labsteal *jobs)
{
	u32 queued;

	lab_truth("waiter", "labsteal_take", "labsteal.lock", &jobs->lock);
	while (!spin_trylock(&jobs->lock))
		cpu_relax();
	queued = jobs->queued;
	spin_unlock(&jobs->lock);
	return queued;
}

static LAB_FN int labsteal_thread_balance(void *data)
{
	return labsteal_balance(data) ? 0 : -EAGAIN;
}

static LAB_FN int labsteal_thread_take(void *data)
{
	lab_gate_wait(GATE_HELD);
	return labsteal_take(data) ? 0 : -EAGAIN;
}

static int labsteal_start(void)
{
	struct labsteal *jobs = kzalloc(sizeof(*jobs), GFP_KERNEL);
	int r;

	if (!jobs)
		return -ENOMEM;
	spin_lock_init(&jobs->lock);
	r = lab_thread_start(labsteal_thread_balance, jobs, 0, "lab_balance");
	return r ? r : lab_threads_start(labsteal_thread_take, jobs, 1, 3, "lab_steal");
}

/* ---- 32: one bit of a word is the lock ---- */

#define LABSLAB_LOCKED 3

struct labslab {
	unsigned long flags;
	u32 objects;
	u32 frozen;
};

static LAB_FN u32 labslab_scan(struct labslab *slab)
{
	u32 rounds = 0;

	lab_truth_holder(GATE_HELD, "labslab_scan", "labslab.flags", &slab->flags);
	while (!READ_ONCE(slab->frozen))
		rounds++;
	return rounds;
}

static LAB_FN u32 labslab_deactivate(struct labslab *slab)
{
	u32 rounds;

	bit_spin_lock(LABSLAB_LOCKED, &slab->flags);
	rounds = labslab_scan(slab);
	bit_spin_unlock(LABSLAB_LOCKED, &slab->flags);
	return rounds;
}

static LAB_FN u32 labslab_free(struct labslab *slab)
{
	u32 objects;

	lab_truth("waiter", "labslab_free", "labslab.flags", &slab->flags);
	bit_spin_lock(LABSLAB_LOCKED, &slab->flags);
	objects = --slab->objects;
	bit_spin_unlock(LABSLAB_LOCKED, &slab->flags);
	return objects;
}

static LAB_FN int labslab_thread_deactivate(void *data)
{
	return labslab_deactivate(data) ? 0 : -EAGAIN;
}

static LAB_FN int labslab_thread_free(void *data)
{
	lab_gate_wait(GATE_HELD);
	return labslab_free(data) ? 0 : -EAGAIN;
}

static int labslab_start(void)
{
	struct labslab *slab = kzalloc(sizeof(*slab), GFP_KERNEL);
	int r;

	if (!slab)
		return -ENOMEM;
	r = lab_thread_start(labslab_thread_deactivate, slab, 0, "lab_deact");
	return r ? r : lab_threads_start(labslab_thread_free, slab, 1, 3, "lab_free");
}

/* ---- 33: readers of a sequence count behind a writer that does not come to its end ---- */

static DEFINE_SEQLOCK(labclock_lock);
static u64 labclock_ns;
static u32 labclock_stable;

static LAB_FN u32 labclock_adjust(void)
{
	u32 rounds = 0;

	lab_truth_holder(GATE_HELD, "labclock_adjust", "labclock_lock", &labclock_lock);
	while (!READ_ONCE(labclock_stable))
		rounds++;
	return rounds;
}

static LAB_FN u32 labclock_update(void)
{
	u32 rounds;

	write_seqlock(&labclock_lock);
	rounds = labclock_adjust();
	labclock_ns += rounds;
	write_sequnlock(&labclock_lock);
	return rounds;
}

static LAB_FN u64 labclock_read(void)
{
	unsigned int seq;
	u64 ns;

	lab_truth("waiter", "labclock_read", "labclock_lock", &labclock_lock);
	do {
		seq = read_seqbegin(&labclock_lock);
		ns = labclock_ns;
	} while (read_seqretry(&labclock_lock, seq));
	return ns;
}

static LAB_FN int labclock_thread_update(void *data)
{
	return labclock_update() ? 0 : -EAGAIN;
}

static LAB_FN int labclock_thread_read(void *data)
{
	lab_gate_wait(GATE_HELD);
	return labclock_read() ? 0 : -EAGAIN;
}

static int labclock_start(void)
{
	int r = lab_thread_start(labclock_thread_update, NULL, 0, "lab_settime");

	return r ? r : lab_threads_start(labclock_thread_read, NULL, 1, 3, "lab_gettime");
}

/* ---- 34: two that give way to each other for ever ---- */

static DEFINE_SPINLOCK(labdir_from);
static DEFINE_SPINLOCK(labdir_to);
static atomic_t labdir_step[2];
static u32 labdir_renames;

/* In step with the other side, so that neither ever finds the second lock free. */
static LAB_FN bool labdir_try(spinlock_t *first, spinlock_t *second, int me)
{
	bool got;

	spin_lock(first);
	atomic_inc(&labdir_step[me]);
	while (atomic_read(&labdir_step[!me]) < atomic_read(&labdir_step[me]))
		cpu_relax();
	got = spin_trylock(second);
	atomic_inc(&labdir_step[me]);
	while (atomic_read(&labdir_step[!me]) < atomic_read(&labdir_step[me]))
		cpu_relax();
	if (got)
		spin_unlock(second);
	spin_unlock(first);
	return got;
}

static LAB_FN u32 labdir_rename(int me)
{
	spinlock_t *first = me ? &labdir_to : &labdir_from;
	spinlock_t *second = me ? &labdir_from : &labdir_to;
	u32 rounds = 0;

	lab_truth("looper", "labdir_rename", "-", NULL);
	while (!labdir_try(first, second, me))
		rounds++;
	labdir_renames++;
	return rounds;
}

static LAB_FN int labdir_thread(void *data)
{
	return labdir_rename(data != NULL) ? 0 : -EAGAIN;
}

static int labdir_start(void)
{
	int r = lab_thread_start(labdir_thread, NULL, 1, "lab_rename");

	return r ? r : lab_thread_start(labdir_thread, &labdir_from, 2, "lab_rename");
}

/* ---- 35: two readers are in it, both for ever; 36: reader, writer, reader ---- */

struct labmap {
	u32 entries;
	u32 mapped;
	rwlock_t lock; /* protects entries */
};

static LAB_FN u32 labmap_print(struct labmap *map)
{
	u32 rounds = 0;

	lab_truth_holder(GATE_HELD, "labmap_print", "labmap.lock", &map->lock);
	while (!READ_ONCE(map->mapped))
		rounds++;
	return rounds;
}

static LAB_FN u32 labmap_show(struct labmap *map)
{
	u32 rounds;

	read_lock(&map->lock);
	rounds = labmap_print(map);
	read_unlock(&map->lock);
	return rounds;
}

static LAB_FN u32 labmap_insert(struct labmap *map)
{
	u32 entries;

	lab_truth("waiter", "labmap_insert", "labmap.lock", &map->lock);
	lab_gate_open(GATE_QUEUED);
	write_lock(&map->lock);
	entries = ++map->entries;
	write_unlock(&map->lock);
	return entries;
}

static LAB_FN u32 labmap_find(struct labmap *map)
{
	u32 entries;

	lab_truth("waiter", "labmap_find", "labmap.lock", &map->lock);
	read_lock(&map->lock);
	entries = map->entries;
	read_unlock(&map->lock);
	return entries;
}

static LAB_FN int labmap_thread_show(void *data)
{
	return labmap_show(data) ? 0 : -EAGAIN;
}

static LAB_FN int labmap_thread_insert(void *data)
{
	lab_gate_wait(GATE_HELD);
	/* For both readers of scenario 35. */
	usleep_range(100000, 110000);
	return labmap_insert(data) ? 0 : -EAGAIN;
}

static LAB_FN int labmap_thread_find(void *data)
{
	lab_gate_wait(GATE_QUEUED);
	return labmap_find(data) ? 0 : -EAGAIN;
}

static int labmap_start(unsigned int readers)
{
	struct labmap *map = kzalloc(sizeof(*map), GFP_KERNEL);
	int r;

	if (!map)
		return -ENOMEM;
	rwlock_init(&map->lock);
	r = lab_threads_start(labmap_thread_show, map, 0, readers - 1, "lab_show");
	if (!r)
		r = lab_thread_start(labmap_thread_insert, map, 2, "lab_insert");
	return r ? r : lab_thread_start(labmap_thread_find, map, 3, "lab_find");
}

static int labmap_start_two(void)
{
	return labmap_start(2);
}

static int labmap_start_one(void)
{
	return labmap_start(1);
}

/* ---- 37: a helper takes two locks of a type; the waiters want the second ---- */

struct labpurse {
	u32 id;
	u32 coins;
	u32 counted;
	spinlock_t lock; /* protects coins */
};

static LAB_FN void labpurse_lock_two(struct labpurse *a, struct labpurse *b)
{
	if (a->id > b->id)
		swap(a, b);
	spin_lock(&a->lock);
	spin_lock_nested(&b->lock, SINGLE_DEPTH_NESTING);
}

static LAB_FN void labpurse_unlock_two(struct labpurse *a, struct labpurse *b)
{
	spin_unlock(&a->lock);
	spin_unlock(&b->lock);
}

static LAB_FN u32 labpurse_count(struct labpurse *purse)
{
	u32 rounds = 0;

	lab_truth_holder(GATE_HELD, "labpurse_count", "labpurse.lock", &purse->lock);
	while (!READ_ONCE(purse->counted))
		rounds++;
	return rounds;
}

static LAB_FN u32 labpurse_transfer(struct labpurse *from, struct labpurse *to)
{
	u32 rounds;

	labpurse_lock_two(from, to);
	rounds = labpurse_count(from);
	labpurse_unlock_two(from, to);
	return rounds;
}

static LAB_FN u32 labpurse_deposit(struct labpurse *purse)
{
	u32 coins;

	lab_truth("waiter", "labpurse_deposit", "labpurse.lock", &purse->lock);
	spin_lock(&purse->lock);
	coins = ++purse->coins;
	spin_unlock(&purse->lock);
	return coins;
}

static LAB_FN int labpurse_thread_transfer(void *data)
{
	struct labpurse *purses = data;

	return labpurse_transfer(&purses[1], &purses[0]) ? 0 : -EAGAIN;
}

static LAB_FN int labpurse_thread_deposit(void *data)
{
	struct labpurse *purses = data;

	lab_gate_wait(GATE_HELD);
	return labpurse_deposit(&purses[1]) ? 0 : -EAGAIN;
}

static int labpurse_start(void)
{
	struct labpurse *purses = kcalloc(2, sizeof(*purses), GFP_KERNEL);
	int i, r;

	if (!purses)
		return -ENOMEM;
	for (i = 0; i < 2; i++) {
		purses[i].id = i;
		spin_lock_init(&purses[i].lock);
	}
	r = lab_thread_start(labpurse_thread_transfer, purses, 1, "lab_transfer");
	return r ? r : lab_threads_start(labpurse_thread_deposit, purses, 2, 3, "lab_deposit");
}

/* ---- 38: the holder is a timer's interrupt ---- */

static DEFINE_RAW_SPINLOCK(labpmu_lock);
static struct hrtimer labpmu_timer;
static u32 labpmu_idle;
static u64 labpmu_events;

static LAB_FN u32 labpmu_stop(void)
{
	u32 rounds = 0;

	lab_truth_holder(GATE_HELD, "labpmu_stop", "labpmu_lock", &labpmu_lock);
	while (!READ_ONCE(labpmu_idle))
		rounds++;
	return rounds;
}

static LAB_FN enum hrtimer_restart labpmu_rotate(struct hrtimer *timer)
{
	raw_spin_lock(&labpmu_lock);
	labpmu_events += labpmu_stop();
	raw_spin_unlock(&labpmu_lock);
	return HRTIMER_NORESTART;
}

static LAB_FN u64 labpmu_read(void)
{
	u64 events;

	lab_truth("waiter", "labpmu_read", "labpmu_lock", &labpmu_lock);
	raw_spin_lock(&labpmu_lock);
	events = labpmu_events;
	raw_spin_unlock(&labpmu_lock);
	return events;
}

static LAB_FN int labpmu_thread_read(void *data)
{
	lab_gate_wait(GATE_HELD);
	return labpmu_read() ? 0 : -EAGAIN;
}

static LAB_FN int labpmu_thread_enable(void *data)
{
	hrtimer_init(&labpmu_timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED);
	labpmu_timer.function = labpmu_rotate;
	hrtimer_start(&labpmu_timer, ns_to_ktime(NSEC_PER_MSEC), HRTIMER_MODE_REL_PINNED);
	/* Stay in the kernel, so that there is a task below the interrupt. */
	for (;;)
		cond_resched();
	return 0;
}

static int labpmu_start(void)
{
	int r = lab_thread_start(labpmu_thread_enable, NULL, 1, "lab_enable");

	return r ? r : lab_threads_start(labpmu_thread_read, NULL, 2, 3, "lab_read");
}

/* ---- 39: each waits for the lock of the next, the last one loops ---- */

struct labhop {
	u32 routes;
	u32 resolved;
	spinlock_t lock; /* protects routes */
};

static struct labhop labhops[3];

static LAB_FN u32 labhop_resolve(struct labhop *hop)
{
	u32 rounds = 0;

	lab_truth_holder(2, "labhop_resolve", "labhop.lock", &hop->lock);
	while (!READ_ONCE(hop->resolved))
		rounds++;
	return rounds;
}

static LAB_FN u32 labhop_walk(struct labhop *hop)
{
	u32 routes;

	lab_truth("waiter", "labhop_walk", "labhop.lock", &hop->lock);
	spin_lock(&hop->lock);
	routes = hop->routes;
	spin_unlock(&hop->lock);
	return routes;
}

static LAB_FN u32 labhop_forward(struct labhop *hop, unsigned int gate)
{
	u32 routes;

	spin_lock(&hop->lock);
	lab_truth_holder(gate, "labhop_forward", "labhop.lock", &hop->lock);
	routes = labhop_walk(hop + 1);
	spin_unlock(&hop->lock);
	return routes;
}

static LAB_FN u32 labhop_last(struct labhop *hop)
{
	u32 rounds;

	spin_lock(&hop->lock);
	rounds = labhop_resolve(hop);
	spin_unlock(&hop->lock);
	return rounds;
}

static LAB_FN int labhop_thread_last(void *data)
{
	return labhop_last(&labhops[2]) ? 0 : -EAGAIN;
}

static LAB_FN int labhop_thread_second(void *data)
{
	lab_gate_wait(2);
	return labhop_forward(&labhops[1], 1) ? 0 : -EAGAIN;
}

static LAB_FN int labhop_thread_first(void *data)
{
	lab_gate_wait(1);
	return labhop_forward(&labhops[0], 0) ? 0 : -EAGAIN;
}

static LAB_FN int labhop_thread_walk(void *data)
{
	lab_gate_wait(0);
	return labhop_walk(&labhops[0]) ? 0 : -EAGAIN;
}

static int labhop_start(void)
{
	int i, r;

	for (i = 0; i < ARRAY_SIZE(labhops); i++)
		spin_lock_init(&labhops[i].lock);
	r = lab_thread_start(labhop_thread_walk, NULL, 0, "lab_hop");
	if (!r)
		r = lab_thread_start(labhop_thread_first, NULL, 1, "lab_hop");
	if (!r)
		r = lab_thread_start(labhop_thread_second, NULL, 2, "lab_hop");
	return r ? r : lab_thread_start(labhop_thread_last, NULL, 3, "lab_hop");
}

/* ---- 40: a helper took the lock, and the same helper is called in softirq above it ---- */

struct labconn {
	u32 owned;
	u32 acked;
	struct timer_list timer;
	spinlock_t lock; /* protects owned */
};

static LAB_FN void labconn_lock(struct labconn *conn)
{
	if (in_serving_softirq())
		lab_truth("waiter", "labconn_lock", "labconn.lock", &conn->lock);
	spin_lock(&conn->lock);
	conn->owned = 1;
}

static LAB_FN void labconn_unlock(struct labconn *conn)
{
	conn->owned = 0;
	spin_unlock(&conn->lock);
}

static LAB_FN void labconn_keepalive(struct timer_list *t)
{
	struct labconn *conn = container_of(t, struct labconn, timer);

	labconn_lock(conn);
	conn->acked = 1;
	labconn_unlock(conn);
}

static LAB_FN u32 labconn_drain(struct labconn *conn)
{
	u32 rounds = 0;

	lab_truth("holder", "labconn_drain", "labconn.lock", &conn->lock);
	lab_timer_start(&conn->timer, smp_processor_id(), 8);
	while (!READ_ONCE(conn->acked))
		rounds++;
	return rounds;
}

static LAB_FN u32 labconn_close(struct labconn *conn)
{
	u32 rounds;

	labconn_lock(conn);
	rounds = labconn_drain(conn);
	labconn_unlock(conn);
	return rounds;
}

static LAB_FN int labconn_thread_close(void *data)
{
	return labconn_close(data) ? 0 : -EAGAIN;
}

static int labconn_start(void)
{
	struct labconn *conn = kzalloc(sizeof(*conn), GFP_KERNEL);

	if (!conn)
		return -ENOMEM;
	spin_lock_init(&conn->lock);
	timer_setup(&conn->timer, labconn_keepalive, TIMER_PINNED);
	return lab_thread_start(labconn_thread_close, conn, 1, "lab_close");
}

int more_spin_start(int id)
{
	static int (*const starters[])(void) = {
		[31] = labsteal_start,	 [32] = labslab_start,	  [33] = labclock_start,
		[34] = labdir_start,	 [35] = labmap_start_two, [36] = labmap_start_one,
		[37] = labpurse_start,	 [38] = labpmu_start,	  [39] = labhop_start,
		[40] = labconn_start,
	};

	return id < ARRAY_SIZE(starters) && starters[id] ? starters[id]() : -EINVAL;
}
