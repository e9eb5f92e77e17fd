// SPDX-License-Identifier: GPL-2.0-only
/* labset: named sets of address and port pairs in a hash table, one rwlock per set. */
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
	bool (*test)(struct labset *set, const struct labset_key *key);
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

static const struct labset_ops labset_hash_ops = {
	.add = labset_hash_add,
	.test = labset_hash_test,
};

/* ---- sets ---- */

static struct labset *labset_create(const char *name, u32 maxelem, u32 fill)
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

	labset_clients = labset_create("clients", LABSET_MAXELEM, LABSET_MAXELEM);
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
