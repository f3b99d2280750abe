"""The names of all commands, as data: nothing is imported until a command is chosen.

Each module has `VERB` (a flags.Verb, or a dict of them by whole name when it serves several) and
`run(engine, args, out) -> exit code`.
"""

from __future__ import annotations

__all__ = ["ALIASES", "COMMON", "GROUPS", "HIDDEN", "OPTIONS", "SUMMARIES"]

# name -> (module in wherry.cli, one line for help)
SUMMARIES: dict[str, tuple[str, str]] = {
    "run": ("run", "Create and run a new container from an image"),
    "exec": ("exec", "Execute a command in a running container"),
    "ps": ("ps", "List containers"),
    "build": ("build", "Build an image from a Dockerfile"),
    "images": ("images", "List images"),
    "bootstrap": ("bootstrap", "Make a stand-in base image when no registry can be reached"),
    "version": ("version", "Show the wherry version information"),
    "info": ("info", "Display system-wide information"),
    "doctor": ("doctor", "Check that this machine has what wherry needs"),
    "attach": ("attach", "Attach local standard input, output, and error streams to a running container"),
    "boot": ("boot", "Have containers with a restart policy started when the machine boots"),
    "commit": ("commit", "Create a new image from a container's changes"),
    "completion": ("completion", "Generate the autocompletion script for bash, zsh or fish"),
    "copy": ("copy", "Copy an image between registries, archives, folders and the local store"),
    "cp": ("cp", "Copy files/folders between a container and the local filesystem"),
    "create": ("create", "Create a new container"),
    "diff": ("diff", "Inspect changes to files or directories on a container's filesystem"),
    "export": ("export", "Export a container's filesystem as a tar archive"),
    "events": ("events", "Get real time events from the server"),
    "history": ("history", "Show the history of an image"),
    "import": ("import_image", "Import the contents from a tarball to create a filesystem image"),
    "inspect": ("inspect", "Return low-level information on wherry objects"),
    "kill": ("kill", "Kill one or more running containers"),
    "login": ("login", "Log in to a registry"),
    "logout": ("logout", "Log out from a registry"),
    "search": ("search", "Search Docker Hub for images"),
    "load": ("load", "Load an image from a tar archive or STDIN"),
    "logs": ("logs", "Fetch the logs of a container"),
    "pause": ("pause", "Pause all processes within one or more containers"),
    "port": ("port", "List port mappings or a specific mapping for the container"),
    "pull": ("pull", "Download an image from a registry"),
    "push": ("push", "Upload an image to a registry"),
    "rename": ("rename", "Rename a container"),
    "restart": ("restart", "Restart one or more containers"),
    "rm": ("rm", "Remove one or more containers"),
    "rmi": ("rmi", "Remove one or more images"),
    "save": ("save", "Save one or more images to a tar archive (streamed to STDOUT by default)"),
    "start": ("start", "Start one or more stopped containers"),
    "stats": ("stats", "Display a live stream of container(s) resource usage statistics"),
    "stop": ("stop", "Stop one or more running containers"),
    "tag": ("tag", "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE"),
    "top": ("top", "Display the running processes of a container"),
    "unpause": ("unpause", "Unpause all processes within one or more containers"),
    "update": ("update", "Update configuration of one or more containers"),
    "wait": ("wait", "Block until one or more containers stop, then print their exit codes"),
    "image inspect": ("inspect", "Display detailed information on one or more images"),
    "container inspect": ("inspect", "Display detailed information on one or more containers"),
    "image attach": ("image_attach", "Attach a file to an image"),
    "image diff": ("image_diff", "Show what differs between two images: packages and files"),
    "image sbom": ("image_sbom", "Print what is installed in a local image: an SBOM"),
    "image tree": ("image_tree", "Show an image with its platforms and what is attached"),
    "image generate-key-pair": ("image_sign", "Make a key pair to sign images with"),
    "image sign": ("image_sign", "Sign images in their registry, as cosign does"),
    "image verify": ("image_verify", "Verify the signatures of images in their registry"),
    "image prune": ("image_prune", "Remove unused images"),
    "container prune": ("container_prune", "Remove all stopped containers"),
    "gpu ls": ("gpu", "List the GPUs of this machine, and how a container gets each"),
    "gpu spec": ("gpu", "Print the CDI spec that wherry makes of NVIDIA's driver, as JSON"),
    "compose version": ("compose_version", "Show the version information"),
    "context create": ("context", "Create a context"),
    "context export": ("context", "Export a context to a tar archive FILE or a tar stream on STDOUT."),
    "context import": ("context", "Import a context from a tar or zip file"),
    "context inspect": ("context", "Display detailed information on one or more contexts"),
    "context ls": ("context", "List contexts"),
    "context rm": ("context", "Remove one or more contexts"),
    "context show": ("context", "Print the name of the current context"),
    "context update": ("context", "Update a context"),
    "context use": ("context", "Set the current docker context"),
    "manifest inspect": ("manifest", "Display an image manifest, or manifest list"),
    "network connect": ("network", "Connect a container to a network"),
    "network create": ("network", "Create a network"),
    "network disconnect": ("network", "Disconnect a container from a network"),
    "network inspect": ("network", "Display detailed information on one or more networks"),
    "network ls": ("network", "List networks"),
    "network prune": ("network", "Remove all unused networks"),
    "network rm": ("network", "Remove one or more networks"),
    "volume create": ("volume", "Create a volume"),
    "volume du": ("volume_archive", "Show what volumes take on the disk, and which containers use them"),
    "volume export": ("volume_archive", "Write a volume's files as a tar"),
    "volume import": ("volume_archive", "Read a tar into a new or empty volume"),
    "volume inspect": ("volume", "Display detailed information on one or more volumes"),
    "volume ls": ("volume", "List volumes"),
    "volume prune": ("volume", "Remove unused local volumes"),
    "volume rm": ("volume", "Remove one or more volumes"),
    "builder du": ("builder_du", "Show what the build cache holds"),
    "builder prune": ("builder_prune", "Remove build cache"),
    "registry gc": ("registry", "Free what no manifest of a registry's storage needs"),
    "registry serve": ("registry", "Serve a registry of your own"),
    "system df": ("system_df", "Show disk usage"),
    "system prune": ("system", "Remove unused data"),
}  # fmt: skip

