/* SPDX-License-Identifier: MIT */
#ifndef FC_HOLDER_H
#define FC_HOLDER_H

#include <stdbool.h>
#include <stddef.h>

/**
 * Find out which other process has a PCI device open through vfio, or another device of its IOMMU
 * group, which has one owner. Control thread.
 *
 * @param name  PCI address.
 * @param text  Gets "process 123 (fluxcap, --file-prefix broker)".
 * @return      false: nobody has, or none that this process may look at.
 */
bool fc_holder_find(const char *name, char *text, size_t size);

#endif
