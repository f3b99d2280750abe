"""Networks and volumes as the engine is asked to make them."""

from __future__ import annotations

import pytest

from wherry.compose.config_hash import network_hash, volume_hash
from wherry.compose.model import Ipam, IpamPool, Network, Project, Volume
from wherry.compose.project_resources import network_wish, volume_wish
from wherry.errors import InputError, NotFound, Unsupported, WherryError

PREFIX = "com.docker.compose."


def project(network: Network | None = None, volume: Volume | None = None) -> Project:
    networks = {"back": network or Network(name="shop_back")}
    return Project(name="shop", working_dir="/", networks=networks, volumes={"data": volume or Volume(name="d")})


def test_a_network_has_its_pools_options_and_labels() -> None:
    wanted = Network(
        name="shop_back",
        internal=True,
        attachable=True,
        enable_ipv6=True,
        labels={"mine": "1"},
        driver_opts={"com.docker.network.driver.mtu": "1400"},
        ipam=Ipam(
            config=(
                IpamPool(subnet="10.9.0.0/24", gateway="10.9.0.7", ip_range="10.9.0.128/25",
                         aux_addresses={"router": "10.9.0.9"}),
                IpamPool(subnet="fd00:9::/64"),
            ),
            options={"o": "p"},
        ),
    )  # fmt: skip
    made = network_wish(project(wanted), "back")
    assert (made.name, made.subnet, made.gateway, made.ip_range, made.subnet6) == (
        "shop_back", "10.9.0.0/24", "10.9.0.7", "10.9.0.128/25", "fd00:9::/64",
    )  # fmt: skip
    assert (made.internal, made.attachable, made.ipv6, made.aux) == (True, True, True, {"router": "10.9.0.9"})
    assert (made.options, made.ipam_options) == ({"com.docker.network.driver.mtu": "1400"}, {"o": "p"})
    has = dict(made.labels)
    assert has.pop(PREFIX + "version")
    assert has == {
        "mine": "1",
        PREFIX + "network": "back",
        PREFIX + "project": "shop",
        PREFIX + "config-hash": network_hash(wanted),
    }


@pytest.mark.parametrize(
    ("network", "kind", "said"),
    [
        (Network(name="n", driver="macvlan"), Unsupported, "macvlan networks are not supported"),
        (Network(name="n", driver="overlay"), Unsupported, "need a swarm"),
        (Network(name="n", driver="weave"), NotFound, 'plugin "weave" not found'),
        (Network(name="n", ipam=Ipam(driver="dhcp")), NotFound, 'plugin "dhcp" not found'),
        (Network(name="n", enable_ipv4=False), Unsupported, "enable_ipv4: false"),
        (Network(name="n", ipam=Ipam(config=(IpamPool(subnet="x"),))), InputError, "invalid subnet x"),
        (Network(name="n", ipam=Ipam(config=(IpamPool(gateway="10.0.0.1"),))), InputError, "corresponding subnet"),
    ],
)
def test_what_no_network_can_be_is_refused(network: Network, kind: type[WherryError], said: str) -> None:
    with pytest.raises(kind, match=said):
        network_wish(project(network), "back")


def test_a_volume_has_its_options_and_labels() -> None:
    wanted = Volume(name="shop_data", driver_opts={"type": "tmpfs", "device": "tmpfs"}, labels={"mine": "1"})
    made = volume_wish(project(volume=wanted), "data")
    assert (made.name, made.options, made.driver) == ("shop_data", {"type": "tmpfs", "device": "tmpfs"}, "local")
    assert made.labels[PREFIX + "volume"] == "data"
    assert made.labels[PREFIX + "config-hash"] == volume_hash(wanted)
    assert made.labels["mine"] == "1"
    assert volume_wish(project(volume=Volume(name="x", driver="nfs")), "data").driver == "nfs"
