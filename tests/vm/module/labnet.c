// SPDX-License-Identifier: GPL-2.0-only
/* labnet: routes and neighbours under global locks; ports and queues with locks of their own. */
#include <linux/delay.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "lab.h"

/* ---- scenario 6: routes before neighbours, neighbours before routes ---- */

/* Protects labnet_routes. */
static DEFINE_SPINLOCK(labroute_lock);
/* Protects labnet_neighbours. */
static DEFINE_SPINLOCK(labneigh_lock);
static u32 labnet_routes[64];
static u32 labnet_neighbours[64];
static atomic_t labnet_here = ATOMIC_INIT(0);

static LAB_FN u32 labneigh_resolve(u32 slot)
{
	u32 address;

	lab_truth("waiter", "labneigh_resolve", "labneigh_lock", &labneigh_lock);
	spin_lock(&labneigh_lock);
	address = labnet_neighbours[slot % 64];
	spin_unlock(&labneigh_lock);
	return address;
}

static LAB_FN u32 labroute_update(u32 slot)
{
	u32 address;

	spin_lock(&labroute_lock);
	lab_truth("holder", "labroute_update", "labroute_lock", &labroute_lock);
	lab_rendezvous(&labnet_here, 2);
	address = labneigh_resolve(slot);
	labnet_routes[slot % 64] = address;
	spin_unlock(&labroute_lock);
	return address;
}

static LAB_FN u32 labroute_invalidate(u32 slot)
{
	u32 old;

	lab_truth("waiter", "labroute_invalidate", "labroute_lock", &labroute_lock);
	spin_lock(&labroute_lock);
	old = labnet_routes[slot % 64];
	labnet_routes[slot % 64] = 0;
	spin_unlock(&labroute_lock);
	return old;
}

static LAB_FN u32 labneigh_expire(u32 slot)
{
	u32 old;

	spin_lock(&labneigh_lock);
	lab_truth("holder", "labneigh_expire", "labneigh_lock", &labneigh_lock);
	lab_rendezvous(&labnet_here, 2);
	old = labroute_invalidate(slot);
	labnet_neighbours[slot % 64] = old;
	spin_unlock(&labneigh_lock);
	return old;
}

static LAB_FN int labroute_thread(void *data)
{
	u32 address;

	address = labroute_update(3);
	return address ? 0 : -ENOENT;
}

static LAB_FN int labneigh_thread(void *data)
{
	u32 old;

	old = labneigh_expire(3);
	return old ? 0 : -ENOENT;
}

int labnet_start_route(void)
{
	int r;

	r = lab_thread_start(labroute_thread, NULL, 1, "lab_route");
	if (r)
		return r;
	return lab_thread_start(labneigh_thread, NULL, 2, "lab_neigh");
}

/* ---- scenario 7: device list, port, queue: each has one and wants the next ---- */

struct labport {
	u32 id;
	u32 mtu;
	spinlock_t lock; /* protects mtu */
};

struct labqueue {
	u32 depth;
	u64 bytes;
	u64 drops;
	spinlock_t lock; /* protects depth, bytes and drops */
};

struct labnet {
	struct labport *port;
	struct labqueue *queue;
};

/* Protects labnet_devices. */
static DEFINE_SPINLOCK(labnet_device_lock);
static u32 labnet_devices;
static struct labnet labnet_first;

static LAB_FN u32 labport_attach(struct labport *port)
{
	u32 mtu;

	lab_truth("waiter", "labport_attach", "labport.lock", &port->lock);
	spin_lock(&port->lock);
	mtu = port->mtu;
	spin_unlock(&port->lock);
	return mtu;
}

static LAB_FN u32 labnet_device_open(struct labnet *net)
{
	u32 mtu;

	spin_lock(&labnet_device_lock);
	lab_truth("holder", "labnet_device_open", "labnet_device_lock", &labnet_device_lock);
	lab_rendezvous(&labnet_here, 3);
	mtu = labport_attach(net->port);
	labnet_devices++;
	spin_unlock(&labnet_device_lock);
	return mtu;
}

static LAB_FN u32 labqueue_drain(struct labqueue *queue)
{
	u32 depth;

	lab_truth("waiter", "labqueue_drain", "labqueue.lock", &queue->lock);
	spin_lock(&queue->lock);
	depth = queue->depth;
	queue->depth = 0;
	spin_unlock(&queue->lock);
	return depth;
}

static LAB_FN u32 labport_reset(struct labport *port, struct labqueue *queue)
{
	u32 depth;

	spin_lock(&port->lock);
	lab_truth("holder", "labport_reset", "labport.lock", &port->lock);
	lab_rendezvous(&labnet_here, 3);
	depth = labqueue_drain(queue);
	port->mtu = 1500;
	spin_unlock(&port->lock);
	return depth;
}

static LAB_FN u32 labnet_device_wake(void)
{
	u32 devices;

	lab_truth("waiter", "labnet_device_wake", "labnet_device_lock", &labnet_device_lock);
	spin_lock(&labnet_device_lock);
	devices = labnet_devices;
	spin_unlock(&labnet_device_lock);
	return devices;
}

static LAB_FN u32 labqueue_kick(struct labqueue *queue)
{
	u32 devices;

	spin_lock(&queue->lock);
	lab_truth("holder", "labqueue_kick", "labqueue.lock", &queue->lock);
	lab_rendezvous(&labnet_here, 3);
	devices = labnet_device_wake();
	queue->depth += devices;
	spin_unlock(&queue->lock);
	return devices;
}

static LAB_FN int labnet_thread_open(void *data)
{
	u32 mtu;

	mtu = labnet_device_open(data);
	return mtu ? 0 : -ENODEV;
}

static LAB_FN int labnet_thread_reset(void *data)
{
	struct labnet *net = data;
	u32 depth;

	depth = labport_reset(net->port, net->queue);
	return depth ? 0 : -ENODEV;
}

static LAB_FN int labnet_thread_kick(void *data)
{
	struct labnet *net = data;
	u32 devices;

	devices = labqueue_kick(net->queue);
	return devices ? 0 : -ENODEV;
}

int labnet_start_port(void)
{
	struct labnet *net = &labnet_first;
	int r;

	net->port = kzalloc(sizeof(*net->port), GFP_KERNEL);
	net->queue = kzalloc(sizeof(*net->queue), GFP_KERNEL);
	if (!net->port || !net->queue)
		return -ENOMEM;
	spin_lock_init(&net->port->lock);
	spin_lock_init(&net->queue->lock);
	r = lab_thread_start(labnet_thread_open, net, 0, "lab_open");
	if (!r)
		r = lab_thread_start(labnet_thread_reset, net, 1, "lab_reset");
	if (!r)
		r = lab_thread_start(labnet_thread_kick, net, 2, "lab_kick");
	return r;
}
