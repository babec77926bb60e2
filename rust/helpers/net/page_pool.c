// SPDX-License-Identifier: GPL-2.0

#include <linux/dma-mapping.h>
#include <linux/hardirq.h>
#include <linux/irqflags.h>
#include <linux/mm.h>
#include <linux/skbuff.h>
#include <net/page_pool/helpers.h>

__rust_helper void rust_helper_page_pool_put_full_page(struct page_pool *pool,
						       struct page *page,
						       bool allow_direct)
{
	page_pool_put_full_page(pool, page, allow_direct);
}

__rust_helper dma_addr_t
rust_helper_page_pool_get_dma_addr(const struct page *page)
{
	return page_pool_get_dma_addr(page);
}

__rust_helper void
rust_helper_page_pool_dma_sync_for_cpu(const struct page_pool *pool,
				       const struct page *page, u32 offset,
				       u32 dma_sync_size)
{
	page_pool_dma_sync_for_cpu(pool, page, offset, dma_sync_size);
}

/* The page was mapped already: what is written here must not follow the DMA. */
__rust_helper void rust_helper_page_pool_clear_page(struct device *dev,
						    netmem_ref netmem)
{
	struct page *page = netmem_to_page(netmem);

	if (want_init_on_alloc(0))
		return;

	clear_page(page_address(page));
	dma_sync_single_for_device(dev, page_pool_get_dma_addr(page), PAGE_SIZE,
				   DMA_FROM_DEVICE);
}

__rust_helper void *rust_helper_page_address(const struct page *page)
{
	return page_address(page);
}

__rust_helper bool rust_helper_in_hardirq(void)
{
	return in_hardirq();
}

__rust_helper bool rust_helper_irqs_disabled(void)
{
	return irqs_disabled();
}

__rust_helper void rust_helper_skb_reserve(struct sk_buff *skb, int len)
{
	skb_reserve(skb, len);
}

__rust_helper void rust_helper_skb_mark_for_recycle(struct sk_buff *skb)
{
	skb_mark_for_recycle(skb);
}

__rust_helper bool rust_helper_skb_pp_recycle(const struct sk_buff *skb)
{
	return skb->pp_recycle;
}

__rust_helper int rust_helper_skb_cloned(const struct sk_buff *skb)
{
	return skb_cloned(skb);
}

__rust_helper void rust_helper_skb_add_rx_frag(struct sk_buff *skb, int i,
					       struct page *page, int off,
					       int size, unsigned int truesize)
{
	skb_add_rx_frag(skb, i, page, off, size, truesize);
}
