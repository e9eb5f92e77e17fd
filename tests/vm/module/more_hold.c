// SPDX-License-Identifier: GPL-2.0-only
/* Spinlocks whose holder only the code on its stack can tell, with innocents beside it. */
#include <linux/delay.h>
#include <linux/hrtimer.h>
#include <linux/percpu.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "more.h"

#define GATE_HELD 0	/* the holder has the lock */
#define GATE_INNOCENT 1 /* the innocent is where it will stay */

/* ---- 21: a helper returns with the lock held, another one releases it ---- */

struct labsock {
	u32 state;
	u32 backlog;
	u32 reported;
	spinlock_t lock; /* protects backlog */
};

static LAB_FN void labsock_lock(struct labsock *sk)
{
	if (lab_gate_is_open(GATE_HELD))
		lab_truth("waiter", "labsock_lock", "labsock.lock", &sk->lock);
	spin_lock_bh(&sk->lock);
	sk->state |= 1;
}

static LAB_FN void labsock_release(struct labsock *sk)
{
	sk->state &= ~1;
	spin_unlock_bh(&sk->lock);
}

/* Fold the backlog until nothing is left of it. Caller owns the socket. */
static LAB_FN u32 labsock_collapse(struct labsock *sk)
{
	u32 rounds = 0;

	lab_truth_holder(GATE_HELD, "labsock_collapse", "labsock.lock", &sk->lock);
	while (READ_ONCE(sk->backlog))
		rounds++;
	return rounds;
}

static LAB_FN u32 labsock_recv(struct labsock *sk)
{
	u32 rounds;

	labsock_lock(sk);
	rounds = labsock_collapse(sk);
	labsock_release(sk);
	return rounds;
}

static LAB_FN u32 labsock_report(struct labsock *sk, u32 backlog)
{
	while (READ_ONCE(sk->reported) < backlog)
		cond_resched();
	return backlog;
}

/* The innocent: has had the socket, and has left it. */
static LAB_FN u32 labsock_stats(struct labsock *sk)
{
	u32 backlog;

	labsock_lock(sk);
	backlog = sk->backlog;
	labsock_release(sk);
	lab_gate_open(GATE_INNOCENT);
	return labsock_report(sk, backlog);
}

static LAB_FN int labsock_thread_recv(void *data)
{
	lab_gate_wait(GATE_INNOCENT);
	return labsock_recv(data) ? 0 : -EAGAIN;
}

static LAB_FN int labsock_thread_stats(void *data)
{
	return labsock_stats(data) ? 0 : -EAGAIN;
}

static LAB_FN int labsock_send(void *data)
{
	struct labsock *sk = data;

	lab_gate_wait(GATE_HELD);
	labsock_lock(sk);
	sk->backlog++;
	labsock_release(sk);
	return 0;
}

static int labsock_start(void)
{
	struct labsock *sk = kzalloc(sizeof(*sk), GFP_KERNEL);
	int r;

	if (!sk)
		return -ENOMEM;
	spin_lock_init(&sk->lock);
	sk->backlog = 16;
	r = lab_thread_start(labsock_thread_recv, sk, 0, "lab_recv");
	if (!r)
		r = lab_thread_start(labsock_thread_stats, sk, 1, "lab_stats");
	return r ? r : lab_threads_start(labsock_send, sk, 2, 3, "lab_send");
}

/* ---- 22: an element of an array, interrupts off, a waiter in hardirq context ---- */

struct labflow_bucket {
	u32 flows;
	u32 stale;
	spinlock_t lock; /* protects flows and stale */
};

static struct labflow_bucket labflow_table[64];
static struct hrtimer labflow_timer;

/* Interrupts are off, the bucket's lock is held. */
static LAB_FN u32 labflow_purge_bucket(struct labflow_bucket *b)
{
	u32 rounds = 0;

	lab_truth_holder(GATE_HELD, "labflow_purge_bucket", "labflow_bucket.lock", &b->lock);
	while (READ_ONCE(b->stale))
		rounds++;
	return rounds;
}

