from wherry.host._api import Command, Completed, Host, Mount, Overlay

__all__ = ["Command", "Completed", "Host", "Mount", "Overlay"]
