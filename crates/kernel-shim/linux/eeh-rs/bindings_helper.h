/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the shim uses of C and kernel::bindings lacks; bindings_parameters names it. */
#include <linux/crash_dump.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/iommu.h>
#include <linux/kthread.h>
#include <linux/notifier.h>
#include <linux/of.h>
#include <linux/pci.h>
#include <linux/pci_hotplug.h>
#include <linux/proc_fs.h>
#include <linux/reboot.h>
#include <linux/sched/clock.h>
#include <linux/seq_file.h>
#include <linux/stacktrace.h>

#include <asm/eeh.h>
#include <asm/iommu.h>
#include <asm/machdep.h>
#include <asm/opal.h>
#include <asm/pci-bridge.h>
#include <asm/pnv-pci.h>
#include <asm/ppc-pci.h>
#include <asm/rtas.h>

#include "../platforms/powernv/pci.h"
#include "../platforms/powernv/powernv.h"
#include "../../../drivers/pci/pci.h"

#include "eeh_glue.h"
#include "eeh_layout.h"
