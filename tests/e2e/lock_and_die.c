/* SPDX-License-Identifier: MIT */
#include <signal.h>

#include <rte_eal.h>
#include <rte_eal_memconfig.h>

/* A secondary process that is killed at the worst moment: while it has EAL's memory locked. */
int main(int argc, char **argv)
{
	if (rte_eal_init(argc, argv) < 0)
		return 1;
	rte_mcfg_mem_write_lock();
	return raise(SIGKILL);
}
