// SPDX-License-Identifier: GPL-2.0

#include <linux/dma-mapping.h>
#include <linux/skbuff.h>

__rust_helper dma_addr_t rust_helper_dma_map_single(struct device *dev,
						    void *ptr, size_t size,
						    enum dma_data_direction dir)
{
	return dma_map_single(dev, ptr, size, dir);
}

__rust_helper void rust_helper_dma_unmap_single(struct device *dev,
						dma_addr_t addr, size_t size,
						enum dma_data_direction dir)
{
	dma_unmap_single(dev, addr, size, dir);
}

__rust_helper void rust_helper_dma_unmap_page(struct device *dev,
					      dma_addr_t addr, size_t size,
					      enum dma_data_direction dir)
{
	dma_unmap_page(dev, addr, size, dir);
}

__rust_helper int rust_helper_dma_mapping_error(struct device *dev,
						dma_addr_t addr)
{
	return dma_mapping_error(dev, addr);
}

__rust_helper dma_addr_t
rust_helper___skb_frag_dma_map(struct device *dev, const skb_frag_t *frag,
			       size_t offset, size_t size,
			       enum dma_data_direction dir)
{
	return __skb_frag_dma_map(dev, frag, offset, size, dir);
}

__rust_helper bool rust_helper_skb_frags_readable(const struct sk_buff *skb)
{
	return skb_frags_readable(skb);
}

/* All drivers set the flag like this, although clones share it. */
__rust_helper void rust_helper_skb_tx_in_progress(struct sk_buff *skb)
{
	skb_shinfo(skb)->tx_flags |= SKBTX_IN_PROGRESS;
}

/* The device of a stray buffer may be gone, and so may be its PHY. */
__rust_helper void rust_helper_skb_tx_timestamp_of(struct sk_buff *skb,
						   const struct net_device *dev)
{
	if (likely(skb->dev == dev))
		skb_tx_timestamp(skb);
}

__rust_helper void rust_helper_skb_tstamp_tx_hw(struct sk_buff *skb,
						ktime_t hwtstamp)
{
	struct skb_shared_hwtstamps hwtstamps = { .hwtstamp = hwtstamp };

	skb_tstamp_tx(skb, &hwtstamps);
}