static LAB_FN u32 labflow_purge(void)
{
	unsigned long flags;
	u32 i, purged = 0;

	for (i = 0; i < ARRAY_SIZE(labflow_table); i++) {
		spin_lock_irqsave(&labflow_table[i].lock, flags);
		if (labflow_table[i].stale)
			purged += labflow_purge_bucket(&labflow_table[i]);
		spin_unlock_irqrestore(&labflow_table[i].lock, flags);
	}
	return purged;
}

static LAB_FN void labflow_count(u32 hash)
{
	struct labflow_bucket *b = &labflow_table[hash % ARRAY_SIZE(labflow_table)];
	unsigned long flags;

	lab_truth("waiter", "labflow_count", "labflow_bucket.lock", &b->lock);
	spin_lock_irqsave(&b->lock, flags);
	b->flows++;
	spin_unlock_irqrestore(&b->lock, flags);
}

static LAB_FN enum hrtimer_restart labflow_tick(struct hrtimer *timer)
{
	labflow_count(37);
	return HRTIMER_NORESTART;
}

static LAB_FN int labflow_thread_purge(void *data)
{
	return labflow_purge() ? 0 : -EAGAIN;
}

static LAB_FN int labflow_thread_count(void *data)
{
	lab_gate_wait(GATE_HELD);
	labflow_count(37);
	return 0;
}

static LAB_FN int labflow_thread_timer(void *data)
{
	lab_gate_wait(GATE_HELD);
	hrtimer_init(&labflow_timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED);
	labflow_timer.function = labflow_tick;
	hrtimer_start(&labflow_timer, ns_to_ktime(NSEC_PER_MSEC), HRTIMER_MODE_REL_PINNED);
	return 0;
}

static int labflow_start(void)
{
	int i, r;

	for (i = 0; i < ARRAY_SIZE(labflow_table); i++)
		spin_lock_init(&labflow_table[i].lock);
	labflow_table[37].stale = 1;
	r = lab_thread_start(labflow_thread_purge, NULL, 1, "lab_purge");
	if (!r)
		r = lab_thread_start(labflow_thread_count, NULL, 2, "lab_count");
	return r ? r : lab_thread_start(labflow_thread_timer, NULL, 3, "lab_timer");
}

/* ---- 23: another CPU's own raw spinlock ---- */

struct labcache {
	u32 objects;
	u32 busy;
	raw_spinlock_t lock; /* protects objects */
};

static DEFINE_PER_CPU(struct labcache, labcaches);

static LAB_FN u32 labcache_flush(struct labcache *cache)
{
	u32 rounds = 0;

	lab_truth_holder(GATE_HELD, "labcache_flush", "labcaches", &cache->lock);
	while (READ_ONCE(cache->busy))
		rounds++;
	return rounds;
}

static LAB_FN u32 labcache_drain(unsigned int cpu)
{
	struct labcache *cache = per_cpu_ptr(&labcaches, cpu);
	u32 rounds;

	raw_spin_lock(&cache->lock);
	rounds = labcache_flush(cache);
	raw_spin_unlock(&cache->lock);
	return rounds;
}

static LAB_FN u32 labcache_alloc(unsigned int cpu)
{
	struct labcache *cache = per_cpu_ptr(&labcaches, cpu);
	u32 objects;

	lab_truth("waiter", "labcache_alloc", "labcaches", &cache->lock);
	raw_spin_lock(&cache->lock);
	objects = cache->objects;
	raw_spin_unlock(&cache->lock);
	return objects;
}

static LAB_FN int labcache_thread_drain(void *data)
{
	return labcache_drain(2) ? 0 : -EAGAIN;
}

static LAB_FN int labcache_thread_alloc(void *data)
{
	lab_gate_wait(GATE_HELD);
	return labcache_alloc(2) ? 0 : -ENOMEM;
}

static int labcache_start(void)
{
	unsigned int cpu;
	int r;

	for_each_possible_cpu(cpu) {
		raw_spin_lock_init(&per_cpu_ptr(&labcaches, cpu)->lock);
		per_cpu_ptr(&labcaches, cpu)->busy = 1;
	}
	r = lab_thread_start(labcache_thread_drain, NULL, 1, "lab_drain");
	return r ? r : lab_threads_start(labcache_thread_alloc, NULL, 2, 3, "lab_alloc");
}

