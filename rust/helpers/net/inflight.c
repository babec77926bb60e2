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
