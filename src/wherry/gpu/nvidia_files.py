"""What of NVIDIA's driver belongs to which capability (NVIDIA_DRIVER_CAPABILITIES).

The names of the libraries are NVIDIA's: https://download.nvidia.com/XFree86/Linux-x86_64/550.54.14/README/installedcomponents.html
"""

from __future__ import annotations

__all__ = ["CAPABILITIES", "DEFAULT_CAPABILITIES", "FILES", "LIBRARIES", "WSL_LIBRARIES"]

CAPABILITIES = ("compute", "compat32", "graphics", "utility", "video", "display", "ngx")
DEFAULT_CAPABILITIES = ("utility", "compute")

_BY_CAPABILITY = {
    "utility": "libnvidia-ml libnvidia-cfg libnvidia-nscq libnvidia-sandboxutils",
    "compute": (
        "libcuda libcudadebugger libnvidia-opencl libnvidia-gpucomp libnvidia-ptxjitcompiler libnvidia-nvvm "
        "libnvidia-nvvm70 libnvidia-fatbinaryloader libnvidia-allocator libnvidia-compiler libnvidia-pkcs11 "
        "libnvidia-pkcs11-openssl3 libnvidia-tileiras"
    ),
    "video": "libnvcuvid libnvidia-encode libnvidia-opticalflow libvdpau_nvidia",
    "graphics": (
        "libGLX_nvidia libEGL_nvidia libGLESv2_nvidia libGLESv1_CM_nvidia libnvidia-eglcore libnvidia-glcore "
        "libnvidia-tls libnvidia-glsi libnvidia-fbc libnvidia-ifr libnvidia-rtcore libnvidia-glvkspirv libnvoptix "
        "libnvidia-cbl libnvidia-egl-wayland libnvidia-egl-gbm libnvidia-egl-xcb libnvidia-egl-xlib libnvidia-present "
        "libnvidia-vksc-core libnvidia-gtk2 libnvidia-gtk3"
    ),
    "ngx": "libnvidia-ngx",
}
LIBRARIES = {name: capability for capability, names in _BY_CAPABILITY.items() for name in names.split()}

# Windows' driver, under WSL: the libraries find the rest of it in /usr/lib/wsl/drivers
WSL_LIBRARIES = {
    **LIBRARIES, "libdxcore": "utility", "libd3d12": "graphics", "libd3d12core": "graphics", "libnvwgf2umx": "graphics",
    "libnvdxgdmal": "compute", "libcuda_loader": "compute",
}  # fmt: skip

FILES = (
    ("utility", "/usr/bin/nvidia-smi"),
    ("utility", "/usr/bin/nvidia-debugdump"),
    ("utility", "/usr/bin/nvidia-persistenced"),
    ("compute", "/usr/bin/nvidia-cuda-mps-control"),
    ("compute", "/usr/bin/nvidia-cuda-mps-server"),
    ("compute", "/etc/OpenCL/vendors/nvidia.icd"),
    ("compute", "/lib/firmware/nvidia/{version}/gsp.bin"),
    ("compute", "/lib/firmware/nvidia/{version}/gsp_ga10x.bin"),
    ("compute", "/lib/firmware/nvidia/{version}/gsp_tu10x.bin"),
    ("compute", "/lib/firmware/nvidia/{version}/gsp_ad10x.bin"),
    ("utility", "/run/nvidia-persistenced/socket"),
    ("compute", "/run/nvidia-fabricmanager/socket"),
    ("compute", "/tmp/nvidia-mps"),
    ("graphics", "/usr/share/glvnd/egl_vendor.d/10_nvidia.json"),
    ("graphics", "/usr/share/vulkan/icd.d/nvidia_icd.json"),
    ("graphics", "/etc/vulkan/icd.d/nvidia_icd.json"),
    ("graphics", "/usr/share/vulkan/implicit_layer.d/nvidia_layers.json"),
    ("graphics", "/etc/vulkan/implicit_layer.d/nvidia_layers.json"),
    ("graphics", "/usr/share/egl/egl_external_platform.d/10_nvidia_wayland.json"),
    ("graphics", "/usr/share/egl/egl_external_platform.d/15_nvidia_gbm.json"),
    ("graphics", "/usr/share/nvidia/nvoptix.bin"),
    ("graphics", "/usr/lib/{abi}/gbm/nvidia-drm_gbm.so"),
    ("graphics", "/usr/lib64/gbm/nvidia-drm_gbm.so"),
    ("display", "/usr/lib/xorg/modules/drivers/nvidia_drv.so"),
    ("display", "/usr/lib64/xorg/modules/drivers/nvidia_drv.so"),
    ("display", "/usr/share/X11/xorg.conf.d/10-nvidia.conf"),
    ("display", "/usr/share/X11/xorg.conf.d/nvidia-drm-outputclass.conf"),
    ("utility", "/usr/lib/wsl/lib/nvidia-smi"),
    ("compute", "/usr/lib/wsl/drivers"),
)