/* ---- 24: a lock at the end of two pointers; the innocent takes one of the same type all the time */

struct labctl {
	u32 resets;
	u32 ready;
	spinlock_t lock; /* protects resets */
};

struct labbus {
	u32 speed;
	struct labctl *ctl;
};

struct labbdev {
	u32 opens;
	spinlock_t lock; /* protects opens */
	struct labbus *bus;
};

static struct labbdev labbdevs[2];

static LAB_FN u32 labctl_reset(struct labbdev *dev)
{
	u32 rounds = 0;

	lab_truth_holder(GATE_HELD, "labctl_reset", "labctl.lock", &dev->bus->ctl->lock);
	while (!READ_ONCE(dev->bus->ctl->ready))
		rounds++;
	return rounds;
}

static LAB_FN u32 labbdev_probe(struct labbdev *dev)
{
	u32 rounds;

	spin_lock(&dev->bus->ctl->lock);
	spin_lock(&dev->lock);
	dev->opens++;
	spin_unlock(&dev->lock);
	rounds = labctl_reset(dev);
	spin_unlock(&dev->bus->ctl->lock);
	return rounds;
}

static LAB_FN u32 labbdev_submit(struct labbdev *dev)
{
	u32 resets;

	lab_truth("waiter", "labbdev_submit", "labctl.lock", &dev->bus->ctl->lock);
	spin_lock(&dev->bus->ctl->lock);
	resets = dev->bus->ctl->resets;
	spin_unlock(&dev->bus->ctl->lock);
	return resets;
}

static LAB_FN void labbdev_pause(struct labbdev *dev)
{
	udelay(300);
	WRITE_ONCE(dev->opens, dev->opens + 1);
}

static LAB_FN void labbdev_poll(struct labbdev *dev)
{
	spin_lock(&dev->bus->ctl->lock);
	spin_lock(&dev->lock);
	labbdev_pause(dev);
	spin_unlock(&dev->lock);
	spin_unlock(&dev->bus->ctl->lock);
}

static LAB_FN int labbdev_thread_probe(void *data)
{
	return labbdev_probe(data) ? 0 : -EAGAIN;
}

static LAB_FN int labbdev_thread_submit(void *data)
{
	lab_gate_wait(GATE_HELD);
	return labbdev_submit(data) ? 0 : -EIO;
}

static LAB_FN int labbdev_thread_poll(void *data)
{
	for (;;) {
		labbdev_poll(data);
		cond_resched();
	}
	return 0;
}

static int labbdev_start(void)
{
	int i, r;

	for (i = 0; i < 2; i++) {
		struct labbus *bus = kzalloc(sizeof(*bus), GFP_KERNEL);

		if (!bus)
			return -ENOMEM;
		bus->ctl = kzalloc(sizeof(*bus->ctl), GFP_KERNEL);
		if (!bus->ctl)
			return -ENOMEM;
		spin_lock_init(&bus->ctl->lock);
		spin_lock_init(&labbdevs[i].lock);
		labbdevs[i].bus = bus;
	}
	r = lab_thread_start(labbdev_thread_probe, &labbdevs[0], 0, "lab_probe");
	if (!r)
		r = lab_thread_start(labbdev_thread_poll, &labbdevs[1], 1, "lab_poll");
	return r ? r : lab_threads_start(labbdev_thread_submit, &labbdevs[0], 2, 3, "lab_submit");
}

/* ---- 25: a lock on the holder's stack ---- */

struct labreq {
	u32 tag;
	u32 done;
	spinlock_t lock; /* protects done */
};

static struct labreq *labreq_current;

static LAB_FN u32 labreq_poll(struct labreq *req)
{
	u32 rounds = 0;

	lab_truth_holder(GATE_HELD, "labreq_poll", "labreq.lock", &req->lock);
	while (!READ_ONCE(req->done))
		rounds++;
	return rounds;
}

static LAB_FN u32 labreq_execute(u32 tag)
{
	struct labreq req = {.tag = tag};
	u32 rounds;

	spin_lock_init(&req.lock);
	WRITE_ONCE(labreq_current, &req);
	spin_lock(&req.lock);
	rounds = labreq_poll(&req);
	spin_unlock(&req.lock);
	return rounds;
}

