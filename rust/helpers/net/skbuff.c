// SPDX-License-Identifier: GPL-2.0

#include <linux/if_vlan.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <net/dst.h>

__rust_helper unsigned int rust_helper_skb_ip_summed(const struct sk_buff *skb)
{
	return skb->ip_summed;
}

__rust_helper void rust_helper_skb_set_ip_summed(struct sk_buff *skb,
						 unsigned int ip_summed)
{
	skb->ip_summed = ip_summed;
}

__rust_helper __be16 rust_helper_skb_ethertype(const struct sk_buff *skb)
{
	return skb->protocol;
}

__rust_helper void rust_helper_skb_set_ethertype(struct sk_buff *skb,
						 __be16 protocol)
{
	skb->protocol = protocol;
}

__rust_helper void rust_helper_skb_set_ethernet(struct sk_buff *skb,
						__be16 protocol)
{
	skb_reset_mac_header(skb);
	skb_set_network_header(skb, ETH_HLEN);
	skb->protocol = protocol;
}

__rust_helper struct skb_shared_info *
rust_helper_skb_shinfo(const struct sk_buff *skb)
{
	return skb_shinfo(skb);
}

__rust_helper bool rust_helper_skb_shared(const struct sk_buff *skb)
{
	return skb_shared(skb);
}

__rust_helper int
rust_helper_skb_checksum_start_offset(const struct sk_buff *skb)
{
	return skb_checksum_start_offset(skb);
}

__rust_helper u16 rust_helper_skb_csum_offset(const struct sk_buff *skb)
{
	return skb->csum_offset;
}

/* The buffers on a frag_list are not marked together with it. */
__rust_helper bool rust_helper_skb_may_have_pp(const struct sk_buff *skb)
{
	return skb->pp_recycle || skb_has_frag_list(skb);
}

__rust_helper bool
rust_helper_skb_transport_header_was_set(const struct sk_buff *skb)
{
	return skb_transport_header_was_set(skb);
}

__rust_helper int rust_helper_skb_transport_offset(const struct sk_buff *skb)
{
	return skb_transport_offset(skb);
}

__rust_helper bool rust_helper_skb_vlan_tag_present(const struct sk_buff *skb)
{
	return skb_vlan_tag_present(skb);
}

__rust_helper u16 rust_helper_skb_vlan_tag_get(const struct sk_buff *skb)
{
	return skb_vlan_tag_get(skb);
}

__rust_helper __be16 rust_helper_skb_vlan_proto(const struct sk_buff *skb)
{
	return skb->vlan_proto;
}

__rust_helper void rust_helper_skb_put_vlan_tag(struct sk_buff *skb,
						__be16 proto, u16 tci)
{
	__vlan_hwaccel_put_tag(skb, proto, tci);
}

__rust_helper int rust_helper_skb_linearize(struct sk_buff *skb)
{
	return skb_linearize(skb);
}

__rust_helper int rust_helper___skb_put_padto(struct sk_buff *skb,
					      unsigned int len,
					      bool free_on_error)
{
	return __skb_put_padto(skb, len, free_on_error);
}

__rust_helper bool rust_helper_pskb_may_pull(struct sk_buff *skb,
					     unsigned int len)
{
	return pskb_may_pull(skb, len);
}

__rust_helper void rust_helper_skb_record_rx_queue(struct sk_buff *skb,
						   u16 rx_queue)
{
	skb_record_rx_queue(skb, rx_queue);
}

__rust_helper void rust_helper_skb_scrub_for_rx(struct sk_buff *skb)
{
	skb_orphan(skb);
	skb_scrub_packet(skb, true);
}

__rust_helper unsigned int rust_helper_skb_pkt_type(const struct sk_buff *skb)
{
	return skb->pkt_type;
}

/*
 * Clones share the place, and may be looked at. A sender's destructor may have
 * something else there: AF_XDP does.
 */
__rust_helper void rust_helper_skb_set_hwtstamp(struct sk_buff *skb,
						ktime_t hwtstamp)
{
	struct skb_shared_hwtstamps *hwtstamps = skb_hwtstamps(skb);

	if (skb_cloned(skb) || skb->destructor)
		return;

	memset(hwtstamps, 0, sizeof(*hwtstamps));
	hwtstamps->hwtstamp = hwtstamp;
}
