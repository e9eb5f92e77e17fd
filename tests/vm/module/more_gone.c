// SPDX-License-Identifier: GPL-2.0-only
/* Takers that are gone or asleep, stale traces of locks, and kernels that are only busy. */
#include <linux/delay.h>
#include <linux/interrupt.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "more.h"

#define GATE_HELD 0
#define GATE_STALE 1

/* ---- 61: the taker died of an oops with the lock held ---- */

struct labhost {
	u32 users;
	struct labhost *peer;
	spinlock_t lock; /* protects users and peer */
};

static LAB_FN u32 labhost_peer_users(struct labhost *host)
{
	return READ_ONCE(host->peer->users);
}

static LAB_FN u32 labhost_check(struct labhost *host)
{
	u32 users;

	spin_lock(&host->lock);
	lab_truth_holder(GATE_HELD, "labhost_check", "labhost.lock", &host->lock);
	users = labhost_peer_users(host);
	spin_unlock(&host->lock);
	return users;
}

static LAB_FN u32 labhost_get(struct labhost *host)
{
	u32 users;

	lab_truth("waiter", "labhost_get", "labhost.lock", &host->lock);
	spin_lock(&host->lock);
	users = ++host->users;
	spin_unlock(&host->lock);
	return users;
}

static LAB_FN int labhost_thread_check(void *data)
{
	return labhost_check(data) ? 0 : -EAGAIN;
}

static LAB_FN int labhost_thread_get(void *data)
{
	lab_gate_wait(GATE_HELD);
	usleep_range(500000, 510000);
	return labhost_get(data) ? 0 : -EAGAIN;
}

static int labhost_start(void)
{
	struct labhost *host = kzalloc(sizeof(*host), GFP_KERNEL);
	int r;

	if (!host)
		return -ENOMEM;
	spin_lock_init(&host->lock);
	r = lab_thread_start(labhost_thread_check, host, 1, "lab_check");
	return r ? r : lab_threads_start(labhost_thread_get, host, 2, 3, "lab_get");
}

/* ---- 62: the taker went to sleep for a mutex with the spinlock held ---- */

struct labmedia {
	u32 sectors;
	struct mutex mutex; /* serialises changes of the medium */
	spinlock_t lock;    /* protects sectors */
};

static LAB_FN long labmedia_spin_up(struct labmedia *media)
{
	long left;

	lab_truth_holder(1, "labmedia_spin_up", "labmedia.mutex", &media->mutex);
	left = schedule_timeout_uninterruptible(3600 * HZ);
	return left;
}

static LAB_FN long labmedia_change(struct labmedia *media)
{
	long left;

	mutex_lock(&media->mutex);
	left = labmedia_spin_up(media);
	mutex_unlock(&media->mutex);
	return left;
}

static LAB_FN u32 labmedia_capacity(struct labmedia *media)
{
	u32 sectors;

	lab_truth("waiter", "labmedia_capacity", "labmedia.mutex", &media->mutex);
	mutex_lock(&media->mutex);
	sectors = media->sectors;
	mutex_unlock(&media->mutex);
	return sectors;
}

static LAB_FN u32 labmedia_revalidate(struct labmedia *media)
{
	u32 sectors;

	spin_lock(&media->lock);
	lab_truth_holder(GATE_HELD, "labmedia_revalidate", "labmedia.lock", &media->lock);
	sectors = labmedia_capacity(media);
	spin_unlock(&media->lock);
	return sectors;
}

static LAB_FN u32 labmedia_submit(struct labmedia *media)
{
	u32 sectors;

	lab_truth("waiter", "labmedia_submit", "labmedia.lock", &media->lock);
	spin_lock(&media->lock);
	sectors = media->sectors;
	spin_unlock(&media->lock);
	return sectors;
}

static LAB_FN int labmedia_thread_change(void *data)
{
	return labmedia_change(data) ? 0 : -EAGAIN;
}

static LAB_FN int labmedia_thread_revalidate(void *data)
{
	lab_gate_wait(1);
	return labmedia_revalidate(data) ? 0 : -EAGAIN;
}

static LAB_FN int labmedia_thread_submit(void *data)
{
	lab_gate_wait(GATE_HELD);
	return labmedia_submit(data) ? 0 : -EAGAIN;
}

static int labmedia_start(void)
{
	struct labmedia *media = kzalloc(sizeof(*media), GFP_KERNEL);
	int r;

	if (!media)
		return -ENOMEM;
	mutex_init(&media->mutex);
	spin_lock_init(&media->lock);
	r = lab_thread_start(labmedia_thread_change, media, 0, "lab_change");
	if (!r)
		r = lab_thread_start(labmedia_thread_revalidate, media, 1, "lab_reval");
	return r ? r : lab_threads_start(labmedia_thread_submit, media, 2, 3, "lab_submit");
}

/* ---- 63: healthy: a long delay without a lock, short contention elsewhere ---- */

static DEFINE_SPINLOCK(labtick_lock);
static u64 labtick_total;

static LAB_FN void labtick_add(u32 count)
{
	spin_lock(&labtick_lock);
	labtick_total += count;
	udelay(2);
	spin_unlock(&labtick_lock);
}

static LAB_FN void labtick_settle(void)
{
	mdelay(1500);
	labtick_add(1);
}

static LAB_FN int labtick_thread_add(void *data)
{
	for (;;) {
		labtick_add(1);
		cond_resched();
	}
	return 0;
}

