// SPDX-License-Identifier: GPL-2.0

#include <linux/device.h>
#include <linux/pm_wakeup.h>

__rust_helper bool rust_helper_device_can_wakeup(struct device *dev)
{
	return device_can_wakeup(dev);
}

__rust_helper bool rust_helper_device_may_wakeup(struct device *dev)
{
	return device_may_wakeup(dev);
}

#ifndef CONFIG_PM_SLEEP
__rust_helper int rust_helper_device_set_wakeup_enable(struct device *dev,
						       bool enable)
{
	return device_set_wakeup_enable(dev, enable);
}

__rust_helper void rust_helper_pm_wakeup_dev_event(struct device *dev,
						   unsigned int msec, bool hard)
{
	pm_wakeup_dev_event(dev, msec, hard);
}
#endif
