// SPDX-License-Identifier: GPL-2.0-only
/* labset: named sets of address and port pairs in a hash table, one rwlock per set. */
#include <linux/delay.h>
#include <linux/hash.h>
#include <linux/interrupt.h>
#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "lab.h"

#define LABSET_HASH_BITS 10
#define LABSET_MAXELEM 4096
#define LABSET_POLL_RETRIES 100000

struct labset_key {
	u32 ip;
	u16 port;
	u8 proto;
};

struct labset_elem {
	struct hlist_node node;
	struct labset_key key;
	u32 users; /* references from rules: not to be flushed */
	unsigned long expires; /* jiffies; 0 = permanent */
};

struct labset_hash {
	u32 maxelem;
	u32 elements;
	u32 timeout;
	u8 htable_bits;
	struct hlist_head bucket[1 << LABSET_HASH_BITS];
};

struct labset;

struct labset_ops {
	int (*add)(struct labset *set, const struct labset_key *key);
	int (*del)(struct labset *set, const struct labset_key *key);
	bool (*test)(struct labset *set, const struct labset_key *key);
	void (*flush)(struct labset *set);
};

struct labset {
	struct list_head list;
	char name[32];
	u32 ref;
	rwlock_t lock; /* protects the table behind data */
	const struct labset_ops *ops;
	struct labset_hash *data;
};

static LIST_HEAD(labset_list_head);
static struct labset *labset_clients;

/* ---- the hash type ---- */

static struct hlist_head *labset_hash_bucket(struct labset_hash *h, const struct labset_key *key)
{
	return &h->bucket[hash_32(key->ip ^ key->port, h->htable_bits)];
}

/* Drop what has timed out, until there is room. Caller holds the set's lock for writing. */
static LAB_FN void labset_expire(struct labset *set, struct labset_hash *h)
{
	struct labset_elem *elem;
	struct hlist_node *next;
	u32 i;

	lab_truth_holder(0, "labset_expire", "labset.lock", &set->lock);
	do {
		for (i = 0; i < 1U << h->htable_bits; i++) {
			hlist_for_each_entry_safe(elem, next, &h->bucket[i], node) {
				if (!elem->expires || time_before(jiffies, elem->expires))
					continue;
				hlist_del(&elem->node);
				h->elements--;
				kfree(elem);
			}
		}
	} while (READ_ONCE(h->elements) >= h->maxelem);
}

static LAB_FN int labset_hash_add(struct labset *set, const struct labset_key *key)
{
	struct labset_hash *h = set->data;
	struct labset_elem *elem;

	if (h->elements >= h->maxelem)
		labset_expire(set, h);
	elem = kzalloc(sizeof(*elem), GFP_ATOMIC);
	if (!elem)
		return -ENOMEM;
	elem->key = *key;
	elem->users = 1;
	elem->expires = h->timeout ? jiffies + h->timeout * HZ : 0;
	hlist_add_head(&elem->node, labset_hash_bucket(h, key));
	h->elements++;
	return 0;
}

static LAB_FN bool labset_hash_test(struct labset *set, const struct labset_key *key)
{
	struct labset_elem *elem;

	hlist_for_each_entry(elem, labset_hash_bucket(set->data, key), node) {
		if (elem->key.ip == key->ip && elem->key.port == key->port)
			return true;
	}
	return false;
}

static LAB_FN int labset_hash_del(struct labset *set, const struct labset_key *key)
{
	struct labset_hash *h = set->data;
	struct labset_elem *elem;

	hlist_for_each_entry(elem, labset_hash_bucket(h, key), node) {
		if (elem->key.ip != key->ip || elem->key.port != key->port)
			continue;
		hlist_del(&elem->node);
		h->elements--;
		kfree(elem);
		return 0;
	}
	return -ENOENT;
}

/* Empty the table; entries in use are left for the next round. */
static LAB_FN void labset_hash_flush(struct labset *set)
{
	struct labset_hash *h = set->data;
	struct labset_elem *elem;
	struct hlist_node *next;
	u32 i;

	lab_truth_holder(0, "labset_hash_flush", "labset.lock", &set->lock);
	while (READ_ONCE(h->elements)) {
		for (i = 0; i < 1U << h->htable_bits; i++) {
			hlist_for_each_entry_safe(elem, next, &h->bucket[i], node) {
				if (READ_ONCE(elem->users))
					continue;
				hlist_del(&elem->node);
				h->elements--;
				kfree(elem);
			}
		}
	}
}

