"""What docker's command line decodes an inspected object into: Go's names, order and kinds of its fields.

A template sees these; where it asks for something else, it sees the JSON as it is (`.ID` and `.Id` both work).
Spec: https://pkg.go.dev/github.com/docker/docker@v26.1.5+incompatible/api/types
"""

from __future__ import annotations

from wherry.gotemplate.schema import Schema
from wherry.gotemplate.values import Number, typed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

__all__ = ["KINDS", "as_docker", "as_read", "known"]

KINDS = {
    "container": "types.ContainerJSON", "image": "types.ImageInspect", "network": "types.NetworkResource",
    "volume": "volume.Volume", "info": "system.dockerInfo", "version": "system.versionInfo",
}  # fmt: skip
_POINTERS = {"container": "", "image": "", "network": "", "volume": ""}

SCHEMA = """
types.ContainerJSON
    +*types.ContainerJSONBase; Mounts []types.MountPoint; Config *container.Config; NetworkSettings
    *types.NetworkSettings
types.ContainerJSONBase
    ID:Id, Created, Path string; Args []string; State *types.ContainerState; Image, ResolvConfPath,
    HostnamePath, HostsPath, LogPath, Name string; RestartCount int; Driver, Platform, MountLabel, ProcessLabel,
    AppArmorProfile string; ExecIDs []string; HostConfig *container.HostConfig; GraphDriver
    types.GraphDriverData; SizeRw, SizeRootFs *int64
types.ContainerState
    Status string; Running, Paused, Restarting, OOMKilled, Dead bool; Pid, ExitCode int; Error, StartedAt,
    FinishedAt string; Health *types.Health
types.Health
    Status string; FailingStreak int; Log []*types.HealthcheckResult
types.HealthcheckResult
    Start, End time.Time; ExitCode int; Output string
types.GraphDriverData
    Data map[string]string; Name string
types.MountPoint
    Type, Name, Source, Destination, Driver, Mode string; RW bool; Propagation string
nat.PortSet = map[nat.Port]struct{}
nat.PortMap = map[nat.Port][]nat.PortBinding
nat.PortBinding
    HostIP:HostIp, HostPort string
strslice.StrSlice = []string
container.Config
    Hostname, Domainname, User string; AttachStdin, AttachStdout, AttachStderr bool; ExposedPorts nat.PortSet;
    Tty, OpenStdin, StdinOnce bool; Env []string; Cmd strslice.StrSlice; Healthcheck *container.HealthConfig;
    ArgsEscaped bool; Image string; Volumes map[string]struct{}; WorkingDir string; Entrypoint
    strslice.StrSlice; NetworkDisabled bool; MacAddress string; OnBuild []string; Labels map[string]string;
    StopSignal string; StopTimeout *int; Shell strslice.StrSlice
container.HealthConfig
    Test []string; Interval, Timeout, StartPeriod, StartInterval time.Duration; Retries int
container.HostConfig
    Binds []string; ContainerIDFile string; LogConfig container.LogConfig; NetworkMode string; PortBindings
    nat.PortMap; RestartPolicy container.RestartPolicy; AutoRemove bool; VolumeDriver string; VolumesFrom
    []string; ConsoleSize [2]uint; Annotations map[string]string; CapAdd, CapDrop strslice.StrSlice;
    CgroupnsMode string; DNS:Dns, DNSOptions:DnsOptions, DNSSearch:DnsSearch, ExtraHosts, GroupAdd []string;
    IpcMode, Cgroup string; Links []string; OomScoreAdj int; PidMode string; Privileged, PublishAllPorts,
    ReadonlyRootfs bool; SecurityOpt []string; StorageOpt, Tmpfs map[string]string; UTSMode, UsernsMode string;
    ShmSize int64; Sysctls map[string]string; Runtime, Isolation string; +container.Resources; Mounts
    []mount.Mount; MaskedPaths, ReadonlyPaths []string; Init *bool
container.LogConfig
    Type string; Config map[string]string
container.RestartPolicy
    Name string; MaximumRetryCount int
container.Resources
    CPUShares:CpuShares, Memory, NanoCPUs:NanoCpus int64; CgroupParent string; BlkioWeight uint16;
    BlkioWeightDevice []*blkiodev.WeightDevice; BlkioDeviceReadBps, BlkioDeviceWriteBps, BlkioDeviceReadIOps,
    BlkioDeviceWriteIOps []*blkiodev.ThrottleDevice; CPUPeriod:CpuPeriod, CPUQuota:CpuQuota,
    CPURealtimePeriod:CpuRealtimePeriod, CPURealtimeRuntime:CpuRealtimeRuntime int64; CpusetCpus, CpusetMems
    string; Devices []container.DeviceMapping; DeviceCgroupRules []string; DeviceRequests
    []container.DeviceRequest; KernelMemory, KernelMemoryTCP, MemoryReservation, MemorySwap int64;
    MemorySwappiness *int64; OomKillDisable *bool; PidsLimit *int64; Ulimits []*units.Ulimit; CPUCount:CpuCount,
    CPUPercent:CpuPercent int64; IOMaximumIOps, IOMaximumBandwidth uint64
blkiodev.WeightDevice
    Path string; Weight uint16
blkiodev.ThrottleDevice
    Path string; Rate uint64
container.DeviceMapping
    PathOnHost, PathInContainer, CgroupPermissions string
container.DeviceRequest
    Driver string; Count int; DeviceIDs []string; Capabilities [][]string; Options map[string]string
units.Ulimit
    Name string; Hard, Soft int64
mount.Mount
    Type, Source, Target string; ReadOnly bool; Consistency string; BindOptions *mount.BindOptions;
    VolumeOptions *mount.VolumeOptions; TmpfsOptions *mount.TmpfsOptions; ClusterOptions *struct{}
mount.BindOptions
    Propagation string; NonRecursive, CreateMountpoint, ReadOnlyNonRecursive, ReadOnlyForceRecursive bool
mount.VolumeOptions
    NoCopy bool; Labels map[string]string; Subpath string; DriverConfig *mount.Driver
mount.Driver
    Name string; Options map[string]string
mount.TmpfsOptions
    SizeBytes int64; Mode int
types.NetworkSettings
    +types.NetworkSettingsBase; +types.DefaultNetworkSettings; Networks map[string]*network.EndpointSettings
types.NetworkSettingsBase
    Bridge, SandboxID, SandboxKey string; Ports nat.PortMap; HairpinMode bool; LinkLocalIPv6Address string;
    LinkLocalIPv6PrefixLen int; SecondaryIPAddresses, SecondaryIPv6Addresses []network.Address
network.Address
    Addr string; PrefixLen int
types.DefaultNetworkSettings
    EndpointID, Gateway, GlobalIPv6Address string; GlobalIPv6PrefixLen int; IPAddress string; IPPrefixLen int;
    IPv6Gateway, MacAddress string
network.EndpointSettings
    IPAMConfig *network.EndpointIPAMConfig; Links, Aliases []string; MacAddress, NetworkID, EndpointID, Gateway,
    IPAddress string; IPPrefixLen int; IPv6Gateway, GlobalIPv6Address string; GlobalIPv6PrefixLen int;
    DriverOpts map[string]string; DNSNames []string
network.EndpointIPAMConfig
    IPv4Address, IPv6Address string; LinkLocalIPs []string
types.ImageInspect
    ID:Id string; RepoTags, RepoDigests []string; Parent, Comment, Created, Container string; ContainerConfig
    *container.Config; DockerVersion, Author string; Config *container.Config; Architecture, Variant, Os,
    OsVersion string; Size, VirtualSize int64; GraphDriver types.GraphDriverData; RootFS types.RootFS; Metadata
    image.Metadata
types.RootFS
    Type string; Layers []string
image.Metadata
    LastTagTime time.Time
types.NetworkResource
    Name, ID:Id string; Created time.Time; Scope, Driver string; EnableIPv6 bool; IPAM network.IPAM; Internal,
    Attachable, Ingress bool; ConfigFrom network.ConfigReference; ConfigOnly bool; Containers
    map[string]types.EndpointResource; Options, Labels map[string]string; Peers []network.PeerInfo; Services
    map[string]network.ServiceInfo
network.IPAM
    Driver string; Options map[string]string; Config []network.IPAMConfig
network.IPAMConfig
    Subnet, IPRange, Gateway string; AuxAddress:AuxiliaryAddresses map[string]string
network.ConfigReference
    Network string
network.PeerInfo
    Name, IP string
network.ServiceInfo
    VIP string; Ports []string
types.EndpointResource
    Name, EndpointID, MacAddress, IPv4Address, IPv6Address string
volume.Volume
    ClusterVolume *struct{}; CreatedAt, Driver string; Labels map[string]string; Mountpoint, Name string;
    Options map[string]string; Scope string; Status map[string]any; UsageData *volume.UsageData
volume.UsageData
    RefCount, Size int64
events.Message
    Status:status, ID:id, From:from, Type, Action string; Actor events.Actor; Scope:scope string; Time:time,
    TimeNano:timeNano int64
events.Actor
    ID string; Attributes map[string]string
system.versionInfo
    Client system.clientVersion; Server *types.Version
system.clientVersion
    Platform *types.Platform; Version, APIVersion:ApiVersion, DefaultAPIVersion, GitCommit, GoVersion, Os, Arch,
    BuildTime, Context string
types.Platform
    Name string
types.Version
    Platform types.Platform; Components []types.ComponentVersion; Version, APIVersion:ApiVersion, MinAPIVersion,
    GitCommit, GoVersion, Os, Arch, KernelVersion string; Experimental bool; BuildTime string
types.ComponentVersion
    Name, Version string; Details map[string]string
system.dockerInfo
    +*system.Info; ClientInfo *system.clientInfo; ServerErrors, ClientErrors []string
system.Info
    ID string; Containers, ContainersRunning, ContainersPaused, ContainersStopped, Images int; Driver string;
    DriverStatus, SystemStatus [][2]string; Plugins system.PluginsInfo; MemoryLimit, SwapLimit, KernelMemory,
    KernelMemoryTCP, CPUCfsPeriod:CpuCfsPeriod, CPUCfsQuota:CpuCfsQuota, CPUShares, CPUSet, PidsLimit, IPv4Forwarding,
    BridgeNfIptables, BridgeNfIP6tables:BridgeNfIp6tables, Debug bool; NFd int; OomKillDisable bool; NGoroutines int;
    SystemTime, LoggingDriver, CgroupDriver, CgroupVersion string; NEventsListener int; KernelVersion, OperatingSystem,
    OSVersion, OSType, Architecture, IndexServerAddress string; RegistryConfig *registry.ServiceConfig; NCPU int;
    MemTotal int64; GenericResources []any; DockerRootDir, HTTPProxy:HttpProxy, HTTPSProxy:HttpsProxy, NoProxy,
    Name string; Labels []string; ExperimentalBuild bool; ServerVersion string;
    Runtimes map[string]system.RuntimeWithStatus; DefaultRuntime string; Swarm swarm.Info; LiveRestoreEnabled bool;
    Isolation, InitBinary string; ContainerdCommit, RuncCommit, InitCommit system.Commit; SecurityOptions []string;
    ProductLicense string; DefaultAddressPools []system.NetworkAddressPool; CDISpecDirs, Warnings []string
system.PluginsInfo
    Volume, Network, Authorization, Log []string
system.RuntimeWithStatus
    Path:path string; Args:runtimeArgs []string; Status:status map[string]string
system.Commit
    ID, Expected string
system.NetworkAddressPool
    Base string; Size int
system.clientInfo
    Debug bool; +system.clientVersion; Plugins []any; Warnings []string
registry.ServiceConfig
    AllowNondistributableArtifactsCIDRs, AllowNondistributableArtifactsHostnames, InsecureRegistryCIDRs []string;
    IndexConfigs map[string]*registry.IndexInfo; Mirrors []string
registry.IndexInfo
    Name string; Mirrors []string; Secure, Official bool
swarm.Info
    NodeID, NodeAddr, LocalNodeState string; ControlAvailable bool; Error string; RemoteManagers []any; Nodes,
    Managers int; Cluster *struct{}; Warnings []string
"""

_SCHEMA = Schema(SCHEMA)


def as_docker(document: Mapping[str, Any], kind: str) -> Any:
    """`kind` is a key of KINDS."""
    return typed(document, _SCHEMA.type(KINDS[kind]))


def known(document: Mapping[str, Any], type: str) -> Any:
    """As docker has a document of that type; None when it is none of docker's."""
    try:
        return typed(document, _SCHEMA.type(type))
    except KeyError:
        return None


def as_read(value: Any) -> Any:
    """JSON as docker's second try reads it: a number stays the text that it is."""
    if isinstance(value, dict):
        return {key: as_read(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [as_read(one) for one in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Number(value)
    return value
