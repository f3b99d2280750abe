"""The flags of `run` and `create`, as data, and what becomes of them."""

from __future__ import annotations

from wherry.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.runtime.options import RunOptions
    from wherry.settings import Settings

__all__ = ["CREATE_FLAGS", "FLAGS", "options"]


def _list(name: str, help: str, short: str = "", type_name: str = "list") -> Flag:
    return Flag(name, help, short=short, kind="list", type_name=type_name)


def _text(name: str, help: str, short: str = "", type_name: str = "string", default: str = "") -> Flag:
    return Flag(name, help, short=short, kind="string", type_name=type_name, default=default)


def _int(name: str, help: str, short: str = "", default: str | int = "") -> Flag:
    return Flag(name, help, short=short, kind="int", default=default)


CREATE_FLAGS = (
    _list("add-host", "Add a custom host-to-IP mapping (host:ip)"),
    _list("annotation", "Add an annotation to the container (passed through to the OCI runtime)", type_name="map"),
    _list("attach", "Attach to STDIN, STDOUT or STDERR", "a"),
    _text("blkio-weight", "Block IO (relative weight), between 10 and 1000, or 0 to disable", type_name="uint16"),
    _list("blkio-weight-device", "Block IO weight of a device (PATH:WEIGHT)"),
    _list("cap-add", "Add Linux capabilities"),
    _list("cap-drop", "Drop Linux capabilities"),
    _text("cgroup-parent", "Optional parent cgroup for the container"),
    _text("cgroupns", "Cgroup namespace to use (host|private)"),
    _text("cidfile", "Write the container ID to the file"),
    _int("cpu-period", "Limit CPU CFS (Completely Fair Scheduler) period"),
    _int("cpu-quota", "Limit CPU CFS (Completely Fair Scheduler) quota"),
    _int("cpu-rt-period", "Limit CPU real-time period in microseconds"),
    _int("cpu-rt-runtime", "Limit CPU real-time runtime in microseconds"),
    _int("cpu-shares", "CPU shares (relative weight)", "c"),
    _text("cpus", "Number of CPUs", type_name="decimal"),
    _text("cpuset-cpus", "CPUs in which to allow execution (0-3, 0,1)"),
    _text("cpuset-mems", "MEMs in which to allow execution (0-3, 0,1)"),
    _list("device", "Add a host device to the container"),
    _list("device-cgroup-rule", "Add a rule to the cgroup allowed devices list"),
    _list("device-read-bps", "Limit read rate (bytes per second) from a device (PATH:RATE)"),
    _list("device-read-iops", "Limit read rate (IO per second) from a device (PATH:RATE)"),
    _list("device-write-bps", "Limit write rate (bytes per second) to a device (PATH:RATE)"),
    _list("device-write-iops", "Limit write rate (IO per second) to a device (PATH:RATE)"),
    Flag("disable-content-trust", "Skip image verification (always so)", default="true"),
    _list("dns", "Set custom DNS servers"),
    _list("dns-option", "Set DNS options"),
    _list("dns-opt", "The same as --dns-option"),
    _list("dns-search", "Set custom DNS search domains"),
    _text("domainname", "Container NIS domain name"),
    _text("entrypoint", "Overwrite the default ENTRYPOINT of the image"),
    _list("env", "Set environment variables", "e"),
    _list("env-file", "Read in a file of environment variables"),
    _list("expose", "Expose a port or a range of ports"),
    _list("gpus", "GPU devices to add to the container ('all' to pass all GPUs)", type_name="gpu-request"),
    _list("group-add", "Add additional groups to join"),
    _text("health-cmd", "Command to run to check health"),
    _text("health-interval", "Time between running the check (ms|s|m|h)", type_name="duration"),
    _int("health-retries", "Consecutive failures needed to report unhealthy"),
    _text("health-start-interval", "Time between checks during the start period (ms|s|m|h)", type_name="duration"),
    _text("health-start-period", "Start period before the retries countdown begins (ms|s|m|h)", type_name="duration"),
    _text("health-timeout", "Maximum time to allow one check to run (ms|s|m|h)", type_name="duration"),
    _text("hostname", "Container host name", "h"),
    Flag("init", "Run an init inside the container that forwards signals and reaps processes"),
    Flag("interactive", "Keep STDIN open even if not attached", short="i"),
    _text("ip", "IPv4 address (e.g., 172.30.100.104)"),
    _text("ip6", "IPv6 address (e.g., 2001:db8::33)"),
    _text("ipc", "IPC mode to use"),
    _text("isolation", "Container isolation technology: 'default' on Linux"),
    _text("kernel-memory", "Ignored: the kernel has no such limit any more", type_name="bytes"),
    _list("label", "Set meta data on a container", "l"),
    _list("label-file", "Read in a line delimited file of labels"),
    _list("link", "Add link to another container"),
    _list("link-local-ip", "Container IPv4/IPv6 link-local addresses"),
    _text("log-driver", "Logging driver for the container (json-file|local|journald|syslog|none)"),
    _list("log-opt", "Log driver options"),
    _text("mac-address", "Container MAC address (e.g., 92:d0:c6:0a:29:33)"),
    _text("memory", "Memory limit", "m", "bytes"),
    _text("memory-reservation", "Memory soft limit", type_name="bytes"),
    _text("memory-swap", "Swap limit equal to memory plus swap: '-1' to enable unlimited swap", type_name="bytes"),
    _int("memory-swappiness", "Tune container memory swappiness (0 to 100)", default=-1),
    _list("mount", "Attach a filesystem mount to the container", type_name="mount"),
    _text("name", "Assign a name to the container"),
    _list("network", "Connect a container to a network", type_name="network"),
    _list("net", "The same as --network", type_name="network"),
    _list("network-alias", "Add network-scoped alias for the container"),
    _list("net-alias", "The same as --network-alias"),
    Flag("no-healthcheck", "Disable any container-specified HEALTHCHECK"),
    Flag("oom-kill-disable", "Disable OOM Killer"),
    _int("oom-score-adj", "Tune host's OOM preferences (-1000 to 1000)"),
    _text("pid", "PID namespace to use"),
    _int("pids-limit", "Tune container pids limit (set -1 for unlimited)"),
    _text("platform", "Set platform if server is multi-platform capable"),
    Flag("privileged", "Give extended privileges to this container"),
    _list("publish", "Publish a container's port(s) to the host", "p"),
    Flag("publish-all", "Publish all exposed ports to random ports", short="P"),
    _text("pull", "Pull image before running (always|missing|never)", default="missing"),
    Flag("quiet", "Suppress the pull output", short="q"),
    Flag("read-only", "Mount the container's root filesystem as read only"),
    _text("restart", "Restart policy to apply when a container exits", default="no"),
    _text("runtime", "Runtime to use for this container (runc|crun|nvidia)"),
    Flag("rm", "Automatically remove the container when it exits"),
    _list("security-opt", "Security Options"),
    _text("shm-size", "Size of /dev/shm", type_name="bytes"),
    _text("stop-signal", "Signal to stop the container"),
    _int("stop-timeout", "Timeout (in seconds) to stop a container"),
    _list("sysctl", "Sysctl options", type_name="map"),
    _list("tmpfs", "Mount a tmpfs directory"),
    Flag("tty", "Allocate a pseudo-TTY", short="t"),
    _list("ulimit", "Ulimit options", type_name="ulimit"),
    _text("user", "Username or UID (format: <name|uid>[:<group|gid>])", "u"),
    _text("userns", "User namespace to use"),
    _text("uts", "UTS namespace to use"),
    _list("volume", "Bind mount a volume", "v"),
    _text("volume-driver", "Optional volume driver for the container (only local)"),
    _list("volumes-from", "Mount volumes from the specified container(s)"),
    _text("workdir", "Working directory inside the container", "w"),
)

FLAGS = (
    *CREATE_FLAGS,
    _list("data", "Record what the training run learns from by digest: PATH or NAME=PATH (with --track)"),
    Flag("detach", "Run container in background and print container ID", short="d"),
    _text("detach-keys", "Override the key sequence for detaching a container"),
    _text("experiment", "What the training run is grouped by (with --track)"),
    _list("param", "Record a parameter of the training run (NAME=VALUE; with --track)"),
    Flag("sig-proxy", "Proxy received signals to the process", default="true"),
    Flag("track", "Record the container as a training run"),
)


def options(args: Args, settings: Settings) -> RunOptions:
    """What the command line asks for: `args.rest` is the image and the command. `settings` gives the environment that
    `-e NAME` copies and the folder of relative paths. Reads --env-file, --label-file and seccomp profiles.

    Raises: FlagError (exit 125) with docker's message, Unsupported.
    """
    from wherry.cli.run_options import Reader

    return Reader(args, settings).options()