static LAB_FN void labreq_complete(struct labreq *req)
{
	lab_truth("waiter", "labreq_complete", "labreq.lock", &req->lock);
	spin_lock(&req->lock);
	req->done = 1;
	spin_unlock(&req->lock);
}

static LAB_FN int labreq_thread_execute(void *data)
{
	return labreq_execute(7) ? 0 : -EAGAIN;
}

static LAB_FN int labreq_thread_complete(void *data)
{
	lab_gate_wait(GATE_HELD);
	labreq_complete(READ_ONCE(labreq_current));
	return 0;
}

static int labreq_start(void)
{
	int r = lab_thread_start(labreq_thread_execute, NULL, 1, "lab_exec");

	return r ? r : lab_threads_start(labreq_thread_complete, NULL, 2, 3, "lab_done");
}

/* ---- 26: the innocent released the very lock in the waiters' function, and works on ---- */

struct labring {
	u32 head;
	u32 tail;
	u32 moved;
	spinlock_t lock; /* protects head and tail */
};

static LAB_FN u32 labring_copy(struct labring *ring)
{
	u32 rounds = 0;

	lab_truth_holder(GATE_HELD, "labring_copy", "labring.lock", &ring->lock);
	while (!READ_ONCE(ring->moved))
		rounds++;
	return rounds;
}

static LAB_FN u32 labring_resize(struct labring *ring)
{
	u32 rounds;

	spin_lock(&ring->lock);
	rounds = labring_copy(ring);
	spin_unlock(&ring->lock);
	return rounds;
}

static LAB_FN u32 labring_deliver(struct labring *ring)
{
	lab_gate_open(GATE_INNOCENT);
	while (!READ_ONCE(ring->moved))
		cond_resched();
	return ring->moved;
}

static LAB_FN u32 labring_service(struct labring *ring)
{
	u32 head;

	if (lab_gate_is_open(GATE_HELD))
		lab_truth("waiter", "labring_service", "labring.lock", &ring->lock);
	spin_lock(&ring->lock);
	head = ring->head++;
	spin_unlock(&ring->lock);
	return head + labring_deliver(ring);
}

static LAB_FN int labring_thread_resize(void *data)
{
	lab_gate_wait(GATE_INNOCENT);
	return labring_resize(data) ? 0 : -EAGAIN;
}

static LAB_FN int labring_thread_first(void *data)
{
	return labring_service(data) ? 0 : -EAGAIN;
}

static LAB_FN int labring_thread_service(void *data)
{
	lab_gate_wait(GATE_HELD);
	return labring_service(data) ? 0 : -EAGAIN;
}

static int labring_start(void)
{
	struct labring *ring = kzalloc(sizeof(*ring), GFP_KERNEL);
	int r;

	if (!ring)
		return -ENOMEM;
	spin_lock_init(&ring->lock);
	r = lab_thread_start(labring_thread_resize, ring, 0, "lab_resize");
	if (!r)
		r = lab_thread_start(labring_thread_first, ring, 1, "lab_first");
	return r ? r : lab_threads_start(labring_thread_service, ring, 2, 3, "lab_service");
}

/* ---- 27: the innocent has another lock of the same type, in the holder's function ---- */

struct labbuf {
	u32 dirty;
	u32 forever;
	spinlock_t lock; /* protects dirty */
};

static LAB_FN u32 labbuf_write(struct labbuf *buf)
{
	u32 rounds = 0;

	if (buf->forever)
		lab_truth_holder(GATE_HELD, "labbuf_write", "labbuf.lock", &buf->lock);
	do {
		udelay(300);
		rounds++;
	} while (READ_ONCE(buf->forever));
	return rounds;
}

static LAB_FN u32 labbuf_flush(struct labbuf *buf)
{
	u32 rounds;

	spin_lock(&buf->lock);
	rounds = labbuf_write(buf);
	spin_unlock(&buf->lock);
	return rounds;
}

static LAB_FN u32 labbuf_append(struct labbuf *buf)
{
	u32 dirty;

	lab_truth("waiter", "labbuf_append", "labbuf.lock", &buf->lock);
	spin_lock(&buf->lock);
	dirty = ++buf->dirty;
	spin_unlock(&buf->lock);
	return dirty;
}

