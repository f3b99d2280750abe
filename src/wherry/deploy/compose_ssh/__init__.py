"""Another machine, reached by ssh, that has wherry or docker: a compose file there, in a folder of ours.

Pure: `choice`, `validate`, `document`, `look`. `remote.Remote` is the border; `ssh` is the real one, `machine` says
over it what is asked of the container engine there.
"""

from wherry.deploy.compose_ssh.target import ComposeSshTarget

__all__ = ["ComposeSshTarget"]
