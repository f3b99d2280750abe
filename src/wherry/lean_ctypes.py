"""Of ctypes what system calls need, from its C half: the rest of it costs each start 1 ms and 150 KB."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ctypes import CDLL, Structure, addressof, c_char_p, c_long, c_uint64, c_ulong, get_errno, sizeof
else:
    from _ctypes import (
        FUNCFLAG_CDECL,
        FUNCFLAG_USE_ERRNO,
        CFuncPtr,
        Structure,
        _SimpleCData,
        addressof,
        dlopen,
        get_errno,
        sizeof,
    )

    class c_int(_SimpleCData):  # noqa: N801
        _type_ = "i"

    class c_long(_SimpleCData):  # noqa: N801
        _type_ = "l"

    class c_ulong(_SimpleCData):  # noqa: N801
        _type_ = "L"

    class c_uint64(_SimpleCData):  # noqa: N801
        _type_ = "Q"

    class c_char_p(_SimpleCData):  # noqa: N801
        _type_ = "z"

    class _Function(CFuncPtr):
        _flags_ = FUNCFLAG_CDECL | FUNCFLAG_USE_ERRNO
        _restype_ = c_int

    class CDLL:
        """ctypes.CDLL with use_errno: a library's functions as its attributes, returning int."""

        def __init__(self, name, *, use_errno):
            assert use_errno
            self._handle = dlopen(name, 0)

        def __getattr__(self, name):
            function = self.__dict__[name] = _Function((name, self))
            return function


__all__ = ["CDLL", "Structure", "addressof", "c_char_p", "c_long", "c_uint64", "c_ulong", "get_errno", "sizeof"]