static LAB_FN int labbuf_thread_flush(void *data)
{
	for (;;) {
		labbuf_flush(data);
		cond_resched();
	}
	return 0;
}

static LAB_FN int labbuf_thread_append(void *data)
{
	lab_gate_wait(GATE_HELD);
	return labbuf_append(data) ? 0 : -EIO;
}

static int labbuf_start(void)
{
	struct labbuf *bufs = kcalloc(2, sizeof(*bufs), GFP_KERNEL);
	int r;

	if (!bufs)
		return -ENOMEM;
	spin_lock_init(&bufs[0].lock);
	spin_lock_init(&bufs[1].lock);
	bufs[0].forever = 1;
	r = lab_thread_start(labbuf_thread_flush, &bufs[1], 0, "lab_other");
	if (!r)
		r = lab_thread_start(labbuf_thread_flush, &bufs[0], 1, "lab_flush");
	return r ? r : lab_threads_start(labbuf_thread_append, &bufs[0], 2, 3, "lab_append");
}

/* ---- 28: branches that release and leave come before the loop ---- */

struct labfile {
	u32 flags;
	u32 size;
	u32 synced;
	spinlock_t lock; /* protects flags and size */
};

static LAB_FN int labfile_complain(struct labfile *file, int error)
{
	file->flags |= 2;
	return error;
}

static LAB_FN u32 labfile_sync_pages(struct labfile *file)
{
	u32 rounds = 0;

	lab_truth_holder(GATE_HELD, "labfile_sync_pages", "labfile.lock", &file->lock);
	while (READ_ONCE(file->synced) < file->size)
		rounds++;
	return rounds;
}

static LAB_FN int labfile_sync(struct labfile *file)
{
	spin_lock(&file->lock);
	if (file->flags & 1) {
		spin_unlock(&file->lock);
		return labfile_complain(file, -EIO);
	}
	if (!file->size) {
		spin_unlock(&file->lock);
		return 0;
	}
	if (!labfile_sync_pages(file)) {
		spin_unlock(&file->lock);
		return labfile_complain(file, -EAGAIN);
	}
	file->flags &= ~2;
	spin_unlock(&file->lock);
	return 1;
}

static LAB_FN u32 labfile_stat(struct labfile *file)
{
	u32 size;

	lab_truth("waiter", "labfile_stat", "labfile.lock", &file->lock);
	spin_lock(&file->lock);
	size = file->size;
	spin_unlock(&file->lock);
	return size;
}

static LAB_FN int labfile_thread_sync(void *data)
{
	return labfile_sync(data);
}

static LAB_FN int labfile_thread_stat(void *data)
{
	lab_gate_wait(GATE_HELD);
	return labfile_stat(data) ? 0 : -EIO;
}

static int labfile_start(void)
{
	struct labfile *file = kzalloc(sizeof(*file), GFP_KERNEL);
	int r;

	if (!file)
		return -ENOMEM;
	spin_lock_init(&file->lock);
	file->size = 4;
	r = lab_thread_start(labfile_thread_sync, file, 1, "lab_fsync");
	return r ? r : lab_threads_start(labfile_thread_stat, file, 2, 3, "lab_fstat");
}

/* ---- 29: locked only where the caller has not; the innocent is in there without ---- */

struct labacct {
	u32 users;
	u32 settled;
	spinlock_t lock; /* protects users */
};

static LAB_FN u32 labacct_sum(struct labacct *acct, bool lockless)
{
	u32 rounds = 0;

	if (lockless)
		lab_gate_open(GATE_INNOCENT);
	else
		lab_truth_holder(GATE_HELD, "labacct_sum", "labacct.lock", &acct->lock);
	while (!READ_ONCE(acct->settled)) {
		rounds++;
		if (lockless)
			cond_resched();
	}
	return rounds;
}

static LAB_FN u32 labacct_walk(struct labacct *acct, bool lockless)
{
	u32 rounds;

	if (!lockless)
		spin_lock(&acct->lock);
	rounds = labacct_sum(acct, lockless);
	if (!lockless)
		spin_unlock(&acct->lock);
	return rounds;
}

