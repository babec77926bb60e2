// SPDX-License-Identifier: GPL-2.0

#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <linux/workqueue.h>
#include <net/netdev_queues.h>
#include <net/sch_generic.h>

__rust_helper void rust_helper_ASSERT_RTNL(void)
{
	ASSERT_RTNL();
}

__rust_helper void *rust_helper_netdev_priv(const struct net_device *dev)
{
	return netdev_priv(dev);
}

__rust_helper struct netdev_queue *
rust_helper_netdev_get_tx_queue(const struct net_device *dev,
				unsigned int index)
{
	return netdev_get_tx_queue(dev, index);
}

__rust_helper unsigned int
rust_helper_netdev_queue_index(const struct netdev_queue *txq)
{
	return txq - txq->dev->_tx;
}

/*
 * A queue without a qdisc cannot be woken. register_netdevice() installs the
 * same pointer again, so doing it at allocation makes the queue operations
 * harmless for the whole life of the device.
 */
__rust_helper void rust_helper_netdev_init_noop_qdisc(struct net_device *dev)
{
	unsigned int i;

	for (i = 0; i < dev->num_tx_queues; i++) {
		struct netdev_queue *txq = netdev_get_tx_queue(dev, i);

		rcu_assign_pointer(txq->qdisc, &noop_qdisc);
	}
}

__rust_helper void rust_helper_SET_NETDEV_DEV(struct net_device *dev,
					      struct device *parent)
{
	SET_NETDEV_DEV(dev, parent);
}

__rust_helper void rust_helper_netdev_change_priv_flags(struct net_device *dev,
							u32 set, u32 clear)
{
	dev->priv_flags = (dev->priv_flags & ~clear) | set;
}

__rust_helper void rust_helper_eth_hw_addr_set(struct net_device *dev,
					       const u8 *addr)
{
	eth_hw_addr_set(dev, addr);
}

__rust_helper void rust_helper_eth_hw_addr_random(struct net_device *dev)
{
	eth_hw_addr_random(dev);
}

__rust_helper bool rust_helper_is_valid_ether_addr(const u8 *addr)
{
	return is_valid_ether_addr(addr);
}

__rust_helper bool rust_helper_netif_running(const struct net_device *dev)
{
	return netif_running(dev);
}

__rust_helper bool rust_helper_netif_device_present(const struct net_device *dev)
{
	return netif_device_present(dev);
}

__rust_helper bool rust_helper_netif_carrier_ok(const struct net_device *dev)
{
	return netif_carrier_ok(dev);
}

__rust_helper void rust_helper_netif_tx_start_all_queues(struct net_device *dev)
{
	netif_tx_start_all_queues(dev);
}

__rust_helper void rust_helper_netif_tx_wake_all_queues(struct net_device *dev)
{
	netif_tx_wake_all_queues(dev);
}

__rust_helper void rust_helper_netif_tx_disable(struct net_device *dev)
{
	netif_tx_disable(dev);
}

__rust_helper void rust_helper_netif_trans_update(struct net_device *dev)
{
	netif_trans_update(dev);
}

__rust_helper void rust_helper_txq_trans_cond_update(struct netdev_queue *txq)
{
	txq_trans_cond_update(txq);
}

__rust_helper bool rust_helper_netif_tx_owned(struct netdev_queue *txq)
{
	return netif_tx_owned(txq, smp_processor_id());
}

__rust_helper netdev_features_t
rust_helper_vlan_features_check(struct sk_buff *skb, netdev_features_t features)
{
	return vlan_features_check(skb, features);
}

__rust_helper bool rust_helper_netdev_xmit_more(void)
{
	return netdev_xmit_more();
}

__rust_helper void rust_helper_netdev_queue_assert_locked(struct netdev_queue *txq)
{
	lockdep_assert_held(&txq->_xmit_lock);
}

__rust_helper void rust_helper___netif_tx_lock_bh(struct netdev_queue *txq)
{
	__netif_tx_lock_bh(txq);
}

__rust_helper void rust_helper___netif_tx_unlock_bh(struct netdev_queue *txq)
{
	__netif_tx_unlock_bh(txq);
}

__rust_helper void rust_helper_netif_tx_start_queue(struct netdev_queue *txq)
{
	netif_tx_start_queue(txq);
}

__rust_helper void rust_helper_netif_tx_stop_queue(struct netdev_queue *txq)
{
	netif_tx_stop_queue(txq);
}

__rust_helper bool
rust_helper_netif_tx_queue_stopped(const struct netdev_queue *txq)
{
	return netif_tx_queue_stopped(txq);
}

__rust_helper bool rust_helper___netdev_tx_sent_queue(struct netdev_queue *txq,
						      unsigned int bytes,
						      bool xmit_more)
{
	return __netdev_tx_sent_queue(txq, bytes, xmit_more);
}

__rust_helper void rust_helper_netdev_txq_completed_mb(struct netdev_queue *txq,
						       unsigned int pkts,
						       unsigned int bytes)
{
	netdev_txq_completed_mb(txq, pkts, bytes);
}

__rust_helper void rust_helper_netdev_tx_reset_queue(struct netdev_queue *txq)
{
	netdev_tx_reset_queue(txq);
}

__rust_helper void rust_helper_init_delayed_work(struct delayed_work *dwork,
						 work_func_t func)
{
	INIT_DELAYED_WORK(dwork, func);
}

__rust_helper bool
rust_helper_delayed_work_pending(struct delayed_work *dwork)
{
	return delayed_work_pending(dwork);
}