static const struct labset_ops labset_hash_ops = {
	.add = labset_hash_add,
	.del = labset_hash_del,
	.test = labset_hash_test,
	.flush = labset_hash_flush,
};

/* ---- sets ---- */

static struct labset *labset_create(const char *name, u32 maxelem, u32 fill, u32 timeout)
{
	struct labset_key key = {.proto = 6};
	struct labset *set;
	u32 i;

	set = kzalloc(sizeof(*set), GFP_KERNEL);
	if (!set)
		return NULL;
	set->data = kzalloc(sizeof(*set->data), GFP_KERNEL);
	if (!set->data)
		goto err;
	strscpy(set->name, name, sizeof(set->name));
	rwlock_init(&set->lock);
	set->ops = &labset_hash_ops;
	set->ref = 1;
	set->data->maxelem = maxelem;
	set->data->timeout = timeout;
	set->data->htable_bits = LABSET_HASH_BITS;
	for (i = 0; i < fill; i++) {
		key.ip = 0x0a000000 + i;
		key.port = 1024 + i;
		if (labset_hash_add(set, &key))
			goto err;
	}
	list_add(&set->list, &labset_list_head);
	return set;
err:
	/* A test guest that is out of memory at start fails as a whole. */
	kfree(set->data);
	kfree(set);
	return NULL;
}

static LAB_FN int labset_add(struct labset *set, const struct labset_key *key)
{
	int r;

	if (lab_gate_is_open(0))
		lab_truth("waiter", "labset_add", "labset.lock", &set->lock);
	write_lock_bh(&set->lock);
	r = set->ops->add(set, key);
	write_unlock_bh(&set->lock);
	return r;
}

/*
 * Not read_lock_bh(): a reader with bottom halves off counts as in_interrupt() and is let past a
 * writer that waits (queued_read_lock_slowpath()), so it would not queue in scenario 4.
 */
static LAB_FN bool labset_test(struct labset *set, const struct labset_key *key)
{
	bool found;

	lab_truth("waiter", "labset_test", "labset.lock", &set->lock);
	read_lock(&set->lock);
	found = set->ops->test(set, key);
	read_unlock(&set->lock);
	return found;
}

static LAB_FN int labset_del(struct labset *set, const struct labset_key *key)
{
	int r;

	lab_truth("waiter", "labset_del", "labset.lock", &set->lock);
	lab_gate_open(0);
	write_lock_bh(&set->lock);
	r = set->ops->del(set, key);
	write_unlock_bh(&set->lock);
	return r;
}

static LAB_FN void labset_flush(struct labset *set)
{
	write_lock_bh(&set->lock);
	set->ops->flush(set);
	write_unlock_bh(&set->lock);
}

/* List one bucket, and drop what has timed out on the way. */
static LAB_FN u32 labset_dump_bucket(struct labset *set, u32 i, unsigned long now)
{
	struct labset_elem *elem;
	u32 listed = 0;

	hlist_for_each_entry(elem, &set->data->bucket[i], node) {
		if (elem->expires && time_after(now, elem->expires))
			labset_del(set, &elem->key);
		else
			listed++;
	}
	return listed;
}

static LAB_FN u32 labset_dump(struct labset *set, unsigned long now)
{
	u32 i, listed = 0;

	read_lock_bh(&set->lock);
	lab_truth("holder", "labset_dump", "labset.lock", &set->lock);
	for (i = 0; i < 1U << set->data->htable_bits; i++)
		listed += labset_dump_bucket(set, i, now);
	read_unlock_bh(&set->lock);
	return listed;
}

/* A packet's address goes into the set, as a firewall rule's target does. */
static LAB_FN int labset_target(struct labset *set, u32 ip, u16 port)
{
	struct labset_key key = {.ip = ip, .port = port, .proto = 6};

	return labset_add(set, &key);
}

/* ---- scenario 1: expire under the write lock in softirq, everyone else adds ---- */

struct labset_rx {
	struct tasklet_struct tasklet;
	struct timer_list timer;
	struct labset *set;
	unsigned int retries;
};

static struct labset_rx labset_rx[NR_CPUS > 64 ? 64 : NR_CPUS];

static bool labset_in_ksoftirqd(void)
{
	return !strncmp(current->comm, "ksoftirqd/", 10);
}

