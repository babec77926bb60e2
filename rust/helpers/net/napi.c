// SPDX-License-Identifier: GPL-2.0

#include <linux/netdevice.h>
#include <linux/skbuff.h>

__rust_helper void rust_helper_netdev_lock(struct net_device *dev)
{
	netdev_lock(dev);
}

__rust_helper void rust_helper_netdev_unlock(struct net_device *dev)
{
	netdev_unlock(dev);
}

__rust_helper void
rust_helper_netif_napi_add_locked(struct net_device *dev,
				  struct napi_struct *napi,
				  int (*poll)(struct napi_struct *napi,
					      int budget))
{
	netif_napi_add_locked(dev, napi, poll);
}

__rust_helper void
rust_helper_netif_napi_add_config_locked(struct net_device *dev,
					 struct napi_struct *napi,
					 int (*poll)(struct napi_struct *napi,
						     int budget),
					 int index)
{
	netif_napi_add_config_locked(dev, napi, poll, index);
}

__rust_helper bool rust_helper_napi_schedule(struct napi_struct *napi)
{
	return napi_schedule(napi);
}

__rust_helper gro_result_t
rust_helper_napi_gro_receive(struct napi_struct *napi, struct sk_buff *skb)
{
	return napi_gro_receive(napi, skb);
}

/*
 * gro_cleanup() is for a NAPI that is not used any more, and is not exported.
 * To be called by who owns the NAPI.
 */
__rust_helper void rust_helper_napi_drop_held(struct napi_struct *napi)
{
	struct gro_node *gro = &napi->gro;
	struct sk_buff *skb, *next;
	u32 i;

	for (i = 0; i < GRO_HASH_BUCKETS; i++) {
		list_for_each_entry_safe(skb, next, &gro->hash[i].list, list) {
			skb_list_del_init(skb);
			kfree_skb(skb);
		}
		gro->hash[i].count = 0;
	}
	gro->bitmask = 0;

	list_for_each_entry_safe(skb, next, &gro->rx_list, list) {
		skb_list_del_init(skb);
		kfree_skb(skb);
	}
	gro->rx_count = 0;
}

__rust_helper int rust_helper_skb_mac_offset(const struct sk_buff *skb)
{
	return skb_mac_offset(skb);
}

__rust_helper struct net_device *rust_helper_skb_dev(const struct sk_buff *skb)
{
	return skb->dev;
}

__rust_helper void rust_helper_skb_set_dev(struct sk_buff *skb,
					   struct net_device *dev)
{
	skb->dev = dev;
}
