# SPDX-License-Identifier: MIT
"""What the box itself uses of a network interface."""

from .host import Failure, Host

# Types of routes that come with an address, and go with it.
OWN_ROUTES = ("local", "broadcast", "multicast", "anycast")


class Network:
    """Interfaces, addresses and routes at one moment."""

    def __init__(self, host: Host):
        self.links = {link["ifname"]: link for link in host.ip("addr", "show")}
        self.routes = [{**route, "family": family} for family in ("-4", "-6")
                       for route in host.ip(family, "route", "show", "table", "all")]
        self.connection = ssh_connection(host)
        self.by_ssh = self.carriers(host)

    def is_up(self, name: str) -> bool:
        return "UP" in self.links.get(name, {}).get("flags", [])

    def carriers(self, host: Host) -> set[str]:
        """The interfaces that the operator's SSH connection needs, those below them included."""
        if not self.connection:
            return set()
        client, server = self.connection
        address, _, scope = server.partition("%")
        found = {scope} if scope else {
            name for name, link in self.links.items()
            if any(entry.get("local") == address for entry in link.get("addr_info", []))}
        try:
            found |= {entry["dev"] for entry in host.ip("route", "get", client) if "dev" in entry}
        except Failure:
            pass  # no route to an address with a scope, or none any more
        while True:
            below = {name for name, link in self.links.items() if link.get("master") in found}
            below |= {lower for name in found for lower in self.links if self.is_on(name, lower)}
            if below <= found:
                return found
            found |= below

    def is_on(self, upper: str, lower: str) -> bool:
        """Whether an interface stands on another one: a VLAN, say. The ends of a veth name each
        other, and a name from another namespace is nobody here."""
        links = self.links.get(upper, {}), self.links.get(lower, {})
        return (links[0].get("link") == lower and links[1].get("link") != upper
                and "link_netnsid" not in links[0])

    def uses(self, name: str) -> list[str]:
        """What the box itself does with an interface, which so must stay with the kernel. What
        would end that is said nowhere: who follows it may lose the box."""
        link = self.links.get(name, {})
        found = []
        if name in self.by_ssh:
            found.append(f"carries your own SSH connection from {self.connection[0]}")
        if "master" in link:
            found.append(f"is part of {link['master']}, a bridge or bond")
        found += [f"has the interface {upper} on top of it"
                  for upper in self.links if self.is_on(upper, name)]
        found += [f"carries the route {describe(route)}"
                  for route in self.routes if goes_by(route, name)]
        found += [f"has the address {entry['local']}/{entry['prefixlen']}"
                  for entry in link.get("addr_info", [])
                  if entry["family"] == "inet" or entry.get("scope") != "link"]
        return found


def ssh_connection(host: Host) -> tuple[str, str] | tuple[()]:
    """The client's and this end's address of the SSH connection that this command was typed in.

    sudo does not pass SSH_CONNECTION on, so the processes that started this one are asked too.
    """
    texts = [host.environ.get("SSH_CONNECTION", "")]
    for pid in host.parents():
        texts += [word.partition("=")[2] for word in host.read(f"/proc/{pid}/environ").split("\0")
                  if word.startswith("SSH_CONNECTION=")]
    for text in texts:
        words = text.split()
        if len(words) == 4:
            return words[0], words[2]
    return ()


def goes_by(route: dict, name: str) -> bool:
    """Whether somebody wanted this route. The kernel makes some for every interface that is up, and
    for every address, which is a reason by itself."""
    if route.get("type") in OWN_ROUTES or route.get("protocol") == "kernel":
        return False
    return name in [route.get("dev"), *(hop.get("dev") for hop in route.get("nexthops", []))]


def describe(route: dict) -> str:
    via = f" via {route['gateway']}" if "gateway" in route else ""
    return route.get("dst", "default") + via
