# SPDX-License-Identifier: MIT
"""fluxcap-host: what a machine needs before fluxcap can run on it.

    command     the command line
    prepare     take ports, memory and modules; refuse what is in use
    unwind      give back what prepare took: for undo, and for a prepare that failed
    status      what stands in the way of a configuration, and what slows it down
    report      the same for people

    devices     PCI devices          network    what the box itself uses of an interface
    binding     vfio-pci             drivers    which NICs fluxcap can drive
    hugepages   memory               processors CPUs, interrupts, NUMA nodes
    broker      fluxcap itself       eal_args   the file with EAL's options
    state       what prepare remembers, and its lock
    host        the one way to this machine's files and commands
"""
