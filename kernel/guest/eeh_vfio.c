// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * eeh_vfio GROUP ADDRESS: opens a device through VFIO as a user-space driver does, and asks for what EEH
 * offers to one: state, an injected error (QEMU's bridges know it), a reset, state again. Prints each
 * answer. Built against the kernel's own nolibc.
 */
#include <linux/vfio.h>

static int failed;

static int answered(const char *what, int answer)
{
	printf("%s: %d%s\n", what, answer, answer < 0 ? " FAILED" : "");
	if (answer < 0) {
		perror(what);
		failed = 1;
	}
	return answer;
}

static int ask(int container, const char *what, unsigned int op)
{
	struct vfio_eeh_pe_op request = { .argsz = sizeof(request), .op = op };

	return answered(what, ioctl(container, VFIO_EEH_PE_OP, &request));
}

int main(int argc, char **argv)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	char path[64];
	int container, group, device, wait;

	if (argc < 3)
		return 2;
	wait = argc > 3 ? atoi(argv[3]) : 0;
	container = answered("container", open("/dev/vfio/vfio", O_RDWR));
	snprintf(path, sizeof(path), "/dev/vfio/%s", argv[1]);
	group = answered("group", open(path, O_RDWR));
	if (failed)
		return 1;
	answered("status", ioctl(group, VFIO_GROUP_GET_STATUS, &status));
	printf("viable: %d\n", !!(status.flags & VFIO_GROUP_FLAGS_VIABLE));
	answered("set container", ioctl(group, VFIO_GROUP_SET_CONTAINER, &container));
	answered("set iommu", ioctl(container, VFIO_SET_IOMMU, VFIO_SPAPR_TCE_v2_IOMMU));
	printf("eeh offered: %d\n", (int)ioctl(container, VFIO_CHECK_EXTENSION, VFIO_EEH));
	device = answered("device", ioctl(group, VFIO_GROUP_GET_DEVICE_FD, argv[2]));
	if (failed)
		return 1;
	ask(container, "enable", VFIO_EEH_PE_ENABLE);
	ask(container, "state", VFIO_EEH_PE_GET_STATE);
	ask(container, "hot reset", VFIO_EEH_PE_RESET_HOT);
	ask(container, "state in reset", VFIO_EEH_PE_GET_STATE);
	ask(container, "deassert", VFIO_EEH_PE_RESET_DEACTIVATE);
	ask(container, "configure", VFIO_EEH_PE_CONFIGURE);
	ask(container, "state after reset", VFIO_EEH_PE_GET_STATE);
	if (wait)
		sleep(wait);
	close(device);
	close(group);
	close(container);
	return failed;
}
