from wherry.host._api import Command, Completed, FileSystem, Host, Mount, Overlay

__all__ = ["Command", "Completed", "FileSystem", "Host", "Mount", "Overlay"]