static LAB_FN u32 labacct_charge(struct labacct *acct)
{
	u32 users;

	lab_truth("waiter", "labacct_charge", "labacct.lock", &acct->lock);
	spin_lock(&acct->lock);
	users = ++acct->users;
	spin_unlock(&acct->lock);
	return users;
}

static LAB_FN int labacct_thread_walk(void *data)
{
	lab_gate_wait(GATE_INNOCENT);
	return labacct_walk(data, false) ? 0 : -EAGAIN;
}

static LAB_FN int labacct_thread_peek(void *data)
{
	return labacct_walk(data, true) ? 0 : -EAGAIN;
}

static LAB_FN int labacct_thread_charge(void *data)
{
	lab_gate_wait(GATE_HELD);
	return labacct_charge(data) ? 0 : -EIO;
}

static int labacct_start(void)
{
	struct labacct *acct = kzalloc(sizeof(*acct), GFP_KERNEL);
	int r;

	if (!acct)
		return -ENOMEM;
	spin_lock_init(&acct->lock);
	r = lab_thread_start(labacct_thread_walk, acct, 0, "lab_walk");
	if (!r)
		r = lab_thread_start(labacct_thread_peek, acct, 1, "lab_peek");
	return r ? r : lab_threads_start(labacct_thread_charge, acct, 2, 3, "lab_charge");
}

/* ---- 30: two critical sections in one function; the innocent is between them ---- */

struct labquota {
	u32 used;
	u32 checked;
	spinlock_t lock; /* protects used */
};

static LAB_FN u32 labquota_check(struct labquota *quota, bool innocent)
{
	if (innocent)
		lab_gate_open(GATE_INNOCENT);
	while (innocent && !READ_ONCE(quota->checked))
		cond_resched();
	return 1;
}

static LAB_FN u32 labquota_commit(struct labquota *quota)
{
	u32 rounds = 0;

	lab_truth_holder(GATE_HELD, "labquota_commit", "labquota.lock", &quota->lock);
	while (!READ_ONCE(quota->checked))
		rounds++;
	return rounds;
}

static LAB_FN u32 labquota_reserve(struct labquota *quota, u32 count, bool innocent)
{
	u32 used;

	if (lab_gate_is_open(GATE_HELD))
		lab_truth("waiter", "labquota_reserve", "labquota.lock", &quota->lock);
	spin_lock(&quota->lock);
	used = quota->used;
	spin_unlock(&quota->lock);
	if (!labquota_check(quota, innocent))
		return 0;
	spin_lock(&quota->lock);
	quota->used = used + count;
	used = labquota_commit(quota);
	spin_unlock(&quota->lock);
	return used;
}

static LAB_FN int labquota_thread_first(void *data)
{
	lab_gate_wait(GATE_INNOCENT);
	return labquota_reserve(data, 1, false) ? 0 : -EAGAIN;
}

static LAB_FN int labquota_thread_between(void *data)
{
	return labquota_reserve(data, 2, true) ? 0 : -EAGAIN;
}

static LAB_FN int labquota_thread_reserve(void *data)
{
	lab_gate_wait(GATE_HELD);
	return labquota_reserve(data, 3, false) ? 0 : -EAGAIN;
}

static int labquota_start(void)
{
	struct labquota *quota = kzalloc(sizeof(*quota), GFP_KERNEL);
	int r;

	if (!quota)
		return -ENOMEM;
	spin_lock_init(&quota->lock);
	r = lab_thread_start(labquota_thread_first, quota, 0, "lab_commit");
	if (!r)
		r = lab_thread_start(labquota_thread_between, quota, 1, "lab_between");
	return r ? r : lab_threads_start(labquota_thread_reserve, quota, 2, 3, "lab_reserve");
}

int more_hold_start(int id)
{
	static int (*const starters[])(void) = {
		[21] = labsock_start, [22] = labflow_start, [23] = labcache_start,
		[24] = labbdev_start, [25] = labreq_start,  [26] = labring_start,
		[27] = labbuf_start,  [28] = labfile_start, [29] = labacct_start,
		[30] = labquota_start,
	};

	return id < ARRAY_SIZE(starters) && starters[id] ? starters[id]() : -EINVAL;
}