static LAB_FN void labset_rx_tasklet(struct tasklet_struct *t)
{
	struct labset_rx *rx = from_tasklet(rx, t, tasklet);

	/* A tasklet that comes back at once is soon handed to ksoftirqd, as a busy NIC's poll is. */
	if (!labset_in_ksoftirqd() && rx->retries++ < LABSET_POLL_RETRIES) {
		tasklet_schedule(t);
		return;
	}
	labset_target(rx->set, 0xc0a80001, 80);
}

static LAB_FN void labset_rx_timer(struct timer_list *t)
{
	struct labset_rx *rx = container_of(t, struct labset_rx, timer);

	labset_target(rx->set, 0xc0a80002, 443);
}

static LAB_FN int labset_thread_poll(void *data)
{
	struct labset_rx *rx = data;

	if (rx != &labset_rx[0])
		lab_gate_wait(0);
	local_bh_disable();
	tasklet_schedule(&rx->tasklet);
	local_bh_enable();
	return 0;
}

static LAB_FN int labset_thread_timer(void *data)
{
	struct labset_rx *rx = data;

	lab_gate_wait(0);
	lab_timer_start(&rx->timer, smp_processor_id(), 4);
	return 0;
}

static LAB_FN int labset_thread_writer(void *data)
{
	struct labset_rx *rx = data;
	int r;

	lab_gate_wait(0);
	r = labset_target(rx->set, 0xc0a80003, 22);
	return r;
}

int labset_start_expire(void)
{
	unsigned int cpu, cpus = min_t(unsigned int, num_online_cpus(), ARRAY_SIZE(labset_rx));
	int r = 0;

	labset_clients = labset_create("clients", LABSET_MAXELEM, LABSET_MAXELEM, 0);
	if (!labset_clients)
		return -ENOMEM;
	for (cpu = 0; cpu < cpus && !r; cpu++) {
		struct labset_rx *rx = &labset_rx[cpu];

		rx->set = labset_clients;
		tasklet_setup(&rx->tasklet, labset_rx_tasklet);
		timer_setup(&rx->timer, labset_rx_timer, TIMER_PINNED);
		/* Most waiters come in softirq, as packets do; some are tasks. */
		if (cpu == 0 || cpu % 4 == 3)
			r = lab_thread_start(labset_thread_poll, rx, cpu, "lab_poll");
		else if (cpu % 4 == 2)
			r = lab_thread_start(labset_thread_timer, rx, cpu, "lab_timer");
		else
			r = lab_thread_start(labset_thread_writer, rx, cpu, "lab_writer");
	}
	return r;
}

/* ---- scenario 4: the dump, a reader, deletes; scenario 14: a flush that never empties ---- */

static LAB_FN bool labset_match(struct labset *set, u32 ip, u16 port)
{
	struct labset_key key = {.ip = ip, .port = port, .proto = 6};

	return labset_test(set, &key);
}

static LAB_FN int labset_thread_reader(void *data)
{
	lab_gate_wait(0);
	for (;;) {
		labset_match(data, 0x0a000001, 1025);
		usleep_range(10000, 20000);
	}
	return 0;
}

static LAB_FN int labset_thread_dump(void *data)
{
	u32 listed;

	listed = labset_dump(data, jiffies + 3600 * HZ);
	return listed ? 0 : -ENOENT;
}

static LAB_FN int labset_thread_flush(void *data)
{
	labset_flush(data);
	return 0;
}

/* @fn on CPU @first, readers on the CPUs after it up to @last. */
static int labset_start_readers(int (*fn)(void *data), const char *name, unsigned int first,
				unsigned int last)
{
	unsigned int cpu;
	int r;

	r = lab_thread_start(fn, labset_clients, first, name);
	for (cpu = first + 1; cpu <= last && !r; cpu++)
		r = lab_thread_start(labset_thread_reader, labset_clients, cpu, "lab_reader");
	return r;
}

int labset_start_dump(void)
{
	labset_clients = labset_create("leases", LABSET_MAXELEM, LABSET_MAXELEM / 2, 600);
	if (!labset_clients)
		return -ENOMEM;
	return labset_start_readers(labset_thread_dump, "lab_dump", 1, 3);
}

int labset_start_flush(void)
{
	int r;

	labset_clients = labset_create("blocked", LABSET_MAXELEM, LABSET_MAXELEM / 2, 0);
	if (!labset_clients)
		return -ENOMEM;
	r = labpool_start_shrink_on(0, 3);
	if (r)
		return r;
	return labset_start_readers(labset_thread_flush, "lab_flush", 4, 7);
}