static LAB_FN int labtick_thread_settle(void *data)
{
	for (;;) {
		labtick_settle();
		cond_resched();
	}
	return 0;
}

static int labtick_start(void)
{
	int r = lab_thread_start(labtick_thread_settle, NULL, 1, "lab_settle");

	return r ? r : lab_threads_start(labtick_thread_add, NULL, 2, 3, "lab_add");
}

/* ---- 64: healthy: readers of a rwlock, many and short, and now and then a writer ---- */

static DEFINE_RWLOCK(labname_lock);
static u32 labname_count;

static LAB_FN u32 labname_find(void)
{
	u32 count;

	read_lock(&labname_lock);
	count = labname_count;
	udelay(5);
	read_unlock(&labname_lock);
	return count;
}

static LAB_FN void labname_add(void)
{
	write_lock(&labname_lock);
	labname_count++;
	write_unlock(&labname_lock);
}

static LAB_FN int labname_thread_find(void *data)
{
	for (;;) {
		labname_find();
		cond_resched();
	}
	return 0;
}

static LAB_FN int labname_thread_add(void *data)
{
	for (;;) {
		labname_add();
		cond_resched();
	}
	return 0;
}

static int labname_start(void)
{
	int r = lab_threads_start(labname_thread_find, NULL, 0, 2, "lab_find");

	return r ? r : lab_thread_start(labname_thread_add, NULL, 3, "lab_add");
}

/* ---- 65: stale addresses of the lock in the frames of somebody who has long released it ---- */

#define LABIDR_SLOTS 24

struct labidr {
	u32 next;
	u32 freed;
	spinlock_t lock; /* protects next */
};

/* Takes the lock with its address all over the frame, and releases it. */
static LAB_FN u32 labidr_preload(struct labidr *idr)
{
	spinlock_t *volatile locks[LABIDR_SLOTS];
	u32 i, next = 0;

	for (i = 0; i < LABIDR_SLOTS; i++)
		locks[i] = &idr->lock;
	for (i = 0; i < LABIDR_SLOTS; i++) {
		spin_lock(locks[i]);
		next += idr->next;
		spin_unlock(locks[i]);
	}
	return next;
}

/* A frame of the same size that is never written: the old values stay in it. */
static LAB_FN u32 labidr_idle(struct labidr *idr)
{
	spinlock_t *volatile locks[LABIDR_SLOTS];

	lab_gate_open(GATE_STALE);
	locks[0] = NULL;
	while (!READ_ONCE(idr->freed) && !locks[0])
		cond_resched();
	return 1;
}

static LAB_FN u32 labidr_purge(struct labidr *idr)
{
	u32 rounds = 0;

	lab_truth_holder(GATE_HELD, "labidr_purge", "labidr.lock", &idr->lock);
	while (!READ_ONCE(idr->freed))
		rounds++;
	return rounds;
}

static LAB_FN u32 labidr_destroy(struct labidr *idr)
{
	u32 rounds;

	spin_lock(&idr->lock);
	rounds = labidr_purge(idr);
	spin_unlock(&idr->lock);
	return rounds;
}

static LAB_FN u32 labidr_alloc(struct labidr *idr)
{
	u32 next;

	lab_truth("waiter", "labidr_alloc", "labidr.lock", &idr->lock);
	spin_lock(&idr->lock);
	next = idr->next++;
	spin_unlock(&idr->lock);
	return next;
}

static LAB_FN int labidr_thread_preload(void *data)
{
	u32 next = labidr_preload(data);

	return labidr_idle(data) + next ? 0 : -EAGAIN;
}

static LAB_FN int labidr_thread_destroy(void *data)
{
	lab_gate_wait(GATE_STALE);
	return labidr_destroy(data) ? 0 : -EAGAIN;
}

static LAB_FN int labidr_thread_alloc(void *data)
{
	lab_gate_wait(GATE_HELD);
	return labidr_alloc(data) ? 0 : -EAGAIN;
}

static int labidr_start(void)
{
	struct labidr *idr = kzalloc(sizeof(*idr), GFP_KERNEL);
	int r;

	if (!idr)
		return -ENOMEM;
	spin_lock_init(&idr->lock);
	r = lab_thread_start(labidr_thread_destroy, idr, 0, "lab_destroy");
	if (!r)
		r = lab_thread_start(labidr_thread_preload, idr, 1, "lab_preload");
	return r ? r : lab_threads_start(labidr_thread_alloc, idr, 2, 3, "lab_alloc");
}

/* ---- 66: healthy: a tasklet that schedules itself again, and again ---- */

static struct tasklet_struct labpoll_tasklet;
static u64 labpoll_runs;

static LAB_FN void labpoll_run(struct tasklet_struct *t)
{
	labpoll_runs++;
	udelay(10);
	tasklet_schedule(t);
}

static LAB_FN int labpoll_thread(void *data)
{
	tasklet_setup(&labpoll_tasklet, labpoll_run);
	local_bh_disable();
	tasklet_schedule(&labpoll_tasklet);
	local_bh_enable();
	return 0;
}

static int labpoll_start(void)
{
	return lab_thread_start(labpoll_thread, NULL, 2, "lab_poll");
}

int more_gone_start(int id)
{
	static int (*const starters[])(void) = {
		[61] = labhost_start, [62] = labmedia_start, [63] = labtick_start,
		[64] = labname_start, [65] = labidr_start,   [66] = labpoll_start,
	};

	return id < ARRAY_SIZE(starters) && starters[id] ? starters[id]() : -EINVAL;
}
