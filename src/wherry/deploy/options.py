"""The options of each built-in target, as data: the command line knows them without importing a target."""

from __future__ import annotations

__all__ = ["OPTIONS", "Option"]


class Option:
    """One option of a target: a flag, and a key of [deploy.TARGET]. `kind` as cli.flags: bool, string, int, list."""

    __slots__ = ("help", "kind", "name", "type_name")

    def __init__(self, name: str, help: str, *, kind: str = "string", type_name: str = "") -> None:
        self.name, self.help, self.kind, self.type_name = name, help, kind, type_name


OPTIONS: dict[str, tuple[Option, ...]] = {
    "ecs": (
        Option("region", "The region (default: AWS_REGION, AWS_DEFAULT_REGION, then the profile's)"),
        Option("profile", "The profile of ~/.aws (default: AWS_PROFILE)"),
        Option("express", "An Express service: AWS makes load balancer, certificate and scaling", kind="bool"),
        Option("vpc", "The network (default: the region's default VPC)"),
        Option("subnet", "A subnet for tasks and load balancer; two zones at least", kind="list"),
        Option("private", "Tasks without public addresses: the subnets have a NAT gateway or endpoints", kind="bool"),
        Option("internal", "A load balancer that answers inside the VPC only", kind="bool"),
        Option("certificate", "Serve https with this certificate of ACM", type_name="ARN"),
        Option("domain", "The certificate's host name, which you let point at the load balancer"),
        Option("task-role", "The role whose permissions the application has", type_name="ARN"),
        Option("log-days", "Days that logs are kept (default 14)", kind="int"),
        Option("writable", "A writable root file system: without it only /tmp is", kind="bool"),
    ),
    "cloudrun": (
        Option("project", "The project's id (default: GOOGLE_CLOUD_PROJECT, then your login's)"),
        Option("region", "The region, as europe-west1 (default: CLOUDSDK_RUN_REGION)"),
        Option("repository", "A repository of Artifact Registry that is there already (default: one of its own)"),
        Option("service-account", "Whom the application is to other services", type_name="EMAIL"),
        Option("request-timeout", "Seconds that a request may take (default: 300)", kind="int"),
        Option("private", "Only who may invoke it by IAM gets an answer", kind="bool"),
        Option("internal", "Only from inside of the project's networks", kind="bool"),
        Option("cpu-always", "Give the CPU between requests too", kind="bool"),
    ),
    "aca": (
        Option("subscription", "The subscription's id (default: AZURE_SUBSCRIPTION_ID, then az's own)"),
        Option("resource-group", "The resource group, which is there (default: one of its own)"),
        Option("location", "The location, as westeurope (default: the resource group's)"),
        Option("environment", "The environment, by name or id (default: one of its own)"),
        Option(
            "registry",
            "Push here: HOST or HOST/PREFIX, Azure's or another (default: one of its own)",
            type_name="HOST/PREFIX",
        ),
        Option("identity", "Who pulls the image and reads Key Vaults, by name or id (default: one of its own)"),
        Option("workload-profile", "A workload profile of the environment (default: the consumption plan)"),
        Option("internal", "Only from inside of the environment's network", kind="bool"),
        Option("allow-http", "Answer plain http too, without sending it to https", kind="bool"),
    ),
    "compose-ssh": (
        Option("host", "The machine, as ssh takes it", type_name="[USER@]HOST[:PORT]"),
        Option("ssh-key", "Sign in with this private key (default: as ssh does)", type_name="FILE"),
        Option("engine", "The container engine there: wherry or docker (default: the first that is there)"),
        Option("sudo", "Run the engine there by sudo, which must not ask for a password", kind="bool"),
        Option(
            "registry",
            "Push here, and let the machine pull: HOST/PREFIX (default: the image is sent over ssh)",
            type_name="HOST/PREFIX",
        ),
        Option("publish", "Where the machine answers: [IP:]PORT (default: the application's port, on all addresses)"),
        Option("writable", "A writable root file system: without it only /tmp is", kind="bool"),
    ),
    "kubernetes": (
        Option("kubeconfig", "The kubeconfig file (default: KUBECONFIG, then ~/.kube/config, then the pod's own)"),
        Option("context", "The context of the kubeconfig (default: its current one)"),
        Option("namespace", "The namespace (default: the context's, else default)"),
        Option("registry", "Push here what the cluster can't reach: HOST/PREFIX", type_name="HOST/PREFIX"),
        Option("ingress", "Make an Ingress for this host name", type_name="HOST"),
        Option("ingress-class", "The Ingress's class"),
        Option("pull-secret", "An image pull secret of the namespace", kind="list"),
        Option("runtime-class", "The pods' runtime class"),
    ),
}
