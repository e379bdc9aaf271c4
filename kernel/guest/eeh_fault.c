// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A driver whose error_detected misbehaves as its parameter says: hang waits until `released` is written,
 * oops stores to address 0. It binds by driver_override only, and leaves its device alone. `held` names a function
 * whose pci_dev is held until another is named, or none.
 */
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/wait.h>

static DECLARE_WAIT_QUEUE_HEAD(waiting);

static char fault[8] = "none";
module_param_string(fault, fault, sizeof(fault), 0644);

static bool released;

static int set_released(const char *text, const struct kernel_param *param)
{
	int error = param_set_bool(text, param);

	wake_up_all(&waiting);
	return error;
}

static const struct kernel_param_ops released_ops = {
	.set = set_released,
	.get = param_get_bool,
};
module_param_cb(released, &released_ops, &released, 0644);

static struct pci_dev *held;

static int set_held(const char *text, const struct kernel_param *param)
{
	unsigned int domain, bus, slot, function;
	struct pci_dev *old = held;

	held = NULL;
	if (sscanf(text, "%x:%x:%x.%x", &domain, &bus, &slot, &function) == 4)
		held = pci_get_domain_bus_and_slot(domain, bus, PCI_DEVFN(slot, function));
	pci_dev_put(old);
	return 0;
}

static const struct kernel_param_ops held_ops = { .set = set_held };
module_param_cb(held, &held_ops, NULL, 0200);

static int fault_probe(struct pci_dev *dev, const struct pci_device_id *id)
{
	return 0;
}

static void fault_remove(struct pci_dev *dev)
{
}

static pci_ers_result_t fault_error_detected(struct pci_dev *dev, pci_channel_state_t state)
{
	if (sysfs_streq(fault, "hang"))
		wait_event(waiting, READ_ONCE(released));
	if (sysfs_streq(fault, "oops"))
		*(volatile int *)NULL = 0;
	return PCI_ERS_RESULT_NEED_RESET;
}

static pci_ers_result_t fault_slot_reset(struct pci_dev *dev)
{
	return PCI_ERS_RESULT_RECOVERED;
}

static void fault_resume(struct pci_dev *dev)
{
}

static const struct pci_error_handlers fault_handlers = {
	.error_detected = fault_error_detected,
	.slot_reset = fault_slot_reset,
	.resume = fault_resume,
};

static struct pci_driver fault_driver = {
	.name = "eeh_fault",
	.id_table = NULL,
	.probe = fault_probe,
	.remove = fault_remove,
	.err_handler = &fault_handlers,
};

static int __init fault_init(void)
{
	return pci_register_driver(&fault_driver);
}
module_init(fault_init);

static void __exit fault_exit(void)
{
	pci_unregister_driver(&fault_driver);
	pci_dev_put(held);
}
module_exit(fault_exit);

MODULE_DESCRIPTION("Driver that misbehaves in its error handler");
MODULE_LICENSE("GPL");