# Not shown, not documented: what the shells' completion asks
HIDDEN = {"__complete": "complete"}

COMMON = ("run", "exec", "ps", "build", "images", "bootstrap", "version", "info", "doctor")

GROUPS = {
    "builder": "Manage builds",
    "buildx": "Manage builds, as docker's plugin of that name",
    "compose": "Define and run multi-container applications",
    "container": "Manage containers",
    "context": "Which daemon docker talks to: wherry needs none",
    "gpu": "Look at the GPUs of this machine",
    "image": "Manage images",
    "manifest": "Look at image manifests and manifest lists",
    "network": "Manage networks",
    "registry": "Run a registry of your own",
    "system": "Manage wherry",
    "volume": "Manage volumes",
}

# Groups whose own options stand before the command -> the module with GROUP, a Verb
OPTIONS = {"compose": "compose"}

ALIASES = {
    **{f"container {name}": name for name in (
        "attach", "commit", "cp", "create", "diff", "exec", "export", "kill", "logs", "pause", "port", "rename",
        "restart", "rm", "run", "start", "stats", "stop", "top", "unpause", "update", "wait")},
    "container ls": "ps", "container list": "ps", "container ps": "ps", "container remove": "rm",
    **{f"image {name}": name for name in ("build", "history", "import", "load", "pull", "push", "save", "tag")},
    "image ls": "images", "image list": "images", "image rm": "rmi", "image remove": "rmi",
    "builder build": "build", "system info": "info", "system events": "events",
    "buildx build": "build", "buildx du": "builder du", "buildx prune": "builder prune",
    "context list": "context ls", "context remove": "context rm",
    "network list": "network ls", "network remove": "network rm",
    "gpu list": "gpu ls",
    "volume list": "volume ls", "volume remove": "volume rm",
}  # fmt: skip
